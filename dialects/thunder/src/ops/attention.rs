//! Attention.

mod backward;
mod gradient;

pub use backward::*;

use crate::axes::host_shapes;
use crate::build::*;
use crate::compose::{Extent, broadcast, converted, extents, float_count, full, reshape, widened};
use crate::cotangent::swapped;
use crate::{declared, infer_like};
use thunder_interface::{
    Cost, Decompose, Differentiate, Dim, Dtypes, EvalError, Library, LibraryCall, Precision, PrecisionClass, Reference,
    SampleSet, Samples, ShapeInputs, ShapeRule, dtype_of,
};
use thunder_ir::prelude::*;
use thunder_tensor::{DType, Tensor as HostTensor};

/// Scaled dot-product attention `softmax(query * transpose(key) * scale + mask) * value`.
///
/// `query` is `[batch..., heads, rows, depth]`, `key` is `[batch..., key heads, columns, depth]` and
/// `value` is `[batch..., key heads, columns, width]`; neighbouring heads of the query share a head
/// of key and value. A mask of truth values says which scores count, one of floats is added to them.
/// With `causal`, row `i` sees columns `0` to `i`. A row of which no score counts, or all are
/// negative infinity, is zero. Half precision is computed in single precision and rounded once.
///
/// - (C1) `query`, `key` and `value` are tensors of floats with one element type
/// - (C2) they have one rank, which is at least 3
/// - (C3) their outer dimensions but for heads are equal, as are the depths of `query` and `key`, and
///   the heads and columns of `key` and `value`
/// - (C4) the heads of `query` are a multiple of those of `key`
/// - (C5) `mask` is a tensor of truth values or of the element type of `query`
/// - (C6) the dimensions of `mask` are the innermost of `[batch..., heads, rows, columns]`, or have
///   size 1 in its type
///
/// ```mlir
/// %y = thunder.sdpa %q, %k, %v mask(%m) scale = 0.125
///   : (tensor<2x8x5x64xf32>, tensor<2x2x7x64xf32>, tensor<2x2x7x64xf32>, tensor<2x1x1x7xi1>) -> tensor<2x8x5x64xf32>
/// ```
#[op("thunder.sdpa", pure, infer, interfaces(Reference, ShapeRule, Decompose, Differentiate, Library, Cost, Precision))]
pub struct Sdpa {
    /// What is asked, a row each.
    #[c(1)]
    query: Operand<Tensor<Float>>,
    /// What answers are found by, a row each.
    #[c(1)]
    key: Operand<Tensor<Float>>,
    /// The answers, a row each.
    #[c(1)]
    value: Operand<Tensor<Float>>,
    /// Which scores count, or what is added to them.
    #[c(5)]
    mask: OptionalOperand<Tensor<Either<Bool, Float>>>,
    /// Whether a row sees no column after its own number.
    #[default(false)]
    causal: Attr<bool>,
    /// The factor of scores; `1 / sqrt(depth)` unless given.
    scale: OptionalAttr<f64>,
    out: Produces<Tensor<Float>>,
}

impl<'c> Infer<'c> for Sdpa<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_like(self)
    }
}

impl ShapeRule for Sdpa<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        Ok(vec![self.parameters().result(self, &inputs.operands)?])
    }
}

impl<'c> Sdpa<'c> {
    fn parameters(&self) -> Parameters<'c> {
        Parameters {
            query: self.query(),
            key: self.key(),
            value: self.value(),
            mask: self.mask(),
            causal: self.causal(),
            scale: self.scale(),
        }
    }
}

/// What attention and its gradient are computed from.
#[derive(Clone, Copy)]
struct Parameters<'c> {
    query: Value<'c>,
    key: Value<'c>,
    value: Value<'c>,
    mask: Option<Value<'c>>,
    causal: bool,
    scale: Option<f64>,
}

