//! What a plan is, in words and numbers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::chunk::Chunk;
use super::recipe::{Recipe, Step};
use super::steps::StepReport;
use super::vocabulary::Vocabulary;
use super::{Laws, Outcome};

/// The plan of a function.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// The function's name.
    pub function: String,
    /// Its chunks in order.
    pub chunks: Vec<ChunkReport>,
    /// The steps that it takes as planned; none where it cannot be cut into kernels.
    pub steps: Vec<StepReport>,
}

/// The plan of a chunk.
#[derive(Debug, Clone, PartialEq)]
pub struct ChunkReport {
    /// The number of an earlier chunk with the same plan.
    pub same_as: Option<usize>,
    /// How many ops it has as written, and as planned.
    pub ops: (usize, usize),
    /// The nanoseconds that it is estimated to take as written, and as planned.
    pub cost: (f64, f64),
    /// The nanoseconds that its ops are estimated to take as written, where nothing is fused: what decides between equal
    /// plans.
    pub unfused: f64,
    /// The nodes of its e-graph.
    pub nodes: usize,
    /// The rules that are used, and how often.
    pub rules: Vec<(&'static str, usize)>,
    /// The ops that go, and how many of each.
    pub removed: Vec<(String, usize)>,
    /// The ops that come.
    pub added: Vec<(String, usize)>,
}

impl Report {
    /// The nanoseconds that the function is estimated to take as written, and as planned.
    pub fn cost(&self) -> (f64, f64) {
        self.chunks.iter().fold((0.0, 0.0), |(before, after), chunk| (before + chunk.cost.0, after + chunk.cost.1))
    }
}

impl ChunkReport {
    /// The report of an outcome.
    pub(super) fn new(
        chunk: &Chunk<'_>,
        outcome: &Outcome,
        laws: &Laws,
        vocabulary: &Vocabulary<'_>,
        same_as: Option<usize>,
    ) -> Self {
        let count = chunk.ops.len();
        let (removed, added) = outcome.recipe.as_ref().map(|r| changes(chunk, r, vocabulary)).unwrap_or_default();
        let total = |ops: &[(String, usize)]| ops.iter().map(|(_, count)| count).sum::<usize>();
        Self {
            same_as,
            ops: (count, count - total(&removed) + total(&added)),
            cost: (outcome.before, outcome.after),
            unfused: outcome.unfused,
            nodes: outcome.nodes,
            rules: outcome.rules.iter().map(|(rule, count)| (laws.name(*rule), *count)).collect(),
            removed,
            added,
        }
    }
}

type Counts = Vec<(String, usize)>;

/// The ops that a recipe removes and adds.
fn changes(chunk: &Chunk<'_>, recipe: &Recipe, vocabulary: &Vocabulary<'_>) -> (Counts, Counts) {
    let kept: Vec<usize> = recipe
        .steps
        .iter()
        .filter_map(|(_, step)| match step {
            Step::Keep(op, _) => Some(*op),
            Step::Make(_) => None,
        })
        .collect();
    let removed = (0..chunk.ops.len()).filter(|op| !kept.contains(op)).map(|op| chunk.ops[op].symbol);
    let added = recipe.new.iter().map(|op| op.symbol);
    let counts = |symbols: &mut dyn Iterator<Item = u32>| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for symbol in symbols {
            *counts.entry(vocabulary.symbol(symbol).name.to_owned()).or_default() += 1;
        }
        counts.into_iter().collect()
    };
    (counts(&mut removed.into_iter()), counts(&mut added.into_iter()))
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (before, after) = self.cost();
        write!(f, "plan of '@{}': {} -> {} us estimated", self.function, micros(before), micros(after))?;
        writeln!(f, "\n{:>5}  {:>11}  {:>19}  {:>6}  rules", "chunk", "ops", "us", "nodes")?;
        for (number, chunk) in self.chunks.iter().enumerate() {
            let ops = format!("{} -> {}", chunk.ops.0, chunk.ops.1);
            let cost = format!("{} -> {}", micros(chunk.cost.0), micros(chunk.cost.1));
            let rules = match (chunk.same_as, chunk.rules.is_empty()) {
                (Some(other), _) => format!("as chunk {other}"),
                (None, true) => "nothing cheaper is known".to_owned(),
                (None, false) => list(chunk.rules.iter().map(|(name, count)| (*name, *count))),
            };
            writeln!(f, "{number:>5}  {ops:>11}  {cost:>19}  {:>6}  {rules}", chunk.nodes)?;
            if chunk.same_as.is_none() && !(chunk.removed.is_empty() && chunk.added.is_empty()) {
                let names = |ops: &[(String, usize)]| list(ops.iter().map(|(name, count)| (name.as_str(), *count)));
                writeln!(f, "       - {}", names(&chunk.removed))?;
                writeln!(f, "       + {}", names(&chunk.added))?;
            }
        }
        if !self.steps.is_empty() {
            writeln!(f, "{:>5}  {:>9}  {:>9}  {:>9}  kernels", "step", "us", "kB", "MFLOP")?;
        }
        for (number, step) in self.steps.iter().enumerate() {
            write!(f, "{number:>5}  {step}")?;
        }
        Ok(())
    }
}

fn micros(nanoseconds: f64) -> String {
    format!("{:.2}", nanoseconds / 1000.0)
}

pub(super) fn list<'a>(items: impl Iterator<Item = (&'a str, usize)>) -> String {
    let mut text = String::new();
    for (name, count) in items {
        let separator = if text.is_empty() { "" } else { ", " };
        let _ = match count {
            1 => write!(text, "{separator}{name}"),
            _ => write!(text, "{separator}{name} x{count}"),
        };
    }
    text
}
