//! Numbers as attributes: each has the builtin type of its width, and lists of most are dense arrays.

use super::AttrKind;
use crate::diagnostic::Result;
use crate::raw::assembly::{Parsed, Parser, Printer};
use crate::raw::attribute::Attribute;
use crate::raw::context::ContextRef;
use crate::raw::dense_array::Packed;
use crate::raw::types::{Scalar, Type};

macro_rules! integers {
    ($($rust:ty: $scalar:expr, $words:literal $(, $packed:ident)?;)*) => {$(
        impl AttrKind for $rust {
            type Value<'c> = $rust;
            fn to_attribute<'c>(cx: ContextRef<'c>, value: $rust) -> Result<Attribute<'c>> {
                Ok(Attribute::integer(Type::scalar(cx, $scalar), value as i64))
            }
            fn from_attribute(attribute: Attribute<'_>) -> Option<$rust> {
                attribute.ty().filter(|ty| ty.as_scalar() == Some($scalar))?;
                attribute.as_integer().map(|value| value as $rust)
            }
            fn description() -> String {
                $words.to_owned()
            }
            fn print(attribute: Attribute<'_>, p: &Printer<'_>) {
                p.attribute_without_type(attribute);
            }
            // With its type given, MLIR leaves a colon that follows to the op's own types.
            fn parse<'c>(p: &Parser<'c>) -> Parsed<Attribute<'c>> {
                p.attribute_of(Some(Type::scalar(p.context(), $scalar)))
            }
            $($packed!();)?
        }
    )*};
}

macro_rules! packed {
    () => {
        fn list_to_attribute<'c>(cx: ContextRef<'c>, values: Vec<Self>) -> Result<Attribute<'c>> {
            Ok(Self::pack(cx, &values))
        }
        fn list_from_attribute(attribute: Attribute<'_>) -> Option<Vec<Self>> {
            Self::unpack(attribute).or_else(|| attribute.as_array()?.into_iter().map(Self::from_attribute).collect())
        }
    };
}

integers! {
    i8: Scalar::Int(8), "an 8-bit integer", packed;
    i16: Scalar::Int(16), "a 16-bit integer", packed;
    i32: Scalar::Int(32), "a 32-bit integer", packed;
    i64: Scalar::Int(64), "a 64-bit integer", packed;
    u8: Scalar::Unsigned(8), "an unsigned 8-bit integer";
    u16: Scalar::Unsigned(16), "an unsigned 16-bit integer";
    u32: Scalar::Unsigned(32), "an unsigned 32-bit integer";
    u64: Scalar::Unsigned(64), "an unsigned 64-bit integer";
    isize: Scalar::Index, "an index";
}

macro_rules! floats {
    ($($rust:ty: $scalar:expr, $words:literal;)*) => {$(
        impl AttrKind for $rust {
            type Value<'c> = $rust;
            fn to_attribute<'c>(cx: ContextRef<'c>, value: $rust) -> Result<Attribute<'c>> {
                Ok(Attribute::float(Type::scalar(cx, $scalar), value.into()))
            }
            fn from_attribute(attribute: Attribute<'_>) -> Option<$rust> {
                attribute.ty().filter(|ty| ty.as_scalar() == Some($scalar))?;
                attribute.as_float().map(|value| value as $rust)
            }
            fn description() -> String {
                $words.to_owned()
            }
            // The shortest text that MLIR reads back as this number: digits around a point, or bits.
            fn print(attribute: Attribute<'_>, p: &Printer<'_>) {
                let value = Self::from_attribute(attribute).unwrap_or_default();
                let text = format!("{value:?}");
                p.text(&match text.split_once('e') {
                    _ if !value.is_finite() => format!("0x{:01$X}", value.to_bits(), size_of::<$rust>() * 2),
                    Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0e{exponent}"),
                    _ => text,
                });
            }
            // As for integers.
            fn parse<'c>(p: &Parser<'c>) -> Parsed<Attribute<'c>> {
                p.attribute_of(Some(Type::scalar(p.context(), $scalar)))
            }
            packed!();
        }
    )*};
}

floats! {
    f32: Scalar::F32, "a 32-bit float";
    f64: Scalar::F64, "a 64-bit float";
}
