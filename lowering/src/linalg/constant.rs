//! Tensors that are part of the program.

use super::dtype::{storage_type, stored};
use super::lowerer::Lowerer;
use thunder_interface::{Dim, dtype_of};
use thunder_ir::{Attribute, Result, Value};
use thunder_tensor::DType;

/// Dense elements, as they are stored.
pub fn constant<'c>(lo: &mut Lowerer<'c>, value: Attribute<'c>) -> Result<Value<'c>> {
    let ty = value.ty().ok_or("internal: dense elements have a type")?;
    let tensor = ty.as_tensor().ok_or("a constant is a tensor")?;
    let sizes = tensor.static_dims().ok_or("a constant has static sizes")?;
    if sizes.contains(&0) {
        let dims: Vec<_> = sizes.into_iter().map(Dim::Known).collect();
        return lo.empty(stored(ty).element(), &dims);
    }
    let dense = if stored(ty) == ty {
        Some(value)
    } else if let Some(element) = value.splat_value() {
        Attribute::splat(stored(ty), stored_element(element).ok_or("a constant of unknown elements")?)
    } else {
        Attribute::dense(stored(ty), &value.dense_bytes().ok_or("a constant of unknown elements")?)
    };
    lo.code().constant(dense.ok_or("internal: stored elements have the bytes of their type")?)
}

/// One element as it is stored.
pub fn stored_element(element: Attribute<'_>) -> Option<Attribute<'_>> {
    let dtype = dtype_of(element.ty()?)?;
    let ty = storage_type(element.context(), dtype);
    Some(match dtype {
        DType::Bool => Attribute::integer(ty, i64::from(element.as_integer()? != 0)),
        DType::U8 => Attribute::integer(ty, i64::from(element.as_integer()? as i8)),
        _ if let Some(format) = dtype.float8() => {
            Attribute::integer(ty, i64::from(format.narrow(element.as_float()?) as i8))
        }
        _ => element,
    })
}
