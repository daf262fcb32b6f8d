//! The reference interpreter: runs a function on host tensors, op by op.
//!
//! An op is computed by its `Reference`, else by its `Scalar` body, else by its `Decompose`; on complex numbers, by their
//! parts. Beside ops with these interfaces it knows `func.call`, `func.return`, `tensor.dim`, `tensor.extract`, and
//! constants and the index arithmetic of `arith`. What it does not know is an error at that op.
//!
//! A loop goes round as long as its condition says: one of the interface `Control` by functions, and `scf.while` by
//! regions, where the values around are seen, as they are in the branches of `scf.if`. Each round sees the memory that
//! the one before left.
//!
//! Each argument has memory, which ops with the interface `Memory` read and write when their turn comes: literally,
//! element by element. A call reads and writes the memory of what it is given.

use crate::control::{Control, Flow};
use crate::decompose::Decompose;
use crate::eval::evaluate;
use crate::expr::Expr;
use crate::memory::{Memory, MemoryAccess, memory_of};
use crate::parts::{parts, simpler};
use crate::reference::{EvalError, Reference};
use crate::scalar::Scalar;
use crate::types::{attribute_to_tensor, dtype_of};
use std::collections::{HashMap, HashSet};
use thunder_ir::{Block, Error, Operation, Region, Result, Rewriter, Type, Value};
use thunder_tensor::Tensor;

/// Runs the function `name` of `module` on `inputs`.
///
/// The module is left as it was: ops that are decomposed are so in place, and put back.
pub fn interpret(module: Operation<'_>, name: &str, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    interpret_in_place(module, name, &mut inputs.to_vec())
}

/// As [`interpret`], on memory that the function may update: `inputs` are what it leaves there.
pub fn interpret_in_place(module: Operation<'_>, name: &str, inputs: &mut [Tensor]) -> Result<Vec<Tensor>> {
    let function = find_function(module, name).ok_or_else(|| module.error(format!("has no function '@{name}'")))?;
    let returned = Interpreter { module, depth: 0 }.call(function, inputs)?;
    for (input, contents) in inputs.iter_mut().zip(returned.memory) {
        *input = contents;
    }
    Ok(returned.results)
}

fn find_function<'c>(module: Operation<'c>, name: &str) -> Option<Operation<'c>> {
    let body = module.regions().next()?.entry()?;
    body.operations().into_iter().find(|op| op.attribute("sym_name").and_then(|a| a.as_string()) == Some(name))
}

struct Interpreter<'c> {
    module: Operation<'c>,
    depth: usize,
}

/// What a function is left with.
struct Returned {
    results: Vec<Tensor>,
    /// What the memory of each argument holds.
    memory: Vec<Tensor>,
    /// Whether it was written.
    written: Vec<bool>,
}

/// The values of a function that have been computed, and the memory of its arguments.
#[derive(Default)]
struct Environment<'c> {
    values: HashMap<Value<'c>, Tensor>,
    memory: HashMap<Value<'c>, Tensor>,
    written: HashSet<Value<'c>>,
}

const DEPTH_LIMIT: usize = 256;

impl<'c> Interpreter<'c> {
    fn call(&mut self, function: Operation<'c>, inputs: &[Tensor]) -> Result<Returned> {
        if self.depth == DEPTH_LIMIT {
            return Err(function.error(format!("calls itself more than {DEPTH_LIMIT} deep")));
        }
        let blocks: Vec<_> = function.regions().flat_map(Region::blocks).collect();
        let [block] = blocks[..] else {
            return Err(function.error("must have exactly one block to be interpreted"));
        };
        self.check_inputs(function, block, inputs)?;
        let values: HashMap<Value<'c>, Tensor> = block.arguments().zip(inputs.iter().cloned()).collect();
        let mut environment = Environment { memory: values.clone(), values, written: HashSet::new() };
        self.depth += 1;
        let results = self.run(block, &mut environment);
        self.depth -= 1;
        let Environment { memory, written, .. } = environment;
        Ok(Returned {
            results: results?,
            memory: block.arguments().map(|v| memory[&v].clone()).collect(),
            written: block.arguments().map(|v| written.contains(&v)).collect(),
        })
    }

