//! Comparisons that tests share.

use anyhow::{Result, ensure};
use thunder_tensor::{Tensor, Tolerance, compare};

/// Whether two tensors have the same bits; which NaN an element is does not count.
pub fn same_bits(actual: &Tensor, expected: &Tensor) -> Result<()> {
    compare(actual, expected, Tolerance::EXACT).map_err(|mismatch| anyhow::anyhow!("{mismatch}"))?;
    if !expected.dtype().is_float() {
        return Ok(());
    }
    let pairs = actual.to_vec::<f64>().into_iter().zip(expected.to_vec::<f64>());
    for (index, (actual, expected)) in pairs.enumerate() {
        let same_sign = actual.is_nan() || actual.is_sign_negative() == expected.is_sign_negative();
        ensure!(same_sign, "element {index}: {actual:?} instead of {expected:?}");
    }
    Ok(())
}
