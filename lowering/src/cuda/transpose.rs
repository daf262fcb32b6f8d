//! The schedule of kernels that combine nothing and read a tensor across: its innermost dimension is not that of the results.
//!
//! A block computes a tile of the results. It first reads the tile of each such tensor along that one's rows into shared
//! memory, from where it goes on along rows of the results; rows there are a word longer, so that neither way meets a bank
//! twice. Memory that is not aligned, and rows that do not hold a whole number of accesses, go to the general schedule.

use std::collections::HashSet;

use thunder_interface::Dim;
use thunder_ir::{Operation, Result, Value};

use super::emitter::Emitter;
use super::entry::{Grid, Output};
use super::general::{self, register};
use super::lanes::{Index, Lanes, Point};
use super::memory::{Memory, WIDEST, bytes_of};
use super::nest::Nest;

/// Threads of a block.
const THREADS: i64 = 256;
/// Bytes of a row of a tile: what memory is read by at once.
const SPAN: i64 = 128;
/// Bytes of a word of shared memory.
const WORD: i64 = 4;

/// Writes the kernel, if it reads across.
pub fn emit<'c>(
    emitter: &mut Emitter<'_, 'c>,
    function: Operation<'c>,
    outputs: &[Output<'c>],
    pointers: &[Value<'c>],
) -> Result<Option<Grid>> {
    let Some(plan) = Plan::of(emitter, function, outputs)? else { return Ok(None) };
    let ends = [plan.across, plan.along].map(|axis| outputs[0].memory.sizes[axis]);
    emitter.where_aligned(
        (pointers, &ends, plan.width),
        |emitter| plan.write(emitter, outputs),
        |emitter| general::write(emitter, outputs),
    )?;
    let dims = &outputs[0].dims;
    let tiles = |axis: usize, dim: &Dim| {
        if [plan.across, plan.along].contains(&axis) { dim.ceil_div(plan.tile) } else { dim.clone() }
    };
    let blocks = dims.iter().enumerate().fold(Dim::Known(1), |all, (axis, dim)| all.mul(&tiles(axis, dim)));
    Ok(Some(Grid::new(blocks, THREADS as u32)))
}

/// Which part of a tensor is in shared memory.
#[derive(Clone)]
pub struct Staged<'c> {
    shared: Value<'c>,
    /// The dimensions that go down and along the rows there, and where these start.
    axes: [usize; 2],
    starts: [Value<'c>; 2],
    /// Elements of a row.
    pitch: i64,
}

impl<'c> Emitter<'_, 'c> {
    /// Elements of a tensor that are in shared memory.
    pub fn load_staged(&mut self, staged: &Staged<'c>, point: &Point<'c>, memory: &Memory<'c>) -> Result<Lanes<'c>> {
        let [down, along] = [0, 1].map(|side| (point.at[staged.axes[side]].clone(), staged.starts[side]));
        let pitch = Index::Same(self.int(staged.pitch)?);
        let row = down.0.sub(self, &Index::Same(down.1))?.mul(self, &pitch)?;
        let place = along.0.sub(self, &Index::Same(along.1))?.add(self, &row)?;
        let lanes = (0..self.lanes).map(|lane| {
            let place = place.lane(self, lane)?;
            self.load_shared(staged.shared, place, memory.element)
        });
        Ok(Lanes::each(lanes.collect::<Result<_>>()?))
    }
}

/// Who computes what.
struct Plan<'c> {
    /// The tensors that are read across, with the dimension of the results that each of theirs is.
    staged: Vec<(Value<'c>, Vec<usize>)>,
    /// The dimension of the results that is innermost in these, and the innermost of the results.
    across: usize,
    along: usize,
    /// Elements of a row of a tile, and of an access.
    tile: i64,
    width: i64,
}

impl<'c> Plan<'c> {
    fn of(emitter: &mut Emitter<'_, 'c>, function: Operation<'c>, outputs: &[Output<'c>]) -> Result<Option<Self>> {
        let Some(first) = outputs.first().filter(|first| first.dims.len() > 1) else { return Ok(None) };
        if outputs.iter().any(|output| output.dims != first.dims) {
            return Ok(None);
        }
        let body = function.region(0).entry().ok_or_else(|| function.error("has no body"))?;
        for op in body.operations() {
            if op.name().starts_with("tensor.") && !["tensor.empty", "tensor.cast", "tensor.dim"].contains(&op.name()) {
                return Ok(None);
            }
            if op.name() == "linalg.generic" && Nest::of(op)?.is_reduction() {
                return Ok(None);
            }
        }
        let along = first.dims.len() - 1;
        let (mut read, mut seen) = (Vec::new(), HashSet::new());
        for output in outputs {
            let whole = (0..first.dims.len()).map(Some).collect();
            if !reads(output.value, whole, &mut read, &mut seen)? {
                return Ok(None);
            }
        }
        let mut staged: Vec<(Value<'c>, Vec<usize>)> = Vec::new();
        for (tensor, dims) in read.iter().cloned() {
            let crosses = dims.last() != Some(&Some(along)) && dims.contains(&Some(along));
            let Some(dims) = dims.into_iter().collect::<Option<Vec<_>>>() else {
                if crosses {
                    return Ok(None);
                } else {
                    continue;
                };
            };
            if crosses {
                staged.push((tensor, dims));
            }
        }
        let Some(across) = staged.first().and_then(|(_, dims)| dims.last().copied()) else { return Ok(None) };
        let sizes: Vec<_> = staged.iter().map(|(tensor, _)| bytes_of(tensor.ty().element())).collect();
        let is_once = staged.iter().all(|(tensor, _)| read.iter().filter(|(other, _)| other == tensor).count() == 1);
        let is_one_way = staged.iter().all(|(_, dims)| dims.last() == Some(&across));
        let size = sizes[0];
        if !is_once || !is_one_way || ![2, 4].contains(&size) || sizes.iter().any(|other| *other != size) {
            return Ok(None);
        }
        let (tile, width) = (SPAN / size, WIDEST / size);
        let fits =
            |axis: usize| emitter.number(first.memory.sizes[axis]).is_none_or(|size| size % width == 0 && size > 0);
        Ok((fits(across) && fits(along)).then_some(Self { staged, across, along, tile, width }))
    }

    fn write(&self, emitter: &mut Emitter<'_, 'c>, outputs: &[Output<'c>]) -> Result {
        let sizes = outputs[0].memory.sizes.clone();
        let (thread, block) = (register(emitter, "tid.x")?, register(emitter, "ctaid.x")?);
        // The tile of this block: its place in each dimension.
        let tile = emitter.int(self.tile)?;
        let mut counts = Vec::new();
        for (axis, size) in sizes.iter().enumerate() {
            let last = emitter.int(self.tile - 1)?;
            let padded = emitter.add(*size, last)?;
            let is_cut = [self.across, self.along].contains(&axis);
            counts.push(if is_cut { emitter.div(padded, tile)? } else { *size });
        }
        let mut at = emitter.delinearize(block, &counts)?;
        for axis in [self.across, self.along] {
            at[axis] = emitter.mul(at[axis], tile)?;
        }
        emitter.lanes = self.width as usize;
        for (tensor, dims) in &self.staged {
            self.stage(emitter, *tensor, dims, (&at, &sizes), thread)?;
        }
        emitter.barrier()?;
        let side = THREADS / self.tile;
        let across_size = emitter.int(side)?;
        let (row, place) = (emitter.div(thread, across_size)?, emitter.rem(thread, across_size)?);
        for number in 0..self.tile / self.width / side {
            let before = emitter.int(number * side)?;
            let chunk = emitter.add(place, before)?;
            let width = emitter.int(self.width)?;
            let within = emitter.mul(chunk, width)?;
            let own = (emitter.add(at[self.across], row)?, emitter.add(at[self.along], within)?);
            let inside = self.inside(emitter, &sizes, own)?;
            let mut point: Vec<_> = at.iter().copied().map(Index::Same).collect();
            point[self.across] = Index::Same(own.0);
            point[self.along] = Index::Step(own.1);
            let point = Point::new(point);
            emitter.when(inside, |emitter| {
                let elements = outputs.iter().map(|output| emitter.element(output.value, &point));
                let elements = elements.collect::<Result<Vec<_>>>()?;
                let mut all = outputs.iter().zip(&elements);
                all.try_for_each(|(output, lanes)| emitter.store(&output.memory, &point, lanes))
            })?;
        }
        emitter.staged.clear();
        emitter.lanes = 1;
        Ok(())
    }

    /// Whether a place across and along is one of the results.
    fn inside(
        &self,
        emitter: &mut Emitter<'_, 'c>,
        sizes: &[Value<'c>],
        own: (Value<'c>, Value<'c>),
    ) -> Result<Value<'c>> {
        let across = emitter.is_less(own.0, sizes[self.across])?;
        let along = emitter.is_less(own.1, sizes[self.along])?;
        emitter.op("arith.andi", &[across, along], across.ty())
    }

    /// Reads the tile of a tensor that starts at `at`.
    fn stage(
        &self,
        emitter: &mut Emitter<'_, 'c>,
        tensor: Value<'c>,
        dims: &[usize],
        (at, sizes): (&[Value<'c>], &[Value<'c>]),
        thread: Value<'c>,
    ) -> Result {
        let memory = emitter.inputs.get(&tensor).cloned().ok_or("internal: an argument has no memory")?;
        let pitch = self.tile + WORD / bytes_of(memory.element);
        let shared = emitter.shared(memory.element, self.tile * pitch)?;
        let (per_row, width, pitched) = (self.tile / self.width, emitter.int(self.width)?, emitter.int(pitch)?);
        let mut loaded = Vec::new();
        for number in 0..self.tile * per_row / THREADS {
            let (before, per_row) = (emitter.int(number * THREADS)?, emitter.int(per_row)?);
            let chunk = emitter.add(thread, before)?;
            let (row, place) = (emitter.div(chunk, per_row)?, emitter.rem(chunk, per_row)?);
            let within = emitter.mul(place, width)?;
            let own = (emitter.add(at[self.across], within)?, emitter.add(at[self.along], row)?);
            // What is beyond the tensor is read from its start, and used by nobody.
            let inside = self.inside(emitter, sizes, own)?;
            let zero = emitter.int(0)?;
            let across = emitter.guarded(inside, own.0, zero)?;
            let along = emitter.guarded(inside, own.1, zero)?;
            let index = |axis: &usize| match *axis {
                axis if axis == self.across => Index::Step(across),
                axis if axis == self.along => Index::Same(along),
                axis => Index::Same(at[axis]),
            };
            let lanes = emitter.load(&memory, &Point::new(dims.iter().map(index).collect()))?;
            let line = emitter.mul(row, pitched)?;
            loaded.push((emitter.add(line, within)?, lanes));
        }
        for (start, lanes) in loaded {
            for lane in 0..self.width {
                let distance = emitter.int(lane)?;
                let place = emitter.add(start, distance)?;
                emitter.store_shared(shared, place, lanes.lane(lane as usize))?;
            }
        }
        let axis =
            |wanted: usize| dims.iter().position(|dim| *dim == wanted).ok_or("internal: a tile has no such side");
        let axes = [axis(self.along)?, axis(self.across)?];
        let starts = [at[self.along], at[self.across]];
        emitter.staged.insert(tensor, Staged { shared, axes, starts, pitch });
        Ok(())
    }
}

/// Collects the arguments that elements of `tensor` need, with the dimension of the results that each of theirs is, where it
/// is one; `dims` are those of `tensor`. Whether each can be told. What many need is `seen` once.
fn reads<'c>(
    tensor: Value<'c>,
    dims: Vec<Option<usize>>,
    found: &mut Vec<(Value<'c>, Vec<Option<usize>>)>,
    seen: &mut HashSet<(Value<'c>, Vec<Option<usize>>)>,
) -> Result<bool> {
    if !seen.insert((tensor, dims.clone())) {
        return Ok(true);
    }
    let Some((op, number)) = tensor.definer() else {
        found.push((tensor, dims));
        return Ok(true);
    };
    match op.name() {
        "tensor.cast" => reads(op.operand(0), dims, found, seen),
        "linalg.generic" => {
            let nest = Nest::of(op)?;
            let mut moves = false;
            op.walk(|below| moves |= below.name() == "tensor.extract");
            let mut loops = vec![None; nest.count];
            for (index, dim) in nest.output(number).iter().zip(dims) {
                if let Some(number) = index.as_loop() {
                    loops[number] = dim;
                }
            }
            for (operand, access) in nest.inputs().filter(|(operand, _)| operand.ty().as_tensor().is_some()) {
                let dims = access.iter().map(|index| index.as_loop().and_then(|number| loops[number])).collect();
                if !reads(operand, dims, found, seen)? {
                    return Ok(false);
                }
            }
            Ok(!moves)
        }
        _ => Ok(true),
    }
}
