//! Makes one loop nest of several over the same elements, so that each tensor is read once.
//!
//! Needs: `linalg` on tensors. Guarantees: the same values. MLIR's `linalg-fuse-elementwise-ops` moves a loop nest into the
//! only one that reads its result; here are those whose results several read, or that read the same. What an elementwise
//! one makes for another is then a scalar, and is in memory only if somebody else reads it; what a reduction makes is
//! there when it ends, so that none that reads it can join.

use thunder_ir::prelude::*;
use thunder_ir::{Attribute, Blueprint, Value};

/// Merges loops over the same elements.
#[pass("thunder-merge-loops", on = "builtin.module", dialects("linalg"))]
pub struct MergeLoops {}

impl Pass for MergeLoops {
    fn run(&self, module: Operation<'_>, cx: &PassContext<'_>) -> Result {
        let mut blocks: Vec<Block<'_>> = Vec::new();
        module.walk(|op| {
            if op.name() == "func.func" {
                blocks.extend(op.regions().flat_map(Region::blocks));
            }
        });
        for block in blocks {
            cx.count("loops merged", merge(block)?);
        }
        Ok(())
    }
}

fn merge(block: Block<'_>) -> Result<u64> {
    let mut loops: Vec<Operation<'_>> = Vec::new();
    let mut merged = 0;
    for op in block.operations().into_iter().filter(|op| is_loop_nest(*op)) {
        let mut joint = op;
        // The nearest first. What results may merge with those before it in turn.
        for earlier in (0..loops.len()).rev() {
            if let Some(before) = place(loops[earlier], joint) {
                joint = fuse(loops.remove(earlier), joint, before)?;
                merged += 1;
            }
        }
        loops.push(joint);
    }
    Ok(merged)
}

/// Whether an op is a loop nest that computes results from scalars alone: of each element, where nothing is reduced.
fn is_loop_nest(op: Operation<'_>) -> bool {
    if op.name() != "linalg.generic" {
        return false;
    }
    let outputs = &list(op, "indexing_maps")[inputs(op)..];
    let is_simple = op.region(0).entry().is_some_and(|body| {
        let scalar = |value: Value<'_>| value.ty().as_tensor().is_none();
        body.operations().into_iter().all(|inner| inner.region_count() == 0 && inner.operands().all(scalar))
    });
    is_simple && (!is_elementwise(op) || outputs.iter().all(|map| is_identity(*map, list(op, "iterator_types").len())))
}

fn is_elementwise(op: Operation<'_>) -> bool {
    list(op, "iterator_types").iter().all(|kind| kind.to_string().contains("parallel"))
}

fn list<'c>(op: Operation<'c>, name: &str) -> Vec<Attribute<'c>> {
    op.attribute(name).and_then(|a| a.as_array()).unwrap_or_default()
}

/// The operands that are not initial values of results.
fn inputs(op: Operation<'_>) -> usize {
    op.operand_count() - op.result_count()
}

fn is_identity(map: Attribute<'_>, loops: usize) -> bool {
    let dims: Vec<_> = (0..loops).map(|i| format!("d{i}")).collect();
    let dims = dims.join(", ");
    map.to_string() == format!("affine_map<({dims}) -> ({dims})>")
}

/// The op before which two loop nests, in their order, can be one; `None` where they cannot.
fn place<'c>(first: Operation<'c>, second: Operation<'c>) -> Option<Operation<'c>> {
    if !is_same_domain(first, second) {
        return None;
    }
    let is_ready = |value: Value<'c>| value.defining_op().is_none_or(|op| op == first || op.is_before(first));
    if second.operands().all(is_ready) {
        return Some(first);
    }
    let waits = |value: Value<'c>| {
        value
            .uses()
            .into_iter()
            .all(|(user, _)| outermost(user, second).is_some_and(|op| op == second || second.is_before(op)))
    };
    first.results().all(waits).then_some(second)
}

/// The op beside `other` that `op` is or is within.
fn outermost<'c>(op: Operation<'c>, other: Operation<'c>) -> Option<Operation<'c>> {
    let mut ops = std::iter::successors(Some(op), |op| op.block().and_then(Block::parent));
    ops.find(|op| op.block() == other.block())
}

/// Whether two loop nests are over the same elements, and what one reads of the other is the element that it makes.
fn is_same_domain<'c>(first: Operation<'c>, second: Operation<'c>) -> bool {
    let (own, other) = (list(first, "indexing_maps"), list(second, "indexing_maps"));
    let iterators = list(second, "iterator_types");
    let loops = iterators.len();
    if list(first, "iterator_types") != iterators {
        return false;
    }
    let mut is_linked = is_elementwise(first)
        && first.result(0).ty().as_tensor().is_some_and(|ty| {
            let known = second.result(0).ty().as_tensor().map(|ty| ty.dims());
            ty.dims().iter().all(Option::is_some) && Some(ty.dims()) == known
        });
    for (number, value) in second.operands().enumerate() {
        let is_element = is_identity(other[number], loops);
        if value.defining_op() == Some(first) {
            if !is_element || !is_elementwise(first) {
                return false;
            }
            is_linked = true;
        }
        let reads = |at: usize| first.operand(at) == value && is_identity(own[at], loops);
        is_linked |= is_element && number < inputs(second) && (0..inputs(first)).any(reads);
    }
    is_linked
}

