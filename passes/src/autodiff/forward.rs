//! Forward mode: tangents from the inputs on to the results.
//!
//! An op that has no forward rule of its own needs none: its reverse rule is a linear map from
//! cotangents of results to cotangents of operands, and differentiating that by its argument, in
//! reverse, transposes it.

use super::body::is_float;
use super::reverse::{no_rule, pullback, vjp};
use std::collections::HashMap;
use thunder_dialect::{restated, zeros_like};
use thunder_interface::Differentiate;
use thunder_ir::{Builder, Operation, Result, Value};

/// Builds the tangents of `results` from those of some inputs of `ops`, which are in order; `None` is
/// zero.
pub fn pushforward<'c>(
    b: &Builder<'c>,
    ops: &[Operation<'c>],
    inputs: HashMap<Value<'c>, Value<'c>>,
    results: &[Value<'c>],
) -> Result<Vec<Option<Value<'c>>>> {
    let mut tangents = inputs;
    for op in ops {
        let given: Vec<Option<Value<'c>>> = op.operands().map(|v| tangents.get(&v).copied()).collect();
        if given.iter().all(Option::is_none) || !op.results().any(|v| is_float(v.ty())) {
            continue;
        }
        b.set_location(op.location());
        for (result, tangent) in op.results().zip(jvp(*op, b, &given)?) {
            if let Some(tangent) = tangent {
                tangents.insert(result, restated(b, tangent, result)?);
            }
        }
    }
    Ok(results.iter().map(|result| tangents.get(result).copied()).collect())
}

/// The tangents of the results of `op`.
fn jvp<'c>(op: Operation<'c>, b: &Builder<'c>, tangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
    if let Some(found) = <dyn Differentiate>::of(op).and_then(|rule| rule.jvp(b, tangents)) {
        return found;
    }
    let stands: Vec<Option<Value<'c>>> =
        op.results().map(|v| is_float(v.ty()).then(|| zeros_like(b, v)).transpose()).collect::<Result<_>>()?;
    let inputs: Vec<Value<'c>> = stands.iter().flatten().copied().collect();
    let last = inputs.last().and_then(|v| v.defining_op()).ok_or_else(|| no_rule(op))?;
    let cotangents = vjp(op, b, &stands)?;
    let map = following(last);
    let seeds = cotangents.into_iter().zip(tangents).filter_map(|(dx, tangent)| Some((dx?, (*tangent)?)));
    let mut found = pullback(b, &map, &inputs, seeds.collect())?.into_iter();
    Ok(stands.into_iter().map(|stand| stand.and_then(|_| found.next().flatten())).collect())
}

/// The operations after `op` and before the terminator.
fn following(op: Operation<'_>) -> Vec<Operation<'_>> {
    let after = std::iter::successors(op.next(), |op| op.next());
    after.take_while(|op| !op.has_trait("terminator")).collect()
}
