//! Convolutions and pooling: windows over the spatial dimensions of `[batch, channels, space...]`.

use thunder_dialect::build::BuildDiv as _;
use thunder_trace::{DType, Dim, Tensor, Window, apply};

use super::index::{MOST_POSITIONS, numbers};
use super::{Entry, many, one};
use crate::arguments::{Answer, Call, ensure, gap, malformed};

pub(super) const OPS: &[Entry] = &[
    one(&["aten.conv1d.default", "aten.conv1d.padding"], |c| convolution(c, 1)),
    one(&["aten.conv2d.default", "aten.conv2d.padding"], |c| convolution(c, 2)),
    one(&["aten.conv3d.default", "aten.conv3d.padding"], |c| convolution(c, 3)),
    one(&["aten.convolution.default"], |c| {
        let space = c.tensor("weight")?.rank().saturating_sub(2);
        if c.bool_or("transposed", false)? { transposed(c, space) } else { convolution(c, space) }
    }),
    one(&["aten.conv_transpose1d.default"], |c| transposed(c, 1)),
    one(&["aten.conv_transpose2d.input"], |c| transposed(c, 2)),
    one(&["aten.conv_transpose3d.input"], |c| transposed(c, 3)),
    one(&["aten.max_pool1d.default"], |c| max_pool(c, 1)),
    one(&["aten.max_pool2d.default"], |c| max_pool(c, 2)),
    one(&["aten.max_pool3d.default"], |c| max_pool(c, 3)),
    many(&["aten.max_pool1d_with_indices.default"], |c| max_pool_with_indices(c, 1)),
    many(&["aten.max_pool2d_with_indices.default"], |c| max_pool_with_indices(c, 2)),
    many(&["aten.max_pool3d_with_indices.default"], |c| max_pool_with_indices(c, 3)),
    one(&["aten.avg_pool1d.default"], |c| avg_pool(c, 1)),
    one(&["aten.avg_pool2d.default"], |c| avg_pool(c, 2)),
    one(&["aten.avg_pool3d.default"], |c| avg_pool(c, 3)),
    one(&["aten.adaptive_avg_pool1d.default"], |c| adaptive(c, 1)),
    one(&["aten.adaptive_avg_pool2d.default", "aten._adaptive_avg_pool2d.default"], |c| adaptive(c, 2)),
    one(&["aten.adaptive_avg_pool3d.default", "aten._adaptive_avg_pool3d.default"], |c| adaptive(c, 3)),
    many(&["aten.adaptive_max_pool1d.default"], |c| adaptive_max(c, 1)),
    many(&["aten.adaptive_max_pool2d.default"], |c| adaptive_max(c, 2)),
    many(&["aten.adaptive_max_pool3d.default"], |c| adaptive_max(c, 3)),
    one(&["aten.max_unpool2d.default"], |c| unpooled(c, 2)),
    one(&["aten.max_unpool3d.default"], |c| unpooled(c, 3)),
    one(&["aten.im2col.default"], |c| {
        let (x, was_added) = batched(c.tensor("self")?, 2)?;
        let shape = x.shape();
        let patches = Patches::of(c, &shape[2..])?;
        let [low, high] = [0, 1].map(|axis| (patches.padding[axis], patches.padding[axis]));
        let mut x = x.pad(&[low, high], 0);
        for axis in [1, 0] {
            x = x.index_select(axis as i64 + 2, patches.places(c, axis));
        }
        // `[batch, channels, rows, taps, columns, taps]`
        let x = x.permute([0, 1, 3, 5, 2, 4]);
        let channels = shape[1].clone() * patches.taps();
        Ok(unbatched(x.reshape((&shape[0], channels, patches.positions())), was_added))
    }),
    one(&["aten.col2im.default"], |c| {
        let x = c.tensor("self")?;
        let was_added = x.rank() == 2;
        let x = if was_added { x.unsqueeze(0) } else { x };
        let space: Vec<Dim> = c.ints("output_size")?.into_iter().map(Dim::from).collect();
        let patches = Patches::of(c, &space)?;
        let (batch, channels) = (x.size(0), x.size(1) / patches.taps());
        let [kh, kw] = patches.size;
        let [lh, lw] = patches.count;
        let x = x.reshape((&batch, &channels, kh, kw, lh, lw)).permute([0, 1, 4, 2, 5, 3]);
        let [height, width] = [0, 1].map(|axis| patches.space[axis] + 2 * patches.padding[axis]);
        let rows = c.cx.zeros((&batch, &channels, height, lw, kw), x.dtype());
        let rows = rows.index_add(2, patches.places(c, 0), x);
        let whole = c.cx.zeros((&batch, &channels, height, width), x.dtype());
        let whole = whole.index_add(3, patches.places(c, 1), rows);
        let inner = |axis: usize| patches.padding[axis]..patches.padding[axis] + patches.space[axis];
        Ok(unbatched(whole.slice(2, inner(0)).slice(3, inner(1)), was_added))
    }),
];

