//! Tables of vectors.

use std::panic::Location;

use crate::{Scope, Tensor};

/// A vector for each index.
#[derive(Clone, Copy)]
pub struct Embedding<'t> {
    scope: Scope<'t>,
    /// `[count, width]`.
    pub weight: Tensor<'t>,
}

impl<'t> Embedding<'t> {
    /// A table with the parameter `weight`.
    #[track_caller]
    pub fn new(scope: Scope<'t>, count: i64, width: i64) -> Self {
        let _layer = scope.layer(Location::caller());
        Self { scope, weight: scope.parameter("weight", scope.dtype(), [count, width]) }
    }

    /// The vectors of these indices.
    #[track_caller]
    pub fn forward(&self, indices: Tensor<'t>) -> Tensor<'t> {
        let _layer = self.scope.layer(Location::caller());
        indices.embedding(self.weight)
    }
}
