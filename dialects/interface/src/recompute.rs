//! Whether an op may be computed twice instead of its result being kept.

/// What recomputing an op means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecomputeClass {
    /// Computing it costs no more than reading its result: that is never kept.
    Free,
    /// Nothing against it; its cost decides.
    Allowed,
    /// It draws random numbers. They are a function of its operands, a seed and an offset, which are kept: computed
    /// again from those, it gives the same ones.
    Replayed,
    /// It must not run twice.
    Never,
}

/// The rematerialization policy of an op.
///
/// Of an op that does not say, views and what is made from no tensor are free, what has effects or regions never runs
/// twice, and for all else the cost decides.
pub trait Recompute {
    /// The class it belongs to.
    fn recompute(&self) -> RecomputeClass {
        RecomputeClass::Allowed
    }
}

crate::interface!(Recompute);
