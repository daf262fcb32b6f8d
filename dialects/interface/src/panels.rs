//! Reductions that can be made in two steps: of parts, and of what these give.

use thunder_ir::{Builder, Result, Value};

/// Makes a reduction in two steps.
pub trait Panels<'c> {
    /// What so many panels of equally many rows give, with a leading dimension for these, and what that gives together.
    ///
    /// A panel has every so many of a tensor's first dimensions as there are panels. The first is made, by an op with this
    /// interface, of the operand with two dimensions for those that are reduced: one over a panel, and one that counts
    /// panels. An error where these have no number that `panels` divides.
    fn in_panels(&self, b: &Builder<'c>, panels: i64) -> Result<(Value<'c>, Value<'c>)>;

    /// The reduction by some dimensions, and of that by the others.
    ///
    /// The first is made by an op with this interface.
    /// Where one of the operand's dimensions becomes two, what computes the operand element by element is made again with
    /// two as well. An error where sizes differ from run to run.
    fn in_steps(&self, b: &Builder<'c>, steps: &Steps) -> Result<(Value<'c>, Value<'c>)>;
}

/// The dimensions by which a reduction is made in two steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steps {
    /// A dimension of the operand that becomes two, and their sizes.
    pub split: Option<(usize, [i64; 2])>,
    /// The dimensions that are reduced first, after that.
    pub first: Vec<i64>,
    /// Those that are reduced then, of what is left.
    pub then: Vec<i64>,
}

crate::interface!(Panels<'c>);
