//! The schedule of kernels that combine along outer dimensions, such as gradients of biases and of norms' weights.
//!
//! A block takes a few neighbouring columns, as wide as memory is read anyway; its threads go down the rows, and combine what
//! they have by shuffles and shared memory. Kernels have one column for each element of their results.

use thunder_interface::Dim;
use thunder_ir::{Operation, Result, Value};

use super::emitter::Emitter;
use super::entry::{Grid, Output};
use super::general::{self, register};
use super::lanes::{Index, Lanes, Point};
use super::memory::{WIDEST, bytes_of};
use super::nest::Nest;
use super::team::{Combiner, WARP};

/// Threads of a block.
const THREADS: u32 = 1024;
/// Bytes of a row that a block reads: fewer make reads inefficient, more make blocks few.
const SPAN: i64 = 64;
/// Elements of a column from which it takes a block.
const LONG: i64 = 64;

/// Writes the kernel, if all its totals are those of columns.
pub fn emit<'c>(
    emitter: &mut Emitter<'_, 'c>,
    function: Operation<'c>,
    outputs: &[Output<'c>],
    pointers: &[Value<'c>],
) -> Result<Option<Grid>> {
    let Some(plan) = Plan::of(emitter, function, outputs)? else { return Ok(None) };
    let last: Vec<_> = outputs[0].memory.sizes.last().copied().into_iter().collect();
    emitter.where_aligned(
        (pointers, &last, plan.width),
        |emitter| plan.write(emitter, outputs),
        |emitter| general::write(emitter, outputs),
    )?;
    let blocks = Dim::product(&outputs[0].dims).ceil_div(plan.width * plan.across);
    Ok(Some(Grid::new(blocks, THREADS)))
}

/// Who computes what.
struct Plan<'c> {
    /// The reductions in order, with how they combine.
    totals: Vec<(Operation<'c>, Vec<Combiner<'c>>)>,
    /// Columns of a thread.
    width: i64,
    /// Threads side by side.
    across: i64,
}

/// A thread at work.
struct Place<'c> {
    /// Its number in the block, among the threads side by side, and down.
    thread: Value<'c>,
    across: Value<'c>,
    down: Value<'c>,
    /// Its columns.
    point: Point<'c>,
}

