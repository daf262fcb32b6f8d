//! Turns functions that read and write memory into functions of values.
//!
//! Needs: functions that write memory are not called (`--thunder-inline`). Guarantees: no op reads or writes memory.
//! What the memory of an argument holds at the end is a result of its own, after the others, with `thunder.updates`,
//! the number of the argument: who runs the function puts it there, or lets it be made there. A part of memory that is
//! written becomes an op that replaces this part of the whole.

use std::collections::HashMap;

use thunder_dialect::restated;
use thunder_interface::{Memory, MemoryAccess, NAME, PARAMETER, UPDATES, memory_of};
use thunder_ir::{Blueprint, prelude::*};

use crate::shapes::find_function;

/// Makes what memory holds a value, and what it holds at the end a result.
#[pass("thunder-functionalize", on = "builtin.module", dialects("arith", "func", "thunder"))]
pub struct Functionalize {}

impl Pass for Functionalize {
    fn run(&self, module: Operation<'_>, cx: &PassContext<'_>) -> Result {
        let body = module.regions().next().and_then(|r| r.entry()).ok_or_else(|| module.error("has no body"))?;
        let functions: Vec<Operation<'_>> =
            body.operations().into_iter().filter(|op| op.name() == "func.func").collect();
        for function in &functions {
            check_calls(*function)?;
        }
        for function in functions {
            cx.count("updated arguments", functionalize(function)?);
        }
        Ok(())
    }
}

/// A call cannot give back what the called function writes.
fn check_calls(function: Operation<'_>) -> Result {
    let mut outcome = Ok(());
    function.walk(|op| {
        let name = op.attribute("callee").and_then(|a| a.as_symbol()).filter(|_| op.name() == "func.call");
        let Some(callee) = name.and_then(|name| find_function(op, name)) else { return };
        let mut uses_memory = false;
        callee.walk(|inner| uses_memory |= <dyn Memory>::of(inner).is_some());
        if uses_memory && outcome.is_ok() {
            let name = name.unwrap_or_default();
            outcome = Err(op.error(format!("calls '@{name}', which uses memory: inline it first (--thunder-inline)")));
        }
    });
    outcome
}

/// Functionalizes one function; how many of its arguments it updates.
fn functionalize(function: Operation<'_>) -> Result<u64> {
    let mut ops = Vec::new();
    function.walk(|op| {
        if <dyn Memory>::of(op).is_some() {
            ops.push(op);
        }
    });
    let Some(first) = ops.first() else { return Ok(0) };
    let blocks: Vec<Block<'_>> = function.regions().flat_map(Region::blocks).collect();
    let [block] = blocks[..] else {
        return Err(
            first.error(format!("uses memory in a function of {} blocks: only one can be ordered", blocks.len()))
        );
    };
    let contents = resolve(block)?;
    for op in ops.into_iter().filter(|op| op.is_alive()) {
        Rewriter::at(op).erase(op)?;
    }
    let terminator = block.terminator().ok_or_else(|| function.error("does not return"))?;
    let returned: Vec<Value<'_>> = terminator.operands().chain(contents.iter().map(|(_, value)| *value)).collect();
    let inputs: Vec<Type<'_>> = block.arguments().map(Value::ty).collect();
    let results: Vec<Type<'_>> = returned.iter().map(|v| v.ty()).collect();
    let cx = function.context();
    let list = |name: &str| function.attribute(name).and_then(|a| a.as_array()).unwrap_or_default();
    let (arguments, mut attributes) = (list("arg_attrs"), list("res_attrs"));
    attributes.resize(terminator.operand_count(), Attribute::dictionary(cx, &[]));
    for (argument, _) in &contents {
        let known = |key: &str| arguments.get(*argument).and_then(|a| a.entry(key));
        let name = known(PARAMETER).or_else(|| known(NAME));
        let mut entries: Vec<(&str, Attribute<'_>)> = name.map(|name| (NAME, name)).into_iter().collect();
        entries.push((UPDATES, Attribute::i64(cx, *argument as i64)));
        attributes.push(Attribute::dictionary(cx, &entries));
    }
    let rewriter = Rewriter::at(terminator);
    rewriter.insert(&Blueprint::new("func.return").operands(returned))?;
    rewriter.erase(terminator)?;
    function.set_attribute("function_type", Attribute::of_type(Type::function(cx, &inputs, &results)));
    function.set_attribute("res_attrs", Attribute::array(cx, &attributes));
    Ok(contents.len() as u64)
}

/// Replaces reads of memory by the values that it holds then, and builds what it holds at the end for each argument that
/// is written, by number. Writes stay, for who calls this to erase or to keep.
pub fn resolve<'c>(block: Block<'c>) -> Result<Vec<(usize, Value<'c>)>> {
    let mut contents: HashMap<Value<'c>, Value<'c>> = HashMap::new();
    for op in block.operations() {
        let Some(memory) = <dyn Memory>::of(op) else {
            let mut inside = Ok(());
            op.walk(|inner| {
                if <dyn Memory>::of(inner).is_some() && inside.is_ok() {
                    inside = Err(inner.error("uses memory inside of another op, where the order is unknown"));
                }
            });
            inside?;
            continue;
        };
        let rewriter = Rewriter::at(op);
        let access = memory.access();
        let (MemoryAccess::Read { from: shown } | MemoryAccess::Write { into: shown, .. }) = access;
        let target = op.operand(shown);
        let (root, views) = memory_of(op, target)?;
        // What each view on the way shows now.
        let mut wholes = vec![contents.get(&root).copied().unwrap_or(root)];
        for view in &views {
            let shown = wholes.last().copied().unwrap_or(root);
            let now = if shown == view.operand(0) {
                view.result(0)
            } else {
                let copy = rewriter.clone_op(*view);
                copy.set_operand(0, shown);
                copy.result(0)
            };
            wholes.push(now);
        }
        match access {
            MemoryAccess::Read { .. } => {
                let now = wholes.pop().unwrap_or(root);
                rewriter.replace(op, &[restated(&rewriter, now, op.result(0))?])?;
            }
            MemoryAccess::Write { value, .. } => {
                let mut now = restated(&rewriter, op.operand(value), target)?;
                for (view, whole) in views.iter().zip(&wholes).rev() {
                    let alias = <dyn thunder_interface::Alias>::of(*view).ok_or_else(|| view.error("is no view"))?;
                    now = restated(&rewriter, alias.scatter(&rewriter, *whole, now)?, view.operand(0))?;
                }
                contents.insert(root, now);
            }
        }
    }
    let number = |v: Value<'c>| v.block_argument().filter(|(owner, _)| *owner == block).map(|(_, index)| index);
    let mut written: Vec<(usize, Value<'c>)> =
        contents.into_iter().filter_map(|(root, value)| Some((number(root)?, value))).collect();
    written.sort_unstable_by_key(|(index, _)| *index);
    Ok(written)
}
