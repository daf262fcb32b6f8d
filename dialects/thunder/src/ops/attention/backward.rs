//! The gradient of attention as one op, which a library carries out without the weights of all rows in memory.

use super::*;
use crate::cotangent::{restated, spread};

/// The gradients of the query, key and value of a `sdpa` with these operands and attributes.
///
/// `d_out` is the gradient of that `sdpa`'s result, whose sizes it has. The weights are computed again.
/// Half precision is computed in single precision and rounded once.
///
/// - (C1) `query`, `key`, `value` and `d_out` are tensors of floats with one element type
/// - (C2) `query`, `key` and `value` have one rank, which is at least 3
/// - (C3) their outer dimensions but for heads are equal, as are the depths of `query` and `key`, and
///   the heads and columns of `key` and `value`
/// - (C4) the heads of `query` are a multiple of those of `key`
/// - (C5) `mask` is a tensor of truth values or of the element type of `query`
/// - (C6) the dimensions of `mask` are the innermost of `[batch..., heads, rows, columns]`, or have
///   size 1 in its type
/// - (C7) `d_out` has the sizes of the result of `sdpa`
///
/// ```mlir
/// %dq, %dk, %dv = thunder.sdpa_backward %dy, %q, %k, %v causal = true
///   : (tensor<2x8x5x64xf32>, tensor<2x8x5x64xf32>, tensor<2x2x5x64xf32>, tensor<2x2x5x64xf32>)
///   -> (tensor<2x8x5x64xf32>, tensor<2x2x5x64xf32>, tensor<2x2x5x64xf32>)
/// ```
#[op(
    "thunder.sdpa_backward",
    pure,
    infer,
    interfaces(Reference, ShapeRule, Decompose, Differentiate, Library, Cost, Precision)
)]
pub struct SdpaBackward {
    /// The gradient of the result.
    #[c(1)]
    d_out: Operand<Tensor<Float>>,
    /// What was asked, a row each.
    #[c(1)]
    query: Operand<Tensor<Float>>,
    /// What answers were found by, a row each.
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
    d_query: Produces<Tensor<Float>>,
    d_key: Produces<Tensor<Float>>,
    d_value: Produces<Tensor<Float>>,
}

impl<'c> Infer<'c> for SdpaBackward<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_like(self)
    }
}

impl<'c> SdpaBackward<'c> {
    pub(super) fn parameters(&self) -> Parameters<'c> {
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

impl ShapeRule for SdpaBackward<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        let (element, d_out) = (self.query().ty().element(), self.d_out().ty().element());
        if element != d_out {
            return Err(self.error(format!("(C1) element types differ: '{element}' and '{d_out}'")));
        }
        let (d_out, operands) = (&inputs.operands[0], &inputs.operands[1..]);
        let result = self.parameters().result(self, operands)?;
        if d_out.len() != result.len() {
            let message =
                format!("(C7) ranks of the gradient and the result differ: {} and {}", d_out.len(), result.len());
            return Err(self.error(message));
        }
        for (a, b) in d_out.iter().zip(&result) {
            a.unify(b).map_err(|e| self.error(format!("(C7) sizes of the gradient and the result differ: {e}")))?;
        }
        Ok(operands[..3].to_vec())
    }
}

impl Library for SdpaBackward<'_> {
    fn library<'b>(&'b self) -> Option<LibraryCall<'b>> {
        let parameters = self.parameters();
        let scale = parameters.known_scale().filter(|_| parameters.is_library())?;
        let Parameters { query: q, key: k, value: v, mask, causal, .. } = parameters;
        Some(LibraryCall::AttentionBackward { d_out: self.d_out(), q, k, v, mask, causal, scale })
    }
}

impl Reference for SdpaBackward<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let shapes = host_shapes(self, inputs)?;
        let (d_out, [query, key, value]) = (&inputs[0], [&inputs[1], &inputs[2], &inputs[3]]);
        let (parameters, dtype) = (self.parameters(), query.dtype());
        let weights = parameters.host_weights(&inputs[1..])?;
        let (d_out, rows_of_query) = (folded(d_out, key)?, folded(query, key)?);
        let d_weights = thunder_tensor::matmul(&d_out, value.view().transpose_last()?, DType::F64)?;
        let (columns, scale) = (weights.shape()[weights.rank() - 1], parameters.host_scale(query));
        let (mut d_scores, all) = (d_weights.to_vec::<f64>(), weights.to_vec::<f64>());
        for (row, weights) in d_scores.chunks_mut(columns.max(1)).zip(all.chunks(columns.max(1))) {
            let inner: f64 = row.iter().zip(weights).map(|(d, w)| d * w).sum();
            row.iter_mut().zip(weights).for_each(|(d, w)| *d = scale * w * (*d - inner));
        }
        let d_scores = HostTensor::from_vec(weights.shape().to_vec(), d_scores)?;
        let d_query = thunder_tensor::matmul(&d_scores, key, dtype)?;
        let d_key = thunder_tensor::matmul(d_scores.view().transpose_last()?, &rows_of_query, dtype)?;
        let d_value = thunder_tensor::matmul(weights.view().transpose_last()?, &d_out, dtype)?;
        let all = [d_query, d_key, d_value].into_iter().zip(shapes);
        all.map(|(gradient, shape)| Ok(gradient.reshape(shape)?)).collect()
    }
}

