//! Threads that combine what each of them has: lanes of a warp by shuffles, warps of a block through shared memory.

use thunder_ir::{Attribute, Blueprint, Operation, Result, Scalar, Type, Value};

use super::emitter::Emitter;
use super::memory::{SHARED, bytes_of};
use super::nest::Nest;

/// Threads of a warp.
pub const WARP: u32 = 32;

/// How a reduction combines two totals.
#[derive(Clone, Copy)]
pub struct Combiner<'c> {
    /// The op of the body that adds an element to a total.
    op: Operation<'c>,
    /// The total of nothing.
    neutral: Attribute<'c>,
}

impl<'c> Combiner<'c> {
    /// How each result of a reduction combines; `None` where one adds elements by more than one op.
    pub fn all_of(nest: &Nest<'c>) -> Option<Vec<Self>> {
        let yielded = nest.body.terminator()?;
        let combiner = |number: usize| {
            let op = yielded.operand(number).defining_op()?;
            let total = nest.body.argument(nest.input_count() + number);
            let uses = total.uses();
            let is_alone = uses.len() == 1 && uses[0].0 == op && op.operand_count() == 2;
            let neutral = neutral(op.name(), op.result(0).ty()).filter(|_| is_alone)?;
            Some(Self { op, neutral })
        };
        (0..nest.op.result_count()).map(combiner).collect()
    }

    /// The total of nothing.
    pub fn start(&self, emitter: &mut Emitter<'_, 'c>) -> Result<Value<'c>> {
        emitter.constant(self.neutral)
    }

    /// Two totals as one.
    pub fn join(&self, emitter: &Emitter<'_, 'c>, a: Value<'c>, b: Value<'c>) -> Result<Value<'c>> {
        Ok(emitter.repeated(self.op, &[a, b])?[0])
    }

    /// The op of the body that combines.
    pub fn name(&self) -> &'c str {
        self.op.name()
    }

    /// As many totals as a power of 2 as one.
    pub fn joined(&self, emitter: &Emitter<'_, 'c>, totals: &[Value<'c>]) -> Result<Value<'c>> {
        let mut parts = totals.to_vec();
        while parts.len() > 1 {
            let (left, right) = parts.split_at(parts.len() / 2);
            let joined = left.iter().zip(right).map(|(a, b)| self.join(emitter, *a, *b));
            parts = joined.collect::<Result<_>>()?;
        }
        Ok(parts[0])
    }

    /// The total of every `step`th of `team` neighbouring threads of a warp, in each of them.
    pub fn across_lanes(
        &self,
        emitter: &mut Emitter<'_, 'c>,
        mut total: Value<'c>,
        team: u32,
        step: u32,
    ) -> Result<Value<'c>> {
        let mut distance = team / 2;
        while distance >= step {
            let other = shuffled(emitter, total, distance)?;
            total = self.join(emitter, total, other)?;
            distance /= 2;
        }
        Ok(total)
    }
}

/// The totals of all threads of a team, in each of them, given those of its warp: behind one barrier of the block, which
/// has so many threads.
pub fn across_warps<'c>(
    emitter: &mut Emitter<'_, 'c>,
    totals: &[(Combiner<'c>, Value<'c>)],
    (threads, team): (u32, u32),
) -> Result<Vec<Value<'c>>> {
    let warps = team.div_ceil(WARP);
    if warps == 1 || totals.is_empty() {
        return Ok(totals.iter().map(|(_, total)| *total).collect());
    }
    let i32 = Type::int(emitter.context(), 32);
    let thread = emitter.op("nvvm.read.ptx.sreg.tid.x", &[], i32)?;
    let constant =
        |emitter: &mut Emitter<'_, 'c>, number: u32| emitter.constant(Attribute::integer(i32, i64::from(number)));
    // Warps are as many as a power of 2 in what is read: the rest is neutral.
    let places = warps.next_power_of_two();
    let (bits, within, mask) = (constant(emitter, 5)?, constant(emitter, WARP - 1)?, constant(emitter, places - 1)?);
    let warp = emitter.op("arith.shrui", &[thread, bits], i32)?;
    let lane = emitter.op("arith.andi", &[thread, within], i32)?;
    let zero = constant(emitter, 0)?;
    let is_first = emitter.compare(0, lane, zero)?;
    let all = i64::from(threads.div_ceil(WARP));
    let shared = totals.iter().map(|(_, total)| emitter.shared(total.ty(), all));
    let shared = shared.collect::<Result<Vec<_>>>()?;
    emitter.when(is_first, |emitter| {
        let mut all = shared.iter().zip(totals);
        all.try_for_each(|(shared, (_, total))| emitter.store_shared(*shared, warp, *total))
    })?;
    emitter.barrier()?;
    let place = emitter.op("arith.andi", &[lane, mask], i32)?;
    let count = constant(emitter, warps)?;
    let is_there = emitter.is_less(place, count)?;
    let mut place = emitter.select(is_there, place, zero)?;
    if threads > team {
        let number = emitter.op("arith.divui", &[warp, count], i32)?;
        let first = emitter.op("arith.muli", &[number, count], i32)?;
        place = emitter.op("arith.addi", &[first, place], i32)?;
    }
    let whole = shared.iter().zip(totals).map(|(shared, (combiner, total))| {
        let read = emitter.load_shared(*shared, place, total.ty())?;
        let neutral = combiner.start(emitter)?;
        let part = emitter.select(is_there, read, neutral)?;
        combiner.across_lanes(emitter, part, places, 1)
    });
    whole.collect()
}

