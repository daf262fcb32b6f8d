//! Ops that share an operand as one op over their other operands joined.

use crate::samples::{Dtypes, Sample, SampleSet};
use thunder_ir::pass::Numerics;
use thunder_ir::{Attribute, ContextRef};

/// An op by name with its attributes.
pub type Named<'c> = (&'static str, Attribute<'c>);

/// How ops that share an operand become one: `f(x, a)` and `f(x, b)` are parts of `f(x, [a b])`.
///
/// Each part of the result must be computed as it was by itself: that is what `numerics` says. A planner merges only what
/// it can join before the program runs.
pub struct Merge {
    /// What options and reports call it; different for all rules and merges.
    pub name: &'static str,
    /// What it does to values.
    pub numerics: Numerics,
    /// The op.
    pub op: &'static str,
    /// The number of the operand that is shared.
    pub shared: usize,
    /// The dimension in which each other operand is joined.
    pub joined: i64,
    /// The op that joins values along a dimension.
    pub join: for<'c> fn(ContextRef<'c>, i64) -> Named<'c>,
    /// The op that takes a part of the last dimension: the rank, where the part starts and where it ends.
    pub part: for<'c> fn(ContextRef<'c>, usize, i64, i64) -> Named<'c>,
    /// Programs in which ops can be merged.
    pub samples: Vec<Sample>,
}

impl Merge {
    /// Adds a program with ops that can be merged, as in [`SampleSet::add`].
    pub fn sample(mut self, dtypes: Dtypes, signature: &str, body: &str, shapes: &[&[usize]]) -> Self {
        let mut set = SampleSet::default();
        set.add(dtypes, signature, body, shapes);
        self.samples.append(&mut set.samples);
        self
    }
}
