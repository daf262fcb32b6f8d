//! Elements in other places: the same values under other indices.

use super::constant::stored_element;
use super::generic::{Generic, Index, Map, loop_index};
use super::lowerer::Lowerer;
use super::tensor::{Mixed, Part};
use thunder_dialect::ops::slice::Slice;
use thunder_interface::Dim;
use thunder_ir::op::Op;
use thunder_ir::{Attribute, Result, Value};

/// A tensor of sizes `dims` whose elements are those of `input` where `map` says.
pub fn moved<'c>(lo: &mut Lowerer<'c>, input: Value<'c>, map: Map, dims: &[Dim]) -> Result<Value<'c>> {
    let empty = lo.empty(input.ty().element(), dims)?;
    let moved = Generic::parallel(dims.len())
        .input(input, map)
        .output(empty, Map::identity(dims.len()))
        .build(lo, |_, x| Ok(vec![x[0]]))?;
    Ok(moved[0])
}

/// Dimension `i` of the operand becomes dimension `becomes[i]` of the result; one of size 1 repeats.
pub fn broadcast<'c>(lo: &mut Lowerer<'c>, operand: Value<'c>, becomes: &[i64], out: Value<'c>) -> Result<Value<'c>> {
    let input = lo.value(operand)?;
    let dims = lo.dims(out);
    let declared = operand.ty().as_tensor().map(|t| t.dims()).unwrap_or_default();
    let index = |(axis, size): (&i64, &Option<i64>)| {
        let axis = *axis as usize;
        if *size == Some(1) && dims[axis] != Dim::Known(1) { Index::Zero } else { Index::Loop(axis) }
    };
    let map = Map(becomes.iter().zip(&declared).map(index).collect());
    if map == Map::identity(dims.len()) {
        return Ok(input);
    }
    moved(lo, input, map, &dims)
}

/// Dimension `i` of the result is dimension `permutation[i]` of the operand.
pub fn transpose<'c>(
    lo: &mut Lowerer<'c>,
    operand: Value<'c>,
    permutation: &[i64],
    out: Value<'c>,
) -> Result<Value<'c>> {
    let mut loops = vec![0; permutation.len()];
    for (axis, from) in permutation.iter().enumerate() {
        loops[*from as usize] = axis;
    }
    let (input, dims) = (lo.value(operand)?, lo.dims(out));
    moved(lo, input, Map::loops(loops), &dims)
}

/// The elements in reverse order along `axes`.
pub fn reverse<'c>(lo: &mut Lowerer<'c>, operand: Value<'c>, axes: &[i64], out: Value<'c>) -> Result<Value<'c>> {
    let (input, dims) = (lo.value(operand)?, lo.dims(out));
    let index = |axis: usize| match dims[axis].known().filter(|_| axes.contains(&(axis as i64))) {
        Some(size) => Index::Steps { at: axis, start: size - 1, step: -1 },
        None => Index::Loop(axis),
    };
    if dims.contains(&Dim::Known(0)) {
        return lo.empty(input.ty().element(), &dims);
    }
    if axes.iter().all(|axis| dims[*axis as usize].known().is_some()) {
        return moved(lo, input, Map((0..dims.len()).map(index).collect()), &dims);
    }
    let mut last = vec![None; dims.len()];
    for axis in axes {
        last[*axis as usize] = Some(lo.size(&dims[*axis as usize].sub(&Dim::Known(1)))?);
    }
    let empty = lo.empty(input.ty().element(), &dims)?;
    let reversed = Generic::parallel(dims.len()).output(empty, Map::identity(dims.len())).build(lo, |code, _| {
        let mut from = vec![input];
        for (axis, last) in last.iter().enumerate() {
            let index = loop_index(code, axis)?;
            from.push(last.map_or(Ok(index), |last| code.two("arith.subi", last, index))?);
        }
        Ok(vec![code.op("tensor.extract", &from, input.ty().element())?])
    })?;
    Ok(reversed[0])
}

/// Every so many elements from a start to a limit.
pub fn slice<'c>(lo: &mut Lowerer<'c>, op: &Slice<'c>) -> Result<Value<'c>> {
    let (input, dims) = (lo.value(op.operand())?, lo.dims(op.out()));
    let element = input.ty().element();
    // The start of an empty slice may be out of bounds.
    if dims.contains(&Dim::Known(0)) {
        return lo.empty(element, &dims);
    }
    let from = lo.dims(op.operand());
    let starts = op.starts(&from);
    // A loop that is an index goes over all of a dimension.
    let places = starts.iter().zip(op.stride()).enumerate().map(|(at, (start, step))| match (start.known()?, step) {
        (0, 1) => (from[at] == dims[at]).then_some(Index::Loop(at)),
        (start, step) => Some(Index::Steps { at, start, step }),
    });
    if let Some(map) = places.collect::<Option<Vec<_>>>() {
        return moved(lo, input, Map(map), &dims);
    }
    let part =
        Part { offsets: Mixed::of(lo, &starts)?, sizes: Mixed::of(lo, &dims)?, strides: Mixed::numbers(&op.stride()) };
    let part = part.extract(lo.builder(), lo, input, lo.tensor_type(element, &dims))?;
    moved(lo, part, Map::identity(dims.len()), &dims)
}

