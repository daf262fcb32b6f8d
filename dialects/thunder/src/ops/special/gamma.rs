//! The logarithm of the gamma function and its derivatives.
//!
//! Small arguments are moved up by recurrences to where asymptotic series hold, negative ones are reflected.

use std::f64::consts::PI;
use thunder_interface::{Compare, Expr, UnaryFn};

/// The Bernoulli numbers B2, B4, ...
const BERNOULLI: [f64; 12] = [
    1.0 / 6.0,
    -1.0 / 30.0,
    1.0 / 42.0,
    -1.0 / 30.0,
    5.0 / 66.0,
    -691.0 / 2730.0,
    7.0 / 6.0,
    -3617.0 / 510.0,
    43_867.0 / 798.0,
    -174_611.0 / 330.0,
    854_513.0 / 138.0,
    -236_364_091.0 / 2730.0,
];

/// `log(gamma(2 + u)) / (u (1 + u))` for `u` from -1/2 to 1/2: the polynomial that is exact at the 20 Chebyshev nodes,
/// off by no more than a rounding error of `f64`.
const AROUND_TWO: [f64; 20] = [
    0.422_784_335_098_467_13,
    -0.100_317_301_674_353_92,
    0.032_965_000_621_155_864,
    -0.012_384_192_193_371_297,
    0.004_998_641_164_691_94,
    -0.002_108_130_833_953_202_7,
    0.000_915_376_922_525_835_2,
    -0.000_405_707_397_640_525_6,
    0.000_182_552_631_980_290_55,
    -8.309_512_288_139_664e-5,
    3.816_899_450_869_808e-5,
    -1.766_172_709_264_029_3e-5,
    8.221_243_547_899_526e-6,
    -3.846_868_630_984_396e-6,
    1.813_340_925_941_714e-6,
    -8.554_745_925_302_383e-7,
    3.863_844_148_542_206e-7,
    -1.833_363_473_380_683_6e-7,
    1.221_197_763_694_066_8e-7,
    -5.832_930_129_320_894e-8,
];

/// How many arguments below it are moved above the least argument of asymptotic series.
const SHIFTS: i32 = 9;

pub(super) fn polynomial(x: &Expr, coefficients: &[f64]) -> Expr {
    let (last, rest) = coefficients.split_last().expect("a polynomial has coefficients");
    rest.iter().rev().fold(x.constant(*last), |sum, c| sum * x.clone() + x.constant(*c))
}

/// The distance to the nearest integer, which is exact: `sin` and `tan` of its multiples by pi have the digits of `x`.
fn fraction(x: &Expr) -> Expr {
    x - &x.unary(UnaryFn::Round)
}

/// By Stirling's series from 8.5 on, and below by a polynomial around 2.
pub(super) fn log_gamma(x: &Expr) -> Expr {
    let (zero, one) = (x.constant(0.0), x.constant(1.0));
    let is_reflected = x.compare(Compare::Lt, &x.constant(0.0));
    let positive = is_reflected.select(&(&one - x), x);
    let value = log_gamma_of_positive(&positive);
    // log |gamma(x)| = log(pi / |sin(pi x)|) - log(gamma(1 - x)), where the sine of a tiny number is that times pi.
    let near = fraction(x).unary(UnaryFn::Abs);
    let sine = (x.constant(PI) * near.clone()).unary(UnaryFn::Sin) / x.constant(PI);
    let sine = near.compare(Compare::Lt, &x.constant(1e-10)).select(&near, &sine);
    let reflected = -&sine.unary(UnaryFn::Log) - value.clone();
    let is_integer = x.compare(Compare::Eq, &x.unary(UnaryFn::Floor));
    let is_pole = is_integer & x.compare(Compare::Le, &zero);
    is_pole.select(&x.constant(f64::INFINITY), &is_reflected.select(&reflected, &value))
}

fn log_gamma_of_positive(x: &Expr) -> Expr {
    let one = x.constant(1.0);
    // To 1.5 ..= 2.5 by factors: gamma(x) = (x - 1) gamma(x - 1) = gamma(x + 1) / x.
    let (mut moved, mut factor, mut divisor) = (x.clone(), one.clone(), one.clone());
    for _ in 0..7 {
        let is_above = moved.compare(Compare::Gt, &x.constant(2.5));
        let below = &moved - &one;
        factor = is_above.select(&(&factor * &below), &factor);
        moved = is_above.select(&below, &moved);
    }
    for _ in 0..2 {
        let is_below = moved.compare(Compare::Lt, &x.constant(1.5));
        divisor = is_below.select(&(&divisor * &moved), &divisor);
        moved = is_below.select(&(&moved + &one), &moved);
    }
    let u = moved - x.constant(2.0);
    let around_two = &(&u * &(&u + &one)) * &polynomial(&u, &AROUND_TWO);
    let small = around_two + factor.unary(UnaryFn::Log) - divisor.unary(UnaryFn::Log);

    let inverse = &one / x;
    let square = &inverse * &inverse;
    let terms: Vec<f64> = (1..=8).map(|k| BERNOULLI[k - 1] / (2 * k * (2 * k - 1)) as f64).collect();
    let series = polynomial(&square, &terms) * inverse;
    let logarithm = x.unary(UnaryFn::Log);
    // x log x - x, of which neither part alone may be infinite.
    let large =
        x * &(logarithm.clone() - one) - x.constant(0.5) * logarithm + x.constant((2.0 * PI).ln() / 2.0) + series;
    x.compare(Compare::Gt, &x.constant(8.5)).select(&large, &small)
}

