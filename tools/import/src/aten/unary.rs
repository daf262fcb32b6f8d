//! Elementwise functions of one value, and copies of values.

use thunder_trace::{Approximation, DType, Operand, Tensor};

use super::arithmetic::{truth, widened};
use super::{Entry, copy, many, one};
use crate::arguments::{Answer, Call, ensure, gap};

/// Functions that need nothing but their operand.
macro_rules! plain {
    ($($name:literal $method:ident;)*) => {
        &[$(one(&[concat!("aten.", $name, ".default")], |c| Ok(c.tensor("self")?.$method())),)*]
    };
}

pub(super) const PLAIN: &[Entry] = plain! {
    "abs" abs;
    "acos" acos;
    "acosh" acosh;
    "asin" asin;
    "asinh" asinh;
    "atan" atan;
    "atanh" atanh;
    "cos" cos;
    "cosh" cosh;
    "digamma" digamma;
    "erf" erf;
    "erfc" erfc;
    "erfinv" erfinv;
    "exp" exp;
    "exp2" exp2;
    "expm1" expm1;
    "hardsigmoid" hard_sigmoid;
    "hardswish" hard_swish;
    "i0" i0;
    "lgamma" lgamma;
    "log" log;
    "log10" log10;
    "log1p" log1p;
    "log2" log2;
    "mish" mish;
    "reciprocal" reciprocal;
    "relu" relu;
    "rsqrt" rsqrt;
    "sin" sin;
    "sinh" sinh;
    "special_digamma" digamma;
    "special_entr" entr;
    "special_erf" erf;
    "special_erfc" erfc;
    "special_erfinv" erfinv;
    "special_exp2" exp2;
    "special_expm1" expm1;
    "special_gammaln" lgamma;
    "special_i0" i0;
    "special_i0e" i0e;
    "special_i1" i1;
    "special_i1e" i1e;
    "special_log1p" log1p;
    "special_ndtr" ndtr;
    "special_ndtri" ndtri;
    "special_psi" digamma;
    "sqrt" sqrt;
    "tan" tan;
    "tanh" tanh;
};

