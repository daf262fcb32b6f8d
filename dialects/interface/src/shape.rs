//! Shapes of results from shapes of operands: one rule for inference, verification and planning.

use crate::Dim;
use thunder_ir::{Result, Value};

/// What a shape rule may look at.
pub struct ShapeInputs<'a, 'c> {
    /// The dimensions of each operand; empty for operands that are no tensors.
    pub operands: Vec<Vec<Dim>>,
    /// The size that an operand of type `index` stands for.
    pub size: &'a dyn Fn(Value<'c>) -> Dim,
}

/// Computes the dimensions of an op's results.
///
/// The rule runs with static sizes during type inference, where an unknown size stays unknown, and
/// with symbolic ones when memory is planned. It checks what must be equal with [`Dim::unify`].
pub trait ShapeRule {
    /// One list of dimensions per result; an empty one for a result that is no tensor.
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>>;
}

crate::interface!(ShapeRule);