impl Decompose for SdpaBackward<'_> {
    fn decompose<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        let parameters = self.parameters();
        if let Some(mask) = parameters.added_mask(b)? {
            let Parameters { query, key, value, causal, scale, .. } = parameters;
            let op = b.sdpa_backward(self.d_out(), query, key, value, Some(mask), causal, scale)?;
            return Ok(vec![op.d_query(), op.d_key(), op.d_value()]);
        }
        let gradients = Gradients::of(b, &parameters, self.d_out())?;
        [(gradients.query, self.query()), (gradients.key, self.key()), (gradients.value, self.value())]
            .into_iter()
            .map(|(gradient, operand)| restated(b, converted(b, gradient, operand.ty().element())?, operand))
            .collect()
    }
}

/// The gradients of attention, in the precision to compute in.
pub(super) struct Gradients<'b> {
    query: Value<'b>,
    key: Value<'b>,
    value: Value<'b>,
    /// Of the scores that the mask was added to.
    pub(super) scores: Value<'b>,
    /// How many dimensions these have.
    pub(super) rank: usize,
}

impl<'b> Gradients<'b> {
    pub(super) fn of(b: &Builder<'b>, parameters: &Parameters<'b>, d_out: Value<'b>) -> Result<Self> {
        let parts = Attention::of(b, parameters)?;
        let (columns, last) = (parts.columns(), parts.scores.len() as i64 - 1);
        let folded_d_out = parts.fold(b, widened(b, d_out)?, parts.width)?;
        let value = b.matmul(swapped(b, parts.fold(b, parts.weights, columns)?)?, folded_d_out)?;

        // Through the softmax of each row: w (dw - sum(dw w)).
        let d_weights = b.matmul(folded_d_out, swapped(b, parts.value)?)?;
        let d_weights = parts.unfold(b, d_weights, columns)?;
        let inner = b.sum(b.mul(d_weights, parts.weights)?, vec![last], false)?;
        let inner = spread(b, inner, &[last], false, &parts.scores)?;
        let scores = b.mul(parts.weights, b.sub(d_weights, inner)?)?;

        let scaled = b.mul(scores, broadcast(b, parts.scale, &[], &parts.scores)?)?;
        let scaled = parts.fold(b, scaled, columns)?;
        let query = parts.unfold(b, b.matmul(scaled, parts.key)?, parts.depth)?;
        let key = b.matmul(swapped(b, scaled)?, parts.fold(b, parts.query, parts.depth)?)?;
        Ok(Self { query, key, value, scores, rank: parts.scores.len() })
    }
}

impl Cost for SdpaBackward<'_> {
    fn flops(&self, operands: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        let [query, value] = [&operands[1], &operands[3]];
        let (rank, columns) = (query.len(), value[value.len() - 2]);
        let scores = query[..rank - 1].iter().product::<i64>() as f64 * columns as f64;
        scores * ((6 * query[rank - 1] + 4 * value[rank - 1]) as f64 + 18.0)
    }
}

impl Precision for SdpaBackward<'_> {
    fn precision(&self) -> PrecisionClass {
        PrecisionClass::Lower
    }
}

impl Samples for SdpaBackward<'_> {
    fn samples(s: &mut SampleSet) {
        for (q, k, v, mask, attributes, out, shapes) in sdpa_cases() {
            let [q, k, v, out] = [q, k, v, out].map(|dims| format!("tensor<{dims}$T>"));
            let (argument, operand, ty) = mask_of(mask);
            let body = format!(
                "%dq, %dk, %dv = thunder.sdpa_backward %d, %q, %k, %v{operand}{attributes}
    : ({out}, {q}, {k}, {v}{ty}) -> ({q}, {k}, {v})\n  return %dq, %dk, %dv : {q}, {k}, {v}"
            );
            let signature = format!("(%d: {out}, %q: {q}, %k: {k}, %v: {v}{argument}) -> ({q}, {k}, {v})");
            let [qs, ks, vs, ms] = shapes;
            let d_out = [&qs[..qs.len() - 1], &vs[vs.len() - 1..]].concat();
            let all: Vec<&[usize]> = [&d_out[..], qs, ks, vs, ms].into_iter().filter(|s| !s.is_empty()).collect();
            s.add(Dtypes::FLOATS, &signature, &body, &all).ulps(64.0);
        }
    }
}
