//! Which dimensions of operands and results move together when a tensor is split over devices.

/// One dimension of the iteration space of an op.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Factor(pub u32);

/// Names the factor of every dimension of every operand and result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ShardRule {
    /// Per operand and dimension, the factor; `None` where it cannot be split.
    pub operands: Vec<Vec<Option<Factor>>>,
    /// Per result and dimension.
    pub results: Vec<Vec<Option<Factor>>>,
    /// Factors that are summed over: splitting them needs a reduction across devices.
    pub reduced: Vec<Factor>,
}

/// The sharding rule of an op.
pub trait Shard {
    /// The rule; by default nothing can be split.
    fn rule(&self) -> ShardRule {
        ShardRule::default()
    }
}

crate::interface!(Shard);
