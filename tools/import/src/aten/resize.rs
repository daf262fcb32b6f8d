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
        |c| resized(c, |scale, i| linear(scale.position(i), scale.from)),
    ),
    one(&["aten.upsample_bicubic2d.vec", "aten.upsample_bicubic2d.default"], |c| {
        resized(c, |scale, i| cubic(scale.position(i), scale.from))
    }),
    one(&["aten._upsample_bilinear2d_aa.vec", "aten._upsample_bilinear2d_aa.default"], |c| {
        resized(c, |scale, i| smooth(scale, i, 1.0, |d| 1.0 - d))
    }),
    one(&["aten._upsample_bicubic2d_aa.vec", "aten._upsample_bicubic2d_aa.default"], |c| {
        resized(c, |scale, i| smooth(scale, i, 2.0, |d| if d < 1.0 { inner(d, -0.5) } else { outer(d, -0.5) }))
    }),
    one(&["aten.reflection_pad1d.default", "aten.reflection_pad2d.default", "aten.reflection_pad3d.default"], |c| {
        around(c.tensor("self")?, c, &c.ints("padding")?, reflected)
    }),
    one(&["aten.replication_pad1d.default", "aten.replication_pad2d.default", "aten.replication_pad3d.default"], |c| {
        around(c.tensor("self")?, c, &c.ints("padding")?, repeated)
    }),
    one(&["aten.grid_sampler_2d.default", "aten.grid_sampler_3d.default", "aten.grid_sampler.default"], sampled),
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

impl Scale {
    /// The distance of positions, in elements.
    fn step(self) -> f64 {
        match self.align_corners {
            true if self.to > 1 => (self.from - 1) as f64 / (self.to - 1) as f64,
            true => 0.0,
            false => self.step.unwrap_or(self.from as f64 / self.to as f64),
        }
    }

    /// Where position `i` is among the elements.
    fn position(self, i: i64) -> f64 {
        if self.align_corners { i as f64 * self.step() } else { (i as f64 + 0.5) * self.step() - 0.5 }
    }
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
    for axis in (0..space).rev() {
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

/// The elements that a position is made of, with their weights; as many for each.
type Taps = fn(Scale, i64) -> Vec<(i64, f64)>;

/// Each position as a weighted sum of elements, one dimension after the other.
fn resized<'t>(c: &Call<'_, 't>, taps: Taps) -> Answer<Tensor<'t>> {
    let x = c.tensor(if c.has("input") { "input" } else { "self" })?;
    if x.dtype().is_float() {
        return interpolated(c, x, taps, |weights, part| {
            let weight = |weights: &[f64]| c.cx.constant(&host(weights)).to(x.dtype());
            let sum = weights.iter().enumerate().map(|(tap, weights)| part(tap, weight(weights)));
            sum.reduce(|sum, part| sum + part).unwrap_or(x)
        });
    }
    // As PyTorch has it, weights of integers have 15 bits, and sums are rounded in each dimension.
    let (least, most) = (x.dtype().min_value(), x.dtype().max_value());
    let y = interpolated(c, x.to(DType::I32), taps, |weights, part| {
        let largest = weights.iter().flatten().fold(0.0f64, |most, weight| most.max(*weight));
        let digits = (0..22).find(|digits| (0.5 + largest * f64::from(2 << digits)) as i64 >= 1 << 15).unwrap_or(22);
        let fixed = |weight: &f64| (weight * f64::from(1 << digits)).round() as i32;
        let weight = |weights: &[f64]| c.cx.constant(&host(&weights.iter().map(fixed).collect::<Vec<_>>()));
        let sum = weights.iter().enumerate().map(|(tap, weights)| part(tap, weight(weights)));
        let half = c.cx.full((), 1i64 << digits >> 1, DType::I32);
        (sum.fold(half, |sum, part| sum + part) >> digits).clamp(Some(least as i64), Some(most as i64))
    })?;
    Ok(y.to(x.dtype()))
}

fn host<T: thunder_tensor::Element>(values: &[T]) -> thunder_tensor::Tensor {
    thunder_tensor::Tensor::from_slice(vec![values.len()], values).expect("as many values as the size says")
}

/// Resizes each dimension by `sum`, which is given the weights of each tap and makes a sum of what the second function
/// makes of a tap: its elements times their weights.
fn interpolated<'t>(
    c: &Call<'_, 't>,
    x: Tensor<'t>,
    taps: Taps,
    sum: impl Fn(&[Vec<f64>], &dyn Fn(usize, Tensor<'t>) -> Tensor<'t>) -> Tensor<'t>,
) -> Answer<Tensor<'t>> {
    each(c, x, |x, axis, scale| {
        let Scale { from, to, step, align_corners } = scale;
        if from == to && (align_corners || step.is_none_or(|step| step == 1.0)) {
            return Ok(x);
        }
        let positions: Vec<_> = (0..to).map(|i| merged(taps(scale, i))).collect();
        let count = positions.first().map_or(0, Vec::len);
        if count as i64 > MOST_POSITIONS {
            return gap(format!("{count} elements for a position"));
        }
        let of_tap = |tap: usize| positions.iter().map(move |taps| taps[tap]);
        let weights: Vec<Vec<f64>> = (0..count).map(|tap| of_tap(tap).map(|(_, weight)| weight).collect()).collect();
        let part = |tap: usize, weights: Tensor<'t>| {
            let weights = (axis + 1..x.rank() as i64).fold(weights, |weights, _| weights.unsqueeze(-1));
            x.index_select(axis, numbers(c, &of_tap(tap).map(|(at, _)| at).collect::<Vec<_>>())) * weights
        };
        Ok(sum(&weights, &part))
    })
}

