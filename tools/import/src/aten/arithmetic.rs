//! Elementwise functions of two values.

use thunder_trace::{DType, Operand, Scalar, Tensor};

use super::{Entry, one};
use crate::arguments::{Answer, Call, gap};

pub(super) const OPS: &[Entry] = &[
    one(&["aten.add.Tensor", "aten.add.Scalar"], |c| {
        let other = scaled(c)?;
        Ok(sum(c.left("self", other)?, other))
    }),
    one(&["aten.sub.Tensor", "aten.sub.Scalar", "aten.subtract.Tensor", "aten.subtract.Scalar"], |c| {
        let other = scaled(c)?;
        Ok(c.left("self", other)? - other)
    }),
    one(&["aten.rsub.Tensor", "aten.rsub.Scalar"], reversed),
    one(&["aten.mul.Tensor", "aten.mul.Scalar", "aten.multiply.Tensor", "aten.multiply.Scalar"], |c| {
        let other = c.operand("other")?;
        Ok(product(c.left("self", other)?, other))
    }),
    one(
        &[
            "aten.div.Tensor",
            "aten.div.Scalar",
            "aten.divide.Tensor",
            "aten.divide.Scalar",
            "aten.divide.Tensor_mode",
            "aten.divide.Scalar_mode",
            "aten.true_divide.Tensor",
            "aten.div.Tensor_mode",
            "aten.div.Scalar_mode",
        ],
        divided,
    ),
    one(&["aten.floor_divide.default", "aten.floor_divide.Scalar"], |c| {
        let other = c.operand("other")?;
        Ok(c.left("self", other)?.floor_divide(other))
    }),
    one(&["aten.fmod.Tensor", "aten.fmod.Scalar"], |c| Ok(c.tensor("self")?.fmod(c.operand("other")?))),
    one(&["aten.remainder.Tensor", "aten.remainder.Scalar", "aten.remainder.Scalar_Tensor"], |c| {
        let other = c.operand("other")?;
        Ok(c.left("self", other)? % other)
    }),
    one(&["aten.pow.Tensor_Tensor", "aten.pow.Tensor_Scalar"], power),
    one(&["aten.pow.Scalar"], |c| {
        let dtype = c.result()?.dtype;
        Ok(c.cx.full((), c.scalar("self")?, dtype).pow(c.tensor("exponent")?.to(dtype)))
    }),
    one(&["aten.maximum.default", "aten.max.other"], |c| Ok(larger(c.tensor("self")?, c.tensor("other")?))),
    one(&["aten.minimum.default", "aten.min.other"], |c| Ok(smaller(c.tensor("self")?, c.tensor("other")?))),
    one(&["aten.atan2.default", "aten.arctan2.default"], |c| Ok(c.tensor("self")?.atan2(c.tensor("other")?))),
    one(&["aten.lerp.Scalar", "aten.lerp.Tensor"], |c| {
        Ok(c.tensor("self")?.lerp(c.tensor("end")?, c.operand("weight")?))
    }),
    one(&["aten.addcmul.default"], |c| Ok(c.tensor("self")? + valued(c, c.tensor("tensor1")? * c.tensor("tensor2")?)?)),
    one(&["aten.addcdiv.default"], |c| Ok(c.tensor("self")? + valued(c, c.tensor("tensor1")? / c.tensor("tensor2")?)?)),
    one(&["aten.bitwise_and.Tensor", "aten.bitwise_and.Scalar", "aten.__and__.Tensor", "aten.__and__.Scalar"], |c| {
        Ok(c.tensor("self")? & c.operand("other")?)
    }),
    one(&["aten.bitwise_or.Tensor", "aten.bitwise_or.Scalar", "aten.__or__.Tensor", "aten.__or__.Scalar"], |c| {
        Ok(c.tensor("self")? | c.operand("other")?)
    }),
    one(&["aten.bitwise_xor.Tensor", "aten.bitwise_xor.Scalar", "aten.__xor__.Tensor", "aten.__xor__.Scalar"], |c| {
        Ok(c.tensor("self")? ^ c.operand("other")?)
    }),
    one(&["aten.bitwise_left_shift.Tensor", "aten.bitwise_left_shift.Tensor_Scalar", "aten.__lshift__.Scalar"], |c| {
        Ok(c.tensor("self")? << c.operand("other")?)
    }),
    one(
        &["aten.bitwise_right_shift.Tensor", "aten.bitwise_right_shift.Tensor_Scalar", "aten.__rshift__.Scalar"],
        |c| Ok(c.tensor("self")? >> c.operand("other")?),
    ),
    one(&["aten.logical_and.default"], |c| Ok(truth(c.tensor("self")?) & truth(c.tensor("other")?))),
    one(&["aten.logical_or.default"], |c| Ok(truth(c.tensor("self")?) | truth(c.tensor("other")?))),
    one(&["aten.logical_xor.default"], |c| Ok(truth(c.tensor("self")?) ^ truth(c.tensor("other")?))),
    one(
        &[
            "aten.xlogy.Tensor",
            "aten.xlogy.Scalar_Other",
            "aten.xlogy.Scalar_Self",
            "aten.special_xlogy.default",
            "aten.special_xlogy.other_scalar",
            "aten.special_xlogy.self_scalar",
        ],
        |c| {
            let other = c.operand("other")?;
            Ok(c.left("self", other)?.xlogy(other))
        },
    ),
    one(
        &["aten.special_xlog1py.default", "aten.special_xlog1py.other_scalar", "aten.special_xlog1py.self_scalar"],
        |c| {
            let other = c.operand("other")?;
            Ok(c.left("self", other)?.xlog1py(other))
        },
    ),
    one(&["aten.float_power.Tensor_Scalar", "aten.float_power.Tensor_Tensor"], |c| {
        let dtype = c.result()?.dtype;
        let exponent = match c.operand("exponent")? {
            Operand::Tensor(exponent) => exponent.to(dtype).into(),
            scalar => scalar,
        };
        Ok(c.tensor("self")?.to(dtype).pow(exponent))
    }),
    one(&["aten.logaddexp2.default"], |c| {
        let ln2 = std::f64::consts::LN_2;
        Ok((c.tensor("self")? * ln2).logaddexp(c.tensor("other")? * ln2) * std::f64::consts::LOG2_E)
    }),
    one(&["aten.logaddexp.default"], |c| Ok(c.tensor("self")?.logaddexp(c.tensor("other")?))),
    one(&["aten.fmax.default"], |c| {
        let (x, y) = (c.tensor("self")?, c.tensor("other")?);
        Ok(unless_nan(x, y, larger(x, y)))
    }),
    one(&["aten.fmin.default"], |c| {
        let (x, y) = (c.tensor("self")?, c.tensor("other")?);
        Ok(unless_nan(x, y, smaller(x, y)))
    }),
    one(&["aten.copysign.Tensor", "aten.copysign.Scalar"], |c| {
        let (x, other) = (c.tensor("self")?, c.operand("other")?);
        let dtype = c.result()?.dtype;
        let sign = match other {
            Operand::Tensor(sign) => sign.to(dtype),
            Operand::Scalar(sign) => c.cx.full((), sign, dtype),
        };
        let is_negative = sign.eq(0).where_(sign.reciprocal(), sign).lt(0);
        let size = x.to(dtype).abs();
        Ok(is_negative.where_(-size, size))
    }),
    one(&["aten.ldexp.Tensor"], |c| Ok(c.tensor("self")? * c.tensor("other")?.to(c.result()?.dtype).exp2())),
    one(&["aten.heaviside.default"], |c| {
        let (x, at_zero) = (c.tensor("self")?, c.tensor("values")?);
        let step = x.eq(0).where_(at_zero, x.gt(0).to(x.dtype()));
        Ok(if x.dtype().is_float() { x.isnan().where_(x, step) } else { step })
    }),
    one(&["aten.gcd.default"], |c| Ok(common_divisor(c.tensor("self")?, c.tensor("other")?))),
    one(&["aten.lcm.default"], |c| {
        let (x, y) = (c.tensor("self")?, c.tensor("other")?);
        let divisor = common_divisor(x, y);
        let is_zero = divisor.eq(0);
        Ok(is_zero.where_(0, (x.floor_divide(is_zero.where_(1, divisor)) * y).abs()))
    }),
    one(&["aten.hypot.default"], |c| Ok(c.tensor("self")?.hypot(c.tensor("other")?))),
];

