//! Grows an e-graph by rules until nothing is new or a bound is reached; bounds never depend on time.

use std::collections::{BTreeSet, HashMap};

use egg::{Id, Language};
use thunder_interface::{AttributeTerm, Head, Match, Named, OpTerm, OperandTerm, Rule, Term};
use thunder_ir::Attribute;
use thunder_ir::constraint::compatible;

use super::Laws;
use super::chunk::{Chunk, Source};
use super::egraph::{Analyst, Graph, Node};
use super::matching::{Binding, matches};
use super::vocabulary::{Simplified, Vocabulary};

/// How far an e-graph may grow.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Rounds over all rules.
    pub iterations: usize,
    /// Nodes.
    pub nodes: usize,
    /// How often each rule may change the graph.
    pub fuel: usize,
}

/// Where a node came from.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// The number of the rule that made it; `None` for what was there before.
    pub rule: Option<usize>,
    /// The ops of the chunk that it stands for.
    pub ops: BTreeSet<usize>,
}

/// A rule that united classes of different types: a mistake in the rule.
#[derive(Debug, Clone)]
pub struct WrongRule {
    /// What went wrong.
    pub message: String,
    /// The ops of the chunk that it matched.
    pub ops: BTreeSet<usize>,
}

/// A chunk as an e-graph.
pub struct Saturation<'r, 'v, 'c> {
    /// The classes.
    pub graph: Graph<'v, 'c>,
    /// The class of each op of the chunk.
    pub classes: Vec<Id>,
    /// The class of each result of each op.
    pub results: Vec<Vec<Id>>,
    /// The classes of leaves.
    pub leaves: Vec<Id>,
    /// Where nodes came from.
    pub origins: HashMap<Node, Origin>,
    /// The rules that said of classes that they are equal.
    pub unions: Vec<(Id, usize)>,
    /// How often each rule changed the graph.
    pub applied: Vec<usize>,
    pub(super) laws: &'r Laws,
}

impl<'r, 'v, 'c> Saturation<'r, 'v, 'c> {
    /// The e-graph of a chunk, before any rule.
    pub fn new(chunk: &Chunk<'c>, vocabulary: &'v mut Vocabulary<'c>, laws: &'r Laws) -> Self {
        let mut graph = Graph::new(Analyst(vocabulary));
        let leaves: Vec<Id> = (0..chunk.leaves.len())
            .map(|number| {
                let symbol = graph.analysis.0.leaf(number, &chunk.leaves[number]);
                let node = Node::new(graph.analysis.0, symbol, Vec::new());
                graph.add(node)
            })
            .collect();
        let (mut classes, mut results): (Vec<Id>, Vec<Vec<Id>>) = (Vec::new(), Vec::new());
        let mut origins = HashMap::new();
        for (number, op) in chunk.ops.iter().enumerate() {
            let children = op.operands.iter().map(|source| match source {
                Source::Leaf(leaf) => leaves[*leaf],
                Source::Result(op, result) => results[*op][*result],
            });
            let node = Node::new(graph.analysis.0, op.symbol, children.collect());
            let class = graph.add(node.clone());
            let node = canonical(&graph, &node);
            origins.entry(node).or_insert_with(Origin::default).ops.insert(number);
            classes.push(class);
            let count = graph.analysis.0.symbol(op.symbol).results.len();
            if count == 1 {
                results.push(vec![class]);
                continue;
            }
            let projections = (0..count).map(|index| {
                let symbol = graph.analysis.0.projection(index, op.symbol);
                let node = Node::new(graph.analysis.0, symbol, vec![class]);
                graph.add(node)
            });
            let projections = projections.collect();
            results.push(projections);
        }
        graph.rebuild();
        Self { graph, classes, results, leaves, origins, unions: Vec::new(), applied: vec![0; laws.rules.len()], laws }
    }

