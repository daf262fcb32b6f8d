//! Special functions: gamma, error and Bessel functions and their relatives.
//!
//! Their bodies are built from elementary functions, so that they are computed alike everywhere; each says by what it is
//! approximated. Errors are small multiples of the rounding error of the dtype, absolute near a root.

mod bessel;
mod gamma;
mod normal;

use super::unary::{elementwise_samples, special_sample, unary};
use crate::build::*;
use crate::compose::{extents, full, widened};
use crate::cotangent::{only, scaled};
use crate::fold_constants;
use std::f64::consts::PI;
use thunder_interface::{
    Cost, Differentiate, Dtypes, Expr, Parts, Precision, PrecisionClass, SampleSet, Samples, Scalar,
};
use thunder_ir::prelude::*;

unary! {
    Float FLOATS "- (C1) the operand is a tensor of floats":

    /// Logarithm of the absolute value of the gamma function; infinite at 0 and negative integers.
    Lgamma "thunder.lgamma" "%y = thunder.lgamma %x : tensor<4xf32>"
        [] Widen 60.0 ~ 64.0, 0.1..12.0 specials, |x| gamma::log_gamma(x),
        Differentiate by |b, x, _| b.polygamma(x, 0);

    /// Inverse of the error function; infinite at -1 and 1, NaN beyond.
    Erfinv "thunder.erfinv" "%y = thunder.erfinv %x : tensor<4xf32>"
        [] Widen 120.0 ~ 64.0, -0.99..0.99 specials, |x| normal::inverse_erf(x),
        Differentiate by |b, _, y| scaled(b, b.exp(b.mul(y, y)?)?, PI.sqrt() / 2.0);

    /// Quantile of the standard normal distribution, the inverse of its cumulative distribution function; infinite at
    /// 0 and 1, NaN beyond.
    Ndtri "thunder.ndtri" "%y = thunder.ndtri %x : tensor<4xf32>"
        [] Widen 120.0 ~ 64.0, 0.01..0.99 specials, |x| normal::quantile(x),
        Differentiate by |b, _, y| {
            scaled(b, b.exp(scaled(b, b.mul(y, y)?, 0.5)?)?, (2.0 * PI).sqrt())
        };

    /// Modified Bessel function of the first kind and order 0.
    I0 "thunder.i0" "%y = thunder.i0 %x : tensor<4xf32>"
        [] Widen 200.0 ~ 64.0, -10.0..10.0, |x| bessel::grown(bessel::i0e(x), x),
        Differentiate by |b, x, _| b.i1(x);

    /// Modified Bessel function of the first kind and order 0, times `e^-|x|`.
    I0e "thunder.i0e" "%y = thunder.i0e %x : tensor<4xf32>"
        [] Widen 200.0 ~ 64.0, -30.0..30.0 specials, |x| bessel::i0e(x),
        Differentiate by |b, x, y| b.sub(b.i1e(x)?, b.mul(b.sign(x)?, y)?);

    /// Modified Bessel function of the first kind and order 1.
    I1 "thunder.i1" "%y = thunder.i1 %x : tensor<4xf32>"
        [] Widen 200.0 ~ 64.0, -10.0..10.0, |x| bessel::grown(bessel::i1e(x), x),
        Differentiate by |b, x, y| b.sub(b.i0(x)?, ratio(b, y, x)?);

    /// Modified Bessel function of the first kind and order 1, times `e^-|x|`.
    I1e "thunder.i1e" "%y = thunder.i1e %x : tensor<4xf32>"
        [] Widen 200.0 ~ 64.0, -30.0..30.0 specials, |x| bessel::i1e(x),
        Differentiate by |b, x, y| {
            b.sub(b.sub(b.i0e(x)?, b.mul(b.sign(x)?, y)?)?, ratio(b, y, x)?)
        };
}

/// `y / x` for an odd function with the slope 1/2 at 0, which is the ratio there.
fn ratio<'c>(b: &Builder<'c>, y: Value<'c>, x: Value<'c>) -> Result<Value<'c>> {
    let (sizes, element) = (extents(b, x)?, x.ty().element());
    let [zero, half, one] = [0.0, 0.5, 1.0].map(|value| full(b, element, value, &sizes));
    let is_zero = b.eq(x, zero?)?;
    b.where_(is_zero, half?, b.div(y, b.where_(is_zero, one?, x)?)?)
}

/// Derivative number `order` of the digamma function, which itself is the derivative of `thunder.lgamma`.
///
/// At 0 and negative integers it is infinite where the function has one sign around them, and NaN where it changes sign.
///
/// - (C1) the operand is a tensor of floats
/// - (C2) `order` is at least 0 and at most 12
///
/// ```mlir
/// %y = thunder.polygamma %x order = 1 : tensor<4xf32>
/// ```
#[op(
    "thunder.polygamma",
    pure,
    same_type,
    elementwise,
    fold,
    verify,
    interfaces(Scalar, Differentiate, Cost, Precision)
)]
pub struct Polygamma {
    #[c(1)]
    operand: Operand<Tensor<Float>>,
    /// How often the digamma function is differentiated.
    order: Attr<i64>,
    out: Produces<Tensor<Float>>,
}

/// The greatest order whose values an `f32` holds over a useful range.
const HIGHEST: i64 = 12;

impl Verify for Polygamma<'_> {
    fn verify(&self) -> Result {
        let order = self.order();
        if (0..=HIGHEST).contains(&order) {
            Ok(())
        } else {
            Err(self.error(format!("(C2) order {order} is not from 0 to {HIGHEST}")))
        }
    }
}

impl Scalar for Polygamma<'_> {
    fn scalar(&self, x: &[Expr]) -> Expr {
        gamma::polygamma(&x[0], self.order() as i32)
    }
}

impl<'c> Fold<'c> for Polygamma<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        fold_constants(self, constants)
    }
}

impl<'c> Differentiate<'c> for Polygamma<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        if self.order() == HIGHEST {
            return Err(self.error(format!("has no gradient: derivatives above order {HIGHEST} are not computed")));
        }
        let x = self.operand();
        let slope = b.polygamma(widened(b, x)?, self.order() + 1)?;
        let dx = b.mul(widened(b, only(cotangents)?)?, slope)?;
        Ok(vec![Some(crate::compose::converted(b, dx, x.ty().element())?)])
    }
}

impl Cost for Polygamma<'_> {
    fn flops(&self, _: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
        100.0 * results[0].iter().product::<i64>() as f64
    }
}

impl Precision for Polygamma<'_> {
    fn precision(&self) -> PrecisionClass {
        PrecisionClass::Widen
    }
}

impl Samples for Polygamma<'_> {
    fn samples(s: &mut SampleSet) {
        for order in [0, 1, 4] {
            let attributes = format!(" order = {order}");
            let first = s.samples.len();
            elementwise_samples(s, "thunder.polygamma", &attributes, Dtypes::FLOATS, 0.5, 12.0);
            s.samples[first..].iter_mut().for_each(|sample| sample.ulps = 64.0);
        }
        special_sample(s, "thunder.polygamma", " order = 1", Dtypes::FLOATS).ulps(64.0).specials();
    }
}
