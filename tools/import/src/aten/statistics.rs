//! Quantiles, the most frequent elements, and sums and slopes of sampled functions.

use thunder_trace::{DType, Dim, Operand, Tensor, cat, stack};

use super::{Entry, many, one};
use crate::arguments::{Answer, Call, ensure, gap};

pub(super) const OPS: &[Entry] = &[
    one(&["aten.quantile.default", "aten.quantile.scalar"], |c| quantile(c, false)),
    one(&["aten.nanquantile.default", "aten.nanquantile.scalar"], |c| quantile(c, true)),
    one(&["aten.nanmedian.default"], |c| Ok(nan_median(c.tensor("self")?.reshape([-1]), 0).0.reshape(c.dims()?))),
    many(&["aten.nanmedian.dim"], |c| {
        let x = c.tensor("self")?;
        let (x, axis) = if x.rank() == 0 { (x.unsqueeze(0), 0) } else { (x, c.int("dim")?) };
        let (values, places) = nan_median(x, axis);
        let dims = c.dims()?;
        Ok(vec![values.reshape(&dims[..]), places.reshape(dims)])
    }),
    many(&["aten.mode.default"], |c| {
        let x = c.tensor("self")?;
        let (x, axis) = if x.rank() == 0 { (x.unsqueeze(0), 0) } else { (x, c.int_or("dim", -1)?) };
        let row = x.transpose(axis, -1);
        let numbers = if row.dtype() == DType::Bool { row.to(DType::U8) } else { row };
        let (sorted, _) = numbers.sort(-1, false);
        // The first of the most frequent ones, in ascending order, and where it is last.
        let count = sorted.unsqueeze(-1).eq(sorted.unsqueeze(-2)).to(DType::I64).sum(-1);
        let value = sorted.gather(-1, count.argmax(-1).unsqueeze(-1));
        let last = numbers.eq(value).flip(-1).to(DType::I64).argmax(-1);
        let Some(size) = x.size(axis).known() else { return gap("a dimension of dynamic size") };
        let place = (size - 1) - last;
        let dims = c.dims()?;
        let value = value.to(x.dtype()).transpose(axis, -1).reshape(&dims[..]);
        Ok(vec![value, place.unsqueeze(-1).transpose(axis, -1).reshape(dims)])
    }),
    one(&["aten.trapezoid.x", "aten.trapz.x"], |c| Ok(trapezoids(c)?.sum(c.int_or("dim", -1)?))),
    one(&["aten.trapezoid.dx", "aten.trapz.dx"], |c| Ok(trapezoids(c)?.sum(c.int_or("dim", -1)?))),
    one(&["aten.cumulative_trapezoid.x", "aten.cumulative_trapezoid.dx"], |c| {
        Ok(trapezoids(c)?.cumsum(c.int_or("dim", -1)?))
    }),
    many(
        &[
            "aten.gradient.scalarint",
            "aten.gradient.scalararray",
            "aten.gradient.array",
            "aten.gradient.scalarrayint",
            "aten.gradient.scalarrayarray",
        ],
        slopes,
    ),
    one(&["aten.linalg_vander.default"], |c| {
        let x = c.tensor("x")?;
        let Some(count) = c.dims()?.last().and_then(Dim::known) else { return gap("a dimension of dynamic size") };
        let x = x.to(c.result()?.dtype);
        let mut powers = vec![c.cx.ones(x.shape(), x.dtype())];
        while (powers.len() as i64) < count {
            powers.push(powers[powers.len() - 1] * x);
        }
        Ok(stack(&powers[..usize::try_from(count).unwrap_or_default()], -1).reshape(c.dims()?))
    }),
];

/// The numbers that are not NaN of a row, first in order: what a median of these is, and where.
fn nan_median(x: Tensor<'_>, axis: i64) -> (Tensor<'_>, Tensor<'_>) {
    let (sorted, places) = x.sort(axis, false);
    let count = if x.dtype().is_float() {
        (!x.isnan()).to(DType::I64).sum_keepdim(axis)
    } else {
        x.eq(x).to(DType::I64).sum_keepdim(axis)
    };
    let middle = ((count - 1).clamp(Some(0), None)) >> 1;
    (sorted.gather(axis, middle), places.gather(axis, middle))
}

