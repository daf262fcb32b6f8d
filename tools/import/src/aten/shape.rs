//! The same elements under other sizes: views, all of which can be written through but those that repeat elements.

use thunder_trace::{DType, Dim, Scalar, Tensor};

use super::index::{MOST_POSITIONS, numbers, of_parts};
use super::{Entry, many, one, read_only, view};
use crate::arguments::{Answer, Call, ensure, gap, malformed};

pub(super) const OPS: &[Entry] = &[
    view(
        &[
            "aten.view.default",
            "aten.reshape.default",
            "aten._unsafe_view.default",
            "aten._reshape_alias.default",
            "aten.view_as.default",
            "aten.reshape_as.default",
            "aten.flatten.using_ints",
            "aten.unflatten.int",
            "aten.ravel.default",
            "aten.squeeze.default",
            "aten.squeeze.dim",
            "aten.squeeze.dims",
            "aten.unsqueeze.default",
            "aten.atleast_1d.default",
            "aten.atleast_2d.default",
            "aten.atleast_3d.default",
            "aten.view_copy.default",
            "aten.squeeze_copy.default",
            "aten.squeeze_copy.dim",
            "aten.squeeze_copy.dims",
            "aten.unsqueeze_copy.default",
        ],
        reshaped,
        |c, part| Ok(part.reshape(c.tensor("self")?.shape())),
    ),
    view(
        &["aten.view.dtype", "aten.view_copy.dtype"],
        |c| bits(c.tensor("self")?, c.result()?.dtype),
        |c, part| bits(part, c.tensor("self")?.dtype()),
    ),
    view(
        &["aten.permute.default", "aten.permute_copy.default"],
        |c| Ok(c.tensor("self")?.permute(c.ints("dims")?)),
        |c, part| Ok(part.permute(inverse(&c.ints("dims")?))),
    ),
    view(
        &["aten.transpose.int", "aten.swapaxes.default", "aten.swapdims.default", "aten.transpose_copy.int"],
        exchanged,
        |c, part| {
            let (a, b) = axes(c)?;
            Ok(part.transpose(a, b))
        },
    ),
    view(&["aten.mT.default"], |c| turned(c.tensor("self")?), |_, part| turned(part)),
    view(
        &["aten.t.default", "aten.t_copy.default"],
        |c| {
            let x = c.tensor("self")?;
            ensure(x.rank() <= 2, format!("{x} is no matrix"))?;
            turned(x)
        },
        |_, part| turned(part),
    ),
    view(&["aten.numpy_T.default"], |c| reversed(c.tensor("self")?), |_, part| reversed(part)),
    one(&["aten.movedim.int", "aten.movedim.intlist", "aten.moveaxis.int", "aten.moveaxis.intlist"], moved),
    read_only(
        &["aten.expand.default", "aten.expand_as.default", "aten.broadcast_to.default", "aten.expand_copy.default"],
        |c| {
            let dims = c.dims()?;
            let x = c.tensor("self")?;
            Ok(if x.shape() == dims { x } else { x.expand(dims) })
        },
    ),
    many(&["aten.broadcast_tensors.default"], |c| {
        let all = c.tensors("tensors")?;
        Ok(all.iter().zip(c.results).map(|(x, spec)| x.expand(&spec.dims[..])).collect())
    }),
    view(
        &["aten.diagonal.default", "aten.diagonal_copy.default", "aten.linalg_diagonal.default"],
        diagonal,
        |c, part| with_diagonal(c, c.tensor("self")?, part),
    ),
    one(&["aten.diag.default"], |c| {
        let (x, offset) = (c.tensor("self")?, c.int_or("diagonal", 0)?);
        match x.rank() {
            1 => embedded(c, x, offset, 0, 1),
            2 => diagonal(c),
            rank => malformed(format!("a diagonal of a tensor of rank {rank}")),
        }
    }),
    one(&["aten.diagflat.default"], |c| embedded(c, c.tensor("self")?.reshape([-1]), c.int_or("offset", 0)?, 0, 1)),
    one(&["aten.diag_embed.default"], |c| {
        embedded(c, c.tensor("self")?, c.int_or("offset", 0)?, c.int_or("dim1", -2)?, c.int_or("dim2", -1)?)
    }),
    one(&["aten.trace.default"], |c| {
        let rank = c.tensor("self")?.rank();
        ensure(rank == 2, format!("the trace of a tensor of rank {rank}"))?;
        Ok(diagonal(c)?.sum(0))
    }),
    read_only(&["aten.as_strided.default", "aten.as_strided_copy.default"], strided),
    one(&["aten.flip.default"], |c| Ok(c.tensor("self")?.flip(c.ints("dims")?))),
    one(&["aten.fliplr.default"], |c| Ok(c.tensor("self")?.flip(1))),
    one(&["aten.flipud.default"], |c| Ok(c.tensor("self")?.flip(0))),
    one(&["aten.repeat.default", "aten.tile.default"], repeated),
    one(&["aten.repeat_interleave.self_Tensor"], |c| {
        let (x, times) = (c.tensor("self")?, c.tensor("repeats")?);
        let axis = c.int_or("dim", 0)?;
        let x = if c.has("dim") { x } else { x.reshape([-1]) };
        let place = if axis < 0 { axis + x.rank() as i64 } else { axis };
        let dims = c.dims()?;
        let Some(count) = usize::try_from(place).ok().and_then(|place| dims.get(place)) else {
            return malformed(format!("dimension {axis} is out of range"));
        };
        if count.known().is_none() {
            return gap("a number of elements that depends on the values");
        }
        // Element `i` of the result is the first whose copies and those before are more than `i`.
        let ends = times.expand([x.size(place)]).cumsum(0);
        Ok(x.index_select(place, ends.searchsorted(c.cx.arange(count, DType::I64), true)))
    }),
    one(&["aten.sum_to_size.default"], |c| {
        let (x, dims) = (c.tensor("self")?, c.dims()?);
        let new = x.rank().saturating_sub(dims.len());
        let is_summed = |axis: &usize| {
            *axis < new || dims[axis - new].known() == Some(1) && x.size(*axis as i64).known() != Some(1)
        };
        let axes: Vec<i64> = (0..x.rank()).filter(is_summed).map(|axis| axis as i64).collect();
        Ok(if axes.is_empty() { x } else { x.sum(axes).reshape(dims) }.to(c.result()?.dtype))
    }),
    one(&["aten.repeat_interleave.self_int"], |c| {
        let (x, times) = (c.tensor("self")?, c.int("repeats")?);
        let axis = if c.has("dim") { c.int("dim")? } else { 0 };
        let x = if c.has("dim") { x } else { x.reshape([-1]) };
        let axis = if axis < 0 { axis + x.rank() as i64 } else { axis };
        let mut dims = x.shape();
        let apart = x.unsqueeze(axis + 1);
        dims.insert(usize::try_from(axis).unwrap_or_default() + 1, Dim::from(times));
        Ok(apart.expand(dims).reshape(c.dims()?))
    }),
    one(&["aten.pixel_unshuffle.default"], |c| {
        let (x, factor) = (c.tensor("self")?, c.int("downscale_factor")?);
        let shape = x.shape();
        let [outer @ .., channels, height, width] = &shape[..] else { return gap("fewer than three dimensions") };
        let (n, f) = (outer.len() as i64, Dim::from(factor));
        let apart =
            [outer, &[channels.clone(), height.clone() / factor, f.clone(), width.clone() / factor, f]].concat();
        let mut order: Vec<i64> = (0..n).collect();
        order.extend([n, n + 2, n + 4, n + 1, n + 3]);
        Ok(x.reshape(apart).permute(order).reshape(c.dims()?))
    }),
    one(&["aten.channel_shuffle.default", "aten.native_channel_shuffle.default"], |c| {
        let (x, groups) = (c.tensor("self")?, c.int("groups")?);
        let shape = x.shape();
        let [batch, channels, space @ ..] = &shape[..] else { return gap("fewer than two dimensions") };
        let apart = [&[batch.clone(), Dim::from(groups), channels.clone() / groups], space].concat();
        Ok(x.reshape(apart).transpose(1, 2).reshape(shape))
    }),
    one(&["aten.rot90.default"], |c| {
        let (x, times) = (c.tensor("self")?, c.int_or("k", 1)?.rem_euclid(4));
        let axes = c.optional_ints("dims")?.unwrap_or_else(|| vec![0, 1]);
        let [a, b] = axes[..] else { return malformed("a rotation has two dimensions") };
        let counted = |axis: i64| if axis < 0 { axis + x.rank() as i64 } else { axis };
        ensure(counted(a) != counted(b), format!("a rotation from dimension {a} to itself"))?;
        Ok(match times {
            0 => x,
            1 => x.flip(b).transpose(a, b),
            2 => x.flip([a, b]),
            _ => x.flip(a).transpose(a, b),
        })
    }),
    one(&["aten.unfold.default", "aten.unfold_copy.default"], |c| {
        let (x, axis, size, step) = (c.tensor("self")?, c.int("dimension")?, c.int("size")?, c.int("step")?);
        if x.rank() == 0 {
            return if (0..=1).contains(&size) {
                Ok(x.reshape([-1]).slice(0, 0..size))
            } else {
                malformed("a number has no parts")
            };
        }
        let Some(total) = x.size(axis).known() else { return gap("a dimension of dynamic size") };
        if size < 0 || size > total || step < 1 {
            return malformed(format!("parts of {size} elements, {step} apart, of {total}"));
        }
        let count = (total - size) / step + 1;
        let axis = if axis < 0 { axis + x.rank() as i64 } else { axis };
        let parts = x.index_select(axis, of_parts(c, count, size, step));
        // The elements of a part are the last dimension.
        let order: Vec<i64> = (0..=x.rank() as i64).filter(|at| *at != axis + 1).chain([axis + 1]).collect();
        Ok(parts.permute(order))
    }),
    one(&["aten.pixel_shuffle.default"], |c| {
        let (x, factor) = (c.tensor("self")?, c.int("upscale_factor")?);
        let shape = x.shape();
        let [outer @ .., channels, height, width] = &shape[..] else { return gap("fewer than three dimensions") };
        let (n, f) = (outer.len() as i64, Dim::from(factor));
        let apart =
            [outer, &[channels.clone() / (factor * factor), f.clone(), f, height.clone(), width.clone()]].concat();
        let mut order: Vec<i64> = (0..n).collect();
        order.extend([n, n + 3, n + 1, n + 4, n + 2]);
        Ok(x.reshape(apart).permute(order).reshape(c.dims()?))
    }),
];

