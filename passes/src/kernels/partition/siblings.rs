//! Makes one kernel of kernels that read the same tensor, or of one that reads what the other makes: it is read once.

use std::collections::HashMap;

use thunder_ir::{Operation, Value};

use super::super::epilogue::sole_product;
use super::Partitioner;

/// A kernel reads and writes at most so many tensors side by side: each is a stream that processors fetch ahead, and there
/// are not many of these.
const STREAMS: usize = 24;

impl<'c> Partitioner<'_, 'c> {
    /// Joins groups over the same rows that have a large tensor in common.
    ///
    /// A group that may become a part of a product stays alone: nothing of it goes through memory, which is worth more.
    pub(super) fn merge_siblings(&mut self) {
        let mut touching: HashMap<Value<'c>, Vec<usize>> = HashMap::new();
        for group in 0..self.groups.len() {
            let values = self.large(group);
            let mut others: Vec<usize> =
                values.iter().flat_map(|value| touching.get(value).into_iter().flatten().copied()).collect();
            // What is nearest is in cache, and is done at about the same time.
            others.sort_unstable_by(|a, b| b.cmp(a));
            others.dedup();
            for other in others {
                if self.may_merge(other, group) {
                    self.merge(other, group);
                }
            }
            for value in self.large(group) {
                touching.entry(value).or_default().push(group);
            }
        }
    }

    /// The tensors at least as large as a group's results, by rows or by columns, that it reads or makes.
    fn large(&self, group: usize) -> Vec<Value<'c>> {
        let group = &self.groups[group];
        let inner = |value: &Value<'c>| value.defining_op().is_some_and(|op| group.ops.contains(&op));
        let read = group.ops.iter().flat_map(|op| op.operands()).filter(|value| !inner(value));
        let mut values: Vec<Value<'c>> = Vec::new();
        for value in read.chain(group.own.iter().flat_map(|op| op.results())) {
            if values.contains(&value) || value.ty().as_tensor().is_none() {
                continue;
            }
            let dims = self.shapes.dims(value);
            if dims.starts_with(&group.dims) || dims.ends_with(&group.dims) {
                values.push(value);
            }
        }
        values
    }

    pub(super) fn may_merge(&self, first: usize, second: usize) -> bool {
        let (a, b) = (&self.groups[first], &self.groups[second]);
        if a.ops.is_empty() || a.rows == 0 || a.rows != b.rows || a.dims[..a.rows] != b.dims[..a.rows] {
            return false;
        }
        if self.streams(&[first, second]) > STREAMS || self.may_be_epilogue(first) || self.may_be_epilogue(second) {
            return false;
        }
        let ops = self.union(first, second);
        self.fits(&ops, &[], a.rows, &a.dims) && !self.would_cycle(first, &b.ops) && !self.would_cycle(second, &a.ops)
    }

    /// How many tensors groups read and make that are not theirs alone.
    fn streams(&self, groups: &[usize]) -> usize {
        let inside = |op: &Operation<'c>| groups.iter().any(|group| self.groups[*group].ops.contains(op));
        let mut values: Vec<Value<'c>> = Vec::new();
        for op in groups.iter().flat_map(|group| &self.groups[*group].ops) {
            let read = op.operands().filter(|value| !value.defining_op().is_some_and(|op| inside(&op)));
            let made = op.results().filter(|value| value.uses().iter().any(|(user, _)| !inside(user)));
            for value in read.chain(made) {
                if value.ty().as_tensor().is_some() && !values.contains(&value) {
                    values.push(value);
                }
            }
        }
        values.len()
    }

    /// Whether a group alone reads what a product makes.
    pub(super) fn may_be_epilogue(&self, group: usize) -> bool {
        let ops = &self.groups[group].ops;
        let read = ops.iter().flat_map(|op| op.operands()).filter(|value| value.ty().as_tensor().is_some());
        read.into_iter().any(|value| sole_product(value, self.shapes, &|user| ops.contains(&user)).is_some())
    }

    /// The ops of two groups, each after what it uses.
    pub(super) fn union(&self, first: usize, second: usize) -> Vec<Operation<'c>> {
        let mut ops = self.groups[first].ops.clone();
        ops.extend(self.groups[second].ops.iter().filter(|op| !self.groups[first].ops.contains(op)));
        ops.sort_by_key(|op| self.position[op]);
        ops
    }

    /// Moves all of one group into another.
    pub(super) fn merge(&mut self, from: usize, into: usize) {
        let ops = self.union(from, into);
        self.groups[from].ops.clear();
        let own = std::mem::take(&mut self.groups[from].own);
        let missed = std::mem::take(&mut self.groups[from].missed);
        let last = self.groups[from].last;
        self.group_of.extend(own.iter().map(|op| (*op, into)));
        let joint = &mut self.groups[into];
        joint.ops = ops;
        joint.own.extend(own);
        joint.missed.extend(missed);
        joint.missed.retain(|missed| missed.group != from && missed.group != into);
        joint.last = joint.last.max(last);
    }
}
