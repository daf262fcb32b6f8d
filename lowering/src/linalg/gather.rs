//! Elements at places that a tensor tells.
//!
//! An index that is out of range is moved to the nearest place that there is; where there is none,
//! the element is 0. The reference reports an error instead.

use super::arith::{Arith, Ints};
use super::dtype::is_unsigned;
use super::generic::{Generic, Map, loop_index};
use super::lowerer::Lowerer;
use super::scalar::element_dtype;
use super::structure::choose;
use thunder_interface::Dim;
use thunder_ir::op::Op;
use thunder_ir::{Attribute, Result, Type, Value};

/// Slices of `operand` along `axis`, one for each element of `indices`, whose dimensions take the
/// place of `axis`.
pub fn take<'c>(
    lo: &mut Lowerer<'c>,
    op: &impl Op<'c>,
    operand: Value<'c>,
    indices: Value<'c>,
    axis: usize,
) -> Result<Value<'c>> {
    let rank = lo.dims(indices).len();
    let total = lo.dims(operand).len() + rank - 1;
    // Loops of the operand's dimensions but for `axis`, which the indices have a place for.
    let loops: Vec<_> = (0..axis).map(Some).chain([None]).chain((axis + rank..total).map(Some)).collect();
    extract(lo, op, operand, indices, Map::loops(axis..axis + rank), &loops)
}

/// Elements of `operand`, along `axis` at the positions that `indices` holds in their places.
pub fn take_along_axis<'c>(
    lo: &mut Lowerer<'c>,
    op: &impl Op<'c>,
    operand: Value<'c>,
    indices: Value<'c>,
    axis: usize,
) -> Result<Value<'c>> {
    let rank = lo.dims(operand).len();
    let loops: Vec<_> = (0..rank).map(|i| (i != axis).then_some(i)).collect();
    extract(lo, op, operand, indices, Map::identity(rank), &loops)
}

/// The element of `operand` at the indices of `loops`, and where that says `None` at the index that
/// `map` finds in `indices`.
fn extract<'c>(
    lo: &mut Lowerer<'c>,
    op: &impl Op<'c>,
    operand: Value<'c>,
    indices: Value<'c>,
    map: Map,
    loops: &[Option<usize>],
) -> Result<Value<'c>> {
    let dtype = element_dtype(op.operation(), indices.ty())?;
    let (table, places) = (lo.value(operand)?, lo.value(indices)?);
    let dims = lo.dims(op.view().result(0));
    let element = table.ty().element();
    let axis = loops.iter().position(Option::is_none).ok_or("internal: one dimension is indexed")?;
    let extent = lo.dims(operand)[axis].clone();
    let last = lo.size(&extent.sub(&Dim::Known(1)))?;
    let zero = lo.size(&Dim::Known(0))?;
    let has_elements = match extent {
        Dim::Known(0) => return full_of_zeros(lo, element, &dims),
        Dim::Known(_) => None,
        _ => Some(lo.code().cmpi(Ints::Sge, last, zero)?),
    };
    let empty = lo.empty(element, &dims)?;
    let found = Generic::parallel(dims.len()).input(places, map).output(empty, Map::identity(dims.len())).build(
        lo,
        |code, x| {
            let name = if is_unsigned(dtype) { "arith.index_castui" } else { "arith.index_cast" };
            let place = code.op(name, &[x[0]], Type::index(code.context()))?;
            let place = code.clamp(place, zero, last)?;
            let mut from = vec![table];
            for index in loops {
                from.push(index.map_or(Ok(place), |index| loop_index(code, index))?);
            }
            let read = |code: Arith<'_, 'c>| code.op("tensor.extract", &from, element);
            let Some(has_elements) = has_elements else { return Ok(vec![read(code)?]) };
            let value = choose(code, has_elements, element, read, |code| code.constant(zero_of(element)))?;
            Ok(vec![value])
        },
    )?;
    Ok(found[0])
}

fn zero_of(element: Type<'_>) -> Attribute<'_> {
    let is_float = element.as_scalar().is_some_and(|scalar| scalar.is_float());
    if is_float { Attribute::float(element, 0.0) } else { Attribute::integer(element, 0) }
}

fn full_of_zeros<'c>(lo: &mut Lowerer<'c>, element: Type<'c>, dims: &[Dim]) -> Result<Value<'c>> {
    lo.filled(zero_of(element), dims)
}