/// An entry for each spatial dimension: what is given, where one stands for all.
pub(super) fn spread(values: Option<Vec<i64>>, space: usize) -> Answer<Option<Vec<i64>>> {
    Ok(match values {
        None => None,
        Some(values) if values.is_empty() => None,
        Some(values) if values.len() == 1 => Some(vec![values[0]; space]),
        Some(values) if values.len() == space => Some(values),
        Some(values) => return malformed(format!("{} numbers for {space} dimensions", values.len())),
    })
}

/// `x` with a batch of one where it has none, and whether that was added.
pub(super) fn batched(x: Tensor<'_>, space: usize) -> Answer<(Tensor<'_>, bool)> {
    ensure((space + 1..=space + 2).contains(&x.rank()), format!("{x} with {space} spatial dimensions"))?;
    Ok(if x.rank() == space + 1 { (x.unsqueeze(0), true) } else { (x, false) })
}

pub(super) fn unbatched(y: Tensor<'_>, was_added: bool) -> Tensor<'_> {
    if was_added { y.squeeze(0) } else { y }
}

fn convolution<'t>(c: &Call<'_, 't>, space: usize) -> Answer<Tensor<'t>> {
    let (weight, bias) = (c.tensor("weight")?, c.optional("bias")?);
    let (x, was_added) = batched(c.tensor("input")?, space)?;
    let stride = spread(c.optional_ints("stride")?, space)?;
    let dilation = spread(c.optional_ints("dilation")?, space)?;
    let groups = c.int_or("groups", 1)?;
    let (x, padding) = match c.word_or("padding", "") {
        Ok("valid") => (x, None),
        Ok("same") => same(x, weight, dilation.as_deref(), space)?,
        Ok("") => (x, None),
        Ok(other) => return gap(format!("padding '{other}'")),
        Err(_) => (x, spread(c.optional_ints("padding")?, space)?),
    };
    let window = Window { stride, padding, dilation, overhang: None };
    Ok(unbatched(x.convolution(weight, bias, &window, groups), was_added))
}

/// The padding that leaves sizes as they are; where it is odd, one more zero stands behind.
fn same<'t>(
    x: Tensor<'t>,
    weight: Tensor<'t>,
    dilation: Option<&[i64]>,
    space: usize,
) -> Answer<(Tensor<'t>, Option<Vec<i64>>)> {
    let mut pairs = Vec::new();
    for axis in 0..space {
        let Some(size) = weight.size(axis as i64 + 2).known() else { return malformed("a window of dynamic size") };
        let total = dilation.map_or(1, |dilation| dilation[axis]).saturating_mul(size - 1);
        pairs.push((total / 2, total - total / 2));
    }
    if pairs.iter().all(|(low, high)| low == high) {
        return Ok((x, Some(pairs.into_iter().map(|(low, _)| low).collect())));
    }
    Ok((x.pad(&pairs, 0.0), None))
}

fn transposed<'t>(c: &Call<'_, 't>, space: usize) -> Answer<Tensor<'t>> {
    let (weight, bias) = (c.tensor("weight")?, c.optional("bias")?);
    let (x, was_added) = batched(c.tensor("input")?, space)?;
    let window = Window {
        stride: spread(c.optional_ints("stride")?, space)?,
        padding: spread(c.optional_ints("padding")?, space)?,
        dilation: spread(c.optional_ints("dilation")?, space)?,
        overhang: None,
    };
    let extra = spread(c.optional_ints("output_padding")?, space)?.unwrap_or_else(|| vec![0; space]);
    Ok(unbatched(x.conv_transpose(weight, bias, &window, &extra, c.int_or("groups", 1)?), was_added))
}