impl<'c> Parameters<'c> {
    /// The sizes of the result of attention where (C1) to (C6) of `sdpa` hold; `operands` are the sizes of query, key,
    /// value and mask.
    fn result(&self, op: &impl Op<'c>, operands: &[Vec<Dim>]) -> Result<Vec<Dim>> {
        let element = self.query.ty().element();
        for other in [self.key, self.value].map(|v| v.ty().element()) {
            if other != element {
                return Err(op.error(format!("(C1) element types differ: '{element}' and '{other}'")));
            }
        }
        let [q, k, v] = [&operands[0], &operands[1], &operands[2]];
        let rank = q.len();
        if rank < 3 || k.len() != rank || v.len() != rank {
            let message = format!("(C2) ranks must be equal and at least 3: {rank}, {} and {}", k.len(), v.len());
            return Err(op.error(message));
        }
        let same = |what: &str, a: &Dim, b: &Dim| {
            a.unify(b).map_err(|e| op.error(format!("(C3) {what} of its operands differ: {e}")))
        };
        let (heads, rows, depth) = (rank - 3, rank - 2, rank - 1);
        let mut scores = Vec::new();
        for axis in 0..heads {
            scores.push(same("outer dimensions", &same("outer dimensions", &q[axis], &k[axis])?, &v[axis])?);
        }
        same("depths", &q[depth], &k[depth])?;
        let key_heads = same("heads", &k[heads], &v[heads])?;
        let columns = same("columns", &k[rows], &v[rows])?;
        if let (Some(heads), Some(key_heads)) = (q[heads].known(), key_heads.known())
            && (if key_heads == 0 { heads != 0 } else { heads % key_heads != 0 })
        {
            return Err(op.error(format!("(C4) {heads} heads are not a multiple of {key_heads}")));
        }
        scores.extend([q[heads].clone(), q[rows].clone(), columns]);
        if let Some(mask) = self.mask {
            self.check_mask(op, mask, &operands[3], &scores)?;
        }
        *scores.last_mut().expect("scores have at least three dimensions") = v[depth].clone();
        Ok(scores)
    }

    fn check_mask(&self, op: &impl Op<'c>, mask: Value<'_>, sizes: &[Dim], scores: &[Dim]) -> Result {
        let (ty, element) = (mask.ty().element(), self.query.ty().element());
        if ty.as_scalar().is_some_and(|s| s.is_float()) && ty != element {
            return Err(op.error(format!("(C5) a mask of '{ty}' for scores of '{element}'")));
        }
        let Some(outer) = scores.len().checked_sub(sizes.len()) else {
            let message = format!("(C6) a mask of rank {} for scores of rank {}", sizes.len(), scores.len());
            return Err(op.error(message));
        };
        for ((size, stated), score) in sizes.iter().zip(declared(mask.ty())).zip(&scores[outer..]) {
            if stated != Dim::Known(1) {
                size.unify(score).map_err(|e| op.error(format!("(C6) sizes of mask and scores differ: {e}")))?;
            }
        }
        Ok(())
    }

    /// The factor of scores, where it is known.
    fn known_scale(&self) -> Option<f64> {
        let depth = declared(self.query.ty()).last()?.known();
        self.scale.or(depth.map(|depth| 1.0 / (depth as f64).sqrt()))
    }

    /// Whether libraries compute it: not in double precision, and with a mask that is added.
    fn is_library(&self) -> bool {
        let element = self.query.ty().element();
        dtype_of(element) != Some(DType::F64) && self.mask.is_none_or(|m| m.ty().element() == element)
    }

    /// A mask to add instead of one that selects, for libraries of half precision, which only add.
    fn added_mask(&self, b: &Builder<'c>) -> Result<Option<Value<'c>>> {
        let element = self.query.ty().element();
        let is_half = dtype_of(element).is_some_and(|dtype| dtype.size() == 2);
        let Some(mask) = self.mask.filter(|mask| is_half && mask.ty().element() != element) else { return Ok(None) };
        let sizes = extents(b, mask)?;
        let (counts, never) = (full(b, element, 0.0, &sizes)?, full(b, element, f64::NEG_INFINITY, &sizes)?);
        b.where_(mask, counts, never).map(Some)
    }
}

impl Library for Sdpa<'_> {
    fn library<'b>(&'b self) -> Option<LibraryCall<'b>> {
        let parameters = self.parameters();
        let scale = parameters.known_scale().filter(|_| parameters.is_library())?;
        let Parameters { query: q, key: k, value: v, mask, causal, .. } = parameters;
        Some(LibraryCall::Attention { q, k, v, mask, causal, scale })
    }
}

impl Reference for Sdpa<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let shape = host_shapes(self, inputs)?.remove(0);
        let weights = self.parameters().host_weights(inputs)?;
        Ok(vec![thunder_tensor::matmul(&weights, &inputs[2], inputs[0].dtype())?.reshape(shape)?])
    }
}

