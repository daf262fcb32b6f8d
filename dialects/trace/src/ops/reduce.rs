//! Reductions over dimensions.

use std::ops::RangeFull;
use std::panic::Location;

use thunder_dialect::build::*;
use thunder_tensor::DType;

use crate::Tensor;

/// Which dimensions: one, several, or all with `..`.
#[derive(Clone, Debug)]
pub struct Axes(Option<Vec<i64>>);

impl From<RangeFull> for Axes {
    fn from(_: RangeFull) -> Self {
        Self(None)
    }
}

impl From<i32> for Axes {
    fn from(axis: i32) -> Self {
        Self(Some(vec![axis.into()]))
    }
}

impl From<i64> for Axes {
    fn from(axis: i64) -> Self {
        Self(Some(vec![axis]))
    }
}

impl<A: Into<i64>, const N: usize> From<[A; N]> for Axes {
    fn from(axes: [A; N]) -> Self {
        Self(Some(axes.into_iter().map(Into::into).collect()))
    }
}

impl From<Vec<i64>> for Axes {
    fn from(axes: Vec<i64>) -> Self {
        Self(Some(axes))
    }
}

impl<'t> Tensor<'t> {
    /// The dimensions in ascending order.
    pub(crate) fn axes(self, axes: Axes) -> Vec<i64> {
        let Some(axes) = axes.0 else { return (0..self.rank() as i64).collect() };
        let mut numbers: Vec<i64> = axes.iter().map(|axis| self.axis(*axis) as i64).collect();
        numbers.sort_unstable();
        if let Some(twice) = numbers.windows(2).find(|pair| pair[0] == pair[1]) {
            self.site.fail(format!("dimension {} is named twice in {axes:?}", twice[0]));
        }
        numbers
    }
}

/// Defines reductions. Each line: docs, name, name of the variant that keeps the dimensions with size
/// 1, the builder's method, and the dtype to compute in.
macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident $keeping:ident $build:ident $dtype:ident;)*) => {
        impl<'t> Tensor<'t> {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $name(self, axes: impl Into<Axes>) -> Self {
                let _at = self.site.at(Location::caller());
                let (x, axes) = (self.$dtype(), self.axes(axes.into()));
                x.site.op(&[x], |b| b.$build(x.value, axes, false))
            }

            $(#[$doc])*
            /// The dimensions stay, with size 1.
            #[track_caller]
            pub fn $keeping(self, axes: impl Into<Axes>) -> Self {
                let _at = self.site.at(Location::caller());
                let (x, axes) = (self.$dtype(), self.axes(axes.into()));
                x.site.op(&[x], |b| b.$build(x.value, axes, true))
            }
        )*}
    };
}

reductions! {
    /// Sum over dimensions; integers and truth values are summed in `i64`.
    sum sum_keepdim sum accumulated;
    /// Product over dimensions; that of integers and truth values is an `i64`.
    prod prod_keepdim prod accumulated;
    /// Arithmetic mean over dimensions.
    mean mean_keepdim mean unchanged;
    /// Largest element over dimensions, NaN if any is.
    amax amax_keepdim amax unchanged;
    /// Smallest element over dimensions, NaN if any is.
    amin amin_keepdim amin unchanged;
    /// Logarithm of the sum of exponentials over dimensions, which neither overflows nor vanishes.
    logsumexp logsumexp_keepdim logsumexp unchanged;
    /// Whether any element over dimensions is true, or not zero.
    any any_keepdim any truth;
    /// Whether all elements over dimensions are true, or not zero.
    all all_keepdim all truth;
}

impl<'t> Tensor<'t> {
    pub(super) fn unchanged(self) -> Self {
        self
    }

    pub(super) fn accumulated(self) -> Self {
        self.converted(if self.dtype().part().is_float() { self.dtype() } else { DType::I64 })
    }

    fn truth(self) -> Self {
        if self.dtype() == DType::Bool { self } else { self.ne(0) }
    }

    /// Variance over dimensions: the sum of squared distances to the mean, divided by the number of
    /// elements less `correction`.
    #[track_caller]
    pub fn var(self, axes: impl Into<Axes>, correction: f64) -> Self {
        let _at = self.site.at(Location::caller());
        let axes = self.axes(axes.into());
        self.site.op(&[self], |b| b.var(self.value, axes, correction, false))
    }

    /// Square root of the variance.
    #[track_caller]
    pub fn std(self, axes: impl Into<Axes>, correction: f64) -> Self {
        let _at = self.site.at(Location::caller());
        self.var(axes, correction).sqrt()
    }

    /// Variance and mean over dimensions.
    #[track_caller]
    pub fn var_mean(self, axes: impl Into<Axes>, correction: f64) -> (Self, Self) {
        let _at = self.site.at(Location::caller());
        let axes = self.axes(axes.into());
        let [variance, mean] = self.site.ops(&[self], |b| {
            let op = b.var_mean(self.value, axes, correction, false)?;
            Ok([op.variance(), op.mean()])
        });
        (variance, mean)
    }

    /// Position of the largest element along a dimension; the first of equal ones.
    #[track_caller]
    pub fn argmax(self, axis: i64) -> Self {
        let _at = self.site.at(Location::caller());
        let axis = self.axis(axis) as i64;
        self.site.op(&[self], |b| b.argmax(self.value, axis, false))
    }

    /// Position of the smallest element along a dimension; the first of equal ones.
    #[track_caller]
    pub fn argmin(self, axis: i64) -> Self {
        let _at = self.site.at(Location::caller());
        let axis = self.axis(axis) as i64;
        self.site.op(&[self], |b| b.argmin(self.value, axis, false))
    }

    /// Euclidean length along dimensions, which stay with size 1.
    #[track_caller]
    pub fn norm(self, axes: impl Into<Axes>) -> Self {
        let _at = self.site.at(Location::caller());
        (self * self).sum_keepdim(axes).sqrt()
    }
}
