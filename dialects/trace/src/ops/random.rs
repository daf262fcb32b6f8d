//! Random numbers.
//!
//! Each is a function of a seed and of how many were made before it: the two elements of the program's state `random`,
//! both 0 before the first run, of which the second counts blocks of four words of 32 bits. With the same state a program
//! makes the same numbers everywhere, and numbers that are computed again are the same.

use std::f64::consts::{FRAC_1_SQRT_2, PI};
use std::panic::Location;

use thunder_dialect::build::*;
use thunder_tensor::DType;

use crate::{Dim, Dims, Scope, Tensor};

impl<'t> Scope<'t> {
    /// 64 random bits for each element, as integers.
    #[track_caller]
    pub fn random_bits(self, dims: impl Dims) -> Tensor<'t> {
        let _at = self.site().at(Location::caller());
        let (counter, key) = self.random_stream(dims, 2);
        counter.site.op(&[counter, key], |b| b.philox(counter.value, key.value))
    }

    /// 32 random bits for each element, as integers.
    #[track_caller]
    pub fn random_words(self, dims: impl Dims) -> Tensor<'t> {
        let _at = self.site().at(Location::caller());
        let (counter, key) = self.random_stream(dims, 4);
        counter.site.op(&[counter, key], |b| b.philox_word(counter.value, key.value))
    }

    /// Numbers in the stream, not used before, for elements of which so many are made of one block, and the stream's key.
    fn random_stream(self, dims: impl Dims, share: i64) -> (Tensor<'t>, Tensor<'t>) {
        let dims = dims.dims();
        let state = self.root_of().state("random", DType::I64, [2], 0.0);
        let before = state.read();
        let count = dims.iter().fold(Dim::from(1), |count, size| count * size);
        let number = self.arange(&count, DType::I64);
        let blocks = (self.full(vec![count], 1, DType::I64).sum(0) + (share - 1)) >> i64::from(share.ilog2());
        state.copy_(before + self.arange(2, DType::I64) * blocks);
        let counter = (number + before.select(0, 1) * share).reshape(dims);
        (counter, before.select(0, 0).expand(counter.shape()))
    }

    /// Numbers from 0 up to but excluding 1, all of which are as likely; so is each part of complex ones.
    #[track_caller]
    pub fn rand(self, dims: impl Dims, dtype: DType) -> Tensor<'t> {
        let _at = self.site().at(Location::caller());
        if dtype.is_complex() {
            return self.rand(of_parts(dims), dtype.part()).view_as_complex();
        }
        if dtype == DType::F64 {
            return uniform(self.random_bits(dims), 64, 53, dtype);
        }
        let digits = match dtype {
            DType::F16 => 11,
            DType::BF16 => 8,
            _ => 24,
        };
        uniform(self.random_words(dims), 32, digits, DType::F32).to(dtype)
    }

    /// Numbers of the standard normal distribution: of mean 0 and variance 1, of which each part of complex ones has
    /// half.
    #[track_caller]
    pub fn randn(self, dims: impl Dims, dtype: DType) -> Tensor<'t> {
        let _at = self.site().at(Location::caller());
        if dtype.is_complex() {
            return (self.randn(of_parts(dims), dtype.part()) * FRAC_1_SQRT_2).view_as_complex();
        }
        // By Box and Muller: the two halves of the bits are a radius and an angle.
        let bits = self.random_bits(dims);
        let wide = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
        let share = |bits: Tensor<'t>| (bits & 0xFFFF_FFFFi64).to(wide) * 2f64.powi(-32);
        // A radius of 0 at 1, but none that is infinite.
        let radius = (-2.0f64 * (1.0f64 - share(bits >> 32)).maximum(2f64.powi(-33)).log()).sqrt();
        (radius * (share(bits) * (2.0 * PI)).cos()).to(dtype)
    }

    /// Integers from `low` up to but excluding `high`.
    #[track_caller]
    pub fn randint(self, low: i64, high: i64, dims: impl Dims, dtype: DType) -> Tensor<'t> {
        let _at = self.site().at(Location::caller());
        let Some(span @ 1..) = high.checked_sub(low) else {
            self.site().fail(format!("there is no integer from {low} up to but excluding {high}"))
        };
        // Bits that are no multiple of the span favour small numbers by less than one in 2^62 / span.
        let bits = (self.random_bits(dims) >> 1) & i64::MAX;
        (bits.fmod(span) + low).to(dtype)
    }

    /// The numbers 0, 1, 2, ... below `count`, in an order of which all are as likely.
    #[track_caller]
    pub fn randperm(self, count: impl Into<Dim>) -> Tensor<'t> {
        let _at = self.site().at(Location::caller());
        self.random_bits([count.into()]).argsort(0, false)
    }
}

/// The dimensions of the pairs that complex numbers are made of.
fn of_parts(dims: impl Dims) -> Vec<Dim> {
    let mut dims = dims.dims();
    dims.push(2.into());
    dims
}

/// So many of the upper bits of integers as numbers below 1.
fn uniform(bits: Tensor<'_>, width: i64, digits: i32, dtype: DType) -> Tensor<'_> {
    let number = (bits >> (width - i64::from(digits))) & ((1i64 << digits) - 1);
    number.to(dtype) * 2f64.powi(-digits)
}

impl<'t> Tensor<'t> {
    /// Truth values that are true with these probabilities.
    #[track_caller]
    pub fn bernoulli(self, cx: Scope<'t>) -> Self {
        let _at = self.site.at(Location::caller());
        cx.rand(self.shape(), DType::F32).lt(self)
    }

    /// The tensor with elements set to zero with the probability `p` and the others divided by what is left of 1, and
    /// which elements were kept.
    #[track_caller]
    pub fn dropout(self, cx: Scope<'t>, p: f64) -> (Self, Self) {
        let _at = self.site.at(Location::caller());
        if !(0.0..=1.0).contains(&p) {
            self.site.fail(format!("{p} is no probability"));
        }
        let kept = cx.rand(self.shape(), DType::F32).ge(p);
        let scale = if p < 1.0 { 1.0 / (1.0 - p) } else { 0.0 };
        (kept.where_(self * scale, 0.0), kept)
    }

    /// `count` positions of each of these rows of weights, drawn with probabilities that are proportional to them.
    #[track_caller]
    pub fn multinomial(self, cx: Scope<'t>, count: i64, replacement: bool) -> Self {
        let _at = self.site.at(Location::caller());
        if !replacement {
            // Those that happen first, where each waits for a time that is distributed exponentially.
            let waited = (-(1.0f64 - cx.rand(self.shape(), DType::F32)).log()).maximum(2f64.powi(-64));
            return (self.log() - waited.log()).topk(count, -1, true).1;
        }
        let mut dims = self.shape();
        let classes = dims.pop().unwrap_or_else(|| Dim::from(1));
        dims.push(count.into());
        let totals = self.cumsum(-1);
        let draw = cx.rand(dims, DType::F32).to(self.dtype()) * totals.slice(-1, -1..);
        let found = totals.searchsorted(draw, true);
        match classes.known() {
            Some(classes) => found.clamp(None, Some(classes - 1)),
            None => found,
        }
    }
}
