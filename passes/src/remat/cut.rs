//! The choice itself, on plain numbers: which items to keep and which tasks to do again.
//!
//! For a price per byte kept and a price per work done again, the cheapest choice is a minimum cut, exactly. Choices that
//! some price makes cheapest are the corners of the convex hull of all (bytes, work); the corner to either side of the
//! limit is found by walking it. Between both, choices of equal price remain: the closed sets of the residual graph,
//! taken one strongly connected part after the other as long as the limit holds. Equal layers are such parts.

use petgraph::Direction;
use petgraph::algo::{dinics, tarjan_scc};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

/// Something that could be done again.
#[derive(Debug, Clone)]
pub struct Task {
    /// What that takes; `None` for what must not be done twice.
    pub work: Option<u64>,
    /// The items that it needs.
    pub reads: Vec<usize>,
}

/// Something that a task makes.
#[derive(Debug, Clone)]
pub struct Item {
    /// The task.
    pub maker: usize,
    /// What keeping it takes; `None` for what is not to be kept.
    pub bytes: Option<u64>,
    /// Whether it is needed later.
    pub is_read: bool,
}

/// Tasks and items, each after what it needs.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// What could be done again.
    pub tasks: Vec<Task>,
    /// What could be kept.
    pub items: Vec<Item>,
}

/// What must hold of a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// At most this much work is done again; then few bytes are kept.
    Work(u64),
    /// At most this many bytes are kept; then little work is done again.
    Bytes(u64),
}

/// What is kept, and what is done again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Of each task, whether it is done again.
    pub again: Vec<bool>,
    /// Of each item, whether it is kept.
    pub kept: Vec<bool>,
    /// The bytes of all that is kept.
    pub bytes: u64,
    /// The work of all that is done again.
    pub work: u64,
}

impl Limit {
    fn holds(self, choice: &Choice) -> bool {
        match self {
            Self::Work(most) => choice.work <= most,
            Self::Bytes(most) => choice.bytes <= most,
        }
    }

    /// What is to be small, given that the limit holds.
    fn objective(self, choice: &Choice) -> u64 {
        match self {
            Self::Work(_) => choice.bytes,
            Self::Bytes(_) => choice.work,
        }
    }
}

/// A minimum cut: of each node, whether it is on the side of the source, and what it means.
struct Cut {
    side: Vec<bool>,
    choice: Choice,
}

const SOURCE: usize = 0;
const SINK: usize = 1;

impl Network {
    /// The best choice within the limit, as far as the walk finds it; where none is within it, the one that comes closest.
    pub fn choose(&self, limit: Limit) -> Choice {
        let (bytes, work) = self.totals();
        let least_work = self.cut(1, u128::from(bytes) + 1);
        let least_bytes = self.cut(u128::from(work) + 1, 1);
        let (mut inside, mut outside) = match limit {
            Limit::Work(_) => (least_work, least_bytes),
            Limit::Bytes(_) => (least_bytes, least_work),
        };
        if limit.holds(&outside.choice) || !limit.holds(&inside.choice) {
            return if limit.holds(&outside.choice) { outside.choice } else { inside.choice };
        }
        loop {
            // The prices at which both cost the same: if something is cheaper, it is a corner between them.
            let per_byte = u128::from(inside.choice.work.abs_diff(outside.choice.work));
            let per_work = u128::from(inside.choice.bytes.abs_diff(outside.choice.bytes));
            let price = |choice: &Choice| per_byte * u128::from(choice.bytes) + per_work * u128::from(choice.work);
            let cheapest = self.cut(per_byte, per_work);
            if price(&cheapest.choice) >= price(&inside.choice) {
                return self.between(inside, &outside, limit, [per_byte, per_work]);
            }
            let side = if limit.holds(&cheapest.choice) { &mut inside } else { &mut outside };
            *side = cheapest;
        }
    }

    fn totals(&self) -> (u64, u64) {
        let bytes = self.items.iter().filter_map(|item| item.bytes).sum();
        let work = self.tasks.iter().filter_map(|task| task.work).sum();
        (bytes, work)
    }

