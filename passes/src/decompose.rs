//! Replaces composite ops by their decompositions.
//!
//! Guarantees: no op that has a `Decompose` is left, but for those that a library carries out.

use thunder_interface::{Decompose as Rule, Library};
use thunder_ir::pass::Numerics;
use thunder_ir::prelude::*;
use thunder_ir::rewrite::{GreedyConfig, apply_greedily};

/// Rewrites composites as primitives.
///
/// Ops that a library of the target carries out whole are kept, unless `all` is set.
#[pass("thunder-decompose")]
pub struct Decompose {
    /// Decompose also what a library could carry out.
    all: bool,
    /// How many rewrites to do at most, to find the one that breaks a program; negative for all.
    #[default(-1)]
    fuel: i64,
}

impl Pass for Decompose {
    fn run(&self, op: Operation<'_>, cx: &PassContext<'_>) -> Result {
        let all = self.all;
        let mut count = 0;
        op.walk(|op| count += u64::from(is_candidate(op, all)));
        cx.count("composites", count);
        let pattern = Pattern::any("decompose", move |op, rw| {
            require!(is_candidate(op, all), "a composite that no library takes");
            let rule = <dyn Rule>::of(op).or_no_match("a composite")?;
            rule.replace(op, rw)?;
            Ok(())
        });
        let config = GreedyConfig {
            max_iterations: None,
            max_rewrites: u32::try_from(self.fuel).ok(),
            fold: self.fuel < 0,
            ..GreedyConfig::default()
        };
        apply_greedily(op, Patterns::new().with(pattern), config)?;
        Ok(())
    }

    fn numerics(&self) -> Numerics {
        Numerics::Reassociates
    }
}

fn is_candidate(op: Operation<'_>, all: bool) -> bool {
    if <dyn Rule>::of(op).is_none() {
        return false;
    }
    all || <dyn Library>::of(op).is_none_or(|library| library.library().is_none())
}
