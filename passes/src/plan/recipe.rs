//! From an e-graph to the code that replaces a chunk: the cheapest terms, in an order in which each
//! value is made before it is used.

use std::collections::{BTreeMap, BTreeSet};

use egg::{Id, Language};

use super::chunk::{Chunk, Source};
use super::cost::{bytes, is_done_once};
use super::egraph::Node;
use super::extract::{self, Choice, Effort};
use super::fused;
use super::saturate::{Saturation, canonical};

/// A value while code is rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Made {
    /// A value from before the chunk.
    Leaf(usize),
    /// A result of an op of the chunk that is kept.
    Kept(usize, usize),
    /// The result of the new op of this number.
    New(usize),
}

/// An op that a rule made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOp {
    /// The op with its attributes and types.
    pub symbol: u32,
    /// Its operands.
    pub operands: Vec<Made>,
    /// The ops of the chunk that it stands for.
    pub ops: BTreeSet<usize>,
}

/// One step of rewriting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Moves an op of the chunk here, unless it is here, and gives it these operands.
    Keep(usize, Vec<Made>),
    /// Makes the new op of this number.
    Make(usize),
}

/// How to rewrite a chunk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipe {
    /// The new ops.
    pub new: Vec<NewOp>,
    /// What to do before each op of the chunk, in order.
    pub steps: Vec<(usize, Step)>,
    /// What each result of each op becomes; `None` where nothing needs it.
    pub results: Vec<Vec<Option<Made>>>,
}

impl Recipe {
    /// Whether it leaves anything out, makes anything, or gives an op other operands.
    fn changes(&self, chunk: &Chunk<'_>) -> bool {
        let is_same = |made: &Made, source: &Source| match (made, source) {
            (Made::Leaf(leaf), Source::Leaf(known)) => leaf == known,
            (Made::Kept(op, result), Source::Result(known, of)) => (op, result) == (known, of),
            _ => false,
        };
        let is_kept = |(_, step): &(usize, Step)| match step {
            Step::Keep(op, operands) => operands.iter().zip(&chunk.ops[*op].operands).all(|(a, b)| is_same(a, b)),
            Step::Make(_) => false,
        };
        self.steps.len() < chunk.ops.len() || !self.steps.iter().all(is_kept)
    }
}

/// A way to rewrite a chunk that may be better.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// How to rewrite it.
    pub recipe: Recipe,
    /// How often each rule is used.
    pub rules: BTreeMap<usize, usize>,
    /// The nanoseconds that its ops take where nothing is fused.
    pub unfused: f64,
}

/// New nodes must save this part of a nanosecond each, so that nothing is rewritten for nothing.
const CHANGE: f64 = 1e-3;

/// What makes code better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// That it costs less.
    Cheapest,
    /// That rules made it: for seeing what rules do.
    Newest,
}

impl<'c> Saturation<'_, '_, 'c> {
    /// Chooses code for the outputs of `chunk` that may cost less than it: what is cheapest op by op, and what is cheapest
    /// where kernels are fused; of nothing that the rules `without` make only the latter.
    pub fn candidates(&self, chunk: &Chunk<'c>, effort: Effort, aim: Aim, without: &BTreeSet<usize>) -> Vec<Candidate> {
        let (classes, index) = self.class_numbers();
        let number = |id: Id| index[&self.graph.find(id)];
        let mut graph = extract::Graph { classes: vec![Vec::new(); classes.len()], ..extract::Graph::default() };
        let (mut nodes, mut options): (Vec<&Node>, Vec<fused::Node>) = (Vec::new(), Vec::new());
        for (class, id) in classes.iter().enumerate() {
            for node in self.graph[*id].nodes.iter().filter(|node| !self.is_by(node, without)) {
                let option = self.option(node, class, node.children().iter().map(|child| number(*child)).collect());
                let is_leaf = self.graph.analysis.0.symbol(node.symbol).leaf().is_some();
                let cost = match aim {
                    Aim::Cheapest if option.is_fixed => option.extra,
                    Aim::Cheapest => option.work.alone(self.graph.analysis.0.machine) + option.extra,
                    Aim::Newest if self.is_new(node) => CHANGE,
                    Aim::Newest => f64::from(u8::from(!is_leaf)),
                };
                graph.add(class, option.operands.clone(), cost);
                nodes.push(node);
                options.push(option);
            }
        }
        let outputs = chunk.ops.iter().enumerate().flat_map(|(op, o)| o.outputs.iter().map(move |r| (op, *r)));
        let roots: BTreeSet<usize> = outputs.map(|(op, result)| number(self.results[op][result])).collect();
        graph.roots = roots.into_iter().collect();
        let known = self.as_written(chunk, &nodes, &graph, &number);
        let mut choices: Vec<Choice> = Vec::new();
        if without.is_empty() {
            choices.extend(extract::extract(&graph, Some(&known), effort).map(|found| found.choice));
        }
        if aim == Aim::Cheapest {
            let bytes = |id: &Id| self.graph[*id].data.ty.map_or(0.0, bytes);
            let bytes: Vec<f64> = classes.iter().map(bytes).collect();
            let fused = fused::choose((&options, &bytes, &graph.roots), self.graph.analysis.0.machine, &known, effort);
            choices.extend(fused.and_then(|choice| graph.needed(&choice)));
        }
        choices.dedup();
        let candidate = |choice: &Choice| {
            let rules = self.rules_of(choice, &known, &nodes, &classes);
            let writer = Writer { saturation: self, chunk, choice, nodes: &nodes, number: &number };
            let unfused = choice.iter().flatten().map(|node| self.unfused(nodes[*node])).sum();
            Candidate { recipe: writer.write(), rules, unfused }
        };
        let is_useful = |candidate: &Candidate| match aim {
            Aim::Cheapest => candidate.recipe.changes(chunk),
            Aim::Newest => !candidate.rules.is_empty(),
        };
        choices.iter().map(candidate).filter(is_useful).collect()
    }

