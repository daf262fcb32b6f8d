//! What warps do with a stage: read their parts of both panels, and multiply them.
//!
//! A stage is multiplied in *steps* over some terms of the sums. What the next step needs is read before a step is multiplied,
//! into the other of two *buffers*.

mod double;
mod half;
mod single;

use thunder_tensor::DType;

use super::code::{Code, Kind};
use super::kernel::Kernel;
use super::panel::Panel;

/// How elements of a type are multiplied.
pub(super) trait Multiply {
    /// Steps of a stage; an even number.
    fn steps(&self) -> usize;

    /// Reads what a step needs of the stage at an address.
    fn read(&self, code: &mut Code, stage: &str, step: usize, buffer: usize);

    /// Fills a buffer with zeros.
    fn clear(&self, code: &mut Code, buffer: usize);

    /// Multiplies what was read into a buffer, and adds it to the sums.
    fn multiply(&self, code: &mut Code, buffer: usize);

    /// The sums, and which elements of the result these are.
    fn sums(&self) -> &Sums;
}

/// The sums that a thread has.
pub(super) struct Sums {
    /// Row and column of its first, in the tile.
    pub(super) first: [String; 2],
    /// Its rows and columns, from that on.
    pub(super) rows: Vec<usize>,
    pub(super) columns: Vec<usize>,
    /// Its columns are next to each other by so many, which are written at once.
    pub(super) run: usize,
    /// The registers, row by row.
    pub(super) registers: Vec<String>,
}

impl Sums {
    /// That of a row and a column, by number.
    pub(super) fn at(&self, row: usize, column: usize) -> &str {
        &self.registers[row * self.columns.len() + column]
    }
}

/// A thread's place in its block.
pub(super) struct Thread {
    /// Number of the thread in its warp.
    lane: String,
    /// Row and column of the tile at which the part of its warp begins.
    part: [String; 2],
}

impl Thread {
    pub(super) fn new(code: &mut Code, kernel: &Kernel, number: &str) -> Self {
        let [_, across] = kernel.tile.warps;
        let lane = code.make(Kind::Word, "and.b32", format!("{number}, 31"));
        let warp = code.make(Kind::Word, "shr.u32", format!("{number}, 5"));
        let row = code.make(Kind::Word, "shr.u32", format!("{warp}, {}", across.ilog2()));
        let column = code.make(Kind::Word, "and.b32", format!("{warp}, {}", across - 1));
        let part = [(row, 0), (column, 1)]
            .map(|(warp, side)| code.make(Kind::Word, "mul.lo.u32", format!("{warp}, {}", kernel.tile.part[side])));
        Self { lane, part }
    }

    /// The bits of the lane's number from one on, so many.
    fn bits(&self, code: &mut Code, from: u32, count: u32) -> String {
        let moved = code.make(Kind::Word, "shr.u32", format!("{}, {from}", self.lane));
        code.make(Kind::Word, "and.b32", format!("{moved}, {}", (1 << count) - 1))
    }
}

/// The panels of lhs and rhs, and how many bytes behind the start of a stage they begin.
fn panels(kernel: &Kernel) -> [(Panel, usize); 2] {
    let panel = |side: usize| Panel::of(kernel.dtype, &kernel.tile, side, kernel.operands[side].sums);
    [(panel(0), 0), (panel(1), panel(0).bytes())]
}

/// How the kernel's elements are multiplied; the sums begin at zero.
pub(super) fn form(code: &mut Code, kernel: &Kernel, thread: &Thread) -> Box<dyn Multiply> {
    match kernel.dtype {
        DType::F64 => Box::new(double::Double::new(code, kernel, thread)),
        DType::F32 => Box::new(single::Single::new(code, kernel, thread)),
        _ => Box::new(half::Half::new(code, kernel, thread)),
    }
}

/// Registers for sums, which are zero.
fn zeros(code: &mut Code, kind: Kind, count: usize) -> Vec<String> {
    let registers = code.many(kind, count);
    clear(code, kind, &registers);
    registers
}

fn clear(code: &mut Code, kind: Kind, registers: &[String]) {
    let bits = if kind == Kind::Long { 64 } else { 32 };
    registers.iter().for_each(|register| code.add(format!("mov.b{bits} {register}, 0")));
}