/// The window of a pool over `x`, and its size.
pub(super) fn pooled(c: &Call<'_, '_>, x: Tensor<'_>, space: usize) -> Answer<(Vec<i64>, Window)> {
    let Some(size) = spread(c.optional_ints("kernel_size")?, space)? else { return malformed("no window") };
    let mut window = Window {
        stride: spread(c.optional_ints("stride")?, space)?,
        padding: spread(c.optional_ints("padding")?, space)?,
        dilation: spread(if c.has("dilation") { c.optional_ints("dilation")? } else { None }, space)?,
        overhang: None,
    };
    for (axis, padding) in window.padding.iter().flatten().enumerate() {
        let dilation = window.dilation.as_ref().map_or(1, |dilation| dilation[axis]);
        let half = dilation.saturating_mul(size[axis] - 1).saturating_add(1) / 2;
        ensure(*padding <= half, format!("a padding of {padding}, which is more than half of the window: {half}"))?;
    }
    if !c.bool_or("ceil_mode", false)? {
        return Ok((size, window));
    }
    let mut overhang = Vec::new();
    for axis in 0..space {
        let Some(length) = x.size((axis + x.rank() - space) as i64).known() else {
            return gap("ceil_mode over a dimension of dynamic size");
        };
        let at = |list: &Option<Vec<i64>>, default| list.as_ref().map_or(default, |list| list[axis]);
        let (stride, padding, dilation) =
            (at(&window.stride, size[axis]), at(&window.padding, 0), at(&window.dilation, 1));
        let numbers = [length, stride, padding, dilation, size[axis]];
        if stride < 1 || numbers.iter().any(|n| !(0..1 << 40).contains(n)) {
            return malformed(format!("a window of {numbers:?}"));
        }
        let Some(reach) = dilation.checked_mul(size[axis] - 1) else { return malformed("a window too large") };
        // The last window begins before the end of what there is and of the padding before it.
        let room = length + 2 * padding - reach - 1;
        let last = (room + stride - 1).div_euclid(stride);
        let last = if last * stride >= length + padding { last - 1 } else { last };
        overhang.push((last * stride - room).max(0));
    }
    window.overhang = Some(overhang);
    Ok((size, window))
}

fn max_pool<'t>(c: &Call<'_, 't>, space: usize) -> Answer<Tensor<'t>> {
    let (x, was_added) = batched(c.tensor("self")?, space)?;
    let (size, window) = pooled(c, x, space)?;
    Ok(unbatched(x.max_pool(&size, &window), was_added))
}

fn max_pool_with_indices<'t>(c: &Call<'_, 't>, space: usize) -> Answer<Vec<Tensor<'t>>> {
    let (x, was_added) = batched(c.tensor("self")?, space)?;
    let (size, window) = pooled(c, x, space)?;
    let (values, places) = x.max_pool_with_indices(&size, &window);
    Ok(vec![unbatched(values, was_added), unbatched(places, was_added)])
}

fn avg_pool<'t>(c: &Call<'_, 't>, space: usize) -> Answer<Tensor<'t>> {
    let (x, was_added) = batched(c.tensor("self")?, space)?;
    let (size, mut window) = pooled(c, x, space)?;
    let counts_padding = c.bool_or("count_include_pad", true)?;
    let hangs_over = window.overhang.as_ref().is_some_and(|widths| widths.iter().any(|width| *width != 0));
    let divisor = if c.has("divisor_override") { Some(c.int("divisor_override")?) } else { None };
    ensure(divisor != Some(0), "a divisor of 0")?;
    let y = if !x.dtype().is_float() {
        integer_means(c, x, &size, &window, divisor)?
    } else if let Some(divisor) = divisor {
        let taps = size.iter().map(|size| *size as f64).product::<f64>();
        x.avg_pool(&size, &window, true) * (taps / divisor as f64)
    } else if counts_padding && hangs_over {
        // Padding counts, but nothing beyond it.
        let widths = window.padding.take().unwrap_or_default();
        let around = x.pad(&widths.iter().map(|width| (*width, *width)).collect::<Vec<_>>(), 0.0);
        around.avg_pool(&size, &window, false)
    } else {
        x.avg_pool(&size, &window, counts_padding)
    };
    Ok(unbatched(y, was_added))
}

