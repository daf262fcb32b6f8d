//! Parts of tensors, and tensors from parts.

use std::ops::{Bound, RangeBounds};
use std::panic::Location;

use thunder_dialect::build::*;
use thunder_dialect::ops::slice::END;
use thunder_interface::Dim as Size;

use crate::tracer::fail_at;
use crate::{Operand, Scalar, Tensor};

impl<'t> Tensor<'t> {
    /// The elements of a range along a dimension; as in Python, bounds below zero count from the end,
    /// and bounds beyond it are moved to it.
    #[track_caller]
    pub fn slice(self, axis: i64, range: impl RangeBounds<i64>) -> Self {
        let _at = self.site.at(Location::caller());
        self.slice_step(axis, range, 1)
    }

    /// Every `step`-th element of a range along a dimension.
    #[track_caller]
    pub fn slice_step(self, axis: i64, range: impl RangeBounds<i64>, step: i64) -> Self {
        let _at = self.site.at(Location::caller());
        let axis = self.axis(axis);
        let rank = self.rank();
        let (mut start, mut limit, mut stride) = (vec![0; rank], vec![END; rank], vec![1; rank]);
        start[axis] = match range.start_bound() {
            Bound::Included(first) => *first,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => 0,
        };
        limit[axis] = match range.end_bound() {
            // Everything up to the last element.
            Bound::Included(-1) | Bound::Unbounded => END,
            Bound::Included(last) => last + 1,
            Bound::Excluded(end) => *end,
        };
        stride[axis] = step;
        self.site.op(&[self], |b| b.slice(self.value, start, limit, stride))
    }

    /// `length` elements along a dimension, from `start` on.
    #[track_caller]
    pub fn narrow(self, axis: i64, start: i64, length: i64) -> Self {
        let _at = self.site.at(Location::caller());
        self.check_range(self.axis(axis), start, length);
        self.slice(axis, start..start + length)
    }

    /// The part at a position of a dimension, which vanishes.
    #[track_caller]
    pub fn select(self, axis: i64, index: i64) -> Self {
        let _at = self.site.at(Location::caller());
        let axis = self.axis(axis);
        self.check_range(axis, index, 1);
        // What follows the last element is the end, not element 0.
        let end = if index == -1 { END } else { index + 1 };
        self.slice(axis as i64, index..end).squeeze(axis as i64)
    }

    /// `size` elements along a dimension, from the position that an integer tensor of rank 0 holds when the program runs.
    #[track_caller]
    pub fn dynamic_slice(self, axis: i64, start: Tensor<'t>, size: i64) -> Self {
        let _at = self.site.at(Location::caller());
        let axis = self.axis(axis) as i64;
        self.site.op(&[self, start], |b| b.dynamic_slice(self.value, start.value, axis, size))
    }

    /// The tensor with its elements along a dimension replaced by `update`, from the position that an integer tensor of
    /// rank 0 holds when the program runs.
    #[track_caller]
    pub fn dynamic_update_slice(self, axis: i64, start: Tensor<'t>, update: Tensor<'t>) -> Self {
        let _at = self.site.at(Location::caller());
        let axis = self.axis(axis) as i64;
        let update = update.converted(self.dtype());
        self.site.op(&[self, update, start], |b| b.dynamic_update_slice(self.value, update.value, start.value, axis))
    }

    fn check_range(self, axis: usize, start: i64, length: i64) {
        let Size::Known(size) = self.sizes()[axis] else { return };
        let first = if start < 0 { start + size } else { start };
        if first < 0 || length < 0 || first + length > size {
            self.site.fail(format!("{length} elements from {start} on are not in dimension {axis} of {self}"));
        }
    }

    /// Parts of `size` elements each along a dimension, of which the last may be smaller.
    #[track_caller]
    pub fn split(self, size: i64, axis: i64) -> Vec<Self> {
        let _at = self.site.at(Location::caller());
        let total = self.known_size(axis);
        if size < 1 {
            self.site.fail(format!("parts of {size} elements"));
        }
        (0..total).step_by(size as usize).map(|start| self.slice(axis, start..start + size)).collect()
    }

