//! Normalizations with learned weights.

use std::panic::Location;

use crate::{Scope, Tensor, Tree};

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

/// Normalization of each channel, which are dimension 1, over all other dimensions.
#[derive(Clone, Copy)]
pub struct BatchNorm<'t> {
    scope: Scope<'t>,
    channels: i64,
    /// `[channels]`.
    pub weight: Tensor<'t>,
    /// `[channels]`.
    pub bias: Tensor<'t>,
    eps: f64,
}

/// What batch normalization knows of each channel: `[channels]`.
#[derive(Clone, Copy, Debug, Tree)]
pub struct BatchStatistics<T> {
    /// The arithmetic mean.
    pub mean: T,
    /// The variance, with Bessel's correction.
    pub variance: T,
}

impl<'t> BatchNorm<'t> {
    /// A layer with the parameters `weight` and `bias`.
    #[track_caller]
    pub fn new(scope: Scope<'t>, channels: i64, eps: f64) -> Self {
        let _layer = scope.layer(Location::caller());
        let weight = scope.parameter("weight", scope.dtype(), [channels]);
        Self { scope, channels, weight, bias: scope.parameter("bias", scope.dtype(), [channels]), eps }
    }

    /// The layer's value by the statistics of earlier batches, the parameters `running_mean` and `running_var`.
    #[track_caller]
    pub fn infer(&self, x: Tensor<'t>) -> Tensor<'t> {
        let _layer = self.scope.layer(Location::caller());
        let statistic = |name: &str| self.scope.parameter(name, self.scope.dtype(), [self.channels]);
        let (mean, variance) = (statistic("running_mean"), statistic("running_var"));
        x.batch_norm(mean, variance, self.weight, self.bias, self.eps)
    }

    /// The layer's value by the statistics of the batch, with these.
    #[track_caller]
    pub fn train(&self, x: Tensor<'t>) -> (Tensor<'t>, BatchStatistics<Tensor<'t>>) {
        let _layer = self.scope.layer(Location::caller());
        let axes: Vec<i64> = (0..x.rank() as i64).filter(|axis| *axis != 1).collect();
        let (biased, mean) = x.var_mean(axes.clone(), 0.0);
        let y = x.batch_norm(mean, biased, self.weight, self.bias, self.eps);
        (y, BatchStatistics { mean, variance: x.var(axes, 1.0) })
    }
}
