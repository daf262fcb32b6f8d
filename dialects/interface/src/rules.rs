//! Algebra as data: rewrite rules over pure ops, which dialects contribute and a planner applies.
//!
//! A rule reads nothing but types, attributes and constants, so that it holds wherever its pattern
//! matches. It has a name, a numeric class and samples: programs on which a test computes both sides.
//!
//! ```
//! use thunder_interface::{Dtypes, Numerics, Rule};
//!
//! // neg(sub(x, y)) == sub(y, x)
//! Rule::new("demo", "neg_of_sub", Numerics::Reassociates, "neg(sub(x, y))", "sub(y, x)");
//! ```

mod matched;
mod merge;
mod term;

pub use matched::{Facts, Match};
pub use merge::{Merge, Named};
pub use term::{AttributeTerm, Head, OpTerm, OperandTerm, Term};
pub use thunder_ir::pass::Numerics;

use crate::samples::{Dtypes, Sample, SampleSet};
use std::fmt;
use std::sync::LazyLock;

/// A guard, which also computes the attributes and types of the right-hand side; `None` where the
/// rule does not hold.
pub type Condition = for<'r, 'c> fn(&mut Match<'r, 'c>) -> Option<()>;

/// A rewrite of one pattern of ops into another.
pub struct Rule {
    /// What options and reports call it; different for all rules.
    pub name: &'static str,
    /// What it does to values.
    pub numerics: Numerics,
    /// What it matches.
    pub left: Term,
    /// What that is equal to.
    pub right: Term,
    /// Where it holds.
    pub condition: Option<Condition>,
    /// Programs in which it matches.
    pub samples: Vec<Sample>,
    /// The names of values, lists of values, attributes, types and ops, in the order of their numbers.
    pub names: Names,
}

/// The names in a rule by what they stand for.
#[derive(Debug, Default, Clone)]
pub struct Names {
    /// Single values.
    pub values: Vec<String>,
    /// The values that a variadic operand stands for.
    pub lists: Vec<String>,
    /// Attributes.
    pub attributes: Vec<String>,
    /// Types that conditions compute.
    pub types: Vec<String>,
    /// Ops of the left side; without a name where the rule gives none.
    pub ops: Vec<String>,
}

impl Rule {
    /// A rule that holds wherever `left` matches. Names of ops are of the dialect `dialect` unless
    /// they have a dot in them; `left` and `right` are written as [`Term`] says.
    ///
    /// Panics where a side is no term: a rule is part of the program.
    pub fn new(
        dialect: &'static str,
        name: &'static str,
        numerics: Numerics,
        left: &'static str,
        right: &'static str,
    ) -> Self {
        let mut names = Names::default();
        let parse = |text: &str, names: &mut Names, is_left| match Term::parse(text, dialect, names, is_left) {
            Ok(term) => term,
            Err(error) => panic!("rule '{name}': {error} in '{text}'"),
        };
        let left = parse(left, &mut names, true);
        let right = parse(right, &mut names, false);
        Self { name, numerics, left, right, condition: None, samples: Vec::new(), names }
    }

    /// Says where the rule holds, and computes what only its right side names.
    pub fn when(mut self, condition: Condition) -> Self {
        self.condition = Some(condition);
        self
    }

    /// Adds a program in which the rule matches, as in [`SampleSet::add`].
    pub fn sample(mut self, dtypes: Dtypes, signature: &str, body: &str, shapes: &[&[usize]]) -> Self {
        let mut set = SampleSet::default();
        let sample = set.add(dtypes, signature, body, shapes);
        if self.numerics == Numerics::Exact {
            sample.specials();
        }
        self.samples.append(&mut set.samples);
        self
    }

    /// Draws the arguments of the last sample from `low..high` in place of special values.
    pub fn domain(mut self, low: f64, high: f64) -> Self {
        if let Some(sample) = self.samples.last_mut() {
            sample.domains(low, high);
            sample.specials = false;
        }
        self
    }

    /// How many epsilons of the dtype the two sides may differ by in the last sample.
    pub fn ulps(mut self, ulps: f64) -> Self {
        if let Some(sample) = self.samples.last_mut() {
            sample.ulps(ulps);
        }
        self
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.numerics)
    }
}

/// The rules of a dialect, read when they are first asked for; an extension of a `Dialect`.
pub struct Rules {
    rules: LazyLock<Vec<Rule>>,
    merges: LazyLock<Vec<Merge>>,
}

impl Rules {
    /// The rules that `rules` lists, and no merges.
    pub fn new(rules: fn() -> Vec<Rule>) -> Self {
        Self { rules: LazyLock::new(rules), merges: LazyLock::new(Vec::new) }
    }

    /// Also the merges that `merges` lists.
    pub fn with_merges(self, merges: fn() -> Vec<Merge>) -> Self {
        Self { merges: LazyLock::new(merges), ..self }
    }

    /// The rules in order.
    pub fn all(&self) -> &[Rule] {
        &self.rules
    }

    /// The merges in order.
    pub fn merges(&self) -> &[Merge] {
        &self.merges
    }
}
