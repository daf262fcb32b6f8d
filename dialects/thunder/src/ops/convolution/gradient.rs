//! The gradient of a convolution: two convolutions and a sum.

use super::*;
use crate::build::*;
use crate::compose::{Extent, extents, reshape};
use crate::cotangent::{counted, only, restated};
use crate::ops::slice::END;
use crate::window::transpose::Steps;

impl<'c> Differentiate<'c> for Convolution<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let (x, weight, dy) = (self.x(), self.weight(), only(cotangents)?);
        let taps = extents(b, weight)?.split_off(2);
        let stride = self.stride().unwrap_or_else(|| vec![1; taps.len()]);
        let steps = Steps::of(b, x, self.out(), taps, stride, self.padding(), self.dilation())?;
        let mut all = vec![Some(self.of_x(b, dy, &steps)?), Some(self.of_weight(b, dy, &steps)?)];
        if let Some(bias) = self.bias() {
            let axes = (0..steps.space.len() as i64 + 2).filter(|axis| *axis != 1).collect();
            all.push(Some(restated(b, b.sum(dy, axes, false)?, bias)?));
        }
        Ok(all)
    }
}

impl<'c> Convolution<'c> {
    /// The positions spread over the space, convolved with the mirrored weight, whose channels and
    /// features of each group change places.
    fn of_x(&self, b: &Builder<'c>, dy: Value<'c>, steps: &Steps<'c>) -> Result<Value<'c>> {
        let space = steps.space.len();
        let mirrored = b.reverse(self.weight(), (2..space as i64 + 2).collect())?;
        let weight = exchanged(b, mirrored, 0, self.groups())?;
        let spread = steps.unrolled(b, dy)?;
        let dilation = Some(steps.dilation.clone());
        let dx = b.convolution(spread.value, weight, None, None, None, dilation, self.groups())?;
        restated(b, spread.crop(b, dx)?, self.x())
    }

    /// `x` convolved with the cotangent, where batch and channels, strides and dilations change places.
    fn of_weight(&self, b: &Builder<'c>, dy: Value<'c>, steps: &Steps<'c>) -> Result<Value<'c>> {
        let groups = self.groups();
        let (x, dy) = (exchanged(b, self.x(), 1, groups)?, exchanged(b, dy, 1, 1)?);
        let (stride, dilation) = (Some(steps.dilation.clone()), Some(steps.stride.clone()));
        let dw = b.convolution(x, dy, None, stride, self.padding(), dilation, groups)?;
        let mut dw = exchanged(b, dw, 1, 1)?;
        // Elements that no window of the forward direction reached make more taps.
        let taps: Option<Vec<i64>> = steps.taps.iter().map(|size| size.stated()).collect();
        match taps {
            Some(taps) => {
                let limit = [&[END, END], &taps[..]].concat();
                dw = b.slice(dw, vec![0; limit.len()], limit.clone(), vec![1; limit.len()])?;
            }
            None => {
                for (axis, size) in steps.taps.iter().enumerate() {
                    dw = b.take(dw, counted(b, *size)?, axis as i64 + 2)?;
                }
            }
        }
        restated(b, dw, self.weight())
    }
}

/// The first two dimensions in each other's place, where dimension `axis` is that of `groups` groups,
/// which stay in front.
fn exchanged<'c>(b: &Builder<'c>, x: Value<'c>, axis: usize, groups: i64) -> Result<Value<'c>> {
    let sizes = extents(b, x)?;
    let rank = sizes.len() as i64;
    if groups == 1 {
        return b.transpose(x, [1, 0].into_iter().chain(2..rank).collect());
    }
    let groups = Extent::Known(groups);
    let mut split = sizes.clone();
    split.splice(axis..=axis, [groups, sizes[axis].div(b, groups)?]);
    let order: [i64; 3] = if axis == 0 { [0, 2, 1] } else { [2, 1, 0] };
    let x = b.transpose(reshape(b, x, &split)?, order.into_iter().chain(3..=rank).collect())?;
    let merged = |i: usize, j: usize| split[order[i] as usize].mul(b, split[order[j] as usize]);
    let outer = match axis {
        0 => [merged(0, 1)?, split[1]],
        _ => [split[2], merged(1, 2)?],
    };
    reshape(b, x, &[&outer, &split[3..]].concat())
}