    fn check_inputs(&self, function: Operation<'c>, block: Block<'c>, inputs: &[Tensor]) -> Result {
        if block.argument_count() != inputs.len() {
            return Err(function.error(format!(
                "takes {} inputs, but {} were given",
                block.argument_count(),
                inputs.len()
            )));
        }
        for (index, (argument, input)) in block.arguments().zip(inputs).enumerate() {
            check_type(argument, input).map_err(|e| function.error(format!("input #{index} {e}")))?;
        }
        Ok(())
    }

    fn run(&mut self, block: Block<'c>, environment: &mut Environment<'c>) -> Result<Vec<Tensor>> {
        for op in block.operations() {
            let inputs = op
                .operands()
                .map(|v| {
                    environment
                        .values
                        .get(&v)
                        .cloned()
                        .ok_or_else(|| op.error("uses a value from outside the function, which has no value"))
                })
                .collect::<Result<Vec<_>>>()?;
            if matches!(op.name(), "func.return" | "scf.condition" | "scf.yield") {
                return Ok(inputs);
            }
            let results = if let Some(memory) = <dyn Memory>::of(op) {
                environment.access(op, memory.access(), &inputs)?
            } else if op.name() == "func.call" {
                self.call_op(op, &inputs, environment)?
            } else {
                self.flow_or_step(op, inputs, environment)?
            };
            for (value, tensor) in op.results().zip(results) {
                check_type(value, &tensor).map_err(|e| op.error(format!("computed a result that {e}")))?;
                environment.values.insert(value, tensor);
            }
        }
        let parent = block.parent().unwrap_or(self.module);
        Err(parent.error("does not return"))
    }

    /// Calls a function, which may update the memory of what it is given.
    fn call_op(
        &mut self,
        op: Operation<'c>,
        inputs: &[Tensor],
        environment: &mut Environment<'c>,
    ) -> Result<Vec<Tensor>> {
        let callee = op
            .attribute("callee")
            .and_then(|a| a.as_symbol())
            .and_then(|name| find_function(self.module, name))
            .ok_or_else(|| op.error("calls a function that is not in the module"))?;
        let Returned { results, memory, written } = self.call(callee, inputs)?;
        for (operand, contents) in op.operands().zip(memory).zip(written).filter(|(_, w)| *w).map(|(pair, _)| pair) {
            environment.write(op, operand, &contents)?;
        }
        Ok(results)
    }

    /// Carries out an op that runs regions or functions as values say, or any other.
    fn flow_or_step(
        &mut self,
        op: Operation<'c>,
        inputs: Vec<Tensor>,
        environment: &mut Environment<'c>,
    ) -> Result<Vec<Tensor>> {
        if op.name() == "scf.while" {
            return self.rounds(op, inputs, environment);
        }
        if op.name() == "scf.if" {
            let region = op.region(usize::from(!is_true(op, inputs.first())?));
            return region.entry().map_or_else(|| Ok(Vec::new()), |block| self.run(block, environment));
        }
        match <dyn Control>::of(op) {
            Some(control) => self.control(op, control.flow(), inputs),
            None => self.step(op, &inputs),
        }
    }

    /// Runs the regions of a loop: the first tells whether there is one more round, and gives what the second begins
    /// with.
    fn rounds(
        &mut self,
        op: Operation<'c>,
        mut carried: Vec<Tensor>,
        environment: &mut Environment<'c>,
    ) -> Result<Vec<Tensor>> {
        let block = |number: usize| op.region(number).entry().ok_or_else(|| op.error("has an empty region"));
        let (before, after) = (block(0)?, block(1)?);
        loop {
            environment.bind(op, before, &carried)?;
            let mut given = self.run(before, environment)?;
            let goes_on = is_true(op, given.first())?;
            given.remove(0);
            if !goes_on {
                return Ok(given);
            }
            environment.bind(op, after, &given)?;
            carried = self.run(after, environment)?;
        }
    }

