//! Special functions of two values.

use thunder_trace::{DType, Operand, Tensor};

use super::arithmetic::widened;
use super::{Entry, one};
use crate::arguments::{Answer, Call};

pub(super) const OPS: &[Entry] = &[
    one(&["aten.special_zeta.default", "aten.special_zeta.self_scalar", "aten.special_zeta.other_scalar"], |c| {
        let q = c.operand("other")?;
        let x = c.left("self", q)?;
        zeta(c, x, q)
    }),
    one(&["aten.special_erfcx.default"], |c| {
        let dtype = c.result()?.dtype;
        Ok(scaled_erfc(widened(c.tensor("self")?.to(dtype))).to(dtype))
    }),
    one(&["aten.special_log_ndtr.default"], |c| {
        let dtype = c.result()?.dtype;
        let x = widened(c.tensor("self")?.to(dtype));
        let t = x * std::f64::consts::FRAC_1_SQRT_2;
        let (is_low, none) = (x.lt(-1.0), x * 0.0);
        // Each side is computed with what is on it only, so that gradients of the other are finite.
        let low = scaled_erfc(-is_low.where_(t, none - 1.0)).log() - (0.5f64).recip().ln() - t * t;
        let high = (is_low.where_(none, t).erfc() * -0.5).log1p();
        Ok(is_low.where_(low, high).to(dtype))
    }),
    one(&["aten.special_modified_bessel_i0.default"], |c| Ok(c.tensor("self")?.i0())),
    one(&["aten.special_modified_bessel_i1.default"], |c| Ok(c.tensor("self")?.i1())),
];

/// `exp(x^2) erfc(x)`; where this is the product of a number out of range and nearly nothing, by its asymptotic series.
fn scaled_erfc(x: Tensor<'_>) -> Tensor<'_> {
    let is_far = x.gt(if x.dtype() == DType::F64 { 8.0 } else { 4.0 });
    let near = is_far.where_(0.0, x);
    let far = is_far.where_(x, 8.0);
    let square = (far * far * 2.0).reciprocal();
    // 1 - 1/(2 x^2) + 1*3/(2 x^2)^2 - 1*3*5/(2 x^2)^3 + ...
    let series = (1..=14).rev().fold(square * 0.0 + 1.0, |sum, k| 1.0 - square * f64::from(2 * k - 1) * sum);
    is_far.where_(series / (far * std::f64::consts::PI.sqrt()), (near * near).exp() * near.erfc())
}

/// How many terms of the series are summed up one by one.
const TERMS: i64 = 20;

/// `(2n)! / B(2n)` for the Bernoulli numbers from `B(2)` on.
const BERNOULLI: [f64; 12] = [
    12.0,
    -720.0,
    30240.0,
    -1_209_600.0,
    47_900_160.0,
    -1_892_437_580.318_379_2,
    7.472_424_96e10,
    -2.950_130_727_918_164e12,
    1.164_678_281_435_006_7e14,
    -4.597_978_722_407_473e15,
    1.815_210_540_194_354_7e17,
    -7.166_165_256_175_667e18,
];

/// The sum of `(q + k)^-x` over all `k` from 0 on, by the formula of Euler and Maclaurin after some terms.
fn zeta<'t>(c: &Call<'_, 't>, x: Tensor<'t>, q: Operand<'t>) -> Answer<Tensor<'t>> {
    let dtype = c.result()?.dtype;
    let x = x.to(dtype);
    let q = match q {
        Operand::Tensor(q) => q.to(dtype),
        Operand::Scalar(q) => c.cx.full((), q, dtype),
    };
    let wide = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
    let (x, q) = (x.to(wide), q.to(wide));
    let power = |k: i64| (q + k as f64).pow(-x);
    let mut sum = (1..TERMS).fold(power(0), |sum, k| sum + power(k));
    let end = q + TERMS as f64;
    let mut term = end.pow(-x);
    sum = sum + term * end / (x - 1.0) + term * 0.5;
    let mut rising = x;
    for (n, divisor) in BERNOULLI.into_iter().enumerate() {
        term = term / end;
        sum = sum + rising * term / divisor;
        let k = (2 * n + 1) as f64;
        rising = rising * (x + k) * (x + (k + 1.0));
        term = term / end;
    }
    // Below zero, it has poles at integers, and is complex unless the power is an integer.
    let is_pole = x.eq(1.0) | (q.le(0.0) & q.eq(q.floor()));
    let is_complex = q.lt(0.0) & x.ne(x.floor());
    let is_outside = x.lt(1.0) | q.lt(-(TERMS as f64) / 2.0) | is_complex;
    Ok(x.eq(1.0).where_(f64::INFINITY, is_outside.where_(f64::NAN, is_pole.where_(f64::INFINITY, sum))).to(dtype))
}
