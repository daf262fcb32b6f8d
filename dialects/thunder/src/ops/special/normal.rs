//! Inverses of the error function and of the normal distribution.

use std::f64::consts::{PI, SQRT_2};
use thunder_interface::{Compare, Expr, UnaryFn};

/// Where `erf` of a positive number is `y` and `erfc` of it is `q = 1 - y`.
///
/// From Winitzki's closed approximation, whose relative error is below 0.002, by two steps of Halley's method, each of
/// which triples the number of digits. Where `y` is large, `q` has the digits.
fn inverse(y: &Expr, q: &Expr) -> Expr {
    let (one, two) = (y.constant(1.0), y.constant(2.0));
    let a = 0.147;
    let is_central = y.compare(Compare::Lt, &y.constant(0.5));
    // log(1 - y^2)
    let logarithm = is_central
        .select(&(-&(y * y)).unary(UnaryFn::Log1p), &(q.unary(UnaryFn::Log) + (&two - q).unary(UnaryFn::Log)));
    let half = y.constant(2.0 / (PI * a)) + y.constant(0.5) * logarithm.clone();
    let scaled = y.constant(-1.0 / a) * logarithm;
    let root = (&half * &half + scaled.clone()).unary(UnaryFn::Sqrt);
    // The difference of the root and `half`, either of which may be negative, without cancellation.
    let is_positive = half.compare(Compare::Gt, &y.constant(0.0));
    let safe = is_positive.select(&half, &one);
    let difference = is_positive.select(&(scaled / (&root + &safe)), &(&root - &half));
    let mut x = difference.unary(UnaryFn::Sqrt);
    for _ in 0..2 {
        let residual = is_central.select(&(x.unary(UnaryFn::Erf) - y.clone()), &(q - &x.unary(UnaryFn::Erfc)));
        let step = residual * (&x * &x).unary(UnaryFn::Exp) * y.constant(PI.sqrt() / 2.0);
        x = &x - &(&step / &(&one + &(&x * &step)));
    }
    // NaN where there is none.
    let at_end = q.compare(Compare::Eq, &y.constant(0.0)).select(&y.constant(f64::INFINITY), &x);
    q.compare(Compare::Lt, &y.constant(0.0)).select(&y.constant(f64::NAN), &at_end)
}

pub(super) fn inverse_erf(x: &Expr) -> Expr {
    let size = x.unary(UnaryFn::Abs);
    x.unary(UnaryFn::Sign) * inverse(&size, &(x.constant(1.0) - size.clone()))
}

pub(super) fn quantile(p: &Expr) -> Expr {
    let (one, two) = (p.constant(1.0), p.constant(2.0));
    let is_low = p.compare(Compare::Lt, &p.constant(0.5));
    let tail = &two * &is_low.select(p, &(&one - p));
    let size = inverse(&(&one - &tail), &tail) * p.constant(SQRT_2);
    is_low.select(&(-&size), &size)
}
