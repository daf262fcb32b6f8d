//! Tensors beside each other, by the names that lists of them have, and taken apart again.

use thunder_trace::{Dim, Scalar, Tensor, cat, stack};

use super::index::{MOST_POSITIONS, numbers};
use super::{Entry, many, one, parts};
use crate::arguments::{Answer, Call, ensure, gap, malformed};

pub(super) const OPS: &[Entry] = &[
    one(&["aten.hstack.default"], |c| {
        let all: Vec<_> = list(c)?.into_iter().map(|x| lifted(x, 1)).collect();
        joined(&all, if all[0].rank() == 1 { 0 } else { 1 })
    }),
    one(&["aten.vstack.default", "aten.row_stack.default"], |c| {
        joined(&list(c)?.into_iter().map(|x| lifted(x, 2)).collect::<Vec<_>>(), 0)
    }),
    one(&["aten.dstack.default"], |c| {
        let mut all = list(c)?;
        for x in &mut all {
            *x = if x.rank() < 3 { lifted(*x, 2).unsqueeze(2) } else { *x };
        }
        joined(&all, 2)
    }),
    one(&["aten.column_stack.default"], |c| {
        let mut all = list(c)?;
        for x in &mut all {
            *x = if x.rank() < 2 { x.reshape([-1, 1]) } else { *x };
        }
        joined(&all, 1)
    }),
    one(&["aten.block_diag.default"], |c| {
        let (all, spec) = (list(c)?, c.result()?);
        let [_, width] = &spec.dims[..] else { return malformed("a matrix has two dimensions") };
        let Some(width) = width.known() else { return gap("a dimension of dynamic size") };
        let (zero, mut left, mut rows) = (super::create::cast(Scalar::Int(0), spec.dtype), 0, Vec::new());
        for x in all {
            let x = lifted(x, 2).to(spec.dtype);
            let Some(own) = x.size(1).known() else { return gap("a dimension of dynamic size") };
            rows.push(x.pad(&[(0, 0), (left, width - left - own)], zero));
            left += own;
        }
        joined(&rows, 0)
    }),
    one(&["aten.cartesian_prod.default"], |c| {
        let all = list(c)?;
        if all.len() == 1 {
            return Ok(all[0]);
        }
        let dims: Vec<Dim> = all.iter().flat_map(|x| x.shape()).collect();
        if dims.len() != all.len() {
            return malformed("parts that are no vectors");
        }
        let mut columns = Vec::new();
        for (axis, x) in all.into_iter().enumerate() {
            let after = dims.len() - 1 - axis;
            columns.push((0..after).fold(x, |x, _| x.unsqueeze(-1)).expand(&dims[..]).reshape([-1]));
        }
        Ok(stack(&columns, 1))
    }),
    one(&["aten.combinations.default"], |c| {
        let (x, r, repeats) = (c.tensor("self")?, c.int_or("r", 2)?, c.bool_or("with_replacement", false)?);
        let Some(size) = x.size(0).known() else { return gap("a dimension of dynamic size") };
        let Some(chosen) = combinations(size, r, repeats) else { return gap("so many of them") };
        Ok(x.index_select(0, numbers(c, &chosen.concat())).reshape(c.dims()?))
    }),
    one(&["aten._chunk_cat.default"], |c| {
        let (axis, count) = (c.int("dim")?, c.int("num_chunks")?);
        let mut all = list(c)?;
        let is_one_rank = all.iter().all(|x| x.rank() == all[0].rank());
        let axis = if axis < 0 && is_one_rank { axis + all[0].rank() as i64 } else { axis };
        let are_some = !all.iter().any(|x| x.shape().contains(&Dim::from(0)));
        ensure(count > 0 && axis >= 0 && are_some, format!("{count} parts of dimension {axis} of {all:?}"))?;
        for x in &mut all {
            let (Some(size), Ok(place)) = (x.size(axis).known(), usize::try_from(axis)) else {
                return gap("a dimension of dynamic size");
            };
            let mut widths = vec![(0, 0); x.rank()];
            widths[place].1 = (count - size % count) % count;
            let padded = x.pad(&widths, super::create::cast(Scalar::Int(0), x.dtype()));
            *x = padded.reshape([&x.shape()[..place], &[Dim::from(count), Dim::from(-1)]].concat());
        }
        joined(&all, axis + 1)
    }),
    parts(&["aten.tensor_split.sections"], |c| sections(c, c.tensor("self")?, c.int_or("dim", 0)?)),
    parts(&["aten.tensor_split.indices"], |c| cut(c.tensor("self")?, c.int_or("dim", 0)?, &c.ints("indices")?)),
    parts(&["aten.hsplit.int"], |c| sections(c, c.tensor("self")?, i64::from(c.tensor("self")?.rank() > 1))),
    parts(&["aten.hsplit.array"], |c| {
        cut(c.tensor("self")?, i64::from(c.tensor("self")?.rank() > 1), &c.ints("indices")?)
    }),
    parts(&["aten.vsplit.int"], |c| sections(c, c.tensor("self")?, 0)),
    parts(&["aten.vsplit.array"], |c| cut(c.tensor("self")?, 0, &c.ints("indices")?)),
    parts(&["aten.dsplit.int"], |c| sections(c, c.tensor("self")?, 2)),
    parts(&["aten.dsplit.array"], |c| cut(c.tensor("self")?, 2, &c.ints("indices")?)),
    many(&["aten.unbind_copy.int"], super::index::unbound),
    many(&["aten.split_with_sizes_copy.default"], super::index::by_sizes),
    many(&["aten.unsafe_chunk.default"], super::index::chunks),
    one(&["aten.fft_fftshift.default"], |c| shifted(c, |size| size / 2)),
    one(&["aten.fft_ifftshift.default"], |c| shifted(c, |size| (size + 1) / 2)),
    one(&["aten.as_strided_scatter.default"], |c| {
        let (x, part) = (c.tensor("self")?, c.tensor("src")?);
        let places = numbers(c, &super::shape::strided_places(c, x)?);
        let y = super::scatter::put(x.reshape([-1]), 0, places, part.reshape([-1]), super::scatter::How::Put)?;
        Ok(y.reshape(x.shape()))
    }),
];

