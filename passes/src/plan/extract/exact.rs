//! Branch and bound over the parts of a graph where something is left to choose.

use super::bound::{bound, require};
use super::{Choice, Graph, greedy};

/// Parts with more classes than this are left as they are: their bound takes too long.
const PART_LIMIT: usize = 400;

/// Classes with more nodes than this keep all of them: comparing each with each takes too long.
const NODE_LIMIT: usize = 64;

/// The choice with every part improved that `branches` partial choices, over all parts, reach; and
/// whether nothing was left to try, so that no choice costs less.
pub fn solve(graph: &Graph, choice: Choice, branches: usize) -> (Choice, bool) {
    let Some(cost) = graph.cost(&choice).filter(|_| branches > 0) else { return (choice, false) };
    let reduced = reduce(graph);
    let mut paid = vec![false; graph.classes.len()];
    let mut fixed: Choice = vec![None; graph.classes.len()];
    let open = settle(&reduced, &mut paid, &mut fixed);
    let mut solved: Choice = choice.iter().zip(&fixed).map(|(choice, fixed)| fixed.or(*choice)).collect();
    let mut left = branches;
    let mut is_complete = true;
    for part in parts(&reduced, &paid, &open) {
        if part.scope.len() > PART_LIMIT || left == 0 {
            is_complete = false;
            continue;
        }
        let (local, numbers) = part.graph(&reduced, &paid);
        let mut search = Search::new(&local, left);
        // Only what is cheaper than the choice so far is of use.
        search.limit = part.cost(&reduced, &solved, &paid);
        search.branch(local.roots.clone(), 0.0);
        left = search.left;
        is_complete &= left > 0;
        let Some(best) = search.best else { continue };
        let mut changed = solved.clone();
        for (class, node) in part.scope.iter().zip(best) {
            changed[*class] = node.map(|node| numbers[node]).or(changed[*class]);
        }
        // Parts that are solved on their own may form a cycle together.
        match graph.cost(&changed) {
            Some(_) => solved = changed,
            None => is_complete = false,
        }
    }
    match graph.cost(&solved) {
        Some(changed) if changed < cost * (1.0 - 1e-12) => (solved, is_complete),
        // Cyclic with what had no alternative: nothing is proved of the choice from before.
        None => (choice, false),
        Some(_) => (choice, is_complete),
    }
}

/// The graph without nodes that no best choice needs: those that need their own class, and those that
/// need and cost at least what another of their class does. Nodes keep their numbers.
fn reduce(graph: &Graph) -> Graph {
    let mut reduced = graph.clone();
    for (class, nodes) in reduced.classes.iter_mut().enumerate() {
        nodes.retain(|number| !graph.nodes[*number].children.contains(&class));
        if nodes.len() > NODE_LIMIT {
            continue;
        }
        let all = nodes.clone();
        nodes.retain(|number| {
            let node = &graph.nodes[*number];
            !all.iter().any(|other| {
                let rival = &graph.nodes[*other];
                let is_subset = rival.children.iter().all(|child| node.children.binary_search(child).is_ok());
                let is_less = rival.cost < node.cost || rival.children.len() < node.children.len() || other < number;
                other != number && is_subset && rival.cost <= node.cost && is_less
            })
        });
    }
    reduced
}

/// Decides the needed classes that have one node; returns those that have several.
fn settle(graph: &Graph, paid: &mut [bool], fixed: &mut Choice) -> Vec<usize> {
    let mut needed = vec![false; graph.classes.len()];
    graph.roots.iter().for_each(|root| needed[*root] = true);
    require(graph, &mut needed);
    let mut open = Vec::new();
    for class in (0..needed.len()).filter(|class| needed[*class]) {
        match graph.classes[class][..] {
            [only] => {
                paid[class] = true;
                fixed[class] = Some(only);
            }
            _ => open.push(class),
        }
    }
    open
}

/// Classes that depend on each other's choices: those needed for sure, and all that may be.
struct Part {
    needed: Vec<usize>,
    scope: Vec<usize>,
}

/// Splits what is open by the undecided classes that it may need.
fn parts(graph: &Graph, paid: &[bool], open: &[usize]) -> Vec<Part> {
    fn find(joined: &[usize], mut part: usize) -> usize {
        while joined[part] != part {
            part = joined[part];
        }
        part
    }
    let mut part_of = vec![usize::MAX; graph.classes.len()];
    let mut joined: Vec<usize> = (0..open.len()).collect();
    for (number, root) in open.iter().enumerate() {
        let mut stack = vec![*root];
        while let Some(class) = stack.pop() {
            if part_of[class] != usize::MAX {
                let (a, b) = (find(&joined, part_of[class]), find(&joined, number));
                joined[a.max(b)] = a.min(b);
                continue;
            }
            part_of[class] = number;
            let children = graph.classes[class].iter().flat_map(|node| &graph.nodes[*node].children);
            stack.extend(children.filter(|child| !paid[**child]));
        }
    }
    let mut parts: Vec<Part> = open.iter().map(|_| Part { needed: Vec::new(), scope: Vec::new() }).collect();
    for class in (0..graph.classes.len()).filter(|class| part_of[*class] != usize::MAX) {
        parts[find(&joined, part_of[class])].scope.push(class);
    }
    for root in open {
        parts[find(&joined, part_of[*root])].needed.push(*root);
    }
    parts.retain(|part| !part.scope.is_empty());
    parts
}

