//! What training makes small.

use std::panic::Location;

use thunder_dialect::build::*;

use crate::Tensor;

/// How targets are compared with logits.
#[derive(Clone, Copy, Debug, Default)]
pub struct CrossEntropy {
    /// The target of rows that do not count.
    pub ignore_index: Option<i64>,
    /// How much of the weight all classes share.
    pub label_smoothing: f64,
}

impl<'t> Tensor<'t> {
    /// Mean cross-entropy of these logits `[..., classes]` over the targets `[...]` that count.
    #[track_caller]
    pub fn cross_entropy(self, targets: Tensor<'t>, options: CrossEntropy) -> Self {
        let _at = self.site.at(Location::caller());
        let CrossEntropy { ignore_index, label_smoothing } = options;
        let losses = self
            .site
            .op(&[self, targets], |b| b.cross_entropy(self.value, targets.value, ignore_index, label_smoothing));
        match ignore_index {
            None => losses.mean(..),
            Some(ignored) => losses.sum(..) / targets.ne(ignored).to(losses.dtype()).sum(..),
        }
    }
}
