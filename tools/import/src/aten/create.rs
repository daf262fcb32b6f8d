//! Tensors made from nothing but their sizes, and what fills others.

use thunder_trace::{DType, Operand, Scalar, Scope, Tensor, stack};

use super::index::numbers;
use super::{Entry, copy, nothing, one};
use crate::arguments::{Answer, Call, gap, malformed};

pub(super) const OPS: &[Entry] = &[
    copy(
        &["aten.full.default", "aten.new_full.default", "aten.full_like.default", "aten.scalar_tensor.default"],
        |c| {
            let name = if c.has("s") { "s" } else { "fill_value" };
            filled(c, c.operand(name)?)
        },
    ),
    copy(&["aten.fill.Scalar", "aten.fill.Tensor"], |c| filled(c, c.operand("value")?)),
    copy(&["aten.zeros.default", "aten.zeros_like.default", "aten.new_zeros.default", "aten.zero.default"], |c| {
        filled(c, Operand::Scalar(Scalar::Int(0)))
    }),
    // What has no values yet may have any.
    copy(
        &[
            "aten.empty.memory_format",
            "aten.empty_like.default",
            "aten.new_empty.default",
            "aten.empty_permuted.default",
            "aten.empty_strided.default",
            "aten.new_empty_strided.default",
        ],
        |c| filled(c, Operand::Scalar(Scalar::Int(0))),
    ),
    copy(&["aten.ones.default", "aten.ones_like.default", "aten.new_ones.default"], |c| {
        filled(c, Operand::Scalar(Scalar::Int(1)))
    }),
    copy(&["aten.copy.default"], |c| {
        let (x, source) = (c.tensor("self")?, c.tensor("src")?);
        let source = source.to(x.dtype());
        Ok(if source.shape() == x.shape() { source } else { source.expand(x.shape()) })
    }),
    copy(&["aten.arange.default", "aten.arange.start", "aten.arange.start_step"], range),
    copy(
        &[
            "aten.linspace.default",
            "aten.linspace.Tensor_Tensor",
            "aten.linspace.Tensor_Scalar",
            "aten.linspace.Scalar_Tensor",
        ],
        |c| Ok(evenly(c)?.to(c.result()?.dtype)),
    ),
    copy(
        &[
            "aten.logspace.default",
            "aten.logspace.Tensor_Tensor",
            "aten.logspace.Tensor_Scalar",
            "aten.logspace.Scalar_Tensor",
        ],
        |c| {
            let base = c.float_or("base", 10.0)?;
            Ok(c.cx.full((), base, DType::F64).pow(evenly(c)?).to(c.result()?.dtype))
        },
    ),
    copy(&["aten.eye.default", "aten.eye.m"], |c| {
        let [rows, columns] = &c.dims()?[..] else { return malformed("a matrix has two dimensions") };
        let row = c.cx.arange(rows, DType::I64).unsqueeze(1);
        Ok(row.eq(c.cx.arange(columns, DType::I64)).to(c.result()?.dtype))
    }),
    copy(&["aten.tril_indices.default"], |c| triangle(c, |row, column, offset| column - row <= offset)),
    copy(&["aten.triu_indices.default"], |c| triangle(c, |row, column, offset| column - row >= offset)),
    one(&["aten.tril.default"], |c| Ok(c.tensor("self")?.tril(c.int_or("diagonal", 0)?))),
    one(&["aten.triu.default"], |c| Ok(c.tensor("self")?.triu(c.int_or("diagonal", 0)?))),
    nothing(&[
        "aten._assert_scalar.default",
        "aten._assert_async.msg",
        "aten._assert_tensor_metadata.default",
        "aten.sym_constrain_range.default",
        "aten.sym_constrain_range_for_size.default",
        "aten._set_grad_enabled.default",
        "torch._C._set_grad_enabled",
    ]),
];

