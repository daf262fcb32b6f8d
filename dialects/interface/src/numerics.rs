//! How close values must be after a transformation that says what it does to them.

use thunder_ir::pass::Numerics;
use thunder_tensor::{Tensor, Tolerance, compare};

/// Roundings of a value's dtype that a change of their order may add up to.
const ROUNDINGS: u32 = 64;

/// Whether a tensor is the expected one as closely as `numerics` asks, or how it differs.
///
/// Where it must be exact, bits are equal but for which NaN an element is. Else a difference is in proportion to the
/// largest finite value, since sums lose what cancels. In a lower precision only type and sizes must be the same:
/// an integer that a float was converted to may be any.
pub fn agree(actual: &Tensor, expected: &Tensor, numerics: Numerics) -> Result<(), String> {
    if numerics == Numerics::Narrows {
        let [is, was] = [actual, expected].map(|t| format!("{} {:?}", t.dtype(), t.shape()));
        return if is == was { Ok(()) } else { Err(format!("{is} instead of {was}")) };
    }
    if numerics == Numerics::Exact || !expected.dtype().is_float() {
        compare(actual, expected, Tolerance::EXACT).map_err(|mismatch| mismatch.to_string())?;
        let has_signs = expected.dtype().is_float() || expected.dtype().is_float8();
        return if has_signs { same_signs(actual, expected) } else { Ok(()) };
    }
    let finite = expected.to_vec::<f64>().into_iter().filter(|x| x.is_finite());
    let largest = finite.fold(1.0, |most: f64, x| most.max(x.abs()));
    let bound = Tolerance::of_roundings(expected.dtype(), ROUNDINGS);
    compare(actual, expected, Tolerance::new(bound.rtol, bound.atol * largest)).map_err(|mismatch| mismatch.to_string())
}

/// Zeros are equal whatever their signs; their bits are not.
fn same_signs(actual: &Tensor, expected: &Tensor) -> Result<(), String> {
    let mut pairs = actual.to_vec::<f64>().into_iter().zip(expected.to_vec::<f64>()).enumerate();
    let differs = pairs.find(|(_, (x, y))| !x.is_nan() && x.is_sign_negative() != y.is_sign_negative());
    match differs {
        None => Ok(()),
        Some((index, (x, y))) => Err(format!("element {index}: {x:?} instead of {y:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Numerics, Tensor, agree};

    #[test]
    fn integers_past_a_lower_precision_may_be_any_of_their_type() {
        let [x, y] = [3i32, 4].map(Tensor::scalar);
        assert_eq!(agree(&x, &y, Numerics::Narrows), Ok(()));
        assert!(agree(&x, &y, Numerics::Reassociates).is_err() && agree(&x, &y, Numerics::Exact).is_err());
        assert!(agree(&x, &Tensor::scalar(4i64), Numerics::Narrows).is_err());
    }
}
