//! Elementwise meaning: what an op does to one element of each operand.

use crate::Expr;

/// The body of an elementwise op, as an expression over one element of each operand.
///
/// The one expression serves host evaluation, folding, and the `arith` and `math` operations of
/// both lowerings. All tensor operands of such an op have the shape of its result.
pub trait Scalar {
    /// The expression; `x` has one entry per operand.
    fn scalar(&self, x: &[Expr]) -> Expr;
}

crate::interface!(Scalar);