/// By its asymptotic series from 9 on.
pub(super) fn polygamma(x: &Expr, order: i32) -> Expr {
    let (zero, one) = (x.constant(0.0), x.constant(1.0));
    let is_reflected = x.compare(Compare::Lt, &zero);
    let positive = is_reflected.select(&(&one - x), x);
    let value = polygamma_of_positive(&positive, order);
    // psi(x) = (-1)^n psi(1 - x) - (d/dx)^n (pi cot(pi x))
    let cotangent = &one / &(x.constant(PI) * fraction(x)).unary(UnaryFn::Tan);
    let turned = if order % 2 == 0 { value.clone() } else { -&value };
    let slope = x.constant(PI.powi(order + 1)) * polynomial(&cotangent, &cotangent_derivative(order));
    let reflected = turned - slope;
    let pole = match order {
        0 => f64::NAN,
        odd if odd % 2 == 1 => f64::INFINITY,
        _ => f64::NAN,
    };
    let is_integer = x.compare(Compare::Eq, &x.unary(UnaryFn::Floor));
    let is_pole = is_integer & is_reflected.clone();
    is_pole.select(&x.constant(pole), &is_reflected.select(&reflected, &value))
}

/// Derivative number `order` of the cotangent as a polynomial of the cotangent: that of `p(c)` is `-(1 + c^2) p'(c)`.
fn cotangent_derivative(order: i32) -> Vec<f64> {
    let mut p = vec![0.0, 1.0];
    for _ in 0..order {
        let slope: Vec<f64> = p.iter().enumerate().skip(1).map(|(power, c)| power as f64 * c).collect();
        p = vec![0.0; slope.len() + 2];
        for (power, c) in slope.into_iter().enumerate() {
            p[power] -= c;
            p[power + 2] -= c;
        }
    }
    p
}

fn polygamma_of_positive(x: &Expr, order: i32) -> Expr {
    let (zero, one) = (x.constant(0.0), x.constant(1.0));
    let is_moved = x.compare(Compare::Lt, &x.constant(f64::from(SHIFTS)));
    let moved = is_moved.select(&(x + &x.constant(f64::from(SHIFTS))), x);
    // psi(x) = psi(x + 1) - (-1)^n n! / x^(n + 1)
    let power = |x: &Expr, exponent: i32| (1..exponent).fold(x.clone(), |p, _| &p * x);
    let mut passed = zero.clone();
    for step in 0..SHIFTS {
        let inverse = &one / &(x + &x.constant(f64::from(step)));
        passed = passed + power(&inverse, order + 1);
    }
    let passed = is_moved.select(&passed, &zero);
    let factorial: f64 = (1..=order).map(f64::from).product();
    let inverse = &one / &moved;
    let square = &inverse * &inverse;
    // B2k / (2k)! times the derivatives of x^-2k.
    let rising = |k: usize| (1..order).map(|i| (2 * k) as f64 + f64::from(i)).product::<f64>();
    let count = BERNOULLI.len();
    if order == 0 {
        let terms: Vec<f64> = (1..=count).map(|k| -BERNOULLI[k - 1] / (2 * k) as f64).collect();
        let series = polynomial(&square, &terms) * square;
        let value = moved.unary(UnaryFn::Log) - x.constant(0.5) * inverse + series;
        return value - passed;
    }
    let terms: Vec<f64> = (1..=count).map(|k| BERNOULLI[k - 1] * rising(k) / factorial).collect();
    // 1 / (n x^n) + 1 / (2 x^(n + 1)) + the sum of B2k (2k + n - 1)! / ((2k)! n! x^(2k + n)), all times n!
    let series = polynomial(&square, &terms) * square;
    let leading = x.constant(1.0 / f64::from(order)) + x.constant(0.5) * inverse.clone() + series;
    let sum = leading * power(&inverse, order) + passed;
    let sign = if order % 2 == 1 { 1.0 } else { -1.0 };
    sum * x.constant(sign * factorial)
}