    /// The nanoseconds that the ops of `chunk` take where nothing is fused, equal ones once.
    pub fn unfused_as_written(&self, chunk: &Chunk<'c>) -> f64 {
        // Classes have the numbers that they were made with: equal ops one, whatever rules said later.
        let ops: BTreeMap<Id, usize> = self.classes.iter().copied().zip(0..).collect();
        ops.into_values().map(|op| self.unfused(&self.node_of(chunk, op))).sum()
    }

    fn unfused(&self, node: &Node) -> f64 {
        let option = self.option(node, 0, Vec::new());
        if option.is_fixed { 0.0 } else { option.work.alone(self.graph.analysis.0.machine) }
    }

    /// A node as what may be chosen.
    fn option(&self, node: &Node, class: usize, operands: Vec<usize>) -> fused::Node {
        let symbol = self.graph.analysis.0.symbol(node.symbol);
        let weights = node.children().iter().map(|child| self.graph[*child].data.weights).sum::<Option<f64>>();
        let is_fixed = weights.is_some_and(|weights| is_done_once(weights, symbol.work.written));
        let extra = if self.is_new(node) { CHANGE } else { 0.0 };
        fused::Node { class, operands, work: symbol.work.clone(), extra, is_fixed }
    }

    /// The classes in order, and the number of each.
    fn class_numbers(&self) -> (Vec<Id>, BTreeMap<Id, usize>) {
        let mut classes: Vec<Id> = self.graph.classes().map(|class| class.id).collect();
        classes.sort_unstable();
        let index = classes.iter().enumerate().map(|(number, id)| (*id, number)).collect();
        (classes, index)
    }

    /// Whether one of these rules made a node.
    fn is_by(&self, node: &Node, rules: &BTreeSet<usize>) -> bool {
        self.origins.get(node).and_then(|origin| origin.rule).is_some_and(|rule| rules.contains(&rule))
    }

    fn is_new(&self, node: &Node) -> bool {
        self.origins.get(node).is_some_and(|origin| origin.rule.is_some())
    }

    /// The choice that leaves the chunk as it is: of equal ops the first.
    fn as_written(
        &self,
        chunk: &Chunk<'c>,
        nodes: &[&Node],
        graph: &extract::Graph,
        number: &dyn Fn(Id) -> usize,
    ) -> Choice {
        let mut choice: Choice = vec![None; graph.classes.len()];
        let choose = |choice: &mut Choice, id: Id, fits: &dyn Fn(&Node) -> bool| {
            let class = number(id);
            if choice[class].is_none() {
                choice[class] = graph.classes[class].iter().copied().find(|node| fits(nodes[*node]));
            }
        };
        for leaf in &self.leaves {
            let own = |node: &Node| self.graph.analysis.0.symbol(node.symbol).leaf().is_some();
            choose(&mut choice, *leaf, &own);
        }
        for op in 0..chunk.ops.len() {
            let own = self.node_of(chunk, op);
            choose(&mut choice, self.classes[op], &|node| *node == own);
            if self.results[op] == [self.classes[op]] {
                continue;
            }
            for (result, id) in self.results[op].iter().enumerate() {
                let is_projection = |node: &Node| {
                    let symbol = self.graph.analysis.0.symbol(node.symbol);
                    let from = node.children().first().map(|child| number(*child));
                    symbol.projection() == Some(result) && from == Some(number(self.classes[op]))
                };
                choose(&mut choice, *id, &is_projection);
            }
        }
        choice
    }

    /// The node that an op of the chunk is.
    fn node_of(&self, chunk: &Chunk<'c>, op: usize) -> Node {
        let children = chunk.ops[op].operands.iter().map(|source| match source {
            Source::Leaf(leaf) => self.leaves[*leaf],
            Source::Result(op, result) => self.results[*op][*result],
        });
        canonical(&self.graph, &Node::new(self.graph.analysis.0, chunk.ops[op].symbol, children.collect()))
    }

