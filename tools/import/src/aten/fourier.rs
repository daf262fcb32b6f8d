//! Fourier transforms.

use thunder_trace::{DType, Tensor};

use super::{Entry, one};
use crate::arguments::{Answer, Call, ensure, gap};
use crate::fourier::{half, real_of, sizes, transformed};

pub(super) const OPS: &[Entry] = &[
    one(&["aten._fft_c2c.default"], |c| {
        let (z, axes) = (c.tensor("self")?, c.ints("dim")?);
        let count = sizes(z, &axes)?.iter().product();
        Ok(along(c, z, &axes, c.bool_or("forward", true)?)? * numbered(c, count)?)
    }),
    one(&["aten._fft_r2c.default"], |c| {
        let (x, axes) = (c.tensor("self")?, c.ints("dim")?);
        let count = sizes(x, &axes)?.iter().product();
        let z = along(c, x.to(c.result()?.dtype), &axes, true)?;
        let z = if c.bool_or("onesided", true)? { half(z, axes.last().copied().unwrap_or(-1))? } else { z };
        Ok(z * numbered(c, count)?)
    }),
    one(&["aten._fft_c2r.default"], |c| {
        let (z, axes, size) = (c.tensor("self")?, c.ints("dim")?, c.int("last_dim_size")?);
        let outer = &axes[..axes.len().saturating_sub(1)];
        let count = sizes(z, outer)?.iter().product::<i64>() * size;
        Ok(to_real(c, z, &axes, size, false)? * numbered(c, count)?)
    }),
    one(&["aten.fft_fft.default", "aten.fft_fft2.default", "aten.fft_fftn.default"], |c| complex(c, true)),
    one(&["aten.fft_ifft.default", "aten.fft_ifft2.default", "aten.fft_ifftn.default"], |c| complex(c, false)),
    one(&["aten.fft_rfft.default", "aten.fft_rfft2.default", "aten.fft_rfftn.default"], |c| halved(c, true)),
    one(&["aten.fft_ihfft.default", "aten.fft_ihfft2.default", "aten.fft_ihfftn.default"], |c| halved(c, false)),
    one(&["aten.fft_hfft.default", "aten.fft_hfft2.default", "aten.fft_hfftn.default"], |c| real(c, true)),
    one(&["aten.fft_irfft.default", "aten.fft_irfft2.default", "aten.fft_irfftn.default"], |c| real(c, false)),
];

/// Transforms along several dimensions.
fn along<'t>(c: &Call<'_, 't>, mut z: Tensor<'t>, axes: &[i64], is_forward: bool) -> Answer<Tensor<'t>> {
    ensure(z.dtype().is_complex(), format!("a transform of {z}"))?;
    let sign = if is_forward { -1.0 } else { 1.0 };
    for axis in axes {
        sizes(z, &[*axis])?;
        z = transformed(c.cx, z.transpose(*axis, -1), sign)?.transpose(*axis, -1);
    }
    Ok(z)
}

/// The real numbers, as many as `size` along the last of the dimensions, of a half of their transform.
fn to_real<'t>(c: &Call<'_, 't>, z: Tensor<'t>, axes: &[i64], size: i64, is_forward: bool) -> Answer<Tensor<'t>> {
    let Some((last, outer)) = axes.split_last() else { return Ok(z.real()) };
    // The forward transform is the conjugate of the other one of the conjugate.
    let z = if is_forward { along(c, z, outer, true)?.conj() } else { along(c, z, outer, false)? };
    Ok(real_of(c.cx, z.transpose(*last, -1), size)?.transpose(*last, -1))
}

/// What PyTorch's number for a normalization multiplies by: nothing, or one by the root of the count, or by the count.
fn numbered(c: &Call<'_, '_>, count: i64) -> Answer<f64> {
    match c.int_or("normalization", 0)? {
        0 => Ok(1.0),
        1 => Ok(1.0 / (count as f64).sqrt()),
        2 => Ok(1.0 / count as f64),
        other => gap(format!("normalization {other}")),
    }
}

/// What the name of a normalization multiplies by.
fn named(c: &Call<'_, '_>, count: i64, is_forward: bool) -> Answer<f64> {
    let count = count as f64;
    Ok(match (c.word_or("norm", "backward")?, is_forward) {
        ("ortho", _) => 1.0 / count.sqrt(),
        ("forward", true) | ("backward", false) => 1.0 / count,
        ("forward", false) | ("backward", true) => 1.0,
        (other, _) => return gap(format!("normalization '{other}'")),
    })
}

