//! Parts of tensors, and tensors from parts.

use thunder_trace::{DType, Dim, Scalar, Scope, Tensor, cat, stack};

use super::{Entry, copy, many, one, parts, resize, view};
use crate::arguments::{Answer, Call, ensure, gap, malformed};

pub(super) const OPS: &[Entry] = &[
    view(
        &["aten.slice.Tensor", "aten.slice_copy.Tensor"],
        |c| sliced(c, c.tensor("self")?),
        |c, part| replaced(c, c.tensor("self")?, part),
    ),
    one(&["aten.slice_scatter.default"], |c| replaced(c, c.tensor("self")?, c.tensor("src")?)),
    view(&["aten.select.int", "aten.select_copy.int"], selected, |c, part| put_back(c, c.tensor("self")?, part)),
    one(&["aten.select_scatter.default"], |c| put_back(c, c.tensor("self")?, c.tensor("src")?)),
    view(
        &["aten.narrow.default"],
        |c| Ok(c.tensor("self")?.narrow(c.int("dim")?, c.int("start")?, c.int("length")?)),
        |c, part| {
            let start = c.cx.full((), c.int("start")?, DType::I64);
            Ok(c.tensor("self")?.dynamic_update_slice(c.int("dim")?, start, part))
        },
    ),
    one(&["aten.narrow_copy.default"], |c| {
        Ok(c.tensor("self")?.narrow(c.int("dim")?, c.int("start")?, c.int("length")?))
    }),
    many(&["aten.unsafe_split.Tensor", "aten.split_copy.Tensor"], |c| {
        split(c, c.int_or("dim", 0)?, c.int("split_size")?)
    }),
    copy(&["aten.diff.default"], |c| {
        let (times, axis) = (c.int_or("n", 1)?, c.int_or("dim", -1)?);
        ensure(times >= 0, format!("differences of order {times}"))?;
        if times == 0 {
            return c.tensor("self");
        }
        let around = [c.optional("prepend")?, Some(c.tensor("self")?), c.optional("append")?];
        let mut x = cat(&around.into_iter().flatten().collect::<Vec<_>>(), axis);
        for _ in 0..times {
            let (after, before) = (x.slice(axis, 1..), x.slice(axis, ..-1));
            x = if x.dtype() == DType::Bool { after ^ before } else { after - before };
        }
        Ok(x)
    }),
    parts(&["aten.split.Tensor", "aten.split.default"], |c| split(c, c.int_or("dim", 0)?, c.int("split_size")?)),
    parts(&["aten.split_with_sizes.default", "aten.split.sizes"], by_sizes),
    parts(&["aten.chunk.default"], chunks),
    parts(&["aten.unbind.int"], unbound),
    one(&["aten.cat.default", "aten.concat.default", "aten.concatenate.default"], |c| {
        let all = c.tensors("tensors")?;
        // An empty list stands for nothing, whatever the rank of the others.
        let some: Vec<_> = all.iter().copied().filter(|x| x.rank() != 1 || x.size(0).known() != Some(0)).collect();
        let some = if some.is_empty() { all } else { some };
        if some.is_empty() { malformed("there is nothing to concatenate") } else { Ok(cat(&some, c.int_or("dim", 0)?)) }
    }),
    one(&["aten.stack.default"], |c| {
        let all = c.tensors("tensors")?;
        if all.is_empty() { malformed("there is nothing to stack") } else { Ok(stack(&all, c.int_or("dim", 0)?)) }
    }),
    one(&["aten.embedding.default"], |c| Ok(c.tensor("indices")?.embedding(c.tensor("weight")?))),
    many(
        &[
            "aten._embedding_bag.default",
            "aten._embedding_bag_forward_only.default",
            "aten.embedding_bag.default",
            "aten.embedding_bag.padding_idx",
        ],
        bags,
    ),
    one(&["aten.index_select.default"], |c| {
        let (x, index) = (c.tensor("self")?, c.tensor("index")?);
        if x.rank() == 0 {
            return Ok(x);
        }
        let (axis, index) = (c.int("dim")?, index.reshape([-1]));
        Ok(x.index_select(axis, counted(index, &x.size(axis))))
    }),
    one(&["aten.gather.default"], |c| gathered(c.tensor("self")?, c.int("dim")?, c.tensor("index")?)),
    one(&["aten.take_along_dim.default"], taken),
    one(&["aten.index.Tensor", "aten._unsafe_index.Tensor"], |c| {
        indexed(c, c.tensor("self")?, &c.optionals("indices")?)
    }),
    // Where the mask is false, indices may be anything.
    one(&["aten._unsafe_masked_index.default"], |c| {
        let (x, mask) = (c.tensor("self")?, c.tensor("mask")?);
        let y = indexed(c, x, &where_true(c, mask)?)?;
        let fill = super::create::cast(c.scalar("fill")?, y.dtype());
        Ok(mask.where_(y, c.cx.full((), fill, y.dtype())))
    }),
    one(&["aten.roll.default"], rolled),
    one(&["aten.constant_pad_nd.default", "aten.pad.default"], padded),
    one(&["aten.one_hot.default"], |c| {
        let (x, classes) = (c.tensor("self")?, c.int_or("num_classes", -1)?);
        if classes < 0 {
            return gap("a number of classes that depends on the values");
        }
        Ok(x.unsqueeze(-1).eq(c.cx.arange(classes, DType::I64)).to(DType::I64))
    }),
    one(&["aten.glu.default"], |c| {
        let (x, axis) = (c.tensor("self")?, c.int_or("dim", -1)?);
        let halves = x.chunk(2, axis);
        Ok(halves[0] * halves[1].sigmoid())
    }),
    many(&["aten.meshgrid.default", "aten.meshgrid.indexing"], grid),
];

