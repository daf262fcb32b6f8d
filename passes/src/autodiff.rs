//! Writes the derivative of a function as a function beside it.
//!
//! Of `@f` there are four, each with the arguments of `@f` first:
//! - `@f_vjp` takes a cotangent for each floating-point result and returns the results and the
//!   gradients: forward and backward in one function, which `--thunder-split-joint` cuts in two;
//! - `@f_grad` returns the gradients of the first result, which has one element;
//! - `@f_value_and_grad` returns the results before them;
//! - `@f_jvp` takes a tangent for each argument that it differentiates by, and returns the results and
//!   their tangents.
//!
//! Guarantees: `@f` is as it was. A gradient has the type of its argument; where nothing depends on
//! the argument it is zero. No op is left that nothing needs. Calls on the way are inlined. What the function
//! writes to memory its derivative writes as well, once. A declaration of the derivative, which other functions of the
//! module may call, gives way to it. The rules are those
//! of the ops: their `Differentiate`, else the derivative of their `Scalar` body, else those of their
//! `Decompose`; with none of them it is an error at the op. The derivative consists of ops with rules,
//! so that it can be differentiated in turn.

mod body;
mod forward;
mod reverse;
mod signature;

pub(crate) use body::{cloned, find, sweep};
use body::{copied, is_float};
use signature::Signature;
use std::fmt;
use std::str::FromStr;
use thunder_dialect::{restated, zeros_like};
use thunder_interface::{Memory, MemoryAccess, PARAMETER, dtype_of, memory_of};
use thunder_ir::{Blueprint, Builder, prelude::*};

/// The attribute of a joint function with the numbers of arguments and of results of the function
/// that it was made from.
pub const JOINT: &str = "thunder.joint";

/// What to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Gradients from cotangents, with the results.
    Vjp,
    /// Gradients of the first result.
    Grad,
    /// The results, and the gradients of the first one.
    ValueAndGrad,
    /// Tangents from tangents, with the results.
    Jvp,
}

impl Mode {
    /// All of them.
    pub const ALL: [Mode; 4] = [Mode::Vjp, Mode::Grad, Mode::ValueAndGrad, Mode::Jvp];

    /// The name on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vjp => "vjp",
            Self::Grad => "grad",
            Self::ValueAndGrad => "value-and-grad",
            Self::Jvp => "jvp",
        }
    }

    /// The name of the function that it writes for `@function`.
    pub fn function(self, function: &str) -> String {
        format!("{function}_{}", self.name().replace('-', "_"))
    }
}

impl FromStr for Mode {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let names = Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|mode| mode.name() == text)
            .ok_or_else(|| format!("mode '{text}' is none of {names}"))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Writes gradients of a function, or its directional derivatives, as another function.
#[pass("thunder-autodiff", on = "builtin.module", dialects("arith", "func", "thunder"))]
pub struct Autodiff {
    /// The function to differentiate.
    #[default("main")]
    function: String,
    /// The numbers of the arguments to differentiate by; all of floats unless given.
    wrt: Vec<i64>,
    /// What to write: vjp, grad, value-and-grad or jvp.
    #[default("vjp")]
    mode: String,
}

impl Pass for Autodiff {
    fn run(&self, module: Operation<'_>, cx: &PassContext<'_>) -> Result {
        let mode: Mode = self.mode.parse().map_err(|e: String| module.error(e))?;
        let wrt: Option<Vec<usize>> = self.wrt.iter().map(|index| usize::try_from(*index).ok()).collect();
        let wrt = wrt.ok_or_else(|| module.error(format!("option wrt: {:?} are not all arguments", self.wrt)))?;
        let derivative = differentiate(module, &self.function, mode, &wrt)?;
        cx.count("operations", derivative.region(0).entry().map_or(0, |block| block.operations().len() as u64));
        Ok(())
    }
}

