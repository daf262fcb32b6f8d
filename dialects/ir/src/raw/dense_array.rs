//! Dense arrays, in which MLIR keeps lists of numbers without an attribute for each.

use super::attribute::Attribute;
use super::context::ContextRef;
use mlir_sys::*;

/// A number that dense arrays hold: `array<i32: 1, 2>`.
pub trait Packed: Sized {
    /// The array of these numbers.
    fn pack<'c>(cx: ContextRef<'c>, values: &[Self]) -> Attribute<'c>;
    /// The numbers, if it is a dense array of this type.
    fn unpack(attribute: Attribute<'_>) -> Option<Vec<Self>>;
}

macro_rules! packed {
    ($($rust:ty: $is:ident $make:ident $at:ident;)*) => {$(
        impl Packed for $rust {
            fn pack<'c>(cx: ContextRef<'c>, values: &[Self]) -> Attribute<'c> {
                // SAFETY: the context is alive; values are copied.
                unsafe { Attribute::from_raw($make(cx.to_raw(), values.len() as isize, values.as_ptr())) }
            }
            fn unpack(attribute: Attribute<'_>) -> Option<Vec<Self>> {
                let raw = attribute.to_raw();
                // SAFETY: the accessors run on an array of this type with indices in range.
                unsafe { $is(raw).then(|| (0..mlirDenseArrayGetNumElements(raw)).map(|i| $at(raw, i)).collect()) }
            }
        }
    )*};
}

packed! {
    i8: mlirAttributeIsADenseI8Array mlirDenseI8ArrayGet mlirDenseI8ArrayGetElement;
    i16: mlirAttributeIsADenseI16Array mlirDenseI16ArrayGet mlirDenseI16ArrayGetElement;
    i32: mlirAttributeIsADenseI32Array mlirDenseI32ArrayGet mlirDenseI32ArrayGetElement;
    i64: mlirAttributeIsADenseI64Array mlirDenseI64ArrayGet mlirDenseI64ArrayGetElement;
    f32: mlirAttributeIsADenseF32Array mlirDenseF32ArrayGet mlirDenseF32ArrayGetElement;
    f64: mlirAttributeIsADenseF64Array mlirDenseF64ArrayGet mlirDenseF64ArrayGetElement;
}
