//! Reductions over windows, and their gradients.

use thunder_dialect::build::{BuildCummax as _, BuildCummin as _, BuildCumprod as _, BuildCumsum as _};
use thunder_trace::{DType, Dim, Scalar, Tensor, apply};

use super::bits::flipped;
use super::reduce::Fold;
use super::shape::sliced;
use super::{Entry, tensor, values};
use crate::arguments::{Answer, gap, malformed};
use crate::stablehlo::call::Call;
use crate::stablehlo::program::Region;
use crate::stablehlo::value::Value;

pub(super) const OPS: &[Entry] =
    &[values("stablehlo.reduce_window", reduce_window), tensor("stablehlo.select_and_scatter", select_and_scatter)];

/// Up to how many elements a window along a dimension is taken apart into slices where it takes steps.
const SLICES: i64 = 64;

/// Windows along one dimension.
#[derive(Clone, Copy)]
struct Windows {
    axis: usize,
    size: i64,
    stride: i64,
    dilation: i64,
}

impl Windows {
    /// How many elements a window spans.
    fn span(self) -> i64 {
        (self.size - 1).saturating_mul(self.dilation) + 1
    }
}

/// A function of two lists of tensors, element by element.
type Combine<'f, 't> = &'f dyn Fn(&[Tensor<'t>], &[Tensor<'t>]) -> Answer<Vec<Tensor<'t>>>;

fn reduce_window<'t>(c: &Call<'_, 't>) -> Answer<Vec<Value<'t>>> {
    let count = c.operands.len() / 2;
    let (inputs, initials) = c.operands.split_at(count);
    let (Some(first), true) = (inputs.first(), c.operands.len() == 2 * count) else {
        return malformed(format!("{} operands", c.operands.len()));
    };
    let rank = first.rank();
    if inputs.iter().any(|x| x.rank() != rank) {
        return malformed("its operands differ in their ranks");
    }
    let sizes = c.ints_or("window_dimensions", 1, rank)?;
    let strides = c.ints_or("window_strides", 1, rank)?;
    let base = c.ints_or("base_dilations", 1, rank)?;
    let dilations = c.ints_or("window_dilations", 1, rank)?;
    let (low, high) = c.pairs("padding", rank)?;
    if [&sizes, &strides, &base, &dilations].into_iter().flatten().any(|number| *number < 1) {
        return malformed(format!("windows of {sizes:?} by {strides:?}, dilated by {base:?} and {dilations:?}"));
    }
    let region = c.region(0)?;
    let fold = if count == 1 { Fold::of(region, first.element()) } else { None };
    if let (Some(fold), Some((axis, is_reverse))) =
        (fold, running(first, [&sizes, &strides, &base, &dilations], (&low, &high)))
        && fold.is_neutral(first.element(), initials[0].scalar())
        && let Some(result) = scanned(fold, first, c, axis, is_reverse)
    {
        return Ok(vec![Value::of(first.element().clone(), result)]);
    }
    let interior: Vec<i64> = base.iter().map(|step| step - 1).collect();
    let padded = |(x, initial): (&Value<'t>, &Value<'t>)| padded(c, x, initial, [&low, &high, &interior]);
    let mut parts = inputs.iter().zip(initials).map(padded).collect::<Answer<Vec<_>>>()?;
    let combine = |left: &[Tensor<'t>], right: &[Tensor<'t>]| combined(c, region, fold, inputs, left, right);
    for axis in 0..rank {
        let windows = Windows { axis, size: sizes[axis], stride: strides[axis], dilation: dilations[axis] };
        let extent = parts[0].shape()[axis].known();
        let is_whole = extent == Some(windows.size) && windows.dilation == 1 && windows.size > 1;
        parts = match fold {
            Some(fold) if is_whole => vec![fold.over(first.element(), parts[0], &[axis as i64], true)],
            _ => along(&parts, windows, &combine)?,
        };
    }
    let is_neutral = fold.is_some_and(|fold| fold.is_neutral(first.element(), initials[0].scalar()));
    if !is_neutral {
        let dims = parts[0].shape();
        let initial: Vec<_> = initials.iter().map(|x| x.broadcast(c.cx, &[], dims.clone()).tensor(c.cx)).collect();
        parts = combine(&initial, &parts)?;
    }
    Ok(parts.into_iter().zip(inputs).map(|(part, x)| Value::of(x.element().clone(), part)).collect())
}

/// What the function makes of two lists of tensors.
fn combined<'t>(
    c: &Call<'_, 't>,
    region: &Region,
    fold: Option<Fold>,
    inputs: &[Value<'t>],
    left: &[Tensor<'t>],
    right: &[Tensor<'t>],
) -> Answer<Vec<Tensor<'t>>> {
    if let (Some(fold), [x], [y]) = (fold, left, right) {
        return Ok(vec![fold.apply(inputs[0].element(), *x, *y)]);
    }
    let given = left.iter().chain(right).zip(inputs.iter().chain(inputs));
    let given: Vec<Value<'t>> = given.map(|(x, like)| Value::of(like.element().clone(), *x)).collect();
    let made = c.map(region, &left[0].shape(), &given)?;
    if made.len() != left.len() {
        return malformed(format!("its function has {} results", made.len()));
    }
    Ok(made.iter().map(|value| value.tensor(c.cx)).collect())
}

/// The operand with what stands around and between its elements.
fn padded<'t>(
    c: &Call<'_, 't>,
    x: &Value<'t>,
    initial: &Value<'t>,
    [low, high, interior]: [&[i64]; 3],
) -> Answer<Tensor<'t>> {
    let tensor = x.tensor(c.cx);
    if [low, high, interior].iter().all(|list| list.iter().all(|width| *width == 0)) {
        return Ok(tensor);
    }
    match initial.scalar() {
        Some(value) if !x.element().is_carried() || value == Scalar::Int(0) => {
            Ok(tensor.pad_between(low, high, interior, value))
        }
        _ => {
            let is_inside = c.cx.full(tensor.shape(), true, DType::Bool).pad_between(low, high, interior, false);
            let zero = if tensor.dtype() == DType::Bool { Scalar::Bool(false) } else { Scalar::Int(0) };
            Ok(is_inside.where_(tensor.pad_between(low, high, interior, zero), initial.tensor(c.cx)))
        }
    }
}

