//! Activation functions of neural networks.

use super::unary::{elementwise_samples, special_sample, unary};
use crate::build::*;
use crate::compose::{converted, extents, full, widened};
use crate::cotangent::{complement, only, scaled};
use crate::fold_constants;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, SQRT_2};
use thunder_interface::{
    Compare, Cost, Differentiate, Dtypes, Expr, Parts, Precision, PrecisionClass, SampleSet, Samples, Scalar, UnaryFn,
};
use thunder_ir::prelude::*;

unary! {
    Number NUMBERS "- (C1) the operand is a tensor of integers or floats":

    /// Rectifier: the larger of the operand and zero.
    Relu "thunder.relu" "%y = thunder.relu %x : tensor<4xf32>"
        [idempotent] Keep 1.0, -2.0..2.0 specials, |x| x.max(&x.constant(0.0));
}

unary! {
    Float FLOATS "- (C1) the operand is a tensor of floats":

    /// Logistic function `1 / (1 + e^-x)`; it is 0 where `e^-x` is more than there are numbers for.
    Sigmoid "thunder.sigmoid" "%y = thunder.sigmoid %x : tensor<4xf32>"
        [] Keep 15.0, -6.0..6.0 specials, |x| sigmoid(x),
        Differentiate by |b, _, y| b.mul(y, complement(b, y)?);

    /// `x * sigmoid(x)`, also known as swish.
    Silu "thunder.silu" "%y = thunder.silu %x : tensor<4xf32>"
        [] Keep 16.0, -6.0..6.0 specials, |x| x * &sigmoid(x), Differentiate by silu_slope;

    /// `log(1 + e^x)`, a smooth rectifier.
    Softplus "thunder.softplus" "%y = thunder.softplus %x : tensor<4xf32>"
        [] Widen 25.0, -6.0..6.0 specials, |x| softplus(x), Differentiate by |b, x, _| b.sigmoid(x);

    /// `x * tanh(softplus(x))`.
    Mish "thunder.mish" "%y = thunder.mish %x : tensor<4xf32>"
        [] Widen 40.0, -6.0..6.0, |x| x * &softplus(x).unary(UnaryFn::Tanh),
        Differentiate by mish_slope;

    /// Piecewise linear sigmoid `relu6(x + 3) / 6`.
    HardSigmoid "thunder.hard_sigmoid" "%y = thunder.hard_sigmoid %x : tensor<4xf32>"
        [] Keep 4.0, -6.0..6.0 specials, |x| hard_sigmoid(x);

    /// `x * hard_sigmoid(x)`.
    HardSwish "thunder.hard_swish" "%y = thunder.hard_swish %x : tensor<4xf32>"
        [] Keep 5.0, -6.0..6.0, |x| x * &hard_sigmoid(x);
}

/// `s (1 + x (1 - s))` with `s = sigmoid(x)`.
fn silu_slope<'c>(b: &Builder<'c>, x: Value<'c>, _: Value<'c>) -> Result<Value<'c>> {
    let s = b.sigmoid(x)?;
    b.add(s, b.mul(b.mul(x, s)?, complement(b, s)?)?)
}

/// `t + x (1 - t^2) sigmoid(x)` with `t = tanh(softplus(x))`.
fn mish_slope<'c>(b: &Builder<'c>, x: Value<'c>, _: Value<'c>) -> Result<Value<'c>> {
    let t = b.tanh(b.softplus(x)?)?;
    b.add(t, b.mul(b.mul(x, complement(b, b.mul(t, t)?)?)?, b.sigmoid(x)?)?)
}

fn sigmoid(x: &Expr) -> Expr {
    let one = x.constant(1.0);
    &one / &(&one + &(-x).unary(UnaryFn::Exp))
}

/// `max(x, 0) + log1p(e^-|x|)`: the exponential is at most 1.
fn softplus(x: &Expr) -> Expr {
    let e = (-&x.unary(UnaryFn::Abs)).unary(UnaryFn::Exp);
    x.max(&x.constant(0.0)) + e.unary(UnaryFn::Log1p)
}

fn hard_sigmoid(x: &Expr) -> Expr {
    let shifted = (x + &x.constant(3.0)).max(&x.constant(0.0)).min(&x.constant(6.0));
    shifted / x.constant(6.0)
}

/// How a gelu is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AttrKind)]
pub enum Approximation {
    /// By the error function.
    None,
    /// By a hyperbolic tangent.
    Tanh,
}

/// Gaussian error linear unit `x * P(X <= x)` for a standard normal `X`.
///
/// With `approximate = tanh` it is `0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))` instead.
///
/// - (C1) the operand is a tensor of floats
///
/// ```mlir
/// %y = thunder.gelu %x approximate = tanh : tensor<4xf32>
/// ```
#[op("thunder.gelu", pure, same_type, elementwise, fold, interfaces(Scalar, Differentiate, Cost, Precision))]
pub struct Gelu {
    #[c(1)]
    operand: Operand<Tensor<Float>>,
    /// The formula.
    #[default(Approximation::None)]
    approximate: Attr<Approximation>,
    out: Produces<Tensor<Float>>,
}

/// `0.5 (1 + tanh(z))` is `sigmoid(2 z)`, which does not cancel where it is small: so much of `x` is `2 z`.
const TWICE: f64 = FRAC_2_SQRT_PI * SQRT_2;
/// And so much of its cube.
const CUBIC: f64 = 0.044_715 * TWICE;

