//! Sorting, and what is found by it.

use thunder_trace::{DType, Dim, Operand, Tensor};

use super::{Entry, many, one};
use crate::arguments::{Answer, Call, ensure, gap};

pub(super) const OPS: &[Entry] = &[
    many(&["aten.sort.default", "aten.sort.stable"], |c| {
        let (x, axis) = row(c, "self", "dim")?;
        Ok(shaped(c, x.sort(axis, c.bool_or("descending", false)?)))
    }),
    one(&["aten.argsort.default", "aten.argsort.stable"], |c| {
        let (x, axis) = row(c, "self", "dim")?;
        Ok(x.argsort(axis, c.bool_or("descending", false)?).reshape(c.dims()?))
    }),
    one(&["aten.msort.default"], |c| {
        let x = c.tensor("self")?;
        Ok(if x.rank() == 0 { x } else { x.sort(0, false).0 })
    }),
    many(&["aten.topk.default"], |c| {
        let (x, axis) = row(c, "self", "dim")?;
        Ok(shaped(c, x.topk(c.int("k")?, axis, c.bool_or("largest", true)?)))
    }),
    many(&["aten.kthvalue.default"], |c| {
        let (x, axis) = row(c, "self", "dim")?;
        let (values, places) = x.topk(c.int("k")?, axis, false);
        Ok(shaped(c, (values.slice(axis, -1..), places.slice(axis, -1..))))
    }),
    many(&["aten.median.dim"], |c| {
        let (x, axis) = row(c, "self", "dim")?;
        Ok(shaped(c, median(x, axis)?))
    }),
    one(&["aten.median.default"], |c| Ok(median(c.tensor("self")?.reshape([-1]), 0)?.0.reshape(c.dims()?))),
    one(&["aten.searchsorted.Tensor", "aten.searchsorted.Scalar"], |c| {
        let row = c.tensor("sorted_sequence")?;
        let row = c.optional("sorter")?.map_or(row, |order| row.gather(-1, order));
        searched(c, row, c.operand("self")?)
    }),
    one(&["aten.bucketize.Tensor", "aten.bucketize.Scalar"], |c| {
        let row = c.tensor("boundaries")?;
        ensure(row.rank() == 1, format!("{row} for boundaries, which are one row"))?;
        searched(c, row, c.operand("self")?)
    }),
];

/// A tensor that has dimensions, and the one of them that is named.
fn row<'t>(c: &Call<'_, 't>, name: &str, axis: &str) -> Answer<(Tensor<'t>, i64)> {
    let (x, axis) = (c.tensor(name)?, c.int_or(axis, -1)?);
    Ok(if x.rank() == 0 { (x.unsqueeze(0), 0) } else { (x, axis) })
}

/// Values and positions under the sizes that the file says they have.
fn shaped<'t>(c: &Call<'_, 't>, (values, places): (Tensor<'t>, Tensor<'t>)) -> Vec<Tensor<'t>> {
    let shaped = |(x, spec): (Tensor<'t>, &thunder_trace::Spec)| x.reshape(&spec.dims[..]);
    [values, places].into_iter().zip(c.results).map(shaped).collect()
}

/// The lower one of two elements in the middle; NaN if any is.
fn median(x: Tensor<'_>, axis: i64) -> Answer<(Tensor<'_>, Tensor<'_>)> {
    let Some(size @ 1..) = x.size(axis).known() else { return gap("a dimension of dynamic size, or none") };
    let (values, places) = x.topk((size - 1) / 2 + 1, axis, false);
    let (value, place) = (values.slice(axis, -1..), places.slice(axis, -1..));
    if !x.dtype().is_float() {
        return Ok((value, place));
    }
    let axis = if axis < 0 { axis + x.rank() as i64 } else { axis };
    let is_nan = x.isnan();
    let first = is_nan.to(DType::I64).argmax(axis).unsqueeze(axis);
    let any = is_nan.any_keepdim(axis);
    Ok((any.where_(f64::NAN, value), any.where_(first, place)))
}

fn searched<'t>(c: &Call<'_, 't>, row: Tensor<'t>, values: Operand<'t>) -> Answer<Tensor<'t>> {
    let right = c.bool_or("right", false)? || c.word_or("side", "left")? == "right";
    let values = match values {
        Operand::Tensor(values) => values,
        Operand::Scalar(value) => c.cx.full((), value, row.dtype()),
    };
    let found = if values.rank() == 0 {
        row.searchsorted(values.reshape([Dim::from(1)]), right).reshape(c.dims()?)
    } else {
        row.searchsorted(values, right)
    };
    Ok(found.to(c.result()?.dtype))
}
