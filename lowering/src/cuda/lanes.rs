//! What neighbouring elements that a thread computes at once have in common.

use thunder_ir::{Result, Value};

use super::emitter::Emitter;

/// An index of a tensor.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Index<'c> {
    /// The same in all lanes.
    Same(Value<'c>),
    /// That of the first lane; of each other, one more than that of the lane before.
    Step(Value<'c>),
    /// One for each lane.
    Each(Vec<Value<'c>>),
}

/// Elements.
#[derive(Clone)]
pub enum Lanes<'c> {
    /// The same in all lanes.
    Same(Value<'c>),
    /// One for each lane.
    Each(Vec<Value<'c>>),
}

/// Which elements of a tensor.
#[derive(Clone)]
pub struct Point<'c> {
    /// The index in each dimension.
    pub at: Vec<Index<'c>>,
    /// The number among all elements, where it is known without the others.
    pub flat: Option<Index<'c>>,
}

impl<'c> Point<'c> {
    /// Elements by their indices.
    pub fn new(at: Vec<Index<'c>>) -> Self {
        Self { at, flat: None }
    }

    /// What one lane needs.
    pub fn lane(&self, emitter: &mut Emitter<'_, 'c>, lane: usize) -> Result<Self> {
        let at = self.at.iter().map(|index| Ok(Index::Same(index.lane(emitter, lane)?))).collect::<Result<_>>()?;
        let flat = match &self.flat {
            Some(flat) => Some(Index::Same(flat.lane(emitter, lane)?)),
            None => None,
        };
        Ok(Self { at, flat })
    }
}

impl<'c> Index<'c> {
    /// The index in one lane.
    pub fn lane(&self, emitter: &mut Emitter<'_, 'c>, lane: usize) -> Result<Value<'c>> {
        match self {
            Self::Same(value) => Ok(*value),
            Self::Step(first) => {
                let lane = emitter.int(lane as i64)?;
                emitter.add(*first, lane)
            }
            Self::Each(values) => Ok(values[lane]),
        }
    }

    /// The index that `op` makes of two, where lanes one after the other stay so if `steps`.
    fn join(
        &self,
        other: &Self,
        emitter: &mut Emitter<'_, 'c>,
        steps: bool,
        op: impl Fn(&mut Emitter<'_, 'c>, Value<'c>, Value<'c>) -> Result<Value<'c>>,
    ) -> Result<Self> {
        match (self, other) {
            (Self::Same(a), Self::Same(b)) => Ok(Self::Same(op(emitter, *a, *b)?)),
            (Self::Step(a), Self::Same(b)) | (Self::Same(a), Self::Step(b)) if steps => {
                Ok(Self::Step(op(emitter, *a, *b)?))
            }
            _ => {
                let lanes = (0..emitter.lanes).map(|lane| {
                    let (a, b) = (self.lane(emitter, lane)?, other.lane(emitter, lane)?);
                    op(emitter, a, b)
                });
                Ok(Self::Each(lanes.collect::<Result<_>>()?))
            }
        }
    }

    /// The sum.
    pub fn add(&self, emitter: &mut Emitter<'_, 'c>, other: &Self) -> Result<Self> {
        self.join(other, emitter, true, |emitter, a, b| emitter.add(a, b))
    }

    /// The difference to something that is the same in all lanes, or not.
    pub fn sub(&self, emitter: &mut Emitter<'_, 'c>, other: &Self) -> Result<Self> {
        self.join(other, emitter, matches!(other, Self::Same(_)), |emitter, a, b| emitter.sub(a, b))
    }

    /// The product.
    pub fn mul(&self, emitter: &mut Emitter<'_, 'c>, other: &Self) -> Result<Self> {
        let is_one = |index: &Self| matches!(index, Self::Same(value) if emitter.number(*value) == Some(1));
        if is_one(other) {
            return Ok(self.clone());
        }
        self.join(other, emitter, false, |emitter, a, b| emitter.mul(a, b))
    }

    /// Another operation on both.
    pub fn pair(&self, emitter: &mut Emitter<'_, 'c>, name: &'static str, other: &Self) -> Result<Self> {
        self.join(other, emitter, false, |emitter, a, b| emitter.pair(name, a, b))
    }
}

impl<'c> Lanes<'c> {
    /// The element of one lane.
    pub fn lane(&self, lane: usize) -> Value<'c> {
        match self {
            Self::Same(value) => *value,
            Self::Each(values) => values[lane],
        }
    }

    /// Those of all lanes.
    pub fn all(&self, lanes: usize) -> Vec<Value<'c>> {
        (0..lanes).map(|lane| self.lane(lane)).collect()
    }

    /// Values of lanes; the same where there is one lane only.
    pub fn each(values: Vec<Value<'c>>) -> Self {
        match values[..] {
            [only] => Self::Same(only),
            _ => Self::Each(values),
        }
    }
}
