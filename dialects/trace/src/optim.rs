//! Optimizers: functions that update parameters in place from gradients, as part of the program.
//!
//! What an optimizer remembers is state of the program, named below the scope that it is given, and zero before the
//! first step. The learning rate is a tensor, so that a schedule is ordinary code outside. The arithmetic, and its order,
//! is PyTorch's. A whole training step in one program:
//!
//! ```
//! # use thunder_trace::{DType, Spec, Tracer, optim::{AdamW, Optimizer as _}};
//! # let context = thunder_trace::context();
//! # let tracer = Tracer::new(&context);
//! # let batch = Spec::new(DType::F32, [4, 8]);
//! tracer.function("loss", batch.clone(), |cx, x| {
//!     x.linear(cx.parameter("weight", DType::F32, [2, 8]), None).pow(2).mean(..)
//! })?;
//! // `thunder_passes::autodiff` writes `@loss_value_and_grad`, of the results and the gradients of parameters.
//! # tracer.function("loss_value_and_grad", batch.clone(), |cx, x| {
//! #     let weight = cx.parameter("weight", DType::F32, [2, 8]);
//! #     (x.linear(weight, None).pow(2).mean(..), weight)
//! # })?;
//! tracer.function("step", (batch, Spec::new(DType::F32, [0; 0])), |cx, (x, learning_rate)| {
//!     let (values, gradients) = cx.value_and_grad("loss", x);
//!     let (gradients, _norm) = gradients.clip_norm(1.0);
//!     AdamW::default().update(cx.at("optimizer"), &gradients, learning_rate);
//!     values
//! })?;
//! # Ok::<(), thunder_trace::TraceError>(())
//! ```

mod adamw;
mod lion;
mod loss_scale;
mod sgd;

pub use adamw::AdamW;
pub use lion::Lion;
pub use loss_scale::LossScale;
pub use sgd::Sgd;

use std::panic::Location;

use thunder_tensor::DType;

use crate::{Scope, Tensor, Tree};

/// A parameter and the gradient of a loss by it.
#[derive(Clone, Debug)]
pub struct Gradient<'t> {
    /// The parameter's name.
    pub name: String,
    /// The parameter.
    pub parameter: Tensor<'t>,
    /// Its gradient, of the same shape.
    pub gradient: Tensor<'t>,
}

/// The gradients of all parameters.
#[derive(Clone, Debug, Default)]
pub struct Gradients<'t>(pub Vec<Gradient<'t>>);

/// Updates parameters by their gradients.
pub trait Optimizer {
    /// Takes one step: updates the parameters and what the optimizer keeps below `scope`.
    ///
    /// `learning_rate` is a tensor of one float.
    fn update<'t>(&self, scope: Scope<'t>, gradients: &Gradients<'t>, learning_rate: Tensor<'t>);
}

/// The results of the function that is differentiated have other names.
const GRADIENT: &str = "grad.";

impl<'t> Scope<'t> {
    /// Calls the derivative `@FUNCTION_value_and_grad` of a function of the module: its results, and its gradients by
    /// parameters.
    #[track_caller]
    pub fn value_and_grad(self, function: &str, inputs: impl Tree<Tensor<'t>, ()>) -> (Vec<Tensor<'t>>, Gradients<'t>) {
        let (_at, _layer) = self.layer(Location::caller());
        let (mut values, mut gradients) = (Vec::new(), Gradients::default());
        for (name, result) in self.call(&format!("{function}_value_and_grad"), inputs) {
            let parameter = name.strip_prefix(GRADIENT).and_then(|name| Some((name, self.known_parameter(name)?)));
            match parameter {
                Some((name, parameter)) => {
                    gradients.0.push(Gradient { name: name.to_owned(), parameter, gradient: result });
                }
                None => values.push(result),
            }
        }
        (values, gradients)
    }
}

impl<'t> Gradients<'t> {
    /// With each gradient replaced.
    pub fn map(self, mut f: impl FnMut(Tensor<'t>) -> Tensor<'t>) -> Self {
        let new = |one: Gradient<'t>| Gradient { gradient: f(one.gradient), ..one };
        Self(self.0.into_iter().map(new).collect())
    }

    /// The root of the sum of the squares of all elements, at least in single precision.
    #[track_caller]
    pub fn norm(&self) -> Option<Tensor<'t>> {
        let squares = |one: &Gradient<'t>| {
            let wide = if one.gradient.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
            let gradient = one.gradient.to(wide);
            (gradient * gradient).sum(..)
        };
        self.0.iter().map(squares).reduce(|total, squares| total + squares).map(Tensor::sqrt)
    }

    /// All gradients times one factor, so that their norm is at most `largest`; and the norm before.
    ///
    /// As `torch.nn.utils.clip_grad_norm_`: the factor is `largest / (norm + 1e-6)`, and at most 1.
    #[track_caller]
    pub fn clip_norm(self, largest: f64) -> (Self, Option<Tensor<'t>>) {
        let Some(norm) = self.norm() else { return (self, None) };
        let factor = (largest * (norm + 1e-6).reciprocal()).minimum(1.0);
        (self.map(|gradient| gradient * factor.to(gradient.dtype())), Some(norm))
    }

    /// Each element moved into `-largest..=largest`, as `torch.nn.utils.clip_grad_value_`.
    #[track_caller]
    pub fn clip_value(self, largest: f64) -> Self {
        self.map(|gradient| gradient.clamp(Some(-largest), Some(largest)))
    }
}

/// What an optimizer keeps for a parameter, in its shape and dtype: zero before the first step.
fn moment<'t>(scope: Scope<'t>, one: &Gradient<'t>, kind: &str) -> Tensor<'t> {
    let parameter = one.parameter;
    scope.state(&format!("{}.{kind}", one.name), parameter.dtype(), parameter.shape(), 0.0)
}
