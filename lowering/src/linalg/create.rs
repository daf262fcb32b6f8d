//! Tensors made from nothing but their sizes.

use super::constant::stored_element;
use super::dtype::{convert, storage_type, store};
use super::generic::{Generic, Map};
use super::lowerer::Lowerer;
use super::scalar::element_dtype;
use thunder_ir::{Attribute, Operation, Result, Type, Value};
use thunder_tensor::DType;

/// One element everywhere.
pub fn full<'c>(lo: &mut Lowerer<'c>, op: Operation<'c>, value: Attribute<'c>, out: Value<'c>) -> Result<Value<'c>> {
    let value = stored_element(value).ok_or_else(|| op.error("has elements that cannot be lowered"))?;
    let element = value.ty().ok_or("internal: an element has a type")?;
    let dims = lo.dims(out);
    let ty = lo.tensor_type(element, &dims);
    if let Some(splat) = Attribute::splat(ty, value) {
        return lo.code().constant(splat);
    }
    // Loops, unlike a fill, are fused into the loops of who reads them.
    let empty = lo.empty(element, &dims)?;
    let filled = Generic::parallel(dims.len())
        .output(empty, Map::identity(dims.len()))
        .build(lo, |code, _| Ok(vec![code.constant(value)?]))?;
    Ok(filled[0])
}

/// The index along `axis`.
pub fn iota<'c>(lo: &mut Lowerer<'c>, op: Operation<'c>, axis: usize, out: Value<'c>) -> Result<Value<'c>> {
    let dtype = element_dtype(op, out.ty())?;
    let dims = lo.dims(out);
    let empty = lo.empty(storage_type(op.context(), dtype), &dims)?;
    let counted = Generic::parallel(dims.len()).output(empty, Map::identity(dims.len())).build(lo, |code, _| {
        let index = super::generic::loop_index(code, axis)?;
        let count = code.op("arith.index_cast", &[index], Type::int(code.context(), 64))?;
        let value = convert(code, count, DType::I64, dtype)?;
        Ok(vec![store(code, value, dtype)?])
    })?;
    Ok(counted[0])
}