/// Means of integers, rounded towards zero: sums are convolutions with ones.
fn integer_means<'t>(
    c: &Call<'_, 't>,
    x: Tensor<'t>,
    size: &[i64],
    window: &Window,
    divisor: Option<i64>,
) -> Answer<Tensor<'t>> {
    let ones = |dims: &[Dim]| c.cx.ones(dims, x.dtype());
    let taps: Vec<Dim> = [1, 1].iter().chain(size).map(|size| Dim::from(*size)).collect();
    let strided = Window { stride: window.stride.clone().or_else(|| Some(size.to_vec())), ..window.clone() };
    let shape = x.shape();
    let apart = [&[shape[0].clone() * &shape[1], Dim::from(1)], &shape[2..]].concat();
    let sums = x.reshape(apart).convolution(ones(&taps), None, &strided, 1);
    let sums = sums.reshape([&shape[..2], &sums.shape()[2..]].concat());
    if let Some(divisor) = divisor {
        return Ok(quotient(sums, c.cx.full((), divisor, x.dtype())));
    }
    // What counts are elements and, where it does, padding; not what windows hang over.
    let space = [&[Dim::from(1), Dim::from(1)], &shape[2..]].concat();
    let counted = if c.bool_or("count_include_pad", true)? {
        let widths = window.padding.clone().unwrap_or_else(|| vec![0; size.len()]);
        let around = ones(&space).pad(&widths.iter().map(|width| (*width, *width)).collect::<Vec<_>>(), 1);
        around.convolution(ones(&taps), None, &Window { padding: None, ..strided }, 1)
    } else {
        ones(&space).convolution(ones(&taps), None, &strided, 1)
    };
    Ok(quotient(sums, counted))
}

/// A quotient rounded towards zero.
fn quotient<'t>(x: Tensor<'t>, y: Tensor<'t>) -> Tensor<'t> {
    let y = y.expand(x.shape());
    apply(&[x, y], |b| b.div(x.value(), y.value()))
}

/// Zeros but for elements at the places, within the last dimensions, that they were taken from.
fn unpooled<'t>(c: &Call<'_, 't>, space: usize) -> Answer<Tensor<'t>> {
    let (x, places, dims) = (c.tensor("self")?, c.tensor("indices")?, c.dims()?);
    let Some(outer) = dims.len().checked_sub(space) else { return malformed("too few dimensions") };
    let flat = |dims: &[Dim]| [&dims[..outer], &[dims[outer..].iter().fold(Dim::from(1), |n, dim| n * dim)]].concat();
    let own = flat(&x.shape());
    let zeros = c.cx.zeros(flat(&dims), x.dtype());
    Ok(zeros.scatter(-1, places.reshape(&own[..]), x.reshape(&own[..])).reshape(dims))
}

/// Patches of a plane, as matrices have them for columns.
struct Patches {
    size: [i64; 2],
    dilation: [i64; 2],
    padding: [i64; 2],
    stride: [i64; 2],
    space: [i64; 2],
    count: [i64; 2],
}

impl Patches {
    fn of(c: &Call<'_, '_>, space: &[Dim]) -> Answer<Self> {
        let pair = |name: &str, least: i64| -> Answer<[i64; 2]> {
            match c.ints(name)?[..] {
                [one] if (least..MOST_POSITIONS).contains(&one) => Ok([one; 2]),
                [a, b] if [a, b].iter().all(|n| (least..MOST_POSITIONS).contains(n)) => Ok([a, b]),
                ref other => malformed(format!("'{name}' as {other:?}")),
            }
        };
        let (size, dilation) = (pair("kernel_size", 1)?, pair("dilation", 1)?);
        let (padding, stride) = (pair("padding", 0)?, pair("stride", 1)?);
        let [Some(height), Some(width)] = [space[0].known(), space[1].known()] else {
            return gap("a dimension of dynamic size");
        };
        let space = [height, width];
        let count = [0, 1].map(|axis| {
            let room = space[axis] + 2 * padding[axis] - dilation[axis] * (size[axis] - 1) - 1;
            room.div_euclid(stride[axis]) + 1
        });
        if count.iter().zip(size).any(|(count, size)| *count < 1 || count * size > MOST_POSITIONS) {
            return gap(format!("{count:?} positions"));
        }
        Ok(Self { size, dilation, padding, stride, space, count })
    }

    fn taps(&self) -> i64 {
        self.size[0] * self.size[1]
    }

    fn positions(&self) -> i64 {
        self.count[0] * self.count[1]
    }

    /// Where each position has each of its taps along a dimension.
    fn places<'t>(&self, c: &Call<'_, 't>, axis: usize) -> Tensor<'t> {
        let (count, size) = (self.count[axis], self.size[axis]);
        let place = |at: i64| at / size * self.stride[axis] + at % size * self.dilation[axis];
        numbers(c, &(0..count * size).map(place).collect::<Vec<_>>()).reshape([count, size])
    }
}