/// One loop nest for two, before `place`.
fn fuse<'c>(first: Operation<'c>, second: Operation<'c>, place: Operation<'c>) -> Result<Operation<'c>> {
    let cx = first.context();
    let bodies = [first, second].map(|op| op.region(0).entry());
    let [Some(one), Some(two)] = bodies else { return Err(first.error("internal: is a loop nest without body")) };
    let starts = |op: Operation<'c>, body: Block<'c>, result: usize| !body.argument(inputs(op) + result).is_unused();
    let is_read = |result: &usize| first.result(*result).uses().iter().any(|(user, _)| *user != second);
    let kept: Vec<usize> = (0..first.result_count()).filter(|r| is_read(r) || starts(first, one, *r)).collect();
    let mut operands: Vec<(Value<'c>, Attribute<'c>)> = Vec::new();
    for op in [first, second] {
        let maps = list(op, "indexing_maps");
        for number in (0..inputs(op)).filter(|number| op.operand(*number).defining_op() != Some(first)) {
            let operand = (op.operand(number), maps[number]);
            if !operands.contains(&operand) {
                operands.push(operand);
            }
        }
    }
    let count = operands.len();
    let initial = |op: Operation<'c>, result: usize| {
        (op.operand(inputs(op) + result), list(op, "indexing_maps")[inputs(op) + result])
    };
    operands.extend(kept.iter().map(|result| initial(first, *result)));
    operands.extend((0..second.result_count()).map(|result| initial(second, result)));
    let results: Vec<Value<'c>> = kept.iter().map(|r| first.result(*r)).chain(second.results()).collect();
    let maps: Vec<_> = operands.iter().map(|(_, map)| *map).collect();
    let segments = format!("array<i32: {count}, {}>", results.len());
    let segments = Attribute::parse(cx, &segments).ok_or("internal: segments are no attribute")?;
    let rewriter = Rewriter::at(place);
    rewriter.set_location(Location::fused(cx, &[first.location(), second.location()]));
    let joint = rewriter.insert(
        &Blueprint::new("linalg.generic")
            .operands(operands.iter().map(|(value, _)| *value))
            .results(results.iter().map(|value| value.ty()))
            .attribute("indexing_maps", Attribute::array(cx, &maps))
            .attribute("iterator_types", Attribute::array(cx, &list(second, "iterator_types")))
            .attribute("operandSegmentSizes", segments)
            .regions(1),
    )?;
    let arguments: Vec<_> = operands.iter().map(|(value, _)| (value.ty().element(), joint.location())).collect();
    let body = joint.region(0).append_block(&arguments);
    rewriter.at_end(body);
    // What the first makes of each element.
    let mut made: Vec<Value<'c>> = Vec::new();
    let mut yielded: Vec<Value<'c>> = Vec::new();
    for (op, block) in [(first, one), (second, two)] {
        let maps = list(op, "indexing_maps");
        let input = |number: usize| match op.operand(number).definer() {
            Some((definer, result)) if definer == first => made[result],
            _ => {
                let at = operands[..count].iter().position(|known| *known == (op.operand(number), maps[number]));
                body.argument(at.expect("each input is an operand of the joint loop nest"))
            }
        };
        let start = |result: usize| {
            let at = if op == second { Some(kept.len() + result) } else { kept.iter().position(|r| *r == result) };
            // What is not kept starts from nothing that is read.
            body.argument(at.map_or(0, |at| count + at))
        };
        let values: Vec<_> = (0..inputs(op)).map(input).chain((0..op.result_count()).map(start)).collect();
        let end = rewriter.insert(&Blueprint::new("linalg.yield"))?;
        rewriter.inline_block(block, end, &values);
        let before = body.operations();
        let own = before[before.len() - 2];
        let values: Vec<Value<'c>> = own.operands().collect();
        rewriter.erase(own)?;
        rewriter.erase(end)?;
        rewriter.at_end(body);
        if op == first {
            yielded.extend(kept.iter().map(|result| values[*result]));
            made = values;
        } else {
            yielded.extend(values);
        }
    }
    rewriter.insert(&Blueprint::new("linalg.yield").operands(yielded))?;
    for (old, new) in results.into_iter().zip(joint.results()) {
        rewriter.replace_uses(old, new);
    }
    rewriter.erase(second)?;
    rewriter.erase(first)?;
    Ok(joint)
}