/// The bits of elements as elements of another dtype.
fn bits(x: Tensor<'_>, dtype: DType) -> Answer<Tensor<'_>> {
    match (x.dtype(), dtype) {
        (from, to) if from == to => Ok(x),
        // Truth values are bytes that are 0 or 1.
        (DType::Bool, DType::U8 | DType::I8) => Ok(x.to(dtype)),
        (from, to) if from.size() != to.size() || to == DType::Bool || from == DType::Bool => {
            gap(format!("{from} as {to}"))
        }
        _ => Ok(x.bitcast(dtype)),
    }
}

fn axes(c: &Call<'_, '_>) -> Answer<(i64, i64)> {
    if c.has("axis0") { Ok((c.int("axis0")?, c.int("axis1")?)) } else { Ok((c.int("dim0")?, c.int("dim1")?)) }
}

fn exchanged<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let (a, b) = axes(c)?;
    let x = c.tensor("self")?;
    // A tensor of rank 0 has one dimension to name.
    Ok(if x.rank() == 0 { x } else { x.transpose(a, b) })
}

/// `x` under the sizes that the file says, which those that the operation is given have to be.
fn reshaped<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let x = c.tensor("self")?;
    for name in ["size", "shape", "other"].into_iter().filter(|name| c.has(name)) {
        let known = |dims: Vec<Dim>| dims.iter().map(Dim::known).collect::<Option<Vec<i64>>>();
        let (Some(own), Some(sizes)) = (known(x.shape()), c.sizes(name).ok().and_then(known)) else { continue };
        let count = |sizes: &[i64]| sizes.iter().try_fold(1i64, |n, size| n.checked_mul(*size));
        let (stated, left): (Vec<i64>, Vec<i64>) = sizes.iter().partition(|size| **size != -1);
        let is_filled = match (count(&own), count(&stated), left.len()) {
            (Some(total), Some(stated), 0) => total == stated,
            (Some(total), Some(stated @ 1..), 1) => total % stated == 0,
            _ => false,
        };
        ensure(is_filled, format!("{x} does not fill the sizes {sizes:?}"))?;
    }
    Ok(x.reshape(c.dims()?))
}

