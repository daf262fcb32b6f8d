//! Replaces calls by what they call.
//!
//! Guarantees: no call is left of a function that the module defines, but of kernels. Functions that are called stay.
//! A function that reads or writes the memory of an argument then does so with that of the caller: what the call
//! passes there must be an argument of the caller, or a view of one, that nothing has written before and that is not
//! passed twice. MLIR's inliner asks an interface that a dialect written in Rust does not have.

use std::collections::{HashMap, HashSet};

use thunder_interface::{Memory, MemoryAccess, inherit_checkpoint, memory_of};
use thunder_ir::prelude::*;

use crate::KERNEL;
use crate::autodiff::cloned;
use crate::shapes::find_function;

/// Inlines every call.
#[pass("thunder-inline", on = "builtin.module")]
pub struct Inline {}

impl Pass for Inline {
    fn run(&self, module: Operation<'_>, cx: &PassContext<'_>) -> Result {
        let body = module.regions().next().and_then(|r| r.entry()).ok_or_else(|| module.error("has no body"))?;
        let mut inliner = Inliner::default();
        for function in body.operations() {
            inliner.visit(function)?;
        }
        cx.count("calls", inliner.calls);
        Ok(())
    }
}

#[derive(Default)]
struct Inliner<'c> {
    done: HashSet<Operation<'c>>,
    open: Vec<Operation<'c>>,
    calls: u64,
}

impl<'c> Inliner<'c> {
    /// Inlines the calls of a function, after those of what it calls.
    fn visit(&mut self, function: Operation<'c>) -> Result {
        if self.done.contains(&function) {
            return Ok(());
        }
        self.open.push(function);
        let mut calls = Vec::new();
        function.walk(|op| {
            if op.name() == "func.call" {
                calls.push(op);
            }
        });
        for call in calls {
            let name = call.attribute("callee").and_then(|a| a.as_symbol()).unwrap_or_default();
            let Some(callee) = find_function(call, name) else { continue };
            if callee.attribute(KERNEL).is_some() || callee.region(0).entry().is_none() {
                continue;
            }
            if self.open.contains(&callee) {
                return Err(call.error(format!("calls '@{name}', which calls itself, and so cannot be inlined")));
            }
            self.visit(callee)?;
            inline(call)?;
            self.calls += 1;
        }
        self.open.pop();
        self.done.insert(function);
        Ok(())
    }
}

/// Replaces a call by what it calls.
pub fn inline(call: Operation<'_>) -> Result {
    let rewriter = Rewriter::at(call);
    let name = call.attribute("callee").and_then(|a| a.as_symbol()).unwrap_or_default();
    let callee =
        find_function(call, name).ok_or_else(|| call.error(format!("calls '@{name}', which does not exist")))?;
    let blocks: Vec<Block<'_>> = callee.regions().flat_map(Region::blocks).collect();
    let [block] = blocks[..] else {
        return Err(call.error(format!("calls '@{name}', which has {} blocks instead of one", blocks.len())));
    };
    check_memory(call, name, block)?;
    let mut values: HashMap<Value<'_>, Value<'_>> = block.arguments().zip(call.operands()).collect();
    for op in block.operations() {
        if op.has_trait("terminator") {
            let results: Vec<_> = op.operands().map(|v| values.get(&v).copied().unwrap_or(v)).collect();
            inherit_checkpoint(call, &results);
            return rewriter.replace(call, &results);
        }
        cloned(&rewriter, op, &mut values);
    }
    Err(callee.error("does not return"))
}

/// Whether the memory that a call passes is what the called function takes it for.
fn check_memory<'c>(call: Operation<'c>, name: &str, block: Block<'c>) -> Result {
    let mut accessed: HashMap<usize, bool> = HashMap::new();
    for op in block.operations() {
        let Some(memory) = <dyn Memory>::of(op) else { continue };
        let (operand, is_write) = match memory.access() {
            MemoryAccess::Read { from } => (from, false),
            MemoryAccess::Write { into, .. } => (into, true),
        };
        if let Some((_, argument)) = memory_of(op, op.operand(operand))?.0.block_argument() {
            *accessed.entry(argument).or_default() |= is_write;
        }
    }
    let mut accessed: Vec<(usize, bool)> = accessed.into_iter().collect();
    accessed.sort_unstable();
    let roots: Vec<Option<Value<'c>>> =
        call.operands().map(|v| memory_of(call, v).ok().map(|(root, _)| root)).collect();
    for (argument, is_write) in accessed {
        let (root, _) = memory_of(call, call.operand(argument))?;
        let is_same = |other: &usize| *other != argument && roots[*other] == Some(root);
        if let Some(other) = (0..roots.len()).find(is_same).filter(|_| is_write) {
            return Err(call.error(format!(
                "passes one memory as arguments #{} and #{} of '@{name}', which writes it: the order is unknown",
                argument.min(other),
                argument.max(other)
            )));
        }
        if written_before(call, root)? {
            return Err(call.error(format!(
                "passes memory as argument #{argument} of '@{name}' that has been written before, so that it does not \
                 hold what the function takes it for: read it, or write it after the call"
            )));
        }
    }
    Ok(())
}

/// Whether an op before `call` writes the memory of `root`.
fn written_before<'c>(call: Operation<'c>, root: Value<'c>) -> Result<bool> {
    let Some(block) = call.block() else { return Ok(false) };
    for op in block.operations().into_iter().take_while(|op| *op != call) {
        if let Some(MemoryAccess::Write { into, .. }) = <dyn Memory>::of(op).map(|memory| memory.access())
            && memory_of(op, op.operand(into))?.0 == root
        {
            return Ok(true);
        }
    }
    Ok(false)
}
