//! Choices between elements.

use std::panic::Location;

use thunder_dialect::build::*;

use crate::{Operand, Scalar, Tensor};

impl<'t> Tensor<'t> {
    /// Elements of `on_true` where this tensor of truth values is true, of `on_false` elsewhere.
    #[track_caller]
    pub fn where_(self, on_true: impl Into<Operand<'t>>, on_false: impl Into<Operand<'t>>) -> Self {
        let _at = self.site.at(Location::caller());
        let (on_true, on_false) = (on_true.into(), on_false.into());
        let dtype = self.site.common_dtype(&[on_true, on_false]);
        // The condition's dtype does not count, but its shape does.
        let shape = self.site.common_sizes(&[self.into(), on_true, on_false]);
        let condition = self.broadcast(&shape);
        let [yes, no] = [on_true, on_false].map(|operand| self.site.operand(operand, &shape, dtype));
        self.site.op(&[condition, yes, no], |b| b.where_(condition.value, yes.value, no.value))
    }

    /// `value` where `mask` is true, the tensor elsewhere.
    #[track_caller]
    pub fn masked_fill(self, mask: Tensor<'t>, value: impl Into<Scalar>) -> Self {
        let _at = self.site.at(Location::caller());
        let value = self.site.full(Vec::new(), value.into(), self.dtype());
        mask.where_(value, self)
    }

    /// The tensor, but not below `min` and not above `max`.
    #[track_caller]
    pub fn clamp<S: Into<Scalar>>(self, min: Option<S>, max: Option<S>) -> Self {
        let _at = self.site.at(Location::caller());
        let (min, max) = (min.map(Into::into), max.map(Into::into));
        let bounds = [min, max].into_iter().flatten().map(Operand::Scalar);
        let dtype = self.site.common_dtype(&[self.into()].into_iter().chain(bounds).collect::<Vec<_>>());
        let x = self.converted(dtype);
        let [min, max] = [min, max].map(|bound| bound.map(|bound| self.site.literal(bound, dtype)));
        x.site.op(&[x], |b| b.clamp(x.value, min, max))
    }

    /// The lower triangle of matrices: zero right of the diagonal, which `diagonal` moves to the right.
    #[track_caller]
    pub fn tril(self, diagonal: i64) -> Self {
        let _at = self.site.at(Location::caller());
        let (rows, columns) = self.positions();
        let outside = columns.gt(rows + diagonal);
        self.masked_fill(outside, 0)
    }

    /// The upper triangle of matrices: zero left of the diagonal, which `diagonal` moves to the right.
    #[track_caller]
    pub fn triu(self, diagonal: i64) -> Self {
        let _at = self.site.at(Location::caller());
        let (rows, columns) = self.positions();
        let outside = columns.lt(rows + diagonal);
        self.masked_fill(outside, 0)
    }

    /// The numbers of the rows and of the columns of matrices, as a column and as a row.
    fn positions(self) -> (Self, Self) {
        let sizes = self.sizes();
        let row = self.axis(-2);
        let count = |axis: usize| self.site.count(sizes[axis].clone());
        (count(row).unsqueeze(-1), count(row + 1))
    }
}
