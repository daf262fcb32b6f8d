//! The e-graph: one kind of node for every pure op, and what is known of a class.

use egg::{Analysis, DidMerge, EGraph, Id, Language};
use thunder_interface::Facts;
use thunder_ir::{Attribute, Type};

use super::cost::bytes;
use super::vocabulary::{Vocabulary, uniform_constant};

/// An op over classes, a result of an op with several, or a value from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// The number of the op's name.
    pub head: u32,
    /// The number of the op with its attributes and types.
    pub symbol: u32,
    is_commutative: bool,
    children: Vec<Id>,
}

impl Node {
    /// The node of a symbol over classes.
    pub fn new(vocabulary: &Vocabulary<'_>, symbol: u32, children: Vec<Id>) -> Self {
        let known = vocabulary.symbol(symbol);
        Self { head: known.head, symbol, is_commutative: known.is_commutative, children }
    }
}

impl Language for Node {
    type Discriminant = u32;

    fn discriminant(&self) -> u32 {
        self.head
    }

    fn matches(&self, other: &Self) -> bool {
        self.symbol == other.symbol && self.children.len() == other.children.len()
    }

    fn children(&self) -> &[Id] {
        &self.children
    }

    fn children_mut(&mut self) -> &mut [Id] {
        &mut self.children
    }

    // Operands whose order does not matter are in the order of their classes, so that equal sums are
    // one node without a rule for that.
    fn update_children<F: FnMut(Id) -> Id>(&mut self, mut f: F) {
        self.children.iter_mut().for_each(|child| *child = f(*child));
        if self.is_commutative {
            self.children.sort_unstable();
        }
    }
}

/// What all nodes of a class have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Class<'c> {
    /// The type of the value; `None` for an op of several results.
    pub ty: Option<Type<'c>>,
    /// The value, if it is part of the program.
    pub constant: Option<Attribute<'c>>,
    /// The one value that all its elements have.
    pub uniform: Option<Attribute<'c>>,
    /// The bytes of the weights that it follows from; `None` where it depends on what is not known before a run.
    pub weights: Option<f64>,
    /// Whether ops of several kinds need one of those weights.
    pub is_kept: bool,
}

impl<'c> Class<'c> {
    /// What rules may know; `None` for an op of several results.
    pub fn facts(&self) -> Option<Facts<'c>> {
        Some(Facts { ty: self.ty?, constant: self.constant, uniform: self.uniform })
    }
}

/// The vocabulary as egg's analysis: it makes what is known of classes.
pub struct Analyst<'v, 'c>(pub &'v mut Vocabulary<'c>);

/// Classes of equal values.
pub type Graph<'v, 'c> = EGraph<Node, Analyst<'v, 'c>>;

impl<'c> Analysis<Node> for Analyst<'_, 'c> {
    type Data = Class<'c>;

    fn make(graph: &mut EGraph<Node, Self>, node: &Node, _: Id) -> Class<'c> {
        let symbol = graph.analysis.0.symbol(node.symbol);
        let weights = match symbol.leaf() {
            Some(_) if symbol.is_fixed => Some(bytes(symbol.facts.ty)),
            Some(_) => symbol.facts.constant.map(|_| 0.0),
            None => node.children.iter().map(|child| graph[*child].data.weights).sum(),
        };
        let is_kept = symbol.is_kept || node.children.iter().any(|child| graph[*child].data.is_kept);
        let [_] = symbol.results[..] else {
            return Class { ty: None, constant: None, uniform: None, weights, is_kept };
        };
        let Facts { ty, constant, uniform } = symbol.facts;
        let operand = symbol.moves.then(|| node.children.first()).flatten();
        let moved = operand.and_then(|operand| graph[*operand].data.uniform);
        let uniform = uniform.or(moved).or_else(|| uniform_constant(constant?));
        Class { ty: Some(ty), constant, uniform, weights, is_kept }
    }

    fn merge(&mut self, known: &mut Class<'c>, other: Class<'c>) -> DidMerge {
        assert_eq!(known.ty, other.ty, "equal values have one type: what unites classes checks it before");
        let merged = Class {
            ty: known.ty,
            constant: known.constant.or(other.constant),
            uniform: known.uniform.or(other.uniform),
            weights: known.weights.into_iter().chain(other.weights).reduce(f64::max),
            is_kept: known.is_kept || other.is_kept,
        };
        let changed = DidMerge(merged != *known, merged != other);
        *known = merged;
        changed
    }
}
