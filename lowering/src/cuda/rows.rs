//! The schedule of kernels whose ops share rows: a team of threads computes a row, from the first op to the last.
//!
//! What a row needs of memory is read once where it fits into the team's registers, and stays there across all ops. Short
//! rows take a part of a warp, others a block. Longer ones are kept in shared memory (`cuda/rows/kept.rs`). Rows that are too
//! long for that, or whose length is not known, are read again by each pass; totals that need nothing of each other are of one
//! (`cuda/rows/pass.rs`), as are a maximum and a sum of exponentials relative to it (`cuda/rows/online.rs`). Totals of a row are
//! combined by shuffles and shared memory; a sum of which one element counts reads that (`cuda/rows/chosen.rs`).

mod chosen;
mod kept;
mod online;
mod pass;
mod turns;

use std::collections::HashSet;

use thunder_interface::Dim;
use thunder_ir::{Operation, Result, Value};
use thunder_passes::ROWS;

use super::emitter::Emitter;
use super::entry::{Grid, Output};
use super::general::{groups, register};
use super::lanes::{Index, Point};
use super::memory::{Memory, WIDEST, bytes_of};
use super::nest::Nest;
use super::team::{Combiner, WARP};
use kept::Kept;
pub use kept::takes_much;
use pass::{Total, assign_passes, needed};

/// Elements of a row that a thread keeps in registers at most.
const KEPT: i64 = 32;
/// Accesses of a row that a thread should make.
const ACCESSES: i64 = 4;
/// Threads of a block whose rows are shorter than it.
const THREADS: u32 = 256;
/// Threads of a block for rows whose length is not known.
const LONG: u32 = 512;
/// Rows from which a GPU is busy with a small block for each.
const MANY: i64 = 512;
/// Threads of a block at most.
const MOST: i64 = 1024;

/// Writes the kernel, if all its totals are those of rows.
pub fn emit<'c>(
    emitter: &mut Emitter<'_, 'c>,
    function: Operation<'c>,
    outputs: &[Output<'c>],
    pointers: &[Value<'c>],
) -> Result<Option<Grid>> {
    let Some(plan) = Plan::of(emitter, function, outputs)? else { return Ok(None) };
    let slow = Plan { width: 1, is_unrolled: false, is_kept: false, kept: None, ..plan.clone() };
    emitter.where_aligned(
        (pointers, &plan.ends, plan.width),
        |emitter| plan.write(emitter, outputs),
        |emitter| slow.write(emitter, outputs),
    )?;
    let blocks = match plan.turns {
        Some(blocks) => Dim::Known(blocks),
        None => plan.count.ceil_div(i64::from(plan.threads / plan.team)),
    };
    let (shared, resident) = plan.kept.as_ref().map_or((0, 1), |kept| (kept.bytes as u32, kept.blocks as u32));
    Ok(Some(Grid { shared, resident, ..Grid::new(blocks, plan.threads) }))
}

/// Who computes what.
#[derive(Clone)]
pub struct Plan<'c> {
    /// How many leading dimensions count rows.
    pub rows: usize,
    /// How many rows there are.
    pub count: Dim,
    /// The reductions in order.
    pub totals: Vec<Total<'c>>,
    /// The sizes of the innermost dimensions of rows.
    pub ends: Vec<Value<'c>>,
    /// Elements of an access.
    pub width: i64,
    /// Threads of a block, and those that share a row.
    pub threads: u32,
    pub team: u32,
    /// Whether the accesses of a thread to a row are written one by one, and whether what is read stays in registers.
    pub is_unrolled: bool,
    pub is_kept: bool,
    /// What stays of them in shared memory.
    pub kept: Option<Kept<'c>>,
    /// How many blocks there are, if each computes several rows, one after the other.
    pub turns: Option<i64>,
}

/// A team at work.
pub struct Team<'c> {
    /// The number of this thread among those of the team.
    pub thread: Value<'c>,
    /// The row, and its index in each dimension.
    pub row: Value<'c>,
    pub at: Vec<Index<'c>>,
    /// Whether there is such a row; nothing where there must be.
    pub exists: Option<Value<'c>>,
}

