//! When a result is as good as PyTorch's: it is equal within PyTorch's own tolerance for its dtype, or no farther from the
//! exact value than [`FACTOR`] times what PyTorch's is at most.

use anyhow::{Result, bail, ensure};
use thunder_tensor::{DType, Tensor, Tolerance, compare};

/// How much farther than PyTorch's own result one may be from the exact value.
pub const FACTOR: f64 = 2.0;

/// What `torch.testing.assert_close` grants: relative to the value, and beside.
fn tolerance(dtype: DType) -> (f64, f64) {
    match dtype {
        DType::F64 => (1e-7, 1e-7),
        DType::F32 => (1.3e-6, 1e-5),
        DType::BF16 => (1.6e-2, 1e-5),
        DType::F16 => (1e-3, 1e-5),
        _ => (0.0, 0.0),
    }
}

/// Compares a result with the exact one, which has pairs for complex numbers, and of which PyTorch's is off by `error`
/// at most.
pub fn check(actual: &Tensor, exact: &Tensor, error: f64) -> Result<()> {
    let actual = &actual.as_pairs();
    ensure!(actual.shape() == exact.shape(), "the shape is {:?}, not {:?}", actual.shape(), exact.shape());
    if exact.dtype().is_float8() {
        return Ok(compare(actual, exact, Tolerance::EXACT)?);
    }
    if !exact.dtype().is_float() {
        ensure!(actual.dtype() == exact.dtype(), "the dtype is {}, not {}", actual.dtype(), exact.dtype());
        let (actual, exact) = (actual.to_vec::<i64>(), exact.to_vec::<i64>());
        let wrong = actual.iter().zip(&exact).position(|(actual, exact)| actual != exact);
        return match wrong {
            Some(index) => bail!("element {index} is {}, not {}", actual[index], exact[index]),
            None => Ok(()),
        };
    }
    ensure!(actual.dtype().is_float(), "the dtype is {}, not {}", actual.dtype(), exact.dtype());
    let (relative, absolute) = tolerance(actual.dtype());
    // What the dtype cannot hold is infinite in it.
    let rounded = exact.cast(actual.dtype()).to_vec::<f64>();
    for (index, (x, exact)) in actual.to_vec::<f64>().into_iter().zip(exact.to_vec::<f64>()).enumerate() {
        let is_same = x == rounded[index] || x.is_nan() && exact.is_nan();
        let limit = (FACTOR * error).max(absolute + relative * exact.abs());
        let is_close = x.is_finite() && (x - exact).abs() <= limit;
        if !(is_same || is_close) {
            bail!("element {index} is {x}, not {exact}: PyTorch is off by {error:e}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{DType, Tensor, check};

    fn compared(dtype: DType, actual: f64, exact: f64, error: f64) -> bool {
        check(&Tensor::full(dtype, [1], actual), &Tensor::full(DType::F64, [1], exact), error).is_ok()
    }

    #[test]
    fn results_are_as_good_as_pytorchs_or_not() {
        assert!(compared(DType::F32, 1.000_001, 1.0, 0.0));
        assert!(!compared(DType::F32, 1.000_1, 1.0, 0.0));
        assert!(compared(DType::F32, 1.000_1, 1.0, 0.000_06));
        assert!(compared(DType::F16, f64::INFINITY, 1e6, 0.0));
        assert!(!compared(DType::F32, f64::INFINITY, 1e6, 0.0));
        assert!(!compared(DType::F32, f64::INFINITY, 1.0, f64::INFINITY));
        assert!(compared(DType::F32, f64::NAN, f64::NAN, 0.0));
        assert!(!compared(DType::F32, f64::NAN, 1.0, 1.0));
        assert!(!compared(DType::F32, 1.0, f64::NAN, 1.0));
        assert!(!compared(DType::I32, 1.0, 1.0, 0.0));
    }
}