/// Sums or means of rows of a table: those of the indices from each offset on to the next.
fn bags<'t>(c: &Call<'_, 't>) -> Answer<Vec<Tensor<'t>>> {
    let (weight, index, offsets) = (c.tensor("weight")?, c.tensor("indices")?, c.tensor("offsets")?);
    let (mode, mut padding) = (c.int_or("mode", 0)?, c.int_or("padding_idx", -1)?);
    // Where there may be none of it, a row below zero counts from the end; else it is none.
    if padding < 0 && c.node.target.ends_with(".padding_idx") && c.has("padding_idx") {
        let Some(rows) = weight.size(0).known() else { return gap("a number of rows that is not known") };
        padding += rows;
    }
    if !(0..=1).contains(&mode) {
        return gap("maxima");
    }
    // The last offset may be the end.
    let end = if c.bool_or("include_last_offset", false)? { -1 } else { END };
    let offsets = if end == END { offsets } else { offsets.slice(0, 0..end) };
    // The bag of each index is the last one that does not begin after it.
    let bag = offsets.searchsorted(c.cx.arange(index.size(0), offsets.dtype()), true) - 1;
    let mut counts = index.ne(padding).to(weight.dtype());
    if let Some(scale) = c.optional("per_sample_weights")? {
        counts = counts * scale;
    }
    let rows = index.embedding(weight) * counts.unsqueeze(-1);
    let sums = c.cx.zeros((offsets.size(0), weight.size(1)), weight.dtype()).index_add(0, bag, rows);
    if mode == 0 {
        return Ok(vec![sums]);
    }
    let counts = c.cx.zeros([offsets.size(0)], weight.dtype()).index_add(0, bag, counts);
    Ok(vec![sums / counts.maximum(1.0).unsqueeze(-1)])
}

/// Parts of `size` elements each but for the last: as many as the file has results.
fn split<'t>(c: &Call<'_, 't>, axis: i64, size: i64) -> Answer<Vec<Tensor<'t>>> {
    let x = c.tensor("self")?;
    let Some(total) = x.size(axis).known() else { return gap("a dimension of dynamic size") };
    let count = if size < 1 { 0 } else { total / size + i64::from(total % size != 0) };
    if count != c.results.len() as i64 {
        return malformed(format!("{total} elements in parts of {size} are not {} parts", c.results.len()));
    }
    Ok(x.split(size, axis))
}

