//! Gradients, op by op.

use thunder_ir::{Builder, Result, Value};

/// The vector-Jacobian product of an op.
pub trait Differentiate {
    /// Builds the cotangents of the operands from those of the results, `None` for a result that
    /// nothing depends on; answers `None` for an operand that has no gradient.
    fn vjp<'b>(&'b self, b: &Builder<'b>, cotangents: &[Option<Value<'b>>]) -> Result<Vec<Option<Value<'b>>>>;
}

crate::interface!(Differentiate);
