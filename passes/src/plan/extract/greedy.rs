//! Greedy choices: by the cost of trees, and by the cost of what a class needs with shared parts paid once.

use super::{Choice, Graph};
use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

/// Costs in their total order.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cost(f64);

impl Eq for Cost {}

impl PartialOrd for Cost {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Cost {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// The cheapest tree of each class that has one, a shared class paid by each of its users.
///
/// Knuth's generalization of Dijkstra's algorithm: a class is settled after what it needs, so the
/// choice is acyclic also where nodes cost nothing.
pub fn bottom_up(graph: &Graph) -> Choice {
    settle(graph).0
}

/// The classes that have a finite term, each after what its cheapest tree needs.
pub fn settled(graph: &Graph) -> Vec<usize> {
    settle(graph).1
}

fn settle(graph: &Graph) -> (Choice, Vec<usize>) {
    let parents = graph.parents();
    let mut missing: Vec<usize> = graph.nodes.iter().map(|node| node.children.len()).collect();
    let mut choice: Choice = vec![None; graph.classes.len()];
    let mut costs = vec![0.0; graph.classes.len()];
    let mut order = Vec::new();
    let mut open = BinaryHeap::new();
    for (number, node) in graph.nodes.iter().enumerate().filter(|(_, node)| node.children.is_empty()) {
        open.push(Reverse((Cost(node.cost), number)));
    }
    while let Some(Reverse((cost, number))) = open.pop() {
        let class = graph.nodes[number].class;
        if choice[class].is_some() {
            continue;
        }
        choice[class] = Some(number);
        order.push(class);
        costs[class] = cost.0;
        for parent in &parents[class] {
            missing[*parent] -= 1;
            if missing[*parent] == 0 {
                let node = &graph.nodes[*parent];
                let total = node.cost + node.children.iter().map(|child| costs[*child]).sum::<f64>();
                open.push(Reverse((Cost(total), *parent)));
            }
        }
    }
    (choice, order)
}

/// Beyond this many classes the sets below take too much memory.
const CLASS_LIMIT: usize = 30_000;

/// The updates that are made at most, for each node; costs that keep falling have converged by then.
const ROUNDS: usize = 40;

/// A set of classes.
#[derive(Clone)]
struct Classes(Vec<u64>);

impl Classes {
    fn contains(&self, class: usize) -> bool {
        self.0[class / 64] >> (class % 64) & 1 == 1
    }

    fn insert(&mut self, class: usize) {
        self.0[class / 64] |= 1 << (class % 64);
    }

    fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(word, bits)| {
            let mut bits = *bits;
            std::iter::from_fn(move || {
                (bits != 0).then(|| {
                    let bit = bits.trailing_zeros() as usize;
                    bits &= bits - 1;
                    word * 64 + bit
                })
            })
        })
    }
}

/// For each class the node whose needs, as a set, cost least by the choices made so far: the
/// greedy-dag algorithm of extraction-gym. `None` where the graph is too large for it.
pub fn greedy_dag(graph: &Graph) -> Option<Choice> {
    let count = graph.classes.len();
    if count > CLASS_LIMIT {
        return None;
    }
    let parents = graph.parents();
    let mut choice: Choice = vec![None; count];
    let mut totals = vec![f64::INFINITY; count];
    let mut sets: Vec<Option<Classes>> = vec![None; count];
    let mut waiting = vec![false; graph.nodes.len()];
    let mut queue: VecDeque<usize> = (0..graph.nodes.len()).filter(|n| graph.nodes[*n].children.is_empty()).collect();
    queue.iter().for_each(|number| waiting[*number] = true);
    let mut updates = graph.nodes.len().saturating_mul(ROUNDS);
    while let Some(number) = queue.pop_front() {
        waiting[number] = false;
        updates -= 1;
        if updates == 0 {
            break;
        }
        let node = &graph.nodes[number];
        let mut set = Classes(vec![0; count.div_ceil(64)]);
        let is_ready = node.children.iter().all(|child| match &sets[*child] {
            Some(needs) => {
                set.join(needs);
                true
            }
            None => false,
        });
        if !is_ready || set.contains(node.class) {
            continue;
        }
        let own = |class: usize| choice[class].map_or(0.0, |chosen| graph.nodes[chosen].cost);
        let total = node.cost + set.iter().map(own).sum::<f64>();
        if total >= totals[node.class] {
            continue;
        }
        set.insert(node.class);
        totals[node.class] = total;
        choice[node.class] = Some(number);
        sets[node.class] = Some(set);
        for parent in &parents[node.class] {
            if !waiting[*parent] {
                waiting[*parent] = true;
                queue.push_back(*parent);
            }
        }
    }
    Some(choice)
}
