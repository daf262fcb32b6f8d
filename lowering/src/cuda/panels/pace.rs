//! Blocks that keep pace with each other.
//!
//! Each has a fixed part of the work, so that what is summed does not depend on which is faster. But where memory is the
//! limit, multiprocessors get unequal parts of its bandwidth: those that share a way to it with more others get less, by some
//! 12 % on an H100. Those that are ahead rest for a while, so that all end at about the same time. Numbers in global memory
//! tell how far blocks are on average; nobody waits for anybody.

use thunder_ir::{Attribute, Blueprint, Result, Type, Value};

use crate::cuda::emitter::Emitter;

/// Numbers in global memory: of rounds that have begun, of blocks that have, and of those that have finished.
const COUNTERS: i64 = 3;
/// Bytes that a large GPU reads and writes in a nanosecond, about.
const BYTES: i64 = 4096;
/// Rounds that a block rests at most.
const MOST: i64 = 4;

/// What a block knows of the others.
pub struct Pace<'c> {
    counters: Value<'c>,
    /// Whether this is the thread that keeps the pace.
    is_first: Value<'c>,
    blocks: i64,
    /// Nanoseconds of a round of all blocks, as far as memory is the limit.
    round: i64,
    ty: Type<'c>,
}

/// Where a block is.
pub struct Mark<'c> {
    /// Rounds that all blocks have begun, and how many blocks.
    begun: Value<'c>,
    blocks: Value<'c>,
}

impl<'c> Pace<'c> {
    /// Of so many blocks, each of which moves so many bytes in a round.
    pub fn new(emitter: &mut Emitter<'_, 'c>, thread: Value<'c>, (blocks, bytes): (i64, i64)) -> Result<Self> {
        let ty = Type::int(emitter.context(), 32);
        let (counters, zero) = (emitter.counters(COUNTERS)?, emitter.int(0)?);
        let is_first = emitter.compare(0, thread, zero)?;
        let pace = Self { counters, is_first, blocks, round: (bytes * blocks / BYTES).max(1), ty };
        emitter.when(is_first, |emitter| pace.add(emitter, 1, 1).map(|_| ()))?;
        Ok(pace)
    }

    /// Says that the block begins a round; how far all are.
    pub fn begin(&self, emitter: &mut Emitter<'_, 'c>) -> Result<Mark<'c>> {
        let zero = self.number(emitter, 0)?;
        let known = emitter.choose(
            self.is_first,
            &[self.ty; 2],
            |emitter| Ok(vec![self.add(emitter, 0, 1)?, self.add(emitter, 1, 0)?]),
            |_| Ok(vec![zero; 2]),
        )?;
        Ok(Mark { begun: known[0], blocks: known[1] })
    }

    /// Rests at the end of round `round` for as long as the block was more than half a round ahead of the average at its start.
    pub fn end(&self, emitter: &mut Emitter<'_, 'c>, round: Value<'c>, mark: &Mark<'c>) -> Result {
        let round = emitter.cast(round, self.ty)?;
        emitter.when(self.is_first, |emitter| {
            let own = emitter.op("arith.muli", &[round, mark.blocks], self.ty)?;
            let ahead = emitter.op("arith.subi", &[own, mark.begun], self.ty)?;
            let (one, most) = (self.number(emitter, 1)?, self.number(emitter, MOST)?);
            let half = emitter.op("arith.shrui", &[mark.blocks, one], self.ty)?;
            let ahead = emitter.op("arith.subi", &[ahead, half], self.ty)?;
            let most = emitter.op("arith.muli", &[mark.blocks, most], self.ty)?;
            let ahead = emitter.op("arith.minsi", &[ahead, most], self.ty)?;
            let zero = self.number(emitter, 0)?;
            let is_ahead = emitter.compare(4, ahead, zero)?;
            emitter.when(is_ahead, |emitter| {
                let round = self.number(emitter, self.round)?;
                let time = emitter.op("arith.muli", &[ahead, round], self.ty)?;
                let time = emitter.op("arith.divui", &[time, mark.blocks], self.ty)?;
                rest(emitter, time)
            })
        })
    }

    /// Says that the block has finished; the last one sets all numbers back.
    pub fn finish(&self, emitter: &mut Emitter<'_, 'c>) -> Result {
        emitter.when(self.is_first, |emitter| {
            let (finished, others) = (self.add(emitter, 2, 1)?, self.number(emitter, self.blocks - 1)?);
            let is_last = emitter.compare(0, finished, others)?;
            emitter.when(is_last, |emitter| emitter.reset(self.counters, COUNTERS))
        })
    }

    fn add(&self, emitter: &mut Emitter<'_, 'c>, counter: i64, number: i64) -> Result<Value<'c>> {
        let (counter, number) = (emitter.int(counter)?, self.number(emitter, number)?);
        let address = emitter.element_of(self.counters, counter, self.ty)?;
        emitter.add_atomically(address, number)
    }

    fn number(&self, emitter: &mut Emitter<'_, 'c>, number: i64) -> Result<Value<'c>> {
        emitter.constant(Attribute::integer(self.ty, number))
    }
}

/// Lets a thread rest for so many nanoseconds: by the clock, as what is there for it rests for longer.
fn rest<'c>(emitter: &mut Emitter<'_, 'c>, time: Value<'c>) -> Result {
    let cx = emitter.context();
    let one = emitter.constant(Attribute::integer(time.ty(), 1))?;
    // Clocks go round about twice in a nanosecond.
    let cycles = emitter.op("arith.shli", &[time, one], time.ty())?;
    emitter.b.insert(
        &Blueprint::new("llvm.inline_asm")
            .operands([cycles])
            .attribute("asm_string", Attribute::string(cx, REST))
            .attribute("constraints", Attribute::string(cx, "r"))
            .attribute("has_side_effects", Attribute::unit(cx)),
    )?;
    Ok(())
}

/// Waits for so many cycles.
const REST: &str = "{ .reg .pred %waits; .reg .b32 %start, %now; mov.u32 %start, %clock; rests: mov.u32 %now, %clock; \
                    sub.u32 %now, %now, %start; setp.lt.u32 %waits, %now, $0; @%waits bra rests; }";
