//! Ops whose elements all are one value.

use thunder_ir::Attribute;

/// Says that all elements of an op's result are one value, which is part of the program.
pub trait Uniform {
    /// The value, with the type of an element.
    fn element<'b>(&'b self) -> Attribute<'b>;
}

crate::interface!(Uniform);
