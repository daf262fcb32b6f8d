//! The vocabulary of gradient rules: linear maps, and the transposes of those that are not ops.

use crate::build::*;
use crate::compose::{Extent, broadcast, converted, extents, full, reshape, widened, zero, zeros};
use crate::ops::slice::END;
use thunder_ir::{Attribute, Builder, Result, Type, Value};

/// The cotangent of an op's only result; a rule is called where there is one.
pub fn only<'c>(cotangents: &[Option<Value<'c>>]) -> Result<Value<'c>> {
    cotangents.first().copied().flatten().ok_or_else(|| "internal: a gradient is asked of no cotangent".into())
}

/// `x * factor`.
pub fn scaled<'c>(b: &Builder<'c>, x: Value<'c>, factor: f64) -> Result<Value<'c>> {
    let factor = full(b, x.ty().element(), factor, &extents(b, x)?)?;
    b.mul(x, factor)
}

/// Zeros in the type of `x`.
pub fn zeros_like<'c>(b: &Builder<'c>, x: Value<'c>) -> Result<Value<'c>> {
    full(b, x.ty().element(), 0.0, &extents(b, x)?)
}

/// Ones in the type of `x`.
pub fn ones_like<'c>(b: &Builder<'c>, x: Value<'c>) -> Result<Value<'c>> {
    full(b, x.ty().element(), 1.0, &extents(b, x)?)
}

/// `x + y`.
pub fn sum_of<'c>(b: &Builder<'c>, x: Value<'c>, y: Value<'c>) -> Result<Value<'c>> {
    b.add(x, y)
}

/// `x` in the type of `like`, which differs in what it says of the sizes only.
pub fn restated<'c>(b: &Builder<'c>, x: Value<'c>, like: Value<'c>) -> Result<Value<'c>> {
    if x.ty() == like.ty() { Ok(x) } else { reshape(b, x, &extents(b, like)?) }
}

/// The axes below `rank` that are not among `axes`.
pub fn others(axes: &[i64], rank: usize) -> Vec<usize> {
    (0..rank).filter(|axis| !axes.contains(&(*axis as i64))).collect()
}

/// What a reduction over `axes` left, repeated along them: the transpose of a sum.
pub fn spread<'c>(
    b: &Builder<'c>,
    x: Value<'c>,
    axes: &[i64],
    keep_dims: bool,
    sizes: &[Extent<'c>],
) -> Result<Value<'c>> {
    let kept = others(axes, sizes.len());
    let mut x = x;
    if keep_dims && !axes.is_empty() {
        x = reshape(b, x, &kept.iter().map(|axis| sizes[*axis]).collect::<Vec<_>>())?;
    }
    broadcast(b, x, &kept, sizes)
}

/// The sum over all dimensions but `dims`, in that order, as a tensor like `like`: the transpose of
/// a broadcast whose operand is `like`.
pub fn gathered<'c>(b: &Builder<'c>, x: Value<'c>, dims: &[usize], like: Value<'c>) -> Result<Value<'c>> {
    let stated = |v: Value<'c>| v.ty().as_tensor().map(|t| t.dims()).unwrap_or_default();
    let (from, to) = (stated(x), stated(like));
    let stays = |i: &usize| to[*i] != Some(1) || from[dims[*i]] == Some(1);
    let kept: Vec<usize> = (0..dims.len()).filter(stays).collect();
    let summed: Vec<i64> =
        (0..from.len()).filter(|axis| !kept.iter().any(|i| dims[*i] == *axis)).map(|a| a as i64).collect();
    let mut y = if summed.is_empty() { x } else { b.sum(x, summed, false)? };
    let mut order: Vec<usize> = (0..kept.len()).collect();
    order.sort_by_key(|i| dims[kept[*i]]);
    let mut permutation = vec![0; kept.len()];
    for (place, index) in order.iter().enumerate() {
        permutation[*index] = place as i64;
    }
    if !permutation.iter().copied().eq(0..permutation.len() as i64) {
        y = b.transpose(y, permutation)?;
    }
    let y = converted(b, y, like.ty().element())?;
    restated(b, y, like)
}

/// `x` with zeros before and after its elements along `axis`.
pub fn padded<'c>(b: &Builder<'c>, x: Value<'c>, axis: usize, low: Extent<'c>, high: Extent<'c>) -> Result<Value<'c>> {
    let sizes = extents(b, x)?;
    let mut parts = vec![x];
    for (extent, place) in [(low, 0), (high, 1)] {
        if extent != Extent::Known(0) {
            let mut block = sizes.clone();
            block[axis] = extent;
            let zeros = zeros(b, x.ty().element(), &block)?;
            parts.insert(if place == 0 { 0 } else { parts.len() }, zeros);
        }
    }
    if parts.len() == 1 { Ok(x) } else { b.concat(&parts, axis as i64) }
}

