//! Ops that carry out functions of their module, as often as values say.

/// What an op carries out, by the names of functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flow {
    /// A loop. Both functions take all operands, the first of which, as many as there are results, each round replaces.
    While {
        /// Gives one truth value: whether there is one more round.
        condition: String,
        /// Gives what the round replaces values by, of the same types and sizes.
        body: String,
    },
}

impl Flow {
    /// The functions.
    pub fn functions(&self) -> [&str; 2] {
        match self {
            Self::While { condition, body } => [condition, body],
        }
    }
}

/// Says that an op carries out functions.
pub trait Control {
    /// Which, and when.
    fn flow(&self) -> Flow;
}

crate::interface!(Control);
