//! Random tensors that are the same on every machine.

use std::f64::consts::TAU;
use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::{DType, Element, Tensor, dispatch};

/// A stream of random tensors, decided by its seed alone.
///
/// The stream is ChaCha with 8 rounds; numbers are made from it here, so that no library's choice of algorithm changes
/// them. Logarithms and cosines of the normal distribution come from the system's mathematics library.
#[derive(Clone, Debug)]
pub struct Random {
    stream: ChaCha8Rng,
}

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Random { stream: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// Uniform elements in `range`, whose bounds the elements respect after rounding to `dtype`.
    ///
    /// Both parts of complex numbers lie in the range. Integers are uniform over those in the range; `Bool` ignores the
    /// range and tosses a coin.
    ///
    /// # Panics
    /// If no value of `dtype` lies in the range.
    pub fn uniform(&mut self, dtype: DType, shape: impl Into<Vec<usize>>, range: Range<f64>) -> Tensor {
        let (start, end) = (range.start.ceil() as i64, range.end.ceil() as i64);
        if dtype.is_complex() {
            return Self::of_pairs(dtype, shape, |part, pairs| self.uniform(part, pairs, range));
        }
        match dtype {
            DType::Bool => self.draw(dtype, shape, |random| (random.next() & 1) as f64),
            _ if dtype.has_fractions() => {
                let width = range.end - range.start;
                self.draw_within(dtype, shape, &range, |random| range.start + random.unit() * width)
            }
            _ => self.integers(dtype, shape, start..end),
        }
    }

    /// Normal elements of the given mean and standard deviation, rounded to `dtype`.
    pub fn normal(&mut self, dtype: DType, shape: impl Into<Vec<usize>>, mean: f64, deviation: f64) -> Tensor {
        if dtype.is_complex() {
            return Self::of_pairs(dtype, shape, |part, pairs| self.normal(part, pairs, mean, deviation));
        }
        self.draw(dtype, shape, |random| mean + deviation * random.gaussian())
    }

    /// Complex numbers from what is drawn for their parts.
    fn of_pairs(dtype: DType, shape: impl Into<Vec<usize>>, draw: impl FnOnce(DType, Vec<usize>) -> Tensor) -> Tensor {
        let mut pairs = shape.into();
        pairs.push(2);
        draw(dtype.part(), pairs).of_pairs().expect("the last dimension has the two parts")
    }

    /// Uniform integers in `range`, which lies in what `dtype` can hold.
    ///
    /// # Panics
    /// If the range is empty and the shape is not.
    pub fn integers(&mut self, dtype: DType, shape: impl Into<Vec<usize>>, range: Range<i64>) -> Tensor {
        let count = range.end.wrapping_sub(range.start) as u64;
        let mut tensor = Tensor::zeros(dtype, shape);
        assert!(tensor.is_empty() || range.start < range.end, "no integer lies in {range:?}");
        dispatch!(dtype, T => {
            for slot in tensor.elements_mut::<T>() {
                // The high half of a product is uniform enough: the bias is below 2^-64 times the count.
                let offset = ((u128::from(self.next()) * u128::from(count)) >> 64) as i64;
                *slot = T::of_i64(range.start.wrapping_add(offset));
            }
        });
        tensor
    }

    /// Normal elements of the given mean and standard deviation among which about every fourth is a value that code tends
    /// to get wrong.
    ///
    /// Those are, for floats: NaN, infinities, both zeros, the smallest normal and subnormal values, the largest, and
    /// one; for integers: the bounds, zero and one on either side of it.
    pub fn special(&mut self, dtype: DType, shape: impl Into<Vec<usize>>, mean: f64, deviation: f64) -> Tensor {
        if dtype.is_complex() {
            return Self::of_pairs(dtype, shape, |part, pairs| self.special(part, pairs, mean, deviation));
        }
        let specials = specials(dtype);
        self.draw(dtype, shape, |random| {
            let choice = random.next();
            if choice & 3 == 0 && !specials.is_empty() {
                return specials[((choice >> 2) % specials.len() as u64) as usize];
            }
            mean + deviation * random.gaussian()
        })
    }

    fn draw(&mut self, dtype: DType, shape: impl Into<Vec<usize>>, mut f: impl FnMut(&mut Self) -> f64) -> Tensor {
        let mut tensor = Tensor::zeros(dtype, shape);
        dispatch!(dtype, T => tensor.elements_mut::<T>().fill_with(|| T::of_f64(f(self))));
        tensor
    }

    /// Draws again what rounding moved out of the range.
    fn draw_within(
        &mut self,
        dtype: DType,
        shape: impl Into<Vec<usize>>,
        range: &Range<f64>,
        mut f: impl FnMut(&mut Self) -> f64,
    ) -> Tensor {
        const ATTEMPTS: usize = 10_000;
        let mut tensor = Tensor::zeros(dtype, shape);
        dispatch!(dtype, T => {
            for slot in tensor.elements_mut::<T>() {
                let mut attempts = (0..ATTEMPTS).map(|_| T::of_f64(f(self)));
                *slot = attempts
                    .find(|&value| range.contains(&value.as_f64()))
                    .unwrap_or_else(|| panic!("no {dtype} lies in {range:?}"));
            }
        });
        tensor
    }

    fn next(&mut self) -> u64 {
        self.stream.next_u64()
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-53.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal, by Box and Muller.
    fn gaussian(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (TAU * self.unit()).cos()
    }
}

fn specials(dtype: DType) -> Vec<f64> {
    let (smallest, subnormal) = match dtype {
        DType::F16 => (2f64.powi(-14), 2f64.powi(-24)),
        DType::BF16 => (2f64.powi(-126), 2f64.powi(-133)),
        DType::F32 => (f64::from(f32::MIN_POSITIVE), 2f64.powi(-149)),
        DType::F64 => (f64::MIN_POSITIVE, f64::from_bits(1)),
        DType::Bool => return Vec::new(),
        _ if let Some(format) = dtype.float8() => (format.widen(1 << format.bits), format.widen(1)),
        _ => return vec![dtype.min_value(), dtype.max_value(), 0.0, 1.0, -1.0],
    };
    let positive = [f64::INFINITY, 0.0, smallest, subnormal, smallest - subnormal, dtype.max_value(), 1.0];
    let negative = positive.map(|value| -value);
    [&[f64::NAN][..], &positive, &negative].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides() {
        let draw = |seed| Random::new(seed).normal(DType::F32, [8], 0.0, 1.0);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        // The stream itself, so that an update of a library cannot change every expected value unseen.
        let fixed = Random::new(0).integers(DType::I32, [4], 0..1000);
        assert_eq!(fixed.to_vec::<i64>(), FIXED);
    }

    const FIXED: [i64; 4] = [709, 465, 699, 60];

    #[test]
    fn uniform_elements_stay_in_range() {
        let mut random = Random::new(11);
        for dtype in DType::FLOATS.into_iter().chain(DType::FLOATS8) {
            for range in [0.0..1.0, -1.0..-0.1, 0.1..100.0] {
                let x = random.uniform(dtype, [2000], range.clone()).to_vec::<f64>();
                assert!(x.iter().all(|x| range.contains(x)), "{dtype} {range:?}");
            }
        }
        for dtype in DType::INTEGERS {
            let x = random.uniform(dtype, [500], 1.5..4.0).to_vec::<i64>();
            assert!([2, 3].iter().all(|value| x.contains(value)) && x.iter().all(|&x| x == 2 || x == 3));
        }
        let flags = random.uniform(DType::Bool, [100], 0.0..1.0).to_vec::<bool>();
        assert!(flags.contains(&true) && flags.contains(&false));
        assert_eq!(random.uniform(DType::I8, [0], 3.0..3.0).len(), 0);
    }

    #[test]
    fn moments_are_right() {
        let x = Random::new(5).normal(DType::F64, [20_000], 3.0, 2.0).to_vec::<f64>();
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
        assert!((mean - 3.0).abs() < 0.05 && (variance - 4.0).abs() < 0.15, "{mean} {variance}");
    }

    #[test]
    fn specials_appear_in_every_float_dtype() {
        for dtype in DType::FLOATS {
            let x = Random::new(9).special(dtype, [2000], 0.0, 1.0).to_vec::<f64>();
            assert!(x.iter().any(|x| x.is_nan()), "{dtype}");
            assert!(x.contains(&f64::NEG_INFINITY) && x.contains(&dtype.max_value()), "{dtype}");
            assert!(x.iter().any(|x| *x == 0.0 && x.is_sign_negative()), "{dtype}");
            let subnormal = specials(dtype)[4];
            assert!(subnormal > 0.0 && x.contains(&subnormal), "{dtype}");
        }
        assert!(Random::new(9).special(DType::I8, [100], 0.0, 1.0).to_vec::<i64>().contains(&-128));
    }
}
