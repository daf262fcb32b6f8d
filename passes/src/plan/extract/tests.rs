//! Choices are the best ones, bounded from below, and never worse than what is known.

use super::*;

/// A random graph: classes need later ones, now and then earlier ones.
fn random(seed: u64) -> Graph {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |count: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % count
    };
    let classes = 3 + below(6);
    let mut graph = Graph { classes: vec![Vec::new(); classes], ..Graph::default() };
    for class in 0..classes {
        for _ in 0..1 + below(3) {
            let count = if class + 1 == classes { 0 } else { below(4) };
            let child = |below: &mut dyn FnMut(usize) -> usize| match below(6) {
                0 => below(classes),
                _ => class + 1 + below(classes - class - 1),
            };
            let children = (0..count).map(|_| child(&mut below)).collect();
            graph.add(class, children, below(10) as f64);
        }
        // Every class has a finite term.
        graph.add(class, Vec::new(), 12.0 + below(20) as f64);
    }
    graph.roots = if below(2) == 0 { vec![0] } else { vec![0, 1] };
    graph
}

/// The least cost by trying every choice.
fn exhaustive(graph: &Graph) -> f64 {
    let mut choice: Vec<usize> = vec![0; graph.classes.len()];
    let mut best = f64::INFINITY;
    loop {
        let chosen: Choice = choice.iter().zip(&graph.classes).map(|(at, nodes)| Some(nodes[*at])).collect();
        best = best.min(graph.cost(&chosen).unwrap_or(f64::INFINITY));
        let Some(class) = (0..choice.len()).find(|c| choice[*c] + 1 < graph.classes[*c].len()) else { return best };
        choice[class] += 1;
        choice[..class].fill(0);
    }
}

#[test]
fn small_graphs_are_solved_exactly_and_bounded_from_below() {
    let mut greedy_was_worse = 0;
    for seed in 0..400 {
        let graph = random(seed);
        let best = exhaustive(&graph);
        let found = extract(&graph, None, Effort { branches: 100_000, ..Effort::default() }).expect("finite terms");
        assert!((found.cost - best).abs() < 1e-9, "seed {seed}: {} instead of {best}", found.cost);
        assert!(found.gap() < 1e-9, "seed {seed}: nothing was left to try, but the gap is {}", found.gap());
        let unproved = bound::lower_bound(&graph);
        assert!(unproved <= best + 1e-9, "seed {seed}: bound {unproved} above {best}");
        let tree = graph.cost(&bottom_up(&graph)).expect("acyclic");
        greedy_was_worse += usize::from(tree > best + 1e-9);
    }
    assert!(greedy_was_worse > 20, "only {greedy_was_worse} graphs have shared parts that matter");
}

#[test]
fn what_is_known_is_never_made_worse() {
    for seed in 400..600 {
        let graph = random(seed);
        let known = bottom_up(&graph);
        let found = extract(&graph, Some(&known), Effort { branches: 0, visits: 0 }).expect("finite terms");
        assert!(found.cost <= graph.cost(&known).expect("acyclic") + 1e-9, "seed {seed}");
    }
}

#[test]
fn shared_classes_are_paid_once() {
    let mut graph = Graph::default();
    // As trees the root's first node costs 3 + 2 * 5, its second 9; with 3 paid once the first costs 8.
    graph.add(0, vec![1, 2], 1.0);
    graph.add(0, vec![4], 9.0);
    graph.add(1, vec![3], 1.0);
    graph.add(2, vec![3], 1.0);
    graph.add(3, vec![], 5.0);
    graph.add(4, vec![], 0.0);
    graph.roots = vec![0];
    assert_eq!(graph.cost(&bottom_up(&graph)), Some(9.0));
    let found = extract(&graph, None, Effort::default()).expect("finite terms");
    assert_eq!((found.cost, found.bound, found.gap()), (8.0, 8.0, 0.0));
}

#[test]
fn cycles_are_never_chosen() {
    let mut graph = Graph::default();
    graph.add(0, vec![1], 0.0);
    graph.add(1, vec![0], 0.0);
    graph.add(1, vec![], 7.0);
    graph.roots = vec![0];
    let found = extract(&graph, None, Effort::default()).expect("finite terms");
    assert_eq!(found.cost, 7.0);
    graph.classes[1].pop();
    graph.nodes.pop();
    assert!(extract(&graph, None, Effort::default()).is_none());
}
