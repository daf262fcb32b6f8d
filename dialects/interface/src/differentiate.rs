//! Gradients, op by op.

use thunder_ir::{Builder, Result, Value};

/// The derivative of an op, as the map from cotangents of its results to those of its operands.
///
/// A rule is linear in the cotangents and is built from ops that have gradients themselves: then the
/// forward mode follows from it by transposition, and gradients of gradients need nothing more.
pub trait Differentiate<'c> {
    /// Builds the cotangents of the operands from those of the results.
    ///
    /// At least one result has a cotangent, of the result's type; `None` stands for zero. The answer
    /// has an entry for each operand: `None` for one that has no gradient or a gradient of zero,
    /// else a tensor of the operand's element type and sizes.
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>>;

    /// Builds the tangents of the results from those of the operands; `None`, the default, leaves it
    /// to the transposition of [`vjp`](Self::vjp).
    fn jvp(&self, b: &Builder<'c>, tangents: &[Option<Value<'c>>]) -> Option<Result<Vec<Option<Value<'c>>>>> {
        _ = (b, tangents);
        None
    }
}

crate::interface!(Differentiate<'c>);
