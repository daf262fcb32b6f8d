//! Ops that are given sizes: those that the type of their result leaves open.

use thunder_ir::{Builder, Result, Type, Value};

/// Makes the same value under a type that states other sizes of it.
///
/// The result's type of any other op may be changed in place.
pub trait Restate<'c> {
    /// The result of the op as a value of type `ty`, made at the builder's insertion point.
    fn restate(&self, b: &Builder<'c>, ty: Type<'c>) -> Result<Value<'c>>;
}

crate::interface!(Restate<'c>);
