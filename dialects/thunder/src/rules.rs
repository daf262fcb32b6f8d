//! The algebra of the dialect: its rewrite rules by topic, for the planner.
//!
//! A line of algebra stands above each rule. Rules are directed: towards less work, or towards forms in
//! which other rules find less work; what costs less is for the planner to decide.

mod arithmetic;
mod functions;
mod merges;
mod movement;
mod pointwise;
mod products;
mod reductions;
mod selection;

use thunder_interface::{Merge, Numerics, Rule};

/// The rules of all topics.
pub(crate) fn table() -> Vec<Rule> {
    [
        movement::rules(),
        pointwise::rules(),
        arithmetic::rules(),
        functions::rules(),
        reductions::rules(),
        products::rules(),
        selection::rules(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Ops that become one where they share an operand.
pub(crate) fn merges() -> Vec<Merge> {
    merges::merges()
}

/// A rule over ops of this dialect.
fn rule(name: &'static str, numerics: Numerics, left: &'static str, right: &'static str) -> Rule {
    Rule::new("thunder", name, numerics, left, right)
}

/// A guard.
fn holds(condition: bool) -> Option<()> {
    condition.then_some(())
}
