//! Attention.

use std::panic::Location;

use thunder_dialect::build::*;

use crate::Tensor;

/// What attention sees beside query, key and value.
#[derive(Clone, Copy, Default)]
pub struct Attention<'t> {
    /// Which scores count, if truth values; what is added to them, if floats. It broadcasts to
    /// `[batch, heads, rows, columns]`.
    pub mask: Option<Tensor<'t>>,
    /// Whether row `i` sees columns 0 to `i` only.
    pub causal: bool,
    /// The factor of scores; `1 / sqrt(depth)` unless given.
    pub scale: Option<f64>,
}

impl<'t> Tensor<'t> {
    /// Scaled dot-product attention of this query `[batch, heads, rows, depth]` to keys
    /// `[batch, key heads, columns, depth]` and values `[batch, key heads, columns, width]`, where
    /// neighbouring heads may share those of keys and values.
    #[track_caller]
    pub fn sdpa(self, key: Tensor<'t>, value: Tensor<'t>, attention: Attention<'t>) -> Self {
        let _at = self.site.at(Location::caller());
        let Attention { mask, causal, scale } = attention;
        self.site.op(&self.and([Some(key), Some(value), mask]), |b| {
            b.sdpa(self.value, key.value, value.value, mask.map(Self::value), causal, scale)
        })
    }
}
