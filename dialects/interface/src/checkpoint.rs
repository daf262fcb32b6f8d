//! Regions of a program whose values are not kept for its gradients.

use std::collections::HashSet;

use thunder_ir::{Operation, Value};

/// The attribute of an op, or of a call, in a checkpoint region: the region's number.
///
/// What a region computes for itself is computed again where gradients need it; what it computes for others is kept, if
/// they need it.
pub const CHECKPOINT: &str = "thunder.checkpoint";

/// Puts what was made of `op` into its checkpoint region: all between its operands and `values`.
pub fn inherit_checkpoint<'c>(op: Operation<'c>, values: &[Value<'c>]) {
    let Some(region) = op.attribute(CHECKPOINT) else { return };
    let mut seen: HashSet<Value<'c>> = op.operands().collect();
    let mut stack = values.to_vec();
    while let Some(value) = stack.pop() {
        if let Some(maker) = value.defining_op().filter(|_| seen.insert(value)) {
            maker.set_attribute(CHECKPOINT, region);
            stack.extend(maker.operands());
        }
    }
}