/// The dimension along which windows grow from the first element to all, or backwards from the last.
fn running(
    x: &Value<'_>,
    [sizes, strides, base, dilations]: [&[i64]; 4],
    (low, high): (&[i64], &[i64]),
) -> Option<(usize, bool)> {
    let axis = sizes.iter().position(|size| *size != 1)?;
    let is_one = |list: &[i64]| list.iter().all(|number| *number == 1);
    let is_only = sizes.iter().skip(axis + 1).all(|size| *size == 1);
    if !is_only
        || !is_one(strides)
        || !is_one(base)
        || !is_one(dilations)
        || x.dims()[axis].known() != Some(sizes[axis])
    {
        return None;
    }
    let others = (0..sizes.len()).filter(|other| *other != axis);
    if others.into_iter().any(|other| low[other] != 0 || high[other] != 0) {
        return None;
    }
    match (low[axis], high[axis]) {
        (before, 0) if before == sizes[axis] - 1 => Some((axis, false)),
        (0, after) if after == sizes[axis] - 1 => Some((axis, true)),
        _ => None,
    }
}

/// A running reduction.
fn scanned<'t>(fold: Fold, x: &Value<'t>, c: &Call<'_, 't>, axis: usize, is_reverse: bool) -> Option<Tensor<'t>> {
    let is_carried = x.element().is_carried() && matches!(fold, Fold::Maximum | Fold::Minimum);
    let axis = axis as i64;
    let given = if is_carried { flipped(x.tensor(c.cx)) } else { x.tensor(c.cx) };
    let given = if is_reverse { given.flip(axis) } else { given };
    let made = apply(&[given], |b| match fold {
        Fold::Add => b.cumsum(given.value(), axis),
        Fold::Multiply => b.cumprod(given.value(), axis),
        Fold::Maximum => b.cummax(given.value(), axis),
        Fold::Minimum => b.cummin(given.value(), axis),
        Fold::And | Fold::Or => Ok(given.value()),
    });
    let made = if is_reverse { made.flip(axis) } else { made };
    let is_scan = !matches!(fold, Fold::And | Fold::Or);
    is_scan.then(|| if is_carried { flipped(made) } else { made })
}