pub(super) const OPS: &[Entry] = &[
    one(&["aten.isnan.default"], |c| Ok(either(c.tensor("self")?, Tensor::isnan))),
    one(&["aten.isinf.default"], |c| Ok(either(c.tensor("self")?, Tensor::isinf))),
    one(&["aten.isfinite.default"], |c| Ok(finite(c.tensor("self")?))),
    one(&["aten.sigmoid.default", "aten.special_expit.default"], |c| Ok(logistic(c.tensor("self")?))),
    one(&["aten.silu.default"], |c| {
        let x = c.tensor("self")?;
        Ok(if x.dtype().is_complex() { x * logistic(x) } else { x.silu() })
    }),
    one(&["aten.polygamma.default", "aten.special_polygamma.default"], |c| {
        Ok(c.tensor("self")?.polygamma(c.int("n")?))
    }),
    one(&["aten.mvlgamma.default", "aten.special_multigammaln.default"], |c| {
        let (x, p) = (c.tensor("self")?, c.int("p")?);
        if !(1..=64).contains(&p) {
            return gap(format!("{p} dimensions"));
        }
        let sum = (1..p).map(|i| (x - i as f64 / 2.0).lgamma()).fold(x.lgamma(), |sum, term| sum + term);
        Ok(sum + (p * (p - 1)) as f64 / 4.0 * std::f64::consts::PI.ln())
    }),
    one(&["aten.round.decimals"], |c| {
        let (x, digits) = (c.tensor("self")?, c.int_or("decimals", 0)?);
        let power = 10f64.powi(i32::try_from(digits.abs()).unwrap_or(i32::MAX));
        Ok(match digits {
            _ if !x.dtype().is_float() => x,
            0 => x.round(),
            1.. => (x * power).round() / power,
            _ => (x / power).round() * power,
        })
    }),
    many(&["aten.frexp.Tensor"], |c| Ok(mantissa(c.tensor("self")?))),
    one(&["aten.nextafter.default"], |c| {
        let (x, y) = (c.tensor("self")?, c.tensor("other")?);
        // Digits of a number, and the exponent of the smallest one above zero.
        let (digits, least) = match x.dtype() {
            DType::F64 => (53, -1074),
            DType::F16 => (11, -24),
            DType::BF16 => (8, -133),
            _ => (24, -149),
        };
        let [value, exponent] = mantissa(x)[..] else { return gap("no mantissa") };
        let grows = y.gt(x).eq(x.gt(0));
        // Below a power of two, numbers are twice as dense.
        let at_power = value.abs().eq(0.5) & !grows;
        let exponent = exponent - digits - at_power.to(DType::I32);
        // In two steps, as half of the exponent is always in range.
        let exponent = exponent.clamp(Some(least), None).to(x.dtype());
        let half = (exponent * 0.5).floor();
        let step = half.exp2() * (exponent - half).exp2();
        let smallest = 2f64.powi(least);
        let step = x.eq(0).where_(smallest, step);
        let next = y.gt(x).where_(x + step, x - step);
        let most = x.dtype().max_value();
        let next = x.isinf().where_(x.gt(0).where_(most, -most).to(x.dtype()), next);
        Ok(x.eq(y).where_(y, (x.isnan() | y.isnan()).where_(f64::NAN, next)))
    }),
    one(&["aten.signbit.default"], |c| {
        let x = c.tensor("self")?;
        // Zeros of both signs are told by their reciprocals.
        Ok(if x.dtype().is_float() { x.eq(0).where_(x.reciprocal(), x).lt(0) } else { x.lt(0) })
    }),
    one(&["aten.sinc.default", "aten.special_sinc.default"], |c| {
        Ok(widened(c.tensor("self")?).sinc().to(c.result()?.dtype))
    }),
    one(&["aten.sign.default", "aten.sgn.default"], |c| {
        let x = c.tensor("self")?;
        Ok(if x.dtype() == DType::Bool { x } else { x.sign() })
    }),
    one(&["aten.neg.default"], |c| Ok(-c.tensor("self")?)),
    one(&["aten.square.default"], |c| {
        let x = c.tensor("self")?.to(c.result()?.dtype);
        Ok(x * x)
    }),
    one(&["aten.bitwise_not.default"], |c| Ok(!c.tensor("self")?)),
    one(&["aten.logical_not.default"], |c| Ok(!truth(c.tensor("self")?))),
    one(&["aten.ceil.default"], |c| integral(c, Tensor::ceil)),
    one(&["aten.floor.default"], |c| integral(c, Tensor::floor)),
    one(&["aten.round.default"], |c| integral(c, Tensor::round)),
    one(&["aten.trunc.default", "aten.fix.default"], |c| integral(c, Tensor::trunc)),
    one(&["aten.frac.default"], |c| {
        let x = c.tensor("self")?;
        Ok(x - x.trunc())
    }),
    one(&["aten.gelu.default"], |c| {
        Ok(c.tensor("self")?.gelu(match c.word_or("approximate", "none")? {
            "none" => Approximation::None,
            "tanh" => Approximation::Tanh,
            other => return gap(format!("approximate '{other}'")),
        }))
    }),
    one(&["aten.leaky_relu.default"], |c| Ok(c.tensor("self")?.leaky_relu(c.float_or("negative_slope", 0.01)?))),
    one(&["aten.elu.default"], |c| {
        let (scale, input_scale) = (c.float_or("scale", 1.0)?, c.float_or("input_scale", 1.0)?);
        if input_scale != 1.0 {
            return gap(format!("input_scale {input_scale}"));
        }
        let y = c.tensor("self")?.elu(c.float_or("alpha", 1.0)?);
        Ok(if scale == 1.0 { y } else { y * scale })
    }),
    one(&["aten.selu.default"], |c| Ok(c.tensor("self")?.elu(SELU_ALPHA) * SELU_SCALE)),
    one(&["aten.celu.default"], |c| {
        let alpha = c.float_or("alpha", 1.0)?;
        Ok((c.tensor("self")? / alpha).elu(1.0) * alpha)
    }),
    one(&["aten.softplus.default"], |c| {
        let (beta, threshold) = (c.float_or("beta", 1.0)?, c.float_or("threshold", 20.0)?);
        let x = c.tensor("self")?;
        let scaled = if beta == 1.0 { x } else { x * beta };
        let y = if beta == 1.0 { scaled.softplus() } else { scaled.softplus() / beta };
        Ok(scaled.gt(threshold).where_(x, y))
    }),
    one(&["aten.log_sigmoid.default"], |c| Ok(-(-c.tensor("self")?).softplus())),
    one(&["aten.logit.default", "aten.special_logit.default"], |c| {
        let mut x = c.tensor("self")?;
        if c.has("eps") {
            let eps = c.float_or("eps", 0.0)?;
            // The lower bound counts where they are out of order.
            x = x.lt(eps).where_(eps, x.gt(1.0 - eps).where_(1.0 - eps, x));
        }
        Ok((x / (1.0 - x)).log())
    }),
    one(&["aten.hardtanh.default"], |c| {
        Ok(between(c.tensor("self")?, c.float_or("min_val", -1.0)?, c.float_or("max_val", 1.0)?))
    }),
    one(&["aten.relu6.default"], |c| Ok(between(c.tensor("self")?, 0.0, 6.0))),
    one(&["aten.threshold.default"], |c| {
        let x = c.tensor("self")?;
        let (threshold, value) = (c.scalar("threshold")?, c.scalar("value")?);
        Ok(x.gt(Operand::Scalar(threshold)).where_(x, Operand::Scalar(value)))
    }),
    one(&["aten.hardshrink.default"], |c| {
        let x = c.tensor("self")?;
        Ok(x.abs().le(c.float_or("lambd", 0.5)?).where_(0.0, x))
    }),
    one(&["aten.softshrink.default"], |c| {
        let (x, width) = (c.tensor("self")?, c.float_or("lambd", 0.5)?);
        ensure(width >= 0.0, format!("a width of {width}"))?;
        Ok(x.abs().le(width).where_(0.0, x - x.sign() * width))
    }),
    one(&["aten.prelu.default", "aten._prelu_kernel.default"], prelu),
    one(&["aten.nan_to_num.default"], |c| {
        let x = c.tensor("self")?;
        if !x.dtype().is_float() {
            return Ok(x);
        }
        let (least, most) = (x.dtype().min_value(), x.dtype().max_value());
        let y = x.isnan().where_(c.float_or("nan", 0.0)?, x);
        Ok(y.clamp(Some(c.float_or("neginf", least)?), Some(c.float_or("posinf", most)?)))
    }),
    one(&["aten.deg2rad.default"], |c| Ok(c.tensor("self")? * (std::f64::consts::PI / 180.0))),
    one(&["aten.rad2deg.default"], |c| Ok(c.tensor("self")? * (180.0 / std::f64::consts::PI))),
    one(
        &[
            "aten.alias.default",
            "aten.detach.default",
            "aten.detach_.default",
            "aten.contiguous.default",
            "aten.positive.default",
            "aten.lift_fresh.default",
            "aten.resolve_conj.default",
            "aten.resolve_neg.default",
        ],
        |c| c.tensor("self"),
    ),
    one(
        &["aten.to.dtype", "aten.to.dtype_layout", "aten.to.device", "aten.type_as.default", "aten.to.other"],
        converted,
    ),
    copy(
        &[
            "aten._to_copy.default",
            "aten.clone.default",
            "aten.lift_fresh_copy.default",
            "aten.detach_copy.default",
            "aten.alias_copy.default",
            "prims.convert_element_type.default",
        ],
        converted,
    ),
];

