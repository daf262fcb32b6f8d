//! Order: sorting, and what is found by it.

use std::panic::Location;

use thunder_dialect::build::*;
use thunder_tensor::DType;

use crate::Tensor;

impl<'t> Tensor<'t> {
    /// The positions that the elements along a dimension have, in the order of the elements: equal ones keep their order,
    /// and NaN is greater than every number.
    #[track_caller]
    pub fn argsort(self, axis: i64, descending: bool) -> Self {
        let _at = self.site.at(Location::caller());
        let axis = self.axis(axis) as i64;
        self.site.op(&[self], |b| b.argsort(self.value, axis, descending))
    }

    /// The elements in order along a dimension, and the positions that they had.
    #[track_caller]
    pub fn sort(self, axis: i64, descending: bool) -> (Self, Self) {
        let _at = self.site.at(Location::caller());
        let axis = self.axis(axis) as i64;
        let [values, indices] = self.site.ops(&[self], |b| {
            let op = b.sort(self.value, axis, descending)?;
            Ok([op.values(), op.indices()])
        });
        (values, indices)
    }

    /// The `count` largest elements along a dimension, or the smallest, in order, and the positions that they had.
    #[track_caller]
    pub fn topk(self, count: i64, axis: i64, largest: bool) -> (Self, Self) {
        let _at = self.site.at(Location::caller());
        let axis = self.axis(axis) as i64;
        let [values, indices] = self.site.ops(&[self], |b| {
            let op = b.topk(self.value, axis, count, largest)?;
            Ok([op.values(), op.indices()])
        });
        (values, indices)
    }

    /// How many elements of these sorted rows, or of one row for all, are less than each of `values`; with `right`, how
    /// many are not greater. Rows and values have the same outer dimensions.
    #[track_caller]
    pub fn searchsorted(self, values: Tensor<'t>, right: bool) -> Self {
        let _at = self.site.at(Location::caller());
        let row = if self.rank() == 1 { self } else { self.unsqueeze(-2) };
        let value = values.unsqueeze(-1);
        // All are before NaN.
        let is_after = if right { row.gt(value) } else { row.ge(value) };
        (!is_after).to(DType::I64).sum(-1)
    }
}
