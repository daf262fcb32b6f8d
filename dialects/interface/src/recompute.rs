//! Whether an op may be computed twice instead of its result being kept.

/// What recomputing an op means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecomputeClass {
    /// Nothing against it; its cost decides.
    Allowed,
    /// It must give the same random numbers, so its seed and offset are replayed.
    Replayed,
    /// It must not run twice.
    Never,
}

/// The rematerialization policy of an op.
pub trait Recompute {
    /// The class it belongs to.
    fn recompute(&self) -> RecomputeClass {
        RecomputeClass::Allowed
    }
}

crate::interface!(Recompute);
