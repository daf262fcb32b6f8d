//! Reductions over dimensions, and running ones.

use thunder_trace::{Axes, DType, Tensor};

use super::arithmetic::{truth, widened};
use super::{Entry, many, one};
use crate::arguments::{Answer, Call, ensure, gap};

pub(super) const OPS: &[Entry] = &[
    one(&["aten.sum.default", "aten.sum.dim_IntList"], |c| {
        Ok(over(c, cast(c)?, Tensor::sum, Tensor::sum_keepdim)?.to(c.result()?.dtype))
    }),
    one(&["aten.mean.default", "aten.mean.dim"], |c| over(c, cast(c)?, Tensor::mean, Tensor::mean_keepdim)),
    one(&["aten.prod.default", "aten.prod.dim_int"], |c| {
        Ok(over(c, cast(c)?, Tensor::prod, Tensor::prod_keepdim)?.to(c.result()?.dtype))
    }),
    one(&["aten.amax.default", "aten.max.default"], |c| largest(c, c.tensor("self")?)),
    one(&["aten.amin.default", "aten.min.default"], |c| smallest(c, c.tensor("self")?)),
    one(&["aten.logsumexp.default"], |c| {
        let x = c.tensor("self")?.to(c.result()?.dtype);
        if x.dtype().is_complex() {
            // The largest real part tells what the largest exponential is.
            let most = if x.rank() == 0 { x.real() } else { x.real().amax_keepdim(axes(c)?) };
            let most = most.isfinite().where_(most, 0.0);
            let sum = over(c, (x - most).exp(), Tensor::sum, Tensor::sum_keepdim)?;
            return Ok(sum.log() + most.reshape(sum.shape()));
        }
        over(c, x, Tensor::logsumexp, Tensor::logsumexp_keepdim)
    }),
    one(&["aten.any.default", "aten.any.dim", "aten.any.dims"], |c| {
        Ok(over(c, truth(c.tensor("self")?), Tensor::any, Tensor::any_keepdim)?.to(c.result()?.dtype))
    }),
    one(&["aten.all.default", "aten.all.dim", "aten.all.dims"], |c| {
        Ok(over(c, truth(c.tensor("self")?), Tensor::all, Tensor::all_keepdim)?.to(c.result()?.dtype))
    }),
    one(&["aten.argmax.default"], |c| position(c, Tensor::argmax)),
    one(&["aten.argmin.default"], |c| position(c, Tensor::argmin)),
    many(&["aten.max.dim"], |c| extreme(c, Tensor::argmax)),
    many(&["aten.min.dim"], |c| extreme(c, Tensor::argmin)),
    one(&["aten.var.correction", "aten.var.dim", "aten.var.default"], variance),
    one(&["aten.std.correction", "aten.std.dim", "aten.std.default"], |c| Ok(variance(c)?.sqrt())),
    many(&["aten.std_mean.correction", "aten.std_mean.dim", "aten.std_mean.default"], |c| {
        let x = c.tensor("self")?;
        Ok(vec![variance(c)?.sqrt(), over(c, x, Tensor::mean, Tensor::mean_keepdim)?])
    }),
    one(&["aten.nanmean.default"], |c| {
        let x = cast(c)?;
        let is_number = x.eq(x);
        let total = over(c, is_number.where_(x, 0.0), Tensor::sum, Tensor::sum_keepdim)?;
        Ok(total / over(c, is_number.to(x.dtype()), Tensor::sum, Tensor::sum_keepdim)?)
    }),
    many(&["aten.var_mean.correction", "aten.var_mean.dim", "aten.var_mean.default"], |c| {
        let x = c.tensor("self")?;
        Ok(vec![variance(c)?, over(c, x, Tensor::mean, Tensor::mean_keepdim)?])
    }),
    one(&["aten.cumsum.default"], |c| scan(c, cast(c)?, Tensor::cumsum)),
    one(&["aten.cumprod.default"], |c| scan(c, cast(c)?, Tensor::cumprod)),
    one(&["aten.logcumsumexp.default", "aten._logcumsumexp.default"], |c| {
        let x = c.tensor("self")?;
        if x.dtype().is_complex() && x.rank() > 0 {
            return running_logarithm(x, c.int("dim")?);
        }
        if x.dtype().is_complex() { Ok(x) } else { scan(c, x, Tensor::logcumsumexp) }
    }),
    many(&["aten.cummax.default"], |c| running(c, Tensor::cummax)),
    many(&["aten.cummin.default"], |c| running(c, Tensor::cummin)),
    one(&["aten.nansum.default"], |c| {
        let x = cast(c)?;
        let x = if x.dtype().part().is_float() { x.ne(x).where_(0.0, x) } else { x };
        over(c, x, Tensor::sum, Tensor::sum_keepdim)
    }),
    one(&["aten.count_nonzero.default", "aten.count_nonzero.dim_IntList"], |c| {
        over(c, truth(c.tensor("self")?).to(DType::I64), Tensor::sum, Tensor::sum_keepdim)
    }),
    many(&["aten.aminmax.default"], |c| {
        let x = c.tensor("self")?;
        Ok(vec![smallest(c, x)?, largest(c, x)?])
    }),
    one(
        &[
            "aten.linalg_vector_norm.default",
            "aten.norm.ScalarOpt_dim",
            "aten.norm.Scalar",
            "aten.norm.ScalarOpt_dim_dtype",
        ],
        norm,
    ),
];

