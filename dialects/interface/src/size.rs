//! Ops that turn a size of a tensor into a number.

use crate::Dim;

/// The size that an op with a result of type `index` stands for.
pub trait SizeRule {
    /// The size, given the dimensions of each operand.
    fn size(&self, operands: &[Vec<Dim>]) -> Dim;
}

crate::interface!(SizeRule);
