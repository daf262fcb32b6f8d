//! What of a joint function could be kept or computed again, and at what cost.

use std::collections::{HashMap, HashSet};

use thunder_interface::{CHECKPOINT, Cost, Recompute, RecomputeClass, SizeRule, Strided};
use thunder_ir::{Operation, Value};

use super::cut::{Item, Network, Task};
use crate::memory::Assumption;
use crate::shapes::Shapes;
use crate::split_joint::{Joint, operands};

/// The forward ops that the backward part depends on, in order, as a network.
pub struct Problem<'c> {
    pub ops: Vec<Operation<'c>>,
    pub values: Vec<Value<'c>>,
    pub network: Network,
    /// The floating-point operations of the whole function.
    pub flops: f64,
    /// What the backward part reads as the function is: values that have memory, and their bytes.
    pub before: (usize, u64),
}

impl<'c> Problem<'c> {
    /// The network of a function, its sizes as assumed.
    pub fn of(joint: &Joint<'c>, assumption: &Assumption) -> Self {
        let (shapes, block) = (&joint.shapes, joint.block);
        let read: HashSet<Value<'c>> = {
            let backward = joint.backward();
            backward.into_iter().flat_map(operands).filter(|v| is_candidate(joint, *v)).collect()
        };
        let needed: HashSet<Operation<'c>> = {
            let mut needed = HashSet::new();
            let mut stack: Vec<Value<'c>> = read.iter().copied().collect();
            while let Some(op) = stack.pop().and_then(Value::defining_op) {
                if needed.insert(op) {
                    stack.extend(op.operands().filter(|v| is_candidate(joint, *v)));
                }
            }
            needed
        };
        let ops: Vec<Operation<'c>> = block.operations().into_iter().filter(|op| needed.contains(op)).collect();
        let values: Vec<Value<'c>> =
            ops.iter().flat_map(|op| op.results()).filter(|v| v.ty().as_tensor().is_some()).collect();
        let task_of: HashMap<Operation<'c>, usize> = ops.iter().enumerate().map(|(i, op)| (*op, i)).collect();
        let item_of: HashMap<Value<'c>, usize> = values.iter().enumerate().map(|(i, v)| (*v, i)).collect();
        let tasks = ops.iter().map(|op| Task {
            work: work(*op, shapes, assumption),
            reads: op.operands().filter_map(|v| item_of.get(&v).copied()).collect(),
        });
        let returned: HashSet<Value<'c>> =
            block.terminator().map_or_else(HashSet::new, |terminator| terminator.operands().collect());
        let items = values.iter().map(|value| {
            let maker = value.defining_op().expect("every value here is that of an op");
            let bytes = if returned.contains(value) {
                Some(0)
            } else if is_kept_never(joint, maker) {
                None
            } else {
                Some(assumption.bytes(shapes, *value))
            };
            Item { maker: task_of[&maker], bytes, is_read: read.contains(value) }
        });
        let network = Network { tasks: tasks.collect(), items: items.collect() };
        let flops = block.operations().into_iter().map(|op| flops(op, shapes, assumption)).sum();
        let before = memory_of(&values, &network, &item_of, |value| assumption.bytes(shapes, value));
        Self { ops, values, network, flops, before }
    }
}

/// Whether a value is a tensor that the forward part computes.
fn is_candidate<'c>(joint: &Joint<'c>, value: Value<'c>) -> bool {
    value.ty().as_tensor().is_some()
        && value.defining_op().is_some_and(|op| joint.forward.contains(&op) && !op.has_trait("constant_like"))
}

/// The class of an op, by its interface or by what else is known of it.
fn class(op: Operation<'_>) -> RecomputeClass {
    if !op.is_pure() || op.region_count() > 0 {
        return RecomputeClass::Never;
    }
    if let Some(rule) = <dyn Recompute>::of(op) {
        return rule.recompute();
    }
    let generates = op.operands().all(|v| v.ty().as_tensor().is_none()) && <dyn SizeRule>::of(op).is_none();
    if generates || <dyn Strided>::of(op).is_some() { RecomputeClass::Free } else { RecomputeClass::Allowed }
}

/// Whether the results of an op are not to be kept: they cost nothing, or belong to a checkpoint region only.
fn is_kept_never<'c>(joint: &Joint<'c>, op: Operation<'c>) -> bool {
    match class(op) {
        RecomputeClass::Free => true,
        RecomputeClass::Never => false,
        RecomputeClass::Allowed | RecomputeClass::Replayed => {
            op.attribute(CHECKPOINT).and_then(|a| a.as_integer()).is_some_and(|region| !leaves(joint, op, region))
        }
    }
}

/// Whether what a region computes is used in the forward part beyond it; as whatever view.
fn leaves<'c>(joint: &Joint<'c>, op: Operation<'c>, region: i64) -> bool {
    op.results().flat_map(Value::uses).any(|(user, _)| {
        if user.has_trait("terminator") {
            return true;
        }
        let is_outside = user.attribute(CHECKPOINT).and_then(|a| a.as_integer()) != Some(region);
        joint.forward.contains(&user)
            && (is_outside || class(user) == RecomputeClass::Free && leaves(joint, user, region))
    })
}

/// What computing an op again counts as: its arithmetic, and at least one operation for each element that it makes.
fn work(op: Operation<'_>, shapes: &Shapes<'_>, assumption: &Assumption) -> Option<u64> {
    match class(op) {
        RecomputeClass::Never => None,
        RecomputeClass::Free => Some(0),
        RecomputeClass::Allowed | RecomputeClass::Replayed => {
            let elements = op.results().map(|v| assumption.dims(shapes, v).iter().product::<i64>()).sum::<i64>();
            Some((flops(op, shapes, assumption).max(elements as f64)).round() as u64)
        }
    }
}

/// The floating-point operations of an op.
fn flops<'c>(op: Operation<'c>, shapes: &Shapes<'c>, assumption: &Assumption) -> f64 {
    let dims = |v: Value<'c>| assumption.dims(shapes, v);
    let (operands, results): (Vec<_>, Vec<_>) = (op.operands().map(dims).collect(), op.results().map(dims).collect());
    <dyn Cost>::of(op).map_or(0.0, |cost| cost.flops(&operands, &results))
}

/// The memory that is read of what is computed: views count as what they are views of, each memory once.
fn memory_of<'c>(
    values: &[Value<'c>],
    network: &Network,
    item_of: &HashMap<Value<'c>, usize>,
    bytes: impl Fn(Value<'c>) -> u64,
) -> (usize, u64) {
    let mut seen = HashSet::new();
    let mut stack: Vec<usize> = (0..values.len()).filter(|i| network.items[*i].is_read).collect();
    let (mut count, mut total) = (0, 0);
    while let Some(number) = stack.pop() {
        if !seen.insert(number) {
            continue;
        }
        let maker = values[number].defining_op().filter(|op| class(*op) == RecomputeClass::Free);
        match maker {
            Some(op) => stack.extend(op.operands().filter_map(|v| item_of.get(&v).copied())),
            None if network.items[number].bytes == Some(0) => {}
            None => (count, total) = (count + 1, total + bytes(values[number])),
        }
    }
    (count, total)
}
