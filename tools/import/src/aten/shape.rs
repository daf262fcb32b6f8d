//! The same elements under other sizes: views, all of which can be written through but those that repeat elements.

use thunder_trace::{Dim, Tensor};

use super::{Entry, many, one, read_only, view};
use crate::arguments::{Answer, Call, gap};

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
            "aten.squeeze_copy.dims",
            "aten.unsqueeze_copy.default",
        ],
        |c| Ok(c.tensor("self")?.reshape(c.dims()?)),
        |c, part| Ok(part.reshape(c.tensor("self")?.shape())),
    ),
    view(
        &["aten.permute.default", "aten.permute_copy.default"],
        |c| Ok(c.tensor("self")?.permute(c.ints("dims")?)),
        |c, part| {
            let order = c.ints("dims")?;
            let rank = order.len() as i64;
            let mut inverse = vec![0; order.len()];
            for (to, from) in order.iter().enumerate() {
                let from = usize::try_from(from.rem_euclid(rank.max(1))).unwrap_or_default();
                inverse[from] = to as i64;
            }
            Ok(part.permute(inverse))
        },
    ),
    view(
        &["aten.transpose.int", "aten.swapaxes.default", "aten.swapdims.default", "aten.transpose_copy.int"],
        exchanged,
        |c, part| {
            let (a, b) = axes(c)?;
            Ok(part.transpose(a, b))
        },
    ),
    view(
        &["aten.t.default", "aten.mT.default", "aten.numpy_T.default", "aten.adjoint.default", "aten.t_copy.default"],
        |c| turned(c.tensor("self")?),
        |_, part| turned(part),
    ),
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
    one(&["aten.flip.default"], |c| Ok(c.tensor("self")?.flip(c.ints("dims")?))),
    one(&["aten.repeat.default", "aten.tile.default"], repeated),
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

fn axes(c: &Call<'_, '_>) -> Answer<(i64, i64)> {
    if c.has("axis0") { Ok((c.int("axis0")?, c.int("axis1")?)) } else { Ok((c.int("dim0")?, c.int("dim1")?)) }
}

fn exchanged<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let (a, b) = axes(c)?;
    let x = c.tensor("self")?;
    // A tensor of rank 0 has one dimension to name.
    Ok(if x.rank() == 0 { x } else { x.transpose(a, b) })
}

fn turned(x: Tensor<'_>) -> Answer<Tensor<'_>> {
    match x.rank() {
        0 | 1 => Ok(x),
        2 => Ok(x.transpose(0, 1)),
        rank => Ok(x.transpose(rank as i64 - 2, rank as i64 - 1)),
    }
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