/// Parts of the sizes that a list says.
pub(super) fn by_sizes<'t>(c: &Call<'_, 't>) -> Answer<Vec<Tensor<'t>>> {
    let (x, axis) = (c.tensor("self")?, c.int_or("dim", 0)?);
    let mut start = 0i64;
    let part = |size: i64| {
        start = start.saturating_add(size);
        x.narrow(axis, start - size, size)
    };
    Ok(c.ints(if c.has("split_sizes") { "split_sizes" } else { "split_size" })?.into_iter().map(part).collect())
}

/// As many parts as there are to be, if all but the last are of the same size.
pub(super) fn chunks<'t>(c: &Call<'_, 't>) -> Answer<Vec<Tensor<'t>>> {
    let (count, axis) = (c.int("chunks")?, c.int_or("dim", 0)?);
    let Some(size) = c.tensor("self")?.size(axis).known() else { return gap("a dimension of dynamic size") };
    if count < 1 {
        return malformed(format!("{count} parts"));
    }
    split(c, axis, (size / count + i64::from(size % count != 0)).max(1))
}

/// Each position along a dimension.
pub(super) fn unbound<'t>(c: &Call<'_, 't>) -> Answer<Vec<Tensor<'t>>> {
    let axis = c.int_or("dim", 0)?;
    Ok(split(c, axis, 1)?.into_iter().map(|part| part.squeeze(axis)).collect())
}

/// The largest index, which stands for the end of a dimension.
const END: i64 = i64::MAX;

/// How many positions a program may list one by one.
pub(super) const MOST_POSITIONS: i64 = 1 << 16;

/// Where a slice begins and ends, and its step; `None` for an end that is the dimension's.
struct Range {
    axis: i64,
    start: i64,
    end: Option<i64>,
    step: i64,
}

/// The range of a slice whose bounds are numbers.
fn range(c: &Call<'_, '_>, x: Tensor<'_>) -> Answer<Range> {
    let axis = c.int_or("dim", 0)?;
    let bound = |name: &str, default: i64| if c.has(name) { c.int(name) } else { Ok(default) };
    let (start, step) = (bound("start", 0)?, bound("step", 1)?);
    // An end at the size of the dimension is the end, whatever that size is.
    let is_whole = c.has("end") && c.size("end")? == x.size(axis);
    let end = if is_whole { END } else { bound("end", END)? };
    if step < 1 {
        return malformed(format!("a step of {step}"));
    }
    Ok(Range { axis, start, end: (end != END).then_some(end), step })
}

fn sliced<'t>(c: &Call<'_, 't>, x: Tensor<'t>) -> Answer<Tensor<'t>> {
    if let Some(part) = slice_of_dynamic_bounds(c, x)? {
        return Ok(part);
    }
    let Range { axis, start, end, step } = range(c, x)?;
    if start == 0 && end.is_none() && step == 1 {
        return Ok(x);
    }
    Ok(match end {
        Some(end) => x.slice_step(axis, start..end, step),
        None => x.slice_step(axis, start.., step),
    })
}

/// A slice with a bound that is known only when the program runs: its elements by their positions.
fn slice_of_dynamic_bounds<'t>(c: &Call<'_, 't>, x: Tensor<'t>) -> Answer<Option<Tensor<'t>>> {
    let axis = c.int_or("dim", 0)?;
    let start = if c.has("start") { c.size("start")? } else { Dim::from(0) };
    let is_open = !c.has("end") || c.size("end")?.known().is_some() || c.size("end")? == x.size(axis);
    if start.known().is_some() && is_open {
        return Ok(None);
    }
    if c.int_or("step", 1)? != 1 {
        return gap("a step between bounds that are known only when the program runs");
    }
    let dims = c.dims()?;
    let place = usize::try_from(if axis < 0 { axis + dims.len() as i64 } else { axis }).unwrap_or(usize::MAX);
    let Some(length) = dims.get(place) else { return malformed(format!("dimension {axis} is out of range")) };
    let positions = c.cx.arange(length, DType::I64);
    let positions = match start.known() {
        Some(0) => positions,
        Some(start) => positions + start,
        None => positions + crate::arguments::number(c.cx, start),
    };
    Ok(Some(x.index_select(axis, positions)))
}

