//! The weights of a program as its user knows them, and the program that makes some of its parameters of others.

use std::collections::BTreeSet;

use thunder_tensor::DType;

use super::validate::{Result, malformed};
use super::{Port, Program, Root};

/// A weight, which is bound by name when a session is prepared.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Type of an element.
    pub dtype: DType,
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// The number that all its elements have to begin with, if it need not be provided.
    pub initial: Option<f64>,
}

impl Program {
    /// The parameters, in order.
    pub(crate) fn weights(&self) -> Result<Vec<Parameter>> {
        let weight = |(number, port): (u32, &Port)| {
            let initial = self.state(Root::Parameter(number)).and_then(|state| self.states[state].initial);
            Ok(Parameter { name: port.name.clone(), dtype: port.dtype, shape: self.constant_extents(port)?, initial })
        };
        (0..).zip(&self.parameters).map(weight).collect()
    }

    /// Checks that this program makes parameters of `main`, of nothing but weights.
    pub(crate) fn validate_setup(&self, main: &Program) -> Result<()> {
        let what = || format!("setup program '{}'", self.name);
        if !self.inputs.is_empty() || !self.states.is_empty() {
            return malformed(&what, "takes inputs, or updates its parameters");
        }
        let given: BTreeSet<&str> = self.parameters.iter().map(|port| port.name.as_str()).collect();
        for port in &self.outputs {
            if given.contains(port.name.as_str()) {
                return malformed(&what, format!("'{}' is both made and given", port.name));
            }
            let made = (port.dtype, self.constant_extents(port)?);
            let mut parameters = main.parameters.iter();
            let needed = parameters.find(|parameter| parameter.name == port.name);
            let needed =
                needed.map(|parameter| Ok((parameter.dtype, main.constant_extents(parameter)?))).transpose()?;
            if needed != Some(made) {
                return malformed(&what, format!("makes '{}', which is no parameter of that type", port.name));
            }
        }
        Ok(())
    }
}

/// The parameters of `main` and of the program that makes some of them, but for those.
pub(crate) fn weights(setup: Option<&Program>, main: &Program) -> Result<Vec<Parameter>> {
    let made = setup.iter().flat_map(|setup| &setup.outputs).map(|port| port.name.clone());
    let (mut known, mut all): (BTreeSet<String>, _) = (made.collect(), Vec::new());
    for program in setup.into_iter().chain([main]) {
        all.extend(program.weights()?.into_iter().filter(|weight| known.insert(weight.name.clone())));
    }
    Ok(all)
}
