//! The schedule of kernels that combine nothing: each thread computes as many neighbouring elements as the widest access
//! holds.
//!
//! Where inputs are the same along a dimension, it computes several along that (`cuda/pointwise/rounds.rs`).
//!
//! Memory that is not aligned, and rows that do not hold a whole number of accesses, go to the general schedule.

mod rounds;

use thunder_interface::Dim;
use thunder_ir::{Operation, Result, Value};

use super::emitter::Emitter;
use super::entry::{Grid, Output};
use super::general::{self, groups, register, store};
use super::lanes::{Index, Point};
use super::memory::{WIDEST, bytes_of};
use super::nest::Nest;
use rounds::Rounds;

/// Threads of a block.
const THREADS: u32 = 256;
/// Blocks that keep a large GPU busy.
const BUSY: i64 = 256;

/// Writes the kernel, if it combines nothing.
pub fn emit<'c>(
    emitter: &mut Emitter<'_, 'c>,
    function: Operation<'c>,
    outputs: &[Output<'c>],
    pointers: &[Value<'c>],
) -> Result<Option<Grid>> {
    let Some(shape) = Shape::of(function)? else { return Ok(None) };
    let lanes = lanes(emitter, outputs);
    let mut ends = Vec::new();
    for output in outputs.iter().filter(|_| !shape.is_flat) {
        let Some(size) = output.memory.sizes.last() else { return Ok(None) };
        if emitter.number(*size).is_some_and(|size| size % lanes as i64 != 0) {
            return Ok(None);
        }
        ends.push(*size);
    }
    let most = groups(outputs).iter().fold(Dim::Known(1), |most, group| most.max(&Dim::product(&group[0].dims)));
    let chunks = i64::from(THREADS) * lanes as i64;
    let rounds = match most.known() {
        Some(count) if !shape.is_flat => Rounds::of(emitter, function, outputs, count / chunks / BUSY)?,
        _ => None,
    };
    emitter.where_aligned(
        (pointers, &ends, lanes as i64),
        |emitter| match rounds {
            Some(rounds) => in_rounds(emitter, outputs, lanes, rounds),
            None => groups(outputs).iter().try_for_each(|group| chunk(emitter, group, lanes)),
        },
        |emitter| general::write(emitter, outputs),
    )?;
    let blocks = most.ceil_div(chunks * rounds.map_or(1, |rounds| rounds.count));
    Ok(Some(Grid::new(blocks, THREADS)))
}

/// Whether the kernel combines nothing.
pub fn is_pointwise(function: Operation<'_>) -> Result<bool> {
    Ok(Shape::of(function)?.is_some())
}

/// What the ops of a kernel have in common.
struct Shape {
    /// Whether each element needs the same element of other tensors only.
    is_flat: bool,
}

impl Shape {
    fn of(function: Operation<'_>) -> Result<Option<Self>> {
        let body = function.region(0).entry().ok_or_else(|| function.error("has no body"))?;
        let mut shape = Self { is_flat: true };
        for op in body.operations() {
            match op.name() {
                "linalg.generic" => {
                    let nest = Nest::of(op)?;
                    if nest.is_reduction() {
                        return Ok(None);
                    }
                    let is_same = (0..nest.input_count() + op.result_count())
                        .all(|operand| nest.is_identity(operand) || nest.access(operand).is_empty());
                    let mut moves = false;
                    op.walk(|below| moves |= ["linalg.index", "tensor.extract"].contains(&below.name()));
                    shape.is_flat &= is_same && !moves;
                }
                "tensor.empty" | "tensor.cast" | "linalg.fill" => {}
                name if name.starts_with("tensor.") => shape.is_flat = false,
                _ => {}
            }
        }
        Ok(Some(shape))
    }
}

/// How many elements the widest access holds: of the narrowest results that are no bytes.
fn lanes<'c>(emitter: &Emitter<'_, 'c>, outputs: &[Output<'c>]) -> usize {
    let tensors = outputs.iter().map(|output| &output.memory).chain(emitter.inputs.values());
    let sizes = tensors.filter(|memory| !memory.sizes.is_empty()).map(|memory| bytes_of(memory.element));
    let narrowest = sizes.filter(|size| *size > 1).min().unwrap_or(1);
    (WIDEST / narrowest) as usize
}

/// The elements of one thread, which are in as many places along a dimension.
fn in_rounds<'c>(emitter: &mut Emitter<'_, 'c>, outputs: &[Output<'c>], lanes: usize, rounds: Rounds) -> Result {
    let mut sizes = outputs[0].memory.sizes.clone();
    let count = emitter.int(rounds.count)?;
    sizes[rounds.axis] = emitter.div(sizes[rounds.axis], count)?;
    let mut all = emitter.int(1)?;
    for size in &sizes {
        all = emitter.mul(all, *size)?;
    }
    let first = first(emitter, lanes)?;
    let is_inside = emitter.is_less(first, all)?;
    emitter.when(is_inside, |emitter| {
        emitter.lanes = lanes;
        let at = emitter.split(&Index::Step(first), &sizes)?;
        let mut stores = Vec::new();
        for round in 0..rounds.count {
            let (mut at, round) = (at.clone(), Index::Same(emitter.int(round)?));
            at[rounds.axis] = at[rounds.axis].mul(emitter, &Index::Same(count))?.add(emitter, &round)?;
            let point = Point::new(at);
            for output in outputs {
                stores.push((output, emitter.element(output.value, &point)?, point.clone()));
            }
        }
        // What a store overwrites may be an input: all loads come first.
        for (output, elements, point) in stores {
            emitter.store(&output.memory, &point, &elements)?;
        }
        emitter.lanes = 1;
        Ok(())
    })
}

/// The number of a thread's first element.
fn first<'c>(emitter: &mut Emitter<'_, 'c>, lanes: usize) -> Result<Value<'c>> {
    let (thread, block) = (register(emitter, "tid.x")?, register(emitter, "ctaid.x")?);
    let threads = emitter.int(i64::from(THREADS))?;
    let before = emitter.mul(block, threads)?;
    let number = emitter.add(before, thread)?;
    let step = emitter.int(lanes as i64)?;
    emitter.mul(number, step)
}

/// The elements of one thread.
fn chunk<'c>(emitter: &mut Emitter<'_, 'c>, outputs: &[&Output<'c>], lanes: usize) -> Result {
    let count = emitter.dim(&Dim::product(&outputs[0].dims))?;
    if emitter.number(count) == Some(0) {
        return Ok(());
    }
    let (first, step) = (first(emitter, lanes)?, emitter.int(lanes as i64)?);
    let end = emitter.add(first, step)?;
    let is_whole = emitter.compare(7, end, count)?;
    let is_even = emitter.factor(count) % lanes as i64 == 0;
    emitter.choose(
        is_whole,
        &[],
        |emitter| {
            emitter.lanes = lanes;
            store(emitter, outputs, Index::Step(first))?;
            emitter.lanes = 1;
            Ok(Vec::new())
        },
        |emitter| {
            // What is left is less than a chunk.
            if !is_even {
                let one = emitter.int(1)?;
                emitter.repeat((first, count, one), &[], |emitter, number, _| {
                    store(emitter, outputs, Index::Same(number))?;
                    Ok(Vec::new())
                })?;
            }
            Ok(Vec::new())
        },
    )?;
    Ok(())
}