/// `x` with a slice of it replaced.
fn replaced<'t>(c: &Call<'_, 't>, x: Tensor<'t>, part: Tensor<'t>) -> Answer<Tensor<'t>> {
    let Range { axis, start, end, step } = range(c, x)?;
    let part = part.to(x.dtype());
    if start == 0 && end.is_none() && step == 1 {
        return Ok(if part.shape() == x.shape() { part } else { part.expand(x.shape()) });
    }
    let Some(size) = x.size(axis).known() else { return gap("a dimension of dynamic size") };
    let counted = |bound: i64| (if bound < 0 { bound + size } else { bound }).clamp(0, size);
    let (start, end) = (counted(start), counted(end.unwrap_or(END)).max(counted(start)));
    if step == 1 {
        return Ok(x.dynamic_update_slice(axis, c.cx.full((), start, DType::I64), part));
    }
    if size > MOST_POSITIONS {
        return gap("a step in a dimension of so many positions");
    }
    // Position `start + i * step` is element `i` of the part, every other one stays.
    let from = (0..size)
        .map(|at| if (start..end).contains(&at) && (at - start) % step == 0 { (at - start) / step + size } else { at });
    Ok(cat(&[x, part], axis).index_select(axis, numbers(c, &from.collect::<Vec<_>>())))
}

pub(super) fn numbers<'t>(c: &Call<'_, 't>, values: &[i64]) -> Tensor<'t> {
    let host = thunder_tensor::Tensor::from_slice(vec![values.len()], values).expect("as many values as the size says");
    c.cx.constant(&host)
}

/// The positions of `count` parts of `size` elements, whose beginnings are `step` apart, as a row for each part.
pub(super) fn of_parts<'t>(c: &Call<'_, 't>, count: i64, size: i64, step: i64) -> Tensor<'t> {
    let beginnings = c.cx.arange(count, DType::I64) * step;
    beginnings.unsqueeze(-1) + c.cx.arange(size, DType::I64)
}

fn selected<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let (x, axis) = (c.tensor("self")?, c.int("dim")?);
    let index = c.size("index")?;
    Ok(match index.known() {
        // Where the size is not known, nor is it that there is a last element: the file says so.
        Some(-1) => x.slice(axis, -1..).reshape(c.dims()?),
        Some(index) => x.slice(axis, index..index + 1).reshape(c.dims()?),
        None => {
            let at = crate::arguments::number(c.cx, index).reshape([1]);
            x.index_select(axis, at).squeeze(axis)
        }
    })
}

/// `x` with one position along a dimension replaced.
fn put_back<'t>(c: &Call<'_, 't>, x: Tensor<'t>, part: Tensor<'t>) -> Answer<Tensor<'t>> {
    let (axis, index) = (c.int("dim")?, c.int("index")?);
    let axis = if axis < 0 { axis + x.rank() as i64 } else { axis };
    let start = match (index, x.size(axis).known()) {
        (0.., _) => index,
        (_, Some(size)) => index + size,
        (_, None) => return gap("a dimension of dynamic size"),
    };
    let mut dims = x.shape();
    if let Some(dim) = usize::try_from(axis).ok().and_then(|axis| dims.get_mut(axis)) {
        *dim = Dim::from(1);
    }
    let part = part.to(x.dtype()).unsqueeze(axis);
    let part = if part.shape() == dims { part } else { part.expand(dims) };
    Ok(x.dynamic_update_slice(axis, c.cx.full((), start, DType::I64), part))
}

/// Indices where those below zero count from the end.
pub(super) fn counted<'t>(index: Tensor<'t>, size: &Dim) -> Tensor<'t> {
    // Ranges and their like have no such indices, but the file does not say so.
    match size.known() {
        Some(size) => index.lt(0).where_(index + size, index),
        None => index,
    }
}

/// Elements along a dimension; indices may be fewer than the operand has in the others.
fn gathered<'t>(x: Tensor<'t>, axis: i64, index: Tensor<'t>) -> Answer<Tensor<'t>> {
    let shape = index.shape();
    // Numbers alone are rows of one. No indices may be of any rank.
    let are_rows = x.rank().max(index.rank()) <= 1;
    if (x.rank() == 0 || index.rank() != x.rank()) && (are_rows || shape.contains(&Dim::from(0))) {
        return Ok(x.reshape([-1]).gather(0, index.reshape([-1])).reshape(shape));
    }
    if index.rank() != x.rank() {
        return malformed(format!("indices of rank {} for a tensor of rank {}", index.rank(), x.rank()));
    }
    let rank = index.rank() as i64;
    let axis = if axis < 0 { axis + rank } else { axis };
    let mut x = x;
    for other in (0..rank).filter(|other| *other != axis) {
        if let (Some(fewer), Some(size)) = (index.size(other).known(), x.size(other).known())
            && fewer < size
        {
            x = x.slice(other, 0..fewer);
        }
    }
    Ok(x.gather(axis, index))
}

