//! Gradient descent, with momentum or without.

use super::{Gradients, Optimizer, moment};
use crate::{Scope, Tensor};

/// `torch.optim.SGD`.
///
/// State: for each parameter `NAME.momentum_buffer`, if there is momentum.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sgd {
    /// How much of the last step's direction stays.
    pub momentum: f64,
    /// Whether to look ahead by one more step of momentum.
    pub nesterov: bool,
    /// How much of a parameter is added to its gradient.
    pub weight_decay: f64,
}

impl Optimizer for Sgd {
    fn update<'t>(&self, scope: Scope<'t>, gradients: &Gradients<'t>, learning_rate: Tensor<'t>) {
        for one in &gradients.0 {
            let (parameter, mut direction) = (one.parameter, one.gradient);
            if self.weight_decay != 0.0 {
                direction = direction + parameter * self.weight_decay;
            }
            if self.momentum != 0.0 {
                // At the first step the buffer is the gradient: it is zero before.
                let buffer = moment(scope, one, "momentum_buffer");
                let new_buffer = buffer * self.momentum + direction;
                direction = if self.nesterov { direction + new_buffer * self.momentum } else { new_buffer };
                buffer.copy_(new_buffer);
            }
            parameter.copy_(parameter - direction * learning_rate.to(parameter.dtype()));
        }
    }
}
