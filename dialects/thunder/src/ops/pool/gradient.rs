//! Gradients of pools, and where the largest elements are.

use super::*;
use crate::build::*;
use crate::compose::{Extent, broadcast, converted, count, extents, full, reshape, widened};
use crate::cotangent::{counted, cropped, only, restated, size_tensor};
use crate::window::transpose::Steps;
use thunder_interface::dtype_of;

/// What is larger than no element of a type.
fn least(element: Type<'_>) -> Attribute<'_> {
    match dtype_of(element) {
        Some(dtype) if !dtype.is_float() => Attribute::integer(element, dtype.min_value() as i64),
        _ => Attribute::float(element, f64::NEG_INFINITY),
    }
}

fn taps<'c>(window: &[i64]) -> Vec<Extent<'c>> {
    window.iter().map(|size| Extent::Known(*size)).collect()
}

impl<'c> Differentiate<'c> for AvgPool<'c> {
    /// A mean of windows over the cotangent, which is spread over the space.
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let (x, window) = (self.operand(), self.window());
        let stride = self.stride().unwrap_or_else(|| window.clone());
        let mut dy = widened(b, only(cotangents)?)?;
        let element = dy.ty().element();
        if !self.count_include_pad() {
            // The share of each window that is no padding.
            let ones = full(b, element, 1.0, &extents(b, x)?)?;
            let share = b.avg_pool(ones, window.clone(), self.stride(), self.padding(), true)?;
            dy = b.div(dy, restated(b, share, dy)?)?;
        }
        let steps = Steps::of(b, x, self.out(), taps(&window), stride, self.padding(), None)?;
        let spread = steps.unrolled(b, dy)?;
        let ones = vec![1; window.len()];
        let dx = spread.crop(b, b.avg_pool(spread.value, window, Some(ones), None, true)?)?;
        Ok(vec![Some(restated(b, converted(b, dx, x.ty().element())?, x)?)])
    }
}

impl<'c> Differentiate<'c> for MaxPool<'c> {
    /// Each cotangent is added where the first largest element of its window is.
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let (x, dy) = (self.operand(), only(cotangents)?);
        let places = b.max_pool_index(x, self.window(), self.stride(), self.padding(), self.dilation())?;
        let sizes = extents(b, x)?;
        let flat = |v, inner| reshape(b, v, &[&sizes[..2], &[inner]].concat());
        let positions = count(b, &extents(b, dy)?[2..])?;
        // What padding gets is left out.
        let places_and_padding = count(b, &sizes[2..])?.add(b, Extent::Known(1))?;
        let zeros = full(b, dy.ty().element(), 0.0, &[&sizes[..2], &[places_and_padding]].concat())?;
        let dx = b.scatter_add(zeros, flat(places, positions)?, flat(dy, positions)?, 2)?;
        let dx = cropped(b, dx, &[0; 3], &[0, 0, 1], &[1; 3])?;
        Ok(vec![Some(restated(b, reshape(b, dx, &sizes)?, x)?)])
    }
}

impl Decompose for MaxPoolIndex<'_> {
    fn decompose<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        let (x, window) = (self.operand(), self.window());
        let stride = self.stride().unwrap_or_else(|| window.clone());
        // As many positions as `thunder.max_pool` has.
        let pooled = b.max_pool(x, window.clone(), self.stride(), self.padding(), self.dilation())?;
        let steps = Steps::of(b, x, pooled, taps(&window), stride, self.padding(), self.dilation())?;
        let (low, high) = ([&[0, 0], &steps.low[..]].concat(), [&[0, 0], &steps.high[..]].concat());
        let rank = low.len();
        let inner = extents(b, x)?.split_off(2);
        let area = count(b, &inner)?;
        let mut places = reshape(b, counted(b, area)?, &inner)?;
        let mut around = x;
        if low.iter().chain(&high).any(|padding| *padding > 0) {
            let never = least(x.ty().element());
            around = b.pad(x, low, high, vec![0; rank], never)?;
            // The place of padding is the number of elements, which need not be known before.
            let outside = broadcast(b, size_tensor(b, area)?, &[], &inner)?;
            let inside = b.sub(places, outside)?;
            let none = Attribute::integer(inside.ty().element(), 0);
            let inside = b.pad(inside, steps.low.clone(), steps.high.clone(), vec![0; rank - 2], none)?;
            places = b.add(inside, broadcast(b, size_tensor(b, area)?, &[], &extents(b, inside)?)?)?;
        }
        let seen = steps.seen(b, around)?;
        let winner = b.argmax(seen, rank as i64, true)?;
        let seen_sizes = extents(b, seen)?;
        let places = broadcast(b, steps.seen(b, places)?, &(2..=rank).collect::<Vec<_>>(), &seen_sizes)?;
        let found = b.take_along_axis(places, winner, rank as i64)?;
        Ok(vec![reshape(b, found, &[&seen_sizes[..rank]].concat())?])
    }
}