/// Elements along a dimension, or of all in order; sizes of 1 are repeated.
fn taken<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let (x, index) = (c.tensor("self")?, c.tensor("indices")?);
    if !c.has("dim") {
        let flat = x.reshape([-1]);
        return Ok(flat.gather(0, counted(index.reshape([-1]), &flat.size(0))));
    }
    let (axis, rank) = (c.int("dim")?, x.rank() as i64);
    let axis = if axis < 0 { axis + rank } else { axis };
    let common = |x: Tensor<'t>, other: Tensor<'t>| {
        let size = |i: i64| if i != axis && x.size(i).known() == Some(1) { other.size(i) } else { x.size(i) };
        let dims: Vec<Dim> = (0..rank).map(size).collect();
        if dims == x.shape() { x } else { x.expand(dims) }
    };
    Ok(common(x, index).gather(axis, counted(common(index, x), &x.size(axis))))
}

/// Advanced indexing: the dimensions that have indices become one, of which one element is taken for each index.
fn indexed<'t>(c: &Call<'_, 't>, x: Tensor<'t>, indices: &[Option<Tensor<'t>>]) -> Answer<Tensor<'t>> {
    if indices.iter().flatten().any(|index| index.dtype() == DType::Bool) {
        return gap("truth values for indices, whose number depends on the values");
    }
    let places = Places::of(c.cx, x, indices)?;
    Ok(places.map_or(x, |places| places.merged.index_select(places.front as i64, places.number)))
}

/// The indices where the mask is true, and 0 elsewhere.
pub(super) fn where_true<'t>(c: &Call<'_, 't>, mask: Tensor<'t>) -> Answer<Vec<Option<Tensor<'t>>>> {
    let indices = c.optionals("indices")?;
    Ok(indices.into_iter().map(|index| index.map(|index| mask.where_(index, 0))).collect())
}

/// What integers for some dimensions of a tensor index.
pub(super) struct Places<'t> {
    /// The tensor with the dimensions that are indexed as one.
    pub(super) merged: Tensor<'t>,
    /// Which one that is.
    pub(super) front: usize,
    /// Row-major numbers of the elements in the dimensions that are indexed.
    pub(super) number: Tensor<'t>,
    /// The dimensions before they were merged.
    shape: Vec<Dim>,
    /// Which dimensions of the tensor they are.
    order: Vec<usize>,
}

