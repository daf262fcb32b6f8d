//! How long a function takes that is cut into kernels, before it is compiled.
//!
//! A step takes as long as its arithmetic or its memory traffic, whichever is longer, and steps that need nothing of each
//! other start as one job. A product and the kernel that runs on its blocks are one step, between which nothing goes
//! through memory.

use std::collections::{HashMap, HashSet};

use thunder_interface::{Cost, Library, Strided, dtype_of};
use thunder_ir::{Operation, Result, Value};

use super::steps::{Step, jobs, steps, with_kernels};
use super::{KERNEL, ROWS, layout};
use crate::machine::{CPU, DYNAMIC, Machine};
use crate::memory::Assumption;
use crate::shapes::{Shapes, Symbol, find_function};

/// A step with what it takes.
#[derive(Debug, Clone)]
pub struct StepTime<'c> {
    /// The call of a kernel or the op of a library; of a product with an epilogue both, the product first.
    pub ops: Vec<Operation<'c>>,
    /// The bytes that it reads and writes.
    pub bytes: f64,
    /// Its arithmetic.
    pub flops: f64,
    /// The nanoseconds that it takes.
    pub time: f64,
    /// Whether it starts a job; else it is part of that of the step before.
    pub starts: bool,
}

/// The steps of `function`, which is cut into kernels of a machine.
pub fn times<'c>(
    function: Operation<'c>,
    shapes: &Shapes<'c>,
    assumption: &Assumption,
    machine: &Machine,
) -> Result<Vec<StepTime<'c>>> {
    let steps = steps(function, shapes, machine);
    let jobs = jobs(&steps, &|value| layout(value, shapes).map_or(value, |(root, _)| root));
    let mut timer = Timer { shapes, assumption, machine, kernels: HashMap::new() };
    let mut times = Vec::with_capacity(steps.len());
    for (number, step) in steps.into_iter().enumerate() {
        let starts = number == 0 || jobs[number] != jobs[number - 1];
        times.push(timer.step(step, starts)?);
    }
    Ok(times)
}

/// The nanoseconds that a function of values is estimated to take on a processor, whose composites are decomposed: a copy of
/// it is cut into kernels. What follows from parameters alone is counted unless `--thunder-split-setup` has split it off.
pub fn estimate_time(function: Operation<'_>, assumption: &Assumption) -> Result<f64> {
    with_kernels(function, &CPU, |cut, shapes, _| Ok(total(&times(cut, shapes, assumption, &CPU)?)))
}

