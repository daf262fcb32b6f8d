//! Convolutions, pooling and resizing: windows over the spatial dimensions of `[batch, channels, space...]`.

use thunder_trace::{Dim, Tensor, Window};

use super::index::MOST_POSITIONS;
use super::{Entry, many, one};
use crate::arguments::{Answer, Call, gap, malformed};

pub(super) const OPS: &[Entry] = &[
    one(&["aten.conv1d.default", "aten.conv1d.padding"], |c| convolution(c, 1)),
    one(&["aten.conv2d.default", "aten.conv2d.padding"], |c| convolution(c, 2)),
    one(&["aten.conv3d.default", "aten.conv3d.padding"], |c| convolution(c, 3)),
    one(&["aten.convolution.default"], |c| {
        let space = c.tensor("weight")?.rank().saturating_sub(2);
        if c.bool_or("transposed", false)? {
            return gap("transposed");
        }
        convolution(c, space)
    }),
    one(&["aten.max_pool1d.default"], |c| max_pool(c, 1)),
    one(&["aten.max_pool2d.default"], |c| max_pool(c, 2)),
    one(&["aten.max_pool3d.default"], |c| max_pool(c, 3)),
    // Where the largest elements are is not computed.
    many(&["aten.max_pool2d_with_indices.default"], |c| Ok(vec![max_pool(c, 2)?])),
    many(&["aten.max_pool3d_with_indices.default"], |c| Ok(vec![max_pool(c, 3)?])),
    one(&["aten.avg_pool1d.default"], |c| avg_pool(c, 1)),
    one(&["aten.avg_pool2d.default"], |c| avg_pool(c, 2)),
    one(&["aten.avg_pool3d.default"], |c| avg_pool(c, 3)),
    one(&["aten.adaptive_avg_pool1d.default"], |c| adaptive(c, 1)),
    one(&["aten.adaptive_avg_pool2d.default", "aten._adaptive_avg_pool2d.default"], |c| adaptive(c, 2)),
    one(&["aten.adaptive_avg_pool3d.default", "aten._adaptive_avg_pool3d.default"], |c| adaptive(c, 3)),
    one(&["aten.upsample_nearest1d.vec", "aten.upsample_nearest1d.default"], |c| nearest(c, 1)),
    one(&["aten.upsample_nearest2d.vec", "aten.upsample_nearest2d.default"], |c| nearest(c, 2)),
    one(&["aten.upsample_nearest3d.vec", "aten.upsample_nearest3d.default"], |c| nearest(c, 3)),
];

/// An entry for each spatial dimension: what is given, where one stands for all.
fn spread(values: Option<Vec<i64>>, space: usize) -> Answer<Option<Vec<i64>>> {
    Ok(match values {
        None => None,
        Some(values) if values.is_empty() => None,
        Some(values) if values.len() == 1 => Some(vec![values[0]; space]),
        Some(values) if values.len() == space => Some(values),
        Some(values) => return malformed(format!("{} numbers for {space} dimensions", values.len())),
    })
}

/// `x` with a batch of one where it has none, and whether that was added.
fn batched(x: Tensor<'_>, space: usize) -> (Tensor<'_>, bool) {
    if x.rank() == space + 1 { (x.unsqueeze(0), true) } else { (x, false) }
}

fn unbatched(y: Tensor<'_>, was_added: bool) -> Tensor<'_> {
    if was_added { y.squeeze(0) } else { y }
}

fn convolution<'t>(c: &Call<'_, 't>, space: usize) -> Answer<Tensor<'t>> {
    let (weight, bias) = (c.tensor("weight")?, c.optional("bias")?);
    let (x, was_added) = batched(c.tensor("input")?, space);
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
    let window = Window { stride, padding, dilation };
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

fn max_pool<'t>(c: &Call<'_, 't>, space: usize) -> Answer<Tensor<'t>> {
    let (x, was_added) = batched(c.tensor("self")?, space);
    let Some(size) = spread(c.optional_ints("kernel_size")?, space)? else { return malformed("no window") };
    let window = Window {
        stride: spread(c.optional_ints("stride")?, space)?,
        padding: spread(c.optional_ints("padding")?, space)?,
        dilation: spread(c.optional_ints("dilation")?, space)?,
    };
    if c.bool_or("ceil_mode", false)? {
        return gap("ceil_mode");
    }
    Ok(unbatched(x.max_pool(&size, &window), was_added))
}

fn avg_pool<'t>(c: &Call<'_, 't>, space: usize) -> Answer<Tensor<'t>> {
    let (x, was_added) = batched(c.tensor("self")?, space);
    let Some(size) = spread(c.optional_ints("kernel_size")?, space)? else { return malformed("no window") };
    let stride = spread(c.optional_ints("stride")?, space)?;
    let padding = spread(c.optional_ints("padding")?, space)?;
    let is_padded = padding.as_ref().is_some_and(|padding| padding.iter().any(|width| *width != 0));
    if c.bool_or("ceil_mode", false)? {
        return gap("ceil_mode");
    }
    if c.has("divisor_override") {
        return gap("divisor_override");
    }
    if is_padded && !c.bool_or("count_include_pad", true)? {
        return gap("count_include_pad = false");
    }
    Ok(unbatched(x.avg_pool(&size, &Window { stride, padding, dilation: None }), was_added))
}

/// Means of as many parts as there are positions; parts overlap where these do not divide the size.
fn adaptive<'t>(c: &Call<'_, 't>, space: usize) -> Answer<Tensor<'t>> {
    let (x, was_added) = batched(c.tensor("self")?, space);
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

/// Where part `i` of `count` begins and ends.
fn part_at(i: i64, size: i64, count: i64) -> (i64, i64) {
    let at = |i: i64| i128::from(i) * i128::from(size);
    let start = at(i) / i128::from(count);
    let end = (at(i + 1) + i128::from(count) - 1) / i128::from(count);
    (start as i64, end as i64)
}

/// The element nearest to each position, rounded down.
fn nearest<'t>(c: &Call<'_, 't>, space: usize) -> Answer<Tensor<'t>> {
    let x = c.tensor(if c.has("input") { "input" } else { "self" })?;
    let first = x.rank().saturating_sub(space);
    let sizes: Vec<Dim> = c.dims()?;
    let mut y = x;
    for axis in first..x.rank() {
        let (Some(from), Some(to)) = (x.size(axis as i64).known(), sizes.get(axis).and_then(Dim::known)) else {
            return gap("a dimension of dynamic size");
        };
        if from == to {
            continue;
        }
        if from < 1 || !(1..=MOST_POSITIONS).contains(&to) {
            return gap(format!("{from} positions becoming {to}"));
        }
        if to % from == 0 {
            // Each element stands beside itself.
            let mut dims = y.shape();
            let apart = y.unsqueeze(axis as i64 + 1);
            dims.insert(axis + 1, Dim::from(to / from));
            let mut merged = y.shape();
            merged[axis] = Dim::from(to);
            y = apart.expand(dims).reshape(merged);
            continue;
        }
        // PyTorch computes the positions in single precision.
        let scale = from as f32 / to as f32;
        let at: Vec<i64> = (0..to).map(|i| ((i as f32 * scale) as i64).min(from - 1)).collect();
        let at = thunder_tensor::Tensor::from_slice(vec![at.len()], &at).expect("as many values as the size says");
        y = y.index_select(axis as i64, c.cx.constant(&at));
    }
    Ok(y)
}