/// The reduction of windows along one dimension.
fn along<'t>(parts: &[Tensor<'t>], windows: Windows, combine: Combine<'_, 't>) -> Answer<Vec<Tensor<'t>>> {
    let Windows { axis, size, stride, dilation } = windows;
    if size == 1 {
        return parts.iter().map(|x| strided(*x, axis, 0, None, stride)).collect();
    }
    let Some(extent) = parts[0].shape()[axis].known() else {
        return gap("windows along a dimension of dynamic size");
    };
    let count = (extent - windows.span()).div_euclid(stride) + 1;
    if count < 1 {
        return parts.iter().map(|x| strided(*x, axis, 0, Some(0), 1)).collect();
    }
    let slices = |start: i64| -> Answer<Vec<Tensor<'t>>> {
        parts.iter().map(|x| strided(*x, axis, start, Some(start + (count - 1) * stride + 1), stride)).collect()
    };
    if size <= 3 || stride > 1 && size <= SLICES {
        let mut made = slices(0)?;
        for index in 1..size {
            made = combine(&made, &slices(index * dilation)?)?;
        }
        return Ok(made);
    }
    // Windows of all powers of two up to the size, which is put together of some.
    let (mut power, mut doubled) = (1, parts.to_vec());
    let mut made: Option<(i64, Vec<Tensor<'t>>)> = None;
    loop {
        if size & power != 0 {
            made = Some(match made {
                None => (power, doubled.clone()),
                Some((length, whole)) => (length + power, joined(&whole, &doubled, axis, length * dilation, combine)?),
            });
        }
        if power > size / 2 {
            break;
        }
        doubled = joined(&doubled, &doubled, axis, power * dilation, combine)?;
        power *= 2;
    }
    let whole = made.map(|(_, whole)| whole).unwrap_or_default();
    whole.iter().map(|x| strided(*x, axis, 0, Some((count - 1) * stride + 1), stride)).collect()
}

/// Windows `left` with those that begin `distance` after them.
fn joined<'t>(
    left: &[Tensor<'t>],
    right: &[Tensor<'t>],
    axis: usize,
    distance: i64,
    combine: Combine<'_, 't>,
) -> Answer<Vec<Tensor<'t>>> {
    let length = |list: &[Tensor<'t>]| list[0].shape()[axis].known().unwrap_or(0);
    let count = length(left).min(length(right) - distance);
    let part = |list: &[Tensor<'t>], start: i64| -> Answer<Vec<Tensor<'t>>> {
        list.iter().map(|x| strided(*x, axis, start, Some(start + count), 1)).collect()
    };
    combine(&part(left, 0)?, &part(right, distance)?)
}

/// A part along one dimension.
fn strided<'t>(x: Tensor<'t>, axis: usize, start: i64, limit: Option<i64>, stride: i64) -> Answer<Tensor<'t>> {
    match limit {
        None if stride == 1 => Ok(x),
        None => Ok(x.slice_step(axis as i64, start.., stride)),
        Some(limit) => {
            let dims = x.shape();
            let is_all = start == 0 && stride == 1 && dims[axis].known() == Some(limit);
            Ok(if is_all { x } else { x.slice_step(axis as i64, start..limit, stride) })
        }
    }
}