/// Writes a derivative of the function `name`, by the arguments `wrt` or, if that is empty, by all of
/// floats, and returns the new function.
pub fn differentiate<'c>(module: Operation<'c>, name: &str, mode: Mode, wrt: &[usize]) -> Result<Operation<'c>> {
    let function = find(module, name).ok_or_else(|| module.error(format!("has no function '@{name}'")))?;
    let new_name = mode.function(name);
    let declared = find(module, &new_name);
    if declared.is_some_and(|op| op.regions().next().and_then(|r| r.entry()).is_some()) {
        return Err(function.error(format!("'@{name}' is differentiated already: there is an '@{new_name}'")));
    }
    let wrt = arguments(function, wrt)?;
    let copy = copied(function, &new_name, &wrt)?;
    match derive(copy, mode, &wrt).and_then(|()| define(copy, declared)) {
        Ok(()) => Ok(copy),
        Err(error) => {
            Rewriter::at(copy).erase(copy)?;
            Err(error)
        }
    }
}

/// Takes away the declaration that `derivative` defines, which others may call.
fn define<'c>(derivative: Operation<'c>, declared: Option<Operation<'c>>) -> Result {
    let Some(declared) = declared else { return Ok(()) };
    let ty = |op: Operation<'c>| op.attribute("function_type").and_then(|a| a.as_type());
    if ty(declared) != ty(derivative) {
        let text = |op| ty(op).map(|ty| ty.to_string()).unwrap_or_default();
        return Err(declared.error(format!("is declared as '{}', but is '{}'", text(declared), text(derivative))));
    }
    Rewriter::at(declared).erase(declared)
}

/// The arguments of the function `name` that training changes: parameters of floats that it does not update itself, as
/// it does with running statistics.
pub fn trained(module: Operation<'_>, name: &str) -> Result<Vec<usize>> {
    let function = find(module, name).ok_or_else(|| module.error(format!("has no function '@{name}'")))?;
    let block = function.region(0).entry().ok_or_else(|| function.error("has no body"))?;
    let attributes = function.attribute("arg_attrs").and_then(|a| a.as_array()).unwrap_or_default();
    let mut updated = Vec::new();
    for op in block.operations() {
        if let Some(MemoryAccess::Write { into, .. }) = <dyn Memory>::of(op).map(|memory| memory.access()) {
            updated.push(memory_of(op, op.operand(into))?.0);
        }
    }
    let is_trained = |index: &usize| {
        let (value, attribute) = (block.argument(*index), attributes.get(*index).and_then(|a| a.entry(PARAMETER)));
        attribute.is_some() && is_float(value.ty()) && !updated.contains(&value)
    };
    Ok((0..block.argument_count()).filter(is_trained).collect())
}

/// The arguments to differentiate by, in ascending order.
fn arguments(function: Operation<'_>, wrt: &[usize]) -> Result<Vec<usize>> {
    let block = function.regions().next().and_then(|r| r.entry()).ok_or_else(|| function.error("has no body"))?;
    let types: Vec<_> = block.arguments().map(|v| v.ty()).collect();
    let mut chosen = wrt.to_vec();
    if wrt.is_empty() {
        chosen = (0..types.len()).filter(|i| is_float(types[*i])).collect();
    }
    chosen.sort_unstable();
    chosen.dedup();
    for index in &chosen {
        let ty = types.get(*index).ok_or_else(|| {
            function.error(format!("has {} arguments, and so no argument #{index} to differentiate by", types.len()))
        })?;
        if !is_float(*ty) {
            let message = format!("cannot be differentiated by argument #{index}: '{ty}' is no tensor of floats");
            return Err(function.error(message));
        }
    }
    if chosen.is_empty() {
        return Err(function.error("has no argument of floats to differentiate by"));
    }
    Ok(chosen)
}

