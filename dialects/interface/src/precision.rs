//! How an op takes part in automatic mixed precision.

/// In which precision an op should run under autocast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PrecisionClass {
    /// In the lower one: its cost is arithmetic, and it accumulates in higher precision.
    Lower,
    /// In that of its inputs.
    Keep,
    /// In single precision at least: it loses too much otherwise.
    Widen,
}

/// The autocast policy of an op.
pub trait Precision {
    /// The class it belongs to.
    fn precision(&self) -> PrecisionClass {
        PrecisionClass::Keep
    }
}

crate::interface!(Precision);
