//! Modified Bessel functions of the first kind, times `e^-|x|`.
//!
//! Power series, all of whose terms have one sign, up to 24; asymptotic series beyond.

use std::f64::consts::PI;
use thunder_interface::{Compare, Expr, UnaryFn};

const LIMIT: f64 = 24.0;
const POWERS: i32 = 46;
const ASYMPTOTIC: i32 = 26;

pub(super) fn i0e(x: &Expr) -> Expr {
    let size = x.unary(UnaryFn::Abs);
    scaled(&size, 0, &x.constant(1.0))
}

pub(super) fn i1e(x: &Expr) -> Expr {
    let size = x.unary(UnaryFn::Abs);
    x.unary(UnaryFn::Sign) * scaled(&size, 1, &(x.constant(0.5) * size.clone()))
}

/// `y e^|x|`, which is finite where it can be.
pub(super) fn grown(y: Expr, x: &Expr) -> Expr {
    let half = (x.constant(0.5) * x.unary(UnaryFn::Abs)).unary(UnaryFn::Exp);
    y * half.clone() * half
}

/// The function of `order` at a number that is not negative; `first` is the first factor of its power series.
fn scaled(x: &Expr, order: i32, first: &Expr) -> Expr {
    let one = x.constant(1.0);
    // A large argument would overflow where it is not used.
    let is_small = x.compare(Compare::Lt, &x.constant(LIMIT));
    let small = is_small.select(x, &one);
    let quarter = x.constant(0.25) * small.clone() * small.clone();
    let series = (1..=POWERS)
        .rev()
        .fold(one.clone(), |sum, k| &one + &(sum * quarter.clone() * x.constant(1.0 / f64::from(k * (k + order)))));
    let series = first * &(series * (-&small).unary(UnaryFn::Exp));

    let inverse = &one / &(x.constant(8.0) * x.clone());
    let mu = f64::from(4 * order * order);
    let asymptotic = (1..=ASYMPTOTIC).rev().fold(one.clone(), |sum, k| {
        let factor = (f64::from(2 * k - 1).powi(2) - mu) / f64::from(k);
        &one + &(sum * inverse.clone() * x.constant(factor))
    });
    let asymptotic = asymptotic / (x.constant(2.0 * PI) * x.clone()).unary(UnaryFn::Sqrt);
    is_small.select(&series, &asymptotic)
}
