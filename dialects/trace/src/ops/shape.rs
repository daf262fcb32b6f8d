//! The same elements under another shape.

use std::panic::Location;

use thunder_dialect::build::*;
use thunder_interface::{Dim as Size, DimExpr};

use crate::{Axes, Dim, Dims, Tensor};

impl<'t> Tensor<'t> {
    /// The elements in the same order under another shape, of which one size may be -1: what is left.
    #[track_caller]
    pub fn reshape(self, dims: impl Dims) -> Self {
        let _at = self.site.at(Location::caller());
        let mut dims = dims.dims();
        let own = self.sizes();
        let open: Vec<usize> = (0..dims.len()).filter(|i| dims[*i].known() == Some(-1)).collect();
        if let Some(dim) = dims.iter().find(|dim| dim.known().is_some_and(|size| size < -1)) {
            self.site.fail(format!("a size of a shape cannot be {dim}"));
        }
        match open[..] {
            [] => {}
            [axis] => {
                dims[axis] = Dim::from(1);
                let left = self.left_over(&own, &self.site.resolve(&dims));
                dims[axis] = self.site.named(&[left]).swap_remove(0);
            }
            _ => self.site.fail(format!("more than one size of {dims:?} is -1")),
        }
        let sizes = self.site.resolve(&dims);
        let (before, after) = shared(&own, &sizes);
        if let (Some(before), Some(after)) = (Size::product(&before).known(), Size::product(&after).known())
            && before != after
        {
            self.site.fail(format!("shape {:?} has not the elements of {:?}", dims, self.shape()));
        }
        self.reshaped(sizes)
    }

    /// Like [`Self::reshape`]; named as PyTorch names it.
    #[track_caller]
    pub fn view(self, dims: impl Dims) -> Self {
        let _at = self.site.at(Location::caller());
        self.reshape(dims)
    }

    /// Merges the dimensions from `start` to `end`, both included.
    #[track_caller]
    pub fn flatten(self, start: i64, end: i64) -> Self {
        let _at = self.site.at(Location::caller());
        let sizes = self.sizes();
        let (start, end) = (self.axis(start), self.axis(end));
        if start > end {
            self.site.fail(format!("dimension {start} to merge from comes after dimension {end}"));
        }
        let merged = Size::product(&sizes[start..=end]);
        self.reshaped([&sizes[..start], &[merged], &sizes[end + 1..]].concat())
    }

    /// Splits a dimension; one of the sizes may be -1.
    #[track_caller]
    pub fn unflatten(self, axis: i64, dims: impl Dims) -> Self {
        let _at = self.site.at(Location::caller());
        let (axis, shape) = (self.axis(axis), self.shape());
        self.reshape([&shape[..axis], &dims.dims(), &shape[axis + 1..]].concat())
    }

    /// Removes a dimension of size 1.
    #[track_caller]
    pub fn squeeze(self, axis: i64) -> Self {
        let _at = self.site.at(Location::caller());
        let (axis, mut sizes) = (self.axis(axis), self.sizes().to_vec());
        if sizes[axis] != Size::Known(1) {
            self.site.fail(format!("dimension {axis} of {self} cannot be removed: its size is not 1"));
        }
        sizes.remove(axis);
        self.reshaped(sizes)
    }

    /// Adds a dimension of size 1 before dimension `axis`.
    #[track_caller]
    pub fn unsqueeze(self, axis: i64) -> Self {
        let _at = self.site.at(Location::caller());
        let mut sizes = self.sizes().to_vec();
        let axis = self.axis_below(axis, sizes.len() + 1);
        sizes.insert(axis, Size::Known(1));
        self.reshaped(sizes)
    }

    /// Repeats dimensions of size 1; a size of -1 stays as it is.
    #[track_caller]
    pub fn expand(self, dims: impl Dims) -> Self {
        let _at = self.site.at(Location::caller());
        let (own, mut dims) = (self.shape(), dims.dims());
        let Some(new) = dims.len().checked_sub(own.len()) else {
            self.site.fail(format!("{self} has more dimensions than {dims:?}"));
        };
        for (dim, own) in dims[new..].iter_mut().zip(own) {
            if dim.known() == Some(-1) {
                *dim = own;
            }
        }
        let sizes = self.site.resolve(&dims);
        let common = self.site.broadcast_sizes(&self.sizes(), &sizes);
        if common != sizes {
            self.site.fail(format!("{self} cannot be expanded to {dims:?}"));
        }
        self.broadcast(&sizes)
    }

    /// Exchanges two dimensions.
    #[track_caller]
    pub fn transpose(self, a: i64, b: i64) -> Self {
        let _at = self.site.at(Location::caller());
        let mut order: Vec<i64> = (0..self.rank() as i64).collect();
        order.swap(self.axis(a), self.axis(b));
        self.site.op(&[self], |builder| builder.transpose(self.value, order))
    }

    /// A matrix with rows and columns exchanged.
    #[track_caller]
    pub fn t(self) -> Self {
        let _at = self.site.at(Location::caller());
        self.transpose(-2, -1)
    }

    /// Brings the dimensions into another order.
    #[track_caller]
    pub fn permute<const N: usize>(self, order: [i64; N]) -> Self {
        let _at = self.site.at(Location::caller());
        let order = order.iter().map(|axis| self.axis(*axis) as i64).collect();
        self.site.op(&[self], |b| b.transpose(self.value, order))
    }

    /// Reverses the order of elements along dimensions.
    #[track_caller]
    pub fn flip(self, axes: impl Into<Axes>) -> Self {
        let _at = self.site.at(Location::caller());
        let axes = self.axes(axes.into());
        self.site.op(&[self], |b| b.reverse(self.value, axes))
    }

    pub(crate) fn reshaped(self, sizes: Vec<Size>) -> Self {
        if *self.sizes() == *sizes {
            return self;
        }
        let element = self.value.ty().element();
        self.site.sized_op(&[self], element, sizes, |b, dynamic, ty| b.reshape(self.value, dynamic, ty))
    }

    /// The size that makes the elements of `to` as many as those of `from`.
    fn left_over(self, from: &[Size], to: &[Size]) -> Size {
        let (before, after) = shared(from, to);
        let (before, after) = (Size::product(&before), Size::product(&after));
        match (before.known(), after.known()) {
            (Some(_), Some(0)) => self.site.fail("a size of -1 has no value beside a size of 0"),
            (Some(a), Some(b)) if a % b != 0 => {
                self.site.fail(format!("{} elements of {self} do not divide by {b}", before.known().unwrap_or(a)))
            }
            _ => before.floor_div(&after),
        }
    }
}

/// What is left of two products without the factors that both have.
fn shared(a: &[Size], b: &[Size]) -> (Vec<Size>, Vec<Size>) {
    let (mut a, mut b) = (factors(a), factors(b));
    a.retain(|factor| {
        let twin = b.iter().position(|other| factor.known().is_none() && other == factor);
        twin.map(|twin| b.remove(twin)).is_none()
    });
    (a, b)
}

/// The factors of a product of sizes, those of products inside included.
fn factors(sizes: &[Size]) -> Vec<Size> {
    let inner = |size: &Size| match size {
        Size::Expr(expr) => match &**expr {
            DimExpr::Mul(a, b) => factors(&[a.clone(), b.clone()]),
            _ => vec![size.clone()],
        },
        _ => vec![size.clone()],
    };
    sizes.iter().flat_map(inner).collect()
}
