//! Ops on the bits of numbers, and unsigned integers in the bits of signed ones.

use thunder_dialect::build::BuildDiv as _;
use thunder_trace::{DType, Tensor, apply};

use super::elementwise::two;
use super::{Entry, each, known};
use crate::arguments::{Answer, gap};
use crate::stablehlo::call::Call;
use crate::stablehlo::program::Element;

pub(super) const OPS: &[Entry] = &[
    each("stablehlo.bitcast_convert", |c| {
        let (x, to) = (c.tensor(0)?, &c.result(0)?.element);
        match to.dtype() {
            Some(dtype) if dtype.size() == x.dtype().size() && x.dtype() != DType::Bool && dtype != DType::Bool => {
                Ok(x.bitcast(dtype))
            }
            _ => gap(format!("{} for elements of {to}", c.element(0)?)),
        }
    }),
    each("stablehlo.convert", |c| {
        let (from, to) = (c.element(0)?, &c.result(0)?.element);
        Ok(converted(c.tensor(0)?, from, to))
    })
    .known(known::convert),
    each("stablehlo.count_leading_zeros", |c| {
        let (x, bits) = (c.tensor(0)?, width(c)?);
        let mut smeared = x;
        for step in [1, 2, 4, 8, 16, 32].into_iter().filter(|step| *step < bits) {
            smeared = smeared | shifted_by(smeared, step, bits);
        }
        Ok(bits - ones(smeared, bits))
    }),
    each("stablehlo.popcnt", |c| Ok(ones(c.tensor(0)?, width(c)?))),
    each("stablehlo.shift_left", |c| two(c, |x, y| x << y)),
    each("stablehlo.shift_right_arithmetic", |c| two(c, |x, y| x >> y)),
    each("stablehlo.shift_right_logical", shift_right),
];

fn width(c: &Call<'_, '_>) -> Answer<i64> {
    match c.element(0)? {
        Element::Int { bits, .. } => Ok((*bits).into()),
        other => gap(format!("elements of {other}")),
    }
}

/// Unsigned integers in the bits of signed ones as signed ones in the same order, and back.
pub(super) fn flipped(x: Tensor<'_>) -> Tensor<'_> {
    x ^ match x.dtype() {
        DType::I16 => i16::MIN.into(),
        DType::I32 => i32::MIN.into(),
        _ => i64::MIN,
    }
}

/// Floats as integers in their total order: negative NaN, negative numbers, -0, 0, positive numbers, NaN.
pub(super) fn ordered(x: Tensor<'_>) -> Answer<Tensor<'_>> {
    let (dtype, bits) = match x.dtype() {
        DType::F64 => (DType::I64, 64),
        DType::F32 => (DType::I32, 32),
        DType::F16 | DType::BF16 => (DType::I16, 16),
        // Integers have one order.
        _ => return Ok(x),
    };
    let bits_of = x.bitcast(dtype);
    // All bits but the sign of negative numbers are inverted.
    let mask = if bits == 64 { i64::MAX } else { (1i64 << (bits - 1)) - 1 };
    Ok(bits_of ^ ((bits_of >> (bits - 1)) & mask))
}

/// `x >> count`, where zeros come in.
fn shifted_by(x: Tensor<'_>, count: i64, bits: i64) -> Tensor<'_> {
    match count {
        0 => x,
        _ if x.dtype() == DType::U8 => x >> count,
        1.. if count < bits => (x >> count) & ((1i64 << (bits - count)) - 1),
        // Bits that are moved by the width and more are gone.
        _ => x << bits,
    }
}

fn shift_right<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let bits = width(c)?;
    if let Some(thunder_trace::Scalar::Int(count)) = c.scalar(1)? {
        let count = if c.element(1)?.is_carried() && count < 0 { bits } else { count };
        return Ok(shifted_by(c.tensor(0)?, count, bits));
    }
    two(c, |x, count| {
        if x.dtype() == DType::U8 {
            return x >> count;
        }
        // Ones where bits of the number are left.
        let kept = !((x | -1i64) << (bits - count));
        let is_inside = count.ge(0) & count.lt(bits);
        is_inside.where_((x >> count) & kept, 0)
    })
}

/// How many bits are ones.
fn ones(x: Tensor<'_>, bits: i64) -> Tensor<'_> {
    let wide = x.to(DType::I64);
    let wide = if bits == 64 { wide } else { wide & ((1i64 << bits) - 1) };
    let pairs = wide - ((wide >> 1) & 0x5555_5555_5555_5555i64);
    let fours = (pairs & 0x3333_3333_3333_3333i64) + ((pairs >> 2) & 0x3333_3333_3333_3333i64);
    let bytes = (fours + (fours >> 4)) & 0x0f0f_0f0f_0f0f_0f0fi64;
    (((bytes * 0x0101_0101_0101_0101i64) >> 56) & 0x7fi64).to(x.dtype())
}

/// The quotient of unsigned integers in the bits of signed ones.
pub(super) fn unsigned_divide<'t>(element: &Element, x: Tensor<'t>, y: Tensor<'t>) -> Tensor<'t> {
    let quotient = |x: Tensor<'t>, y: Tensor<'t>| apply(&[x, y], |b| b.div(x.value(), y.value()));
    if x.dtype() != DType::I64 {
        let (wide_x, wide_y) = (widened(x, element), widened(y, element));
        return quotient(wide_x, wide_y).to(x.dtype());
    }
    // Half of the dividend has no sign; twice its quotient may be one too small.
    let double = quotient(shifted_by(x, 1, 64), y) << 1;
    let rest = x - double * y;
    let is_short = flipped(rest).ge(flipped(y));
    let small = double + is_short.to(DType::I64);
    // No dividend has a divisor above the middle twice.
    y.lt(0).where_(flipped(x).ge(flipped(y)).to(DType::I64), small)
}

/// Unsigned integers of less than 64 bits, by their values.
fn widened<'t>(x: Tensor<'t>, element: &Element) -> Tensor<'t> {
    let mask = if matches!(element, Element::Int { bits: 16, .. }) { 0xffff } else { 0xffff_ffffi64 };
    x.to(DType::I64) & mask
}

/// The same numbers as elements of another type.
pub(super) fn converted<'t>(x: Tensor<'t>, from: &Element, to: &Element) -> Tensor<'t> {
    let dtype = to.dtype().unwrap_or(x.dtype());
    match (from, to) {
        (_, Element::Bool) => x.ne(0),
        (Element::Int { bits: 64, signed: false }, Element::Float(_)) => {
            let half = |half: Tensor<'t>| (half & 0xffff_ffffi64).to(DType::F64);
            (half(x >> 32) * 4_294_967_296.0 + half(x)).to(dtype)
        }
        (Element::Int { bits: 16 | 32, signed: false }, _) => widened(x, from).to(dtype),
        (Element::Float(_), Element::Int { bits: 16, signed: false }) => {
            x.to(DType::I64).clamp(Some(0i64), Some(0xffff)).to(dtype)
        }
        (Element::Float(_), Element::Int { bits: 32, signed: false }) => {
            x.to(DType::I64).clamp(Some(0i64), Some(0xffff_ffff)).to(dtype)
        }
        (Element::Float(_), Element::Int { bits: 64, signed: false }) => {
            let middle = 9_223_372_036_854_775_808.0;
            let wide = x.to(DType::F64);
            let upper = flipped((wide - middle).to(DType::I64));
            wide.ge(middle).where_(upper, wide.maximum(0.0).to(DType::I64))
        }
        _ => x.to(dtype),
    }
}
