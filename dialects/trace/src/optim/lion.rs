//! Steps of one size along signs (Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023).

use super::{Gradients, Optimizer, moment};
use crate::{Scope, Tensor};

/// Lion, with decoupled weight decay.
///
/// State: for each parameter `NAME.exp_avg`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lion {
    /// How much of the average of gradients is in the direction, and how much of it stays.
    pub betas: (f64, f64),
    /// How much of a parameter each step takes away, in units of the learning rate.
    pub weight_decay: f64,
}

impl Default for Lion {
    fn default() -> Self {
        Self { betas: (0.9, 0.99), weight_decay: 0.0 }
    }
}

impl Optimizer for Lion {
    fn update<'t>(&self, scope: Scope<'t>, gradients: &Gradients<'t>, learning_rate: Tensor<'t>) {
        let (beta1, beta2) = self.betas;
        for one in &gradients.0 {
            let (parameter, gradient) = (one.parameter, one.gradient);
            let rate = learning_rate.to(parameter.dtype());
            let average = moment(scope, one, "exp_avg");
            let direction = (average * beta1 + gradient * (1.0 - beta1)).sign();
            let decayed = parameter * (1.0 - rate * self.weight_decay);
            parameter.copy_(decayed - direction * rate);
            average.copy_(average * beta2 + gradient * (1.0 - beta2));
        }
    }
}