impl<'c> Plan<'c> {
    fn of(emitter: &mut Emitter<'_, 'c>, function: Operation<'c>, outputs: &[Output<'c>]) -> Result<Option<Self>> {
        let counts = function.attribute(ROWS).and_then(|a| a.as_i64_array()).unwrap_or_default();
        // Columns are another schedule's.
        if counts.iter().any(|count| *count < 0) {
            return Ok(None);
        }
        let rows = counts.last().copied();
        let rows = rows.unwrap_or(0) as usize;
        let Some(first) = outputs.first() else { return Ok(None) };
        let is_apart = |output: &Output<'c>| output.dims.get(..rows) != first.dims.get(..rows);
        if first.dims.len() < rows || outputs.iter().any(is_apart) {
            return Ok(None);
        }
        let Some(mut totals) = totals(emitter, function, rows, &|_| false)? else { return Ok(None) };
        let (mut ends, mut lengths) = (Vec::new(), Vec::new());
        for total in &totals {
            ends.extend(total.sizes.last());
            let nest = Nest::of(total.op)?;
            let extents = nest.reductions.iter().map(|number| nest.known_extent(*number));
            lengths.push(extents.product::<Option<i64>>());
        }
        if totals.is_empty() {
            return Ok(None);
        }
        for output in outputs.iter().filter(|output| Dim::product(&output.dims[rows..]) != Dim::Known(1)) {
            ends.extend(output.memory.sizes.last());
            lengths.push(Dim::product(&output.dims[rows..]).known());
        }
        let width = width(emitter, outputs, rows, &ends);
        let longest: Option<i64> = lengths.iter().try_fold(1, |most: i64, length| Some(most.max((*length)?)));
        let (mut threads, mut team, mut is_kept) = longest.map_or((LONG, LONG, false), |longest| shape(longest, width));
        let count = Dim::product(&first.dims[..rows]);
        let is_read_again = outputs.iter().any(|output| Dim::product(&output.dims[rows..]) != Dim::Known(1));
        let mut kept = None;
        if team > WARP && !is_read_again && assign_passes(&mut totals, true)? == 1 {
            // What is read once needs no room to stay in; small blocks are many at a time.
            is_kept = false;
            if count.known().is_none_or(|count| count >= MANY) {
                (threads, team) = (THREADS, THREADS);
            }
        } else {
            // What takes much to make stays in registers, if there are enough.
            let makes_again = !is_kept || !takes_much(function);
            if let Some(length) = longest.filter(|_| team >= THREADS && makes_again) {
                let inputs = row_inputs(emitter, function, (rows, length))?;
                kept = Kept::of(emitter, inputs.into_iter(), (length, width, i64::from(team.min(LONG))));
            }
            if let Some(kept) = &kept {
                is_kept = false;
                if kept.blocks > 1 {
                    (threads, team) = (threads.min(LONG), team.min(LONG));
                }
            }
            let is_near = is_kept || kept.as_ref().is_some_and(|kept| kept.is_whole);
            assign_passes(&mut totals, !is_near)?;
        }
        let turns = kept.as_ref().and_then(|kept| turns::blocks(emitter, outputs, (rows, &count, kept)));
        Ok(Some(Self { rows, count, totals, ends, width, threads, team, is_unrolled: is_kept, is_kept, kept, turns }))
    }

    fn write(&self, emitter: &mut Emitter<'_, 'c>, outputs: &[Output<'c>]) -> Result {
        if self.count == Dim::Known(0) {
            return Ok(());
        }
        if let Some(blocks) = self.turns {
            return self.write_in_turn(emitter, outputs, blocks);
        }
        let team = self.team_of_thread(emitter, outputs)?;
        self.keep(emitter, &team)?;
        self.make_totals(emitter, &team)?;
        self.store_all(emitter, &team, &outputs.iter().collect::<Vec<_>>())?;
        emitter.images.clear();
        emitter.arriving = false;
        Ok(())
    }

    /// Makes all totals of a row.
    pub fn make_totals(&self, emitter: &mut Emitter<'_, 'c>, team: &Team<'c>) -> Result {
        let count = self.totals.iter().map(|total| total.pass + 1).max().unwrap_or(0);
        (0..count).try_for_each(|number| self.pass(emitter, team, number))
    }

    /// Whether a tensor needs totals.
    pub fn needs_totals(&self, tensor: Value<'c>) -> bool {
        tensor.defining_op().is_some_and(|op| {
            let is_total = self.totals.iter().any(|total| total.op == op);
            is_total || !needed(op, &self.totals).is_empty()
        })
    }

    /// Writes a row of all results.
    pub fn store_all(&self, emitter: &mut Emitter<'_, 'c>, team: &Team<'c>, outputs: &[&Output<'c>]) -> Result {
        for group in groups(outputs.iter().copied()) {
            let length = emitter.dim(&Dim::product(&group[0].dims[self.rows..]))?;
            if emitter.number(length) == Some(1) {
                let zero = emitter.int(0)?;
                let is_first = emitter.compare(0, team.thread, zero)?;
                let stores = emitter.both(team.exists, Some(is_first))?;
                self.store(emitter, team, &group, Index::Same(zero), stores)?;
                continue;
            }
            self.prepare(emitter, team, &group)?;
            emitter.lanes = self.width as usize;
            self.each(emitter, team, length, &mut Vec::new(), |emitter, accesses, _| {
                for access in accesses {
                    let stores = emitter.both(team.exists, access.inside)?;
                    self.store(emitter, team, &group, access.number(self.width), stores)?;
                }
                Ok(Vec::new())
            })?;
            emitter.lanes = 1;
        }
        Ok(())
    }

    /// Computes what all elements of a row need of it.
    fn prepare(&self, emitter: &mut Emitter<'_, 'c>, team: &Team<'c>, outputs: &[&Output<'c>]) -> Result {
        for output in outputs {
            let mut at: Vec<_> = team.at.iter().cloned().map(Some).collect();
            at.resize(output.memory.sizes.len(), None);
            emitter.prepare(output.value, &at, &mut HashSet::new())?;
        }
        Ok(())
    }

    /// The row of this thread's team.
    fn team_of_thread(&self, emitter: &mut Emitter<'_, 'c>, outputs: &[Output<'c>]) -> Result<Team<'c>> {
        let (thread, block) = (register(emitter, "tid.x")?, register(emitter, "ctaid.x")?);
        let per_block = i64::from(self.threads / self.team);
        let (mut row, mut number, mut exists) = (block, thread, None);
        if per_block > 1 {
            let (size, rows) = (emitter.int(i64::from(self.team))?, emitter.int(per_block)?);
            number = emitter.rem(thread, size)?;
            let within = emitter.div(thread, size)?;
            let before = emitter.mul(block, rows)?;
            let wanted = emitter.add(before, within)?;
            let (count, one) = (emitter.dim(&self.count)?, emitter.int(1)?);
            // Teams without a row compute the last one: shuffles need every thread of a warp.
            let last = emitter.sub(count, one)?;
            row = emitter.pair("arith.minui", wanted, last)?;
            let all = self.count.known().is_some_and(|count| count % per_block == 0);
            exists = if all { None } else { Some(emitter.is_less(wanted, count)?) };
        }
        let sizes = &outputs[0].memory.sizes[..self.rows];
        let at = emitter.delinearize(row, sizes)?.into_iter().map(Index::Same).collect();
        Ok(Team { thread: number, row, at, exists })
    }

    fn store(
        &self,
        emitter: &mut Emitter<'_, 'c>,
        team: &Team<'c>,
        outputs: &[&Output<'c>],
        number: Index<'c>,
        condition: Option<Value<'c>>,
    ) -> Result {
        self.at_access(emitter, &number)?;
        let mut at = team.at.clone();
        at.extend(emitter.split(&number, &outputs[0].memory.sizes[self.rows..])?);
        let length = emitter.dim(&Dim::product(&outputs[0].dims[self.rows..]))?;
        let before = Index::Same(emitter.mul(team.row, length)?);
        let flat = before.add(emitter, &number)?;
        let point = Point { at, flat: Some(flat) };
        let elements =
            outputs.iter().map(|output| emitter.element(output.value, &point)).collect::<Result<Vec<_>>>()?;
        let store = |emitter: &mut Emitter<'_, 'c>| {
            let mut all = outputs.iter().zip(&elements);
            all.try_for_each(|(output, lanes)| emitter.store(&output.memory, &point, lanes))
        };
        match condition {
            Some(condition) => emitter.when(condition, store),
            None => store(emitter),
        }
    }
}

/// The reductions of a kernel but for some, where all of them are of rows.
pub fn totals<'c>(
    emitter: &mut Emitter<'_, 'c>,
    function: Operation<'c>,
    rows: usize,
    is_other: &dyn Fn(Operation<'c>) -> bool,
) -> Result<Option<Vec<Total<'c>>>> {
    let body = function.region(0).entry().ok_or_else(|| function.error("has no body"))?;
    let mut totals = Vec::new();
    for op in body.operations().into_iter().filter(|op| op.name() == "linalg.generic" && !is_other(*op)) {
        let nest = Nest::of(op)?;
        if !nest.is_reduction() {
            continue;
        }
        let is_total = (0..op.result_count()).all(|number| is_total_of_row(&nest, number, rows));
        let Some(combiners) = Combiner::all_of(&nest).filter(|_| is_total) else { return Ok(None) };
        let sizes = nest.reductions.iter().map(|number| nest.extent(emitter, *number)).collect::<Result<_>>()?;
        totals.push(Total { op, combiners, sizes, pass: 0, over: None, chosen: chosen::chosen(op)? });
    }
    assign_passes(&mut totals, false)?;
    Ok(Some(totals))
}

/// The inputs that have `length` elements for each of the rows.
fn row_inputs<'c>(
    emitter: &Emitter<'_, 'c>,
    function: Operation<'c>,
    (rows, length): (usize, i64),
) -> Result<Vec<Value<'c>>> {
    let counts = function.attribute(ROWS).and_then(|a| a.as_i64_array()).unwrap_or_default();
    let body = function.region(0).entry().ok_or_else(|| function.error("has no body"))?;
    let is_row = |memory: &Memory<'c>| {
        let sizes = memory.sizes.iter().skip(rows).map(|size| emitter.number(*size));
        sizes.product::<Option<i64>>() == Some(length)
    };
    let inputs = body.arguments().zip(counts).filter(|(_, count)| *count == rows as i64);
    Ok(inputs.map(|(input, _)| input).filter(|input| emitter.inputs.get(input).is_some_and(is_row)).collect())
}