/// Between the elements of a sorted row, at a share of its length.
fn quantile<'t>(c: &Call<'_, 't>, skips: bool) -> Answer<Tensor<'t>> {
    let (x, q) = (c.tensor("self")?, c.operand("q")?);
    let q = match q {
        Operand::Tensor(q) => q,
        Operand::Scalar(q) => c.cx.full((), q, x.dtype()),
    };
    let (x, axis) = if c.has("dim") && x.rank() > 0 { (x, c.int("dim")?) } else { (x.reshape([-1]), 0) };
    let row = x.transpose(axis, -1);
    let Some(size @ 1..) = row.size(-1).known() else { return gap("a dimension of dynamic size, or none") };
    let (sorted, _) = row.sort(-1, false);
    let is_nan = row.isnan();
    let last = if skips {
        ((!is_nan).to(x.dtype()).sum_keepdim(-1) - 1.0).clamp(Some(0.0), None)
    } else {
        c.cx.full((), (size - 1) as f64, x.dtype())
    };
    let at = q.reshape([-1]) * last;
    let (low, high) = (at.floor(), at.ceil());
    let rows = [&row.shape()[..row.rank() - 1], &[q.reshape([-1]).size(0)]].concat();
    let value = |place: Tensor<'t>| sorted.gather(-1, place.to(DType::I64).expand(&rows[..]));
    let y = match c.word_or("interpolation", "linear")? {
        "linear" => value(low).lerp(value(high), (at - low).expand(&rows[..])),
        "lower" => value(low),
        "higher" => value(high),
        "midpoint" => value(low).lerp(value(high), 0.5),
        "nearest" => value(at.round()),
        other => return gap(format!("interpolation '{other}'")),
    };
    let y = if skips { y } else { is_nan.any_keepdim(-1).where_(f64::NAN, y) };
    // Quantiles stand where their row did; they are the first dimension, if there are several.
    let y = y.transpose(axis, -1);
    let axis = if axis < 0 { axis + y.rank() as i64 } else { axis };
    let order: Vec<i64> = [axis].into_iter().chain((0..y.rank() as i64).filter(|other| *other != axis)).collect();
    Ok(y.permute(order).reshape(c.dims()?))
}

/// The areas between neighbouring samples.
fn trapezoids<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let (y, axis) = (c.tensor("y")?, c.int_or("dim", -1)?);
    if y.size(axis).known() == Some(0) {
        return Ok(y * 1.0);
    }
    let pairs = y.slice(axis, 1..) + y.slice(axis, ..-1);
    let Some(x) = c.optional("x")? else { return Ok(pairs * c.float_or("dx", 1.0)? / 2.0) };
    let own = if x.rank() == 1 { 0 } else { axis };
    let mut widths = x.slice(own, 1..) - x.slice(own, ..-1);
    if x.rank() == 1 {
        let axis = if axis < 0 { axis + y.rank() as i64 } else { axis };
        widths = (axis + 1..y.rank() as i64).fold(widths, |widths, _| widths.unsqueeze(-1));
    }
    Ok(pairs * widths / 2.0)
}

/// Central differences, of the first or second order at the ends.
fn slopes<'t>(c: &Call<'_, 't>) -> Answer<Vec<Tensor<'t>>> {
    let (x, order) = (c.tensor("self")?, c.int_or("edge_order", 1)?);
    let axes = match c.optional_ints("dim")? {
        Some(axes) => axes,
        None => (0..x.rank() as i64).collect(),
    };
    // A list has a distance for each dimension.
    let spacing = match c.floats("spacing") {
        Ok(all) => all,
        Err(_) => vec![c.float_or("spacing", 1.0)?; axes.len()],
    };
    ensure(spacing.len() == axes.len(), format!("{} distances for {} dimensions", spacing.len(), axes.len()))?;
    ensure((1..=2).contains(&order), format!("slopes of order {order} at the ends"))?;
    let is_named = |axis: i64| axes.iter().filter(|other| (*other - axis) % x.rank().max(1) as i64 == 0).count();
    ensure(axes.iter().all(|axis| is_named(*axis) == 1), format!("dimensions that repeat: {axes:?}"))?;
    let mut all = Vec::new();
    for (axis, step) in axes.into_iter().zip(spacing) {
        let size = x.size(axis).known();
        if size.is_none_or(|size| size <= order) {
            return gap("a dimension of dynamic size, or too short");
        }
        let part = |range: std::ops::Range<i64>| x.slice(axis, range);
        let size = size.unwrap_or_default();
        let inner = (part(2..size) - part(0..size - 2)) / (2.0 * step);
        let (first, last) = match order {
            1 => ((part(1..2) - part(0..1)) / step, (part(size - 1..size) - part(size - 2..size - 1)) / step),
            _ => (
                (part(1..2) * 4.0 - part(0..1) * 3.0 - part(2..3)) / (2.0 * step),
                (part(size - 1..size) * 3.0 - part(size - 2..size - 1) * 4.0 + part(size - 3..size - 2)) / (2.0 * step),
            ),
        };
        all.push(if size > 2 { cat(&[first, inner, last], axis) } else { cat(&[first, last], axis) });
    }
    Ok(all)
}
