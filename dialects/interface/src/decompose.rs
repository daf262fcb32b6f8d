//! A composite op in terms of simpler ones.

use thunder_ir::{Builder, Result, Value};

/// Rewrites an op as simpler ops, for whoever does not know it whole.
pub trait Decompose {
    /// Builds the decomposition at the builder's insertion point; one value per result.
    fn decompose<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>>;
}

crate::interface!(Decompose);
