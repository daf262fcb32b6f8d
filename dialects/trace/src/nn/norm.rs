//! Normalizations with learned weights.

use std::panic::Location;

use crate::{Scope, Tensor};

/// Layer normalization over the last dimension.
#[derive(Clone, Copy)]
pub struct LayerNorm<'t> {
    scope: Scope<'t>,
    /// `[width]`.
    pub weight: Tensor<'t>,
    /// `[width]`.
    pub bias: Tensor<'t>,
    eps: f64,
}

impl<'t> LayerNorm<'t> {
    /// A layer with the parameters `weight` and `bias`.
    #[track_caller]
    pub fn new(scope: Scope<'t>, width: i64, eps: f64) -> Self {
        let _layer = scope.layer(Location::caller());
        let weight = scope.parameter("weight", scope.dtype(), [width]);
        Self { scope, weight, bias: scope.parameter("bias", scope.dtype(), [width]), eps }
    }

    /// The layer's value.
    #[track_caller]
    pub fn forward(&self, x: Tensor<'t>) -> Tensor<'t> {
        let _layer = self.scope.layer(Location::caller());
        x.layer_norm(1, self.weight, self.bias, self.eps)
    }
}

/// Division by the root of the mean square over the last dimension.
#[derive(Clone, Copy)]
pub struct RmsNorm<'t> {
    scope: Scope<'t>,
    /// `[width]`.
    pub weight: Tensor<'t>,
    eps: f64,
}

impl<'t> RmsNorm<'t> {
    /// A layer with the parameter `weight`.
    #[track_caller]
    pub fn new(scope: Scope<'t>, width: i64, eps: f64) -> Self {
        let _layer = scope.layer(Location::caller());
        Self { scope, weight: scope.parameter("weight", scope.dtype(), [width]), eps }
    }

    /// The layer's value.
    #[track_caller]
    pub fn forward(&self, x: Tensor<'t>) -> Tensor<'t> {
        let _layer = self.scope.layer(Location::caller());
        x.rms_norm(1, self.weight, self.eps)
    }
}
