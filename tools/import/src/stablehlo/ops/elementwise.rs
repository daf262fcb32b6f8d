//! Elementwise ops.

use thunder_dialect::build::BuildDiv as _;
use thunder_trace::{DType, Tensor, apply};

use super::bits::{flipped, ordered, unsigned_divide};
use super::{Entry, each, known};
use crate::arguments::{Answer, gap, malformed};
use crate::stablehlo::call::Call;
use crate::stablehlo::program::Element;

pub(super) const OPS: &[Entry] = &[
    each("stablehlo.abs", |c| if c.element(0)?.is_carried() { c.tensor(0) } else { Ok(c.tensor(0)?.abs()) })
        .known(known::abs),
    each("stablehlo.add", |c| two(c, |x, y| if x.dtype() == DType::Bool { x | y } else { x + y })).known(known::add),
    each("stablehlo.and", |c| two(c, |x, y| x & y)).known(known::and),
    each("stablehlo.atan2", |c| two(c, |x, y| x.atan2(y))),
    each("stablehlo.cbrt", |c| Ok(cube_root(c.tensor(0)?))),
    each("stablehlo.ceil", |c| Ok(c.tensor(0)?.ceil())),
    each("stablehlo.clamp", clamp).known(known::clamp),
    each("stablehlo.compare", compare).known(known::compare),
    each("stablehlo.cosine", |c| Ok(c.tensor(0)?.cos())),
    each("stablehlo.divide", divide).known(known::divide),
    each("stablehlo.exponential", |c| Ok(c.tensor(0)?.exp())),
    each("stablehlo.exponential_minus_one", |c| Ok(c.tensor(0)?.expm1())),
    each("stablehlo.floor", |c| Ok(c.tensor(0)?.floor())),
    each("stablehlo.is_finite", |c| Ok(c.tensor(0)?.isfinite())),
    each("stablehlo.log", |c| Ok(c.tensor(0)?.log())),
    each("stablehlo.log_plus_one", |c| Ok(c.tensor(0)?.log1p())),
    each("stablehlo.logistic", |c| Ok(c.tensor(0)?.sigmoid())),
    each("stablehlo.maximum", |c| larger(c, |x, y| if x.dtype() == DType::Bool { x | y } else { x.maximum(y) }))
        .known(known::maximum),
    each("stablehlo.minimum", |c| larger(c, |x, y| if x.dtype() == DType::Bool { x & y } else { x.minimum(y) }))
        .known(known::minimum),
    each("stablehlo.multiply", |c| two(c, |x, y| if x.dtype() == DType::Bool { x & y } else { x * y }))
        .known(known::multiply),
    each("stablehlo.negate", |c| Ok(-c.tensor(0)?)).known(known::negate),
    each("stablehlo.not", |c| Ok(!c.tensor(0)?)).known(known::not),
    each("stablehlo.or", |c| two(c, |x, y| x | y)).known(known::or),
    each("stablehlo.power", |c| two(c, |x, y| x.pow(y))),
    each("stablehlo.reduce_precision", reduce_precision),
    each("stablehlo.remainder", remainder).known(known::remainder),
    each("stablehlo.round_nearest_afz", |c| Ok(round_away(c.tensor(0)?))),
    each("stablehlo.round_nearest_even", |c| Ok(c.tensor(0)?.round())),
    each("stablehlo.rsqrt", |c| Ok(c.tensor(0)?.rsqrt())),
    each("stablehlo.select", |c| Ok(c.tensor(0)?.where_(c.tensor(1)?, c.tensor(2)?))).known(known::select),
    each("stablehlo.sign", |c| {
        let x = c.tensor(0)?;
        Ok(if c.element(0)?.is_carried() { x.ne(0).to(x.dtype()) } else { x.sign() })
    })
    .known(known::sign),
    each("stablehlo.sine", |c| Ok(c.tensor(0)?.sin())),
    each("stablehlo.sqrt", |c| Ok(c.tensor(0)?.sqrt())),
    each("stablehlo.subtract", |c| two(c, |x, y| x - y)).known(known::subtract),
    each("stablehlo.tan", |c| Ok(c.tensor(0)?.tan())),
    each("stablehlo.tanh", |c| Ok(c.tensor(0)?.tanh())),
    each("stablehlo.xor", |c| two(c, |x, y| x ^ y)),
];

pub(super) const CHLO: &[Entry] = &[
    each("chlo.acos", |c| Ok(c.tensor(0)?.acos())),
    each("chlo.acosh", |c| Ok(c.tensor(0)?.acosh())),
    each("chlo.asin", |c| Ok(c.tensor(0)?.asin())),
    each("chlo.asinh", |c| Ok(c.tensor(0)?.asinh())),
    each("chlo.atan", |c| Ok(c.tensor(0)?.atan())),
    each("chlo.atanh", |c| Ok(c.tensor(0)?.atanh())),
    each("chlo.bessel_i1e", |c| Ok(c.tensor(0)?.i1e())),
    each("chlo.cosh", |c| Ok(c.tensor(0)?.cosh())),
    each("chlo.digamma", |c| Ok(c.tensor(0)?.digamma())),
    each("chlo.erf", |c| Ok(c.tensor(0)?.erf())),
    each("chlo.erf_inv", |c| Ok(c.tensor(0)?.erfinv())),
    each("chlo.erfc", |c| Ok(c.tensor(0)?.erfc())),
    each("chlo.is_inf", |c| Ok(c.tensor(0)?.isinf())),
    each("chlo.lgamma", |c| Ok(c.tensor(0)?.lgamma())),
    each("chlo.sinh", |c| Ok(c.tensor(0)?.sinh())),
    each("chlo.square", |c| c.tensor(0).map(|x| x * x)),
    each("chlo.tan", |c| Ok(c.tensor(0)?.tan())),
];