/// The operand as complex numbers or, of real ones, as floats.
fn operand<'t>(c: &Call<'_, 't>, is_complex: bool) -> Answer<Tensor<'t>> {
    let (x, result) = (c.tensor("self")?, c.result()?.dtype);
    let part = result.part();
    Ok(x.to(if is_complex { part.complex().unwrap_or(DType::C64) } else { part }))
}

/// The dimensions that are transformed, and the sizes that are given for them, of which some are left as they are.
fn dimensions(c: &Call<'_, '_>, x: Tensor<'_>) -> Answer<(Vec<i64>, Vec<Option<i64>>)> {
    let rank = x.rank() as i64;
    let given = match (c.optional_ints("s")?, c.has("n")) {
        (None, true) => Some(vec![c.int("n")?]),
        (given, _) => given,
    };
    let name = c.node.target.trim_end_matches(".default");
    let axes = match c.optional_ints("dim")? {
        Some(axes) => axes,
        None if name.ends_with('2') => vec![-2, -1],
        None if name.ends_with("fftn") => {
            let count = given.as_ref().map_or(rank, |given| given.len() as i64);
            (-count..0).collect()
        }
        None => vec![-1],
    };
    let given = given.map_or_else(
        || vec![None; axes.len()],
        |given| given.into_iter().map(|size| (size >= 0).then_some(size)).collect(),
    );
    ensure(given.len() == axes.len(), format!("sizes for {} of {} dimensions", given.len(), axes.len()))?;
    ensure(given.iter().all(|size| *size != Some(0)), "a transform of no elements")?;
    Ok((axes, given))
}

/// `x` with zeros added, or elements taken away, at the ends of dimensions.
fn resized<'t>(x: Tensor<'t>, axes: &[i64], given: &[Option<i64>]) -> Answer<Tensor<'t>> {
    let none = vec![0; x.rank()];
    let mut added = none.clone();
    for (axis, size) in axes.iter().zip(given) {
        let Some(size) = *size else { continue };
        let place = if *axis < 0 { x.rank() as i64 + axis } else { *axis };
        added[place as usize] = size - sizes(x, &[*axis])?[0];
    }
    Ok(if added == none { x } else { x.pad_between(&none, &added, &none, 0) })
}

fn complex<'t>(c: &Call<'_, 't>, is_forward: bool) -> Answer<Tensor<'t>> {
    let z = operand(c, true)?;
    let (axes, given) = dimensions(c, z)?;
    let z = resized(z, &axes, &given)?;
    let count = sizes(z, &axes)?.iter().product();
    Ok(along(c, z, &axes, is_forward)? * named(c, count, is_forward)?)
}

/// Real numbers, of whose transform a half is enough.
fn halved<'t>(c: &Call<'_, 't>, is_forward: bool) -> Answer<Tensor<'t>> {
    let x = operand(c, false)?;
    let (axes, given) = dimensions(c, x)?;
    let x = resized(x, &axes, &given)?;
    let count = sizes(x, &axes)?.iter().product();
    let Some((last, outer)) = axes.split_last() else { return operand(c, true) };
    let z = x.to(x.dtype().complex().unwrap_or(DType::C64));
    let z = half(along(c, z, &[*last], is_forward)?, *last)?;
    Ok(along(c, z, outer, is_forward)? * named(c, count, is_forward)?)
}

/// Half a transform, of real numbers.
fn real<'t>(c: &Call<'_, 't>, is_forward: bool) -> Answer<Tensor<'t>> {
    let z = operand(c, true)?;
    let (axes, mut given) = dimensions(c, z)?;
    let Some(last) = axes.last().copied() else { return Ok(z.real()) };
    let size = match given.last().copied().flatten() {
        Some(size) => size,
        None => 2 * (sizes(z, &[last])?[0] - 1),
    };
    ensure(size > 0, format!("a transform of {size} elements"))?;
    if let Some(given) = given.last_mut() {
        *given = Some(size / 2 + 1);
    }
    let z = resized(z, &axes, &given)?;
    let count = sizes(z, &axes[..axes.len() - 1])?.iter().product::<i64>() * size;
    Ok(to_real(c, z, &axes, size, is_forward)? * named(c, count, is_forward)?)
}
