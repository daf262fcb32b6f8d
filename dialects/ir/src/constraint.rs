//! What types an operand or result may have, as types that the fields of an op name.

use crate::raw::types::{Scalar, Type};
use std::marker::PhantomData;

/// A set of types with a description for error messages.
pub trait TypeConstraint {
    /// Whether `ty` is in the set.
    fn accepts(ty: Type<'_>) -> bool;
    /// The set in words, as they follow "must be".
    fn description() -> String;
}

/// A constraint as a value, for tables.
#[derive(Clone, Copy)]
pub struct Constraint {
    /// Whether a type is in the set.
    pub accepts: fn(Type<'_>) -> bool,
    /// The set in words.
    pub description: fn() -> String,
}

impl Constraint {
    /// The value form of `C`.
    pub fn of<C: TypeConstraint>() -> Self {
        Self { accepts: C::accepts, description: C::description }
    }
}

macro_rules! scalars {
    ($($(#[$doc:meta])* $name:ident: $words:literal, $test:expr;)*) => {$(
        $(#[$doc])*
        pub struct $name;

        impl TypeConstraint for $name {
            fn accepts(ty: Type<'_>) -> bool {
                let test: fn(Scalar) -> bool = $test;
                ty.as_scalar().is_some_and(test)
            }
            fn description() -> String {
                $words.to_owned()
            }
        }
    )*};
}

scalars! {
    /// A truth value, `i1`.
    Bool: "bool", |s| s == Scalar::Int(1);
    /// A floating-point number.
    Float: "float", Scalar::is_float;
    /// A floating-point number of 8 bits.
    Float8: "float of 8 bits", Scalar::is_float8;
    /// An integer of at least eight bits, signed unless its type says otherwise.
    Integer: "integer", |s| matches!(s, Scalar::Int(w) | Scalar::Unsigned(w) if w > 1);
    /// An integer or a truth value.
    IntegerOrBool: "integer or bool", |s| matches!(s, Scalar::Int(_) | Scalar::Unsigned(_));
    /// An integer or a floating-point number.
    Number: "integer or float",
        |s| s.is_float() || matches!(s, Scalar::Int(w) | Scalar::Unsigned(w) if w > 1);
    /// A complex number.
    ComplexNumber: "complex number", Scalar::is_complex;
    /// A floating-point or a complex number.
    FloatOrComplex: "float or complex number", |s| s.is_float() || s.is_complex();
    /// An integer, a floating-point or a complex number.
    AnyNumber: "integer, float or complex number",
        |s| s.is_float() || s.is_complex() || matches!(s, Scalar::Int(w) | Scalar::Unsigned(w) if w > 1);
    /// A truth value, an integer or a floating-point number: what has an order.
    Ordered: "bool, integer or float",
        |s| s.is_float() || matches!(s, Scalar::Int(_) | Scalar::Unsigned(_));
    /// What is equal or not by its value: all but floats of 8 bits, which are only stored.
    Comparable: "bool, integer, float or complex number",
        |s| s.is_float() || s.is_complex() || matches!(s, Scalar::Int(_) | Scalar::Unsigned(_));
    /// Any element that a tensor of numbers or truth values holds.
    AnyScalar: "bool, integer, float or complex number",
        |s| s.is_float() || s.is_float8() || s.is_complex() || matches!(s, Scalar::Int(_) | Scalar::Unsigned(_));
    /// What has bits of its own: an integer, or a floating-point number of any width.
    Bits: "integer or float",
        |s| s.is_float() || s.is_float8() || matches!(s, Scalar::Int(w) | Scalar::Unsigned(w) if w > 1);
    /// `index`.
    Index: "index", |s| s == Scalar::Index;
    /// `f32`.
    F32: "f32", |s| s == Scalar::F32;
    /// `f64`.
    F64: "f64", |s| s == Scalar::F64;
    /// `i32`.
    I32: "i32", |s| s == Scalar::Int(32);
    /// `i64`.
    I64: "i64", |s| s == Scalar::Int(64);
}

/// Any type.
pub struct Any;

impl TypeConstraint for Any {
    fn accepts(_: Type<'_>) -> bool {
        true
    }
    fn description() -> String {
        "any type".to_owned()
    }
}

/// A ranked tensor of elements `E`.
pub struct Tensor<E = AnyScalar>(PhantomData<E>);

impl<E: TypeConstraint> TypeConstraint for Tensor<E> {
    fn accepts(ty: Type<'_>) -> bool {
        ty.as_tensor().is_some_and(|tensor| E::accepts(tensor.element()))
    }
    fn description() -> String {
        format!("tensor of {}", E::description())
    }
}

/// A tensor of exactly `RANK` dimensions.
pub struct Ranked<E, const RANK: usize>(PhantomData<E>);

impl<E: TypeConstraint, const RANK: usize> TypeConstraint for Ranked<E, RANK> {
    fn accepts(ty: Type<'_>) -> bool {
        Tensor::<E>::accepts(ty) && ty.as_tensor().is_some_and(|t| t.rank() == RANK)
    }
    fn description() -> String {
        format!("tensor of {} with {RANK} dimensions", E::description())
    }
}

/// A type of either set.
pub struct Either<A, B>(PhantomData<(A, B)>);

impl<A: TypeConstraint, B: TypeConstraint> TypeConstraint for Either<A, B> {
    fn accepts(ty: Type<'_>) -> bool {
        A::accepts(ty) || B::accepts(ty)
    }
    fn description() -> String {
        format!("{} or {}", A::description(), B::description())
    }
}

/// Whether two types may be of one value: equal, or tensors that differ in dynamic sizes only.
pub fn compatible(a: Type<'_>, b: Type<'_>) -> bool {
    if a == b {
        return true;
    }
    let (Some(a), Some(b)) = (a.as_tensor(), b.as_tensor()) else { return false };
    a.element() == b.element()
        && a.rank() == b.rank()
        && a.dims().iter().zip(b.dims()).all(|(a, b)| a.is_none() || b.is_none() || *a == b)
}
