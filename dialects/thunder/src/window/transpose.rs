//! Windows moved backwards: from what they saw to where it was.

use crate::build::*;
use crate::compose::{Extent, broadcast, count, extents, reshape};
use crate::cotangent::{counted, cropped, integers, padded, padded_by};
use thunder_ir::{Builder, Result, Value};

/// How windows move over the space of a tensor `[batch, channels, space...]`.
pub struct Steps<'c> {
    /// The sizes of the space.
    pub space: Vec<Extent<'c>>,
    /// The numbers of positions.
    pub positions: Vec<Extent<'c>>,
    /// The taps of a window.
    pub taps: Vec<Extent<'c>>,
    pub stride: Vec<i64>,
    pub dilation: Vec<i64>,
    pub low: Vec<i64>,
    pub high: Vec<i64>,
}

impl<'c> Steps<'c> {
    /// From the attributes of an op whose windows take `x` to `out`.
    pub fn of(
        b: &Builder<'c>,
        x: Value<'c>,
        out: Value<'c>,
        taps: Vec<Extent<'c>>,
        stride: Vec<i64>,
        padding: Option<Vec<Vec<i64>>>,
        dilation: Option<Vec<i64>>,
    ) -> Result<Self> {
        let rank = taps.len();
        let side = |side: usize| match &padding {
            Some(pairs) => pairs.iter().map(|pair| pair.get(side).copied().unwrap_or(0)).collect(),
            None => vec![0; rank],
        };
        let (low, high) = (side(0), side(1));
        let (space, positions) = (extents(b, x)?.split_off(2), extents(b, out)?.split_off(2));
        Ok(Self { space, positions, taps, stride, dilation: dilation.unwrap_or_else(|| vec![1; rank]), low, high })
    }

    /// `x`, which has an element for each position, with zeros between and around: a window with the
    /// same taps and steps of 1 over it sees all positions that saw an element of the space.
    ///
    /// That window gives the padded space; [`Unrolled::crop`] takes the padding away.
    pub fn unrolled(&self, b: &Builder<'c>, x: Value<'c>) -> Result<Unrolled<'c>> {
        let rank = self.space.len();
        let outer = |inner: &[i64]| [&[0, 0], inner].concat();
        let interior: Vec<i64> = self.stride.iter().map(|stride| stride - 1).collect();
        if let Some(margins) = self.margins() {
            let (low, high): (Vec<_>, Vec<_>) = margins.into_iter().unzip();
            let value = padded_by(b, x, outer(&low), outer(&high), outer(&interior))?;
            return Ok(Unrolled { value, low: outer(&vec![0; rank]), high: outer(&vec![0; rank]) });
        }
        let mut value = padded_by(b, x, vec![0; rank + 2], vec![0; rank + 2], outer(&interior))?;
        for axis in 0..rank {
            let known = Extent::Known;
            let reach = self.taps[axis].sub(b, known(1))?.mul(b, known(self.dilation[axis]))?;
            let seen = self.positions[axis].sub(b, known(1))?.mul(b, known(self.stride[axis]))?.add(b, reach)?;
            let space = self.space[axis].add(b, known(self.low[axis] + self.high[axis] - 1))?;
            let high = reach.add(b, space.sub(b, seen)?)?;
            value = padded(b, value, axis + 2, reach, high)?;
        }
        Ok(Unrolled { value, low: outer(&self.low), high: outer(&self.high) })
    }

    /// Zeros before and after the positions where all sizes are known; what would only give padding
    /// is left out.
    fn margins(&self) -> Option<Vec<(i64, i64)>> {
        let margin = |axis: usize| {
            let [space, positions, taps] = [&self.space, &self.positions, &self.taps].map(|list| list[axis].stated());
            let reach = self.dilation[axis] * (taps? - 1);
            let left = space? + self.low[axis] - ((positions? - 1) * self.stride[axis] + 1);
            Some((reach - self.low[axis], left))
        };
        (0..self.space.len()).map(margin).collect()
    }

    /// For each spatial dimension the place in the padded space of each tap at each position.
    fn places(&self, b: &Builder<'c>) -> Result<Vec<Value<'c>>> {
        let place = |axis: usize| {
            let sizes = [self.positions[axis], self.taps[axis]];
            let along = |dim: usize, step: i64| -> Result<Value<'c>> {
                let steps = b.mul(counted(b, sizes[dim])?, integers(b, step, &sizes[dim..=dim])?)?;
                broadcast(b, steps, &[dim], &sizes)
            };
            b.add(along(0, self.stride[axis])?, along(1, self.dilation[axis])?)
        };
        (0..self.space.len()).map(place).collect()
    }

    /// What every tap sees at every position of the padded `x`: `[outer..., positions..., taps]`.
    pub fn seen(&self, b: &Builder<'c>, x: Value<'c>) -> Result<Value<'c>> {
        let rank = self.space.len();
        let outer = extents(b, x)?.len() - rank;
        let mut x = x;
        for (axis, places) in self.places(b)?.into_iter().enumerate().rev() {
            x = b.take(x, places, (outer + axis) as i64)?;
        }
        let pairs = |first: usize| (0..rank).map(move |axis| outer + 2 * axis + first);
        let order = (0..outer).chain(pairs(0)).chain(pairs(1)).map(|axis| axis as i64).collect();
        let x = b.transpose(x, order)?;
        let mut sizes = extents(b, x)?;
        let taps = sizes.split_off(outer + rank);
        sizes.push(count(b, &taps)?);
        reshape(b, x, &sizes)
    }
}

/// A cotangent that windows of step 1 move over.
pub struct Unrolled<'c> {
    /// The cotangent.
    pub value: Value<'c>,
    low: Vec<i64>,
    high: Vec<i64>,
}

impl<'c> Unrolled<'c> {
    /// The space without its padding.
    pub fn crop(&self, b: &Builder<'c>, x: Value<'c>) -> Result<Value<'c>> {
        cropped(b, x, &self.low, &self.high, &vec![1; self.low.len()])
    }
}
