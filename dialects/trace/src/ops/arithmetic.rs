//! Elementwise functions of two operands, and the operators.

use std::ops;
use std::panic::Location;

use thunder_dialect::build::*;
use thunder_ir::{Builder, Result, Value};
use thunder_tensor::DType;

use crate::promote::float_type;
use crate::tracer::Site;
use crate::{Operand, Tensor};

impl<'t> Site<'t> {
    /// An op of two operands in the dtype that `dtype` makes of their common one.
    fn binary(
        self,
        operands: [Operand<'t>; 2],
        dtype: fn(DType) -> DType,
        build: fn(&Builder<'t>, Value<'t>, Value<'t>) -> Result<Value<'t>>,
    ) -> Tensor<'t> {
        let [x, y] = self.unified(operands, dtype(self.common_dtype(&operands)));
        self.op(&[x, y], |b| build(b, x.value, y.value))
    }
}

fn same(dtype: DType) -> DType {
    dtype
}

/// Defines methods of two operands. Each line: docs, name, the builder's method, and what dtype they
/// compute in, from the common one.
macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident $build:ident $dtype:ident;)*) => {
        impl<'t> Tensor<'t> {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $name(self, other: impl Into<Operand<'t>>) -> Self {
                let _at = self.site.at(Location::caller());
                self.site.binary([self.into(), other.into()], $dtype, |b, x, y| b.$build(x, y))
            }
        )*}
    };
}

binary! {
    /// Remainder with the sign of the dividend.
    fmod rem same;
    /// Power `self^other`.
    pow pow same;
    /// The larger of two values; NaN if either is.
    maximum maximum same;
    /// The smaller of two values; NaN if either is.
    minimum minimum same;
    /// Angle in radians between the positive horizontal axis and the point `(other, self)`.
    atan2 atan2 float_type;
}

impl<'t> Tensor<'t> {
    /// Quotient rounded down.
    #[track_caller]
    pub fn floor_divide(self, other: impl Into<Operand<'t>>) -> Self {
        let _at = self.site.at(Location::caller());
        let operands = [self.into(), other.into()];
        let dtype = self.site.common_dtype(&operands);
        let [x, y] = self.site.unified(operands, dtype);
        // Without its remainder, the dividend is a multiple of the divisor, up to rounding.
        let multiple = x - x % y;
        let quotient = self.site.op(&[multiple, y], |b| b.div(multiple.value, y.value));
        if dtype.is_float() { quotient.round() } else { quotient }
    }

    /// Interpolation `self + weight * (end - self)`.
    #[track_caller]
    pub fn lerp(self, end: Tensor<'t>, weight: impl Into<Operand<'t>>) -> Self {
        let _at = self.site.at(Location::caller());
        let operands = [self.into(), end.into(), weight.into()];
        let [start, end, weight] = self.site.unified(operands, self.dtype());
        if start.dtype().is_complex() {
            return start + weight * (end - start);
        }
        self.site.op(&[start, end, weight], |b| b.lerp(start.value, end.value, weight.value))
    }
}

/// Defines operators on two tensors and on a tensor and a scalar, in either order. Each line: trait,
/// method, the builder's method, what dtype they compute in, and the scalars.
macro_rules! operators {
    ($($trait:ident $method:ident $build:ident $dtype:ident [$($scalar:ty)*];)*) => {$(
        impl<'t, R: Into<Operand<'t>>> ops::$trait<R> for Tensor<'t> {
            type Output = Tensor<'t>;
            #[track_caller]
            fn $method(self, other: R) -> Tensor<'t> {
                let _at = self.site.at(Location::caller());
                self.site.binary([self.into(), other.into()], $dtype, |b, x, y| b.$build(x, y))
            }
        }

        $(impl<'t> ops::$trait<Tensor<'t>> for $scalar {
            type Output = Tensor<'t>;
            #[track_caller]
            fn $method(self, other: Tensor<'t>) -> Tensor<'t> {
                let _at = other.site.at(Location::caller());
                other.site.binary([self.into(), other.into()], $dtype, |b, x, y| b.$build(x, y))
            }
        })*
    )*};
}

operators! {
    Add add add same [i32 i64 f32 f64];
    Sub sub sub same [i32 i64 f32 f64];
    Mul mul mul same [i32 i64 f32 f64];
    Div div div float_type [i32 i64 f32 f64];
    Rem rem remainder same [i32 i64 f32 f64];
    BitAnd bitand and same [bool i32 i64];
    BitOr bitor or same [bool i32 i64];
    BitXor bitxor xor same [bool i32 i64];
    Shl shl shift_left same [i32 i64];
    Shr shr shift_right same [i32 i64];
}

impl<'t> ops::Neg for Tensor<'t> {
    type Output = Tensor<'t>;
    #[track_caller]
    fn neg(self) -> Tensor<'t> {
        let _at = self.site.at(Location::caller());
        self.site.op(&[self], |b| b.neg(self.value))
    }
}

impl<'t> ops::Not for Tensor<'t> {
    type Output = Tensor<'t>;
    #[track_caller]
    fn not(self) -> Tensor<'t> {
        let _at = self.site.at(Location::caller());
        self.site.op(&[self], |b| b.not(self.value))
    }
}
