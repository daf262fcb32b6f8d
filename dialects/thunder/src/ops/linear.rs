//! Linear layers.

use crate::axes::host_shapes;
use crate::build::*;
use crate::compose::{Extent, broadcast, count, extents, reshape};
use crate::cotangent::{only, restated, swapped};
use crate::infer_like;
use thunder_interface::{
    Cost, Decompose, Differentiate, Dim, Dtypes, EvalError, Library, LibraryCall, Parts, Precision, PrecisionClass,
    Reference, SampleSet, Samples, ShapeInputs, ShapeRule,
};
use thunder_ir::prelude::*;
use thunder_tensor::{DType, Tensor as HostTensor};

/// Linear layer `x * transpose(weight) + bias`, over the last dimension of `x`.
///
/// Floating-point results are accumulated in at least single precision; integers wrap.
///
/// - (C1) all operands are tensors of numbers with one element type
/// - (C2) `x` has rank >= 1, `weight` has rank 2 and `bias` has rank 1
/// - (C3) the last dimensions of `x` and `weight` are equal
/// - (C4) `bias` has as many elements as `weight` has rows
///
/// ```mlir
/// %y = thunder.linear %x, %w bias(%b) : (tensor<8x5x3xf32>, tensor<4x3xf32>, tensor<4xf32>) -> tensor<8x5x4xf32>
/// ```
#[op(
    "thunder.linear",
    pure,
    infer,
    interfaces(Reference, ShapeRule, Decompose, Differentiate, Library, Cost, Precision, Parts)
)]
pub struct Linear {
    /// The rows that are mapped.
    #[c(1)]
    x: Operand<Tensor<AnyNumber>>,
    /// One row for each feature of the result.
    #[c(1)]
    weight: Operand<Tensor<AnyNumber>>,
    /// What is added to each row.
    #[c(1)]
    bias: OptionalOperand<Tensor<AnyNumber>>,
    out: Produces<Tensor<AnyNumber>>,
}

impl<'c> Infer<'c> for Linear<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_like(self)
    }
}

impl ShapeRule for Linear<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        one_element_type(self, "(C1)")?;
        let (x, weight) = (&inputs.operands[0], &inputs.operands[1]);
        let bias = inputs.operands.get(2);
        if x.is_empty() || weight.len() != 2 || bias.is_some_and(|bias| bias.len() != 1) {
            let bias = bias.map_or_else(String::new, |bias| format!(" and {}", bias.len()));
            return Err(self.error(format!("(C2) unexpected ranks: {}, {}{bias}", x.len(), weight.len())));
        }
        let (outer, inner) = x.split_at(x.len() - 1);
        inner[0].unify(&weight[1]).map_err(|e| self.error(format!("(C3) inner dimensions differ: {e}")))?;
        let features = match bias {
            None => weight[0].clone(),
            Some(bias) => weight[0]
                .unify(&bias[0])
                .map_err(|e| self.error(format!("(C4) rows of the weight and elements of the bias differ: {e}")))?,
        };
        Ok(vec![[outer, &[features]].concat()])
    }
}

impl Library for Linear<'_> {
    fn library<'b>(&'b self) -> Option<LibraryCall<'b>> {
        let is_float = self.x().ty().element().as_scalar().is_some_and(|s| s.is_float());
        let (lhs, rhs, bias) = (self.x(), self.weight(), self.bias());
        is_float.then_some(LibraryCall::Matmul { lhs, rhs, bias, rhs_transposed: true })
    }
}

/// Checks that all operands have the element type of the first.
pub(crate) fn one_element_type<'c>(op: &impl Op<'c>, label: &str) -> Result {
    let types: Vec<_> = op.view().operands().into_iter().map(|v| v.ty().element()).collect();
    match types.iter().find(|ty| **ty != types[0]) {
        Some(other) => Err(op.error(format!("{label} element types differ: '{}' and '{other}'", types[0]))),
        None => Ok(()),
    }
}

impl Reference for Linear<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let shape = host_shapes(self, inputs)?.remove(0);
        let (x, weight) = (&inputs[0], &inputs[1]);
        let (dtype, inner) = (x.dtype(), weight.shape()[1]);
        let rows: usize = x.shape()[..x.rank() - 1].iter().product();
        let sums = if dtype.is_float() { DType::F64 } else { dtype };
        let x = x.reshape([rows, inner])?;
        let product = thunder_tensor::matmul(&x, weight.view().transpose_last()?, sums)?;
        let Some(bias) = inputs.get(2) else { return Ok(vec![product.cast(dtype).reshape(shape)?]) };
        let bias = bias.view().expand(product.shape())?;
        let sum = if dtype.is_float() {
            thunder_tensor::map2(&product, bias, dtype, |x: f64, y: f64| x + y)?
        } else {
            thunder_tensor::map2(&product, bias, dtype, i64::wrapping_add)?
        };
        Ok(vec![sum.reshape(shape)?])
    }
}

