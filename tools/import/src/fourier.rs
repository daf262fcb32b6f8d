//! Fourier transforms, as products with matrices of roots of unity.

use std::f64::consts::TAU;

use thunder_trace::{DType, Scope, Tensor, cat};

use crate::arguments::{Answer, ensure, gap};

/// Sizes up to which a transform is one product.
const WHOLE: i64 = 32;

/// Sizes of dimensions, which are known.
pub(crate) fn sizes(x: Tensor<'_>, axes: &[i64]) -> Answer<Vec<i64>> {
    let known = axes.iter().map(|axis| x.size(*axis).known()).collect::<Option<Vec<i64>>>();
    known.map_or_else(|| gap("a dimension of dynamic size"), Ok)
}

/// `sum_j z_j e^(sign 2 pi i j k / n)` along the last dimension, whose size is split into two factors where it has any
/// (Cooley and Tukey, 1965).
pub(crate) fn transformed<'t>(cx: Scope<'t>, z: Tensor<'t>, sign: f64) -> Answer<Tensor<'t>> {
    let size = sizes(z, &[-1])?[0];
    let root = (size as f64).sqrt() as i64;
    let factor = (2..=root).rev().find(|factor| size % factor == 0).filter(|_| size > WHOLE);
    let Some(rows) = factor else { return Ok(z.matmul(roots(cx, size, size, size, sign, z.dtype()))) };
    let columns = size / rows;
    let outer = &z.shape()[..z.rank() - 1];
    // j == row * columns + column, and k == other row + rows * other column
    let grid = z.reshape([outer, &[rows.into(), columns.into()]].concat());
    let by_row = transformed(cx, grid.transpose(-1, -2), sign)?;
    let twisted = by_row * roots(cx, columns, rows, size, sign, z.dtype());
    let by_column = transformed(cx, twisted.transpose(-1, -2), sign)?;
    Ok(by_column.transpose(-1, -2).reshape([outer, &[size.into()]].concat()))
}

/// `e^(sign 2 pi i r c / n)` in row `r` and column `c`.
fn roots<'t>(cx: Scope<'t>, rows: i64, columns: i64, n: i64, sign: f64, dtype: DType) -> Tensor<'t> {
    let turns = (cx.arange(rows, DType::I64).unsqueeze(1) * cx.arange(columns, DType::I64)) % n.max(1);
    let angles = turns.to(DType::F64) * (sign * TAU / n.max(1) as f64);
    angles.cos().complex(angles.sin()).to(dtype)
}

/// The first half along a dimension, of which the other one is the conjugate.
pub(crate) fn half(z: Tensor<'_>, axis: i64) -> Answer<Tensor<'_>> {
    Ok(z.slice(axis, 0..sizes(z, &[axis])?[0] / 2 + 1))
}

/// The real numbers whose transform has `z` for its first half along the last dimension.
pub(crate) fn real_of<'t>(cx: Scope<'t>, z: Tensor<'t>, size: i64) -> Answer<Tensor<'t>> {
    let half = size / 2 + 1;
    let given = sizes(z, &[-1])?[0];
    ensure(size > 0 && given >= half, format!("{size} numbers from {z}"))?;
    let first = z.slice(-1, 0..half);
    // The parts that have no counterpart are real.
    let rest = first.slice(-1, 1..(size + 1) / 2).flip(-1).conj();
    let ends =
        |z: Tensor<'t>, from: i64, to: i64| z.slice(-1, from..to).real().complex(z.slice(-1, from..to).real() * 0.0);
    let inner = first.slice(-1, 1..(size + 1) / 2);
    let mut parts = vec![ends(first, 0, 1), inner];
    if size % 2 == 0 {
        parts.push(ends(first, half - 1, half));
    }
    parts.push(rest);
    Ok(transformed(cx, cat(&parts, -1), 1.0)?.real())
}