    /// A node for each task, behind the source, and for each item, before the sink. What is cut from the source is done
    /// again; an item that is cut from its maker is kept.
    fn graph(&self, per_byte: u128, per_work: u128) -> DiGraph<(), u128> {
        let (bytes, work) = self.totals();
        let never = per_byte * u128::from(bytes) + per_work * u128::from(work) + 1;
        let mut graph = DiGraph::with_capacity(2 + self.tasks.len() + self.items.len(), 0);
        (0..2 + self.tasks.len() + self.items.len()).for_each(|_| _ = graph.add_node(()));
        let node = |index: usize| NodeIndex::new(index);
        for (number, task) in self.tasks.iter().enumerate() {
            let work = task.work.map_or(never, |work| per_work * u128::from(work));
            graph.add_edge(node(SOURCE), node(self.task(number)), work);
            for item in &task.reads {
                graph.add_edge(node(self.item(*item)), node(self.task(number)), never);
            }
        }
        for (number, item) in self.items.iter().enumerate() {
            let bytes = item.bytes.map_or(never, |bytes| per_byte * u128::from(bytes));
            graph.add_edge(node(self.task(item.maker)), node(self.item(number)), bytes);
            if item.is_read {
                graph.add_edge(node(self.item(number)), node(SINK), never);
            }
        }
        graph
    }

    fn task(&self, number: usize) -> usize {
        2 + number
    }

    fn item(&self, number: usize) -> usize {
        2 + self.tasks.len() + number
    }

    /// The cheapest choice at these prices.
    fn cut(&self, per_byte: u128, per_work: u128) -> Cut {
        let residual = residual(&self.graph(per_byte, per_work));
        let mut side = vec![false; residual.node_count()];
        let mut stack = vec![NodeIndex::new(SOURCE)];
        while let Some(node) = stack.pop() {
            if !std::mem::replace(&mut side[node.index()], true) {
                stack.extend(residual.neighbors(node));
            }
        }
        let choice = self.meaning(&side);
        Cut { side, choice }
    }

    /// What a cut means: only what is needed is done or kept.
    fn meaning(&self, side: &[bool]) -> Choice {
        let (mut again, mut kept) = (vec![false; self.tasks.len()], vec![false; self.items.len()]);
        let (mut bytes, mut work) = (0, 0);
        let mut stack: Vec<usize> = (0..self.items.len()).filter(|i| self.items[*i].is_read).collect();
        while let Some(number) = stack.pop() {
            let item = &self.items[number];
            if side[self.task(item.maker)] {
                if !std::mem::replace(&mut kept[number], true) {
                    bytes += item.bytes.unwrap_or(0);
                }
            } else if !std::mem::replace(&mut again[item.maker], true) {
                let task = &self.tasks[item.maker];
                work += task.work.unwrap_or(0);
                stack.extend(&task.reads);
            }
        }
        Choice { again, kept, bytes, work }
    }

    /// A choice on the line from `inside` to `outside`, which cost the same, as near to `outside` as the limit allows.
    fn between(&self, inside: Cut, outside: &Cut, limit: Limit, [per_byte, per_work]: [u128; 2]) -> Choice {
        let residual = residual(&self.graph(per_byte, per_work));
        let Cut { mut side, choice: mut best } = inside;
        let differs =
            |part: &[NodeIndex], side: &[bool]| part.iter().any(|n| side[n.index()] != outside.side[n.index()]);
        let mut parts = tarjan_scc(&residual);
        parts.retain(|part| differs(part, &side));
        loop {
            let before = parts.len();
            // Users first for what leaves the source, makers first for what comes to it: each way opens the other.
            parts.reverse();
            parts.retain(|part| {
                let joins = outside.side[part[0].index()];
                let towards = if joins { Direction::Outgoing } else { Direction::Incoming };
                let stands = |node: &NodeIndex| {
                    let mut others = residual.neighbors_directed(*node, towards);
                    others.all(|other| part.contains(&other) || side[other.index()] == joins)
                };
                if !part.iter().all(stands) {
                    return true;
                }
                part.iter().for_each(|node| side[node.index()] = joins);
                let choice = self.meaning(&side);
                let accepted = limit.holds(&choice) && limit.objective(&choice) <= limit.objective(&best);
                if accepted {
                    best = choice;
                } else {
                    part.iter().for_each(|node| side[node.index()] = !joins);
                }
                !accepted
            });
            if parts.len() == before {
                return best;
            }
        }
    }
}

