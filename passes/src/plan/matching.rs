//! Finds the places in an e-graph where the left side of a rule matches.

use egg::{Id, Language};
use thunder_interface::{AttributeTerm, Head, OpTerm, OperandTerm, Rule, Term};
use thunder_ir::Attribute;

use super::egraph::{Graph, Node};
use super::vocabulary::{Symbol, Vocabulary};

/// What the names of a rule stand for at one place.
#[derive(Debug, Clone)]
pub struct Binding<'c> {
    /// The class that is matched.
    pub root: Id,
    /// The classes of values, by number.
    pub values: Vec<Option<Id>>,
    /// The classes of lists, by number.
    pub lists: Vec<Option<Vec<Id>>>,
    /// The attributes, by number.
    pub attributes: Vec<Option<Attribute<'c>>>,
    /// The nodes of ops, by number.
    pub ops: Vec<Option<Node>>,
}

/// The places where `rule` matches, at most `limit`, in the order of classes.
pub fn matches<'c>(graph: &Graph<'_, 'c>, rule: &Rule, limit: usize) -> Vec<Binding<'c>> {
    let Term::Op(root) = &rule.left else { return Vec::new() };
    let mut classes: Vec<Id> = match &root.head {
        Head::Name(name) => {
            let head = graph.analysis.0.known_head(name);
            head.and_then(|head| graph.classes_for_op(&head)).map(Iterator::collect).unwrap_or_default()
        }
        Head::Trait(_) | Head::Same(_) => graph.classes().map(|class| class.id).collect(),
    };
    classes.sort_unstable();
    let mut search = Search { graph, limit, found: Vec::new() };
    for class in classes {
        if search.found.len() >= limit {
            break;
        }
        let binding = Binding {
            root: class,
            values: vec![None; rule.names.values.len()],
            lists: vec![None; rule.names.lists.len()],
            attributes: vec![None; rule.names.attributes.len()],
            ops: vec![None; rule.names.ops.len()],
        };
        search.solve(vec![(&rule.left, class)], binding);
    }
    search.found
}

struct Search<'a, 'v, 'c> {
    graph: &'a Graph<'v, 'c>,
    limit: usize,
    found: Vec<Binding<'c>>,
}

impl<'c> Search<'_, '_, 'c> {
    /// Matches terms with classes, the last pair first; what is left to match is `goals`.
    fn solve(&mut self, mut goals: Vec<(&Term, Id)>, mut binding: Binding<'c>) {
        while let Some((term, class)) = goals.pop() {
            match term {
                Term::Value(number) => match binding.values[*number].replace(class) {
                    Some(known) if known != class => return,
                    _ => {}
                },
                Term::Constant(_) => return,
                Term::Op(op) => {
                    self.choose(op, class, &goals, &binding);
                    return;
                }
            }
        }
        if self.found.len() < self.limit {
            self.found.push(binding);
        }
    }

    /// Tries every node of the class.
    fn choose(&mut self, op: &OpTerm, class: Id, goals: &[(&Term, Id)], binding: &Binding<'c>) {
        let graph = self.graph;
        for node in &graph[class].nodes {
            let symbol = graph.analysis.0.symbol(node.symbol);
            if !is_of(graph.analysis.0, op, symbol, binding) || symbol.results.len() != 1 {
                continue;
            }
            let mut bound = binding.clone();
            if !bind_attributes(graph.analysis.0, op, symbol, &mut bound) {
                continue;
            }
            bound.ops[op.number] = Some(node.clone());
            let children = node.children();
            self.enter(op, children, goals, bound.clone());
            if symbol.is_commutative
                && let [first, second] = *children
                && first != second
            {
                self.enter(op, &[second, first], goals, bound);
            }
        }
    }

    fn enter(&mut self, op: &OpTerm, children: &[Id], goals: &[(&Term, Id)], mut bound: Binding<'c>) {
        let mut new = Vec::new();
        let mut rest = children.iter();
        for operand in &op.operands {
            match operand {
                OperandTerm::One(term) => match rest.next() {
                    Some(child) => new.push((term, *child)),
                    None => return,
                },
                OperandTerm::Rest(number) => {
                    let list: Vec<Id> = rest.by_ref().copied().collect();
                    match bound.lists[*number].replace(list) {
                        Some(known) if bound.lists[*number].as_ref() != Some(&known) => return,
                        _ => {}
                    }
                }
            }
        }
        if rest.next().is_none() {
            // The first operand is matched first: an op is bound before another is the same.
            let goals = goals.iter().copied().chain(new.into_iter().rev()).collect();
            self.solve(goals, bound);
        }
    }
}

fn is_of(vocabulary: &Vocabulary<'_>, op: &OpTerm, symbol: &Symbol<'_>, binding: &Binding<'_>) -> bool {
    match &op.head {
        Head::Name(name) => symbol.name == name,
        Head::Trait(name) => symbol.definition.is_some_and(|definition| definition.has_trait(name)),
        Head::Same(number) => binding.ops[*number].as_ref().is_some_and(|node| {
            let known = vocabulary.symbol(node.symbol);
            (known.head, known.attributes) == (symbol.head, symbol.attributes)
        }),
    }
}

/// Binds the attributes of a term; `false` where they differ from what is bound, or the op has others.
fn bind_attributes<'c>(
    vocabulary: &Vocabulary<'c>,
    op: &OpTerm,
    symbol: &Symbol<'c>,
    binding: &mut Binding<'c>,
) -> bool {
    let mut others = symbol.attributes.as_dictionary().unwrap_or_default();
    let mut bind = |number: usize, value: Attribute<'c>| match binding.attributes[number].replace(value) {
        Some(known) => known == value,
        None => true,
    };
    for attribute in &op.attributes {
        let AttributeTerm::Named(name, number) = attribute else { continue };
        let present = others.iter().position(|(known, _)| known == name).map(|at| others.remove(at).1);
        let default = || {
            let specs = &symbol.definition?.attributes;
            specs.iter().find(|spec| spec.name == name)?.default.map(|default| default(vocabulary.context()))
        };
        let Some(value) = present.or_else(default) else { return false };
        if !bind(*number, value) {
            return false;
        }
    }
    let rest = op.attributes.iter().find_map(|attribute| match attribute {
        AttributeTerm::Others(number) => Some(*number),
        AttributeTerm::Named(..) => None,
    });
    match rest {
        Some(number) => bind(number, Attribute::dictionary(vocabulary.context(), &others)),
        // Any op of a trait is known by its label, with all its attributes.
        None => others.is_empty() || !matches!(op.head, Head::Name(_)),
    }
}
