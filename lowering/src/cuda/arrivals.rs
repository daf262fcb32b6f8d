//! Rows of tensors in shared memory, and copies that bring them there while threads compute.
//!
//! A thread asks for what it needs later on and goes on; what it has asked for together is a batch. Batches arrive in order,
//! and a thread waits for the oldest of those that are on their way. It finds what it has asked for itself; for what others
//! have asked for, there has to be a barrier first.

use thunder_ir::{Attribute, Blueprint, Result, Scalar, Type, Value};

use super::emitter::Emitter;
use super::lanes::{Index, Lanes, Point};
use super::memory::{Memory, WIDEST, bytes_of};

/// Bytes of the narrowest copy.
const NARROWEST: i64 = 4;

/// Whether accesses to so many elements can be copied.
pub fn is_copied(element: Type<'_>, width: i64) -> bool {
    let is_bytes = !matches!(element.as_scalar(), Some(Scalar::Int(bits)) if bits % 8 != 0);
    let bytes = bytes_of(element) * width;
    is_bytes && bytes >= NARROWEST && bytes.count_ones() == 1
}

/// Bytes of shared memory of so many elements: the next are aligned again.
pub fn bytes_of_image(element: Type<'_>, count: i64) -> i64 {
    (bytes_of(element) * count + WIDEST - 1) / WIDEST * WIDEST
}

/// A row of a tensor in shared memory, or what there is of it.
#[derive(Clone)]
pub struct Image<'c> {
    /// Where it is, as a tensor of the row's sizes.
    pub memory: Memory<'c>,
    /// The row's place in the tensor.
    pub at: Vec<Index<'c>>,
    /// The columns that are there; nothing for all of them.
    pub columns: Option<Vec<Index<'c>>>,
}

impl<'c> Emitter<'_, 'c> {
    /// Elements of a tensor of which there is an image: from memory where they are not in it.
    pub fn load_image(&mut self, image: &Image<'c>, memory: &Memory<'c>, point: &Point<'c>) -> Result<Lanes<'c>> {
        let (row, columns) = point.at.split_at(image.at.len());
        let is_there = row == image.at && image.columns.as_ref().is_none_or(|there| there == columns);
        if is_there { self.load(&image.memory, &Point::new(columns.to_vec())) } else { self.load(memory, point) }
    }

    /// Asks for so many elements of a tensor, from number `first` on, to be brought to number `place` of an image.
    pub fn ask(
        &mut self,
        (from, first): (&Memory<'c>, Value<'c>),
        (to, place): (&Memory<'c>, Value<'c>),
        width: i64,
    ) -> Result {
        let all = bytes_of(from.element) * width;
        let bytes = all.min(WIDEST);
        for piece in 0..all / bytes {
            let distance = self.int(piece * bytes / bytes_of(from.element))?;
            let (first, place) = (self.add(first, distance)?, self.add(place, distance)?);
            let to = self.element_of(to.pointer, place, to.element)?;
            let from = self.element_of(from.pointer, first, from.element)?;
            self.copy(to, from, bytes)?;
        }
        Ok(())
    }

    fn copy(&self, to: Value<'c>, from: Value<'c>, bytes: i64) -> Result {
        // The widest leave the nearest cache alone.
        let kind = if bytes == WIDEST { "cg" } else { "ca" };
        let kind = Attribute::parse(self.context(), &format!("#nvvm<load_cache_modifier {kind}>"));
        let copy = Blueprint::new("nvvm.cp.async.shared.global")
            .operands([to, from])
            .attribute("size", Attribute::integer(Type::int(self.context(), 32), bytes))
            .attribute("modifier", kind.ok_or("internal: a kind of copy parses")?);
        self.b.insert(&copy)?;
        Ok(())
    }

    /// Ends a batch.
    pub fn end_batch(&self) -> Result {
        self.b.insert(&Blueprint::new("nvvm.cp.async.commit.group"))?;
        Ok(())
    }

    /// Waits until all batches have arrived but for so many of the latest.
    pub fn wait_for_batches(&self, but: i64) -> Result {
        let number = Attribute::integer(Type::int(self.context(), 32), but);
        self.b.insert(&Blueprint::new("nvvm.cp.async.wait.group").attribute("n", number))?;
        Ok(())
    }

    /// The memory of an image that begins after so many bytes of what a launch gives.
    pub fn image(&mut self, element: Type<'c>, sizes: &[Value<'c>], before: Value<'c>) -> Result<Memory<'c>> {
        let (shared, byte) = (self.given_shared()?, Type::int(self.context(), 8));
        let pointer = self.element_of(shared, before, byte)?;
        Ok(Memory { pointer, element, sizes: sizes.to_vec() })
    }
}
