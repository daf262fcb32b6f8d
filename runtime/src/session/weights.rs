//! Weights for the parameters of programs.

use std::collections::BTreeMap;
#[cfg(feature = "cuda")]
use std::sync::Arc;

use thunder_tensor::Tensor;

use super::{Result, SessionError, guard};
#[cfg(feature = "cuda")]
use crate::cuda::DeviceTensor;
use crate::program::Parameter;

/// A weight, where it is.
#[derive(Clone)]
pub(crate) enum Weight {
    Host(Tensor),
    #[cfg(feature = "cuda")]
    Device(Arc<DeviceTensor>),
}

/// Whether all weights are there that must be, and all that are there fit.
pub fn check(parameters: &[Parameter], weights: &BTreeMap<String, Tensor>) -> Result<()> {
    let is_missing = |parameter: &&Parameter| parameter.initial.is_none() && !weights.contains_key(&parameter.name);
    let missing: Vec<String> = parameters.iter().filter(is_missing).map(|parameter| parameter.name.clone()).collect();
    if !missing.is_empty() {
        return Err(SessionError::MissingParameters(missing));
    }
    let given = parameters.iter().filter_map(|parameter| Some((parameter, weights.get(&parameter.name)?)));
    given.into_iter().try_for_each(|(parameter, tensor)| fitting(parameter, tensor).map(drop))
}

/// A weight of the type and shape of `parameter`.
pub fn fitting(parameter: &Parameter, tensor: &Tensor) -> Result<Tensor> {
    if tensor.dtype() == parameter.dtype && tensor.shape() == parameter.shape {
        return Ok(tensor.clone());
    }
    Err(SessionError::Parameter {
        name: parameter.name.clone(),
        expected: guard::describe(parameter.dtype, &parameter.shape),
        found: guard::describe(tensor.dtype(), tensor.shape()),
    })
}

/// What a parameter holds to begin with: the weight of its name, or the number that it begins with.
pub fn bind(parameter: &Parameter, weight: Option<Weight>) -> Result<Weight> {
    match (weight, parameter.initial) {
        (Some(Weight::Host(tensor)), _) => fitting(parameter, &tensor).map(Weight::Host),
        #[cfg(feature = "cuda")]
        // Another program of the artifact has made it, which was checked to fit.
        (Some(Weight::Device(tensor)), _) => Ok(Weight::Device(tensor)),
        (None, Some(value)) => Ok(Weight::Host(Tensor::full(parameter.dtype, parameter.shape.clone(), value))),
        (None, None) => Err(SessionError::MissingParameters(vec![parameter.name.clone()])),
    }
}
