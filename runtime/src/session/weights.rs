//! Weights for the parameters of programs.

use std::collections::BTreeMap;

use thunder_tensor::Tensor;

use super::{Result, SessionError, guard};
use crate::program::{Parameter, Program, Root};

/// Who knows weights by name.
pub type Weights<'a> = &'a dyn Fn(&str) -> Option<&'a Tensor>;

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

/// The program's parameters, in order, and its states that are parameters.
pub fn bind(program: &Program, weights: Weights<'_>) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    let tensor = |parameter: &Parameter| match (weights(&parameter.name), parameter.initial) {
        (Some(tensor), _) => fitting(parameter, tensor),
        (None, Some(value)) => Ok(Tensor::full(parameter.dtype, parameter.shape.clone(), value)),
        (None, None) => Err(SessionError::MissingParameters(vec![parameter.name.clone()])),
    };
    let mut parameters = program.weights()?.iter().map(tensor).collect::<Result<Vec<_>>>()?;
    let mut state = Vec::new();
    for known in &program.states {
        if let Root::Parameter(i) = known.root {
            let parameter = &mut parameters[i as usize];
            let empty = Tensor::zeros(parameter.dtype(), [0]);
            state.push(std::mem::replace(parameter, empty));
        }
    }
    Ok((parameters, state))
}