    /// Carries out functions as `flow` says.
    fn control(&mut self, op: Operation<'c>, flow: Flow, mut values: Vec<Tensor>) -> Result<Vec<Tensor>> {
        let function = |name: &str| {
            find_function(self.module, name).ok_or_else(|| op.error(format!("names '@{name}', which does not exist")))
        };
        let Flow::While { condition, body } = &flow;
        let (condition, body) = (function(condition)?, function(body)?);
        let count = op.result_count();
        while is_true(op, self.call(condition, &values)?.results.first())? {
            let results = self.call(body, &values)?.results;
            if results.len() != count {
                return Err(body.error(format!("gives {} values to a loop of {count}", results.len())));
            }
            for (value, result) in values.iter_mut().zip(results) {
                if value.shape() != result.shape() {
                    let (from, to) = (value.shape(), result.shape());
                    return Err(op.error(format!("changes a value of sizes {from:?} into one of {to:?}")));
                }
                *value = result;
            }
        }
        values.truncate(count);
        Ok(values)
    }

    fn step(&mut self, op: Operation<'c>, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        if let Some(results) = compute(op, inputs) {
            return results.map_err(|e| op.error(e));
        }
        if let Some(composite) = simpler(op) {
            return self.decomposed(op, &*composite, inputs);
        }
        self.upstream(op, inputs)
    }

    /// Builds the decomposition before `op`, runs it, and takes it back.
    fn decomposed(&mut self, op: Operation<'c>, composite: &dyn Decompose, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let rewriter = Rewriter::at(op);
        let before = previous(op);
        let outcome = self.run_decomposition(op, composite, inputs, &rewriter, before);
        for new in between(op, before).into_iter().rev() {
            rewriter.erase(new)?;
        }
        outcome
    }

    fn run_decomposition(
        &mut self,
        op: Operation<'c>,
        composite: &dyn Decompose,
        inputs: &[Tensor],
        rewriter: &Rewriter<'c>,
        before: Option<Operation<'c>>,
    ) -> Result<Vec<Tensor>> {
        let wanted: Vec<(usize, usize)> = {
            let values = composite.decompose(rewriter)?;
            let new = between(op, before);
            values
                .iter()
                .map(|value| match value.definer() {
                    Some((definer, result)) if new.contains(&definer) => {
                        Ok((new.iter().position(|o| *o == definer).unwrap_or_default(), result))
                    }
                    _ => op
                        .operands()
                        .position(|o| o == *value)
                        .map(|operand| (usize::MAX, operand))
                        .ok_or_else(|| op.error("decomposes to a value from elsewhere")),
                })
                .collect::<Result<_>>()?
        };
        let mut environment: HashMap<Value<'c>, Tensor> = op.operands().zip(inputs.iter().cloned()).collect();
        let new = between(op, before);
        for inner in &new {
            let arguments = inner
                .operands()
                .map(|v| {
                    environment
                        .get(&v)
                        .cloned()
                        .ok_or_else(|| inner.error("uses a value that its composite does not have"))
                })
                .collect::<Result<Vec<_>>>()?;
            let results = self.step(*inner, &arguments)?;
            environment.extend(inner.results().zip(results));
        }
        Ok(wanted
            .into_iter()
            .map(|(index, result)| {
                if index == usize::MAX {
                    inputs[result].clone()
                } else {
                    environment[&new[index].result(result)].clone()
                }
            })
            .collect())
    }

    fn upstream(&mut self, op: Operation<'c>, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let index = |i: usize| inputs[i].item::<i64>().map_err(|e| op.error(e));
        let binary = |f: fn(i64, i64) -> Option<i64>| -> Result<Vec<Tensor>> {
            // Other integers wrap, and their width decides where.
            if op.result(0).ty() != Type::index(op.context()) {
                return Err(unknown(op));
            }
            let value = f(index(0)?, index(1)?).ok_or_else(|| op.error("overflows or divides by zero"))?;
            Ok(vec![Tensor::scalar(value)])
        };
        match op.name() {
            "arith.constant" => {
                let value = op.attribute("value").ok_or_else(|| unknown(op))?;
                if let Some(tensor) = attribute_to_tensor(value) {
                    return Ok(vec![tensor]);
                }
                let value = value.as_integer().ok_or_else(|| unknown(op))?;
                Ok(vec![Tensor::scalar(value)])
            }
            "arith.addi" => binary(i64::checked_add),
            "arith.subi" => binary(i64::checked_sub),
            "arith.muli" => binary(i64::checked_mul),
            "arith.divsi" => binary(i64::checked_div),
            "arith.floordivsi" => binary(|a, b| {
                let quotient = a.checked_div(b)?;
                Some(if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient })
            }),
            "arith.maxsi" => binary(|a, b| Some(a.max(b))),
            "tensor.extract" if inputs.len() == 1 && inputs[0].rank() == 0 => Ok(inputs.to_vec()),
            "tensor.dim" => {
                let axis = index(1)?;
                let size = usize::try_from(axis).ok().and_then(|axis| inputs[0].shape().get(axis));
                let size = size.ok_or_else(|| op.error(format!("has no dimension {axis}")))?;
                Ok(vec![Tensor::scalar(*size as i64)])
            }
            _ => Err(unknown(op)),
        }
    }
}

