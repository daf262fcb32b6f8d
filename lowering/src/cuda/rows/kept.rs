//! Rows that are read once into shared memory, and from there by each pass: those that do not fit into registers, or fill them.
//!
//! Where a row does not fit into shared memory either, its first elements are kept, and the rest is read again. The first pass
//! goes over a row while it arrives. What is made of it is made again by each pass, so that this is not for what takes much.

use std::ops::Range;

use thunder_ir::{Operation, Result, Value};

use super::{Plan, Team};
use crate::cuda::arrivals::{Image, bytes_of_image, is_copied};
use crate::cuda::emitter::Emitter;
use crate::cuda::lanes::Index;
use crate::cuda::memory::{Memory, bytes_of};

/// Threads of a multiprocessor, at most: each has 48 registers then; 40 are not enough for a norm.
const RESIDENT: i64 = 1280;
/// Blocks of it that are worth fewer registers: while some read, others compute and write.
const FEW: i64 = 3;
/// Bytes of shared memory of a block that are for other uses.
const RESERVED: i64 = 4 << 10;
/// Bytes of the narrowest access that is worth a copy.
const NARROWEST: i64 = 8;
/// Batches in which a row arrives at most.
const BATCHES: i64 = 8;

/// Operations for an element from which on it takes less to keep what is made of it: a random number takes some hundred.
const MUCH: usize = 64;

/// Whether passes should not make again what kernels make of a row's elements.
pub fn takes_much(function: Operation<'_>) -> bool {
    let mut count = 0;
    function.walk(|op| count += usize::from(op.name().starts_with("arith.") && op.operand_count() > 0));
    count >= MUCH
}

/// What is kept of rows.
#[derive(Clone)]
pub struct Kept<'c> {
    /// The inputs of which rows are kept.
    pub tensors: Vec<Value<'c>>,
    /// Elements of each that are kept, and whether these are all.
    pub elements: i64,
    pub is_whole: bool,
    /// Bytes of shared memory of a block.
    pub bytes: i64,
    /// Blocks of a multiprocessor.
    pub blocks: i64,
}

impl<'c> Kept<'c> {
    /// What is kept of rows of `length` elements, of which each of `threads` reads `width` at a time; `None` where that is little.
    pub fn of(
        emitter: &Emitter<'_, 'c>,
        inputs: impl Iterator<Item = Value<'c>>,
        (length, width, threads): (i64, i64, i64),
    ) -> Option<Self> {
        let is_kept = |tensor: &Value<'c>| {
            let element = emitter.inputs[tensor].element;
            is_copied(element, width) && bytes_of(element) * width >= NARROWEST
        };
        let tensors: Vec<_> = inputs.filter(is_kept).collect();
        let each: i64 = tensors.iter().map(|tensor| bytes_of(emitter.inputs[tensor].element)).sum();
        let room = |blocks: i64| emitter.arch.shared_memory() / blocks - RESERVED;
        let blocks = (1..=(RESIDENT / threads).max(FEW)).rev().find(|blocks| length * each <= room(*blocks));
        let elements = blocks.map_or_else(|| room(1) / (width * each).max(1) * width, |_| length);
        let is_whole = blocks.is_some();
        let worth = !tensors.is_empty() && elements * 2 >= length;
        let bytes = tensors.iter().map(|tensor| bytes_of_image(emitter.inputs[tensor].element, elements)).sum();
        worth.then_some(Self { tensors, elements, is_whole, bytes, blocks: blocks.unwrap_or(1) })
    }
}

impl<'c> Plan<'c> {
    /// Asks for what is kept of a row.
    pub(super) fn keep(&self, emitter: &mut Emitter<'_, 'c>, team: &Team<'c>) -> Result {
        let Some(kept) = &self.kept else { return Ok(()) };
        self.expect(emitter, team)?;
        for part in self.parts(kept) {
            for tensor in &kept.tensors {
                let (memory, image) = (emitter.inputs[tensor].clone(), emitter.images[tensor].memory.clone());
                self.ask_for_row(emitter, team, (&memory, &image), part.clone())?;
            }
            emitter.end_batch()?;
        }
        Ok(())
    }