/// The tensors of a list, which has some.
fn list<'t>(c: &Call<'_, 't>) -> Answer<Vec<Tensor<'t>>> {
    let all = c.tensors("tensors")?;
    if all.is_empty() { malformed("there is nothing to join") } else { Ok(all) }
}

/// `x` with dimensions of one before its own.
fn lifted(x: Tensor<'_>, rank: usize) -> Tensor<'_> {
    (x.rank()..rank).fold(x, |x, _| x.unsqueeze(0))
}

fn joined<'t>(all: &[Tensor<'t>], axis: i64) -> Answer<Tensor<'t>> {
    Ok(cat(all, axis))
}

/// Parts of about the same size: the first ones have one more where they do not divide it.
fn sections<'t>(c: &Call<'_, 't>, x: Tensor<'t>, axis: i64) -> Answer<Vec<Tensor<'t>>> {
    let count = c.int("sections")?;
    let Some(size) = x.size(axis).known() else { return gap("a dimension of dynamic size") };
    if count < 1 || count != c.results.len() as i64 {
        return malformed(format!("{count} parts"));
    }
    let start = |part: i64| size / count * part + part.min(size % count);
    Ok((0..count).map(|part| x.slice(axis, start(part)..start(part + 1))).collect())
}

/// The parts between bounds.
fn cut<'t>(x: Tensor<'t>, axis: i64, bounds: &[i64]) -> Answer<Vec<Tensor<'t>>> {
    let Some(size) = x.size(axis).known() else { return gap("a dimension of dynamic size") };
    let place = |bound: &i64| (if *bound < 0 { bound + size } else { *bound }).clamp(0, size);
    let starts = [0].into_iter().chain(bounds.iter().map(place));
    let ends = bounds.iter().map(place).chain([size]);
    Ok(starts.zip(ends).map(|(start, end)| x.slice(axis, start..end.max(start))).collect())
}

/// Dimensions rolled by what `by` makes of their sizes: all where none are named.
fn shifted<'t>(c: &Call<'_, 't>, by: fn(i64) -> i64) -> Answer<Tensor<'t>> {
    let x = c.tensor("self")?;
    let axes = c.optional_ints("dim")?.unwrap_or_else(|| (0..x.rank() as i64).collect());
    let mut y = x;
    for axis in axes {
        let Some(size) = x.size(axis).known() else { return gap("a dimension of dynamic size") };
        y = super::index::shifted(y, by(size), axis)?;
    }
    Ok(y)
}

/// All choices of `r` numbers below `size` in order; `None` where there are too many.
fn combinations(size: i64, r: i64, repeats: bool) -> Option<Vec<Vec<i64>>> {
    let mut all: Vec<Vec<i64>> = vec![Vec::new()];
    for _ in 0..r {
        let first = |chosen: &Vec<i64>| chosen.last().map_or(0, |last| last + i64::from(!repeats));
        all = all.iter().flat_map(|chosen| (first(chosen)..size).map(|next| [&chosen[..], &[next]].concat())).collect();
        if all.len() as i64 > MOST_POSITIONS {
            return None;
        }
    }
    Some(all)
}
