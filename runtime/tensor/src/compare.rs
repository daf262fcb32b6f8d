//! Whether two tensors are close enough, and if not, where and by how much.

use std::fmt;

use crate::{DType, Tensor};

/// How far a value may be from the one expected: `|actual - expected| <= atol + rtol * |expected|`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    /// The part that grows with the expected value.
    pub rtol: f64,
    /// The part that does not.
    pub atol: f64,
    /// Whether NaN equals NaN; never anything else.
    pub equal_nan: bool,
}

impl Tolerance {
    /// Equal values only, where -0 equals 0 and NaN equals NaN.
    pub const EXACT: Tolerance = Tolerance::new(0.0, 0.0);

    /// The given bounds, with NaN equal to NaN.
    pub const fn new(rtol: f64, atol: f64) -> Self {
        Tolerance { rtol, atol, equal_nan: true }
    }

    /// A tolerance for one operation that rounds to `dtype` `roundings` times: exact for integers and `Bool`.
    ///
    /// The absolute part is that of values around 1.
    pub const fn of_roundings(dtype: DType, roundings: u32) -> Self {
        let bound = dtype.epsilon() * roundings as f64;
        Tolerance::new(bound, bound)
    }

    /// Whether `actual` is close enough to `expected`; infinities are close to themselves alone.
    pub fn accepts(&self, actual: f64, expected: f64) -> bool {
        if actual.is_nan() || expected.is_nan() {
            return self.equal_nan && actual.is_nan() && expected.is_nan();
        }
        if actual.is_infinite() || expected.is_infinite() {
            return actual == expected;
        }
        (actual - expected).abs() <= self.atol + self.rtol * expected.abs()
    }
}

/// One element that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where it is.
    pub index: Vec<usize>,
    /// What was computed.
    pub actual: f64,
    /// What should have been.
    pub expected: f64,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {:?} instead of {:?}", self.index, self.actual, self.expected)
    }
}

/// How two tensors differ.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Mismatch {
    /// The dtypes differ.
    #[error("dtype {actual} instead of {expected}")]
    DType {
        /// The dtype computed.
        actual: DType,
        /// The dtype expected.
        expected: DType,
    },
    /// The shapes differ.
    #[error("shape {actual:?} instead of {expected:?}")]
    Shape {
        /// The shape computed.
        actual: Vec<usize>,
        /// The shape expected.
        expected: Vec<usize>,
    },
    /// Some elements are further apart than the tolerance allows.
    #[error("{0}")]
    Values(Box<Differences>),
}

/// The elements that differ, summed up.
#[derive(Clone, Debug, PartialEq)]
pub struct Differences {
    /// How many elements are outside of the tolerance.
    pub count: usize,
    /// How many elements there are.
    pub total: usize,
    /// The first element outside, in row-major order.
    pub first: Difference,
    /// The element outside with the largest absolute error; a NaN or infinity where there should be none is worst.
    pub worst: Difference,
    /// The largest `|actual - expected|` of all elements, infinite if only one of them is NaN or infinite.
    pub max_abs: f64,
    /// The largest `|actual - expected| / |expected|` of all elements.
    pub max_rel: f64,
    /// The tolerance that was exceeded.
    pub tolerance: Tolerance,
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, total, Tolerance { rtol, atol, .. }) = (self.count, self.total, self.tolerance);
        let (max_abs, max_rel) = (self.max_abs, self.max_rel);
        writeln!(f, "{count} of {total} elements differ (rtol {rtol:?}, atol {atol:?})")?;
        writeln!(f, "  max abs error {max_abs:.3e}, max rel error {max_rel:.3e}")?;
        write!(f, "  first at {}\n  worst at {}", self.first, self.worst)
    }
}

