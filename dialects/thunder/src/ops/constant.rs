//! Tensors that are part of the program.

use thunder_interface::{Cost, Dtypes, EvalError, Reference, SampleSet, Samples, attribute_to_tensor};
use thunder_ir::prelude::*;
use thunder_tensor::Tensor as HostTensor;

/// A tensor of known values.
///
/// - (C1) the type of `value` is that of the result, without dynamic dimensions
///
/// ```mlir
/// %c = thunder.constant value = dense<[1.0, 2.0]> : tensor<2xf32> : tensor<2xf32>
/// ```
#[op("thunder.constant", pure, constant_like, infer, verify, fold, interfaces(Reference, Cost))]
pub struct Constant {
    value: Attr<Dense>,
    out: Produces<Tensor>,
}

impl<'c> Infer<'c> for Constant<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        Ok(self.value().ty().into_iter().collect())
    }
}

impl Verify for Constant<'_> {
    fn verify(&self) -> Result {
        let (value, result) = (self.value().ty(), self.out().ty());
        if value == Some(result) {
            return Ok(());
        }
        Err(self.error(format!("(C1) the result is '{result}', which is not the type of the value")))
    }
}

impl<'c> Fold<'c> for Constant<'c> {
    fn fold(&self, _: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        Some(FoldOutcome::Replaced(vec![Folded::Constant(self.value())]))
    }
}

impl Reference for Constant<'_> {
    fn evaluate(&self, _: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let tensor = attribute_to_tensor(self.value())
            .ok_or_else(|| EvalError::Unsupported("a constant of this dtype has no value".into()))?;
        Ok(vec![tensor])
    }
}

impl Cost for Constant<'_> {
    fn flops(&self, _: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        0.0
    }
}

impl Samples for Constant<'_> {
    fn samples(s: &mut SampleSet) {
        for (dtypes, ty, value) in [
            (Dtypes::FLOATS_MOVED, "tensor<2x2x$T>", "[[1.0, -2.5], [0.0, 3.0]]"),
            (Dtypes::FLOATS_MOVED, "tensor<3x17x$T>", "0.5"),
            (Dtypes::FLOATS_MOVED, "tensor<$T>", "-1.5"),
            (Dtypes::FLOATS_MOVED, "tensor<0x4x$T>", ""),
            (Dtypes::INTEGERS, "tensor<3x$T>", "[1, 0, 100]"),
            (Dtypes::BOOL, "tensor<3x$T>", "[true, false, true]"),
        ] {
            let body = format!("%r = thunder.constant value = dense<{value}> : {ty} : {ty}\n  return %r : {ty}");
            s.add(dtypes, &format!("() -> {ty}"), &body, &[]);
        }
    }
}
