//! Choices by what they cost once kernels are fused.
//!
//! Every class is two things to choose: the value in memory, and the value within a kernel. A kernel stores what it makes;
//! it computes its operands row by row, or loads them; a library takes them from memory, and a kernel may run on blocks of
//! its product as they are made. So producers join consumers, siblings share what they compute, and what is cheap is
//! computed again, wherever that moves fewer bytes. How many kernels there are is only estimated here: whether a choice is
//! better is tried afterwards, by cutting it into kernels.

use super::cost::{Role, Work};
use super::extract::{Choice, Effort, Graph, extract};
use crate::machine::Machine;

/// A node of an e-graph.
pub struct Node {
    /// Its class.
    pub class: usize,
    /// The classes of its operands, in order.
    pub operands: Vec<usize>,
    /// What it takes.
    pub work: Work,
    /// What choosing it costs beside that.
    pub extra: f64,
    /// Whether it is computed before the program runs.
    pub is_fixed: bool,
}

/// Chooses nodes for `roots` among `nodes` of `count` classes with values of these bytes, for a machine; improves on `known`.
///
/// The choice has one node for each class that is needed. It may be cyclic, where a value is computed in one way in memory
/// and in another within kernels.
pub fn choose(
    (nodes, bytes, roots): (&[Node], &[f64], &[usize]),
    machine: &Machine,
    known: &Choice,
    effort: Effort,
) -> Option<Choice> {
    let mut places = Places { machine, graph: Graph::default(), of: Vec::new() };
    places.graph.classes.resize(2 * bytes.len(), Vec::new());
    let own: Vec<Own> = nodes.iter().enumerate().map(|(number, node)| places.add(number, node)).collect();
    let moves: Vec<(usize, usize)> =
        bytes.iter().enumerate().map(|(class, bytes)| places.moves(class, *bytes)).collect();
    places.graph.roots = roots.iter().map(|root| memory(*root)).collect();
    let mut start: Choice = vec![None; 2 * bytes.len()];
    for (class, node) in known.iter().enumerate() {
        let Some(node) = node else { continue };
        start[memory(class)] = own[*node].memory.or(Some(moves[class].1));
        start[kernel(class)] = own[*node].kernel.filter(|_| !own[*node].is_product).or(Some(moves[class].0));
    }
    let found = extract(&places.graph, Some(&start), effort)?;
    let chosen = |place: usize| found.choice[place].and_then(|node| places.of[node]);
    Some((0..bytes.len()).map(|class| chosen(kernel(class)).or_else(|| chosen(memory(class)))).collect())
}

/// A class as what is in memory.
fn memory(class: usize) -> usize {
    2 * class
}

/// A class as what a kernel has at hand.
fn kernel(class: usize) -> usize {
    2 * class + 1
}

/// The nodes of the graph of places that a node is.
#[derive(Default)]
struct Own {
    memory: Option<usize>,
    kernel: Option<usize>,
    is_product: bool,
}

struct Places<'m> {
    machine: &'m Machine,
    graph: Graph,
    /// The node that each node of the graph is; `None` for loads and stores.
    of: Vec<Option<usize>>,
}

impl Places<'_> {
    fn add(&mut self, number: usize, node: &Node) -> Own {
        let stored = || node.operands.iter().map(|class| memory(*class)).collect::<Vec<_>>();
        let (class, work, machine) = (node.class, &node.work, self.machine);
        let mut add = |class, operands, cost: f64| {
            self.of.push(Some(number));
            Some(self.graph.add(class, operands, cost + node.extra))
        };
        if node.is_fixed {
            return Own { memory: add(memory(class), stored(), 0.0), ..Own::default() };
        }
        let all = machine.transfer(work.read + work.written);
        match &work.role {
            Role::Free => Own { memory: add(memory(class), stored(), 0.0), ..Own::default() },
            Role::View { is_ordered } => {
                let mut operands = stored();
                let in_memory = add(memory(class), operands.clone(), machine.scalar);
                operands[0] = kernel(node.operands[0]);
                let disorder = if *is_ordered { 0.0 } else { all };
                let in_kernel = add(kernel(class), operands, machine.scalar + disorder);
                Own { memory: in_memory, kernel: in_kernel, is_product: false }
            }
            Role::Generator => Own { kernel: add(kernel(class), stored(), machine.scalar), ..Own::default() },
            Role::Loop { aligned } => {
                let place = |(class, is_aligned): (&usize, &bool)| match is_aligned {
                    true => kernel(*class),
                    false => memory(*class),
                };
                let operands = node.operands.iter().zip(aligned).map(place).collect();
                Own { kernel: add(kernel(class), operands, work.arithmetic), ..Own::default() }
            }
            Role::Library { has_blocks } => {
                let cost = |bytes| machine.launch + work.arithmetic.max(machine.transfer(bytes));
                let in_memory = add(memory(class), stored(), cost(work.read + work.written));
                let in_kernel = has_blocks.then(|| add(kernel(class), stored(), cost(work.read))).flatten();
                Own { memory: in_memory, kernel: in_kernel, is_product: true }
            }
            Role::Alone => {
                let cost = machine.launch + work.arithmetic.max(all);
                Own { memory: add(memory(class), stored(), cost), ..Own::default() }
            }
        }
    }

    /// The load and the store of a class.
    fn moves(&mut self, class: usize, bytes: f64) -> (usize, usize) {
        let machine = self.machine;
        self.of.extend([None, None]);
        let load = self.graph.add(kernel(class), vec![memory(class)], machine.transfer(bytes));
        let store = self.graph.add(memory(class), vec![kernel(class)], machine.launch + machine.transfer(bytes));
        (load, store)
    }
}
