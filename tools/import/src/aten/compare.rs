//! Questions about elements, and choices between them.

use thunder_trace::{DType, Operand, Scalar, Tensor};

use super::arithmetic::{larger, smaller};
use super::unary::finite;
use super::{Entry, one};
use crate::arguments::{Answer, Call, ensure};

macro_rules! comparisons {
    ($($name:ident)*) => {
        &[$(
            one(&[concat!("aten.", stringify!($name), ".Tensor"), concat!("aten.", stringify!($name), ".Scalar")], |c| {
                Ok(c.tensor("self")?.$name(c.operand("other")?))
            }),
        )*]
    };
}

pub(super) const COMPARISONS: &[Entry] = comparisons! { eq ne lt le gt ge };

pub(super) const OPS: &[Entry] = &[
    one(&["aten.where.self", "aten.where.ScalarOther", "aten.where.ScalarSelf", "aten.where.Scalar"], |c| {
        let (yes, no) = (c.operand("self")?, c.operand("other")?);
        let y = c.tensor("condition")?.where_(yes, no);
        // Two numbers have no tensor to take the dtype of.
        Ok(y.to(c.result()?.dtype))
    }),
    one(&["aten.masked_fill.Scalar", "aten.masked_fill.Tensor"], |c| {
        let x = c.tensor("self")?;
        let value = match c.operand("value")? {
            Operand::Tensor(value) => {
                ensure(value.rank() == 0, format!("{value} for one value"))?;
                value.to(x.dtype())
            }
            Operand::Scalar(value) => c.cx.full((), super::create::cast(value, x.dtype()), x.dtype()),
        };
        Ok(c.tensor("mask")?.where_(value, x))
    }),
    one(&["aten.isclose.default"], |c| {
        let (x, y) = (c.tensor("self")?, c.tensor("other")?);
        let dtype = if x.dtype().part().is_float() { x.dtype() } else { DType::F64 };
        let (x, y) = (x.to(dtype), y.to(dtype));
        let (relative, absolute) = (c.float_or("rtol", 1e-5)?, c.float_or("atol", 1e-8)?);
        ensure(relative >= 0.0 && absolute >= 0.0, format!("tolerances below zero: {relative} and {absolute}"))?;
        let allowed = y.abs() * relative + absolute;
        let is_close = x.eq(y) | (finite(y) & (x - y).abs().le(allowed));
        Ok(if c.bool_or("equal_nan", false)? { is_close | (x.ne(x) & y.ne(y)) } else { is_close })
    }),
    one(&["aten.isposinf.default"], |c| Ok(c.tensor("self")?.eq(f64::INFINITY))),
    one(&["aten.isneginf.default"], |c| Ok(c.tensor("self")?.eq(f64::NEG_INFINITY))),
    one(&["aten.isin.Tensor_Tensor"], |c| {
        let (x, test) = (c.tensor("elements")?, c.tensor("test_elements")?);
        let found = x.unsqueeze(-1).eq(test.reshape([-1])).any(-1);
        Ok(if c.bool_or("invert", false)? { !found } else { found })
    }),
    one(&["aten.clamp.default", "aten.clip.default"], |c| {
        clamped(c, c.optional_scalar("min")?, c.optional_scalar("max")?)
    }),
    one(&["aten.clamp_min.default"], |c| clamped(c, c.optional_scalar("min")?, None)),
    one(&["aten.clamp_max.default"], |c| clamped(c, None, c.optional_scalar("max")?)),
    one(&["aten.clamp.Tensor", "aten.clamp_min.Tensor", "aten.clamp_max.Tensor"], |c| {
        let mut y = c.tensor("self")?;
        if let Some(least) = c.optional("min")? {
            y = larger(y, least);
        }
        if let Some(most) = c.optional("max")? {
            y = smaller(y, most);
        }
        Ok(y)
    }),
];

fn clamped<'t>(c: &Call<'_, 't>, min: Option<Scalar>, max: Option<Scalar>) -> Answer<Tensor<'t>> {
    Ok(c.tensor("self")?.clamp(min, max))
}