impl<'c> Plan<'c> {
    fn of(emitter: &mut Emitter<'_, 'c>, function: Operation<'c>, outputs: &[Output<'c>]) -> Result<Option<Self>> {
        let Some(first) = outputs.first().filter(|first| !first.dims.is_empty()) else { return Ok(None) };
        if outputs.iter().any(|output| output.dims != first.dims) {
            return Ok(None);
        }
        let body = function.region(0).entry().ok_or_else(|| function.error("has no body"))?;
        let mut totals = Vec::new();
        for op in body.operations().into_iter().filter(|op| op.name() == "linalg.generic") {
            let nest = Nest::of(op)?;
            if !nest.is_reduction() {
                continue;
            }
            let is_total = (0..op.result_count()).all(|number| is_total_of_column(&nest, number, first.dims.len()));
            let lengths = nest.reductions.iter().map(|number| nest.known_extent(*number));
            let is_long = lengths.product::<Option<i64>>().is_none_or(|length| length >= LONG);
            let Some(combiners) = Combiner::all_of(&nest).filter(|_| is_total && is_long) else { return Ok(None) };
            totals.push((op, combiners));
        }
        if totals.is_empty() {
            return Ok(None);
        }
        let sizes = emitter.inputs.values().filter(|memory| memory.sizes.len() >= first.dims.len());
        let narrowest = sizes.map(|memory| bytes_of(memory.element)).filter(|size| *size > 1).min().unwrap_or(1);
        let mut width = WIDEST / narrowest;
        let last = first.memory.sizes.last().and_then(|size| emitter.number(*size));
        while last.is_some_and(|size| size % width != 0) {
            width /= 2;
        }
        let across = (SPAN / (width * narrowest)).clamp(1, i64::from(WARP));
        Ok(Some(Self { totals, width, across }))
    }

    fn write(&self, emitter: &mut Emitter<'_, 'c>, outputs: &[Output<'c>]) -> Result {
        let all = Dim::product(&outputs[0].dims);
        if all == Dim::Known(0) {
            return Ok(());
        }
        let (thread, block) = (register(emitter, "tid.x")?, register(emitter, "ctaid.x")?);
        let (side, width, zero) = (emitter.int(self.across)?, emitter.int(self.width)?, emitter.int(0)?);
        let (across, down) = (emitter.rem(thread, side)?, emitter.div(thread, side)?);
        let before = emitter.mul(block, side)?;
        let number = emitter.add(before, across)?;
        let column = emitter.mul(number, width)?;
        let count = emitter.dim(&all)?;
        // Columns that do not exist are computed as the first ones: shuffles need every thread.
        let exists = emitter.is_less(column, count)?;
        let first = emitter.guarded(exists, column, zero)?;
        let number = if self.width == 1 { Index::Same(first) } else { Index::Step(first) };
        emitter.lanes = self.width as usize;
        let at = emitter.split(&number, &outputs[0].memory.sizes)?;
        let place = Place { thread, across, down, point: Point { at, flat: Some(number) } };
        for (op, combiners) in &self.totals {
            self.total(emitter, &place, *op, combiners)?;
        }
        let is_first = emitter.compare(0, down, zero)?;
        let stores = emitter.op("arith.andi", &[exists, is_first], exists.ty())?;
        emitter.when(stores, |emitter| {
            let elements = outputs.iter().map(|output| emitter.element(output.value, &place.point));
            let elements = elements.collect::<Result<Vec<_>>>()?;
            let mut all = outputs.iter().zip(&elements);
            all.try_for_each(|(output, lanes)| emitter.store(&output.memory, &place.point, lanes))
        })?;
        emitter.lanes = 1;
        Ok(())
    }

    /// Totals of columns, in every thread that has them.
    fn total(
        &self,
        emitter: &mut Emitter<'_, 'c>,
        place: &Place<'c>,
        op: Operation<'c>,
        combiners: &[Combiner<'c>],
    ) -> Result {
        let nest = Nest::of(op)?;
        let lanes = emitter.lanes;
        let at: Vec<_> = place.point.at.iter().cloned().map(Some).collect();
        let mut loops = nest.loops_at(0, &at);
        let starts = emitter.starts(&nest, &place.point, true)?;
        emitter.prepare_inputs(&nest, &loops)?;
        let mut sizes = Vec::new();
        let mut length = emitter.int(1)?;
        for number in &nest.reductions {
            let extent = nest.extent(emitter, *number)?;
            sizes.push(extent);
            length = emitter.mul(length, extent)?;
        }
        let mut totals = Vec::new();
        for combiner in combiners {
            let neutral = combiner.start(emitter)?;
            totals.extend(vec![neutral; lanes]);
        }
        let step = emitter.int(i64::from(THREADS) / self.across)?;
        let totals = emitter.repeat((place.down, length, step), &totals, |emitter, row, totals| {
            for (number, index) in nest.reductions.iter().zip(emitter.delinearize(row, &sizes)?) {
                loops[*number] = Some(Index::Same(index));
            }
            emitter.iteration(&nest, &loops, totals)
        })?;
        for (number, combiner) in combiners.iter().enumerate() {
            let mut parts = Vec::new();
            for part in &totals[number * lanes..(number + 1) * lanes] {
                parts.push(combiner.across_lanes(emitter, *part, WARP, self.across as u32)?);
            }
            let mut whole = self.down_the_block(emitter, place, combiner, &parts)?;
            if let Some(start) = &starts[number] {
                let joined =
                    whole.iter().enumerate().map(|(lane, total)| combiner.join(emitter, start.lane(lane), *total));
                whole = joined.collect::<Result<_>>()?;
            }
            emitter.remember_elements(op.result(number), &place.point.at, Lanes::each(whole));
        }
        Ok(())
    }

    /// The totals of all warps, given those of each.
    fn down_the_block(
        &self,
        emitter: &mut Emitter<'_, 'c>,
        place: &Place<'c>,
        combiner: &Combiner<'c>,
        parts: &[Value<'c>],
    ) -> Result<Vec<Value<'c>>> {
        let (ty, warps) = (parts[0].ty(), i64::from(THREADS / WARP));
        let columns = self.across * self.width;
        let shared = emitter.shared(ty, columns * warps)?;
        let per_warp = emitter.int(i64::from(WARP) / self.across)?;
        let (warp, first) = (emitter.div(place.down, per_warp)?, emitter.rem(place.down, per_warp)?);
        let (zero, width, row) = (emitter.int(0)?, emitter.int(self.width)?, emitter.int(columns)?);
        let own = emitter.mul(place.across, width)?;
        let is_first = emitter.compare(0, first, zero)?;
        emitter.when(is_first, |emitter| {
            let before = emitter.mul(warp, row)?;
            let start = emitter.add(before, own)?;
            for (lane, part) in parts.iter().enumerate() {
                let lane = emitter.int(lane as i64)?;
                let at = emitter.add(start, lane)?;
                emitter.store_shared(shared, at, *part)?;
            }
            Ok(())
        })?;
        emitter.barrier()?;
        let totals = emitter.shared(ty, columns)?;
        let is_one = emitter.is_less(place.thread, row)?;
        emitter.when(is_one, |emitter| {
            let mut total: Option<Value<'c>> = None;
            for warp in 0..warps {
                let before = emitter.int(warp * columns)?;
                let at = emitter.add(place.thread, before)?;
                let part = emitter.load_shared(shared, at, ty)?;
                total = Some(total.map_or(Ok(part), |total| combiner.join(emitter, total, part))?);
            }
            total.map_or(Ok(()), |total| emitter.store_shared(totals, place.thread, total))
        })?;
        emitter.barrier()?;
        let lanes = (0..parts.len()).map(|lane| {
            let lane = emitter.int(lane as i64)?;
            let at = emitter.add(own, lane)?;
            emitter.load_shared(totals, at, ty)
        });
        lanes.collect()
    }
}

/// Whether each element of a result of a reduction is the total of a column.
fn is_total_of_column(nest: &Nest<'_>, number: usize, rank: usize) -> bool {
    let output = nest.output(number);
    output.len() == rank && output.iter().all(|index| index.as_loop().is_some())
}