const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

/// Whether something holds of a number, or of either part of a complex one.
fn either<'t>(x: Tensor<'t>, holds: fn(Tensor<'t>) -> Tensor<'t>) -> Tensor<'t> {
    if x.dtype().is_complex() { holds(x.real()) | holds(x.imag()) } else { holds(x) }
}

/// Whether numbers are neither infinite nor NaN, in both parts of a complex one.
pub(super) fn finite(x: Tensor<'_>) -> Tensor<'_> {
    if x.dtype().is_complex() { x.real().isfinite() & x.imag().isfinite() } else { x.isfinite() }
}

/// `1 / (1 + e^-x)`.
fn logistic(x: Tensor<'_>) -> Tensor<'_> {
    if x.dtype().is_complex() { ((-x).exp() + 1.0).reciprocal() } else { x.sigmoid() }
}

/// `x` between bounds, which take its dtype.
fn between(x: Tensor<'_>, least: f64, most: f64) -> Tensor<'_> {
    let [least, most] = [least, most].map(|bound| super::create::cast(bound.into(), x.dtype()));
    x.clamp(Some(least), Some(most))
}

/// A function that leaves integers as they are.
fn integral<'t>(c: &Call<'_, 't>, function: fn(Tensor<'t>) -> Tensor<'t>) -> Answer<Tensor<'t>> {
    let x = c.tensor("self")?;
    if c.int_or("decimals", 0)? != 0 {
        return gap("decimals");
    }
    Ok(if x.dtype().is_float() { function(x) } else { x })
}

/// The value in the dtype that the file says the result has.
fn converted<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let name = if c.has("a") { "a" } else { "self" };
    let (x, dtype) = (c.tensor(name)?, c.result()?.dtype);
    // Truth values of anything are whether it is not zero.
    Ok(if dtype == DType::Bool { truth(x) } else { x.to(dtype) })
}

/// A slope for each channel, which is dimension 1.
fn prelu<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let (x, weight) = (c.tensor("self")?, c.tensor("weight")?);
    let slope = if weight.rank() == 1 && x.rank() > 1 {
        weight.reshape([&[weight.size(0)][..], &vec![thunder_trace::Dim::from(1); x.rank() - 2]].concat())
    } else {
        weight
    };
    let slope = if x.rank() == 0 { slope.reshape(()) } else { slope };
    Ok(x.gt(0).where_(x, x * slope))
}

/// `x` as a number from 1/2 up to 1 and the power of two that it is multiplied by.
fn mantissa(x: Tensor<'_>) -> Vec<Tensor<'_>> {
    let is_number = x.isfinite() & x.ne(0);
    let size = is_number.where_(x.abs(), 1.0);
    let guess = size.log2().floor();
    // In two steps, as the power of two alone may be out of range.
    let half = (guess * 0.5).floor();
    let scaled = x * (-half).exp2() * (half - guess).exp2();
    // Logarithms are rounded.
    let more = scaled.abs().ge(2.0).where_(2.0, scaled.abs().ge(1.0).where_(1.0, 0.0)).to(x.dtype());
    let value = scaled * (-more).exp2();
    let exponent = is_number.where_(guess + more, 0.0).to(DType::I32);
    vec![is_number.where_(value, x), exponent]
}
