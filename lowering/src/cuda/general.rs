//! The schedule that every kernel has: each thread computes elements of the results alone, one after the other.
//!
//! It is right for any number of blocks and threads; other schedules leave to it what they do not take.

use thunder_interface::Dim;
use thunder_ir::{Result, Value};

use super::emitter::Emitter;
use super::entry::{Grid, Output};
use super::lanes::{Index, Point};

/// Threads of a block.
const THREADS: u32 = 256;

/// Writes the whole kernel.
pub fn emit<'c>(emitter: &mut Emitter<'_, 'c>, outputs: &[Output<'c>]) -> Result<Grid> {
    write(emitter, outputs)?;
    let most = groups(outputs).iter().fold(Dim::Known(1), |most, group| most.max(&Dim::product(&group[0].dims)));
    Ok(Grid::new(most.ceil_div(i64::from(THREADS)), THREADS))
}

/// Computes all elements of all results.
pub fn write<'c>(emitter: &mut Emitter<'_, 'c>, outputs: &[Output<'c>]) -> Result {
    for group in groups(outputs) {
        let count = emitter.dim(&Dim::product(&group[0].dims))?;
        if emitter.number(count) == Some(0) {
            continue;
        }
        let [thread, block, threads, blocks] =
            ["tid.x", "ctaid.x", "ntid.x", "nctaid.x"].map(|name| register(emitter, name));
        let (thread, block, threads, blocks) = (thread?, block?, threads?, blocks?);
        let before = emitter.mul(block, threads)?;
        let first = emitter.add(before, thread)?;
        let all = emitter.mul(blocks, threads)?;
        emitter.repeat((first, count, all), &[], |emitter, number, _| {
            store(emitter, &group, Index::Same(number))?;
            Ok(Vec::new())
        })?;
    }
    Ok(())
}

/// Computes and stores elements of results that have the same sizes, by their number among all elements.
pub fn store<'c>(emitter: &mut Emitter<'_, 'c>, outputs: &[&Output<'c>], number: Index<'c>) -> Result {
    let at = emitter.split(&number, &outputs[0].memory.sizes)?;
    store_at(emitter, outputs, &[Point { at, flat: Some(number) }])
}

/// Computes the elements of results at some points, and writes them.
pub fn store_at<'c>(emitter: &mut Emitter<'_, 'c>, outputs: &[&Output<'c>], points: &[Point<'c>]) -> Result {
    let all = || points.iter().flat_map(|point| outputs.iter().map(move |output| (output, point)));
    // What a store overwrites may be an input: all loads come first.
    let elements = all().map(|(output, point)| emitter.element(output.value, point)).collect::<Result<Vec<_>>>()?;
    all().zip(&elements).try_for_each(|((output, point), lanes)| emitter.store(&output.memory, point, lanes))
}

/// The results by their sizes.
pub fn groups<'o, 'c>(outputs: impl IntoIterator<Item = &'o Output<'c>>) -> Vec<Vec<&'o Output<'c>>> {
    let mut groups: Vec<Vec<&Output<'c>>> = Vec::new();
    for output in outputs {
        match groups.iter_mut().find(|group| group[0].dims == output.dims) {
            Some(group) => group.push(output),
            None => groups.push(vec![output]),
        }
    }
    groups
}

/// A special register, as an index.
pub fn register<'c>(emitter: &mut Emitter<'_, 'c>, name: &str) -> Result<Value<'c>> {
    let i32 = thunder_ir::Type::int(emitter.context(), 32);
    let value = emitter.op(&format!("nvvm.read.ptx.sreg.{name}"), &[], i32)?;
    emitter.cast(value, emitter.index)
}