impl Parameters<'_> {
    /// The weights `[batch..., key heads, group * rows, columns]`; `inputs` are query, key, value and mask.
    fn host_weights(&self, inputs: &[HostTensor]) -> Result<HostTensor, EvalError> {
        let [q, k] = [&inputs[0], &inputs[1]];
        let rank = q.rank();
        let (rows, columns) = (q.shape()[rank - 2], k.shape()[rank - 2]);
        let grouped = folded(q, k)?;
        let scores = thunder_tensor::matmul(&grouped, k.view().transpose_last()?, DType::F64)?;
        let scale = self.host_scale(q);
        let mut scores: Vec<f64> = scores.to_vec::<f64>().into_iter().map(|score| score * scale).collect();
        if let Some(mask) = inputs.get(3) {
            let all = [&q.shape()[..rank - 1], &[columns]].concat();
            let mask_values = mask.view().expand(&all)?.to_vec::<f64>();
            for (score, mask_value) in scores.iter_mut().zip(mask_values) {
                *score = match (mask.dtype(), mask_value == 0.0) {
                    (DType::Bool, true) => f64::NEG_INFINITY,
                    (DType::Bool, false) => *score,
                    _ => *score + mask_value,
                };
            }
        }
        for (index, row) in scores.chunks_mut(columns.max(1)).enumerate() {
            if self.causal {
                row.iter_mut().skip(index % rows + 1).for_each(|score| *score = f64::NEG_INFINITY);
            }
            weigh(row);
        }
        let shape = [&grouped.shape()[..rank - 1], &[columns]].concat();
        Ok(HostTensor::from_vec(shape, scores)?)
    }

    fn host_scale(&self, query: &HostTensor) -> f64 {
        self.scale.unwrap_or(1.0 / (query.shape()[query.rank() - 1] as f64).sqrt())
    }
}

/// Rows for each head of the query, with the heads folded that share one of `key`.
fn folded(rows: &HostTensor, key: &HostTensor) -> Result<HostTensor, EvalError> {
    let (shape, rank) = (rows.shape(), rows.rank());
    let group = shape[rank - 3].checked_div(key.shape()[rank - 3]).unwrap_or(0);
    let inner = [&key.shape()[..rank - 2], &[group * shape[rank - 2], shape[rank - 1]]].concat();
    Ok(rows.reshape(inner)?)
}

/// Softmax of a row, or zeros where it has nothing but negative infinities.
fn weigh(row: &mut [f64]) {
    let largest = row.iter().fold(f64::NEG_INFINITY, |best, x| if x.is_nan() || *x > best { *x } else { best });
    if largest == f64::NEG_INFINITY {
        return row.fill(0.0);
    }
    row.iter_mut().for_each(|x| *x = libm::exp(*x - largest));
    let total: f64 = row.iter().sum();
    row.iter_mut().for_each(|x| *x /= total);
}

/// What attention is made of, in the precision to compute in.
struct Attention<'b> {
    query: Value<'b>,
    key: Value<'b>,
    value: Value<'b>,
    /// The factor of scores, of rank 0.
    scale: Value<'b>,
    /// The weights of all values in each row, of sizes `scores`.
    weights: Value<'b>,
    /// `[batch..., heads, rows, columns]`.
    scores: Vec<Extent<'b>>,
    /// The columns of the result.
    width: Extent<'b>,
    /// The columns of query and key.
    depth: Extent<'b>,
    /// `[batch..., key heads, group * rows]`: one product serves the heads that share a key.
    folded: Vec<Extent<'b>>,
}

impl<'b> Attention<'b> {
    fn of(b: &Builder<'b>, op: &Parameters<'b>) -> Result<Self> {
        let [query, key, value] = [widened(b, op.query)?, widened(b, op.key)?, widened(b, op.value)?];
        let [qs, ks, vs] = [extents(b, query)?, extents(b, key)?, extents(b, value)?];
        let (rank, element) = (qs.len(), query.ty().element());
        let (heads, rows, last) = (rank - 3, rank - 2, rank - 1);
        let mut folded: Vec<_> = (0..heads).map(|axis| known(&[qs[axis], ks[axis], vs[axis]])).collect();
        let (key_heads, columns) = (known(&[ks[heads], vs[heads]]), known(&[ks[rows], vs[rows]]));
        let (depth, width) = (known(&[qs[last], ks[last]]), vs[last]);
        let scores_shape = [&folded[..], &[qs[heads], qs[rows], columns]].concat();
        let group = qs[heads].div(b, key_heads)?;
        folded.extend([key_heads, group.mul(b, qs[rows])?]);

        let rows_of_query = reshape(b, query, &[&folded[..], &[depth]].concat())?;
        let scores = b.matmul(rows_of_query, swapped(b, key)?)?;
        let scores = reshape(b, scores, &scores_shape)?;
        let scale = match op.scale {
            Some(scale) => full(b, element, scale, &[])?,
            None => b.rsqrt(float_count(b, element, &[depth])?)?,
        };
        let scores = b.mul(scores, broadcast(b, scale, &[], &scores_shape)?)?;
        let scores = op.masked(b, scores, &scores_shape)?;
        let weights = weights(b, scores, &scores_shape)?;
        Ok(Self { query, key, value, scale, weights, scores: scores_shape, width, depth, folded })
    }

