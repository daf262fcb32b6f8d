//! Elementwise functions of one tensor.

use std::panic::Location;

use thunder_dialect::build::*;
use thunder_dialect::ops::activation::Approximation;
use thunder_interface::Dim as Size;
use thunder_ir::Type;
use thunder_tensor::DType;

use crate::Tensor;
use crate::promote::float_type;

/// Defines methods of one operand. Each line: docs and name; the block says what dtype they compute in.
macro_rules! unary {
    ($($dtype:expr => { $($(#[$doc:meta])* $name:ident;)* })*) => {
        impl<'t> Tensor<'t> {$($(
            $(#[$doc])*
            #[track_caller]
            pub fn $name(self) -> Self {
                let _at = self.site.at(Location::caller());
                let dtype: fn(DType) -> DType = $dtype;
                let x = self.converted(dtype(self.dtype()));
                x.site.op(&[x], |b| b.$name(x.value))
            }
        )*)*}
    };
}

unary! {
    |dtype| dtype => {
        /// The larger of the operand and zero.
        relu;
        /// Smallest integral value that is not below the operand.
        ceil;
        /// Largest integral value that is not above the operand.
        floor;
        /// Nearest integral value; halves go to the even one.
        round;
        /// Nearest integral value towards zero.
        trunc;
        /// `x * sigmoid(x)`.
        silu;
        /// `log(1 + e^x)`.
        softplus;
        /// `x * tanh(softplus(x))`.
        mish;
        /// `relu6(x + 3) / 6`.
        hard_sigmoid;
        /// `x * hard_sigmoid(x)`.
        hard_swish;
    }
    float_type => {
        /// Square root; NaN below zero.
        sqrt;
        /// Reciprocal square root; infinite at zero, NaN below.
        rsqrt;
        /// Multiplicative inverse; infinite at zero.
        reciprocal;
        /// `e^x`.
        exp;
        /// `2^x`.
        exp2;
        /// `e^x - 1`, exact near zero.
        expm1;
        /// Natural logarithm.
        log;
        /// Logarithm to base 2.
        log2;
        /// Logarithm to base 10.
        log10;
        /// `log(1 + x)`, exact near zero.
        log1p;
        /// Sine of an angle in radians.
        sin;
        /// Cosine of an angle in radians.
        cos;
        /// Tangent of an angle in radians.
        tan;
        /// Arc sine, in radians.
        asin;
        /// Arc cosine, in radians.
        acos;
        /// Arc tangent, in radians.
        atan;
        /// Hyperbolic sine.
        sinh;
        /// Hyperbolic cosine.
        cosh;
        /// Hyperbolic tangent.
        tanh;
        /// Inverse hyperbolic sine.
        asinh;
        /// Inverse hyperbolic cosine.
        acosh;
        /// Inverse hyperbolic tangent.
        atanh;
        /// Error function.
        erf;
        /// `1 - erf(x)`, exact where that is small.
        erfc;
        /// `1 / (1 + e^-x)`.
        sigmoid;
    }
}

impl<'t> Tensor<'t> {
    /// Absolute value, a real number for complex ones; that of the least integer wraps to itself.
    #[track_caller]
    pub fn abs(self) -> Self {
        let _at = self.site.at(Location::caller());
        if self.dtype().is_complex() {
            self.real().hypot(self.imag())
        } else {
            self.site.op(&[self], |b| b.abs(self.value))
        }
    }

    /// Sign: -1, 0 or 1; a zero keeps its sign, and NaN stays NaN. Of a complex number, the one of absolute value 1 in
    /// its direction, or 0.
    #[track_caller]
    pub fn sign(self) -> Self {
        let _at = self.site.at(Location::caller());
        if self.dtype().is_complex() { self.direction() } else { self.site.op(&[self], |b| b.sign(self.value)) }
    }

    /// Gaussian error linear unit `x * P(X <= x)`, exactly or by a hyperbolic tangent.
    #[track_caller]
    pub fn gelu(self, approximation: Approximation) -> Self {
        let _at = self.site.at(Location::caller());
        self.site.op(&[self], |b| b.gelu(self.value, approximation))
    }

    /// `x` where it is positive, `slope * x` elsewhere.
    #[track_caller]
    pub fn leaky_relu(self, slope: f64) -> Self {
        let _at = self.site.at(Location::caller());
        self.site.op(&[self], |b| b.leaky_relu(self.value, slope))
    }

    /// `x` where it is positive, `alpha * (e^x - 1)` elsewhere.
    #[track_caller]
    pub fn elu(self, alpha: f64) -> Self {
        let _at = self.site.at(Location::caller());
        self.site.op(&[self], |b| b.elu(self.value, alpha))
    }

    /// The bits of the elements as elements of another dtype of the same size.
    #[track_caller]
    pub fn bitcast(self, dtype: DType) -> Self {
        let _at = self.site.at(Location::caller());
        if self.dtype() == dtype {
            return self;
        }
        let dims: Vec<_> = self.sizes().iter().map(Size::known).collect();
        let ty = Type::tensor(self.site.element(dtype), &dims);
        self.site.op(&[self], |b| b.bitcast(self.value, ty))
    }

    /// The tensor with elements of another dtype; floats become integers by truncation.
    #[track_caller]
    pub fn to(self, dtype: DType) -> Self {
        let _at = self.site.at(Location::caller());
        self.converted(dtype)
    }
}
