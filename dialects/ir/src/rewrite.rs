//! Rewrite patterns as safe closures, and the greedy driver that applies them.

use crate::diagnostic::{Error, Result};
use crate::op::Op;
use crate::pdl::PdlPatterns;
use crate::raw::builder::Rewriter;
use crate::raw::operation::Operation;
pub use crate::raw::rewrite::{GreedyConfig, apply_greedily};
use std::sync::Arc;

/// Why a pattern did not rewrite.
#[derive(Debug)]
pub enum Mismatch {
    /// The operation is not what the pattern is for; nothing was changed.
    NoMatch(&'static str),
    /// The rewrite went wrong: it is reported, and the driver's caller gets an error.
    Failed(Error),
}

impl From<Error> for Mismatch {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What a pattern returns.
pub type Rewritten = std::result::Result<(), Mismatch>;

/// For patterns: leaves with `NoMatch` where there is no value.
pub trait OrNoMatch<T> {
    /// The value, or `NoMatch` with this reason.
    fn or_no_match(self, reason: &'static str) -> std::result::Result<T, Mismatch>;
}

impl<T> OrNoMatch<T> for Option<T> {
    fn or_no_match(self, reason: &'static str) -> std::result::Result<T, Mismatch> {
        self.ok_or(Mismatch::NoMatch(reason))
    }
}

/// A guard of a pattern: leaves with `NoMatch` unless the condition holds.
#[macro_export]
macro_rules! require {
    ($condition:expr, $reason:literal) => {
        if !$condition {
            return Err($crate::rewrite::Mismatch::NoMatch($reason));
        }
    };
}

/// What a pattern does with an operation.
pub type RewriteFn = dyn for<'c> Fn(Operation<'c>, &Rewriter<'c>) -> Rewritten + Send + Sync + 'static;

/// One pattern: the operations it starts from, its priority, and its rewrite.
#[derive(Clone)]
pub struct Pattern {
    pub(crate) name: &'static str,
    pub(crate) roots: Vec<String>,
    pub(crate) benefit: u16,
    pub(crate) rewrite: Arc<RewriteFn>,
}

impl Pattern {
    /// A pattern over every operation.
    pub fn any(
        name: &'static str,
        rewrite: impl for<'c> Fn(Operation<'c>, &Rewriter<'c>) -> Rewritten + Send + Sync + 'static,
    ) -> Self {
        Self { name, roots: Vec::new(), benefit: 1, rewrite: Arc::new(rewrite) }
    }

    /// A pattern over operations of any of these names.
    pub fn roots(
        name: &'static str,
        roots: &[&str],
        rewrite: impl for<'c> Fn(Operation<'c>, &Rewriter<'c>) -> Rewritten + Send + Sync + 'static,
    ) -> Self {
        let roots = roots.iter().map(|r| (*r).to_owned()).collect();
        Self { name, roots, benefit: 1, rewrite: Arc::new(rewrite) }
    }

    /// A pattern over one op of a Rust dialect. `O` is written with the lifetime `'static`; inside
    /// the closure, `O::of` with the closure's own lifetime gives the typed handle.
    pub fn on<O: Op<'static>>(
        name: &'static str,
        rewrite: impl for<'c> Fn(Operation<'c>, &Rewriter<'c>) -> Rewritten + Send + Sync + 'static,
    ) -> Self {
        Self::roots(name, &[O::definition().name], rewrite)
    }

    /// Sets the priority: of several patterns that match, the driver tries higher ones first.
    pub fn benefit(mut self, benefit: u16) -> Self {
        self.benefit = benefit;
        self
    }
}

/// A set of patterns.
#[derive(Clone, Default)]
pub struct Patterns {
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) pdl: Vec<PdlPatterns>,
}

impl Patterns {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pattern.
    pub fn add(&mut self, pattern: Pattern) -> &mut Self {
        self.patterns.push(pattern);
        self
    }

    /// Adds a pattern; for building a set in one expression.
    pub fn with(mut self, pattern: Pattern) -> Self {
        self.add(pattern);
        self
    }

    /// Adds patterns written in PDL; for building a set in one expression.
    pub fn pdl(mut self, patterns: PdlPatterns) -> Self {
        self.pdl.push(patterns);
        self
    }

    /// Adds all patterns of another set.
    pub fn extend(&mut self, other: Patterns) -> &mut Self {
        self.patterns.extend(other.patterns);
        self.pdl.extend(other.pdl);
        self
    }
}

/// Runs `change` with a rewriter at `op`, outside of any driver.
pub fn rewrite_at<'c, T>(op: Operation<'c>, change: impl FnOnce(&Rewriter<'c>) -> Result<T>) -> Result<T> {
    change(&Rewriter::at(op))
}
