//! Elementwise functions of one operand.

use crate::fold_constants;
use thunder_interface::{Cost, Dtypes, Expr, Parts, Precision, PrecisionClass, SampleSet, Samples, Scalar, UnaryFn};
use thunder_ir::prelude::*;

/// Defines elementwise functions of one operand. Each line: docs, struct, name, an example, how it
/// behaves when applied twice, autocast class, flops per element, how far off it may be in epsilons, the
/// domain of its samples, whether they contain NaN and infinities, the scalar body, and the derivative from operand and
/// result where that is better than the body's.
macro_rules! unary {
    ($elements:ident $dtypes:ident $c1:tt: $($(#[$doc:meta])* $op:ident $name:literal $example:tt
        [$($twice:ident)?] $class:ident $flops:literal $(~ $ulps:literal)?, $low:literal..$high:literal $($specials:ident)?,
        |$x:ident| $body:expr $(, $differentiate:ident by $slope:expr)?;)*) => {$(
        $(#[$doc])*
        #[doc = ""]
        #[doc = $c1]
        #[doc = ""]
        #[doc = "```mlir"]
        #[doc = $example]
        #[doc = "```"]
        #[op($name, pure, same_type, elementwise, fold, $($twice,)?
            interfaces(Scalar, Parts, Cost, Precision $(, $differentiate)?))]
        pub struct $op {
            #[c(1)]
            operand: Operand<Tensor<$elements>>,
            out: Produces<Tensor<$elements>>,
        }

        impl Scalar for $op<'_> {
            fn scalar(&self, x: &[Expr]) -> Expr {
                let $x = &x[0];
                $body
            }
        }

        crate::complex::parts_elementwise!($op);

        $(impl<'c> $differentiate<'c> for $op<'c> {
            fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
                crate::cotangent::by_slope(b, self.operand(), self.out(), cotangents, $slope)
            }
        })?

        impl<'c> Fold<'c> for $op<'c> {
            fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
                fold_constants(self, constants)
            }
        }

        impl Cost for $op<'_> {
            fn flops(&self, _: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
                $flops * results[0].iter().product::<i64>() as f64
            }
        }

        impl Precision for $op<'_> {
            fn precision(&self) -> PrecisionClass {
                PrecisionClass::$class
            }
        }

        impl Samples for $op<'_> {
            fn samples(s: &mut SampleSet) {
                elementwise_samples(s, $name, "", Dtypes::$dtypes, $low, $high);
                $(special_sample(s, $name, "", Dtypes::$dtypes).$specials();)?
                $(s.samples.iter_mut().for_each(|sample| sample.ulps = $ulps);)?
            }
        }
    )*};
}
pub(crate) use unary;

/// One odd size that ends inside a vector, a dynamic one, one without elements, and a scalar.
pub(crate) fn elementwise_samples(
    s: &mut SampleSet,
    name: &str,
    attributes: &str,
    dtypes: Dtypes,
    low: f64,
    high: f64,
) {
    for (ty, shape) in [
        ("tensor<3x17x$T>", &[3, 17][..]),
        ("tensor<?x5x$T>", &[7, 5]),
        ("tensor<0x4x$T>", &[0, 4]),
        ("tensor<$T>", &[]),
    ] {
        let body = format!("%r = {name} %x{attributes} : {ty}\n  return %r : {ty}");
        s.add(dtypes, &format!("(%x: {ty}) -> {ty}"), &body, &[shape]).domain(0, low, high);
    }
}

/// A sample for values that code tends to get wrong.
pub(crate) fn special_sample<'s>(
    s: &'s mut SampleSet,
    name: &str,
    attributes: &str,
    dtypes: Dtypes,
) -> &'s mut thunder_interface::Sample {
    let ty = "tensor<61x$T>";
    let body = format!("%r = {name} %x{attributes} : {ty}\n  return %r : {ty}");
    s.add(dtypes, &format!("(%x: {ty}) -> {ty}"), &body, &[&[61]])
}

unary! {
    AnyNumber ANY_NUMBERS "- (C1) the operand is a tensor of numbers":

    /// Negation; integers wrap.
    Neg "thunder.neg" "%y = thunder.neg %x : tensor<4xf32>"
        [involution] Keep 1.0, -2.0..2.0 specials, |x| -x;

}

