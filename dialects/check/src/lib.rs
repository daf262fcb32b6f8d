//! The check dialect: expectations inside end-to-end tests, and the smallest example of a dialect.
//!
//! A program that holds an expectation fails when it runs and the values differ. Nothing removes an expectation: MLIR
//! knows nothing of its effects.

use std::sync::LazyLock;

use thunder_interface::{EvalError, Reference};
use thunder_ir::constraint::compatible;
use thunder_ir::prelude::*;
use thunder_tensor::{Tensor as HostTensor, Tolerance, compare};

/// Fails the program unless `|actual - expected| <= atol + rtol * |expected|` for every element.
///
/// NaN is close to NaN, an infinity to itself.
///
/// - (C1) both operands are tensors of floats
/// - (C2) both have the same element type, rank and static dimensions
/// - (C3) `rtol` and `atol` are finite and not negative
///
/// ```mlir
/// check.expect_close %a, %b rtol = 1.0e-3 : (tensor<4xf32>, tensor<4xf32>)
/// ```
#[op("check.expect_close", verify, interfaces(Reference))]
pub struct ExpectClose {
    #[c(1)]
    actual: Operand<Tensor<Float>>,
    #[c(1)]
    expected: Operand<Tensor<Float>>,
    /// The part of the tolerance that grows with the expected value.
    #[default(1e-5)]
    rtol: Attr<f64>,
    /// The part of the tolerance that does not.
    #[default(1e-8)]
    atol: Attr<f64>,
}

impl Verify for ExpectClose<'_> {
    fn verify(&self) -> Result {
        same_kind(self, self.actual(), self.expected())?;
        for (name, value) in [("rtol", self.rtol()), ("atol", self.atol())] {
            if !value.is_finite() || value < 0.0 {
                return Err(self.error(format!("(C3) '{name}' must be finite and not negative, but is {value:?}")));
            }
        }
        Ok(())
    }
}

impl Reference for ExpectClose<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        expect(inputs, Tolerance::new(self.rtol(), self.atol()))
    }
}

/// Fails the program unless all elements are equal; NaN equals NaN, and -0 equals 0.
///
/// - (C1) both operands are tensors
/// - (C2) both have the same element type, rank and static dimensions
///
/// ```mlir
/// check.expect_eq %a, %b : (tensor<?xi64>, tensor<3xi64>)
/// ```
#[op("check.expect_eq", verify, interfaces(Reference))]
pub struct ExpectEq {
    #[c(1)]
    actual: Operand<Tensor>,
    #[c(1)]
    expected: Operand<Tensor>,
}

impl Verify for ExpectEq<'_> {
    fn verify(&self) -> Result {
        same_kind(self, self.actual(), self.expected())
    }
}

impl Reference for ExpectEq<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        expect(inputs, Tolerance::EXACT)
    }
}

/// (C2) of both ops.
fn same_kind<'c>(op: &impl Op<'c>, actual: Value<'c>, expected: Value<'c>) -> Result {
    if compatible(actual.ty(), expected.ty()) {
        return Ok(());
    }
    Err(op.error(format!("(C2) operands differ in element type or shape: '{}' and '{}'", actual.ty(), expected.ty())))
}

fn expect(inputs: &[HostTensor], tolerance: Tolerance) -> Result<Vec<HostTensor>, EvalError> {
    match compare(&inputs[0], &inputs[1], tolerance) {
        Ok(()) => Ok(Vec::new()),
        Err(mismatch) => Err(EvalError::Input(mismatch.to_string())),
    }
}

static CHECK: LazyLock<Dialect> = LazyLock::new(|| {
    Dialect::new("check", "Expectations inside end-to-end tests.").op::<ExpectClose>().op::<ExpectEq>()
});

/// The dialect.
pub fn dialect() -> &'static Dialect {
    &CHECK
}

#[cfg(test)]
mod tests {
    use thunder_interface::interpret;
    use thunder_ir::{Context, Module, Registry};

    use super::{HostTensor, dialect};

    fn run(line: &str, actual: &[f32], expected: &[f32]) -> Result<(), String> {
        let context = Context::new(&Registry::upstream().with(dialect()));
        let source = format!(
            "func.func @f(%a: tensor<?xf32>, %b: tensor<2xf32>) {{\n  {line} : (tensor<?xf32>, tensor<2xf32>)\n  return\n}}"
        );
        let module = Module::parse(&context, "test.mlir", source.as_bytes()).unwrap();
        let tensor = |values: &[f32]| HostTensor::from_vec(vec![values.len()], values.to_vec()).unwrap();
        let outcome = interpret(module.operation(), "f", &[tensor(actual), tensor(expected)]);
        outcome.map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn values_within_the_tolerance_pass() {
        run("check.expect_close %a, %b", &[1.0, f32::NAN], &[1.000_001, f32::NAN]).unwrap();
        run("check.expect_close %a, %b rtol = 0.5", &[1.0, 0.0], &[1.5, 0.0]).unwrap();
        run("check.expect_eq %a, %b", &[1.0, 0.0], &[1.0, -0.0]).unwrap();
    }

    #[test]
    fn values_outside_of_it_fail_at_the_op() {
        let error = run("check.expect_close %a, %b rtol = 0.1", &[1.0, 2.0], &[1.0, 2.5]).unwrap_err();
        assert!(error.contains("test.mlir:2:3: 'check.expect_close' op 1 of 2 elements differ"), "{error}");
        let error = run("check.expect_eq %a, %b", &[1.0, 2.0], &[1.0, 2.000_001]).unwrap_err();
        assert!(error.contains("first at [1]"), "{error}");
        let error = run("check.expect_eq %a, %b", &[1.0], &[1.0, 2.0]).unwrap_err();
        assert!(error.contains("shape [1] instead of [2]"), "{error}");
    }
}
