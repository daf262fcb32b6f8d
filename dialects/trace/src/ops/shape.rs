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
        let (before, after) = reduced(&own, &sizes);
        if before != after && before.known().is_some() && after.known().is_some() {
            self.site.fail(format!("a tensor {self} cannot have the shape {dims:?}"));
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

    /// The tensor with these sizes, of which dimension `axes[i]` is its dimension `i`; the others, and those where its own
    /// size is 1, are repeated.
    #[track_caller]
    pub fn broadcast_in_dim(self, axes: &[i64], dims: impl Dims) -> Self {
        let _at = self.site.at(Location::caller());
        let sizes = self.site.resolve(&dims.dims());
        if *self.sizes() == *sizes && axes.iter().copied().eq(0..sizes.len() as i64) {
            return self;
        }
        self.placed(axes.to_vec(), sizes)
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
    pub fn permute(self, order: impl AsRef<[i64]>) -> Self {
        let _at = self.site.at(Location::caller());
        let order = order.as_ref().iter().map(|axis| self.axis(*axis) as i64).collect();
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
        let (before, after) = reduced(from, to);
        match (before.known(), after.known()) {
            (_, Some(0)) => self.site.fail("a size of -1 beside a size of 0 could be any"),
            (Some(_), Some(after)) if after != 1 => {
                let elements = Size::product(from).known().unwrap_or_default();
                let rest = Size::product(to).known().unwrap_or_default();
                self.site.fail(format!("{self} has {elements} elements, which {rest} does not divide"))
            }
            _ => before.floor_div(&after),
        }
    }
}

/// Two products without the factors that both have.
fn reduced(a: &[Size], b: &[Size]) -> (Size, Size) {
    let ((mut a_known, a_open), (mut b_known, mut b_open)) = (factors(a), factors(b));
    let shared = gcd(a_known, b_known).max(1);
    (a_known, b_known) = (a_known / shared, b_known / shared);
    let mut left = Vec::new();
    for factor in a_open {
        match b_open.iter().position(|other| *other == factor) {
            Some(twin) => drop(b_open.remove(twin)),
            None => left.push(factor),
        }
    }
    let product = |known: i64, open: &[Size]| Size::product(open).mul(&Size::Known(known));
    (product(a_known, &left), product(b_known, &b_open))
}

/// The number in a product of sizes and its other factors, those of products inside included.
fn factors(sizes: &[Size]) -> (i64, Vec<Size>) {
    let (mut known, mut open) = (1i64, Vec::new());
    for size in sizes {
        match size {
            Size::Known(size) => known = known.saturating_mul(*size),
            Size::Expr(expr) if let DimExpr::Mul(a, b) = &**expr => {
                let (inner, rest) = factors(&[a.clone(), b.clone()]);
                known = known.saturating_mul(inner);
                open.extend(rest);
            }
            other => open.push(other.clone()),
        }
    }
    (known, open)
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