/// Adds each element of the source to that element of its window which the first function selects.
fn select_and_scatter<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let (x, source, initial) = (c.value(0)?, c.value(1)?, c.value(2)?);
    let (rank, element) = (x.rank(), x.element());
    let sizes = c.ints_or("window_dimensions", 1, rank)?;
    let strides = c.ints_or("window_strides", 1, rank)?;
    let (low, high) = c.pairs("padding", rank)?;
    if sizes.iter().chain(&strides).any(|number| *number < 1) || source.rank() != rank {
        return malformed(format!("windows of {sizes:?} by {strides:?}"));
    }
    if Fold::of(c.region(1)?, element) != Some(Fold::Add) {
        return gap("a function of its own to scatter by");
    }
    let elements = sizes.iter().try_fold(1i64, |product, size| product.checked_mul(*size));
    let Some(elements) = elements.filter(|elements| *elements <= SLICES) else {
        return gap(format!("windows of more than {SLICES} elements"));
    };
    let none = vec![0; rank];
    let is_padded = low.iter().chain(&high).any(|width| *width != 0);
    let given = x.tensor(c.cx);
    let inside = c.cx.full(given.shape(), true, DType::Bool);
    let around = |x: Tensor<'t>, value: Scalar| if is_padded { x.pad_between(&low, &high, &none, value) } else { x };
    let zero = if given.dtype() == DType::Bool { Scalar::Bool(false) } else { Scalar::Int(0) };
    let (padded, inside) = (around(given, zero), around(inside, Scalar::Bool(false)));
    let counts: Option<Vec<i64>> = source.dims().iter().map(Dim::known).collect();
    let extents: Option<Vec<i64>> = padded.shape().iter().map(Dim::known).collect();
    let (Some(counts), Some(extents)) = (counts, extents) else { return gap("dynamic sizes") };
    let fits = |axis: usize| counts[axis] > 0 && (counts[axis] - 1) * strides[axis] + sizes[axis] <= extents[axis];
    if !(0..rank).all(fits) {
        return malformed(format!("{counts:?} windows of {sizes:?} by {strides:?} are not within {extents:?}"));
    }
    // Where in its window each element of a window is.
    let offsets: Vec<Vec<i64>> = (0..elements)
        .map(|mut number| {
            let mut offset = vec![0; rank];
            for axis in (0..rank).rev() {
                offset[axis] = number % sizes[axis];
                number /= sizes[axis];
            }
            offset
        })
        .collect();
    let at = |x: Tensor<'t>, offset: &[i64]| {
        let limit = (0..rank).map(|axis| offset[axis] + (counts[axis] - 1) * strides[axis] + 1).collect();
        sliced(x, offset.to_vec(), limit, strides.clone())
    };
    let mut best = at(padded, &offsets[0])?;
    let mut is_inside = at(inside, &offsets[0])?;
    let mut place = c.cx.full(best.shape(), 0, DType::I32);
    for (number, offset) in offsets.iter().enumerate().skip(1) {
        let other = at(padded, offset)?;
        let pair = [Value::of(element.clone(), best), Value::of(element.clone(), other)];
        let kept = c.map(c.region(0)?, &best.shape(), &pair)?;
        let [kept] = &kept[..] else { return malformed("its function has not one result") };
        let mut kept = kept.tensor(c.cx);
        if is_padded {
            // What is outside is never selected.
            let other_is_inside = at(inside, offset)?;
            kept = is_inside & (kept | !other_is_inside);
            is_inside = is_inside | other_is_inside;
        }
        best = kept.where_(best, other);
        place = kept.where_(place, number as i64);
    }
    let source = source.tensor(c.cx);
    let mut sum: Option<Tensor<'t>> = None;
    for (number, offset) in offsets.iter().enumerate() {
        let chosen = place.eq(number as i64).where_(source, 0);
        let interior: Vec<i64> = strides.iter().map(|stride| stride - 1).collect();
        let after = (0..rank).map(|axis| extents[axis] - offset[axis] - (counts[axis] - 1) * strides[axis] - 1);
        let spread = chosen.pad_between(offset, &after.collect::<Vec<_>>(), &interior, 0);
        sum = Some(sum.map_or(spread, |sum| sum + spread));
    }
    let Some(sum) = sum else { return gap("windows without elements") };
    let limit = (0..rank).map(|axis| extents[axis] - high[axis]).collect();
    let sum = if is_padded { sliced(sum, low, limit, vec![1; rank])? } else { sum };
    let is_zero = Fold::Add.is_neutral(element, initial.scalar());
    Ok(if is_zero { sum } else { sum + initial.tensor(c.cx) })
}