    /// `x`, whose rows are those of scores, with the heads folded that share a key.
    fn fold(&self, b: &Builder<'b>, x: Value<'b>, columns: Extent<'b>) -> Result<Value<'b>> {
        reshape(b, x, &[&self.folded[..], &[columns]].concat())
    }

    /// The inverse of `fold`.
    fn unfold(&self, b: &Builder<'b>, x: Value<'b>, columns: Extent<'b>) -> Result<Value<'b>> {
        reshape(b, x, &[&self.scores[..self.scores.len() - 1], &[columns]].concat())
    }

    fn columns(&self) -> Extent<'b> {
        self.scores[self.scores.len() - 1]
    }
}

impl Decompose for Sdpa<'_> {
    fn decompose<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        let parameters = self.parameters();
        if let Some(mask) = parameters.added_mask(b)? {
            let Parameters { query, key, value, causal, scale, .. } = parameters;
            return Ok(vec![b.sdpa(query, key, value, Some(mask), causal, scale)?]);
        }
        let parts = Attention::of(b, &parameters)?;
        let out = b.matmul(parts.fold(b, parts.weights, parts.columns())?, parts.value)?;
        let out = parts.unfold(b, out, parts.width)?;
        Ok(vec![converted(b, out, self.query().ty().element())?])
    }
}

/// The one of several equal sizes that says most.
fn known<'b>(sizes: &[Extent<'b>]) -> Extent<'b> {
    *sizes.iter().find(|size| size.stated().is_some()).unwrap_or(&sizes[0])
}

impl<'b> Parameters<'b> {
    fn masked(&self, b: &Builder<'b>, scores: Value<'b>, shape: &[Extent<'b>]) -> Result<Value<'b>> {
        let element = scores.ty().element();
        let never = full(b, element, f64::NEG_INFINITY, shape)?;
        let mut scores = scores;
        if let Some(mask) = self.mask {
            let dims: Vec<usize> = (shape.len() - declared(mask.ty()).len()..shape.len()).collect();
            if mask.ty().element().as_scalar().is_some_and(|s| s.is_float()) {
                scores = b.add(scores, broadcast(b, widened(b, mask)?, &dims, shape)?)?;
            } else {
                scores = b.where_(broadcast(b, mask, &dims, shape)?, scores, never)?;
            }
        }
        if self.causal {
            let (inner, rank) = (&shape[shape.len() - 2..], shape.len());
            let stated: Vec<_> = inner.iter().map(|size| size.stated()).collect();
            let dynamic: Vec<_> = inner
                .iter()
                .filter_map(|size| if let Extent::Value(value) = size { Some(*value) } else { None })
                .collect();
            let ty = Type::tensor(Type::int(b.context(), 64), &stated);
            let sees = b.ge(b.iota(&dynamic, 0, ty)?, b.iota(&dynamic, 1, ty)?)?;
            scores = b.where_(broadcast(b, sees, &[rank - 2, rank - 1], shape)?, scores, never)?;
        }
        Ok(scores)
    }
}

/// Softmax over the last dimension, or zeros where it has nothing but negative infinities.
fn weights<'b>(b: &Builder<'b>, scores: Value<'b>, shape: &[Extent<'b>]) -> Result<Value<'b>> {
    let (element, last) = (scores.ty().element(), shape.len() - 1);
    let kept: Vec<usize> = (0..last).collect();
    let constant = |value| full(b, element, value, &shape[..last]);
    let largest = b.amax(scores, vec![last as i64], false)?;
    let is_empty = b.eq(largest, constant(f64::NEG_INFINITY)?)?;
    let largest = b.where_(is_empty, constant(0.0)?, largest)?;
    let powers = b.exp(b.sub(scores, broadcast(b, largest, &kept, shape)?)?)?;
    let totals = b.sum(powers, vec![last as i64], false)?;
    let totals = b.where_(is_empty, constant(1.0)?, totals)?;
    b.div(powers, broadcast(b, totals, &kept, shape)?)
}