pub(super) fn two<'t>(
    c: &Call<'_, 't>,
    function: impl FnOnce(Tensor<'t>, Tensor<'t>) -> Tensor<'t>,
) -> Answer<Tensor<'t>> {
    let (x, y) = (c.tensor(0)?, c.tensor(1)?);
    if x.dtype() != y.dtype() {
        return malformed(format!("its operands are {x} and {y}"));
    }
    Ok(function(x, y))
}

/// A choice between two values by their order.
fn larger<'t>(c: &Call<'_, 't>, function: impl FnOnce(Tensor<'t>, Tensor<'t>) -> Tensor<'t>) -> Answer<Tensor<'t>> {
    if !c.element(0)?.is_carried() {
        return two(c, function);
    }
    two(c, |x, y| flipped(function(flipped(x), flipped(y))))
}

fn clamp<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let [least, x, most] = [c.tensor(0)?, c.tensor(1)?, c.tensor(2)?];
    if c.element(1)?.is_carried() {
        return Ok(flipped(flipped(x).maximum(flipped(least)).minimum(flipped(most))));
    }
    Ok(x.maximum(least).minimum(most))
}

fn compare<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let (mut x, mut y) = (c.tensor(0)?, c.tensor(1)?);
    if x.dtype() != y.dtype() {
        return malformed(format!("its operands are {x} and {y}"));
    }
    let kind = if c.has("compare_type") { c.word("compare_type")? } else { "NOTYPE" };
    if c.element(0)?.is_carried() {
        (x, y) = (flipped(x), flipped(y));
    } else if kind == "TOTALORDER" {
        (x, y) = (ordered(x)?, ordered(y)?);
    }
    Ok(match c.word("comparison_direction")? {
        "EQ" => x.eq(y),
        "NE" => x.ne(y),
        "LT" => x.lt(y),
        "LE" => x.le(y),
        "GT" => x.gt(y),
        "GE" => x.ge(y),
        other => return malformed(format!("'{other}' is no direction of a comparison")),
    })
}

fn divide<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    if c.element(0)?.is_carried() {
        return Ok(unsigned_divide(c.element(0)?, c.tensor(0)?, c.tensor(1)?));
    }
    two(c, quotient)
}

/// Integers are truncated.
fn quotient<'t>(x: Tensor<'t>, y: Tensor<'t>) -> Tensor<'t> {
    apply(&[x, y], |b| b.div(x.value(), y.value()))
}

fn remainder<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    if c.element(0)?.is_carried() {
        let (x, y) = (c.tensor(0)?, c.tensor(1)?);
        return Ok(x - unsigned_divide(c.element(0)?, x, y) * y);
    }
    two(c, |x, y| x.fmod(y))
}

/// To the nearest integer, halves away from zero.
fn round_away(x: Tensor<'_>) -> Tensor<'_> {
    let whole = x.trunc();
    let is_far = (x - whole).abs().ge(0.5);
    // A zero keeps its sign.
    is_far.where_(whole + x.sign(), whole)
}

fn cube_root(x: Tensor<'_>) -> Tensor<'_> {
    let wide = x.to(DType::F64);
    let size = wide.abs();
    let root = size.pow(1.0 / 3.0);
    // One step of Newton's, as a third is no number of floats.
    let better = root - (root * root * root - size) / (root * root * 3.0);
    let root = better.isfinite().where_(better, root);
    (root * wide.sign()).to(x.dtype())
}

/// Floats that have no more bits than those of another type.
fn reduce_precision<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let (x, bits) = (c.tensor(0)?, (c.int("exponent_bits")?, c.int("mantissa_bits")?));
    let holds = |exponent, mantissa| bits.0 >= exponent && bits.1 >= mantissa;
    Ok(match (c.element(0)?, bits) {
        (Element::Float(DType::F64), _) if holds(11, 52) => x,
        (Element::Float(DType::F32), _) if holds(8, 23) => x,
        (Element::Float(DType::BF16), _) if holds(8, 7) => x,
        (Element::Float(DType::F16), _) if holds(5, 10) => x,
        (_, (8, 23)) => x.to(DType::F32).to(x.dtype()),
        (_, (8, 7)) => x.to(DType::BF16).to(x.dtype()),
        (_, (5, 10)) => x.to(DType::F16).to(x.dtype()),
        (_, (exponent, mantissa)) => return gap(format!("the format e{exponent}m{mantissa}")),
    })
}
