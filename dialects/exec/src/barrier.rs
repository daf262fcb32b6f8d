//! A border that no optimization crosses.

use thunder_interface::{
    Cost, Dim, Dtypes, Expr, Precision, Recompute, RecomputeClass, SampleSet, Samples, Scalar, Strided, StridedView,
};
use thunder_ir::prelude::*;

/// The operand, as a value of its own: nothing sees through it to what made the operand.
///
/// What is computed from the result is neither merged with what is computed from the operand, nor does it share a kernel
/// with what makes it. The result is the operand's memory and costs nothing.
///
/// ```mlir
/// %y = exec.barrier %x : tensor<?x4xf32>
/// ```
#[op("exec.barrier", pure, same_type, elementwise, interfaces(Scalar, Strided, Cost, Precision, Recompute))]
pub struct Barrier {
    operand: Operand<Tensor>,
    out: Produces<Tensor>,
}

impl Scalar for Barrier<'_> {
    fn scalar(&self, x: &[Expr]) -> Expr {
        x[0].clone()
    }
}

impl Strided for Barrier<'_> {
    fn view(&self, operand: &StridedView, _: &[Dim]) -> Option<StridedView> {
        Some(operand.clone())
    }
}

impl Cost for Barrier<'_> {
    fn flops(&self, _: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        0.0
    }
}

impl Precision for Barrier<'_> {}

impl Recompute for Barrier<'_> {
    fn recompute(&self) -> RecomputeClass {
        RecomputeClass::Free
    }
}

impl Samples for Barrier<'_> {
    fn samples(s: &mut SampleSet) {
        for (ty, shape) in [("3x17x", &[3, 17][..]), ("?x5x", &[7, 5]), ("1x", &[1]), ("?x4x", &[0, 4]), ("", &[])] {
            let ty = format!("tensor<{ty}$T>");
            let body = format!("%r = exec.barrier %x : {ty}\n  return %r : {ty}");
            s.add(Dtypes::MOVED, &format!("(%x: {ty}) -> {ty}"), &body, &[shape]);
        }
    }
}