    /// Says where what is kept of a row will be, which was asked for.
    pub(super) fn expect(&self, emitter: &mut Emitter<'_, 'c>, team: &Team<'c>) -> Result {
        let Some(kept) = &self.kept else { return Ok(()) };
        let mut bytes = 0;
        for tensor in &kept.tensors {
            let memory = emitter.inputs[tensor].clone();
            let (before, sizes) = (emitter.int(bytes)?, &memory.sizes[self.rows..]);
            let image = emitter.image(memory.element, sizes, before)?;
            bytes += bytes_of_image(memory.element, kept.elements);
            // Nothing of it is there yet.
            emitter.images.insert(*tensor, Image { memory: image, at: team.at.clone(), columns: Some(Vec::new()) });
        }
        emitter.arriving = true;
        Ok(())
    }

    /// The elements of each batch.
    pub(super) fn parts(&self, kept: &Kept<'c>) -> Vec<Range<i64>> {
        let step = self.width * i64::from(self.team);
        let accesses = (kept.elements + step - 1) / step;
        let each = (accesses + BATCHES - 1) / BATCHES * step;
        (0..kept.elements).step_by(each as usize).map(|from| from..(from + each).min(kept.elements)).collect()
    }

    /// Waits until what is kept of a row is there, if it is on its way.
    pub(super) fn wait_for_row(&self, emitter: &mut Emitter<'_, 'c>) -> Result {
        if emitter.arriving {
            emitter.wait_for_batches(0)?;
            emitter.barrier()?;
            self.has_arrived(emitter);
        }
        Ok(())
    }

    /// Once all threads have what they have asked for: elements of others can be read, where all of a row are kept.
    pub(super) fn has_arrived(&self, emitter: &mut Emitter<'_, 'c>) {
        if let Some(kept) = self.kept.as_ref().filter(|_| emitter.arriving) {
            emitter.arriving = false;
            for image in emitter.images.values_mut().filter(|_| kept.is_whole) {
                image.columns = None;
            }
        }
    }

    /// Asks for elements of a row, from the first of an access on, each thread for those of its own accesses.
    pub fn ask_for_row(
        &self,
        emitter: &mut Emitter<'_, 'c>,
        team: &Team<'c>,
        (memory, image): (&Memory<'c>, &Memory<'c>),
        elements: Range<i64>,
    ) -> Result {
        let (mut length, count) = (emitter.int(1)?, emitter.int(elements.end)?);
        for size in &memory.sizes[self.rows..] {
            length = emitter.mul(length, *size)?;
        }
        let before = emitter.mul(team.row, length)?;
        let step = self.width * i64::from(self.team);
        for start in elements.clone().step_by(step as usize) {
            let (distance, width) = (emitter.int(start)?, emitter.int(self.width)?);
            let own = emitter.mul(team.thread, width)?;
            let place = emitter.add(own, distance)?;
            let first = emitter.add(before, place)?;
            let ask = |emitter: &mut Emitter<'_, 'c>| emitter.ask((memory, first), (image, place), self.width);
            if start + step <= elements.end {
                ask(emitter)?;
            } else {
                let inside = emitter.is_less(place, count)?;
                emitter.when(inside, ask)?;
            }
        }
        Ok(())
    }

    /// Says which columns an access reads, where others may not be there.
    pub(super) fn at_access(&self, emitter: &mut Emitter<'_, 'c>, number: &Index<'c>) -> Result {
        let Some(kept) = &self.kept else { return Ok(()) };
        for tensor in &kept.tensors {
            if emitter.images.get(tensor).is_none_or(|image| image.columns.is_none()) {
                continue;
            }
            let sizes = emitter.inputs[tensor].sizes[self.rows..].to_vec();
            let columns = emitter.split(number, &sizes)?;
            if let Some(image) = emitter.images.get_mut(tensor) {
                image.columns = Some(columns);
            }
        }
        Ok(())
    }
}