/// Matrices with rows and columns exchanged.
fn turned(x: Tensor<'_>) -> Answer<Tensor<'_>> {
    Ok(if x.rank() < 2 { x } else { x.transpose(-2, -1) })
}

/// The dimensions in reverse order.
fn reversed(x: Tensor<'_>) -> Answer<Tensor<'_>> {
    Ok(x.permute((0..x.rank() as i64).rev().collect::<Vec<_>>()))
}

fn moved<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let x = c.tensor("self")?;
    let rank = x.rank() as i64;
    let counted = |axes: Vec<i64>| -> Vec<i64> {
        axes.into_iter().map(|axis| if axis < 0 { axis + rank } else { axis }).collect()
    };
    let (from, to) = (counted(c.ints("source")?), counted(c.ints("destination")?));
    let mut rest = (0..rank).filter(|axis| !from.contains(axis));
    let place = |axis: i64| to.iter().position(|at| *at == axis);
    let order = (0..rank).map(|axis| place(axis).and_then(|i| from.get(i).copied()).or_else(|| rest.next()));
    Ok(x.permute(order.map(|axis| axis.unwrap_or(rank)).collect::<Vec<_>>()))
}

/// Elements at regular distances in memory, which is known where the tensor is all of it in row-major order.
fn strided<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let x = c.tensor("self")?;
    let places = strided_places(c, x)?;
    Ok(x.reshape([-1]).index_select(0, numbers(c, &places)).reshape(c.ints("size")?))
}

