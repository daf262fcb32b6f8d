//! Complex numbers and their parts.

use std::panic::Location;

use thunder_dialect::build::*;
use thunder_tensor::DType;

use super::index::cat;
use crate::Tensor;
use crate::promote::{float_type, promote};

impl<'t> Tensor<'t> {
    /// The complex numbers with this real part and the imaginary part `im`, in at least single precision.
    #[track_caller]
    pub fn complex(self, im: Tensor<'t>) -> Self {
        let _at = self.site.at(Location::caller());
        let dtype = promote(promote(float_type(self.dtype()), float_type(im.dtype())), DType::F32);
        let [re, im] = self.site.unified([self.into(), im.into()], dtype);
        self.site.op(&[re, im], |b| b.complex(re.value, im.value))
    }

    /// The real part; a real number is its own.
    #[track_caller]
    pub fn real(self) -> Self {
        let _at = self.site.at(Location::caller());
        if self.dtype().is_complex() { self.site.op(&[self], |b| b.real(self.value)) } else { self }
    }

    /// The imaginary part of complex numbers.
    #[track_caller]
    pub fn imag(self) -> Self {
        let _at = self.site.at(Location::caller());
        self.site.op(&[self], |b| b.imag(self.value))
    }

    /// The conjugate `x - iy` of `x + iy`.
    #[track_caller]
    pub fn conj(self) -> Self {
        let _at = self.site.at(Location::caller());
        if self.dtype().is_complex() { self.real().complex(-self.imag()) } else { self }
    }

    /// The angle in radians between the positive real axis and the number: 0 or pi for real ones.
    #[track_caller]
    pub fn angle(self) -> Self {
        let _at = self.site.at(Location::caller());
        if self.dtype().is_complex() {
            return self.imag().atan2(self.real());
        }
        let x = self.converted(float_type(self.dtype()));
        let side = x.lt(0.0).where_(std::f64::consts::PI, x * 0.0);
        // NaN has no side.
        if x.dtype() == self.dtype() { x.isnan().where_(x, side) } else { side }
    }

    /// Complex numbers as pairs of real ones along a new last dimension.
    #[track_caller]
    pub fn view_as_real(self) -> Self {
        let _at = self.site.at(Location::caller());
        if !self.dtype().is_complex() {
            self.site.fail(format!("{self} has no complex numbers"));
        }
        cat(&[self.real().unsqueeze(-1), self.imag().unsqueeze(-1)], -1)
    }

    /// Pairs of real numbers along the last dimension as complex ones.
    #[track_caller]
    pub fn view_as_complex(self) -> Self {
        let _at = self.site.at(Location::caller());
        let is_pairs = self.rank() > 0 && self.size(-1).known() == Some(2) && self.dtype().complex().is_some();
        if !is_pairs {
            self.site.fail(format!("{self} is not made of pairs of f32 or f64"));
        }
        self.select(-1, 0).complex(self.select(-1, 1))
    }

    /// `sqrt(self^2 + other^2)`, where squares overflow or vanish as well; its slope at zero is zero.
    #[track_caller]
    pub fn hypot(self, other: Tensor<'t>) -> Self {
        let _at = self.site.at(Location::caller());
        let (x, y) = (self.abs(), other.abs());
        let (large, small) = (x.maximum(y), x.minimum(y));
        let is_end = large.eq(0.0) | large.eq(f64::INFINITY);
        let ratio = small / is_end.where_(1.0, large);
        is_end.where_(large, large * (ratio * ratio + 1.0).sqrt())
    }

    /// `z / |z|`, and zero where `z` is.
    pub(crate) fn direction(self) -> Self {
        let size = self.abs();
        let divisor = size.eq(0.0).where_(1.0, size);
        (self.real() / divisor).complex(self.imag() / divisor)
    }
}