/// The nanoseconds of all steps together.
pub fn total(times: &[StepTime<'_>]) -> f64 {
    times.iter().map(|step| step.time).sum()
}

struct Timer<'a, 'c> {
    shapes: &'a Shapes<'c>,
    assumption: &'a Assumption,
    machine: &'a Machine,
    /// The sizes in kernels by their names.
    kernels: HashMap<&'c str, (Operation<'c>, Shapes<'c>)>,
}

impl<'c> Timer<'_, 'c> {
    fn step(&mut self, step: Step<'c>, starts: bool) -> Result<StepTime<'c>> {
        // What a product makes for its epilogue is in cache when it is read.
        let inner: HashSet<Value<'c>> = match &step.ops[..] {
            [product, _] => product.results().collect(),
            _ => HashSet::new(),
        };
        let is_inner = |value: &Value<'c>| {
            inner.contains(value) || layout(*value, self.shapes).is_some_and(|(root, _)| inner.contains(&root))
        };
        let reads: HashSet<Value<'c>> = step.reads.iter().copied().collect();
        let call = step.ops.last().copied().filter(|op| op.name() == "func.call");
        let read = reads.iter().filter(|value| !is_inner(value)).map(|value| self.read(*value, call));
        let read: f64 = read.collect::<Result<Vec<_>>>()?.into_iter().sum();
        let made = step.makes.iter().filter(|value| !is_inner(value)).map(|value| self.bytes(*value));
        let bytes = read + made.sum::<f64>();
        let (mut flops, mut arithmetic) = (0.0, 0.0);
        for op in &step.ops {
            let own = if op.name() == "func.call" { self.kernel(*op)? } else { self.flops(*op) };
            let is_library = <dyn Library>::of(*op).is_some_and(|library| library.library().is_some());
            flops += own;
            arithmetic += if is_library { self.machine.products(own) } else { self.machine.loops(own) };
        }
        let start = if starts { self.machine.launch } else { 0.0 };
        let alone = call.map_or(Ok(1.0), |call| self.threads_per_row(call))?;
        let time = start + alone * self.machine.transfer(bytes).max(arithmetic);
        Ok(StepTime { ops: step.ops, bytes, flops, time, starts })
    }

    /// How many threads there are for each row of a kernel, if they are more than rows: all but one of these wait. What is
    /// decomposed later on has no rows yet.
    fn threads_per_row(&mut self, call: Operation<'c>) -> Result<f64> {
        let Some(last) = call.results().last() else { return Ok(1.0) };
        let dims = self.assumption.dims(self.shapes, last);
        let rows = self.callee(call)?.kernel.attribute(ROWS).and_then(|a| a.as_i64_array()).unwrap_or_default();
        let Some(rows) = rows.last().and_then(|rows| usize::try_from(*rows).ok()).filter(|rows| *rows > 0) else {
            return Ok(1.0);
        };
        let count: i64 = dims.iter().take(rows).product();
        Ok((self.machine.threads as f64 / count.max(1) as f64).max(1.0))
    }

    /// The bytes that a step reads of a value: where a kernel only uses views of it, those of the views.
    fn read(&mut self, value: Value<'c>, call: Option<Operation<'c>>) -> Result<f64> {
        let whole = self.bytes(value);
        let Some(call) = call else { return Ok(whole) };
        let Some(operand) = call.operands().position(|operand| operand == value) else { return Ok(whole) };
        let sizes = self.callee(call)?;
        let Some(body) = sizes.kernel.region(0).entry() else { return Ok(whole) };
        let width = dtype_of(value.ty().element()).map_or(0, |dtype| dtype.size()) as f64;
        let uses = body.argument(operand).uses().into_iter().map(|(user, _)| match <dyn Strided>::of(user) {
            Some(_) => width * sizes.dims(user.result(0)).iter().product::<i64>() as f64,
            None => whole,
        });
        Ok(uses.sum::<f64>().min(whole))
    }

    /// The bytes of a value: where it is a view that repeats elements, those that there are.
    fn bytes(&self, value: Value<'c>) -> f64 {
        let own = self.assumption.bytes(self.shapes, value);
        let root = layout(value, self.shapes).map_or(own, |(root, _)| self.assumption.bytes(self.shapes, root));
        own.min(root) as f64
    }

    fn flops(&self, op: Operation<'c>) -> f64 {
        let dims = |value: Value<'c>| self.assumption.dims(self.shapes, value);
        flops(op, &dims)
    }

    /// The arithmetic of a kernel, at the sizes of a call.
    fn kernel(&mut self, call: Operation<'c>) -> Result<f64> {
        let sizes = self.callee(call)?;
        let body = sizes.kernel.region(0).entry().map_or_else(Vec::new, |block| block.operations());
        let dims = |value: Value<'c>| sizes.dims(value);
        Ok(body.into_iter().filter(|op| !op.has_trait("terminator")).map(|op| flops(op, &dims)).sum())
    }

    /// The kernel of a call with the sizes that it has there.
    fn callee(&mut self, call: Operation<'c>) -> Result<Callee<'_, 'c>> {
        let name = call.attribute("callee").and_then(|a| a.as_symbol()).unwrap_or_default();
        if !self.kernels.contains_key(name) {
            let kernel = find_function(call, name)
                .filter(|function| function.attribute(KERNEL).is_some())
                .ok_or_else(|| call.error(format!("calls '@{name}', which is no kernel")))?;
            self.kernels.insert(name, (kernel, Shapes::of(kernel)?));
        }
        let (kernel, shapes) = &self.kernels[name];
        let size = |symbol: &Symbol| self.assumption.size(self.shapes, &self.shapes.symbol_value(call, symbol));
        Ok(Callee { kernel: *kernel, shapes, sizes: shapes.symbols.iter().map(size).collect() })
    }
}

/// A kernel with the values of its symbols.
struct Callee<'a, 'c> {
    kernel: Operation<'c>,
    shapes: &'a Shapes<'c>,
    sizes: Vec<i64>,
}

impl<'c> Callee<'_, 'c> {
    fn dims(&self, value: Value<'c>) -> Vec<i64> {
        let size = |number: u32| self.sizes.get(number as usize).copied();
        let dims = self.shapes.dims(value);
        dims.iter().map(|dim| dim.evaluate(&size).unwrap_or(DYNAMIC).max(0)).collect()
    }
}

/// The arithmetic of an op. Views and constants need none.
fn flops<'c>(op: Operation<'c>, dims: &dyn Fn(Value<'c>) -> Vec<i64>) -> f64 {
    let is_free = op.has_trait("constant_like")
        || <dyn Strided>::of(op).is_some()
        || op.results().all(|value| value.ty().as_tensor().is_none());
    if is_free {
        return 0.0;
    }
    let operands: Vec<_> = op.operands().map(dims).collect();
    let results: Vec<_> = op.results().map(dims).collect();
    let elements = || results.iter().map(|dims| dims.iter().product::<i64>() as f64).sum();
    <dyn Cost>::of(op).map_or_else(elements, |cost| cost.flops(&operands, &results))
}
