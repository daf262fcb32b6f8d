//! Bodies of functions that are differentiated: copies with what stands in the way unfolded.

use super::reverse::{active, has_rule, no_rule, reads};
use std::collections::HashMap;
use thunder_interface::{Memory, MemoryAccess, dtype_of, inherit_checkpoint, simpler};
use thunder_ir::{Attribute, Block, Builder, Operation, Region, Result, Rewriter, Type, Value};

use crate::functionalize::resolve;
use crate::inline::inline;

/// How often calls and composites may contain calls and composites, before that counts as endless.
const DEPTH_LIMIT: usize = 64;

/// Whether gradients exist of values of this type: floats of any width, and complex numbers.
pub fn is_float(ty: Type<'_>) -> bool {
    ty.as_tensor().and_then(|t| dtype_of(t.element())).is_some_and(|dtype| dtype.has_fractions())
}

/// The function `name` of a module.
pub fn find<'c>(module: Operation<'c>, name: &str) -> Option<Operation<'c>> {
    let block = module.regions().next()?.entry()?;
    let is_named = |op: &Operation<'c>| op.attribute("sym_name").and_then(|a| a.as_string()) == Some(name);
    block.operations().into_iter().find(is_named)
}

/// A copy of `function` after it, in which every op that depends on the arguments `wrt` has a rule.
pub fn copied<'c>(function: Operation<'c>, name: &str, wrt: &[usize]) -> Result<Operation<'c>> {
    let blocks: Vec<Block<'c>> = function.regions().flat_map(Region::blocks).collect();
    if blocks.len() != 1 {
        return Err(function.error(format!("has {} blocks, but only one can be differentiated", blocks.len())));
    }
    let rewriter = Rewriter::at(function);
    rewriter.after(function);
    let copy = rewriter.clone_op(function);
    copy.set_attribute("sym_name", Attribute::string(function.context(), name));
    match unfold(copy, wrt) {
        Ok(()) => Ok(copy),
        Err(error) => {
            rewriter.erase(copy)?;
            Err(error)
        }
    }
}

fn unfold(function: Operation<'_>, wrt: &[usize]) -> Result {
    let block = function.region(0).entry().ok_or_else(|| function.error("has no body"))?;
    let inputs: Vec<Value<'_>> = wrt.iter().map(|index| block.argument(*index)).collect();
    for _ in 0..DEPTH_LIMIT {
        // What memory holds is a value, which has a gradient.
        resolve_reads(block)?;
        let ops = block.operations();
        let active = active(&ops, &inputs);
        let without_rule: Vec<_> = ops
            .into_iter()
            .filter(|op| reads(*op, &active) && !has_rule(*op) && !op.has_trait("terminator"))
            .filter(|op| op.results().any(|v| is_float(v.ty())))
            .collect();
        if without_rule.is_empty() {
            return Ok(());
        }
        for op in without_rule {
            replace(op)?;
        }
    }
    Err(function.error(format!("still has calls or composites after {DEPTH_LIMIT} steps of unfolding")))
}

/// Replaces reads of memory by values. Writes stay: a derivative has the effects of the function.
fn resolve_reads(block: Block<'_>) -> Result {
    let reads =
        |op: Operation<'_>| <dyn Memory>::of(op).is_some_and(|m| matches!(m.access(), MemoryAccess::Read { .. }));
    if block.operations().into_iter().any(reads) {
        resolve(block)?;
    }
    Ok(())
}

/// Replaces a call by what it calls, or a composite by its decomposition.
fn replace(op: Operation<'_>) -> Result {
    let rewriter = Rewriter::at(op);
    if op.name() == "func.call" {
        return inline(op);
    }
    let Some(composite) = simpler(op) else { return Err(no_rule(op)) };
    let values = composite.decompose(&rewriter)?;
    inherit_checkpoint(op, &values);
    rewriter.replace(op, &values)
}

/// Copies `op` with the values that it reads replaced, and adds its results to them.
pub fn cloned<'c>(b: &Builder<'c>, op: Operation<'c>, values: &mut HashMap<Value<'c>, Value<'c>>) -> Operation<'c> {
    let copy = b.clone_op(op);
    copy.walk(|inner| {
        for index in 0..inner.operand_count() {
            if let Some(value) = values.get(&inner.operand(index)) {
                inner.set_operand(index, *value);
            }
        }
    });
    values.extend(op.results().zip(copy.results()));
    copy
}

/// Erases what nothing needs.
pub fn sweep(block: Block<'_>) -> Result {
    for op in block.operations().into_iter().rev() {
        if op.results().all(|v| v.is_unused()) && op.is_pure() && !op.has_trait("terminator") {
            Rewriter::at(op).erase(op)?;
        }
    }
    Ok(())
}
