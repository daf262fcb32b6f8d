//! Dimensions in another order, or backwards.

use crate::axes::untouched;
use crate::cotangent::only;
use crate::{checked_axis, declared, fold_constants, fold_moved_splat, fold_to, infer_like, producer};
use thunder_interface::{
    Alias, Cost, Differentiate, Dim, Dtypes, EvalError, Factor, Parts, Precision, Reference, SampleSet, Samples,
    ShapeInputs, ShapeRule, Shard, ShardRule, Strided, StridedView,
};
use thunder_ir::prelude::*;
use thunder_tensor::Tensor as HostTensor;

/// The operand with its dimensions in another order: dimension `i` of the result is dimension
/// `permutation[i]` of the operand.
///
/// - (C1) `permutation` names each dimension of the operand once
///
/// ```mlir
/// %y = thunder.transpose %x permutation = [1, 0] : tensor<2x3xf32> -> tensor<3x2xf32>
/// ```
#[op(
    "thunder.transpose",
    pure,
    infer,
    fold,
    interfaces(Reference, ShapeRule, Differentiate, Strided, Alias, Shard, Cost, Precision, Parts)
)]
pub struct Transpose {
    operand: Operand<Tensor>,
    /// The dimension of the operand that each one of the result is.
    permutation: Attr<Vec<i64>>,
    out: Produces<Tensor>,
}

impl Transpose<'_> {
    /// The permutation that undoes this one.
    fn inverse(&self) -> Vec<i64> {
        let mut inverse = self.permutation();
        for (axis, from) in self.permutation().into_iter().enumerate() {
            inverse[from as usize] = axis as i64;
        }
        inverse
    }
}

impl<'c> Infer<'c> for Transpose<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_like(self)
    }
}

impl ShapeRule for Transpose<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        let shape = &inputs.operands[0];
        let permutation = self.permutation();
        let mut sorted = permutation.clone();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..shape.len() as i64) {
            let rank = shape.len();
            return Err(self.error(format!("(C1) {permutation:?} does not name each of {rank} dimensions once")));
        }
        Ok(vec![permutation.iter().map(|axis| shape[*axis as usize].clone()).collect()])
    }
}

impl Shard for Transpose<'_> {
    fn rule(&self) -> ShardRule {
        let permutation = self.permutation();
        ShardRule {
            operands: vec![(0..permutation.len() as u32).map(|i| Some(Factor(i))).collect()],
            results: vec![permutation.iter().map(|axis| Some(Factor(*axis as u32))).collect()],
            reduced: Vec::new(),
        }
    }
}

impl Strided for Transpose<'_> {
    fn view(&self, operand: &StridedView, sizes: &[Dim]) -> Option<StridedView> {
        let strides = self.permutation().iter().map(|axis| operand.strides[*axis as usize].clone()).collect();
        Some(StridedView { sizes: sizes.to_vec(), strides, offset: operand.offset.clone() })
    }
}

impl<'c> Alias<'c> for Transpose<'c> {
    fn scatter(&self, b: &Builder<'c>, _: Value<'c>, part: Value<'c>) -> Result<Value<'c>> {
        b.transpose(part, self.inverse())
    }
}

impl Reference for Transpose<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let permutation: Vec<usize> = self.permutation().iter().map(|axis| *axis as usize).collect();
        inputs[0].transpose(&permutation).map(|t| vec![t]).map_err(|e| EvalError::Input(e.to_string()))
    }
}

impl<'c> Differentiate<'c> for Transpose<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        Ok(vec![Some(b.transpose(only(cotangents)?, self.inverse())?)])
    }
}

impl<'c> Fold<'c> for Transpose<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        let permutation = self.permutation();
        // transpose(x) == x for the identity
        if permutation.iter().copied().eq(0..permutation.len() as i64) {
            return fold_to(self, self.operand());
        }
        // transpose(transpose(x, p), q) == transpose(x, p . q)
        if let Some(inner) = producer::<Transpose<'c>>(self.operand()) {
            let before = inner.permutation();
            let composed: Vec<i64> = permutation.iter().map(|axis| before[*axis as usize]).collect();
            self.operation().set_operand(0, inner.operand());
            self.operation().set_attribute("permutation", Attribute::i64_array(self.context(), &composed));
            return Some(FoldOutcome::InPlace);
        }
        fold_moved_splat(self, constants[0]).or_else(|| fold_constants(self, constants))
    }
}

impl Cost for Transpose<'_> {
    fn flops(&self, _: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        0.0
    }
}

impl Precision for Transpose<'_> {}

crate::complex::parts_apart!(Transpose, Reverse);