    /// Applies the rules until nothing changes or a bound is reached.
    pub fn run(&mut self, bounds: Bounds) -> Result<(), WrongRule> {
        for _ in 0..bounds.iterations {
            let mut changed = false;
            let mut found = Vec::new();
            for (number, rule) in self.laws.rules.iter().enumerate() {
                if self.applied[number] < bounds.fuel {
                    // Places where nothing is new do not cost fuel, but must end somewhere.
                    let places = matches(&self.graph, rule, bounds.fuel.saturating_mul(4));
                    found.extend(places.into_iter().map(|binding| (number, binding)));
                }
            }
            for (number, binding) in found {
                if self.graph.total_number_of_nodes() >= bounds.nodes {
                    break;
                }
                if self.applied[number] < bounds.fuel && self.apply(number, &binding)? {
                    self.applied[number] += 1;
                    changed = true;
                }
            }
            changed |= self.merge();
            if !changed {
                return Ok(());
            }
            self.graph.rebuild();
            self.refresh();
            if self.graph.total_number_of_nodes() >= bounds.nodes {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Adds a node that a law makes of these ops.
    fn insert(&mut self, node: Node, law: usize, ops: &BTreeSet<usize>) -> Id {
        let class = self.graph.add(node.clone());
        let node = canonical(&self.graph, &node);
        let origin = Origin { rule: Some(law), ops: ops.clone() };
        self.origins.entry(node).or_insert(origin);
        class
    }

    /// Adds an op of one result, whose type it infers; `None` where there is no such op.
    pub(super) fn make(
        &mut self,
        (name, attributes): Named<'c>,
        children: Vec<Id>,
        law: usize,
        ops: &BTreeSet<usize>,
    ) -> Option<Id> {
        let operands = children.iter().map(|id| self.graph[*id].data.ty).collect::<Option<Vec<_>>>()?;
        let symbol = self.graph.analysis.0.make(name, attributes, &operands, None)?;
        let node = Node::new(self.graph.analysis.0, symbol, children);
        Some(self.insert(node, law, ops))
    }

    /// Nodes change as their children are united: what is known of them follows.
    fn refresh(&mut self) {
        let mut origins: Vec<(Node, Origin)> = self.origins.drain().collect();
        // Not by node: those of the chunk first, and by rule, so that the order of the table is not seen.
        origins.sort_by(|(a, x), (b, y)| (x.rule, a).cmp(&(y.rule, b)));
        for (node, origin) in origins {
            let node = canonical(&self.graph, &node);
            self.origins.entry(node).or_insert(origin);
        }
    }

    /// Makes the right side and unites it with the left one; answers whether anything is new.
    fn apply(&mut self, number: usize, binding: &Binding<'c>) -> Result<bool, WrongRule> {
        let rule = self.laws.rules[number];
        let Some((attributes, types)) = self.condition(rule, binding) else { return Ok(false) };
        let Some(ty) = self.graph[binding.root].data.ty else { return Ok(false) };
        let before = self.graph.total_number_of_nodes();
        let mut ops = BTreeSet::new();
        for node in binding.ops.iter().flatten() {
            if let Some(origin) = self.origins.get(&canonical(&self.graph, node)) {
                ops.extend(&origin.ops);
            }
        }
        let mut maker = Maker { saturation: self, binding, attributes, types, rule: number, ops };
        let made = maker.term(&rule.right, Some(ty));
        let ops = maker.ops;
        let Some(made) = made else { return Ok(false) };
        let is_new = self.graph.total_number_of_nodes() > before;
        let other = self.graph[made].data.ty;
        if other != Some(ty) {
            return match other {
                // As good as equal, but with other sizes in its type: not for this place.
                Some(other) if compatible(ty, other) => Ok(is_new),
                Some(other) => {
                    Err(WrongRule { message: format!("rule '{}' says that '{ty}' is '{other}'", rule.name), ops })
                }
                None => Err(WrongRule { message: format!("rule '{}' makes an op of several results", rule.name), ops }),
            };
        }
        let united = self.graph.union(binding.root, made);
        if united {
            self.unions.push((binding.root, number));
        }
        Ok(is_new || united)
    }

    /// Asks the rule whether it holds here, and for the attributes and types of its right side.
    fn condition(&self, rule: &Rule, binding: &Binding<'c>) -> Option<(Attributes<'c>, Types<'c>)> {
        let facts = |id: &Id| self.graph[*id].data.facts();
        let types = vec![None; rule.names.types.len()];
        let Some(condition) = rule.condition else { return Some((binding.attributes.clone(), types)) };
        let result = |node: &Node| self.graph.analysis.0.symbol(node.symbol).results[0];
        let mut place = Match {
            rule,
            context: self.graph.analysis.0.context(),
            result: self.graph[binding.root].data.ty?,
            values: binding.values.iter().map(|id| facts(id.as_ref()?)).collect::<Option<_>>()?,
            lists: binding
                .lists
                .iter()
                .map(|ids| ids.as_ref()?.iter().map(facts).collect())
                .collect::<Option<Vec<Vec<_>>>>()?,
            ops: binding.ops.iter().map(|node| Some(result(node.as_ref()?))).collect::<Option<_>>()?,
            attributes: binding.attributes.clone(),
            types,
        };
        condition(&mut place)?;
        Some((place.attributes, place.types))
    }
}

type Attributes<'c> = Vec<Option<Attribute<'c>>>;
type Types<'c> = Vec<Option<thunder_ir::Type<'c>>>;

/// A node with the classes that its children are in now.
pub fn canonical(graph: &Graph<'_, '_>, node: &Node) -> Node {
    node.clone().map_children(|child| graph.find(child))
}

/// Makes the right side of a rule at one place.
struct Maker<'a, 'r, 'v, 'c> {
    saturation: &'a mut Saturation<'r, 'v, 'c>,
    binding: &'a Binding<'c>,
    attributes: Attributes<'c>,
    types: Types<'c>,
    rule: usize,
    ops: BTreeSet<usize>,
}

impl<'c> Maker<'_, '_, '_, 'c> {
    /// The class of a term; `None` where there is no such op.
    fn term(&mut self, term: &Term, root: Option<thunder_ir::Type<'c>>) -> Option<Id> {
        match term {
            Term::Value(number) => self.binding.values[*number],
            Term::Constant(number) => {
                let symbol = self.saturation.graph.analysis.0.constant(self.attributes[*number]?)?;
                self.add(symbol, Vec::new())
            }
            Term::Op(op) => self.op(op, root),
        }
    }

    fn op(&mut self, op: &OpTerm, root: Option<thunder_ir::Type<'c>>) -> Option<Id> {
        let mut children = Vec::new();
        for operand in &op.operands {
            match operand {
                OperandTerm::One(term) => children.push(self.term(term, None)?),
                OperandTerm::Rest(number) => children.extend(self.binding.lists[*number].as_ref()?),
            }
        }
        let (name, mut entries) = self.head(op)?;
        for attribute in &op.attributes {
            match attribute {
                AttributeTerm::Named(name, number) => {
                    let value = self.attributes[*number]?;
                    entries.retain(|(known, _)| known != name);
                    entries.push((name.clone(), value));
                }
                AttributeTerm::Others(number) => {
                    let others = self.attributes[*number]?.as_dictionary()?;
                    entries.extend(others.into_iter().map(|(name, value)| (name.to_owned(), value)));
                }
            }
        }
        let graph = &mut self.saturation.graph;
        let operands = children.iter().map(|id| graph[*id].data.ty).collect::<Option<Vec<_>>>()?;
        let vocabulary = &mut *graph.analysis.0;
        let entries: Vec<_> = entries.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let dictionary = Attribute::dictionary(vocabulary.context(), &entries);
        let stated = match op.ty {
            Some(number) => Some(self.types[number]?),
            None => root.filter(|_| !vocabulary.infers(&name)),
        };
        let symbol = vocabulary.make(&name, dictionary, &operands, stated)?;
        self.add(symbol, children)
    }

    /// The name of an op, and the attributes that it has from the left side.
    fn head(&self, op: &OpTerm) -> Option<(String, Vec<(String, Attribute<'c>)>)> {
        match &op.head {
            Head::Name(name) => Some((name.clone(), Vec::new())),
            Head::Trait(_) => None,
            Head::Same(number) => {
                let node = self.binding.ops[*number].as_ref()?;
                let symbol = self.saturation.graph.analysis.0.symbol(node.symbol);
                let attributes = symbol.attributes.as_dictionary()?;
                let attributes = attributes.into_iter().map(|(name, value)| (name.to_owned(), value));
                Some((symbol.name.to_owned(), attributes.collect()))
            }
        }
    }

    /// The class of a node, which is added unless it exists, and what its folder makes of it.
    fn add(&mut self, symbol: u32, children: Vec<Id>) -> Option<Id> {
        let graph = &mut self.saturation.graph;
        let node = Node::new(graph.analysis.0, symbol, children);
        if let Some(known) = graph.lookup(node.clone()) {
            return Some(known);
        }
        let operands = node.children().iter().map(|id| Some((usize::from(graph.find(*id)), graph[*id].data.facts()?)));
        let operands = operands.collect::<Option<Vec<_>>>()?;
        match graph.analysis.0.simplify(symbol, &operands) {
            Simplified::Operand(operand) => {
                let child = node.children()[operand];
                let result = graph.analysis.0.symbol(symbol).results[0];
                return (graph[child].data.ty == Some(result)).then_some(child);
            }
            Simplified::Constant(value) => {
                let ty = graph.analysis.0.symbol(symbol).results[0];
                let constant = graph.analysis.0.constant(value)?;
                let node = Node::new(graph.analysis.0, constant, Vec::new());
                return (graph.analysis.0.symbol(constant).results[0] == ty).then(|| self.insert(node));
            }
            Simplified::Symbol => {}
        }
        Some(self.insert(node))
    }

    fn insert(&mut self, node: Node) -> Id {
        self.saturation.insert(node, self.rule, &self.ops)
    }
}
