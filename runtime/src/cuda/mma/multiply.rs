//! What warps do with a stage: read their parts of both panels, and multiply them.
//!
//! A stage is multiplied in *steps* over some terms of the sums. What the next step needs is read before a step is multiplied,
//! into the other of two *buffers*.

mod double;
mod half;
mod single;

use thunder_tensor::DType;

use super::kernel::Kernel;
use super::panel::Panel;
use crate::cuda::code::{Code, Kind};

/// How elements of a type are multiplied.
pub(super) struct Form {
    /// Steps of a stage; an even number.
    pub(super) steps: usize,
    /// The sums, and which elements of the result these are.
    pub(super) sums: Sums,
    sides: [Box<dyn Side>; 2],
    /// The registers of what is read.
    kind: Kind,
    multiply: Box<Products>,
}

/// Multiplies what was read of lhs and rhs, and adds it to the sums.
type Products = dyn Fn(&mut Code, &Sums, [&[String]; 2]);

/// An operand: where a thread reads, and into which registers.
trait Side {
    /// Reads what a step needs of the stage at an address.
    fn read(&self, code: &mut Code, stage: &str, step: usize, buffer: usize);

    /// The registers of a buffer.
    fn buffer(&self, number: usize) -> &[String];
}

impl Form {
    /// Reads what a step needs of the stage at an address.
    pub(super) fn read(&self, code: &mut Code, stage: &str, step: usize, buffer: usize) {
        self.sides.iter().for_each(|side| side.read(code, stage, step, buffer));
    }

    /// Fills a buffer with zeros.
    pub(super) fn clear(&self, code: &mut Code, buffer: usize) {
        self.sides.iter().for_each(|side| clear(code, self.kind, side.buffer(buffer)));
    }

    /// Multiplies what was read into a buffer, and adds it to the sums.
    pub(super) fn multiply(&self, code: &mut Code, buffer: usize) {
        (self.multiply)(code, &self.sums, [0, 1].map(|side: usize| self.sides[side].buffer(buffer)));
    }
}

/// Pieces of a panel, of which warps read one after the other: where that is in a stage.
struct Pieces {
    panel: Panel,
    /// Whether the terms of sums are along lines.
    sums: bool,
    /// Bytes from the start of a stage to what a thread reads of the first piece in the first step.
    place: String,
    /// Rows or columns of a piece, terms of a step, and bytes of an element.
    size: usize,
    terms: usize,
    element: usize,
}

impl Pieces {
    /// Where a thread reads so many pieces in a step of the stage at an address: a register, and bytes behind that.
    fn places(&self, code: &mut Code, stage: &str, step: usize, count: usize) -> Vec<(String, usize)> {
        let mut start = |changed: usize| {
            // The panel begins at a multiple of its lines' width: what is changed are the bits of the chunk.
            let place = code.make(Kind::Word, "xor.b32", format!("{}, {changed}", self.place));
            code.make(Kind::Word, "add.u32", format!("{place}, {stage}"))
        };
        // A step further along a line, and a piece further down; or a piece further along a line, and a step down.
        if self.sums {
            let start = start(step * self.terms * self.element);
            (0..count).map(|piece| (start.clone(), piece * self.size * self.panel.width)).collect()
        } else {
            let down = step * self.terms * self.panel.width;
            (0..count).map(|piece| (start(piece * self.size * self.element), down)).collect()
        }
    }
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
pub(super) fn form(code: &mut Code, kernel: &Kernel, thread: &Thread) -> Form {
    match kernel.dtype {
        DType::F64 => double::form(code, kernel, thread),
        DType::F32 => single::form(code, kernel, thread),
        _ => half::form(code, kernel, thread),
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