impl Part {
    /// The part as a graph of its own, where what is paid is not seen, and the numbers that its nodes
    /// have in the whole.
    fn graph(&self, graph: &Graph, paid: &[bool]) -> (Graph, Vec<usize>) {
        let local = |class: &usize| self.scope.binary_search(class).ok();
        let mut part = Graph { classes: vec![Vec::new(); self.scope.len()], ..Graph::default() };
        let mut numbers = Vec::new();
        for (number, class) in self.scope.iter().enumerate() {
            for node in &graph.classes[*class] {
                let children = graph.nodes[*node].children.iter().filter(|child| !paid[**child]);
                let children: Vec<usize> = children.filter_map(local).collect();
                part.add(number, children, graph.nodes[*node].cost);
                numbers.push(*node);
            }
        }
        part.roots = self.needed.iter().filter_map(local).collect();
        (part, numbers)
    }

    /// What the part costs under a choice.
    fn cost(&self, graph: &Graph, choice: &[Option<usize>], paid: &[bool]) -> f64 {
        let (mut seen, mut stack, mut cost) = (vec![false; self.scope.len()], self.needed.clone(), 0.0);
        while let Some(class) = stack.pop() {
            let Ok(local) = self.scope.binary_search(&class) else { continue };
            if std::mem::replace(&mut seen[local], true) {
                continue;
            }
            let Some(node) = choice[class] else { return f64::INFINITY };
            cost += graph.nodes[node].cost;
            stack.extend(graph.nodes[node].children.iter().filter(|child| !paid[**child]));
        }
        cost
    }
}

struct Search<'a> {
    graph: &'a Graph,
    order: Vec<usize>,
    decided: Vec<bool>,
    chosen: Choice,
    best: Option<Choice>,
    limit: f64,
    left: usize,
}

impl<'a> Search<'a> {
    fn new(graph: &'a Graph, left: usize) -> Self {
        let count = graph.classes.len();
        Self {
            graph,
            order: greedy::settled(graph),
            decided: vec![false; count],
            chosen: vec![None; count],
            best: None,
            limit: f64::INFINITY,
            left,
        }
    }

    /// Tries all nodes of one of the classes that are needed and not decided.
    fn branch(&mut self, mut needed: Vec<usize>, cost: f64) {
        let Some(class) = needed.pop() else {
            if cost < self.limit * (1.0 - 1e-12) {
                self.limit = cost;
                self.best = Some(self.chosen.clone());
            }
            return;
        };
        let graph = self.graph;
        let mut nodes = graph.classes[class].clone();
        nodes.sort_by(|a, b| graph.nodes[*a].cost.total_cmp(&graph.nodes[*b].cost).then(a.cmp(b)));
        for number in nodes {
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            let node = &graph.nodes[number];
            let total = cost + node.cost;
            if total >= self.limit || node.children.iter().any(|child| self.reaches(*child, class)) {
                continue;
            }
            self.decided[class] = true;
            self.chosen[class] = Some(number);
            let mut next = needed.clone();
            next.extend(node.children.iter().filter(|child| !self.decided[**child] && !needed.contains(child)));
            if total + self.rest(&next) < self.limit * (1.0 - 1e-12) {
                self.branch(next, total);
            }
            self.decided[class] = false;
            self.chosen[class] = None;
        }
    }

    /// A bound on what is still to be paid.
    fn rest(&self, open: &[usize]) -> f64 {
        let mut needed = vec![false; self.decided.len()];
        open.iter().for_each(|class| needed[*class] = true);
        bound(self.graph, &self.order, &self.decided, &needed)
    }

    /// Whether `from` needs `to` by what is chosen.
    fn reaches(&self, from: usize, to: usize) -> bool {
        let (mut seen, mut stack) = (vec![false; self.decided.len()], vec![from]);
        while let Some(class) = stack.pop() {
            if class == to {
                return true;
            }
            if std::mem::replace(&mut seen[class], true) {
                continue;
            }
            if let Some(node) = self.chosen[class] {
                stack.extend(&self.graph.nodes[node].children);
            }
        }
        false
    }
}