/// Checks every element of `actual` against `expected`; dtype and shape must be equal. Complex numbers are compared
/// part by part, which a last dimension counts.
///
/// 64-bit integers are compared without rounding.
pub fn compare(actual: &Tensor, expected: &Tensor, tolerance: Tolerance) -> Result<(), Mismatch> {
    if actual.dtype() != expected.dtype() {
        return Err(Mismatch::DType { actual: actual.dtype(), expected: expected.dtype() });
    }
    if actual.shape() != expected.shape() {
        return Err(Mismatch::Shape { actual: actual.shape().to_vec(), expected: expected.shape().to_vec() });
    }
    if actual.dtype().is_complex() {
        return compare(&actual.as_pairs(), &expected.as_pairs(), tolerance);
    }
    let mut tally = Tally::default();
    if actual.dtype().has_fractions() {
        for (i, (x, y)) in actual.to_vec::<f64>().into_iter().zip(expected.to_vec::<f64>()).enumerate() {
            let error = match (x.is_nan() || y.is_nan(), x == y) {
                (true, _) if tolerance.accepts(x, y) => 0.0,
                (_, true) => 0.0,
                (true, _) => f64::INFINITY,
                _ => (x - y).abs(),
            };
            tally.add(i, error, y.abs(), tolerance.accepts(x, y));
        }
    } else {
        for (i, (x, y)) in actual.to_vec::<i64>().into_iter().zip(expected.to_vec::<i64>()).enumerate() {
            let error = x.abs_diff(y) as f64;
            let size = y.unsigned_abs() as f64;
            tally.add(i, error, size, x == y || error <= tolerance.atol + tolerance.rtol * size);
        }
    }
    let Some(first) = tally.first else { return Ok(()) };
    let difference = |linear: usize| Difference {
        index: unravel(linear, actual.shape()),
        actual: actual.value(linear),
        expected: expected.value(linear),
    };
    Err(Mismatch::Values(Box::new(Differences {
        count: tally.count,
        total: actual.len(),
        first: difference(first),
        worst: difference(tally.worst.0),
        max_abs: tally.max_abs,
        max_rel: tally.max_rel,
        tolerance,
    })))
}

#[derive(Default)]
struct Tally {
    count: usize,
    first: Option<usize>,
    worst: (usize, f64),
    max_abs: f64,
    max_rel: f64,
}

impl Tally {
    fn add(&mut self, linear: usize, error: f64, size: f64, is_accepted: bool) {
        self.max_abs = self.max_abs.max(error);
        if error > 0.0 {
            self.max_rel = self.max_rel.max(if size.is_infinite() { f64::INFINITY } else { error / size });
        }
        if is_accepted {
            return;
        }
        self.count += 1;
        if self.first.is_none() {
            self.first = Some(linear);
            self.worst = (linear, error);
        } else if error > self.worst.1 {
            self.worst = (linear, error);
        }
    }
}

fn unravel(mut linear: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (i, &extent) in index.iter_mut().zip(shape).rev() {
        *i = linear % extent;
        linear /= extent;
    }
    index
}

/// Floating types whose values can be counted: `f32` and `f64`.
pub trait Ulps: Copy {
    /// The position among all values in order, the two zeros at 0; `None` for NaN.
    fn rank(self) -> Option<i64>;
}

impl Ulps for f32 {
    fn rank(self) -> Option<i64> {
        let magnitude = i64::from(self.to_bits() & !(1 << 31));
        (!self.is_nan()).then_some(if self.is_sign_negative() { -magnitude } else { magnitude })
    }
}

impl Ulps for f64 {
    fn rank(self) -> Option<i64> {
        let magnitude = (self.to_bits() & !(1 << 63)) as i64;
        (!self.is_nan()).then_some(if self.is_sign_negative() { -magnitude } else { magnitude })
    }
}