/// Where those elements are.
pub(super) fn strided_places(c: &Call<'_, '_>, x: Tensor<'_>) -> Answer<Vec<i64>> {
    let (sizes, strides) = (c.ints("size")?, c.ints("stride")?);
    if !c.is_contiguous("self")? {
        return gap("a tensor whose memory is not its elements in order");
    }
    let offset = c.int_or("storage_offset", 0)?;
    let total = x.shape().iter().try_fold(1i64, |n, size| n.checked_mul(size.known()?));
    let count = sizes.iter().try_fold(1i64, |n, size| n.checked_mul(*size));
    let (Some(total), Some(0..=MOST_POSITIONS)) = (total, count) else {
        return gap("so many elements, or dynamic sizes");
    };
    let mut places = vec![offset];
    for (size, stride) in sizes.iter().zip(&strides) {
        let along = |place: i64| (0..*size).map(move |at| stride.checked_mul(at)?.checked_add(place));
        let Some(all) = places.into_iter().flat_map(along).collect::<Option<Vec<i64>>>() else {
            return malformed("strides that are out of range");
        };
        places = all;
    }
    if sizes.len() != strides.len() || places.iter().any(|place| !(0..total).contains(place)) {
        return malformed(format!("sizes {sizes:?} with strides {strides:?} in {total} elements"));
    }
    Ok(places)
}

/// Copies beside each other: a new dimension before each, which is then merged with it.
fn repeated<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let x = c.tensor("self")?;
    let mut times = c.sizes(if c.has("repeats") { "repeats" } else { "dims" })?;
    let mut own = x.shape();
    while own.len() < times.len() {
        own.insert(0, Dim::from(1));
    }
    while times.len() < own.len() {
        times.insert(0, Dim::from(1));
    }
    let one = Dim::from(1);
    let single = own.iter().flat_map(|size| [one.clone(), size.clone()]).collect::<Vec<_>>();
    let many = times.iter().zip(&own).flat_map(|(times, size)| [times.clone(), size.clone()]).collect::<Vec<_>>();
    Ok(x.reshape(single).expand(many).reshape(c.dims()?))
}

/// A tensor whose dimensions that have a diagonal are merged as the last one.
struct Diagonal<'t> {
    merged: Tensor<'t>,
    /// The dimensions in that order, and their sizes.
    order: Vec<i64>,
    shape: Vec<Dim>,
    /// The places of the diagonal.
    places: Vec<i64>,
}