impl Samples for Transpose<'_> {
    fn samples(s: &mut SampleSet) {
        for (from, permutation, to, shape) in [
            ("3x17x", "[1, 0]", "17x3x", &[3, 17][..]),
            ("2x3x5x7x", "[0, 2, 1, 3]", "2x5x3x7x", &[2, 3, 5, 7]),
            ("?x3x?x", "[2, 0, 1]", "?x?x3x", &[5, 3, 7]),
            ("0x4x", "[1, 0]", "4x0x", &[0, 4]),
            ("", "[]", "", &[]),
        ] {
            let (from, to) = (format!("tensor<{from}$T>"), format!("tensor<{to}$T>"));
            let body =
                format!("%r = thunder.transpose %x permutation = {permutation} : {from} -> {to}\n  return %r : {to}");
            s.add(Dtypes::MOVED, &format!("(%x: {from}) -> {to}"), &body, &[shape]);
        }
    }
}

/// The operand with its elements in reverse order along some dimensions.
///
/// - (C1) `axes` are different dimensions of the operand
///
/// ```mlir
/// %y = thunder.reverse %x axes = [0] : tensor<4xf32> -> tensor<4xf32>
/// ```
#[op(
    "thunder.reverse",
    pure,
    infer,
    fold,
    interfaces(Reference, ShapeRule, Differentiate, Alias, Shard, Cost, Precision, Parts)
)]
pub struct Reverse {
    operand: Operand<Tensor>,
    /// The dimensions to turn round.
    axes: Attr<Vec<i64>>,
    out: Produces<Tensor>,
}

impl<'c> Infer<'c> for Reverse<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_like(self)
    }
}

impl ShapeRule for Reverse<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        let axes = self.axes();
        for (index, axis) in axes.iter().enumerate() {
            checked_axis(self, *axis, inputs.operands[0].len(), "(C1)")?;
            if axes[..index].contains(axis) {
                return Err(self.error(format!("(C1) axis {axis} is named twice")));
            }
        }
        Ok(inputs.operands.clone())
    }
}

impl Shard for Reverse<'_> {
    fn rule(&self) -> ShardRule {
        let (axes, sizes) = (self.axes(), declared(self.operand().ty()));
        let mut rule = untouched(1, sizes.len(), |axis| axes.contains(&(axis as i64)));
        // Where the end is is only known of the whole operand.
        if axes.iter().any(|axis| sizes[*axis as usize].known().is_none()) {
            rule.operands[0].fill(None);
        }
        rule
    }
}

impl<'c> Alias<'c> for Reverse<'c> {
    fn scatter(&self, b: &Builder<'c>, _: Value<'c>, part: Value<'c>) -> Result<Value<'c>> {
        b.reverse(part, self.axes())
    }
}

impl Reference for Reverse<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let axes: Vec<usize> = self.axes().iter().map(|axis| *axis as usize).collect();
        inputs[0].reverse(&axes).map(|t| vec![t]).map_err(|e| EvalError::Input(e.to_string()))
    }
}

impl<'c> Differentiate<'c> for Reverse<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        Ok(vec![Some(b.reverse(only(cotangents)?, self.axes())?)])
    }
}

impl<'c> Fold<'c> for Reverse<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        let mut axes = self.axes();
        // reverse(x) == x along no dimension
        if axes.is_empty() {
            return fold_to(self, self.operand());
        }
        // reverse(reverse(x)) == x along the same dimensions
        if let Some(inner) = producer::<Reverse<'c>>(self.operand()) {
            let mut before = inner.axes();
            axes.sort_unstable();
            before.sort_unstable();
            if axes == before {
                return fold_to(self, inner.operand());
            }
        }
        fold_moved_splat(self, constants[0]).or_else(|| fold_constants(self, constants))
    }
}

impl Cost for Reverse<'_> {
    fn flops(&self, _: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        0.0
    }
}

impl Precision for Reverse<'_> {}

impl Samples for Reverse<'_> {
    fn samples(s: &mut SampleSet) {
        for (ty, axes, shape) in [
            ("17x", "[0]", &[17][..]),
            ("3x5x7x", "[2, 0]", &[3, 5, 7]),
            ("?x5x", "[0]", &[7, 5]),
            ("0x4x", "[0, 1]", &[0, 4]),
            ("", "[]", &[]),
        ] {
            let ty = format!("tensor<{ty}$T>");
            let body = format!("%r = thunder.reverse %x axes = {axes} : {ty} -> {ty}\n  return %r : {ty}");
            s.add(Dtypes::MOVED, &format!("(%x: {ty}) -> {ty}"), &body, &[shape]);
        }
    }
}