    /// The rules that made what is chosen and was not there, or that said it is equal.
    fn rules_of(&self, choice: &Choice, known: &Choice, nodes: &[&Node], classes: &[Id]) -> BTreeMap<usize, usize> {
        let mut rules = BTreeMap::new();
        for (class, chosen) in choice.iter().enumerate() {
            let Some(node) = chosen.filter(|node| known[class] != Some(*node)) else { continue };
            let made = self.origins.get(nodes[node]).and_then(|origin| origin.rule);
            let united = || {
                let of_class = self.unions.iter().find(|(id, _)| self.graph.find(*id) == classes[class]);
                of_class.map(|(_, rule)| *rule)
            };
            if let Some(rule) = made.or_else(united) {
                *rules.entry(rule).or_default() += 1;
            }
        }
        // Classes that were several ops and are one now, without any node that is new.
        for (id, rule) in &self.unions {
            let class = classes.binary_search(&self.graph.find(*id)).ok();
            if class.is_some_and(|class| choice[class].is_some() && choice[class] == known[class]) {
                rules.entry(*rule).or_insert(1);
            }
        }
        rules
    }
}

struct Writer<'a, 'r, 'v, 'c> {
    saturation: &'a Saturation<'r, 'v, 'c>,
    chunk: &'a Chunk<'c>,
    choice: &'a Choice,
    nodes: &'a [&'a Node],
    number: &'a dyn Fn(Id) -> usize,
}

/// The part of a recipe that is written.
struct Written {
    recipe: Recipe,
    /// The values of classes, one per result.
    values: BTreeMap<usize, Vec<Made>>,
    kept: BTreeSet<usize>,
}

impl Writer<'_, '_, '_, '_> {
    fn write(&self) -> Recipe {
        let mut written = Written { recipe: Recipe::default(), values: BTreeMap::new(), kept: BTreeSet::new() };
        // The first op of the chunk that is each node.
        let mut first: BTreeMap<Node, usize> = BTreeMap::new();
        for op in (0..self.chunk.ops.len()).rev() {
            first.insert(self.saturation.node_of(self.chunk, op), op);
        }
        for op in 0..self.chunk.ops.len() {
            for id in std::iter::once(&self.saturation.classes[op]).chain(&self.saturation.results[op]) {
                let class = (self.number)(*id);
                if self.choice[class].is_some() {
                    self.emit(class, op, &first, &mut written);
                }
            }
        }
        let value = |id: &Id| written.values.get(&(self.number)(*id)).and_then(|made| made.first()).copied();
        written.recipe.results = self.saturation.results.iter().map(|ids| ids.iter().map(value).collect()).collect();
        written.recipe
    }

    /// Makes the value of a class before op `at` of the chunk.
    fn emit(&self, class: usize, at: usize, first: &BTreeMap<Node, usize>, written: &mut Written) {
        // Terms can be as deep as a chunk is long.
        let mut stack = vec![(class, false)];
        while let Some((class, is_ready)) = stack.pop() {
            if written.values.contains_key(&class) {
                continue;
            }
            let node = self.nodes[self.choice[class].expect("what a needed class needs is chosen as well")];
            let children: Vec<usize> = node.children().iter().map(|child| (self.number)(*child)).collect();
            if !is_ready {
                stack.push((class, true));
                stack.extend(children.iter().rev().map(|child| (*child, false)));
                continue;
            }
            let made = self.make(node, &children, at, first, written);
            written.values.insert(class, made);
        }
    }

    fn make(
        &self,
        node: &Node,
        children: &[usize],
        at: usize,
        first: &BTreeMap<Node, usize>,
        written: &mut Written,
    ) -> Vec<Made> {
        if let Some(op) = first.get(node).copied() {
            // Operands in the order that the op has them in, whatever that of the node is.
            let operands = self.chunk.ops[op].operands.iter().map(|source| {
                let id = match source {
                    Source::Leaf(leaf) => self.saturation.leaves[*leaf],
                    Source::Result(op, result) => self.saturation.results[*op][*result],
                };
                written.values[&(self.number)(id)][0]
            });
            let operands = operands.collect();
            written.kept.insert(op);
            written.recipe.steps.push((at, Step::Keep(op, operands)));
            return (0..self.saturation.results[op].len()).map(|result| Made::Kept(op, result)).collect();
        }
        let symbol = self.saturation.graph.analysis.0.symbol(node.symbol);
        if let Some(leaf) = symbol.leaf() {
            return vec![Made::Leaf(leaf)];
        }
        if let Some(result) = symbol.projection() {
            return vec![written.values[&children[0]][result]];
        }
        let origin = self.saturation.origins.get(node).cloned().unwrap_or_default();
        let operands = children.iter().map(|child| written.values[child][0]).collect();
        let number = written.recipe.new.len();
        written.recipe.new.push(NewOp { symbol: node.symbol, operands, ops: origin.ops });
        written.recipe.steps.push((at, Step::Make(number)));
        vec![Made::New(number)]
    }
}
