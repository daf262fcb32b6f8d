//! Images under other sizes: interpolation, padding by their own elements, and sampling at places.

use thunder_trace::{DType, Dim, Tensor};

use super::index::{MOST_POSITIONS, numbers};
use super::{Entry, one};
use crate::arguments::{Answer, Call, gap, malformed};

pub(super) const OPS: &[Entry] = &[
    one(
        &[
            "aten.upsample_nearest1d.vec",
            "aten.upsample_nearest1d.default",
            "aten.upsample_nearest2d.vec",
            "aten.upsample_nearest2d.default",
            "aten.upsample_nearest3d.vec",
            "aten.upsample_nearest3d.default",
        ],
        |c| nearest(c, 0.0),
    ),
    one(
        &[
            "aten._upsample_nearest_exact1d.vec",
            "aten._upsample_nearest_exact1d.default",
            "aten._upsample_nearest_exact2d.vec",
            "aten._upsample_nearest_exact2d.default",
            "aten._upsample_nearest_exact3d.vec",
            "aten._upsample_nearest_exact3d.default",
        ],
        |c| nearest(c, 0.5),
    ),
    one(
        &[
            "aten.upsample_linear1d.vec",
            "aten.upsample_linear1d.default",
            "aten.upsample_bilinear2d.vec",
            "aten.upsample_bilinear2d.default",
            "aten.upsample_trilinear3d.vec",
            "aten.upsample_trilinear3d.default",
        ],
        |c| resized(c, linear),
    ),
    one(&["aten.upsample_bicubic2d.vec", "aten.upsample_bicubic2d.default"], |c| resized(c, cubic)),
    one(&["aten.reflection_pad1d.default", "aten.reflection_pad2d.default", "aten.reflection_pad3d.default"], |c| {
        around(c.tensor("self")?, c, &c.ints("padding")?, reflected)
    }),
    one(&["aten.replication_pad1d.default", "aten.replication_pad2d.default", "aten.replication_pad3d.default"], |c| {
        around(c.tensor("self")?, c, &c.ints("padding")?, repeated)
    }),
    one(&["aten.grid_sampler_2d.default", "aten.grid_sampler.default"], sampled),
];

/// A dimension that takes another size.
#[derive(Clone, Copy)]
struct Scale {
    from: i64,
    to: i64,
    /// The distance of positions, in elements, where the file says it.
    step: Option<f64>,
    align_corners: bool,
}

/// Resizes each spatial dimension by `along`.
fn each<'t>(
    c: &Call<'_, 't>,
    x: Tensor<'t>,
    along: impl Fn(Tensor<'t>, i64, Scale) -> Answer<Tensor<'t>>,
) -> Answer<Tensor<'t>> {
    let (sizes, align_corners) = (c.dims()?, c.bool_or("align_corners", false)?);
    let space = x.rank().saturating_sub(2);
    let factors: Vec<Option<f64>> = if c.has("scale_factors") {
        c.floats("scale_factors")?.into_iter().map(Some).collect()
    } else {
        let names: &[&str] = match space {
            1 => &["scales"],
            2 => &["scales_h", "scales_w"],
            _ => &["scales_d", "scales_h", "scales_w"],
        };
        let factor = |name: &&str| if c.has(name) { c.float_or(name, 1.0).map(Some) } else { Ok(None) };
        names.iter().map(factor).collect::<Answer<_>>()?
    };
    let mut y = x;
    for axis in 0..space {
        let (Some(from), Some(to)) = (x.size(axis as i64 + 2).known(), sizes.get(axis + 2).and_then(Dim::known)) else {
            return gap("a dimension of dynamic size");
        };
        if from < 1 || !(1..=MOST_POSITIONS).contains(&to) {
            return gap(format!("{from} positions becoming {to}"));
        }
        let step = factors.get(axis).copied().flatten().filter(|factor| *factor > 0.0).map(|factor| 1.0 / factor);
        y = along(y, axis as i64 + 2, Scale { from, to, step, align_corners })?;
    }
    Ok(y)
}