impl Cost for Sdpa<'_> {
    fn flops(&self, operands: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        let [query, value] = [&operands[0], &operands[2]];
        let (rank, columns) = (query.len(), value[value.len() - 2]);
        let scores = query[..rank - 1].iter().product::<i64>() as f64 * columns as f64;
        scores * (2.0 * (query[rank - 1] + value[rank - 1]) as f64 + 14.0)
    }
}

impl Precision for Sdpa<'_> {
    fn precision(&self) -> PrecisionClass {
        PrecisionClass::Lower
    }
}

impl Samples for Sdpa<'_> {
    fn samples(s: &mut SampleSet) {
        for (q, k, v, mask, attributes, out, [qs, ks, vs, ms]) in sdpa_cases() {
            let [q, k, v, out] = [q, k, v, out].map(|dims| format!("tensor<{dims}$T>"));
            let (argument, operand, ty) = mask_of(mask);
            let signature = format!("(%q: {q}, %k: {k}, %v: {v}{argument}) -> {out}");
            let body = format!(
                "%r = thunder.sdpa %q, %k, %v{operand}{attributes} : ({q}, {k}, {v}{ty}) -> {out}\n  return %r : {out}"
            );
            let shapes = [qs, ks, vs, ms];
            s.add(Dtypes::FLOATS, &signature, &body, &shapes[..if mask.is_empty() { 3 } else { 4 }]).ulps(64.0);
        }
    }
}

/// A mask as an argument of a sample, as an operand, and its type.
fn mask_of(mask: &str) -> (String, &'static str, String) {
    if mask.is_empty() {
        return Default::default();
    }
    (format!(", %m: tensor<{mask}>"), " mask(%m)", format!(", tensor<{mask}>"))
}

/// Sizes of query, key, value and mask in the types; attributes; sizes of the result; shapes of the operands.
type Case = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str, [&'static [usize]; 4]);

fn sdpa_cases() -> [Case; 10] {
    [
        (
            "2x3x5x7x",
            "2x3x9x7x",
            "2x3x9x7x",
            "",
            "",
            "2x3x5x7x",
            [&[2, 3, 5, 7][..], &[2, 3, 9, 7], &[2, 3, 9, 7], &[]],
        ),
        (
            "2x4x3x8x",
            "2x2x5x8x",
            "2x2x5x6x",
            "",
            " scale = 0.25",
            "2x4x3x6x",
            [&[2, 4, 3, 8], &[2, 2, 5, 8], &[2, 2, 5, 6], &[]],
        ),
        ("2x5x4x", "2x5x4x", "2x5x4x", "", " causal = true", "2x5x4x", [&[2, 5, 4], &[2, 5, 4], &[2, 5, 4], &[]]),
        (
            "3x7x4x",
            "1x5x4x",
            "1x5x4x",
            "7x5xi1",
            " causal = true",
            "3x7x4x",
            [&[3, 7, 4], &[1, 5, 4], &[1, 5, 4], &[7, 5]],
        ),
        (
            "2x4x3x8x",
            "2x4x5x8x",
            "2x4x5x8x",
            "2x1x1x5xi1",
            "",
            "2x4x3x8x",
            [&[2, 4, 3, 8], &[2, 4, 5, 8], &[2, 4, 5, 8], &[2, 1, 1, 5]],
        ),
        (
            "2x4x3x8x",
            "2x1x5x8x",
            "2x1x5x8x",
            "4x3x5x$T",
            "",
            "2x4x3x8x",
            [&[2, 4, 3, 8], &[2, 1, 5, 8], &[2, 1, 5, 8], &[4, 3, 5]],
        ),
        (
            "?x4x?x8x",
            "?x2x?x8x",
            "?x2x?x8x",
            "",
            " causal = true",
            "?x4x?x8x",
            [&[2, 4, 3, 8], &[2, 2, 5, 8], &[2, 2, 5, 8], &[]],
        ),
        (
            "?x?x?x?x",
            "?x?x?x?x",
            "?x?x?x?x",
            "?x1x?x?x$T",
            "",
            "?x?x?x?x",
            [&[2, 4, 3, 8], &[2, 2, 5, 8], &[2, 2, 5, 8], &[2, 1, 3, 5]],
        ),
        ("0x2x3x4x", "0x2x5x4x", "0x2x5x4x", "", "", "0x2x3x4x", [&[0, 2, 3, 4], &[0, 2, 5, 4], &[0, 2, 5, 4], &[]]),
        ("1x2x3x4x", "1x2x0x4x", "1x2x0x4x", "", "", "1x2x3x4x", [&[1, 2, 3, 4], &[1, 2, 0, 4], &[1, 2, 0, 4], &[]]),
    ]
}
