//! Linear layers.

use std::panic::Location;

use crate::{Scope, Tensor};

/// `x * transpose(weight) + bias` over the last dimension.
#[derive(Clone, Copy)]
pub struct Linear<'t> {
    scope: Scope<'t>,
    /// `[outputs, inputs]`.
    pub weight: Tensor<'t>,
    /// `[outputs]`.
    pub bias: Option<Tensor<'t>>,
}

impl<'t> Linear<'t> {
    /// A layer with the parameters `weight` and `bias`.
    #[track_caller]
    pub fn new(scope: Scope<'t>, inputs: i64, outputs: i64) -> Self {
        let _layer = scope.layer(Location::caller());
        let bias = Some(scope.parameter("bias", scope.dtype(), [outputs]));
        Self { bias, ..Self::without_bias(scope, inputs, outputs) }
    }

    /// A layer with the parameter `weight`.
    #[track_caller]
    pub fn without_bias(scope: Scope<'t>, inputs: i64, outputs: i64) -> Self {
        let _layer = scope.layer(Location::caller());
        Self { scope, weight: scope.parameter("weight", scope.dtype(), [outputs, inputs]), bias: None }
    }

    /// The layer's value.
    #[track_caller]
    pub fn forward(&self, x: Tensor<'t>) -> Tensor<'t> {
        let _layer = self.scope.layer(Location::caller());
        x.linear(self.weight, self.bias)
    }
}