impl<'t> Places<'t> {
    /// `None` where no dimension is indexed.
    pub(super) fn of(cx: Scope<'t>, x: Tensor<'t>, indices: &[Option<Tensor<'t>>]) -> Answer<Option<Self>> {
        let places: Vec<usize> = (0..indices.len()).filter(|i| indices[*i].is_some()).collect();
        let (Some(first), Some(last)) = (places.first().copied(), places.last().copied()) else { return Ok(None) };
        let shape = x.shape();
        if last >= shape.len() {
            return malformed(format!("{} indices for {x}", last + 1));
        }
        let mut number: Option<Tensor<'t>> = None;
        for (index, place) in indices.iter().flatten().zip(&places) {
            let index = counted(index.to(DType::I64), &shape[*place]);
            number = Some(match number {
                None => index,
                Some(number) => match shape[*place].known() {
                    Some(size) => number * size + index,
                    None => number * crate::arguments::number(cx, shape[*place].clone()) + index,
                },
            });
        }
        let Some(number) = number else { return Ok(None) };
        // Dimensions that are indexed stand together, first of all where they did not.
        let is_together = last - first + 1 == places.len();
        let rest: Vec<usize> = (0..shape.len()).filter(|axis| !places.contains(axis)).collect();
        let front = if is_together { first } else { 0 };
        let order: Vec<usize> = [&rest[..front], &places[..], &rest[front..]].concat();
        let x = if is_together { x } else { x.permute(order.iter().map(|axis| *axis as i64).collect::<Vec<_>>()) };
        let shape = x.shape();
        let merged = if places.len() == 1 { x } else { x.flatten(front as i64, (front + places.len() - 1) as i64) };
        Ok(Some(Self { merged, front, number, shape, order }))
    }

    /// What the merged tensor has become, with the dimensions that the tensor had.
    pub(super) fn restored(&self, merged: Tensor<'t>) -> Tensor<'t> {
        let x = merged.reshape(&self.shape[..]);
        if self.order.is_sorted() {
            return x;
        }
        let place = |axis: usize| self.order.iter().position(|from| *from == axis).unwrap_or_default() as i64;
        x.permute((0..self.order.len()).map(place).collect::<Vec<_>>())
    }
}

fn rolled<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let (x, shifts) = (c.tensor("self")?, c.ints("shifts")?);
    let axes = c.optional_ints("dims")?.unwrap_or_default();
    if axes.is_empty() {
        // All elements as one row.
        let [shift] = shifts[..] else { return malformed("a shift for each of no dimensions") };
        return Ok(shifted(x.reshape([-1]), shift, 0)?.reshape(x.shape()));
    }
    if axes.len() != shifts.len() {
        return malformed(format!("{} shifts of {} dimensions", shifts.len(), axes.len()));
    }
    let mut x = x;
    for (shift, axis) in shifts.iter().zip(axes) {
        x = shifted(x, *shift, axis)?;
    }
    Ok(x)
}

/// What leaves at one end of a dimension comes back at the other.
pub(super) fn shifted(x: Tensor<'_>, shift: i64, axis: i64) -> Answer<Tensor<'_>> {
    if x.rank() == 0 {
        return Ok(x);
    }
    let Some(size) = x.size(axis).known() else { return gap("a dimension of dynamic size") };
    let shift = shift.rem_euclid(size.max(1));
    if shift == 0 {
        return Ok(x);
    }
    Ok(cat(&[x.slice(axis, size - shift..), x.slice(axis, 0..size - shift)], axis))
}

/// Paddings in pairs, those of the last dimension first.
fn padded<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let (x, widths) = (c.tensor("self")?, c.ints("pad")?);
    match c.word_or("mode", "constant")? {
        "constant" => {}
        "reflect" => return resize::around(x, c, &widths, resize::reflected),
        "replicate" => return resize::around(x, c, &widths, resize::repeated),
        "circular" => return resize::around(x, c, &widths, resize::circular),
        mode => return gap(format!("mode '{mode}'")),
    }
    let pairs: Vec<(i64, i64)> = widths.chunks_exact(2).rev().map(|pair| (pair[0], pair[1])).collect();
    let value = c.optional_scalar("value")?.unwrap_or(Scalar::Int(0));
    let value = match value {
        Scalar::Float(value) if !x.dtype().is_float() => Scalar::Int(value as i64),
        Scalar::Int(value) if x.dtype() == DType::Bool => Scalar::Bool(value != 0),
        other => other,
    };
    Ok(x.pad(&pairs, value))
}

/// Each tensor along a dimension of its own.
fn grid<'t>(c: &Call<'_, 't>) -> Answer<Vec<Tensor<'t>>> {
    let mut all = c.tensors("tensors")?;
    // Of `xy`, the first two dimensions are exchanged.
    let is_exchanged = match c.word_or("indexing", "ij")? {
        "ij" => false,
        "xy" => all.len() > 1,
        other => return gap(format!("indexing '{other}'")),
    };
    if is_exchanged {
        all.swap(0, 1);
    }
    let dims: Vec<Dim> = all.iter().map(|x| x.shape().into_iter().next().unwrap_or_else(|| Dim::from(1))).collect();
    let mut grids = Vec::new();
    for (axis, x) in all.iter().enumerate() {
        let mut own = vec![Dim::from(1); dims.len()];
        own[axis].clone_from(&dims[axis]);
        grids.push(x.reshape(own).expand(&dims[..]));
    }
    if is_exchanged {
        grids.swap(0, 1);
    }
    Ok(grids)
}
