//! Convolutions.

use std::panic::Location;

use crate::{Scope, Tensor, Window};

/// Convolution of images `[batch, channels, height, width]`.
#[derive(Clone)]
pub struct Conv2d<'t> {
    scope: Scope<'t>,
    /// `[outputs, inputs, height, width]`.
    pub weight: Tensor<'t>,
    /// `[outputs]`.
    pub bias: Option<Tensor<'t>>,
    window: Window,
}

impl<'t> Conv2d<'t> {
    /// A layer with the parameters `weight` and `bias`, from channels of its input to those of its result.
    #[track_caller]
    pub fn new(scope: Scope<'t>, channels: [i64; 2], size: [i64; 2], window: Window) -> Self {
        let _layer = scope.layer(Location::caller());
        let bias = Some(scope.parameter("bias", scope.dtype(), [channels[1]]));
        Self { bias, ..Self::without_bias(scope, channels, size, window) }
    }

    /// A layer with the parameter `weight`.
    #[track_caller]
    pub fn without_bias(scope: Scope<'t>, channels: [i64; 2], size: [i64; 2], window: Window) -> Self {
        let _layer = scope.layer(Location::caller());
        let [inputs, outputs] = channels;
        let weight = scope.parameter("weight", scope.dtype(), [outputs, inputs, size[0], size[1]]);
        Self { scope, weight, bias: None, window }
    }

    /// The layer's value.
    #[track_caller]
    pub fn forward(&self, x: Tensor<'t>) -> Tensor<'t> {
        let _layer = self.scope.layer(Location::caller());
        x.convolution(self.weight, self.bias, &self.window, 1)
    }
}
