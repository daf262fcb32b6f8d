//! Changes a choice one class at a time, as long as the whole gets cheaper.

use super::{Choice, Graph};

/// The choice after every single change that makes it cheaper, within `visits` visited classes.
/// Classes that it does not have are taken from `others`.
pub fn improve(graph: &Graph, mut choice: Choice, others: &[Option<usize>], visits: usize) -> Choice {
    for (chosen, other) in choice.iter_mut().zip(others) {
        *chosen = chosen.or(*other);
    }
    let Some(order) = graph.order(&choice) else { return choice };
    let mut users = Users { graph, counts: vec![0; graph.classes.len()], changed: Vec::new(), visits };
    for class in
        graph.roots.iter().chain(order.iter().filter_map(|c| choice[*c]).flat_map(|n| &graph.nodes[n].children))
    {
        users.counts[*class] += 1;
    }
    loop {
        let Some(order) = graph.order(&choice) else { return choice };
        let mut improved = false;
        // From the roots on: what they no longer need is not looked at in vain.
        for class in order.iter().rev().copied() {
            if users.counts[class] == 0 {
                continue;
            }
            for node in graph.classes[class].iter().copied() {
                let Some(current) = choice[class].filter(|current| *current != node) else { continue };
                if graph.nodes[node].children.iter().any(|child| choice[*child].is_none()) {
                    continue;
                }
                if users.visits == 0 {
                    return choice;
                }
                let difference = users.exchange(&choice, current, node);
                if difference < -1e-9 * graph.nodes[current].cost.max(1e-6) {
                    users.visits = users.visits.saturating_sub(order.len());
                    choice[class] = Some(node);
                    if graph.order(&choice).is_some() {
                        users.changed.clear();
                        improved = true;
                        continue;
                    }
                    choice[class] = Some(current);
                }
                users.undo();
            }
        }
        if !improved {
            return choice;
        }
    }
}

/// How many chosen nodes and roots need each class.
struct Users<'a> {
    graph: &'a Graph,
    counts: Vec<u32>,
    /// The counts before a change, last first.
    changed: Vec<(usize, u32)>,
    visits: usize,
}

impl Users<'_> {
    /// Takes one node for another; returns how much the whole costs more.
    fn exchange(&mut self, choice: &[Option<usize>], from: usize, to: usize) -> f64 {
        let graph = self.graph;
        let mut difference = graph.nodes[to].cost - graph.nodes[from].cost;
        let mut stack = graph.nodes[to].children.clone();
        while let Some(class) = stack.pop() {
            self.set(class, self.counts[class] + 1);
            if self.counts[class] == 1
                && let Some(node) = choice[class]
            {
                difference += graph.nodes[node].cost;
                stack.extend(&graph.nodes[node].children);
            }
        }
        stack.extend(&graph.nodes[from].children);
        while let Some(class) = stack.pop() {
            // What is in a cycle is refused later; its counts need not be right until then.
            self.set(class, self.counts[class].saturating_sub(1));
            if self.counts[class] == 0
                && let Some(node) = choice[class]
            {
                difference -= graph.nodes[node].cost;
                stack.extend(&graph.nodes[node].children);
            }
        }
        difference
    }

    fn set(&mut self, class: usize, count: u32) {
        self.visits = self.visits.saturating_sub(1);
        self.changed.push((class, self.counts[class]));
        self.counts[class] = count;
    }

    fn undo(&mut self) {
        while let Some((class, count)) = self.changed.pop() {
            self.counts[class] = count;
        }
    }
}
