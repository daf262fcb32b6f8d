//! Merges ops that share an operand, where their other operands are joined before the program runs.

use std::collections::{BTreeMap, BTreeSet};

use egg::{Id, Language};
use thunder_interface::Merge;
use thunder_ir::Attribute;

use super::cost::elements;
use super::egraph::Node;
use super::saturate::{Saturation, canonical};

/// The bytes of a weight that is joined with others although it is also needed by itself, so that there are two of it: what
/// larger ones multiply keeps a machine busy by itself.
const TWICE: f64 = (4 << 20) as f64;

/// An op that may be merged with others.
struct Sibling {
    class: Id,
    node: Node,
    /// What is joined with that of others.
    others: Vec<Id>,
}

impl<'c> Saturation<'_, '_, 'c> {
    /// Merges all siblings; answers whether anything is new.
    pub fn merge(&mut self) -> bool {
        let laws = self.laws;
        let before = self.graph.total_number_of_nodes();
        let mut united = false;
        for (number, merge) in laws.merges.iter().enumerate() {
            for siblings in self.siblings(merge) {
                united |= self.unite(merge, laws.rules.len() + number, &siblings).unwrap_or(false);
            }
        }
        united || self.graph.total_number_of_nodes() > before
    }

    /// The groups of ops that one op can stand for.
    fn siblings(&self, merge: &Merge) -> Vec<Vec<Sibling>> {
        let Some(head) = self.graph.analysis.0.known_head(merge.op) else { return Vec::new() };
        let mut classes: Vec<Id> = self.graph.classes_for_op(&head).map(Iterator::collect).unwrap_or_default();
        classes.sort_unstable();
        let mut attributes: Vec<Attribute<'c>> = Vec::new();
        let mut groups: BTreeMap<(usize, Id, usize), Vec<Sibling>> = BTreeMap::new();
        for class in classes {
            for node in &self.graph[class].nodes {
                let symbol = self.graph.analysis.0.symbol(node.symbol);
                let children: Vec<Id> = node.children().iter().map(|child| self.graph.find(*child)).collect();
                let (Some(shared), true) = (children.get(merge.shared).copied(), symbol.name == merge.op) else {
                    continue;
                };
                let mut others = children.clone();
                others.remove(merge.shared);
                let is_weight = |id: &Id| {
                    let data = &self.graph[*id].data;
                    data.weights.is_some_and(|bytes| bytes > 0.0 && !(data.is_kept && bytes > TWICE))
                };
                // What keeps the machine busy gains nothing, and what is computed from a part of it cannot be a part of it.
                let full = self.graph.analysis.0.machine.full;
                let is_full = self.graph[class].data.ty.is_some_and(|ty| elements(ty) >= full);
                if others.is_empty() || is_full || !others.iter().all(is_weight) {
                    continue;
                }
                let known = attributes.iter().position(|known| *known == symbol.attributes);
                let known = known.unwrap_or_else(|| {
                    attributes.push(symbol.attributes);
                    attributes.len() - 1
                });
                let group = groups.entry((known, shared, others.len())).or_default();
                // What is merged already is one more way to have it, not one more sibling.
                if group.iter().all(|sibling| sibling.class != class) && !self.is_merged(&others) {
                    group.push(Sibling { class, node: node.clone(), others });
                }
            }
        }
        groups.into_values().filter(|group| group.len() > 1).collect()
    }

    /// Whether operands were joined by a merge.
    fn is_merged(&self, others: &[Id]) -> bool {
        let is_merge = |law: usize| law >= self.laws.rules.len();
        others.iter().any(|id| {
            let origins =
                self.graph[*id].nodes.iter().filter_map(|node| self.origins.get(&canonical(&self.graph, node)));
            origins.into_iter().any(|origin| origin.rule.is_some_and(is_merge))
        })
    }

    /// Makes one op of siblings, and says of each that it is a part of that; `None` where there are no such ops.
    fn unite(&mut self, merge: &Merge, law: usize, siblings: &[Sibling]) -> Option<bool> {
        let cx = self.graph.analysis.0.context();
        let first = siblings.first()?;
        let widths = siblings.iter().map(|sibling| self.width(sibling.class)).collect::<Option<Vec<i64>>>()?;
        let ops: BTreeSet<usize> = siblings
            .iter()
            .filter_map(|sibling| self.origins.get(&canonical(&self.graph, &sibling.node)))
            .flat_map(|origin| origin.ops.iter().copied())
            .collect();
        let mut children = Vec::new();
        for operand in 0..first.others.len() {
            let parts = siblings.iter().map(|sibling| sibling.others[operand]).collect();
            children.push(self.make((merge.join)(cx, merge.joined), parts, law, &ops)?);
        }
        children.insert(merge.shared, first.node.children()[merge.shared]);
        let attributes = self.graph.analysis.0.symbol(first.node.symbol).attributes;
        let whole = self.make((merge.op, attributes), children, law, &ops)?;
        let (mut start, mut united) = (0, false);
        for (sibling, width) in siblings.iter().zip(widths) {
            let ty = self.graph[sibling.class].data.ty?;
            let rank = ty.as_tensor()?.rank();
            let part = self.make((merge.part)(cx, rank, start, start + width), vec![whole], law, &ops)?;
            start += width;
            if self.graph[part].data.ty == Some(ty) && self.graph.union(sibling.class, part) {
                self.unions.push((sibling.class, law));
                united = true;
            }
        }
        Some(united)
    }

    /// The size of the last dimension.
    fn width(&self, class: Id) -> Option<i64> {
        self.graph[class].data.ty?.as_tensor()?.dims().last().copied().flatten()
    }
}
