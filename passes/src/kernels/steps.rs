//! The steps of the program that a function becomes, known before it is compiled.

use std::collections::HashSet;

use thunder_interface::{Library, Strided};
use thunder_ir::{Attribute, Operation, Result, Rewriter, Value};

use super::outline::Outliner;
use super::partition::Firsts;
use super::{Missed, epilogue_of, has_epilogue, layout, partition};
use crate::machine::Machine;
use crate::shapes::Shapes;

/// One step of a program.
pub struct Step<'c> {
    /// The call of a kernel or the op of a library; of a product with an epilogue both, the product first.
    pub ops: Vec<Operation<'c>>,
    /// The values that it reads.
    pub reads: Vec<Value<'c>>,
    /// Those that it makes.
    pub makes: Vec<Value<'c>>,
    /// Whether it is a kernel and nothing else, which others can be one job with.
    pub is_launch: bool,
}

/// Cuts a copy of a function into kernels as `--thunder-kernels` would for a machine, hands it over with its shapes and the
/// calls of kernels, and takes it back.
pub fn with_kernels<'c, T>(
    function: Operation<'c>,
    machine: &Machine,
    look: impl FnOnce(Operation<'c>, &Shapes<'c>, &[Cut<'c>]) -> Result<T>,
) -> Result<T> {
    let module = function.block().ok_or_else(|| function.error("is in no module"))?;
    let before: HashSet<Operation<'c>> = module.operations().into_iter().collect();
    let copy = Rewriter::at_end_of(module, function.location()).clone_op(function);
    let name = function.attribute("sym_name").and_then(|a| a.as_string()).unwrap_or_default();
    copy.set_attribute("sym_name", Attribute::string(function.context(), &format!("{name}_cut")));
    let outcome = cut(copy, machine).and_then(|cuts| look(copy, &Shapes::of(copy)?, &cuts));
    for op in module.operations().into_iter().filter(|op| !before.contains(op)) {
        Rewriter::at(op).erase(op)?;
    }
    outcome
}

/// A group of ops as a call of a kernel.
pub struct Cut<'c> {
    /// The number of the group.
    pub group: usize,
    /// The call.
    pub call: Operation<'c>,
    /// The groups that it could not be one with.
    pub missed: Vec<Missed<'c>>,
}

/// Cuts a function into kernels of a machine, which join its module.
pub fn cut<'c>(function: Operation<'c>, machine: &Machine) -> Result<Vec<Cut<'c>>> {
    let module = function.block().ok_or_else(|| function.error("is in no module"))?;
    let firsts = if machine.is_gpu { Firsts::of(function)? } else { Firsts::default() };
    let shapes = Shapes::of(function)?;
    let parts = partition::partition(function, &shapes, partition::Grouping::of(machine), &firsts)?;
    let mut missed: Vec<_> = parts.groups.iter().map(|group| group.missed.clone()).collect();
    let calls = Outliner::new(module, false).outline(function, &shapes, parts)?;
    let calls = calls.into_iter();
    Ok(calls.map(|(group, call)| Cut { group, call, missed: std::mem::take(&mut missed[group]) }).collect())
}

/// The steps of a function that is cut into kernels, in order: views, constants and sizes are none, and a product is one
/// with the kernel that runs on its blocks, where a machine has such.
pub fn steps<'c>(function: Operation<'c>, shapes: &Shapes<'c>, machine: &Machine) -> Vec<Step<'c>> {
    let operations = function.region(0).entry().map_or_else(Vec::new, |block| block.operations());
    let operations = operations.into_iter().filter(|op| !op.has_trait("terminator"));
    operations.filter_map(|op| step(op, shapes, !machine.is_gpu)).collect()
}

fn step<'c>(op: Operation<'c>, shapes: &Shapes<'c>, has_blocks: bool) -> Option<Step<'c>> {
    let (mut reads, mut makes): (Vec<_>, Vec<_>) = (op.operands().collect(), op.results().collect());
    if op.name() == "func.call" {
        let epilogue = epilogue_of(op, shapes).filter(|_| has_blocks);
        let mut ops = vec![op];
        for product in epilogue.iter().map(|epilogue| epilogue.product) {
            reads.extend(product.operands());
            makes.extend(product.results());
            ops.insert(0, product);
        }
        return Some(Step { ops, reads, makes, is_launch: has_blocks && epilogue.is_none() });
    }
    if <dyn Library>::of(op).is_some_and(|library| library.library().is_some()) {
        return (!(has_blocks && has_epilogue(op, shapes))).then(|| Step {
            ops: vec![op],
            reads,
            makes,
            is_launch: false,
        });
    }
    let is_free = op.has_trait("constant_like") || makes.iter().all(|v| v.ty().as_tensor().is_none());
    let is_view =
        <dyn Strided>::of(op).is_some() && makes.iter().all(|v| layout(*v, shapes).is_some_and(|(root, _)| root != *v));
    (!is_free && !is_view).then(|| Step { ops: vec![op], reads, makes, is_launch: false })
}

/// The number of each step's job: launches one after another that need nothing of each other are one job, as in the
/// runtime. `root` is the value that owns the memory of another.
pub fn jobs<'c>(steps: &[Step<'c>], root: &dyn Fn(Value<'c>) -> Value<'c>) -> Vec<usize> {
    let (mut number, mut is_open, mut written) = (0, false, HashSet::new());
    let job = |step: &Step<'c>| {
        let is_apart = step.reads.iter().all(|value| !written.contains(&root(*value)));
        if !(is_open && step.is_launch && is_apart) {
            number += 1;
            written.clear();
        }
        is_open = step.is_launch;
        written.extend(step.makes.iter().map(|value| root(*value)));
        number
    };
    steps.iter().map(job).collect()
}
