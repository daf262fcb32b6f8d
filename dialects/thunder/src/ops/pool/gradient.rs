//! Gradients of pools.

use super::*;
use crate::build::*;
use crate::compose::{Extent, broadcast, converted, count, extents, full, reshape, widened};
use crate::cotangent::{counted, cropped, only, restated};
use crate::window::transpose::Steps;

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
        let (x, dy, window) = (self.operand(), only(cotangents)?, self.window());
        let stride = self.stride().unwrap_or_else(|| window.clone());
        let steps = Steps::of(b, x, self.out(), taps(&window), stride, self.padding(), self.dilation())?;
        let (low, high) = ([&[0, 0], &steps.low[..]].concat(), [&[0, 0], &steps.high[..]].concat());
        let rank = low.len();
        let mut around = x;
        if low.iter().chain(&high).any(|padding| *padding > 0) {
            let never = Attribute::float(x.ty().element(), f64::NEG_INFINITY);
            around = b.pad(x, low.clone(), high.clone(), vec![0; rank], never)?;
        }
        let sizes = extents(b, around)?;
        let (outer, space) = (&sizes[..2], &sizes[2..]);
        let area = count(b, space)?;

        let seen = steps.seen(b, around)?;
        let winner = b.argmax(seen, rank as i64, true)?;
        let places = steps.seen(b, reshape(b, counted(b, area)?, space)?)?;
        let seen_sizes = extents(b, seen)?;
        let places = broadcast(b, places, &(2..=rank).collect::<Vec<_>>(), &seen_sizes)?;
        let places = b.take_along_axis(places, winner, rank as i64)?;

        let positions = count(b, &steps.positions)?;
        let flat = |v, inner| reshape(b, v, &[outer, &[inner]].concat());
        let zeros = full(b, dy.ty().element(), 0.0, &[outer, &[area]].concat())?;
        let dx = b.scatter_add(zeros, flat(places, positions)?, flat(dy, positions)?, 2)?;
        let dx = cropped(b, reshape(b, dx, &sizes)?, &low, &high, &vec![1; rank])?;
        Ok(vec![Some(restated(b, dx, x)?)])
    }
}
