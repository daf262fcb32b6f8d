//! Takes groups apart that need each other.
//!
//! Whether a group may grow is asked of what lies near it only: a program would take a time that grows with the square of
//! its length otherwise. What that overlooks is rare, and mended here.

use std::collections::HashMap;

use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use thunder_ir::{Operation, Value};

use super::Partitioner;

impl<'c> Partitioner<'_, 'c> {
    /// Gives each op of groups that need each other a group of its own.
    pub(super) fn split_cycles(&mut self) {
        for group in self.cyclic() {
            let group = &mut self.groups[group];
            group.ops.clear();
            group.panels.clear();
            let mut own = std::mem::take(&mut group.own);
            own.sort_unstable_by_key(|op| self.position[op]);
            for op in own {
                self.alone(op, Vec::new());
            }
        }
    }

    /// The groups of which each needs what another makes, which needs it in turn.
    fn cyclic(&self) -> Vec<usize> {
        let mut needs: DiGraph<(), ()> = DiGraph::new();
        // The groups come first, with their own numbers.
        self.groups.iter().for_each(|_| _ = needs.add_node(()));
        let single = self.ops.iter().filter(|op| !self.group_of.contains_key(op));
        let single: HashMap<Operation<'c>, NodeIndex> = single.map(|op| (*op, needs.add_node(()))).collect();
        let node = |op: Operation<'c>| match self.group_of.get(&op) {
            Some(group) => Some(NodeIndex::new(*group)),
            None => single.get(&op).copied(),
        };
        let mut edges = Vec::new();
        for (number, group) in self.groups.iter().enumerate() {
            let outside = |op: &Operation<'c>| !group.ops.contains(op);
            let needed = group.ops.iter().flat_map(|op| op.operands()).filter_map(Value::defining_op).filter(outside);
            edges.extend(needed.filter_map(node).map(|from| (from, NodeIndex::new(number))));
        }
        for (op, to) in &single {
            edges.extend(op.operands().filter_map(Value::defining_op).filter_map(node).map(|from| (from, *to)));
        }
        needs.extend_with_edges(edges);
        let circles = tarjan_scc(&needs).into_iter().filter(|nodes| nodes.len() > 1);
        let mut found: Vec<usize> =
            circles.flatten().map(NodeIndex::index).filter(|n| *n < self.groups.len()).collect();
        found.sort_unstable();
        found
    }
}
