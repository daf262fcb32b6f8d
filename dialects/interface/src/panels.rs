//! Reductions that can be made in two steps: of panels, and of what these give.

use thunder_ir::{Builder, Result, Value};

/// Makes a reduction of a tensor's first dimensions of panels of these: each has every so many as there are panels.
pub trait Panels<'c> {
    /// What so many panels of equally many rows give, with a leading dimension for these, and what that gives together.
    ///
    /// The first is made, by an op with this interface, of the operand with two dimensions for those that are reduced:
    /// one over a panel, and one that counts panels. An error where these have no number that `panels` divides.
    fn in_panels(&self, b: &Builder<'c>, panels: i64) -> Result<(Value<'c>, Value<'c>)>;
}

crate::interface!(Panels<'c>);