unary! {
    Number NUMBERS "- (C1) the operand is a tensor of integers or floats":

    /// Absolute value; that of the least integer wraps to itself.
    Abs "thunder.abs" "%y = thunder.abs %x : tensor<4xf32>"
        [idempotent] Keep 1.0, -2.0..2.0 specials, |x| x.unary(UnaryFn::Abs);

    /// Sign: -1, 0 or 1; a zero keeps its sign, and NaN stays NaN.
    Sign "thunder.sign" "%y = thunder.sign %x : tensor<4xf32>"
        [idempotent] Keep 2.0, -2.0..2.0 specials, |x| x.unary(UnaryFn::Sign);
}

unary! {
    IntegerOrBool INTEGERS_AND_BOOL "- (C1) the operand is a tensor of integers or truth values":

    /// Complement of every bit; for truth values, negation.
    Not "thunder.not" "%y = thunder.not %x : tensor<4xi1>"
        [involution] Keep 1.0, -2.0..2.0, |x| !x;
}

unary! {
    Float FLOATS "- (C1) the operand is a tensor of floats":

    /// Smallest integral value that is not below the operand.
    Ceil "thunder.ceil" "%y = thunder.ceil %x : tensor<4xf32>"
        [idempotent] Keep 1.0, -4.0..4.0 specials, |x| x.unary(UnaryFn::Ceil);

    /// Largest integral value that is not above the operand.
    Floor "thunder.floor" "%y = thunder.floor %x : tensor<4xf32>"
        [idempotent] Keep 1.0, -4.0..4.0 specials, |x| x.unary(UnaryFn::Floor);

    /// Nearest integral value; halves go to the even one.
    Round "thunder.round" "%y = thunder.round %x : tensor<4xf32>"
        [idempotent] Keep 1.0, -4.0..4.0 specials, |x| x.unary(UnaryFn::Round);

    /// Integral part: the nearest integral value towards zero.
    Trunc "thunder.trunc" "%y = thunder.trunc %x : tensor<4xf32>"
        [idempotent] Keep 1.0, -4.0..4.0 specials, |x| x.unary(UnaryFn::Trunc);

    /// Error function.
    Erf "thunder.erf" "%y = thunder.erf %x : tensor<4xf32>"
        [] Keep 20.0, -4.0..4.0 specials, |x| x.unary(UnaryFn::Erf);

    /// Complementary error function `1 - erf(x)`, exact where that is small.
    Erfc "thunder.erfc" "%y = thunder.erfc %x : tensor<4xf32>"
        [] Widen 25.0, -4.0..4.0, |x| x.unary(UnaryFn::Erfc);
}