/// How many elements of rows, whose innermost sizes are `ends`, the widest access holds: of the narrowest that are no bytes.
pub fn width<'c>(emitter: &Emitter<'_, 'c>, outputs: &[Output<'c>], rows: usize, ends: &[Value<'c>]) -> i64 {
    let tensors = outputs.iter().map(|output| &output.memory).chain(emitter.inputs.values());
    let sizes = tensors.filter(|memory| memory.sizes.len() >= rows).map(|memory| bytes_of(memory.element));
    let mut width = WIDEST / sizes.filter(|size| *size > 1).min().unwrap_or(1);
    while ends.iter().any(|end| emitter.number(*end).is_some_and(|size| size % width != 0)) {
        width /= 2;
    }
    width
}

/// Whether a result of a reduction is one value for each row.
fn is_total_of_row(nest: &Nest<'_>, number: usize, rows: usize) -> bool {
    let output = nest.output(number);
    let leading = output.len() >= rows && output[..rows].iter().all(|index| index.as_loop().is_some());
    let after = output.iter().skip(rows).filter_map(|index| index.as_loop());
    leading && after.into_iter().all(|number| nest.known_extent(number) == Some(1))
}

/// Threads of a block, threads of a row's team, and whether rows of `length` stay in its registers.
fn shape(length: i64, width: i64) -> (u32, u32, bool) {
    let accesses = (length + width - 1) / width;
    let most = (KEPT / width).max(1);
    if accesses <= i64::from(WARP) * ACCESSES.min(most) {
        let team = (accesses / ACCESSES.min(most)).max(1) as u32;
        return (THREADS, team.next_power_of_two().min(WARP), true);
    }
    let least = (accesses / ACCESSES).max(1) as u64;
    let least = (least.next_multiple_of(u64::from(WARP)) as i64).min(MOST);
    let even = (least..=MOST).step_by(WARP as usize).find(|threads| accesses % threads == 0);
    let threads = even.filter(|threads| *threads <= least * 2).unwrap_or(least);
    let is_kept = (accesses + threads - 1) / threads <= most;
    (threads as u32, threads as u32, is_kept)
}

#[cfg(test)]
mod tests {
    use super::shape;

    #[test]
    fn teams_fit_rows() {
        assert_eq!(shape(64, 8), (256, 2, true));
        assert_eq!(shape(1024, 8), (256, 32, true));
        assert_eq!(shape(4096, 8), (128, 128, true));
        assert_eq!(shape(32000, 8), (1024, 1024, true));
        assert_eq!(shape(131072, 8), (1024, 1024, false));
        assert_eq!(shape(1, 1), (256, 1, true));
    }
}
