//! Rows of which one fills the shared memory of a multiprocessor: a block computes one after the other, and the next arrives
//! where the elements of this one were as soon as these are written.
//!
//! Multiprocessors get more or less of the memory's bandwidth, by where they are. So a block takes the next row that no other
//! has, which a number in global memory tells; the last block to finish sets it back.

use thunder_interface::Dim;
use thunder_ir::{Attribute, Result, Type, Value};

use super::kept::Kept;
use super::pass::{NEAR, TOGETHER};
use super::{Plan, Team};
use crate::cuda::emitter::Emitter;
use crate::cuda::entry::Output;
use crate::cuda::general::{groups, register};
use crate::cuda::lanes::Index;

/// Numbers in global memory: of rows that were taken, and of blocks that have finished.
const COUNTERS: i64 = 2;

/// The blocks that take turns at so many rows, of which only the results of one shape are long.
pub fn blocks<'c>(
    emitter: &Emitter<'_, 'c>,
    outputs: &[Output<'c>],
    (rows, count, kept): (usize, &Dim, &Kept<'c>),
) -> Option<i64> {
    let blocks = emitter.arch.multiprocessors();
    let lengths =
        groups(outputs).iter().map(|group| Dim::product(&group[0].dims[rows..]).known()).collect::<Option<Vec<_>>>()?;
    let is_one = lengths.iter().filter(|length| **length != 1).count() == 1;
    let is_long = lengths.iter().any(|length| *length >= kept.elements);
    (kept.blocks == 1 && is_one && is_long && count.known()? > blocks).then_some(blocks)
}

impl<'c> Plan<'c> {
    /// Computes the rows of a block: its own first, then those that are left.
    pub(super) fn write_in_turn(&self, emitter: &mut Emitter<'_, 'c>, outputs: &[Output<'c>], blocks: i64) -> Result {
        let (thread, block) = (register(emitter, "tid.x")?, register(emitter, "ctaid.x")?);
        let (count, step) = (emitter.dim(&self.count)?, emitter.int(blocks)?);
        let sizes = &outputs[0].memory.sizes[..self.rows];
        let team = |emitter: &mut Emitter<'_, 'c>, row: Value<'c>| -> Result<Team<'c>> {
            let at = emitter.delinearize(row, sizes)?.into_iter().map(Index::Same).collect();
            Ok(Team { thread, row, at, exists: None })
        };
        let i32 = Type::int(emitter.context(), 32);
        let shared = emitter.shared(i32, 1)?;
        let counters = emitter.counters(COUNTERS)?;
        let zero = emitter.int(0)?;
        let is_first = emitter.compare(0, thread, zero)?;
        let advance = |emitter: &mut Emitter<'_, 'c>, number: i64| -> Result<Value<'c>> {
            let (number, one) = (emitter.int(number)?, emitter.constant(Attribute::integer(i32, 1))?);
            let counter = emitter.element_of(counters, number, i32)?;
            emitter.add_atomically(counter, one)
        };
        let first = team(emitter, block)?;
        self.keep(emitter, &first)?;
        emitter.turns((block, count), |emitter, row| {
            let here = team(emitter, row)?;
            self.expect(emitter, &here)?;
            emitter.when(is_first, |emitter| {
                let number = advance(emitter, 0)?;
                emitter.store_shared(shared, zero, number)
            })?;
            self.make_totals(emitter, &here)?;
            emitter.barrier()?;
            let number = emitter.load_shared(shared, zero, i32)?;
            let number = emitter.cast(number, emitter.index)?;
            let next = emitter.add(number, step)?;
            for group in groups(outputs) {
                match &self.kept {
                    Some(kept) if Dim::product(&group[0].dims[self.rows..]) != Dim::Known(1) => {
                        let exists = emitter.is_less(next, count)?;
                        let next = Team { exists: Some(exists), ..team(emitter, next)? };
                        self.store_and_ask(emitter, (&here, &next), &group, kept)?;
                    }
                    _ => self.store_all(emitter, &here, &group)?,
                }
            }
            // What is combined of the next row goes through the same memory.
            emitter.barrier()?;
            Ok(next)
        })?;
        emitter.images.clear();
        emitter.arriving = false;
        emitter.when(is_first, |emitter| {
            let (finished, others) = (advance(emitter, 1)?, emitter.constant(Attribute::integer(i32, blocks - 1))?);
            let is_last = emitter.compare(0, finished, others)?;
            emitter.when(is_last, |emitter| emitter.reset(counters, COUNTERS))
        })
    }

    /// Writes a row of results, and asks for the next where elements are kept.
    fn store_and_ask(
        &self,
        emitter: &mut Emitter<'_, 'c>,
        (here, next): (&Team<'c>, &Team<'c>),
        outputs: &[&Output<'c>],
        kept: &Kept<'c>,
    ) -> Result {
        // From here on, a thread finds only what it has asked for itself.
        emitter.images.values_mut().for_each(|image| image.columns = Some(Vec::new()));
        let length = emitter.dim(&Dim::product(&outputs[0].dims[self.rows..]))?;
        self.prepare(emitter, here, outputs)?;
        emitter.lanes = self.width as usize;
        for part in self.parts(kept) {
            let bounds = (emitter.int(part.start)?, emitter.int(part.end)?, NEAR);
            self.range(emitter, here, bounds, &mut Vec::new(), &mut |emitter, accesses, _| {
                for access in accesses {
                    let write = |emitter: &mut Emitter<'_, 'c>| {
                        self.store(emitter, here, outputs, access.number(self.width), None)?;
                        let ask =
                            |emitter: &mut Emitter<'_, 'c>| self.ask_for_access(emitter, next, kept, access.first);
                        next.exists.map_or(Ok(()), |exists| emitter.when(exists, ask))
                    };
                    // Nothing is read in place of what is beyond the row: others ask for theirs already.
                    match access.inside {
                        Some(inside) => emitter.when(inside, write)?,
                        None => write(emitter)?,
                    }
                }
                Ok(Vec::new())
            })?;
            emitter.end_batch()?;
        }
        let images = std::mem::take(&mut emitter.images);
        if emitter.number(length) != Some(kept.elements) {
            let bounds = (emitter.int(kept.elements)?, length, TOGETHER / 2);
            self.range(emitter, here, bounds, &mut Vec::new(), &mut |emitter, accesses, _| {
                for access in accesses {
                    self.store(emitter, here, outputs, access.number(self.width), access.inside)?;
                }
                Ok(Vec::new())
            })?;
        }
        emitter.images = images;
        emitter.lanes = 1;
        Ok(())
    }

    /// Asks for an access to what is kept of a row.
    fn ask_for_access(
        &self,
        emitter: &mut Emitter<'_, 'c>,
        team: &Team<'c>,
        kept: &Kept<'c>,
        place: Value<'c>,
    ) -> Result {
        for tensor in &kept.tensors {
            let (memory, image) = (emitter.inputs[tensor].clone(), emitter.images[tensor].memory.clone());
            let mut length = emitter.int(1)?;
            for size in &memory.sizes[self.rows..] {
                length = emitter.mul(length, *size)?;
            }
            let before = emitter.mul(team.row, length)?;
            let first = emitter.add(before, place)?;
            emitter.ask((&memory, first), (&image, place), self.width)?;
        }
        Ok(())
    }
}
