//! Elementwise functions of one value, and copies of values.

use thunder_trace::{Approximation, DType, Operand, Tensor};

use super::arithmetic::truth;
use super::{Entry, copy, one};
use crate::arguments::{Answer, Call, gap};

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
    "isfinite" isfinite;
    "isinf" isinf;
    "isnan" isnan;
    "lgamma" lgamma;
    "log" log;
    "log10" log10;
    "log1p" log1p;
    "log2" log2;
    "mish" mish;
    "reciprocal" reciprocal;
    "relu" relu;
    "rsqrt" rsqrt;
    "sgn" sign;
    "sigmoid" sigmoid;
    "sign" sign;
    "silu" silu;
    "sin" sin;
    "sinc" sinc;
    "sinh" sinh;
    "special_digamma" digamma;
    "special_entr" entr;
    "special_erf" erf;
    "special_erfc" erfc;
    "special_erfinv" erfinv;
    "special_exp2" exp2;
    "special_expit" sigmoid;
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
    "special_sinc" sinc;
    "sqrt" sqrt;
    "tan" tan;
    "tanh" tanh;
};

pub(super) const OPS: &[Entry] = &[
    one(&["aten.polygamma.default", "aten.special_polygamma.default"], |c| {
        Ok(c.tensor("self")?.polygamma(c.int("n")?))
    }),
    one(&["aten.signbit.default"], |c| {
        let x = c.tensor("self")?;
        // Zeros of both signs are told by their reciprocals.
        Ok(if x.dtype().is_float() { x.eq(0).where_(x.reciprocal(), x).lt(0) } else { x.lt(0) })
    }),
    one(&["aten.neg.default"], |c| Ok(-c.tensor("self")?)),
    one(&["aten.square.default"], |c| {
        let x = c.tensor("self")?;
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
            x = x.clamp(Some(eps), Some(1.0 - eps));
        }
        Ok((x / (1.0 - x)).log())
    }),
    one(&["aten.hardtanh.default"], |c| {
        Ok(c.tensor("self")?.clamp(Some(c.float_or("min_val", -1.0)?), Some(c.float_or("max_val", 1.0)?)))
    }),
    one(&["aten.relu6.default"], |c| Ok(c.tensor("self")?.clamp(Some(0.0), Some(6.0)))),
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
        Ok(x.abs().le(width).where_(0.0, x - x.sign() * width))
    }),
    one(&["aten.prelu.default", "aten._prelu_kernel.default"], prelu),
    one(&["aten.nan_to_num.default"], |c| {
        let x = c.tensor("self")?;
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
            "aten.conj.default",
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
            "prims.convert_element_type.default",
        ],
        converted,
    ),
];

const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

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
    Ok(x.gt(0).where_(x, x * slope))
}
