//! Lower bounds on the cost of any choice.

use super::Graph;
use super::greedy::settled;

/// How often the bounds of classes are propagated; they are valid after any number of times.
const SWEEPS: usize = 12;

/// No choice for the roots costs less.
pub fn lower_bound(graph: &Graph) -> f64 {
    let mut needed = vec![false; graph.classes.len()];
    graph.roots.iter().for_each(|root| needed[*root] = true);
    require(graph, &mut needed);
    bound(graph, &settled(graph), &vec![false; needed.len()], &needed)
}

/// Marks what every choice for the needed classes needs: the children that all nodes of a class share.
pub fn require(graph: &Graph, needed: &mut [bool]) {
    let mut stack: Vec<usize> = (0..needed.len()).filter(|class| needed[*class]).collect();
    while let Some(class) = stack.pop() {
        let mut nodes = graph.classes[class].iter().map(|node| &graph.nodes[*node].children);
        let Some(first) = nodes.next() else { continue };
        let others: Vec<_> = nodes.collect();
        for child in first.iter().filter(|child| others.iter().all(|o| o.binary_search(child).is_ok())) {
            if !needed[*child] {
                needed[*child] = true;
                stack.push(*child);
            }
        }
    }
}

/// A bound on what the needed classes among `scope`, best in the order of [`settled`], cost, and what they need, when the classes `paid`
/// cost nothing any more.
///
/// Each class passes its bound on to the classes that may need it, in equal shares: in any choice at
/// most all of them do, so that no share is counted twice. Needed classes pass on nothing, and count
/// themselves.
pub fn bound(graph: &Graph, scope: &[usize], paid: &[bool], needed: &[bool]) -> f64 {
    let mut users = vec![0u32; graph.classes.len()];
    let mut last = vec![usize::MAX; graph.classes.len()];
    for class in scope.iter().copied().filter(|class| !paid[*class]) {
        for node in &graph.classes[class] {
            for child in &graph.nodes[*node].children {
                if last[*child] != class {
                    last[*child] = class;
                    users[*child] += 1;
                }
            }
        }
    }
    let mut bounds = vec![0.0f64; graph.classes.len()];
    for _ in 0..SWEEPS {
        let mut changed = false;
        for class in scope.iter().copied().filter(|class| !paid[*class]) {
            let costs = graph.classes[class].iter().map(|node| {
                let node = &graph.nodes[*node];
                let free = |child: &&usize| !paid[**child] && !needed[**child];
                let shares = node.children.iter().filter(free).map(|c| bounds[*c] / f64::from(users[*c]));
                node.cost + shares.sum::<f64>()
            });
            let least = costs.fold(f64::INFINITY, f64::min);
            if least.is_finite() && least > bounds[class] {
                bounds[class] = least;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    scope.iter().filter(|class| needed[**class] && !paid[**class]).map(|class| bounds[*class]).sum()
}
