//! Slices of tensors within single rows.

use thunder_ir::{Attribute, Blueprint, Builder, Operation, Result, Type, Value};

use crate::access::Access;

/// What of a slice is known, by dimension.
const ENTRIES: [&str; 3] = ["static_offsets", "static_sizes", "static_strides"];

/// The entry that stands for a value.
const OPEN: i64 = i64::MIN;

/// Whether `op` takes a part of a tensor, or puts one into a tensor, that is all of the first `rows` dimensions.
///
/// The ops of a kernel treat its rows alike: a size that is not known, of a dimension whose size is not known, is all of it.
pub fn covers_rows(op: Operation<'_>, rows: usize) -> bool {
    let dims = |value: Value<'_>| value.ty().as_tensor().map(|ty| ty.dims()).unwrap_or_default();
    let (part, whole) = match op.operand(1 % op.operand_count()) {
        into if op.name() == "tensor.insert_slice" => (op.operand(0), into),
        _ => (op.result(0), op.operand(0)),
    };
    let (part, whole) = (dims(part), dims(whole));
    let [offsets, sizes, strides] = ENTRIES.map(|name| entries(op, name));
    let is_all = |i: usize| offsets[i] == 0 && strides[i] == 1 && whole[i].unwrap_or(OPEN) == sizes[i];
    part.len() == whole.len()
        && [&offsets, &sizes, &strides].iter().all(|e| e.len() == whole.len())
        && (0..rows).all(is_all)
}

fn entries(op: Operation<'_>, name: &str) -> Vec<i64> {
    op.attribute(name).and_then(|a| a.as_i64_array()).unwrap_or_default()
}

/// The slice `op` of `tensors`, which lack its first `rows` dimensions, with the result `ty`.
pub fn within_row<'c>(
    b: &Builder<'c>,
    op: Operation<'c>,
    rows: usize,
    tensors: &[Value<'c>],
    ty: Type<'c>,
) -> Result<Value<'c>> {
    let mut values = op.operands().skip(tensors.len());
    let lists = ENTRIES.map(|name| {
        let mut list = Vec::new();
        for (axis, entry) in entries(op, name).into_iter().enumerate() {
            let value = if entry == OPEN { values.next() } else { None };
            if axis >= rows {
                list.push((entry, value));
            }
        }
        list
    });
    slice(b, op.name(), tensors, &lists, ty)
}

/// The part of `tensor` that the iterations of a row touch by `access`: `rows` has the loops over rows, `indices` what
/// they are at this row.
pub fn of_row<'c>(
    b: &Builder<'c>,
    tensor: Value<'c>,
    access: &Access,
    rows: &[usize],
    indices: &[Value<'c>],
) -> Result<Value<'c>> {
    let places = access.places(rows).ok_or("internal: a row is at no place")?;
    let dims = tensor.ty().as_tensor().map(|ty| ty.dims()).unwrap_or_default();
    let (mut offsets, mut sizes, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for (axis, (place, size)) in places.iter().zip(&dims).enumerate() {
        if let Some(at) = place {
            offsets.push((OPEN, Some(indices[*at])));
            sizes.push((1, None));
            continue;
        }
        kept.push(*size);
        offsets.push((0, None));
        sizes.push(match size {
            Some(size) => (*size, None),
            None => (OPEN, Some(size_of(b, tensor, axis)?)),
        });
    }
    let strides = vec![(1, None); dims.len()];
    let ty = Type::tensor(tensor.ty().element(), &kept);
    slice(b, "tensor.extract_slice", &[tensor], &[offsets, sizes, strides], ty)
}

fn size_of<'c>(b: &Builder<'c>, tensor: Value<'c>, axis: usize) -> Result<Value<'c>> {
    let axis = super::entry::index(b, axis as i64)?;
    let size = Blueprint::new("tensor.dim").operands([tensor, axis]).results([Type::index(b.context())]);
    Ok(b.insert(&size)?.result(0))
}

/// The op `name` with offsets, sizes and strides: each a number, or [`OPEN`] and a value.
fn slice<'c>(
    b: &Builder<'c>,
    name: &str,
    tensors: &[Value<'c>],
    lists: &[Vec<(i64, Option<Value<'c>>)>; 3],
    ty: Type<'c>,
) -> Result<Value<'c>> {
    let mut slice = Blueprint::new(name).operands(tensors.iter().copied()).results([ty]);
    let mut segments = vec!["1".to_owned(); tensors.len()];
    for (list, entry) in lists.iter().zip(ENTRIES) {
        let numbers: Vec<i64> = list.iter().map(|(number, _)| *number).collect();
        let values: Vec<Value<'c>> = list.iter().filter_map(|(_, value)| *value).collect();
        segments.push(values.len().to_string());
        slice = slice.operands(values).attribute(entry, Attribute::i64_array(b.context(), &numbers));
    }
    let segments = super::entry::parse(b.context(), &format!("array<i32: {}>", segments.join(", ")))?;
    Ok(b.insert(&slice.attribute("operandSegmentSizes", segments))?.result(0))
}