impl<'t> Diagonal<'t> {
    fn of(c: &Call<'_, 't>, x: Tensor<'t>) -> Answer<Self> {
        let offset = c.int_or(if c.has("diagonal") { "diagonal" } else { "offset" }, 0)?;
        let rank = x.rank() as i64;
        let axis = |name: &str, default: i64| -> Answer<i64> {
            let axis = c.int_or(name, default)?;
            Ok(if axis < 0 { axis + rank } else { axis })
        };
        let (first, second) = if c.has("A") { (-2, -1) } else { (0, 1) };
        let (rows, columns) = (axis("dim1", first)?, axis("dim2", second)?);
        if rows == columns || !(0..rank).contains(&rows) || !(0..rank).contains(&columns) {
            return malformed(format!("a diagonal of dimensions {rows} and {columns} of {x}"));
        }
        let (Some(height), Some(width)) = (x.size(rows).known(), x.size(columns).known()) else {
            return gap("a dimension of dynamic size");
        };
        let mut order: Vec<i64> = (0..rank).filter(|axis| *axis != rows && *axis != columns).collect();
        order.extend([rows, columns]);
        let x = x.permute(&order);
        // As many places as a range could list are checked by who reads them.
        let first = offset.max(0)..width.min(height.saturating_add(offset)).max(offset.max(0));
        if first.end - first.start > MOST_POSITIONS {
            return gap("a diagonal of so many elements");
        }
        let places = first.map(|column| (column - offset) * width + column).collect();
        Ok(Self { merged: x.flatten(-2, -1), order, shape: x.shape(), places })
    }

    fn index(&self, c: &Call<'_, 't>) -> Tensor<'t> {
        numbers(c, &self.places)
    }
}

fn diagonal<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let diagonal = Diagonal::of(c, c.tensor(if c.has("A") { "A" } else { "self" })?)?;
    Ok(diagonal.merged.index_select(-1, diagonal.index(c)))
}

/// `x` with its diagonal replaced.
pub(super) fn with_diagonal<'t>(c: &Call<'_, 't>, x: Tensor<'t>, part: Tensor<'t>) -> Answer<Tensor<'t>> {
    let diagonal = Diagonal::of(c, x)?;
    let last = diagonal.merged.rank() as i64 - 1;
    let index = diagonal.index(c).expand(part.shape());
    let merged = super::scatter::put(diagonal.merged, last, index, part, super::scatter::How::Put)?;
    let replaced = merged.reshape(&diagonal.shape[..]);
    Ok(replaced.permute(inverse(&diagonal.order)))
}

/// Matrices that are zero but for their diagonals, as dimensions `rows` and `columns`.
fn embedded<'t>(c: &Call<'_, 't>, x: Tensor<'t>, offset: i64, rows: i64, columns: i64) -> Answer<Tensor<'t>> {
    let rank = x.rank() as i64 + 1;
    let counted = |axis: i64| if axis < 0 { axis + rank } else { axis };
    let (rows, columns) = (counted(rows), counted(columns));
    let are_two = rows != columns && [rows, columns].iter().all(|axis| (0..rank).contains(axis));
    ensure(are_two, format!("a diagonal as dimensions {rows} and {columns} of {rank}"))?;
    let size = x.size(-1) + offset.abs();
    let number = c.cx.arange(size, DType::I64);
    // Each element stands in its row, moved down where the diagonal is below, and in the column that the offset says.
    let zero = super::create::cast(Scalar::Int(0), x.dtype());
    let spread = x.pad(&[(offset.min(0).abs(), offset.max(0))], zero).unsqueeze(-1);
    let is_here = number.eq((number + offset).unsqueeze(-1));
    let matrices = is_here.where_(spread, c.cx.full((), zero, x.dtype()));
    let mut order: Vec<i64> = (0..rank - 2).collect();
    for (axis, last) in
        if rows < columns { [(rows, rank - 2), (columns, rank - 1)] } else { [(columns, rank - 1), (rows, rank - 2)] }
    {
        order.insert(usize::try_from(axis).unwrap_or_default().min(order.len()), last);
    }
    Ok(matrices.permute(order))
}

/// The order that undoes another.
fn inverse(order: &[i64]) -> Vec<i64> {
    let mut inverse = vec![0; order.len()];
    for (to, from) in order.iter().enumerate() {
        let from = usize::try_from(from.rem_euclid(order.len() as i64)).unwrap_or_default();
        inverse[from] = to as i64;
    }
    inverse
}
