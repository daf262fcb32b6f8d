//! Changes a choice one class at a time, as long as the whole gets cheaper.

use super::{Choice, Graph};

/// The choice after every single change that makes it cheaper, within `visits` visited classes.
/// Classes that it does not have are taken from `others`.
pub fn improve(graph: &Graph, mut choice: Choice, others: &[Option<usize>], mut visits: usize) -> Choice {
    for (chosen, other) in choice.iter_mut().zip(others) {
        *chosen = chosen.or(*other);
    }
    let Some(mut cost) = graph.cost(&choice) else { return choice };
    loop {
        let Some(order) = graph.order(&choice) else { return choice };
        let mut improved = false;
        // From the roots on: what they no longer need is not looked at in vain.
        for class in order.iter().rev().copied() {
            let current = choice[class];
            for node in graph.classes[class].iter().copied().filter(|node| Some(*node) != current) {
                if graph.nodes[node].children.iter().any(|child| choice[*child].is_none()) {
                    continue;
                }
                let Some(rest) = visits.checked_sub(order.len()) else { return choice };
                visits = rest;
                let before = choice[class].replace(node);
                match graph.cost(&choice) {
                    Some(changed) if changed < cost * (1.0 - 1e-12) => {
                        cost = changed;
                        improved = true;
                    }
                    _ => choice[class] = before,
                }
            }
        }
        if !improved {
            return choice;
        }
    }
}