/// The edges along which a maximum flow could still grow.
fn residual(graph: &DiGraph<(), u128>) -> DiGraph<(), ()> {
    let (_, flows) = dinics(graph, NodeIndex::new(SOURCE), NodeIndex::new(SINK));
    let mut residual = graph.map(|_, ()| (), |_, _| ());
    residual.clear_edges();
    for edge in graph.edge_references() {
        let flow = flows[edge.id().index()];
        if flow < *edge.weight() {
            residual.add_edge(edge.source(), edge.target(), ());
        }
        if flow > 0 {
            residual.add_edge(edge.target(), edge.source(), ());
        }
    }
    residual
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every choice of a small network, as bytes and work.
    fn all(network: &Network) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        for bits in 0..1u32 << network.tasks.len() {
            let mut side = vec![true; 2 + network.tasks.len() + network.items.len()];
            (0..network.tasks.len()).for_each(|t| side[network.task(t)] = bits >> t & 1 == 0);
            let choice = network.meaning(&side);
            let is_allowed = (0..network.tasks.len()).all(|t| !choice.again[t] || network.tasks[t].work.is_some())
                && (0..network.items.len()).all(|i| !choice.kept[i] || network.items[i].bytes.is_some());
            if is_allowed {
                found.push((choice.bytes, choice.work));
            }
        }
        found
    }

    fn networks() -> impl Strategy<Value = Network> {
        let task = (0..40_u64, any::<[u8; 3]>(), 0..9_u8, 1..60_u64, 0..8_u8);
        prop::collection::vec(task, 1..9).prop_map(|tasks| {
            let mut network = Network::default();
            for (number, (work, reads, kind, bytes, rest)) in tasks.into_iter().enumerate() {
                let reads = reads.iter().take(rest as usize % 4).map(|r| *r as usize % number.max(1));
                let reads = if number == 0 { Vec::new() } else { reads.collect() };
                network.tasks.push(Task { work: (kind != 0).then_some(work), reads });
                let bytes = (kind != 1).then_some(bytes);
                network.items.push(Item { maker: number, bytes, is_read: rest >= 5 || number == 3 });
            }
            network
        })
    }

    proptest! {
        #[test]
        fn choices_keep_the_limit_and_the_hull(network in networks(), limit in 0..200_u64, by_work: bool) {
            let all = all(&network);
            let limit = if by_work { Limit::Work(limit) } else { Limit::Bytes(limit) };
            let choice = network.choose(limit);
            let (least_bytes, least_work) =
                (all.iter().map(|c| c.0).min().unwrap(), all.iter().map(|c| c.1).min().unwrap());
            prop_assert!(all.contains(&(choice.bytes, choice.work)), "not among all choices");
            let (most, is, least, other) = match limit {
                Limit::Work(most) => (most, choice.work, least_work, choice.bytes),
                Limit::Bytes(most) => (most, choice.bytes, least_bytes, choice.work),
            };
            prop_assert!(is <= most.max(least), "{is} exceeds {most}");
            // No choice within the limit is better in both, and the hull's corner before the limit is not better.
            let key = |c: &(u64, u64)| if by_work { (c.1, c.0) } else { *c };
            let allowed: Vec<(u64, u64)> = all.iter().map(key).filter(|c| c.0 <= most.max(least)).collect();
            prop_assert!(!allowed.iter().any(|c| c.0 <= is && c.1 < other), "dominated");
            let corner = corners(&all.iter().map(key).collect::<Vec<_>>()).into_iter().rfind(|c| c.0 <= most.max(least));
            prop_assert!(other <= corner.unwrap().1, "a corner of the hull is better");
        }
    }

    /// The corners of the lower left hull, by ascending first number.
    fn corners(points: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let mut points = points.to_vec();
        points.sort_unstable();
        let mut hull: Vec<(u64, u64)> = Vec::new();
        for point in points {
            if hull.last().is_some_and(|last| last.1 <= point.1) {
                continue;
            }
            let cross = |a: (u64, u64), b: (u64, u64)| {
                let d = |x: u64, y: u64| x as i128 - y as i128;
                d(b.0, a.0) * d(point.1, a.1) - d(b.1, a.1) * d(point.0, a.0)
            };
            while hull.len() >= 2 && cross(hull[hull.len() - 2], hull[hull.len() - 1]) <= 0 {
                hull.pop();
            }
            hull.push(point);
        }
        hull
    }

    /// Equal layers have equal prices: as many as fit are done again, not all or none.
    #[test]
    fn equal_layers_are_taken_one_by_one() {
        let mut network = Network::default();
        for layer in 0..10 {
            network.tasks.push(Task { work: None, reads: Vec::new() });
            network.items.push(Item { maker: 2 * layer, bytes: Some(1), is_read: true });
            network.tasks.push(Task { work: Some(100), reads: vec![2 * layer] });
            network.items.push(Item { maker: 2 * layer + 1, bytes: Some(50), is_read: true });
        }
        let choice = network.choose(Limit::Work(450));
        assert_eq!((choice.work, choice.bytes), (400, 10 + 6 * 50));
        let choice = network.choose(Limit::Bytes(200));
        assert_eq!((choice.work, choice.bytes), (700, 10 + 3 * 50));
    }
}