    /// `count` equal parts along a dimension.
    #[track_caller]
    pub fn chunk(self, count: i64, axis: i64) -> Vec<Self> {
        let _at = self.site.at(Location::caller());
        let total = self.known_size(axis);
        if count < 1 || total % count != 0 {
            self.site.fail(format!("{total} elements do not divide into {count} equal parts"));
        }
        self.split((total / count).max(1), axis)
    }

    fn known_size(self, axis: i64) -> i64 {
        let size = &self.sizes()[self.axis(axis)];
        size.known().unwrap_or_else(|| {
            self.site.fail(format!("dimension {axis} of {self} is not known, so it cannot be split into parts"))
        })
    }

    /// Slices along a dimension, one for each index.
    #[track_caller]
    pub fn index_select(self, axis: i64, indices: Tensor<'t>) -> Self {
        let _at = self.site.at(Location::caller());
        let axis = self.axis(axis) as i64;
        self.site.op(&[self, indices], |b| b.take(self.value, indices.value, axis))
    }

    /// Elements along a dimension, at the index of each position.
    #[track_caller]
    pub fn gather(self, axis: i64, indices: Tensor<'t>) -> Self {
        let _at = self.site.at(Location::caller());
        let axis = self.axis(axis) as i64;
        self.site.op(&[self, indices], |b| b.take_along_axis(self.value, indices.value, axis))
    }

    /// Rows of `weight`, one for each of these indices.
    #[track_caller]
    pub fn embedding(self, weight: Tensor<'t>) -> Self {
        let _at = self.site.at(Location::caller());
        self.site.op(&[weight, self], |b| b.embedding(weight.value, self.value))
    }

    /// Elements `value` around the last dimensions: a pair for each, of how many come before and after.
    #[track_caller]
    pub fn pad(self, widths: &[(i64, i64)], value: impl Into<Scalar>) -> Self {
        let _at = self.site.at(Location::caller());
        let rank = self.rank();
        if widths.len() > rank {
            self.site.fail(format!("{} pairs of paddings for {rank} dimensions", widths.len()));
        }
        let (mut low, mut high) = (vec![0; rank - widths.len()], vec![0; rank - widths.len()]);
        low.extend(widths.iter().map(|(low, _)| low));
        high.extend(widths.iter().map(|(_, high)| high));
        self.pad_between(&low, &high, &vec![0; rank], value)
    }

    /// Elements `value` around and between those of each dimension: how many come before, after, and between neighbours;
    /// numbers below zero take away at the ends.
    #[track_caller]
    pub fn pad_between(self, low: &[i64], high: &[i64], interior: &[i64], value: impl Into<Scalar>) -> Self {
        let _at = self.site.at(Location::caller());
        let value = value.into();
        if let (true, Scalar::Complex(re, im)) = (self.dtype().is_complex(), value) {
            let re = self.real().pad_between(low, high, interior, re);
            return re.complex(self.imag().pad_between(low, high, interior, im));
        }
        let value = self.site.literal(value, self.dtype().part());
        self.site.op(&[self], |b| b.pad(self.value, low.to_vec(), high.to_vec(), interior.to_vec(), value))
    }
}

/// Tensors one after the other along a dimension that they have.
#[track_caller]
pub fn cat<'t>(parts: &[Tensor<'t>], axis: i64) -> Tensor<'t> {
    let first = first(parts);
    let site = first.site;
    let _at = site.at(Location::caller());
    let dtype = site.common_dtype(&parts.iter().map(|part| Operand::Tensor(*part)).collect::<Vec<_>>());
    let parts: Vec<_> = parts.iter().map(|part| part.converted(dtype)).collect();
    let values: Vec<_> = parts.iter().map(|part| part.value).collect();
    let axis = first.axis(axis) as i64;
    site.op(&parts, |b| b.concat(&values, axis))
}

/// Tensors one after the other along a new dimension.
#[track_caller]
pub fn stack<'t>(parts: &[Tensor<'t>], axis: i64) -> Tensor<'t> {
    let first = first(parts);
    let _at = first.site.at(Location::caller());
    let axis = first.axis_below(axis, first.rank() + 1) as i64;
    cat(&parts.iter().map(|part| part.unsqueeze(axis)).collect::<Vec<_>>(), axis)
}

#[track_caller]
fn first<'t>(parts: &[Tensor<'t>]) -> Tensor<'t> {
    match parts {
        [first, ..] => *first,
        [] => fail_at(Location::caller(), "there is nothing to concatenate"),
    }
}