/// The element nearest to each position: `offset` is where in an element its place is.
fn nearest<'t>(c: &Call<'_, 't>, offset: f32) -> Answer<Tensor<'t>> {
    let x = c.tensor(if c.has("input") { "input" } else { "self" })?;
    each(c, x, |x, axis, Scale { from, to, step, .. }| {
        if from == to && step.is_none_or(|step| step == 1.0) {
            return Ok(x);
        }
        if to % from == 0 && step.is_none_or(|step| step == from as f64 / to as f64) {
            // Each element stands beside itself.
            let (mut dims, place) = (x.shape(), usize::try_from(axis).unwrap_or_default());
            let mut merged = dims.clone();
            merged[place] = Dim::from(to);
            dims.insert(place + 1, Dim::from(to / from));
            return Ok(x.unsqueeze(axis + 1).expand(dims).reshape(merged));
        }
        // PyTorch computes the positions in single precision.
        let step = step.map_or(from as f32 / to as f32, |step| step as f32);
        let at = (0..to).map(|i| (((i as f32 + offset) * step) as i64).clamp(0, from - 1));
        Ok(x.index_select(axis, numbers(c, &at.collect::<Vec<_>>())))
    })
}

/// The elements that a position is made of, with their weights.
type Taps = fn(f64, i64) -> Vec<(i64, f64)>;

/// Each position as a weighted sum of elements, one dimension after the other.
fn resized<'t>(c: &Call<'_, 't>, taps: Taps) -> Answer<Tensor<'t>> {
    let x = c.tensor(if c.has("input") { "input" } else { "self" })?;
    if x.dtype().is_float() {
        return interpolated(c, x, taps);
    }
    // Integers are rounded once.
    let y = interpolated(c, x.to(DType::F32), taps)?.round();
    Ok(y.clamp(Some(x.dtype().min_value()), Some(x.dtype().max_value())).to(x.dtype()))
}

fn interpolated<'t>(c: &Call<'_, 't>, x: Tensor<'t>, taps: Taps) -> Answer<Tensor<'t>> {
    each(c, x, |x, axis, Scale { from, to, step, align_corners }| {
        if from == to && (align_corners || step.is_none_or(|step| step == 1.0)) {
            return Ok(x);
        }
        let position = |i: i64| {
            if align_corners {
                return if to > 1 { i as f64 * ((from - 1) as f64 / (to - 1) as f64) } else { 0.0 };
            }
            (i as f64 + 0.5) * step.unwrap_or(from as f64 / to as f64) - 0.5
        };
        let positions: Vec<_> = (0..to).map(|i| taps(position(i), from)).collect();
        let count = positions.first().map_or(0, Vec::len);
        let part = |tap: usize| {
            let (at, weights): (Vec<i64>, Vec<f64>) = positions.iter().map(|taps| taps[tap]).unzip();
            let weights = thunder_tensor::Tensor::from_slice(vec![weights.len()], &weights);
            let weights = c.cx.constant(&weights.expect("as many weights as the size says")).to(x.dtype());
            let weights = (axis + 1..x.rank() as i64).fold(weights, |weights, _| weights.unsqueeze(-1));
            x.index_select(axis, numbers(c, &at)) * weights
        };
        let sum = (1..count).map(part).fold(part(0), |sum, part| sum + part);
        Ok(sum)
    })
}

/// Two neighbours, the nearer one with more weight.
fn linear(position: f64, size: i64) -> Vec<(i64, f64)> {
    let position = position.max(0.0);
    let low = (position.floor() as i64).min(size - 1);
    let weight = position - low as f64;
    vec![(low, 1.0 - weight), ((low + 1).min(size - 1), weight)]
}

/// Four neighbours under the cubic convolution kernel with the parameter -3/4; beyond the ends, the last element.
fn cubic(position: f64, size: i64) -> Vec<(i64, f64)> {
    const A: f64 = -0.75;
    let low = position.floor();
    let t = position - low;
    let inner = |d: f64| ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0;
    let outer = |d: f64| ((A * d - 5.0 * A) * d + 8.0 * A) * d - 4.0 * A;
    let weights = [outer(t + 1.0), inner(t), inner(1.0 - t), outer(2.0 - t)];
    let at = |tap: i64| (low as i64 - 1 + tap).clamp(0, size - 1);
    weights.into_iter().enumerate().map(|(tap, weight)| (at(tap as i64), weight)).collect()
}