/// Turns a copy of a function into its derivative.
fn derive(function: Operation<'_>, mode: Mode, wrt: &[usize]) -> Result {
    let block = function.region(0).entry().ok_or_else(|| function.error("has no body"))?;
    let terminator = block.terminator().ok_or_else(|| function.error("does not return"))?;
    let mut signature = Signature::of(function)?;
    let counts = [block.argument_count() as i64, terminator.operand_count() as i64];
    let b = Rewriter::at(terminator);
    let mut ops = block.operations();
    ops.pop();
    let inputs: Vec<Value<'_>> = wrt.iter().map(|index| block.argument(*index)).collect();
    let results: Vec<Value<'_>> = terminator.operands().collect();
    let values = match mode {
        Mode::Jvp => {
            let tangents: Vec<_> = inputs.iter().map(|input| signature.add_argument(block, *input)).collect();
            let tangents = forward::pushforward(&b, &ops, inputs.into_iter().zip(tangents).collect(), &results)?;
            let tangents = results.iter().zip(tangents).enumerate().filter(|(_, (result, _))| is_float(result.ty()));
            let mut values = results.clone();
            for (index, (result, tangent)) in tangents {
                values.push(tangent.map_or_else(|| zeros_like(&b, *result), Ok)?);
                signature.add_result("tangent", &index.to_string());
            }
            values
        }
        Mode::Vjp | Mode::Grad | Mode::ValueAndGrad => {
            let seeds = match mode {
                Mode::Vjp => {
                    let floats = results.iter().filter(|v| is_float(v.ty()));
                    floats.map(|v| (*v, signature.add_argument(block, *v))).collect()
                }
                _ => vec![seed(&b, terminator)?],
            };
            let gradients = reverse::pullback(&b, &ops, &inputs, seeds)?;
            b.set_location(function.location());
            let mut values = if mode == Mode::Grad { signature.drop_results() } else { results };
            for (index, (input, gradient)) in wrt.iter().zip(inputs.into_iter().zip(gradients)) {
                values.push(gradient.map_or_else(|| zeros_like(&b, input), |dx| restated(&b, dx, input))?);
                signature.add_result("grad", &signature.argument_name(*index));
            }
            values
        }
    };
    b.set_location(terminator.location());
    b.insert(&Blueprint::new("func.return").operands(values))?;
    b.erase(terminator)?;
    if matches!(mode, Mode::Vjp | Mode::ValueAndGrad) {
        function.set_attribute(JOINT, Attribute::i64_array(function.context(), &counts));
    }
    signature.write(function, block);
    sweep(block)
}

/// The first result of a function, with a cotangent of one.
fn seed<'c>(b: &Builder<'c>, terminator: Operation<'c>) -> Result<(Value<'c>, Value<'c>)> {
    let first = terminator.operands().next().ok_or_else(|| terminator.error("returns nothing to differentiate"))?;
    let tensor = first.ty().as_tensor().filter(|_| is_float(first.ty()));
    let sizes = tensor.and_then(|t| t.static_dims()).filter(|sizes| sizes.iter().all(|size| *size == 1));
    if sizes.is_none() {
        let message = "a gradient is that of one float: reduce the first result to one, or take the vjp";
        return Err(terminator.error(format!("returns '{}' first; {message}", first.ty())));
    }
    debug_assert!(dtype_of(first.ty().element()).is_some());
    Ok((first, thunder_dialect::ones_like(b, first)?))
}

/// `@f_vjp` of `@f`.
pub fn vjp<'c>(module: Operation<'c>, function: &str, wrt: &[usize]) -> Result<Operation<'c>> {
    differentiate(module, function, Mode::Vjp, wrt)
}

/// `@f_grad` of `@f`.
pub fn grad<'c>(module: Operation<'c>, function: &str, wrt: &[usize]) -> Result<Operation<'c>> {
    differentiate(module, function, Mode::Grad, wrt)
}

/// `@f_value_and_grad` of `@f`.
pub fn value_and_grad<'c>(module: Operation<'c>, function: &str, wrt: &[usize]) -> Result<Operation<'c>> {
    differentiate(module, function, Mode::ValueAndGrad, wrt)
}

/// `@f_jvp` of `@f`.
pub fn jvp<'c>(module: Operation<'c>, function: &str, wrt: &[usize]) -> Result<Operation<'c>> {
    differentiate(module, function, Mode::Jvp, wrt)
}
