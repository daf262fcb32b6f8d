//! Pools of windows whose places are drawn at random.

use thunder_trace::{DType, Dim, Tensor};

use super::arithmetic::widened;
use super::window::{batched, spread, unbatched};
use super::{Entry, many};
use crate::arguments::{Answer, Call, ensure, gap, malformed};

pub(super) const OPS: &[Entry] = &[
    many(&["aten.fractional_max_pool2d.default"], |c| largest(c, &[1, 0])),
    many(&["aten.fractional_max_pool3d.default"], |c| largest(c, &[0, 1, 2])),
];

/// The largest element of each window, and where it is: its number in row-major order of the space. For each spatial
/// dimension, `draws` says which of the random numbers places the windows along it.
fn largest<'t>(c: &Call<'_, 't>, draws: &[i64]) -> Answer<Vec<Tensor<'t>>> {
    let space = draws.len();
    let (x, was_added) = batched(c.tensor("self")?, space)?;
    let sizes = (spread(c.optional_ints("kernel_size")?, space)?, spread(c.optional_ints("output_size")?, space)?);
    let (Some(size), Some(count)) = sizes else { return malformed("no windows") };
    let outer = x.shape()[..2].to_vec();
    let (mut seen, mut number) = (x, c.cx.zeros((), DType::I64));
    let mut taps: Vec<Dim> = outer.clone();
    for (axis, draw) in draws.iter().enumerate() {
        let Some(extent) = x.size(axis as i64 + 2).known() else { return gap("a dimension of dynamic size") };
        let fits = size[axis] > 0 && count[axis] > 0 && size[axis] <= extent && count[axis] <= extent - size[axis] + 1;
        ensure(fits, format!("{} windows of {} among {extent} elements", count[axis], size[axis]))?;
        let at =
            starts(c, *draw, extent - size[axis], count[axis])?.unsqueeze(-1) + c.cx.arange(size[axis], DType::I64);
        let mut own = vec![Dim::from(1); space];
        own[axis] = Dim::from(count[axis] * size[axis]);
        let at = at.reshape([&outer[..], &own].concat());
        let mut dims = seen.shape();
        dims[axis + 2].clone_from(&own[axis]);
        seen = seen.gather(axis as i64 + 2, at.expand(dims));
        number = number * extent + at;
        taps.extend([count[axis], size[axis]].map(Dim::from));
    }
    // The elements of a window are the last dimension.
    let order: Vec<i64> =
        (0..2).chain((0..2).flat_map(|part| (0..space as i64).map(move |axis| 2 + 2 * axis + part))).collect();
    let number = number.expand(seen.shape());
    let windows = |x: Tensor<'t>| x.reshape(&taps[..]).permute(&order).flatten(space as i64 + 2, -1);
    let (seen, number) = (windows(seen), windows(number));
    let winner = seen.argmax(-1).unsqueeze(-1);
    let chosen = |x: Tensor<'t>| unbatched(x.gather(-1, winner).squeeze(-1), was_added);
    Ok(vec![chosen(seen), chosen(number)])
}

/// Where `count` windows begin, the last of them at `last`: about as far from each other.
fn starts<'t>(c: &Call<'_, 't>, draw: i64, last: i64, count: i64) -> Answer<Tensor<'t>> {
    let drawn = widened(c.tensor("random_samples")?).select(-1, draw).unsqueeze(-1);
    let step = last as f64 / (count - 1).max(1) as f64;
    let number = c.cx.arange(count, DType::I64);
    let at = ((number + drawn) * step).floor() - (drawn * step).floor();
    Ok(number.lt(count - 1).where_(at.to(DType::I64), last))
}
