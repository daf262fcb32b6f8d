//! Sliding windows, as convolutions and pools move them over the spatial dimensions of `N C ...`.

pub mod transpose;

use thunder_interface::{Dim, EvalError};
use thunder_ir::Result;
use thunder_ir::op::Op;

/// The attributes of a window: one entry per spatial dimension each, absent ones mean the plainest.
pub struct WindowAttributes {
    /// The steps between windows; absent: as given to [`Window::new`].
    pub stride: Option<Vec<i64>>,
    /// Pairs of elements before the first and after the last; absent: none.
    pub padding: Option<Vec<Vec<i64>>>,
    /// The steps between taps of one window; absent: 1.
    pub dilation: Option<Vec<i64>>,
}

/// The largest padding or step: no tensor in memory has more elements along a dimension, and sums and products of a few
/// such numbers with sizes do not overflow.
pub const FARTHEST: i64 = 1 << 40;

/// A window that slides over spatial dimensions.
pub struct Window {
    /// Taps per dimension.
    size: Vec<Dim>,
    stride: Vec<i64>,
    padding: Vec<(i64, i64)>,
    dilation: Vec<i64>,
}

impl Window {
    /// The window of `size` taps; an error with `label` unless each attribute has one entry per
    /// dimension, steps are positive and paddings are not negative.
    pub fn new<'c>(
        op: &impl Op<'c>,
        size: &[Dim],
        default_stride: &[i64],
        attributes: WindowAttributes,
        label: &str,
    ) -> Result<Self> {
        let rank = size.len();
        let entries = |name: &str, count: usize| match count == rank {
            true => Ok(()),
            false => Err(op.error(format!("{label} {name} has {count} entries for {rank} spatial dimensions"))),
        };
        let steps = |name: &str, steps: Vec<i64>| {
            entries(name, steps.len())?;
            if let Some(step) = steps.iter().find(|step| **step < 1) {
                return Err(op.error(format!("{label} {name} {step} is not positive")));
            }
            match steps.iter().find(|step| **step > FARTHEST) {
                Some(step) => Err(op.error(format!("{label} {name} {step} is beyond 2^40"))),
                None => Ok(steps),
            }
        };
        let padding = attributes.padding.unwrap_or_else(|| vec![vec![0, 0]; rank]);
        entries("padding", padding.len())?;
        let pair = |pad: &Vec<i64>| match pad[..] {
            [low, high] if low > FARTHEST || high > FARTHEST => {
                Err(op.error(format!("{label} padding {pad:?} is beyond 2^40")))
            }
            [low, high] if low >= 0 && high >= 0 => Ok((low, high)),
            _ => Err(op.error(format!("{label} padding {pad:?} is not a pair of sizes"))),
        };
        Ok(Self {
            size: size.to_vec(),
            stride: steps("stride", attributes.stride.unwrap_or_else(|| default_stride.to_vec()))?,
            padding: padding.iter().map(pair).collect::<Result<_>>()?,
            dilation: steps("dilation", attributes.dilation.unwrap_or_else(|| vec![1; rank]))?,
        })
    }

    /// The number of positions over a space; an error with `label` where the window does not fit.
    pub fn positions<'c>(&self, op: &impl Op<'c>, space: &[Dim], label: &str) -> Result<Vec<Dim>> {
        let one = Dim::Known(1);
        let mut positions = Vec::new();
        for (axis, extent) in space.iter().enumerate() {
            let (low, high) = self.padding[axis];
            let padded = extent.add(&Dim::Known(low)).add(&Dim::Known(high));
            let reach = self.size[axis].sub(&one).mul(&Dim::Known(self.dilation[axis])).add(&one);
            if reach.known().is_some_and(|reach| reach < 1) {
                return Err(op.error(format!("{label} the window has no elements in spatial dimension {axis}")));
            }
            if let (Some(reach), Some(padded)) = (reach.known(), padded.known())
                && reach > padded
            {
                return Err(op.error(format!(
                    "{label} the window spans {reach} of only {padded} elements in spatial dimension {axis}"
                )));
            }
            positions.push(padded.sub(&reach).floor_div(&Dim::Known(self.stride[axis])).add(&one));
        }
        Ok(positions)
    }

    /// For every position and tap in row-major order: where in a row-major space it reads, `None`
    /// for padding.
    pub fn reads(&self, space: &[usize], positions: &[usize]) -> Result<Vec<Option<usize>>, EvalError> {
        let size = self.taps()?;
        let count = positions.iter().chain(&size).try_fold(1usize, |n, extent| n.checked_mul(*extent));
        let count = count.ok_or_else(|| EvalError::Input("a window has too many positions".to_owned()))?;
        let mut reads = Vec::with_capacity(count);
        thunder_tensor::walk::IndexSpace::new(positions).for_each(|position| {
            thunder_tensor::walk::IndexSpace::new(&size).for_each(|tap| {
                reads.push(self.read(space, position, tap));
            });
        });
        Ok(reads)
    }

    /// The number of taps per dimension.
    pub fn taps(&self) -> Result<Vec<usize>, EvalError> {
        let known = |dim: &Dim| dim.known().and_then(|size| usize::try_from(size).ok());
        let taps: Option<_> = self.size.iter().map(known).collect();
        taps.ok_or_else(|| EvalError::Input("the size of a window is not known".to_owned()))
    }

    fn read(&self, space: &[usize], position: &[usize], tap: &[usize]) -> Option<usize> {
        let mut offset = 0;
        for (axis, extent) in space.iter().enumerate() {
            let place = position[axis] as i64 * self.stride[axis] + tap[axis] as i64 * self.dilation[axis]
                - self.padding[axis].0;
            let place = usize::try_from(place).ok().filter(|place| place < extent)?;
            offset = offset * extent + place;
        }
        Some(offset)
    }
}
