//! Scans: running totals along an axis.

use crate::build::*;
use crate::checked_axis;
use crate::cotangent::only;
use thunder_interface::{
    Cost, Differentiate, Dim, Dtypes, EvalError, Precision, PrecisionClass, Reference, SampleSet, Samples, ShapeInputs,
    ShapeRule,
};
use thunder_ir::prelude::*;
use thunder_tensor::{Tensor as HostTensor, lanes};

/// Sum of all elements up to and including each one, along `axis`.
///
/// Integers wrap in their own dtype. Half-precision sums are accumulated in at least single
/// precision, and each is rounded once.
///
/// - (C1) the operand is a tensor of integers or floats
/// - (C2) `axis` is a dimension of the operand
///
/// ```mlir
/// %y = thunder.cumsum %x axis = 1 : tensor<2x3xf32>
/// ```
#[op("thunder.cumsum", pure, same_type, verify, interfaces(Reference, ShapeRule, Differentiate, Cost, Precision))]
pub struct Cumsum {
    /// What is summed.
    #[c(1)]
    operand: Operand<Tensor<Number>>,
    /// The dimension to sum along.
    axis: Attr<i64>,
    out: Produces<Tensor<Number>>,
}

impl Verify for Cumsum<'_> {
    fn verify(&self) -> Result {
        let rank = self.operand().ty().as_tensor().map_or(0, |ty| ty.rank());
        checked_axis(self, self.axis(), rank, "(C2)").map(drop)
    }
}

impl ShapeRule for Cumsum<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        Ok(vec![inputs.operands[0].clone()])
    }
}

impl Reference for Cumsum<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let (operand, axis) = (&inputs[0], self.axis() as usize);
        let (dtype, length) = (operand.dtype(), operand.shape()[axis]);
        let sums = if dtype.is_float() {
            lanes(operand, axis, dtype, length, |lane: &[f64], sums: &mut [f64]| totals(lane, sums, |t, x| t + x))
        } else {
            lanes(operand, axis, dtype, length, |lane: &[i64], sums: &mut [i64]| totals(lane, sums, i64::wrapping_add))
        };
        Ok(vec![sums?])
    }
}

impl<'c> Differentiate<'c> for Cumsum<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let backwards = |x| b.reverse(x, vec![self.axis()]);
        Ok(vec![Some(backwards(b.cumsum(backwards(only(cotangents)?)?, self.axis())?)?)])
    }
}

fn totals<T: Copy + Default>(lane: &[T], sums: &mut [T], add: fn(T, T) -> T) {
    let mut total = T::default();
    for (x, sum) in lane.iter().zip(sums) {
        total = add(total, *x);
        *sum = total;
    }
}

impl Cost for Cumsum<'_> {
    fn flops(&self, operands: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        operands[0].iter().product::<i64>() as f64
    }
}

impl Precision for Cumsum<'_> {
    fn precision(&self) -> PrecisionClass {
        PrecisionClass::Widen
    }
}

impl Samples for Cumsum<'_> {
    fn samples(s: &mut SampleSet) {
        for (ty, axis, shape) in [
            ("tensor<3x37x$T>", 1, &[3, 37][..]),
            ("tensor<5x3x2x$T>", 0, &[5, 3, 2]),
            ("tensor<?x?x$T>", 1, &[2, 9]),
            ("tensor<0x4x$T>", 1, &[0, 4]),
            ("tensor<2x0x$T>", 1, &[2, 0]),
            ("tensor<1x$T>", 0, &[1]),
        ] {
            let body = format!("%r = thunder.cumsum %x axis = {axis} : {ty}\n  return %r : {ty}");
            s.add(Dtypes::NUMBERS, &format!("(%x: {ty}) -> {ty}"), &body, &[shape]).ulps(16.0);
        }
        s.add(
            Dtypes::FLOATS,
            "(%x: tensor<7x5x$T>) -> tensor<7x5x$T>",
            "%r = thunder.cumsum %x axis = 1 : tensor<7x5x$T>
             return %r : tensor<7x5x$T>",
            &[&[7, 5]],
        )
        .ulps(16.0)
        .specials();
    }
}
