//! Lets kernels write what they compute in the order of dimensions in which it is needed.

use thunder_interface::{Cost, Strided};
use thunder_ir::{Operation, Value};

use super::{Partitioner, permutation, seen};

/// Neighbouring elements at least that stay neighbours: as many as the widest access of a GPU holds of the narrowest floats.
const ADJACENT: i64 = 8;

impl<'c> Partitioner<'_, 'c> {
    /// Joins each group that only rearranges what another computes element by element, for nobody else, with that one: what
    /// is rearranged needs no memory.
    ///
    /// Each thread of a GPU computes the elements that it writes wherever they come from, so that such a group has no rows.
    pub(super) fn merge_rearranged(&mut self) {
        for group in 0..self.groups.len() {
            if let Some(maker) = self.rearranges(group) {
                self.merge(maker, group);
                self.groups[group].rows = 0;
            }
        }
    }

    /// The group whose only result a group moves about, and nothing else.
    fn rearranges(&self, group: usize) -> Option<usize> {
        let [op] = self.groups[group].own[..] else { return None };
        // From the result back to what is computed, and the view of that which is taken first.
        let (mut value, mut first) = (op.result(0), None);
        loop {
            let maker = value.defining_op()?;
            if !self.groups[group].ops.contains(&maker) {
                break;
            }
            <dyn Strided>::of(maker)?;
            let rest = first.replace(maker);
            // The rest takes all elements in their order.
            let is_whole = |rest| seen(rest, self.shapes).is_some_and(|view| view.is_dense());
            if rest.is_some_and(|rest| !is_whole(rest)) {
                return None;
            }
            value = maker.operand(0);
        }
        let maker = *self.group_of.get(&value.defining_op()?).filter(|maker| **maker != group)?;
        let (first, made) = (first?, &self.groups[maker]);
        let leaves = |value: Value<'c>| value.uses().iter().any(|(user, _)| !made.ops.contains(user));
        let is_only = made.own.iter().flat_map(|op| op.results()).all(|other| other == value || !leaves(other));
        let is_alone = value.uses().len() == 1;
        (is_only && is_alone && self.is_reordered(first) && self.is_of_elements(maker) && !self.may_be_epilogue(maker))
            .then_some(maker)
    }

    /// Whether an op sees all elements of its operand, in another order of dimensions but the last.
    fn is_reordered(&self, op: Operation<'c>) -> bool {
        let last = self.shapes.dims(op.operand(0)).last().and_then(|size| size.known());
        last.is_some_and(|last| last % ADJACENT == 0) && permutation(op, self.shapes).is_some()
    }

    /// Whether a group computes element by element, and moves elements about.
    fn is_of_elements(&self, group: usize) -> bool {
        // What takes no arithmetic, such as padding, moves elements.
        let moves = |op: Operation<'c>| {
            let sizes = |values: &mut dyn Iterator<Item = Value<'c>>| {
                values.map(|value| vec![1; self.shapes.dims(value).len()]).collect::<Vec<_>>()
            };
            let (operands, results) = (sizes(&mut op.operands()), sizes(&mut op.results()));
            <dyn Cost>::of(op).is_some_and(|cost| cost.flops(&operands, &results) <= 0.0)
        };
        let mut ops = self.groups[group].ops.iter();
        ops.all(|op| {
            let is_free = op.has_trait("constant_like") || <dyn Strided>::of(*op).is_some();
            is_free || op.has_trait("elementwise") || moves(*op)
        })
    }
}