/// Elements of a tensor's own around its last dimensions; `place` says which, from a position that may be outside.
pub(super) fn around<'t>(
    x: Tensor<'t>,
    c: &Call<'_, 't>,
    widths: &[i64],
    place: fn(i64, i64) -> i64,
) -> Answer<Tensor<'t>> {
    let mut x = x;
    for (number, pair) in widths.chunks_exact(2).enumerate() {
        let axis = -1 - number as i64;
        let Some(size) = x.size(axis).known() else { return gap("a dimension of dynamic size") };
        let (low, high) = (pair[0], pair[1]);
        if low == 0 && high == 0 {
            continue;
        }
        let total = size.saturating_add(low).saturating_add(high);
        if size < 1 || !(0..=MOST_POSITIONS).contains(&total) {
            return gap(format!("{total} positions of {size} elements"));
        }
        let at: Vec<i64> = (-low..size + high).map(|at| place(at, size)).collect();
        if at.iter().any(|at| !(0..size).contains(at)) {
            return malformed(format!("a padding of {low} and {high} around {size} elements"));
        }
        x = x.index_select(axis, numbers(c, &at));
    }
    Ok(x)
}

/// The ends are mirrors.
pub(super) fn reflected(at: i64, size: i64) -> i64 {
    let at = at.abs();
    if at < size { at } else { 2 * (size - 1) - at }
}

/// The last element goes on.
pub(super) fn repeated(at: i64, size: i64) -> i64 {
    at.clamp(0, size - 1)
}

/// The other end comes after an end.
pub(super) fn circular(at: i64, size: i64) -> i64 {
    at.rem_euclid(size)
}

/// What a grid of places between -1 and 1 sees of images.
fn sampled<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let (x, grid) = (c.tensor("input")?, c.tensor("grid")?);
    if x.rank() != 4 || grid.rank() != 4 {
        return gap(format!("{x} at the places {grid}"));
    }
    let [Some(height), Some(width)] = [x.size(2).known(), x.size(3).known()] else {
        return gap("a dimension of dynamic size");
    };
    let (mode, padding, align_corners) =
        (c.int("interpolation_mode")?, c.int("padding_mode")?, c.bool_or("align_corners", false)?);
    let place = |number: i64, size: i64| -> Answer<Tensor<'t>> {
        let at = grid.select(-1, number) + 1.0;
        let at = if align_corners { at * ((size - 1) as f64 / 2.0) } else { at * (size as f64 / 2.0) - 0.5 };
        Ok(match padding {
            0 => at,
            1 => at.clamp(Some(0.0), Some((size - 1) as f64)),
            2 => mirrored(at, size, align_corners).clamp(Some(0.0), Some((size - 1) as f64)),
            other => return gap(format!("padding mode {other}")),
        })
    };
    let (column, row) = (place(0, width)?, place(1, height)?);
    let flat = x.flatten(2, 3);
    // Beyond the ends there are zeros.
    let seen = |row: Tensor<'t>, column: Tensor<'t>, weight: Option<Tensor<'t>>| {
        let is_inside = |at: Tensor<'t>, size: i64| at.ge(0.0) & at.le((size - 1) as f64);
        let is_seen = (is_inside(row, height) & is_inside(column, width)).unsqueeze(1);
        let number = |at: Tensor<'t>, size: i64| at.clamp(Some(0.0), Some((size - 1) as f64)).to(DType::I64);
        let at = number(row, height) * width + number(column, width);
        let shape = at.shape();
        let at = at.reshape((&shape[0], 1, shape[1].clone() * &shape[2]));
        let at = at.expand((&shape[0], x.size(1), at.size(2)));
        let value = flat.gather(2, at).reshape((&shape[0], x.size(1), &shape[1], &shape[2]));
        let value = is_seen.where_(value, 0.0);
        weight.map_or(value, |weight| value * weight.unsqueeze(1))
    };
    match mode {
        0 => {
            let (top, left) = (row.floor(), column.floor());
            let (down, right) = (row - top, column - left);
            Ok(seen(top, left, Some((1.0 - down) * (1.0 - right)))
                + seen(top, left + 1.0, Some((1.0 - down) * right))
                + seen(top + 1.0, left, Some(down * (1.0 - right)))
                + seen(top + 1.0, left + 1.0, Some(down * right)))
        }
        1 => Ok(seen(row.round(), column.round(), None)),
        other => gap(format!("interpolation mode {other}")),
    }
}

/// Places beyond the ends as mirrors there have them: at the centers of the last elements, or at their edges.
fn mirrored(at: Tensor<'_>, size: i64, align_corners: bool) -> Tensor<'_> {
    let (least, span) = if align_corners { (0.0, (size - 1) as f64) } else { (-0.5, size as f64) };
    if span == 0.0 {
        return at * 0.0;
    }
    let distance = (at - least).abs();
    let beyond = distance.fmod(span);
    let is_turned = (distance / span).floor().fmod(2.0).ne(0.0);
    is_turned.where_(-beyond + (span + least), beyond + least)
}