/// `x` with zeros around and between its elements; negative numbers take away.
pub fn padded_by<'c>(
    b: &Builder<'c>,
    x: Value<'c>,
    low: Vec<i64>,
    high: Vec<i64>,
    interior: Vec<i64>,
) -> Result<Value<'c>> {
    if [&low, &high, &interior].into_iter().flatten().all(|padding| *padding == 0) {
        return Ok(x);
    }
    b.pad(x, low, high, interior, zero(x.ty().element()))
}

/// A slice of every `stride`-th element with `low` and `high` left out at the ends.
pub fn cropped<'c>(b: &Builder<'c>, x: Value<'c>, low: &[i64], high: &[i64], stride: &[i64]) -> Result<Value<'c>> {
    if low.iter().chain(high).all(|n| *n == 0) && stride.iter().all(|n| *n == 1) {
        return Ok(x);
    }
    let limit = high.iter().map(|high| if *high == 0 { END } else { -high }).collect();
    b.slice(x, low.to_vec(), limit, stride.to_vec())
}

/// The transpose of a slice of a tensor of `sizes`: its elements where they were, zeros elsewhere.
pub fn unsliced<'c>(
    b: &Builder<'c>,
    x: Value<'c>,
    sizes: &[Extent<'c>],
    [start, limit, stride]: [&[i64]; 3],
) -> Result<Value<'c>> {
    let rank = sizes.len();
    let (mut low, mut high) = (vec![0; rank], vec![0; rank]);
    let interior: Vec<i64> = stride.iter().map(|stride| stride - 1).collect();
    let counts = extents(b, x)?;
    let mut open = Vec::new();
    for axis in 0..rank {
        let (Extent::Known(size), Extent::Known(count)) = (sizes[axis], counts[axis]) else {
            open.push(axis);
            continue;
        };
        let first = if start[axis] < 0 { (size + start[axis]).max(0) } else { start[axis].min(size) };
        let spread = if count == 0 { 0 } else { (count - 1) * stride[axis] + 1 };
        (low[axis], high[axis]) = (first, size - first - spread);
    }
    let mut y = padded_by(b, x, low, high, interior)?;
    for axis in open {
        let is_whole = start[axis] == 0 && limit[axis] == END && stride[axis] == 1;
        if is_whole {
            continue;
        }
        let size = sizes[axis];
        let first = match start[axis] {
            from @ ..0 => size.add(b, Extent::Known(from))?.max(b, Extent::Known(0))?,
            from => size.min(b, Extent::Known(from))?,
        };
        let spread = extents(b, y)?[axis];
        let rest = size.sub(b, first)?.sub(b, spread)?;
        y = padded(b, y, axis, first, rest)?;
    }
    Ok(y)
}

/// Numbers from 0 along one dimension, as indices.
pub fn counted<'c>(b: &Builder<'c>, size: Extent<'c>) -> Result<Value<'c>> {
    let ty = Type::tensor(Type::int(b.context(), 64), &[size.stated()]);
    let dynamic: Vec<_> = if let Extent::Value(value) = size { vec![value] } else { Vec::new() };
    b.iota(&dynamic, 0, ty)
}

/// An integer in every place of a tensor of these sizes.
pub fn integers<'c>(b: &Builder<'c>, value: i64, sizes: &[Extent<'c>]) -> Result<Value<'c>> {
    let element = Type::int(b.context(), 64);
    let scalar = b.full(&[], Attribute::integer(element, value), Type::tensor(element, &[]))?;
    broadcast(b, scalar, &[], sizes)
}

/// A size as an integer tensor of rank 0.
pub fn size_tensor<'c>(b: &Builder<'c>, size: Extent<'c>) -> Result<Value<'c>> {
    match size {
        Extent::Known(size) => integers(b, size, &[]),
        Extent::Value(_) => b.sum(integers(b, 1, &[size])?, vec![0], false),
    }
}

/// `1 - x`.
pub fn complement<'c>(b: &Builder<'c>, x: Value<'c>) -> Result<Value<'c>> {
    b.sub(full(b, x.ty().element(), 1.0, &extents(b, x)?)?, x)
}

/// Builds the derivative of an elementwise function from its operand and its result.
pub type Slope = for<'c> fn(&Builder<'c>, Value<'c>, Value<'c>) -> Result<Value<'c>>;

/// The cotangent of the operand of an elementwise function: that of its result times the slope.
pub fn by_slope<'c>(
    b: &Builder<'c>,
    x: Value<'c>,
    y: Value<'c>,
    cotangents: &[Option<Value<'c>>],
    slope: Slope,
) -> Result<Vec<Option<Value<'c>>>> {
    let slope = slope(b, widened(b, x)?, widened(b, y)?)?;
    let dx = b.mul(widened(b, only(cotangents)?)?, slope)?;
    Ok(vec![Some(converted(b, dx, x.ty().element())?)])
}

/// `x` with its two innermost dimensions swapped.
pub fn swapped<'c>(b: &Builder<'c>, x: Value<'c>) -> Result<Value<'c>> {
    let rank = x.ty().as_tensor().map_or(0, |t| t.rank());
    let mut permutation: Vec<i64> = (0..rank as i64).collect();
    permutation.swap(rank - 2, rank - 1);
    b.transpose(x, permutation)
}