impl Decompose for Linear<'_> {
    fn decompose<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        let (x, weight) = (self.x(), self.weight());
        let (mut sizes, features) = (extents(b, x)?, extents(b, weight)?);
        let inner = sizes.pop().unwrap_or(Extent::Known(1));
        let rows = count(b, &sizes)?;
        let flat = if sizes.len() == 1 { x } else { reshape(b, x, &[rows, inner])? };
        let mut product = b.matmul(flat, b.transpose(weight, vec![1, 0])?)?;
        if let Some(bias) = self.bias() {
            let bias = broadcast(b, bias, &[1], &[rows, features[0]])?;
            product = b.add(product, bias)?;
        }
        if sizes.len() == 1 {
            return Ok(vec![product]);
        }
        sizes.push(features[0]);
        Ok(vec![reshape(b, product, &sizes)?])
    }
}

impl Parts for Linear<'_> {
    fn by_parts<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        self.decompose(b)
    }
}

impl<'c> Differentiate<'c> for Linear<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let (x, weight, dy) = (self.x(), self.weight(), only(cotangents)?);
        let (sizes, features) = (extents(b, x)?, extents(b, weight)?);
        let rows = count(b, &sizes[..sizes.len() - 1])?;
        let flat = |v, width| if sizes.len() == 2 { Ok(v) } else { reshape(b, v, &[rows, width]) };
        let (flat_dy, flat_x) = (flat(dy, features[0])?, flat(x, features[1])?);
        let dx = reshape(b, b.matmul(flat_dy, weight)?, &sizes)?;
        let dw = b.matmul(swapped(b, flat_dy)?, flat_x)?;
        let mut operands = vec![Some(dx), Some(restated(b, dw, weight)?)];
        if let Some(bias) = self.bias() {
            operands.push(Some(restated(b, b.sum(flat_dy, vec![0], false)?, bias)?));
        }
        Ok(operands)
    }
}

impl Cost for Linear<'_> {
    fn flops(&self, operands: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
        let adds = if operands.len() > 2 { 1.0 } else { 0.0 };
        (2.0 * operands[1][1] as f64 + adds) * results[0].iter().product::<i64>() as f64
    }
}

impl Precision for Linear<'_> {
    fn precision(&self) -> PrecisionClass {
        PrecisionClass::Lower
    }
}

impl Samples for Linear<'_> {
    fn samples(s: &mut SampleSet) {
        for (dtypes, x, weight, out, [xs, ws]) in [
            (Dtypes::NUMBERS, "2x3x", "4x3x", "2x4x", [&[2, 3][..], &[4, 3]]),
            (Dtypes::FLOATS, "3x5x19x", "33x19x", "3x5x33x", [&[3, 5, 19], &[33, 19]]),
            (Dtypes::FLOATS, "7x", "5x7x", "5x", [&[7], &[5, 7]]),
            (Dtypes::FLOATS, "?x?x17x", "?x17x", "?x?x?x", [&[2, 3, 17], &[9, 17]]),
            (Dtypes::NUMBERS, "0x3x", "4x3x", "0x4x", [&[0, 3], &[4, 3]]),
            (Dtypes::FLOATS, "2x0x", "4x0x", "2x4x", [&[2, 0], &[4, 0]]),
        ] {
            let (x, weight, out) =
                (format!("tensor<{x}$T>"), format!("tensor<{weight}$T>"), format!("tensor<{out}$T>"));
            let body = format!("%r = thunder.linear %x, %w : ({x}, {weight}) -> {out}\n  return %r : {out}");
            let signature = format!("(%x: {x}, %w: {weight}) -> {out}");
            s.add(dtypes, &signature, &body, &[xs, ws]).ulps(32.0);
            let features = if ws[0] == 9 { "?x".to_owned() } else { format!("{}x", ws[0]) };
            let bias = format!("tensor<{features}$T>");
            let body =
                format!("%r = thunder.linear %x, %w bias(%b) : ({x}, {weight}, {bias}) -> {out}\n  return %r : {out}");
            let signature = format!("(%x: {x}, %w: {weight}, %b: {bias}) -> {out}");
            s.add(dtypes, &signature, &body, &[xs, ws, &ws[..1]]).ulps(32.0);
        }
    }
}
