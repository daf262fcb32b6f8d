//! Fourier transforms of parts of a signal, and signals from these.

use thunder_trace::{DType, Dim, Tensor};

use super::index::of_parts;
use super::resize::{around, reflected};
use super::{Entry, one};
use crate::arguments::{Answer, Call, ensure, gap};
use crate::fourier::{half, real_of, sizes, transformed};

pub(super) const OPS: &[Entry] = &[
    one(&["aten.stft.default"], |c| transforms(c, c.tensor("self")?)),
    one(&["aten.stft.center"], |c| {
        let x = c.tensor("self")?;
        if !c.bool_or("center", true)? {
            return transforms(c, x);
        }
        let side = c.int("n_fft")? / 2;
        let padded = match c.word_or("pad_mode", "reflect")? {
            "constant" => x.pad(&[(side, side)], 0.0),
            "reflect" => around(x, c, &[side, side], reflected)?,
            other => return gap(format!("padding '{other}'")),
        };
        transforms(c, padded)
    }),
    one(&["aten.istft.default"], signal),
];

/// How long parts are, how far apart, and what each is multiplied by.
fn parts<'t>(c: &Call<'_, 't>, dtype: DType) -> Answer<(i64, i64, Tensor<'t>)> {
    let size = c.int("n_fft")?;
    let (step, width) = (c.int_or("hop_length", size / 4)?, c.int_or("win_length", size)?);
    ensure(step > 0 && (1..=size).contains(&width), format!("parts of {width} of {size} elements, {step} apart"))?;
    let window = match c.optional("window")? {
        Some(window) => window,
        None => c.cx.ones([width], dtype),
    };
    ensure(sizes(window, &[0])? == [width], format!("a window {window} of {width} elements"))?;
    let before = (size - width) / 2;
    Ok((size, step, window.pad(&[(before, size - width - before)], 0)))
}

/// The transforms of all parts of a signal; the elements of one stand in a column.
fn transforms<'t>(c: &Call<'_, 't>, x: Tensor<'t>) -> Answer<Tensor<'t>> {
    let (size, step, window) = parts(c, x.dtype())?;
    let length = sizes(x, &[-1])?[0];
    ensure(size <= length, format!("parts of {size} elements of {x}"))?;
    let count = (length - size) / step + 1;
    let frames = x.index_select(-1, of_parts(c, count, size, step)) * window;
    let is_real = !frames.dtype().is_complex();
    let z = transformed(c.cx, frames.to(frames.dtype().complex().unwrap_or(frames.dtype())), -1.0)?;
    let z = if c.bool_or("onesided", is_real)? { half(z, -1)? } else { z };
    let z = if c.bool_or("normalized", false)? { z * (1.0 / (size as f64).sqrt()) } else { z };
    let z = z.transpose(-1, -2);
    Ok(if c.bool_or("return_complex", !is_real)? { z } else { z.view_as_real() })
}

/// The signal whose parts have these transforms, as the mean of what they say, weighed by their windows.
fn signal<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let z = c.tensor("self")?;
    ensure(z.dtype().is_complex() && z.rank() >= 2, format!("the transforms of parts {z}"))?;
    let (size, step, window) = parts(c, z.dtype().part())?;
    let counts = sizes(z, &[-2, -1])?;
    let z = z.transpose(-1, -2);
    let z = if c.bool_or("normalized", false)? { z * (size as f64).sqrt() } else { z };
    let is_real = !c.bool_or("return_complex", false)?;
    // Of a real signal, half of the transform is looked at.
    let frames = if is_real { real_of(c.cx, z, size)? } else { transformed(c.cx, z, 1.0)? };
    let frames = frames * (1.0 / size as f64);
    let count = counts[1];
    let length = size + step * (count - 1);
    let places = of_parts(c, count, size, step).reshape([-1]);
    let outer = &z.shape()[..z.rank() - 2];
    let flat = |parts: Tensor<'t>, outer: &[Dim]| parts.reshape([outer, &[(count * size).into()]].concat());
    let sum = |parts: Tensor<'t>, outer: &[Dim]| {
        let zeros = c.cx.zeros([outer, &[length.into()]].concat(), parts.dtype());
        zeros.index_add(-1, places, flat(parts, outer))
    };
    let total = sum(frames * window, outer);
    let weight = sum((window * window).expand([count, size]), &[]);
    let start = if c.bool_or("center", true)? { size / 2 } else { 0 };
    let end = match c.has("length") {
        true => start + c.int("length")?,
        false => length - start,
    };
    let within = end.min(length);
    ensure(start < within, format!("a signal from {start} to {within}"))?;
    let y = total.slice(-1, start..within) / weight.slice(-1, start..within);
    Ok(if end > within { y.pad(&[(0, end - within)], 0) } else { y })
}
