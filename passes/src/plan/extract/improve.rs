//! Changes a choice step by step, as long as the whole gets cheaper: one class at a time, and all the
//! classes that gain when one more is paid for.

use super::{Choice, Graph};

/// What counts as cheaper, as a part of all that is paid.
const GAIN: f64 = 1e-12;

/// The choice after every step that makes it cheaper, within `visits` visited classes. Classes that it
/// does not have are taken from `others`.
pub fn improve(graph: &Graph, mut choice: Choice, others: &[Option<usize>], visits: usize) -> Choice {
    for (chosen, other) in choice.iter_mut().zip(others) {
        *chosen = chosen.or(*other);
    }
    let Some(order) = graph.order(&choice) else { return choice };
    let cost: f64 = order.iter().filter_map(|class| choice[*class]).map(|node| graph.nodes[node].cost).sum();
    let mut steps = Steps { graph, counts: vec![0; graph.classes.len()], choice, log: Vec::new(), visits, cost };
    steps.count(&order);
    let parents = graph.parents();
    while steps.visits > 0 {
        let singles = steps.singles();
        let shared = steps.shared(&parents);
        if !singles && !shared {
            break;
        }
    }
    steps.choice
}

/// What was there before a change.
enum Before {
    Count(usize, u32),
    Choice(usize, Option<usize>),
}

/// A choice with the number of chosen nodes and roots that need each class.
struct Steps<'a> {
    graph: &'a Graph,
    counts: Vec<u32>,
    choice: Choice,
    log: Vec<Before>,
    visits: usize,
    cost: f64,
}

impl Steps<'_> {
    fn count(&mut self, order: &[usize]) {
        self.counts.fill(0);
        self.graph.roots.iter().for_each(|root| self.counts[*root] += 1);
        for node in order.iter().filter_map(|class| self.choice[*class]) {
            self.graph.nodes[node].children.iter().for_each(|child| self.counts[*child] += 1);
        }
    }

    /// Takes another node for each needed class where that is cheaper; answers whether any was.
    fn singles(&mut self) -> bool {
        let Some(order) = self.graph.order(&self.choice) else { return false };
        let mut improved = false;
        // From the roots on: what they no longer need is not looked at in vain.
        for class in order.into_iter().rev() {
            for node in self.graph.classes[class].clone() {
                if self.visits == 0 {
                    return improved;
                }
                if self.counts[class] == 0 || !self.is_option(class, node) {
                    continue;
                }
                let difference = self.exchange(class, node);
                improved |= self.decide(difference);
            }
        }
        improved
    }

    /// Pays for each class that is not needed, and lets all its possible users gain from that; answers
    /// whether they ever gained more than was paid.
    fn shared(&mut self, parents: &[Vec<usize>]) -> bool {
        let mut improved = false;
        for (class, parents) in parents.iter().enumerate() {
            if self.visits == 0 {
                return improved;
            }
            if self.counts[class] > 0 || self.choice[class].is_none() {
                continue;
            }
            let graph = self.graph;
            let is_user = |node: &&usize| self.counts[graph.nodes[**node].class] > 0;
            let users: Vec<usize> = parents.iter().filter(is_user).copied().collect();
            if users.len() < 2 {
                continue;
            }
            let mut difference = self.acquire(vec![class]);
            for node in users {
                let user = graph.nodes[node].class;
                if self.counts[user] == 0 || !self.is_option(user, node) {
                    continue;
                }
                let mark = self.log.len();
                let gain = self.exchange(user, node);
                if gain < 0.0 {
                    difference += gain;
                } else {
                    self.undo(mark);
                }
            }
            difference += self.release(vec![class]);
            improved |= self.decide(difference);
        }
        improved
    }

    fn is_option(&self, class: usize, node: usize) -> bool {
        let children = &self.graph.nodes[node].children;
        self.choice[class] != Some(node) && children.iter().all(|child| self.choice[*child].is_some())
    }

    /// Keeps what was changed since the last decision if it is cheaper and acyclic.
    fn decide(&mut self, difference: f64) -> bool {
        if difference < -GAIN * self.cost {
            self.visits = self.visits.saturating_sub(self.graph.classes.len());
            if self.graph.order(&self.choice).is_some() {
                self.cost += difference;
                self.log.clear();
                return true;
            }
        }
        self.undo(0);
        false
    }

    /// Takes `node` for a class that is needed; returns how much the whole costs more.
    fn exchange(&mut self, class: usize, node: usize) -> f64 {
        let graph = self.graph;
        let before = self.choice[class].replace(node);
        self.log.push(Before::Choice(class, before));
        let (from, to) = (before.map(|before| &graph.nodes[before]), &graph.nodes[node]);
        let mut difference = to.cost - from.map_or(0.0, |from| from.cost);
        // What both need stays paid.
        difference += self.acquire(to.children.clone());
        difference + from.map_or(0.0, |from| self.release(from.children.clone()))
    }

    /// One more user for each of the classes; returns what is paid for.
    fn acquire(&mut self, mut classes: Vec<usize>) -> f64 {
        let mut paid = 0.0;
        while let Some(class) = classes.pop() {
            self.set(class, self.counts[class] + 1);
            if self.counts[class] == 1
                && let Some(node) = self.choice[class]
            {
                paid += self.graph.nodes[node].cost;
                classes.extend(&self.graph.nodes[node].children);
            }
        }
        paid
    }

    /// One user less for each of the classes; returns what is no longer paid for, negative.
    fn release(&mut self, mut classes: Vec<usize>) -> f64 {
        let mut paid = 0.0;
        while let Some(class) = classes.pop() {
            // What is in a cycle is refused later; its counts need not be right until then.
            self.set(class, self.counts[class].saturating_sub(1));
            if self.counts[class] == 0
                && let Some(node) = self.choice[class]
            {
                paid -= self.graph.nodes[node].cost;
                classes.extend(&self.graph.nodes[node].children);
            }
        }
        paid
    }

    fn set(&mut self, class: usize, count: u32) {
        self.visits = self.visits.saturating_sub(1);
        self.log.push(Before::Count(class, self.counts[class]));
        self.counts[class] = count;
    }

    /// Takes back what was changed since the log had this length.
    fn undo(&mut self, mark: usize) {
        while self.log.len() > mark {
            match self.log.pop() {
                Some(Before::Count(class, count)) => self.counts[class] = count,
                Some(Before::Choice(class, node)) => self.choice[class] = node,
                None => return,
            }
        }
    }
}