/// What an element weighs in several places that follow one another, in the last of them.
fn merged(mut taps: Vec<(i64, f64)>) -> Vec<(i64, f64)> {
    for tap in 1..taps.len() {
        if taps[tap].0 == taps[tap - 1].0 {
            taps[tap].1 += std::mem::take(&mut taps[tap - 1].1);
        }
    }
    taps
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
    let weights = [outer(t + 1.0, A), inner(t, A), inner(1.0 - t, A), outer(2.0 - t, A)];
    let at = |tap: i64| (low as i64 - 1 + tap).clamp(0, size - 1);
    weights.into_iter().enumerate().map(|(tap, weight)| (at(tap as i64), weight)).collect()
}

/// The cubic convolution kernel with the parameter `a` up to the distance 1.
fn inner(d: f64, a: f64) -> f64 {
    ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
}

/// The same from there to the distance 2.
fn outer(d: f64, a: f64) -> f64 {
    ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a
}

/// All elements up to the distance `reach`, in positions where these are fewer, under a kernel of the distance.
fn smooth(scale: Scale, i: i64, reach: f64, kernel: fn(f64) -> f64) -> Vec<(i64, f64)> {
    let (step, width) = (scale.step(), scale.step().max(1.0));
    let center = (i as f64 + 0.5) * step;
    let first = ((center - reach * width + 0.5) as i64).max(0);
    let end = ((center + reach * width + 0.5) as i64).min(scale.from);
    let weight = |at: i64| {
        let distance = ((at as f64 - center + 0.5) / width).abs();
        if at < end && distance < reach { kernel(distance) } else { 0.0 }
    };
    // Positions near the ends have fewer: the others weigh nothing.
    let all = first..first + 2 * (reach * width).ceil() as i64 + 1;
    let total: f64 = all.clone().map(weight).sum();
    all.map(|at| (at.min(scale.from - 1), weight(at) / total)).collect()
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
    let space = x.rank().saturating_sub(2);
    if !(2..=3).contains(&space) || grid.rank() != x.rank() {
        return gap(format!("{x} at the places {grid}"));
    }
    let Some(sizes) = x.shape()[2..].iter().map(Dim::known).collect::<Option<Vec<i64>>>() else {
        return gap("a dimension of dynamic size");
    };
    let (mode, padding, align_corners) =
        (c.int("interpolation_mode")?, c.int("padding_mode")?, c.bool_or("align_corners", false)?);
    // The grid has the place along the last dimension first.
    let place = |axis: usize| -> Answer<Tensor<'t>> {
        let size = sizes[axis];
        let at = grid.select(-1, (space - 1 - axis) as i64) + 1.0;
        let at = if align_corners { at * ((size - 1) as f64 / 2.0) } else { at * (size as f64 / 2.0) - 0.5 };
        Ok(match padding {
            0 => at,
            1 => at.clamp(Some(0.0), Some((size - 1) as f64)),
            2 => mirrored(at, size, align_corners).clamp(Some(0.0), Some((size - 1) as f64)),
            other => return gap(format!("padding mode {other}")),
        })
    };
    let places = (0..space).map(place).collect::<Answer<Vec<_>>>()?;
    let flat = x.flatten(2, -1);
    // Beyond the ends there are zeros.
    let seen = |places: &[Tensor<'t>]| {
        let (mut is_seen, mut number) = (c.cx.full((), true, DType::Bool), c.cx.zeros((), DType::I64));
        for (at, size) in places.iter().zip(&sizes) {
            let last = (size - 1) as f64;
            is_seen = is_seen & at.ge(0.0) & at.le(last);
            number = number * *size + at.clamp(Some(0.0), Some(last)).to(DType::I64);
        }
        let (batch, channels, shape) = (x.size(0), x.size(1), number.shape());
        let count = shape[1..].iter().fold(Dim::from(1), |count, size| count * size);
        let number = number.reshape((&batch, 1, &count)).expand((&batch, &channels, &count));
        let value = flat.gather(2, number).reshape([&[batch, channels], &shape[1..]].concat());
        is_seen.unsqueeze(1).where_(value, 0.0)
    };
    match mode {
        0 => {
            let low: Vec<_> = places.iter().map(|at| at.floor()).collect();
            let beyond: Vec<_> = places.iter().zip(&low).map(|(at, low)| *at - *low).collect();
            // Each bit of a corner's number says whether it is the upper one along a dimension.
            let corner = |number: usize| {
                let is_upper = |axis: usize| number >> (space - 1 - axis) & 1 == 1;
                let at: Vec<_> =
                    (0..space).map(|axis| if is_upper(axis) { low[axis] + 1.0 } else { low[axis] }).collect();
                let share = |axis: usize| if is_upper(axis) { beyond[axis] } else { 1.0 - beyond[axis] };
                let weight = (1..space).fold(share(0), |weight, axis| weight * share(axis));
                seen(&at) * weight.unsqueeze(1)
            };
            Ok((1..1 << space).fold(corner(0), |sum, number| sum + corner(number)))
        }
        1 => Ok(seen(&places.iter().map(|at| at.round()).collect::<Vec<_>>())),
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