impl Scalar for Gelu<'_> {
    fn scalar(&self, x: &[Expr]) -> Expr {
        let x = &x[0];
        match self.approximate() {
            Approximation::None => {
                let function = (x * &x.constant(FRAC_1_SQRT_2)).unary(UnaryFn::Erf);
                &(x * &x.constant(0.5)) * &(x.constant(1.0) + function)
            }
            Approximation::Tanh => {
                let factor = &(x * x) * &x.constant(CUBIC);
                x * &sigmoid(&(x * &(factor + x.constant(TWICE))))
            }
        }
    }
}

impl<'c> Differentiate<'c> for Gelu<'c> {
    /// `P(X <= x) + x p(x)` with the density `p`; or with `s = sigmoid(2 z)`, `s + x s (1 - s) 2 dz/dx`.
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let [x, dy] = [widened(b, self.operand())?, widened(b, only(cotangents)?)?];
        let square = b.mul(x, x)?;
        let plus = |x: Value<'c>, term: f64| b.add(x, full(b, x.ty().element(), term, &extents(b, x)?)?);
        let slope = match self.approximate() {
            Approximation::None => {
                let part = scaled(b, plus(b.erf(scaled(b, x, FRAC_1_SQRT_2)?)?, 1.0)?, 0.5)?;
                let density = scaled(b, b.exp(scaled(b, square, -0.5)?)?, 0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2)?;
                b.add(part, b.mul(x, density)?)?
            }
            Approximation::Tanh => {
                let s = b.sigmoid(b.mul(x, plus(scaled(b, square, CUBIC)?, TWICE)?)?)?;
                let change = plus(scaled(b, square, 3.0 * CUBIC)?, TWICE)?;
                b.add(s, b.mul(b.mul(b.mul(x, s)?, complement(b, s)?)?, change)?)?
            }
        };
        Ok(vec![Some(converted(b, b.mul(dy, slope)?, self.operand().ty().element())?)])
    }
}

impl<'c> Fold<'c> for Gelu<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        fold_constants(self, constants)
    }
}

impl Cost for Gelu<'_> {
    fn flops(&self, _: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
        25.0 * results[0].iter().product::<i64>() as f64
    }
}

impl Precision for Gelu<'_> {}

impl Samples for Gelu<'_> {
    fn samples(s: &mut SampleSet) {
        elementwise_samples(s, "thunder.gelu", "", Dtypes::FLOATS, -4.0, 4.0);
        elementwise_samples(s, "thunder.gelu", " approximate = tanh", Dtypes::FLOATS, -6.0, 4.0);
    }
}

/// The operand where it is positive, else `slope` times the operand.
///
/// - (C1) the operand is a tensor of floats
///
/// ```mlir
/// %y = thunder.leaky_relu %x slope = 0.2 : tensor<4xf32>
/// ```
#[op("thunder.leaky_relu", pure, same_type, elementwise, fold, interfaces(Scalar, Cost, Precision))]
pub struct LeakyRelu {
    #[c(1)]
    operand: Operand<Tensor<Float>>,
    /// The factor of values below zero.
    #[default(0.01)]
    slope: Attr<f64>,
    out: Produces<Tensor<Float>>,
}

impl Scalar for LeakyRelu<'_> {
    fn scalar(&self, x: &[Expr]) -> Expr {
        let x = &x[0];
        x.compare(Compare::Gt, &x.constant(0.0)).select(x, &(x * &x.constant(self.slope())))
    }
}

impl<'c> Fold<'c> for LeakyRelu<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        fold_constants(self, constants)
    }
}

impl Cost for LeakyRelu<'_> {
    fn flops(&self, _: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
        2.0 * results[0].iter().product::<i64>() as f64
    }
}

impl Precision for LeakyRelu<'_> {}

impl Samples for LeakyRelu<'_> {
    fn samples(s: &mut SampleSet) {
        elementwise_samples(s, "thunder.leaky_relu", "", Dtypes::FLOATS, -4.0, 4.0);
        special_sample(s, "thunder.leaky_relu", " slope = 0.25", Dtypes::FLOATS).specials();
    }
}

/// The operand where it is positive, else `alpha * (e^x - 1)`.
///
/// - (C1) the operand is a tensor of floats
///
/// ```mlir
/// %y = thunder.elu %x alpha = 0.5 : tensor<4xf32>
/// ```
#[op("thunder.elu", pure, same_type, elementwise, fold, interfaces(Scalar, Cost, Precision))]
pub struct Elu {
    #[c(1)]
    operand: Operand<Tensor<Float>>,
    /// The limit for values far below zero, negated.
    #[default(1.0)]
    alpha: Attr<f64>,
    out: Produces<Tensor<Float>>,
}

impl Scalar for Elu<'_> {
    fn scalar(&self, x: &[Expr]) -> Expr {
        let x = &x[0];
        let below = &x.constant(self.alpha()) * &x.unary(UnaryFn::Expm1);
        x.compare(Compare::Gt, &x.constant(0.0)).select(x, &below)
    }
}

impl<'c> Fold<'c> for Elu<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        fold_constants(self, constants)
    }
}

impl Cost for Elu<'_> {
    fn flops(&self, _: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
        14.0 * results[0].iter().product::<i64>() as f64
    }
}

impl Precision for Elu<'_> {}

impl Samples for Elu<'_> {
    fn samples(s: &mut SampleSet) {
        elementwise_samples(s, "thunder.elu", "", Dtypes::FLOATS, -4.0, 4.0);
        special_sample(s, "thunder.elu", " alpha = 0.5", Dtypes::FLOATS).specials();
    }
}