/// Means of as many parts as there are positions; parts overlap where these do not divide the size.
fn adaptive<'t>(c: &Call<'_, 't>, space: usize) -> Answer<Tensor<'t>> {
    let (x, was_added) = batched(c.tensor("self")?, space)?;
    let Some(positions) = spread(c.optional_ints("output_size")?, space)? else { return malformed("no sizes") };
    let rank = x.rank() as i64;
    let first = rank - space as i64;
    if positions.iter().all(|size| *size == 1) {
        return Ok(unbatched(x.mean_keepdim((first..rank).collect::<Vec<_>>()), was_added));
    }
    let mut y = x;
    for (axis, positions) in (first..).zip(positions) {
        let Some(size) = x.size(axis).known() else { return gap("a dimension of dynamic size") };
        if size == positions {
            continue;
        }
        if !(1..=MOST_POSITIONS).contains(&positions) {
            return gap(format!("{positions} positions"));
        }
        let part = |i: i64| {
            let (start, end) = part_at(i, size, positions);
            y.slice(axis, start..end).mean_keepdim(axis)
        };
        let parts: Vec<_> = (0..positions).map(part).collect();
        y = thunder_trace::cat(&parts, axis);
    }
    Ok(unbatched(y, was_added))
}

/// What of each element is in each part of `count`: a matrix whose rows are the parts.
pub(super) fn adaptive_weights<'t>(c: &Call<'_, 't>, count: Dim, size: Dim, dtype: DType) -> Answer<Tensor<'t>> {
    let (Some(count), Some(size)) = (count.known(), size.known()) else { return gap("a dimension of dynamic size") };
    if count < 1 || !(1..=1 << 20).contains(&count.saturating_mul(size)) {
        return gap(format!("{count} parts of {size} elements"));
    }
    let mut weights = Vec::new();
    for (start, end) in (0..count).map(|i| part_at(i, size, count)) {
        weights.extend((0..size).map(|at| if (start..end).contains(&at) { 1.0 / (end - start) as f64 } else { 0.0 }));
    }
    let weights = thunder_tensor::Tensor::from_slice(vec![count as usize, size as usize], &weights);
    Ok(c.cx.constant(&weights.expect("as many weights as the sizes say")).to(dtype))
}

/// Where part `i` of `count` begins and ends.
fn part_at(i: i64, size: i64, count: i64) -> (i64, i64) {
    let at = |i: i64| i128::from(i) * i128::from(size);
    let start = at(i) / i128::from(count);
    let end = (at(i + 1) + i128::from(count) - 1) / i128::from(count);
    (start as i64, end as i64)
}

/// Largest elements of as many parts as there are positions, and where they are: one dimension after the other, from the
/// last, as the first of equal elements in row-major order is the first in its row of the first row that has one.
fn adaptive_max<'t>(c: &Call<'_, 't>, space: usize) -> Answer<Vec<Tensor<'t>>> {
    let (x, was_added) = batched(c.tensor("self")?, space)?;
    let Some(positions) = spread(c.optional_ints("output_size")?, space)? else { return malformed("no sizes") };
    let first = x.rank() - space;
    let mut values = x;
    let mut places: Option<Tensor<'t>> = None;
    let mut area = 1i64;
    for (axis, positions) in (first..x.rank()).zip(positions).rev() {
        let Some(size) = x.size(axis as i64).known() else { return gap("a dimension of dynamic size") };
        if size < 1 || !(1..=MOST_POSITIONS).contains(&positions) {
            return gap(format!("{positions} positions of {size} elements"));
        }
        let axis = axis as i64;
        let (mut parts, mut parts_places) = (Vec::new(), Vec::new());
        for i in 0..positions {
            let (start, end) = part_at(i, size, positions);
            let part = values.slice(axis, start..end);
            let at = part.argmax(axis).unsqueeze(axis);
            parts.push(part.gather(axis, at));
            let own = (at + start) * area;
            parts_places.push(match places {
                Some(places) => own + places.slice(axis, start..end).gather(axis, at),
                None => own,
            });
        }
        values = thunder_trace::cat(&parts, axis);
        places = Some(thunder_trace::cat(&parts_places, axis));
        area = area.saturating_mul(size);
    }
    let Some(places) = places else { return malformed("no dimensions") };
    Ok(vec![unbatched(values, was_added), unbatched(places, was_added)])
}
