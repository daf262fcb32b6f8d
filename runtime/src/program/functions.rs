//! The functions of an artifact, and the steps that run them.
//!
//! A function is a program of values: it has neither parameters nor states. It runs functions before it only, so that
//! none runs itself.

use std::sync::Arc;

use thunder_tensor::DType;

use super::validate::{Result, in_range, malformed};
use super::{Access, FunctionId, Port, Program, Step, While};

/// How deep functions may run each other.
const MOST_DEPTH: usize = 64;

/// The functions that the steps of a program may name.
pub(crate) type Functions<'a> = &'a [Arc<Program>];

impl Program {
    /// Checks that this program is a function.
    pub(crate) fn validate_function(&self) -> Result {
        let what = || format!("function '{}'", self.name);
        if !self.parameters.is_empty() || !self.states.is_empty() {
            return malformed(&what, "has parameters or states");
        }
        Ok(())
    }

    /// Checks the steps that run functions, which are among `functions`.
    pub(crate) fn validate_functions(&self, functions: Functions<'_>) -> Result {
        for (i, step) in self.steps.iter().enumerate() {
            if let Step::While(rounds) = step {
                rounds.validate(functions, &|| format!("step {i}"))?;
            }
        }
        Ok(())
    }
}

/// Checks that no function runs functions that run others, and so on, deeper than a program can be planned.
pub(crate) fn check_depth(functions: Functions<'_>) -> Result {
    let mut depths: Vec<usize> = Vec::with_capacity(functions.len());
    for function in functions {
        let run = function.steps.iter().filter_map(|step| match step {
            Step::While(rounds) => Some([rounds.condition, rounds.body]),
            _ => None,
        });
        let depth = run.flatten().map(|id| depths[id.0 as usize] + 1).max().unwrap_or(0);
        if depth > MOST_DEPTH {
            let what = || format!("function '{}'", function.name);
            return malformed(&what, format!("has loops in each other deeper than {MOST_DEPTH}"));
        }
        depths.push(depth);
    }
    Ok(())
}

impl While {
    fn validate(&self, functions: Functions<'_>, what: &dyn Fn() -> String) -> Result {
        let function = |id: FunctionId| -> Result<&Program> {
            in_range("function", id.0, functions.len(), what)?;
            Ok(&functions[id.0 as usize])
        };
        let (condition, body) = (function(self.condition)?, function(self.body)?);
        let kind = |port: &Port| (port.dtype, port.shape.len());
        if !condition.inputs.iter().map(kind).eq(body.inputs.iter().map(kind)) {
            return malformed(what, format!("'{}' and '{}' have other inputs", condition.name, body.name));
        }
        let carried = body.outputs.len();
        if carried > body.inputs.len() || !body.outputs.iter().map(kind).eq(body.inputs[..carried].iter().map(kind)) {
            return malformed(what, format!("the outputs of '{}' are not like its first inputs", body.name));
        }
        if !condition.outputs.iter().map(kind).eq([(DType::Bool, 0)]) {
            return malformed(what, format!("'{}' gives more than one truth value", condition.name));
        }
        let (read, count) = (body.inputs.len(), body.inputs.len() + 2 * carried + 1);
        if self.args.len() != count {
            return malformed(
                what,
                format!("a loop of {carried} values has {} arguments, not {count}", self.args.len()),
            );
        }
        for (i, arg) in self.args.iter().enumerate() {
            let expected = if i < read { Access::Read } else { Access::Write };
            if arg.access != expected {
                return malformed(what, format!("argument {i} of a loop is not {expected:?}"));
            }
        }
        for (function, symbols) in [(condition, &self.condition_symbols), (body, &self.body_symbols)] {
            let (needed, given) = (function.symbols.len(), symbols.len());
            if needed != given {
                return malformed(what, format!("'{}' has {needed} symbols, not {given}", function.name));
            }
        }
        Ok(())
    }
}