impl<'c> Environment<'c> {
    /// Gives the arguments of a region's block their values.
    fn bind(&mut self, op: Operation<'c>, block: Block<'c>, values: &[Tensor]) -> Result {
        for (argument, value) in block.arguments().zip(values) {
            check_type(argument, value).map_err(|e| op.error(format!("carries a value that {e}")))?;
            self.values.insert(argument, value.clone());
        }
        Ok(())
    }

    fn access(&mut self, op: Operation<'c>, access: MemoryAccess, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        match access {
            MemoryAccess::Read { from } => {
                let (root, places) = self.places(op, op.operand(from))?;
                let contents = &self.memory[&root];
                let size = contents.dtype().size();
                let mut bytes = Vec::with_capacity(places.len() * size);
                for place in places {
                    bytes.extend_from_slice(&contents.bytes()[place * size..(place + 1) * size]);
                }
                let read = Tensor::from_bytes(contents.dtype(), inputs[from].shape(), &bytes);
                Ok(vec![read.map_err(|e| op.error(e))?])
            }
            MemoryAccess::Write { value, into } => {
                self.write(op, op.operand(into), &inputs[value])?;
                Ok(Vec::new())
            }
        }
    }

    /// Replaces what the memory behind `target` holds.
    fn write(&mut self, op: Operation<'c>, target: Value<'c>, value: &Tensor) -> Result {
        let (root, places) = self.places(op, target)?;
        if value.shape() != self.values[&target].shape() {
            let (from, to) = (value.shape(), self.values[&target].shape());
            return Err(op.error(format!("writes a tensor of sizes {from:?} where there are {to:?}")));
        }
        let size = value.dtype().size();
        let contents = self.memory.get_mut(&root).expect("every argument has memory").bytes_mut();
        for (element, place) in places.into_iter().enumerate() {
            contents[place * size..(place + 1) * size]
                .copy_from_slice(&value.bytes()[element * size..(element + 1) * size]);
        }
        self.written.insert(root);
        Ok(())
    }

    /// The argument that `value` shows, and for each element of `value` where it is there: what the views show of a
    /// tensor that holds its own positions.
    fn places(&self, op: Operation<'c>, value: Value<'c>) -> Result<(Value<'c>, Vec<usize>)> {
        let (root, views) = memory_of(op, value)?;
        let memory = self.memory.get(&root).ok_or_else(|| op.error("reads or writes memory of another function"))?;
        let mut shown =
            Tensor::from_vec(memory.shape(), (0..memory.len() as i64).collect()).map_err(|e| op.error(e))?;
        for view in views {
            let mut inputs = vec![shown];
            inputs.extend(view.operands().skip(1).map(|v| self.values[&v].clone()));
            let result = compute(view, &inputs).ok_or_else(|| unknown(view))?.map_err(|e| view.error(e))?;
            shown = result.into_iter().next().ok_or_else(|| view.error("shows nothing"))?;
        }
        Ok((root, shown.to_vec::<i64>().into_iter().map(|place| place as usize).collect()))
    }
}

