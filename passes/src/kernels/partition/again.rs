//! What kernels compute again instead of reading it, so that it needs no memory at all.

use thunder_interface::Cost;
use thunder_ir::{Operation, Value};

use super::{Holders, Partitioner, holders_of};

/// Operations for an element, at most, of what is computed again: in the time that its bytes would take twice, once each way,
/// a GPU computes more.
const LITTLE: f64 = 32.0;

impl<'c> Partitioner<'_, 'c> {
    /// Repeats what one group makes and others read in these, where they read what it is made from in any case, and nobody
    /// else needs it: nothing more is read, and it is not written.
    pub(super) fn compute_again(&mut self) {
        let mut holders = holders_of(&self.groups);
        for group in 0..self.groups.len() {
            // What is made later may be made of what is made before.
            let own: Vec<Operation<'c>> = self.groups[group].own.iter().rev().copied().collect();
            for op in own {
                if let Some(readers) = self.again(group, op, &holders) {
                    self.repeat(group, op, &readers, &mut holders);
                }
            }
        }
    }

    /// The other groups that read what an op of a group makes, if each may make it again.
    fn again(&self, group: usize, op: Operation<'c>, holders: &Holders<'c>) -> Option<Vec<usize>> {
        let [value] = op.results().collect::<Vec<_>>()[..] else { return None };
        if !op.has_trait("elementwise") || value.ty().as_tensor().is_none() || !self.takes_little(op) {
            return None;
        }
        let mut readers = Vec::new();
        for (user, _) in value.uses() {
            // Who stays needs the value.
            if self.is_taken(user) {
                return None;
            }
            readers.extend(holders.get(&user)?.iter().copied().filter(|reader| *reader != group));
        }
        readers.sort_unstable();
        readers.dedup();
        (!readers.is_empty() && readers.iter().all(|reader| self.has_what_it_takes(*reader, op))).then_some(readers)
    }

    fn takes_little(&self, op: Operation<'c>) -> bool {
        let ones = |values: usize| vec![vec![1]; values];
        let cost = <dyn Cost>::of(op).map_or(1.0, |cost| cost.flops(&ones(op.operand_count()), &ones(1)));
        cost <= LITTLE
    }

    /// Whether a group reads all that an op is made from, or makes it, and may make the op's result as well.
    fn has_what_it_takes(&self, group: usize, op: Operation<'c>) -> bool {
        let reader = &self.groups[group];
        let added: Vec<Operation<'c>> =
            self.repeated(op).into_iter().chain([op]).filter(|op| !reader.ops.contains(op)).collect();
        let reads = |value: Value<'c>| {
            let is_here = |maker: Operation<'c>| reader.ops.contains(&maker) || added.contains(&maker);
            value.ty().as_tensor().is_none()
                || value.defining_op().is_some_and(is_here)
                || reader.ops.iter().any(|op| op.has_trait("elementwise") && op.operands().any(|read| read == value))
        };
        let mut ops = [&reader.ops[..], &added].concat();
        ops.sort_by_key(|op| self.position[op]);
        added.iter().flat_map(|op| op.operands()).all(reads)
            && reader.rows > 0
            && self.fits(&ops, &[], reader.rows, &reader.dims)
    }

    /// Adds an op of a group to others; that one keeps it if it needs it itself.
    fn repeat(&mut self, group: usize, op: Operation<'c>, readers: &[usize], holders: &mut Holders<'c>) {
        let with = self.repeated(op);
        for reader in readers {
            let ops = &mut self.groups[*reader].ops;
            for op in with.iter().chain([&op]) {
                if !ops.contains(op) {
                    ops.push(*op);
                    holders.entry(*op).or_default().push(*reader);
                }
            }
            ops.sort_by_key(|op| self.position[op]);
        }
        let maker = &mut self.groups[group];
        let is_needed = op.results().flat_map(Value::uses).any(|(user, _)| maker.ops.contains(&user));
        if !is_needed {
            maker.ops.retain(|other| *other != op);
            maker.own.retain(|other| *other != op);
            holders.entry(op).or_default().retain(|holder| *holder != group);
        }
    }
}
