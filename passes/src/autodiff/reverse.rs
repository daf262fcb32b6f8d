//! Reverse mode: cotangents from the results back to the inputs.

use super::body::is_float;
use std::collections::{HashMap, HashSet};
use thunder_dialect::{restated, scalar_vjp, sum_of};
use thunder_interface::{Control, Differentiate, Parts, Scalar, on_complex};
use thunder_ir::{Builder, Error, Operation, Result, Value};

/// Builds the cotangents of `inputs` from those of some values that `ops` compute; `None` is zero.
///
/// `ops` are in order and `seeds` pairs each value with its cotangent. A value that is used several
/// times gets the sum of what its uses give.
pub fn pullback<'c>(
    b: &Builder<'c>,
    ops: &[Operation<'c>],
    inputs: &[Value<'c>],
    seeds: Vec<(Value<'c>, Value<'c>)>,
) -> Result<Vec<Option<Value<'c>>>> {
    let active = active(ops, inputs);
    let mut cotangents = HashMap::new();
    let add = |cotangents: &mut HashMap<Value<'c>, Value<'c>>, value: Value<'c>, cotangent: Value<'c>| -> Result {
        if !active.contains(&value) {
            return Ok(());
        }
        let cotangent = restated(b, cotangent, value)?;
        let total = match cotangents.get(&value) {
            Some(before) => sum_of(b, *before, cotangent)?,
            None => cotangent,
        };
        cotangents.insert(value, total);
        Ok(())
    };
    for (value, cotangent) in seeds {
        add(&mut cotangents, value, cotangent)?;
    }
    for op in ops.iter().rev() {
        let given: Vec<Option<Value<'c>>> = op.results().map(|v| cotangents.remove(&v)).collect();
        if given.iter().all(Option::is_none) {
            continue;
        }
        b.set_location(op.location());
        let found = vjp(*op, b, &given)?;
        for (operand, cotangent) in op.operands().zip(found) {
            if let Some(cotangent) = cotangent {
                add(&mut cotangents, operand, cotangent)?;
            }
        }
    }
    Ok(inputs.iter().map(|input| cotangents.remove(input)).collect())
}

/// The values of floats that depend on `inputs`, with these.
pub fn active<'c>(ops: &[Operation<'c>], inputs: &[Value<'c>]) -> HashSet<Value<'c>> {
    let mut active: HashSet<Value<'c>> = inputs.iter().copied().collect();
    for op in ops {
        if reads(*op, &active) {
            active.extend(op.results().filter(|v| is_float(v.ty())));
        }
    }
    active
}

/// Whether `op`, or what is in a region of it, reads one of these values.
pub fn reads(op: Operation<'_>, values: &HashSet<Value<'_>>) -> bool {
    let mut found = false;
    op.walk(|op| found |= op.operands().any(|v| values.contains(&v)));
    found
}

/// Whether the gradient of `op` itself is known.
pub fn has_rule(op: Operation<'_>) -> bool {
    let is_whole = !on_complex(op) || <dyn Parts>::of(op).is_none();
    is_whole && (<dyn Differentiate>::of(op).is_some() || <dyn Scalar>::of(op).is_some())
}

/// The cotangents of the operands of `op`.
pub fn vjp<'c>(op: Operation<'c>, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
    let found = if let Some(rule) = <dyn Differentiate>::of(op) {
        rule.vjp(b, cotangents)?
    } else if let (Some(scalar), [Some(dy)]) = (<dyn Scalar>::of(op), cotangents) {
        scalar_vjp(b, op, &*scalar, *dy)?
    } else {
        return Err(no_rule(op));
    };
    if found.len() != op.operand_count() {
        let (found, operands) = (found.len(), op.operand_count());
        return Err(op.error(format!("has a gradient rule that gives {found} cotangents for {operands} operands")));
    }
    Ok(found)
}

/// What is said of an op on the way that cannot be differentiated.
pub fn no_rule(op: Operation<'_>) -> Error {
    if <dyn Control>::of(op).is_some() || op.name() == "scf.while" {
        return op.error("is a loop, through which no gradient is taken: leave its operands out of 'wrt'");
    }
    if op.region_count() > 0 {
        return op.error("has a region, through which no gradient is taken: leave its operands out of 'wrt'");
    }
    op.error(
        "has no gradient: implement Differentiate, Scalar or Decompose for it, convert its operands to integers \
         and back if they are to count as constants, or leave them out of 'wrt'",
    )
}