/// The total of nothing, of an op that combines.
fn neutral<'c>(name: &str, ty: Type<'c>) -> Option<Attribute<'c>> {
    let scalar = ty.as_scalar()?;
    if scalar.is_float() {
        let value = match name {
            // What is added to it stays as it is, which 0 is not of -0.
            "arith.addf" => -0.0,
            "arith.mulf" => 1.0,
            "arith.maximumf" => f64::NEG_INFINITY,
            "arith.minimumf" => f64::INFINITY,
            _ => return None,
        };
        return Some(Attribute::float(ty, value));
    }
    let Scalar::Int(bits) = scalar else { return None };
    let highest = i64::MAX >> (64 - bits.clamp(1, 64));
    let value = match name {
        "arith.addi" | "arith.ori" | "arith.maxui" => 0,
        "arith.muli" => 1,
        "arith.andi" | "arith.minui" => -1,
        "arith.maxsi" => -highest - 1,
        "arith.minsi" => highest,
        _ => return None,
    };
    Some(Attribute::integer(ty, value))
}

/// What the lane at a distance has.
fn shuffled<'c>(emitter: &mut Emitter<'_, 'c>, value: Value<'c>, distance: u32) -> Result<Value<'c>> {
    let (cx, ty) = (emitter.context(), value.ty());
    let i32 = Type::int(cx, 32);
    let bits = bytes_of(ty) as u32 * 8;
    let integer = Type::int(cx, bits);
    let mut words = Vec::new();
    let whole = if ty == integer { value } else { emitter.op("arith.bitcast", &[value], integer)? };
    if bits == 64 {
        let high = emitter.constant(Attribute::integer(integer, 32))?;
        words.push(emitter.op("arith.trunci", &[whole], i32)?);
        let upper = emitter.op("arith.shrui", &[whole, high], integer)?;
        words.push(emitter.op("arith.trunci", &[upper], i32)?);
    } else if bits == 32 {
        words.push(whole);
    } else {
        words.push(emitter.op("arith.extui", &[whole], i32)?);
    }
    for word in &mut words {
        *word = shuffled_word(emitter, *word, distance)?;
    }
    let whole = if bits == 64 {
        let high = emitter.constant(Attribute::integer(integer, 32))?;
        let low = emitter.op("arith.extui", &[words[0]], integer)?;
        let upper = emitter.op("arith.extui", &[words[1]], integer)?;
        let upper = emitter.op("arith.shli", &[upper, high], integer)?;
        emitter.op("arith.ori", &[low, upper], integer)?
    } else if bits == 32 {
        words[0]
    } else {
        emitter.op("arith.trunci", &[words[0]], integer)?
    };
    if ty == integer { Ok(whole) } else { emitter.op("arith.bitcast", &[whole], ty) }
}

fn shuffled_word<'c>(emitter: &mut Emitter<'_, 'c>, word: Value<'c>, distance: u32) -> Result<Value<'c>> {
    let (cx, i32) = (emitter.context(), word.ty());
    let [all, distance, mask] = [-1, i64::from(distance), i64::from(WARP - 1)];
    let all = emitter.constant(Attribute::integer(i32, all))?;
    let distance = emitter.constant(Attribute::integer(i32, distance))?;
    let mask = emitter.constant(Attribute::integer(i32, mask))?;
    let kind = Attribute::parse(cx, "#nvvm<shfl_kind bfly>").ok_or("internal: a kind of shuffle parses")?;
    let op = Blueprint::new("nvvm.shfl.sync").operands([all, word, distance, mask]).results([i32]);
    Ok(emitter.b.insert(&op.attribute("kind", kind))?.result(0))
}

impl<'c> Emitter<'_, 'c> {
    /// Waits for all threads of the block.
    pub fn barrier(&self) -> Result {
        self.b.insert(&Blueprint::new("nvvm.barrier0"))?;
        Ok(())
    }

    /// A barrier of the threads of a warp, over which the assembler moves no accesses to memory.
    pub fn barrier_of_warp(&mut self) -> Result {
        let all = self.constant(Attribute::integer(Type::int(self.context(), 32), i64::from(u32::MAX)))?;
        self.b.insert(&Blueprint::new("nvvm.bar.warp.sync").operands([all]))?;
        Ok(())
    }

    /// Shared memory for so many elements.
    pub fn shared(&mut self, element: Type<'c>, count: i64) -> Result<Value<'c>> {
        let cx = self.context();
        let text = format!("!llvm.array<{count} x {element}>");
        let ty = Type::parse(cx, &text).ok_or_else(|| format!("internal: '{text}' is no type"))?;
        self.global("shared", ty, SHARED, None)
    }

    /// Writes an element of shared memory.
    pub fn store_shared(&mut self, shared: Value<'c>, place: Value<'c>, value: Value<'c>) -> Result {
        let address = self.element_of(shared, place, value.ty())?;
        self.b.insert(&Blueprint::new("llvm.store").operands([value, address]))?;
        Ok(())
    }

    /// An element of shared memory.
    pub fn load_shared(&mut self, shared: Value<'c>, place: Value<'c>, ty: Type<'c>) -> Result<Value<'c>> {
        let address = self.element_of(shared, place, ty)?;
        self.op("llvm.load", &[address], ty)
    }
}
