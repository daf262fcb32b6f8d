//! Clipping without corners.

use thunder_dialect::fold_constants;
use thunder_interface::{Dtypes, Expr, SampleSet, Samples, Scalar, UnaryFn};
use thunder_ir::prelude::*;

/// `limit * tanh(x / limit)`: about the operand where it is small, never beyond `limit`.
///
/// - (C1) the operand is a tensor of floats
/// - (C2) `limit` is positive and finite
///
/// ```mlir
/// %y = acme.soft_clip %x limit = 30.0 : tensor<?x8xf32>
/// ```
#[op("acme.soft_clip", pure, same_type, elementwise, verify, fold, interfaces(Scalar))]
pub struct SoftClip {
    #[c(1)]
    operand: Operand<Tensor<Float>>,
    /// What the result stays below in magnitude.
    #[default(1.0)]
    limit: Attr<f64>,
    out: Produces<Tensor<Float>>,
}

impl Verify for SoftClip<'_> {
    fn verify(&self) -> Result {
        if self.limit() > 0.0 && self.limit().is_finite() {
            return Ok(());
        }
        Err(self.error(format!("(C2) 'limit' must be positive and finite, but is {:?}", self.limit())))
    }
}

impl Scalar for SoftClip<'_> {
    fn scalar(&self, x: &[Expr]) -> Expr {
        let limit = x[0].constant(self.limit());
        &limit * &(&x[0] / &limit).unary(UnaryFn::Tanh)
    }
}

impl<'c> Fold<'c> for SoftClip<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        fold_constants(self, constants)
    }
}

impl Samples for SoftClip<'_> {
    fn samples(s: &mut SampleSet) {
        for (ty, shape) in [
            ("tensor<3x5x$T>", &[3, 5][..]),
            ("tensor<?x17x$T>", &[4, 17]),
            ("tensor<$T>", &[]),
            ("tensor<0x$T>", &[0]),
        ] {
            let body = format!("%r = acme.soft_clip %x limit = 1.5 : {ty}\n  return %r : {ty}");
            s.add(Dtypes::FLOATS, &format!("(%x: {ty}) -> {ty}"), &body, &[shape]).domains(-4.0, 4.0).ulps(8.0);
        }
    }
}