/// The greatest common divisor, by as many of Euclid's steps as numbers of the dtype can need.
fn common_divisor<'t>(x: Tensor<'t>, y: Tensor<'t>) -> Tensor<'t> {
    let steps = match (x.dtype().size() * 8).max(y.dtype().size() * 8) {
        8 => 12,
        16 => 23,
        32 => 46,
        _ => 91,
    };
    let (mut a, mut b) = (x.abs(), y.abs());
    for _ in 0..steps {
        let is_done = b.eq(0);
        (a, b) = (is_done.where_(a, b), is_done.where_(b, a.fmod(is_done.where_(1, b))));
    }
    a
}

/// Whether both operands are truth values.
fn are_truths(x: Tensor<'_>, other: Operand<'_>) -> bool {
    let is_truth = match other {
        Operand::Tensor(other) => other.dtype() == DType::Bool,
        Operand::Scalar(other) => matches!(other, Scalar::Bool(_)),
    };
    is_truth && x.dtype() == DType::Bool
}

/// The sum of two values: of truth values, whether one is true.
pub(super) fn sum<'t>(x: Tensor<'t>, other: Operand<'t>) -> Tensor<'t> {
    if are_truths(x, other) { x | other } else { x + other }
}

/// The product of two values: of truth values, whether both are true.
pub(super) fn product<'t>(x: Tensor<'t>, other: Operand<'t>) -> Tensor<'t> {
    if are_truths(x, other) { x & other } else { x * other }
}

