//! Running reductions along a dimension.

use std::panic::Location;

use thunder_dialect::build::*;
use thunder_tensor::DType;

use crate::Tensor;

/// Defines scans. Each line: docs, name, which is the builder's method as well, and the dtype to compute in.
macro_rules! scans {
    ($($(#[$doc:meta])* $name:ident $dtype:ident;)*) => {
        impl<'t> Tensor<'t> {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $name(self, axis: i64) -> Self {
                let _at = self.site.at(Location::caller());
                let (x, axis) = (self.$dtype(), self.axis(axis) as i64);
                x.site.op(&[x], |b| b.$name(x.value, axis))
            }
        )*}
    };
}

scans! {
    /// Sum of the elements up to each position along a dimension; integers and truth values are summed in `i64`.
    cumsum accumulated;
    /// Product of the elements up to each position along a dimension; that of integers and truth values is an `i64`.
    cumprod accumulated;
    /// Largest of the elements up to each position along a dimension; NaN once any is.
    cummax unchanged;
    /// Smallest of the elements up to each position along a dimension; NaN once any is.
    cummin unchanged;
    /// Logarithm of the sum of exponentials of the elements up to each position along a dimension.
    logcumsumexp unchanged;
}

impl<'t> Tensor<'t> {
    /// For what [`Self::cummax`] or [`Self::cummin`] makes of this tensor along a dimension: where each value comes from,
    /// the last place of equal ones.
    #[track_caller]
    pub fn running_position(self, running: Tensor<'t>, axis: i64) -> Self {
        let _at = self.site.at(Location::caller());
        let axis = self.axis(axis);
        let mut place = self.site.count(self.sizes()[axis].clone());
        for _ in axis + 1..self.rank() {
            place = place.unsqueeze(-1);
        }
        let is_new = self.eq(running);
        let is_new = if self.dtype().is_float() { is_new | self.isnan() } else { is_new };
        is_new.where_(place, self.site.full(Vec::new(), 0.into(), DType::I64)).cummax(axis as i64)
    }
}
