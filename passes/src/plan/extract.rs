//! Chooses one node of each class that is needed, so that what is chosen costs least and is acyclic.
//!
//! Shared classes are paid once, which makes the choice NP-hard: small parts are solved exactly by
//! branch and bound within a fixed effort, everything else by greedy choices that are then improved
//! one by one. A lower bound tells how far from the best the answer can be. Nothing here knows of
//! MLIR, and nothing depends on time or on the order of hash tables.

mod bound;
mod exact;
mod greedy;
mod improve;

pub use greedy::{bottom_up, greedy_dag};

/// A node: one way to have the value of its class.
#[derive(Debug, Clone)]
pub struct Node {
    /// The class it is in.
    pub class: usize,
    /// The classes it needs, ascending, each once.
    pub children: Vec<usize>,
    /// What it costs by itself; not negative.
    pub cost: f64,
}

/// Classes of equal nodes, and the classes that are wanted.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// All nodes.
    pub nodes: Vec<Node>,
    /// The numbers of the nodes of each class.
    pub classes: Vec<Vec<usize>>,
    /// What is wanted.
    pub roots: Vec<usize>,
}

/// The node chosen for each class; `None` where none is needed.
pub type Choice = Vec<Option<usize>>;

/// How much to try.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// How many partial choices branch and bound looks at.
    pub branches: usize,
    /// How many classes are visited while single choices are improved.
    pub visits: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Self { branches: 2_000, visits: 400_000 }
    }
}

/// What was chosen.
#[derive(Debug, Clone)]
pub struct Extraction {
    /// The nodes, for every class that the roots need.
    pub choice: Choice,
    /// Their cost.
    pub cost: f64,
    /// No choice costs less than this.
    pub bound: f64,
}

impl Extraction {
    /// How much more than the bound it costs, as a part of the cost.
    pub fn gap(&self) -> f64 {
        if self.cost <= self.bound { 0.0 } else { (self.cost - self.bound) / self.cost }
    }
}

impl Graph {
    /// Adds a node; answers its number.
    pub fn add(&mut self, class: usize, mut children: Vec<usize>, cost: f64) -> usize {
        children.sort_unstable();
        children.dedup();
        let last = children.last().copied().unwrap_or(0).max(class);
        if self.classes.len() <= last {
            self.classes.resize(last + 1, Vec::new());
        }
        self.classes[class].push(self.nodes.len());
        self.nodes.push(Node { class, children, cost });
        self.nodes.len() - 1
    }

    /// The cost of what the roots need under `choice`; `None` where that is cyclic or incomplete.
    pub fn cost(&self, choice: &[Option<usize>]) -> Option<f64> {
        let order = self.order(choice)?;
        Some(order.into_iter().filter_map(|class| choice[class]).map(|node| self.nodes[node].cost).sum())
    }

    /// The classes that the roots need under `choice`, each after what it needs.
    pub fn order(&self, choice: &[Option<usize>]) -> Option<Vec<usize>> {
        const OPEN: u8 = 1;
        const DONE: u8 = 2;
        let mut state = vec![0u8; self.classes.len()];
        let mut order = Vec::new();
        let mut stack: Vec<(usize, usize)> = Vec::new();
        for root in &self.roots {
            if state[*root] != DONE {
                stack.push((*root, 0));
                state[*root] = OPEN;
            }
            while let Some((class, next)) = stack.pop() {
                let node = &self.nodes[choice[class]?];
                let Some(child) = node.children.get(next) else {
                    state[class] = DONE;
                    order.push(class);
                    continue;
                };
                stack.push((class, next + 1));
                match state[*child] {
                    DONE => {}
                    OPEN => return None,
                    _ => {
                        state[*child] = OPEN;
                        stack.push((*child, 0));
                    }
                }
            }
        }
        Some(order)
    }

    /// The same choice without what the roots do not need.
    pub fn needed(&self, choice: &[Option<usize>]) -> Option<Choice> {
        let mut needed = vec![None; self.classes.len()];
        for class in self.order(choice)? {
            needed[class] = choice[class];
        }
        Some(needed)
    }

    /// The nodes that need each class.
    fn parents(&self) -> Vec<Vec<usize>> {
        let mut parents = vec![Vec::new(); self.classes.len()];
        for (number, node) in self.nodes.iter().enumerate() {
            for child in &node.children {
                parents[*child].push(number);
            }
        }
        parents
    }
}

/// The best choice found; never one that costs more than `known`. `None` where a root has no finite
/// term.
pub fn extract(graph: &Graph, known: Option<&[Option<usize>]>, effort: Effort) -> Option<Extraction> {
    let fallback = bottom_up(graph);
    let mut best: Option<(f64, Choice)> = None;
    let candidates = [Some(fallback.clone()), greedy_dag(graph), known.map(<[_]>::to_vec)];
    for candidate in candidates.into_iter().flatten() {
        let Some(cost) = graph.cost(&candidate) else { continue };
        // Of equal ones the last: what is known need not be changed.
        if best.as_ref().is_none_or(|(least, _)| cost <= *least * (1.0 + 1e-12)) {
            best = Some((cost, candidate));
        }
    }
    let (_, choice) = best?;
    let choice = improve::improve(graph, choice, &fallback, effort.visits);
    let (choice, is_best) = exact::solve(graph, choice, effort.branches);
    let choice = graph.needed(&choice)?;
    let cost = graph.cost(&choice)?;
    let bound = if is_best { cost } else { bound::lower_bound(graph).min(cost) };
    Some(Extraction { choice, cost, bound })
}

#[cfg(test)]
mod tests;
