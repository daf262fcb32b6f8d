//! Scaling of losses, so that gradients in half precision neither vanish nor overflow.

use std::panic::Location;

use thunder_tensor::DType;

use super::Gradients;
use crate::{Scope, Tensor};

/// `torch.amp.GradScaler`: a factor of the loss that grows while gradients are finite. A step whose gradients are not
/// is skipped, and the factor falls.
///
/// State: `scale`, and `streak`, the steps in a row whose gradients were finite. The loss is multiplied by the scale in
/// the function that is differentiated, before it is:
///
/// ```
/// # use thunder_trace::{DType, Spec, Tracer, optim::{AdamW, LossScale, Optimizer as _}};
/// # let context = thunder_trace::context();
/// # let tracer = Tracer::new(&context);
/// # let (batch, number) = (Spec::new(DType::F32, [4, 8]), Spec::new(DType::F32, [0; 0]));
/// tracer.function("loss", (batch.clone(), number.clone()), |cx, (x, scale)| {
///     let loss = x.linear(cx.parameter("weight", DType::F32, [2, 8]), None).pow(2).mean(..);
///     (loss * scale, loss)
/// })?;
/// # tracer.function("loss_value_and_grad", (batch.clone(), number.clone()), |cx, (x, scale)| {
/// #     let weight = cx.parameter("weight", DType::F32, [2, 8]);
/// #     (x.linear(weight, None).pow(2).mean(..) * scale, x.mean(..), weight)
/// # })?;
/// tracer.function("step", (batch, number), |cx, (x, learning_rate)| {
///     let (scaling, at) = (LossScale::default(), cx.at("loss_scale"));
///     let (values, gradients) = cx.value_and_grad("loss", (x, scaling.scale(at)));
///     scaling.step(at, gradients, |gradients| {
///         AdamW::default().update(cx.at("optimizer"), &gradients.clip_norm(1.0).0, learning_rate);
///     });
///     values[1]
/// })?;
/// # Ok::<(), thunder_trace::TraceError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossScale {
    /// The scale before the first step.
    pub initial: f64,
    /// What the scale is multiplied by after enough steps.
    pub growth: f64,
    /// What it is multiplied by after a step that was skipped.
    pub backoff: f64,
    /// How many steps in a row must have finite gradients for the scale to grow.
    pub interval: u32,
}

impl Default for LossScale {
    fn default() -> Self {
        Self { initial: 65536.0, growth: 2.0, backoff: 0.5, interval: 2000 }
    }
}

impl LossScale {
    /// The scale of this step, which is kept below `scope`.
    #[track_caller]
    pub fn scale<'t>(&self, scope: Scope<'t>) -> Tensor<'t> {
        scope.state("scale", DType::F32, [0; 0], self.initial)
    }

    /// Takes a step with the gradients of the loss itself, from those of the scaled loss: what `update` writes is written
    /// only if all are finite. Whether they are.
    #[track_caller]
    pub fn step<'t>(
        &self,
        scope: Scope<'t>,
        gradients: Gradients<'t>,
        update: impl FnOnce(Gradients<'t>),
    ) -> Option<Tensor<'t>> {
        let (_at, _layer) = scope.layer(Location::caller());
        let scale = self.scale(scope);
        let streak = scope.state("streak", DType::F32, [0; 0], 0.0);
        let inverse = scale.reciprocal();
        let gradients = gradients.map(|gradient| gradient * inverse.to(gradient.dtype()));
        let finite = gradients.0.iter().map(|one| one.gradient.isfinite().all(..)).reduce(|all, one| all & one)?;
        scope.only_if(finite, || update(gradients));
        let longer = streak + 1;
        let is_enough = longer.ge(f64::from(self.interval));
        let grown = is_enough.where_(scale * self.growth, scale);
        scale.copy_(finite.where_(grown, scale * self.backoff));
        streak.copy_(finite.where_(is_enough.where_(0.0, longer), 0.0));
        Some(finite)
    }
}
