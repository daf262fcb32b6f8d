//! Single elements as attributes of ops.

use thunder_interface::{Expr, dtype_of};
use thunder_ir::prelude::*;
use thunder_tensor::{DType, Tensor as HostTensor};

/// One element with its type: `1.0 : f32`, `3 : i8`, `true`.
pub struct Literal;

impl AttrKind for Literal {
    type Value<'c> = Attribute<'c>;
    fn to_attribute<'c>(_: ContextRef<'c>, value: Attribute<'c>) -> Result<Attribute<'c>> {
        Ok(value)
    }
    fn from_attribute(attribute: Attribute<'_>) -> Option<Attribute<'_>> {
        Number::of(attribute).map(|_| attribute)
    }
    fn description() -> String {
        "a number or truth value".to_owned()
    }
}

/// The value of a literal; a truth value is 0 or 1.
#[derive(Debug, Clone, Copy)]
pub enum Number {
    /// Of an integer type or a truth value.
    Int(i64),
    /// Of a floating-point type, of 8 bits as well.
    Float(f64),
}

impl Number {
    /// The value of a number attribute whose type is an element type.
    pub fn of(attribute: Attribute<'_>) -> Option<Self> {
        let dtype = dtype_of(attribute.ty()?)?;
        if dtype.is_float() || dtype.is_float8() {
            return attribute.as_float().map(Self::Float);
        }
        let value = attribute.as_integer()?;
        Some(Self::Int(if dtype == DType::Bool { i64::from(value != 0) } else { value }))
    }

    /// The value that all elements of a constant have.
    pub fn of_splat(attribute: Attribute<'_>) -> Option<Self> {
        let sizes = attribute.ty()?.as_tensor()?.static_dims()?;
        if sizes.contains(&0) { None } else { Self::of(attribute.splat_value()?) }
    }

    /// Whether it is this integer.
    pub fn is_int(self, value: i64) -> bool {
        matches!(self, Self::Int(v) if v == value)
    }

    /// Whether it is this float, where zeros of different sign differ.
    pub fn is_float(self, value: f64) -> bool {
        matches!(self, Self::Float(v) if v.to_bits() == value.to_bits())
    }

    /// Whether it is one.
    pub fn is_one(self) -> bool {
        self.is_int(1) || self.is_float(1.0)
    }
}

/// A literal as a host tensor of rank 0.
pub fn literal_tensor(literal: Attribute<'_>) -> Option<HostTensor> {
    let dtype = dtype_of(literal.ty()?)?;
    Some(match Number::of(literal)? {
        Number::Int(value) => HostTensor::full(dtype, [], value),
        Number::Float(value) => HostTensor::full(dtype, [], value),
    })
}

/// A literal as a constant in a scalar body.
pub fn literal_expr(literal: Attribute<'_>) -> Option<Expr> {
    let dtype = dtype_of(literal.ty()?)?;
    Some(match Number::of(literal)? {
        Number::Int(value) => Expr::integer(dtype, value),
        Number::Float(value) => Expr::constant_of(dtype, value),
    })
}