/// The operands one after the other along `axis`.
pub fn concat<'c>(lo: &mut Lowerer<'c>, parts: &[Value<'c>], axis: usize, out: Value<'c>) -> Result<Value<'c>> {
    let dims = lo.dims(out);
    if let [only] = parts {
        return lo.value(*only);
    }
    let element = lo.value(parts[0])?.ty().element();
    let mut whole = lo.empty(element, &dims)?;
    // MLIR refuses a slice of nothing.
    if dims.contains(&Dim::Known(0)) {
        return Ok(whole);
    }
    let mut offsets = vec![Dim::Known(0); dims.len()];
    for part in parts {
        let length = lo.dims(*part)[axis].clone();
        let mut sizes = dims.clone();
        sizes[axis] = length.clone();
        if length != Dim::Known(0) {
            let place = Part {
                offsets: Mixed::of(lo, &offsets)?,
                sizes: Mixed::of(lo, &sizes)?,
                strides: Mixed::numbers(&vec![1; dims.len()]),
            };
            whole = place.copy_into(lo, lo.value(*part)?, whole)?;
        }
        offsets[axis] = offsets[axis].add(&length);
    }
    Ok(whole)
}

/// Elements before, after and between those of a tensor; negative numbers take away.
pub struct Padding<'a> {
    /// Before the first, in each dimension.
    pub low: &'a [i64],
    /// After the last.
    pub high: &'a [i64],
    /// Between neighbours.
    pub interior: &'a [i64],
}

/// `input` of sizes `from` with elements of `value`, as it is stored, around and between its own.
pub fn pad<'c>(
    lo: &mut Lowerer<'c>,
    input: Value<'c>,
    from: &[Dim],
    padding: &Padding<'_>,
    value: Attribute<'c>,
    dims: &[Dim],
) -> Result<Value<'c>> {
    let whole = lo.filled(value, dims)?;
    let (mut firsts, mut offsets, mut counts, mut strides) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (axis, size) in from.iter().enumerate() {
        let (low, stride) = (padding.low[axis], padding.interior[axis] + 1);
        // The first element that is not taken away, and how many follow.
        let first = if low < 0 { (-low).div_euclid(stride) + i64::from((-low).rem_euclid(stride) != 0) } else { 0 };
        let offset = low + first * stride;
        let mut count = size.clone();
        if first > 0 {
            count = size.sub(&Dim::Known(first)).max(&Dim::Known(0));
        }
        if padding.high[axis] < 0 {
            let room = dims[axis].sub(&Dim::Known(offset)).max(&Dim::Known(0)).ceil_div(stride);
            count = count.min(&room);
        }
        firsts.push(Dim::Known(first));
        offsets.push(offset);
        counts.push(count);
        strides.push(stride);
    }
    if counts.contains(&Dim::Known(0)) {
        return Ok(whole);
    }
    let mut source = input;
    if counts != from {
        let kept = Part {
            offsets: Mixed::of(lo, &firsts)?,
            sizes: Mixed::of(lo, &counts)?,
            strides: Mixed::numbers(&vec![1; from.len()]),
        };
        source = kept.extract(lo.builder(), lo, input, lo.tensor_type(input.ty().element(), &counts))?;
    }
    let place =
        Part { offsets: Mixed::numbers(&offsets), sizes: Mixed::of(lo, &counts)?, strides: Mixed::numbers(&strides) };
    place.copy_into(lo, source, whole)
}

/// The padding of an op with an element of its own.
pub fn pad_op<'c>(
    lo: &mut Lowerer<'c>,
    op: &impl Op<'c>,
    padding: &Padding<'_>,
    value: Attribute<'c>,
) -> Result<Value<'c>> {
    let (operand, out) = (op.view().operand(0), op.view().result(0));
    let value = stored_element(value).ok_or_else(|| op.error("has elements that cannot be lowered"))?;
    let (input, from, dims) = (lo.value(operand)?, lo.dims(operand), lo.dims(out));
    pad(lo, input, &from, padding, value, &dims)
}