/// The operand in the dtype of the result, where that says in what to compute.
fn cast<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let x = c.tensor("self")?;
    Ok(match c.dtype("dtype")? {
        Some(dtype) => x.to(dtype),
        None => x,
    })
}

/// The dimensions of `dim`; all where it names none.
fn axes(c: &Call<'_, '_>) -> Answer<Axes> {
    Ok(named(c)?.map_or(Axes::from(..), Axes::from))
}

/// The dimensions of `dim`, if it names any.
fn named(c: &Call<'_, '_>) -> Answer<Option<Vec<i64>>> {
    let rank = c.tensor("self")?.rank();
    ensure(rank <= MOST_DIMENSIONS, format!("a reduction of {rank} dimensions, of which PyTorch takes 64"))?;
    Ok(c.optional_ints("dim")?.filter(|axes| !axes.is_empty()))
}

/// How many dimensions PyTorch reduces.
const MOST_DIMENSIONS: usize = 64;

/// Refuses to find the largest or smallest of no elements.
fn of_some<'t>(c: &Call<'_, 't>, x: Tensor<'t>) -> Answer<()> {
    let axes = named(c)?.unwrap_or_else(|| (0..x.rank() as i64).collect());
    let is_empty = x.rank() > 0 && axes.iter().any(|axis| x.size(*axis).known() == Some(0));
    ensure(!is_empty, format!("an extreme of no elements: dimensions {axes:?} of {x}"))
}

fn over<'t>(
    c: &Call<'_, 't>,
    x: Tensor<'t>,
    without: fn(Tensor<'t>, Axes) -> Tensor<'t>,
    keeping: fn(Tensor<'t>, Axes) -> Tensor<'t>,
) -> Answer<Tensor<'t>> {
    if x.rank() == 0 {
        // The only dimension that may be named here is none.
        return Ok(without(x, Axes::from(..)));
    }
    Ok(if c.bool_or("keepdim", false)? { keeping(x, axes(c)?) } else { without(x, axes(c)?) })
}

/// The largest elements; of truth values, whether one is true.
fn largest<'t>(c: &Call<'_, 't>, x: Tensor<'t>) -> Answer<Tensor<'t>> {
    of_some(c, x)?;
    match x.dtype() {
        DType::Bool => over(c, x, Tensor::any, Tensor::any_keepdim),
        _ => over(c, x, Tensor::amax, Tensor::amax_keepdim),
    }
}

/// The smallest elements; of truth values, whether all are true.
fn smallest<'t>(c: &Call<'_, 't>, x: Tensor<'t>) -> Answer<Tensor<'t>> {
    of_some(c, x)?;
    match x.dtype() {
        DType::Bool => over(c, x, Tensor::all, Tensor::all_keepdim),
        _ => over(c, x, Tensor::amin, Tensor::amin_keepdim),
    }
}

fn position<'t>(c: &Call<'_, 't>, along: fn(Tensor<'t>, i64) -> Tensor<'t>) -> Answer<Tensor<'t>> {
    let x = c.tensor("self")?;
    if !c.has("dim") || x.rank() == 0 {
        return Ok(along(x.reshape([-1]), 0).reshape(c.dims()?));
    }
    let axis = c.int("dim")?;
    let at = along(x, axis);
    Ok(if c.bool_or("keepdim", false)? { at.unsqueeze(kept(x, axis)) } else { at })
}

/// The place of a dimension that has vanished.
fn kept(x: Tensor<'_>, axis: i64) -> i64 {
    if axis < 0 { axis + x.rank() as i64 } else { axis }
}