/// How many representable values lie between the two, counting one of them: 0 for equal values, 1 for neighbours.
///
/// Infinity is the neighbour of the largest finite value, two NaNs are 0 apart, and NaN is `u64::MAX` from all else.
pub fn ulp_distance<T: Ulps>(a: T, b: T) -> u64 {
    match (a.rank(), b.rank()) {
        (Some(a), Some(b)) => a.abs_diff(b),
        (None, None) => 0,
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn floats(values: &[f32]) -> Tensor {
        Tensor::from_slice([values.len()], values).unwrap()
    }

    #[test]
    fn special_values_equal_only_themselves() {
        let loose = Tolerance::new(1.0, 1e9);
        let specials = floats(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0]);
        assert_eq!(compare(&specials, &specials, Tolerance::EXACT), Ok(()));
        assert_eq!(compare(&floats(&[-0.0]), &floats(&[0.0]), Tolerance::EXACT), Ok(()));
        assert!(compare(&floats(&[f32::INFINITY]), &floats(&[f32::NEG_INFINITY]), loose).is_err());
        assert!(compare(&floats(&[1.0]), &floats(&[f32::INFINITY]), loose).is_err());
        assert!(compare(&floats(&[f32::NAN]), &floats(&[1.0]), loose).is_err());
        let strict = Tolerance { equal_nan: false, ..loose };
        assert!(compare(&floats(&[f32::NAN]), &floats(&[f32::NAN]), strict).is_err());
    }

    #[test]
    fn the_mismatch_says_where_and_how_much() {
        let expected = Tensor::full(DType::F32, [2, 3], 2.0);
        let mut actual = expected.clone();
        actual.set(&[0, 1], 2.5).unwrap();
        actual.set(&[1, 2], -1.0).unwrap();
        actual.set(&[0, 0], 2.000_001).unwrap();
        let mismatch = compare(&actual, &expected, Tolerance::new(1e-5, 0.0)).unwrap_err();
        assert_eq!(
            mismatch.to_string(),
            "2 of 6 elements differ (rtol 1e-5, atol 0.0)\n  max abs error 3.000e0, max rel error 1.500e0\n  \
             first at [0, 1]: 2.5 instead of 2.0\n  worst at [1, 2]: -1.0 instead of 2.0"
        );
        actual.set(&[0, 2], f64::NAN).unwrap();
        let mismatch = compare(&actual, &expected, Tolerance::EXACT).unwrap_err();
        let Mismatch::Values(differences) = mismatch else { panic!("dtype and shape agree") };
        assert_eq!((differences.worst.index, differences.max_abs), (vec![0, 2], f64::INFINITY));
    }

    #[test]
    fn large_integers_are_compared_exactly() {
        let tensor = |value: i64| Tensor::scalar(value);
        assert!(compare(&tensor(i64::MAX), &tensor(i64::MAX - 1), Tolerance::EXACT).is_err());
        assert!(compare(&tensor(i64::MIN), &tensor(i64::MAX), Tolerance::EXACT).is_err());
        assert_eq!(compare(&tensor(7), &tensor(8), Tolerance::new(0.0, 1.0)), Ok(()));
    }

    #[test]
    fn types_and_shapes_come_first() {
        let x = Tensor::zeros(DType::F32, [2, 0]);
        assert_eq!(compare(&x, &x, Tolerance::EXACT), Ok(()));
        let mismatch = compare(&x, &x.reshape([0, 2]).unwrap(), Tolerance::EXACT).unwrap_err();
        assert_eq!(mismatch.to_string(), "shape [2, 0] instead of [0, 2]");
        let mismatch = compare(&x, &x.cast(DType::F64), Tolerance::EXACT).unwrap_err();
        assert_eq!(mismatch.to_string(), "dtype f32 instead of f64");
    }

    #[test]
    fn ulps_count_values() {
        assert_eq!(ulp_distance(1.0f32, 1.0 + f32::EPSILON), 1);
        assert_eq!(ulp_distance(-0.0f64, 0.0), 0);
        assert_eq!(ulp_distance(-f32::from_bits(1), f32::from_bits(1)), 2);
        assert_eq!(ulp_distance(f32::MAX, f32::INFINITY), 1);
        assert_eq!(ulp_distance(f64::NAN, f64::NAN), 0);
        assert_eq!(ulp_distance(f64::NAN, 1.0), u64::MAX);
        assert_eq!(ulp_distance(f64::NEG_INFINITY, f64::INFINITY), 2 * 0x7ff0_0000_0000_0000);
    }

    proptest! {
        #[test]
        fn ulps_are_steps(x: f64, steps in 0usize..20) {
            prop_assume!(x.is_finite());
            let y = (0..steps).fold(x, |y, _| y.next_up());
            prop_assert_eq!(ulp_distance(x, y), ulp_distance(y, x));
            // The step from the least negative value goes to -0, and both zeros count as one.
            prop_assert!(ulp_distance(x, y) == steps as u64 || x.is_sign_negative() != y.is_sign_negative());
        }
    }
}