/// The value of one op by its `Reference`, else by its `Scalar` body; `None` for an op with neither, and for one on
/// complex numbers that is computed by their parts.
///
/// An operand of type `index` is a tensor of rank 0 and dtype `i64`.
pub fn compute(op: Operation<'_>, inputs: &[Tensor]) -> Option<Result<Vec<Tensor>, EvalError>> {
    if parts(op).is_some() {
        return None;
    }
    if let Some(reference) = <dyn Reference>::of(op) {
        return Some(reference.evaluate(inputs));
    }
    let scalar = <dyn Scalar>::of(op)?;
    let operands = op
        .operands()
        .enumerate()
        .map(|(index, v)| Some(Expr::input(index, dtype_of(v.ty().element())?)))
        .collect::<Option<Vec<_>>>();
    let Some(operands) = operands else {
        return Some(Err(EvalError::Unsupported("has operands of a dtype that cannot be interpreted".to_owned())));
    };
    let shape = inputs.first().map(Tensor::shape).unwrap_or_default();
    Some(evaluate(&scalar.scalar(&operands), inputs, shape).map(|result| vec![result]))
}

/// The truth value that decides what `op` does.
fn is_true(op: Operation<'_>, value: Option<&Tensor>) -> Result<bool> {
    let value =
        value.filter(|value| value.rank() == 0).ok_or_else(|| op.error("has a condition that is not one value"))?;
    Ok(value.bytes().iter().any(|byte| *byte != 0))
}

fn unknown(op: Operation<'_>) -> Error {
    op.error("cannot be interpreted: it has no Reference, Scalar or Decompose")
}

fn previous(op: Operation<'_>) -> Option<Operation<'_>> {
    let mut before = None;
    for other in op.block()?.operations() {
        if other == op {
            return before;
        }
        before = Some(other);
    }
    None
}

/// The operations after `before` and before `op`, in order.
fn between<'c>(op: Operation<'c>, before: Option<Operation<'c>>) -> Vec<Operation<'c>> {
    let mut found = Vec::new();
    let mut next = match before {
        Some(before) => before.next(),
        None => op.block().and_then(|b| b.operations().first().copied()),
    };
    while let Some(other) = next {
        if other == op {
            break;
        }
        found.push(other);
        next = other.next();
    }
    found
}

/// Whether a tensor is a value of the type that `value` has; the sentence says why not.
fn check_type(value: Value<'_>, tensor: &Tensor) -> Result<(), String> {
    let ty = value.ty();
    let Some(expected) = ty.as_tensor() else {
        return if tensor.rank() == 0 {
            Ok(())
        } else {
            Err(format!("has shape {:?}, but '{ty}' is a scalar", tensor.shape()))
        };
    };
    let dims = expected.dims();
    let fits = dtype_of(expected.element()) == Some(tensor.dtype())
        && dims.len() == tensor.rank()
        && dims.iter().zip(tensor.shape()).all(|(d, s)| d.is_none_or(|d| d == *s as i64));
    if fits {
        return Ok(());
    }
    let sizes: Vec<_> = tensor.shape().iter().map(|d| format!("{d}x")).collect();
    Err(format!("has type 'tensor<{}{}>', but '{ty}' is expected", sizes.concat(), tensor.dtype()))
}

impl From<EvalError> for Error {
    fn from(error: EvalError) -> Self {
        Error::new(error)
    }
}
