//! Complex numbers, and Fourier transforms.

use thunder_trace::Tensor;

use super::{Entry, each, tensor};
use crate::arguments::{Answer, malformed};
use crate::fourier::{real_of, sizes, transformed};
use crate::stablehlo::call::Call;

pub(super) const OPS: &[Entry] = &[
    each("stablehlo.complex", |c| Ok(c.tensor(0)?.complex(c.tensor(1)?))),
    tensor("stablehlo.fft", transform),
    each("stablehlo.imag", |c| {
        let z = c.tensor(0)?;
        Ok(if z.dtype().is_complex() { z.imag() } else { z * 0.0 })
    }),
    each("stablehlo.real", |c| Ok(c.tensor(0)?.real())),
    each("chlo.conj", |c| Ok(c.tensor(0)?.conj())),
];

/// Over as many of the last dimensions as there are lengths; of real numbers, the last one is halved.
fn transform<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let (mut z, lengths) = (c.tensor(0)?, c.ints("fft_length")?);
    let kind = c.word("fft_type")?;
    let (is_forward, is_real) = match kind {
        "FFT" => (true, false),
        "IFFT" => (false, false),
        "RFFT" => (true, true),
        "IRFFT" => (false, true),
        other => return malformed(format!("'{other}' is no transform")),
    };
    let rank = lengths.len() as i64;
    if is_real && is_forward {
        z = z.to(c.result(0)?.element.dtype().unwrap_or(z.dtype()));
    }
    // The last dimension is the first to lose a half, and the last to get it back.
    let outer: Vec<i64> = (-rank..-1).collect();
    let all = |mut z: Tensor<'t>, axes: &[i64]| -> Answer<Tensor<'t>> {
        for axis in axes {
            let sign = if is_forward { -1.0 } else { 1.0 };
            let size = sizes(z, &[*axis])?[0];
            z = transformed(c.cx, z.transpose(*axis, -1), sign)?.transpose(*axis, -1);
            z = if is_forward { z } else { z * (1.0 / size as f64) };
        }
        Ok(z)
    };
    let Some(last) = lengths.last().copied() else { return Ok(z) };
    match (is_real, is_forward) {
        (false, _) => all(all(z, &[-1])?, &outer),
        (true, true) => all(all(z, &[-1])?.slice(-1, 0..last / 2 + 1), &outer),
        (true, false) => Ok(real_of(c.cx, all(z, &outer)?, last)? * (1.0 / last as f64)),
    }
}
