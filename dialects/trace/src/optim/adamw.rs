//! Adam with decoupled weight decay (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019).

use thunder_tensor::DType;

use super::{Gradients, Optimizer, moment};
use crate::{Scope, Tensor};

/// `torch.optim.AdamW`.
///
/// State: `step`, an integer; for each parameter `NAME.exp_avg` and `NAME.exp_avg_sq`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// How much of the averages of gradients and of their squares stays from step to step.
    pub betas: (f64, f64),
    /// What is added to the root of the average of squares.
    pub eps: f64,
    /// How much of a parameter each step takes away, in units of the learning rate.
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        Self { betas: (0.9, 0.999), eps: 1e-8, weight_decay: 1e-2 }
    }
}

impl Optimizer for AdamW {
    fn update<'t>(&self, scope: Scope<'t>, gradients: &Gradients<'t>, learning_rate: Tensor<'t>) {
        let (beta1, beta2) = self.betas;
        let counter = scope.state("step", DType::I64, [0; 0], 0.0);
        let step = counter + 1;
        counter.copy_(step);
        // Numbers of the step: in double precision, as Python's.
        let (step, rate) = (step.to(DType::F64), learning_rate.to(DType::F64));
        let correction = |beta: f64| -> Tensor<'t> { 1.0 - scope.full([0; 0], beta, DType::F64).pow(step) };
        let size = rate / correction(beta1);
        let scale = correction(beta2).sqrt();
        let decay: Tensor<'t> = 1.0 - rate * self.weight_decay;
        for one in &gradients.0 {
            let (parameter, gradient) = (one.parameter, one.gradient);
            let dtype = parameter.dtype();
            let (average, squares) = (moment(scope, one, "exp_avg"), moment(scope, one, "exp_avg_sq"));
            let new_average = average.lerp(gradient, 1.0 - beta1);
            let new_squares = squares * beta2 + gradient * gradient * (1.0 - beta2);
            let root = new_squares.sqrt() / scale.to(dtype) + self.eps;
            parameter.copy_(parameter * decay.to(dtype) - size.to(dtype) * (new_average / root));
            average.copy_(new_average);
            squares.copy_(new_squares);
        }
    }
}