/// One value everywhere, with the sizes and the dtype that the file says the result has.
fn filled<'t>(c: &Call<'_, 't>, value: Operand<'t>) -> Answer<Tensor<'t>> {
    let spec = c.result()?;
    Ok(match value {
        Operand::Scalar(value) => c.cx.full(&spec.dims[..], cast(value, spec.dtype), spec.dtype),
        Operand::Tensor(value) => value.to(spec.dtype).expand(&spec.dims[..]),
    })
}

/// A number as one of a dtype, rounded towards zero where that has integers only.
pub(super) fn cast(value: Scalar, dtype: DType) -> Scalar {
    match value {
        Scalar::Float(value) if dtype == DType::Bool => Scalar::Bool(value != 0.0),
        Scalar::Float(value) if !dtype.has_fractions() => cast(Scalar::Int(value as i64), dtype),
        Scalar::Int(value) => match dtype {
            DType::Bool => Scalar::Bool(value != 0),
            // Integers wrap.
            DType::U8 => Scalar::Int((value as u8).into()),
            DType::I8 => Scalar::Int((value as i8).into()),
            DType::I16 => Scalar::Int((value as i16).into()),
            DType::I32 => Scalar::Int((value as i32).into()),
            _ => value.into(),
        },
        other => other,
    }
}

/// Numbers at equal distances from `start` to `end`, in double precision; the last half of them is counted from the end.
fn evenly<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let steps = c.int("steps")?;
    let bound = |name: &str| -> Answer<Tensor<'t>> {
        Ok(match c.operand(name)? {
            Operand::Tensor(bound) => bound.to(DType::F64),
            Operand::Scalar(bound) => c.cx.full((), bound, DType::F64),
        })
    };
    let (start, end) = (bound("start")?, bound("end")?);
    if steps < 2 {
        return Ok(start.expand([steps]));
    }
    Ok(evenly_between(c.cx, start, end, steps))
}

/// The same of two numbers or more, in the dtype of the bounds.
pub(super) fn evenly_between<'t>(cx: Scope<'t>, start: Tensor<'t>, end: Tensor<'t>, steps: i64) -> Tensor<'t> {
    let (step, at) = ((end - start) / (steps - 1) as f64, cx.arange(steps, start.dtype()));
    at.lt((steps / 2) as f64).where_(start + step * at, end - step * ((steps - 1) as f64 - at))
}

/// `start`, `start + step`, ..., as many as the file says.
fn range<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let spec = c.result()?;
    let [count] = &spec.dims[..] else { return malformed("a range has one dimension") };
    let bound = |name: &str, default: i64| -> Answer<Operand<'t>> {
        if c.has(name) { c.operand(name) } else { Ok(Operand::Scalar(Scalar::Int(default))) }
    };
    let (start, step) = (bound("start", 0)?, bound("step", 1)?);
    let is = |operand: &Operand<'t>, value: i64| matches!(operand, Operand::Scalar(Scalar::Int(v)) if *v == value);
    if is(&start, 0) && is(&step, 1) {
        return Ok(c.cx.arange(count, spec.dtype));
    }
    // Sums and products of a range are computed in a dtype that holds them.
    let wide = if spec.dtype.is_float() { DType::F64 } else { DType::I64 };
    let numbers = c.cx.arange(count, wide);
    let scaled = if is(&step, 1) { numbers } else { numbers * step };
    let moved = if is(&start, 0) { scaled } else { scaled + start };
    Ok(moved.to(spec.dtype))
}

/// The rows and columns of all places of a matrix that are in a triangle.
fn triangle<'t>(c: &Call<'_, 't>, is_inside: fn(i64, i64, i64) -> bool) -> Answer<Tensor<'t>> {
    let (rows, columns, offset) = (c.int("row")?, c.int("col")?, c.int_or("offset", 0)?);
    if !(0..1 << 12).contains(&rows) || !(0..1 << 12).contains(&columns) {
        return gap(format!("{rows} rows and {columns} columns"));
    }
    let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let (above, left): (Vec<i64>, Vec<i64>) = places.filter(|(row, column)| is_inside(*row, *column, offset)).unzip();
    let both = stack(&[numbers(c, &above), numbers(c, &left)], 0);
    Ok(both.to(c.result()?.dtype))
}