/// The values in the dtype that functions of several steps compute in, which then round once.
pub(super) fn widened(x: Tensor<'_>) -> Tensor<'_> {
    if matches!(x.dtype(), DType::F16 | DType::BF16) { x.to(DType::F32) } else { x }
}

/// The larger of two values: of truth values, whether one is true.
pub(super) fn larger<'t>(x: Tensor<'t>, y: Tensor<'t>) -> Tensor<'t> {
    if are_truths(x, y.into()) { x | y } else { x.maximum(y) }
}

/// The smaller of two values: of truth values, whether both are true.
pub(super) fn smaller<'t>(x: Tensor<'t>, y: Tensor<'t>) -> Tensor<'t> {
    if are_truths(x, y.into()) { x & y } else { x.minimum(y) }
}

/// `value`, or where one of two is NaN the other.
fn unless_nan<'t>(x: Tensor<'t>, y: Tensor<'t>, value: Tensor<'t>) -> Tensor<'t> {
    if !value.dtype().is_float() {
        return value;
    }
    x.isnan().where_(y, y.isnan().where_(x, value))
}

/// Whether elements are not zero.
pub(super) fn truth(x: Tensor<'_>) -> Tensor<'_> {
    // Floats of 8 bits are not compared.
    if x.dtype() == DType::Bool || x.dtype().is_float8() { x.to(DType::Bool) } else { x.ne(0) }
}

/// `alpha * other`.
fn scaled<'t>(c: &Call<'_, 't>) -> Answer<Operand<'t>> {
    let other = c.operand("other")?;
    let Some(alpha) = c.optional_scalar("alpha")?.filter(|alpha| *alpha != Scalar::Int(1)) else { return Ok(other) };
    Ok(match (other, alpha) {
        (Operand::Tensor(other), alpha) => (other * Operand::Scalar(alpha)).into(),
        (Operand::Scalar(Scalar::Int(x)), Scalar::Int(y)) => x.wrapping_mul(y).into(),
        (Operand::Scalar(x), y) => Operand::Scalar(times(x, y)),
    })
}

/// The product of two numbers.
fn times(x: Scalar, y: Scalar) -> Scalar {
    match (x, y) {
        (Scalar::Complex(a, b), Scalar::Complex(c, d)) => Scalar::Complex(a * c - b * d, a * d + b * c),
        (Scalar::Complex(a, b), real) | (real, Scalar::Complex(a, b)) => {
            Scalar::Complex(a * float(real), b * float(real))
        }
        _ => (float(x) * float(y)).into(),
    }
}

/// A number as a real one.
fn float(scalar: Scalar) -> f64 {
    match scalar {
        Scalar::Bool(value) => f64::from(u8::from(value)),
        Scalar::Int(value) => value as f64,
        Scalar::Float(value) | Scalar::Complex(value, _) => value,
    }
}

/// `other - alpha * self`.
fn reversed<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let mut x = c.tensor("self")?;
    if let Some(alpha) = c.optional_scalar("alpha")?.filter(|alpha| *alpha != Scalar::Int(1)) {
        x = x * Operand::Scalar(alpha);
    }
    Ok(match c.operand("other")? {
        Operand::Tensor(other) => other - x,
        Operand::Scalar(Scalar::Float(other)) => other - x,
        Operand::Scalar(Scalar::Int(other)) => other - x,
        Operand::Scalar(Scalar::Bool(other)) => i64::from(other) - x,
        Operand::Scalar(other) => -x + Operand::Scalar(other),
    })
}

fn divided<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let y = c.operand("other")?;
    let x = c.left("self", y)?;
    match c.word_or("rounding_mode", "")? {
        "" => Ok(x / y),
        "floor" => Ok(x.floor_divide(y)),
        "trunc" => {
            // The remainder has the sign of the dividend, so that what is left is a multiple of the divisor.
            let quotient = (x - x.fmod(y)) / y;
            Ok(quotient.round().to(c.result()?.dtype))
        }
        other => gap(format!("rounding mode '{other}'")),
    }
}

/// Small integer powers are products, as PyTorch computes them.
fn power<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let (x, exponent) = (c.tensor("self")?, c.operand("exponent")?);
    if let Operand::Scalar(exponent) = exponent
        && x.dtype().part().is_float()
        && !matches!(exponent, Scalar::Complex(..))
    {
        let exponent = float(exponent);
        return Ok(match exponent {
            0.5 => x.sqrt(),
            1.0 => x * 1.0,
            2.0 => x * x,
            3.0 => x * x * x,
            -0.5 => x.rsqrt(),
            -1.0 => x.reciprocal(),
            -2.0 => (x * x).reciprocal(),
            other => x.pow(other),
        });
    }
    Ok(x.pow(exponent))
}

/// `value * x`.
fn valued<'t>(c: &Call<'_, 't>, x: Tensor<'t>) -> Answer<Tensor<'t>> {
    let value = c.optional_scalar("value")?.filter(|value| *value != Scalar::Int(1));
    Ok(value.map_or(x, |value| x * Operand::Scalar(value)))
}