unary! {
    FloatOrComplex FLOATS_AND_COMPLEX "- (C1) the operand is a tensor of floats or complex numbers":

    /// Square root; NaN below zero.
    Sqrt "thunder.sqrt" "%y = thunder.sqrt %x : tensor<4xf32>"
        [] Keep 4.0, 0.0..8.0 specials, |x| x.unary(UnaryFn::Sqrt);

    /// Reciprocal square root; infinite at zero, NaN below.
    Rsqrt "thunder.rsqrt" "%y = thunder.rsqrt %x : tensor<4xf32>"
        [] Widen 5.0, 0.05..8.0 specials, |x| x.unary(UnaryFn::Rsqrt);

    /// Multiplicative inverse; infinite at zero.
    Reciprocal "thunder.reciprocal" "%y = thunder.reciprocal %x : tensor<4xf32>"
        [] Widen 4.0, 0.05..4.0 specials, |x| &x.constant(1.0) / x;

    /// Exponential function `e^x`.
    Exp "thunder.exp" "%y = thunder.exp %x : tensor<4xf32>"
        [] Widen 10.0, -4.0..4.0 specials, |x| x.unary(UnaryFn::Exp);

    /// Power of two `2^x`.
    Exp2 "thunder.exp2" "%y = thunder.exp2 %x : tensor<4xf32>"
        [] Widen 9.0, -4.0..4.0 specials, |x| x.unary(UnaryFn::Exp2);

    /// `e^x - 1`, exact near zero.
    Expm1 "thunder.expm1" "%y = thunder.expm1 %x : tensor<4xf32>"
        [] Widen 12.0, -2.0..2.0 specials, |x| x.unary(UnaryFn::Expm1);

    /// Natural logarithm; minus infinity at zero, NaN below.
    Log "thunder.log" "%y = thunder.log %x : tensor<4xf32>"
        [] Widen 10.0, 0.05..8.0 specials, |x| x.unary(UnaryFn::Log);

    /// Logarithm to base 2; minus infinity at zero, NaN below.
    Log2 "thunder.log2" "%y = thunder.log2 %x : tensor<4xf32>"
        [] Widen 10.0, 0.05..8.0 specials, |x| x.unary(UnaryFn::Log2);

    /// Logarithm to base 10; minus infinity at zero, NaN below.
    Log10 "thunder.log10" "%y = thunder.log10 %x : tensor<4xf32>"
        [] Widen 11.0, 0.05..8.0 specials, |x| x.unary(UnaryFn::Log10);

    /// `log(1 + x)`, exact near zero.
    Log1p "thunder.log1p" "%y = thunder.log1p %x : tensor<4xf32>"
        [] Widen 12.0, -0.9..4.0 specials, |x| x.unary(UnaryFn::Log1p);

    /// Sine of an angle in radians.
    Sin "thunder.sin" "%y = thunder.sin %x : tensor<4xf32>"
        [] Keep 15.0, -8.0..8.0, |x| x.unary(UnaryFn::Sin);

    /// Cosine of an angle in radians.
    Cos "thunder.cos" "%y = thunder.cos %x : tensor<4xf32>"
        [] Keep 15.0, -8.0..8.0, |x| x.unary(UnaryFn::Cos);

    /// Tangent of an angle in radians.
    Tan "thunder.tan" "%y = thunder.tan %x : tensor<4xf32>"
        [] Widen 25.0, -1.25..1.25, |x| x.unary(UnaryFn::Tan);

    /// Arc sine, in radians; NaN outside of [-1, 1].
    Asin "thunder.asin" "%y = thunder.asin %x : tensor<4xf32>"
        [] Widen 20.0, -1.0..1.0, |x| x.unary(UnaryFn::Asin);

    /// Arc cosine, in radians; NaN outside of [-1, 1].
    Acos "thunder.acos" "%y = thunder.acos %x : tensor<4xf32>"
        [] Widen 20.0, -1.0..1.0, |x| x.unary(UnaryFn::Acos);

    /// Arc tangent, in radians.
    Atan "thunder.atan" "%y = thunder.atan %x : tensor<4xf32>"
        [] Keep 20.0, -8.0..8.0 specials, |x| x.unary(UnaryFn::Atan);

    /// Hyperbolic sine.
    Sinh "thunder.sinh" "%y = thunder.sinh %x : tensor<4xf32>"
        [] Widen 15.0, -3.0..3.0, |x| x.unary(UnaryFn::Sinh);

    /// Hyperbolic cosine.
    Cosh "thunder.cosh" "%y = thunder.cosh %x : tensor<4xf32>"
        [] Widen 15.0, -3.0..3.0, |x| x.unary(UnaryFn::Cosh);

    /// Hyperbolic tangent.
    Tanh "thunder.tanh" "%y = thunder.tanh %x : tensor<4xf32>"
        [] Keep 15.0, -4.0..4.0 specials, |x| x.unary(UnaryFn::Tanh);

    /// Inverse hyperbolic sine.
    Asinh "thunder.asinh" "%y = thunder.asinh %x : tensor<4xf32>"
        [] Widen 20.0, -8.0..8.0, |x| x.unary(UnaryFn::Asinh);

    /// Inverse hyperbolic cosine; NaN below 1.
    Acosh "thunder.acosh" "%y = thunder.acosh %x : tensor<4xf32>"
        [] Widen 20.0, 1.0..8.0, |x| x.unary(UnaryFn::Acosh);

    /// Inverse hyperbolic tangent; infinite at -1 and 1, NaN beyond.
    Atanh "thunder.atanh" "%y = thunder.atanh %x : tensor<4xf32>"
        [] Widen 20.0, -0.9..0.9, |x| x.unary(UnaryFn::Atanh);
}
