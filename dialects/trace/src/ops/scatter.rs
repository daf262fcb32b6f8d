//! Elements combined with others at places chosen by indices.

use std::panic::Location;

use thunder_dialect::build::*;
use thunder_dialect::ops::scatter_reduce::Reduction;

use crate::Tensor;

impl<'t> Tensor<'t> {
    /// The tensor with slices of `updates` added to its own along a dimension, one for each index.
    #[track_caller]
    pub fn index_add(self, axis: i64, indices: Tensor<'t>, updates: Tensor<'t>) -> Self {
        let _at = self.site.at(Location::caller());
        let (axis, updates) = (self.axis(axis) as i64, updates.converted(self.dtype()));
        self.site.op(&[self, indices, updates], |b| b.index_add(self.value, indices.value, updates.value, axis))
    }

    /// The tensor with elements of `updates` added to its own along a dimension, each at its own index.
    #[track_caller]
    pub fn scatter_add(self, axis: i64, indices: Tensor<'t>, updates: Tensor<'t>) -> Self {
        let _at = self.site.at(Location::caller());
        let (axis, updates) = (self.axis(axis) as i64, updates.converted(self.dtype()));
        self.site.op(&[self, indices, updates], |b| b.scatter_add(self.value, indices.value, updates.value, axis))
    }

    /// The tensor with its elements along a dimension replaced by those of `updates`, each at its own index; of several
    /// with one index, the last counts.
    #[track_caller]
    pub fn scatter(self, axis: i64, indices: Tensor<'t>, updates: Tensor<'t>) -> Self {
        let _at = self.site.at(Location::caller());
        self.scatter_reduce(axis, indices, updates, Reduction::Replace)
    }

    /// The tensor with its elements along a dimension combined with those of `updates`, each at its own index.
    #[track_caller]
    pub fn scatter_reduce(self, axis: i64, indices: Tensor<'t>, updates: Tensor<'t>, reduce: Reduction) -> Self {
        let _at = self.site.at(Location::caller());
        let (axis, updates) = (self.axis(axis) as i64, updates.converted(self.dtype()));
        self.site
            .op(&[self, indices, updates], |b| b.scatter_reduce(self.value, indices.value, updates.value, axis, reduce))
    }
}
