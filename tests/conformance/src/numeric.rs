//! Comparisons that tests share.

use anyhow::Result;
use thunder_interface::{Numerics, agree};
use thunder_tensor::Tensor;

/// Whether two tensors have the same bits; which NaN an element is does not count.
pub fn same_bits(actual: &Tensor, expected: &Tensor) -> Result<()> {
    agree(actual, expected, Numerics::Exact).map_err(anyhow::Error::msg)
}