/// The largest or smallest elements and where they are.
fn extreme<'t>(c: &Call<'_, 't>, along: fn(Tensor<'t>, i64) -> Tensor<'t>) -> Answer<Vec<Tensor<'t>>> {
    let (x, axis) = (c.tensor("self")?, c.int("dim")?);
    if x.rank() == 0 {
        return Ok(vec![x, c.cx.zeros((), DType::I64)]);
    }
    let numbers = if x.dtype() == DType::Bool { x.to(DType::U8) } else { x };
    let at = along(numbers, axis).unsqueeze(kept(x, axis));
    let value = x.gather(axis, at);
    if c.bool_or("keepdim", false)? {
        return Ok(vec![value, at]);
    }
    let axis = kept(x, axis);
    Ok(vec![value.squeeze(axis), at.squeeze(axis)])
}

/// A scan; along the only dimension that may be named of a tensor without any, it changes nothing.
fn scan<'t>(c: &Call<'_, 't>, x: Tensor<'t>, along: fn(Tensor<'t>, i64) -> Tensor<'t>) -> Answer<Tensor<'t>> {
    let y = if x.rank() == 0 { along(x.unsqueeze(0), 0).squeeze(0) } else { along(x, c.int("dim")?) };
    Ok(y.to(c.result()?.dtype))
}

/// Logarithms of sums of exponentials of complex numbers with more and more before them: after a step over a distance,
/// each is that of twice as many.
fn running_logarithm(x: Tensor<'_>, axis: i64) -> Answer<Tensor<'_>> {
    let Some(size) = x.size(axis).known() else { return gap("a dimension of dynamic size") };
    let place = kept(x, axis) as usize;
    let none = vec![0; x.rank()];
    let (mut sums, mut distance) = (x, 1);
    while distance < size {
        let mut low = none.clone();
        low[place] = distance;
        let before = sums.slice(axis, 0..size - distance);
        sums = sums.logaddexp(before.pad_between(&low, &none, &none, f64::NEG_INFINITY));
        distance *= 2;
    }
    Ok(sums)
}

/// The largest or smallest elements up to each position, and where they are.
fn running<'t>(c: &Call<'_, 't>, along: fn(Tensor<'t>, i64) -> Tensor<'t>) -> Answer<Vec<Tensor<'t>>> {
    let (x, axis) = (c.tensor("self")?, c.int("dim")?);
    if x.rank() == 0 {
        return Ok(vec![x, c.cx.zeros((), DType::I64)]);
    }
    // Truth values have no scan of their own.
    let numbers = if x.dtype() == DType::Bool { x.to(DType::U8) } else { x };
    let values = along(numbers, axis);
    Ok(vec![values.to(x.dtype()), numbers.running_position(values, axis)])
}

fn variance<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let x = c.tensor("self")?;
    let unbiased = if c.bool_or("unbiased", true)? { 1.0 } else { 0.0 };
    let correction = c.float_or("correction", unbiased)?;
    let y = if x.dtype().is_complex() {
        x.real().var(axes(c)?, correction) + x.imag().var(axes(c)?, correction)
    } else {
        x.var(axes(c)?, correction)
    };
    Ok(if c.bool_or("keepdim", false)? { y.reshape(c.dims()?) } else { y })
}

pub(super) fn norm<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    // The norm of complex numbers is that of their absolute values.
    let x = widened(cast(c)?);
    let x = if x.dtype().is_complex() { x.abs() } else { x };
    let order = c.float_or(if c.has("ord") { "ord" } else { "p" }, 2.0)?;
    let sum = |x: Tensor<'t>| over(c, x, Tensor::sum, Tensor::sum_keepdim);
    let y = if order == 2.0 {
        root(sum(x * x)?, Tensor::sqrt)
    } else if order == 1.0 {
        sum(x.abs())?
    } else if order == f64::INFINITY {
        over(c, x.abs(), Tensor::amax, Tensor::amax_keepdim)?
    } else if order == f64::NEG_INFINITY {
        over(c, x.abs(), Tensor::amin, Tensor::amin_keepdim)?
    } else if order == 0.0 {
        sum(x.ne(0).to(if x.dtype().is_float() { x.dtype() } else { DType::F32 }))?
    } else if order > 0.0 && order < 1.0 {
        // The slope at 0, which is infinite, does not count.
        let is_zero = x.eq(0);
        let powers = is_zero.where_(0.0, is_zero.where_(1.0, x).abs().pow(order));
        root(sum(powers)?, |sum| sum.pow(1.0 / order))
    } else if order.is_finite() {
        root(sum(x.abs().pow(order))?, |sum| sum.pow(1.0 / order))
    } else {
        return gap(format!("order {order}"));
    };
    Ok(y.to(c.result()?.dtype))
}

/// A root of a sum, whose gradient is 0 where the sum is.
pub(super) fn root<'t>(sum: Tensor<'t>, function: impl Fn(Tensor<'t>) -> Tensor<'t>) -> Tensor<'t> {
    let is_zero = sum.eq(0);
    is_zero.where_(0.0, function(is_zero.where_(1.0, sum)))
}
