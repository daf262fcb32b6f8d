//! Special functions.

use std::f64::consts::{FRAC_1_SQRT_2, PI};
use std::panic::Location;

use thunder_dialect::build::*;

use crate::promote::float_type;
use crate::{Operand, Tensor};

/// Defines functions of one operand, which compute in floats. Each line: docs and name.
macro_rules! special {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        impl<'t> Tensor<'t> {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $name(self) -> Self {
                let _at = self.site.at(Location::caller());
                let x = self.converted(float_type(self.dtype()));
                x.site.op(&[x], |b| b.$name(x.value))
            }
        )*}
    };
}

special! {
    /// Logarithm of the absolute value of the gamma function.
    lgamma;
    /// Inverse of the error function.
    erfinv;
    /// Quantile of the standard normal distribution.
    ndtri;
    /// Modified Bessel function of the first kind and order 0.
    i0;
    /// The same times `e^-|x|`.
    i0e;
    /// Modified Bessel function of the first kind and order 1.
    i1;
    /// The same times `e^-|x|`.
    i1e;
}

impl<'t> Tensor<'t> {
    /// Derivative number `order` of the digamma function.
    #[track_caller]
    pub fn polygamma(self, order: i64) -> Self {
        let _at = self.site.at(Location::caller());
        let x = self.converted(float_type(self.dtype()));
        x.site.op(&[x], |b| b.polygamma(x.value, order))
    }

    /// Derivative of the logarithm of the gamma function.
    #[track_caller]
    pub fn digamma(self) -> Self {
        let _at = self.site.at(Location::caller());
        self.polygamma(0)
    }

    /// Cumulative distribution function of the standard normal distribution.
    #[track_caller]
    pub fn ndtr(self) -> Self {
        let _at = self.site.at(Location::caller());
        (-self.converted(float_type(self.dtype())) * FRAC_1_SQRT_2).erfc() * 0.5
    }

    /// `-x log(x)`: 0 at 0, negative infinity below.
    #[track_caller]
    pub fn entr(self) -> Self {
        let _at = self.site.at(Location::caller());
        let x = self.converted(float_type(self.dtype()));
        let (is_below, is_zero) = (x.lt(0), x.eq(0));
        let inside = (is_below | is_zero).where_(1.0, x);
        // A root is 0 with an infinite slope, and the logarithm of no part of a number infinite without one.
        let at_zero = is_zero.where_(x, 1.0).sqrt();
        let below = (is_below.where_(x, -1.0) * 0.0).abs().log();
        is_below.where_(below, is_zero.where_(at_zero, -inside * inside.log()))
    }

    /// `self * log(other)`, which is 0 where this is 0, unless the other is NaN.
    #[track_caller]
    pub fn xlogy(self, other: impl Into<Operand<'t>>) -> Self {
        let _at = self.site.at(Location::caller());
        self.weighted(other.into(), Tensor::log)
    }

    /// `self * log(1 + other)`, which is 0 where this is 0, unless the other is NaN.
    #[track_caller]
    pub fn xlog1py(self, other: impl Into<Operand<'t>>) -> Self {
        let _at = self.site.at(Location::caller());
        self.weighted(other.into(), Tensor::log1p)
    }

    fn weighted(self, other: Operand<'t>, function: fn(Tensor<'t>) -> Tensor<'t>) -> Self {
        let operands = [self.into(), other];
        let [x, y] = self.site.unified(operands, float_type(self.site.common_dtype(&operands)));
        let is_zero = x.eq(0) & !y.isnan();
        is_zero.where_(0.0, x * function(is_zero.where_(1.0, y)))
    }

    /// `sin(pi x) / (pi x)`, which is 1 at 0.
    #[track_caller]
    pub fn sinc(self) -> Self {
        let _at = self.site.at(Location::caller());
        let x = self.converted(float_type(self.dtype())) * PI;
        let is_zero = x.eq(0);
        is_zero.where_(1.0, x.sin() / is_zero.where_(1.0, x))
    }

    /// `log(e^self + e^other)`, which neither overflows nor vanishes.
    #[track_caller]
    pub fn logaddexp(self, other: Tensor<'t>) -> Self {
        let _at = self.site.at(Location::caller());
        let operands = [self.into(), other.into()];
        let [x, y] = self.site.unified(operands, float_type(self.site.common_dtype(&operands)));
        if x.dtype().is_complex() {
            // In the order of their real parts, which tells what an exponential weighs.
            let is_high = x.real().ge(y.real());
            let (high, low) = (is_high.where_(x, y), is_high.where_(y, x));
            return high + (low - high).exp().log1p();
        }
        let (high, low) = (x.maximum(y), x.minimum(y));
        // Infinities that are equal have no distance.
        let is_same = high.eq(low);
        let distance = is_same.where_(0.0, low - high);
        high + distance.exp().log1p()
    }
}
