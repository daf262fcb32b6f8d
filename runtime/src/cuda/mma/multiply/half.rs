//! f16 and bf16: tensor cores multiply 16 rows by 8 columns over 16 terms, and add in f32.

use thunder_tensor::DType;

use super::{Multiply, Sums, Thread, panels};
use crate::cuda::mma::code::{Code, Kind};
use crate::cuda::mma::kernel::Kernel;
use crate::cuda::mma::panel::Panel;

/// Terms of a step, and bytes of as many elements.
const TERMS: usize = 16;
const BYTES: usize = 2 * TERMS;

/// By both operands: where a thread reads, and into which registers.
pub(super) struct Half {
    steps: usize,
    operation: &'static str,
    sides: [Side; 2],
    sums: Sums,
}

/// What a warp reads of a panel: pieces of 16 rows or columns by 16 terms, as four matrices of 8 by 8.
struct Side {
    panel: Panel,
    /// Whether the terms of sums are along lines.
    sums: bool,
    /// Bytes from the start of a stage to what a thread reads for the first piece in the first step.
    place: String,
    /// The registers of each buffer, four by piece.
    buffers: [Vec<String>; 2],
}

impl Half {
    pub(super) fn new(code: &mut Code, kernel: &Kernel, thread: &Thread) -> Self {
        let panels = panels(kernel);
        let sides = [0, 1].map(|side| {
            let (panel, offset) = panels[side];
            Side::new(code, kernel, thread, side, (panel, offset))
        });
        let [down, across] = kernel.tile.part;
        let (tall, wide) = (down / 16, across / 8);
        let (group, pair) = (thread.bits(code, 2, 3), thread.bits(code, 0, 2));
        let row = code.make(Kind::Word, "add.u32", format!("{group}, {}", thread.part[0]));
        let column = code.make(Kind::Word, "mad.lo.u32", format!("{pair}, 2, {}", thread.part[1]));
        let sums = Sums {
            first: [row, column],
            rows: (0..2 * tall).map(|row| 8 * row).collect(),
            columns: (0..2 * wide).map(|column| column / 2 * 8 + column % 2).collect(),
            run: 2,
            registers: super::zeros(code, Kind::Word, 4 * tall * wide),
        };
        let operation = match kernel.dtype {
            DType::F16 => "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32",
            _ => "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32",
        };
        Self { steps: kernel.tile.depth / TERMS, operation, sides, sums }
    }
}

impl Side {
    fn new(code: &mut Code, kernel: &Kernel, thread: &Thread, side: usize, (panel, offset): (Panel, usize)) -> Self {
        use Kind::Word;
        let sums = kernel.operands[side].sums;
        // The matrices of lhs follow each other along rows, then along terms; those of rhs along terms, then along columns.
        // So either the lower bits of the lane's number and the highest tell a line of 16 and one of two chunks, or the
        // lower three and the highest the line, and the one between them the chunk.
        let (line, chunk) = if (side == 0) == sums {
            (thread.bits(code, 0, 4), thread.bits(code, 4, 1))
        } else {
            let (low, high) = (thread.bits(code, 0, 3), thread.bits(code, 4, 1));
            (code.make(Word, "mad.lo.u32", format!("{high}, 8, {low}")), thread.bits(code, 3, 1))
        };
        // The part of the warp begins at a line, or at a chunk.
        let part = &thread.part[side];
        let (line, chunk) = if sums {
            (code.make(Word, "add.u32", format!("{line}, {part}")), chunk)
        } else {
            let before = code.make(Word, "shr.u32", format!("{part}, 3"));
            (line, code.make(Word, "add.u32", format!("{chunk}, {before}")))
        };
        let place = panel.place(code, (&line, &chunk), offset);
        let pieces = kernel.tile.part[side] / 16;
        let buffers = [0, 1].map(|_| code.many(Word, 4 * pieces));
        Self { panel, sums, place, buffers }
    }

    fn read(&self, code: &mut Code, stage: &str, step: usize, buffer: usize) {
        let pieces = self.buffers[buffer].chunks_exact(4);
        let mut start = |changed: usize| {
            // The panel begins at a multiple of its lines' width: what is changed are the bits of the chunk.
            let place = code.make(Kind::Word, "xor.b32", format!("{}, {changed}", self.place));
            code.make(Kind::Word, "add.u32", format!("{place}, {stage}"))
        };
        // A step further along a line, and a piece further down; or a piece further along a line, and a step down.
        let places: Vec<(String, usize)> = if self.sums {
            let start = start(step * BYTES);
            (0..pieces.len()).map(|piece| (start.clone(), piece * 16 * self.panel.width)).collect()
        } else {
            (0..pieces.len()).map(|piece| (start(piece * BYTES), step * TERMS * self.panel.width)).collect()
        };
        let way = if self.sums { "" } else { ".trans" };
        for ((start, offset), registers) in places.iter().zip(pieces) {
            let registers = registers.join(", ");
            code.add(format!("ldmatrix.sync.aligned.m8n8.x4{way}.shared.b16 {{{registers}}}, [{start}+{offset}]"));
        }
    }
}

impl Multiply for Half {
    fn steps(&self) -> usize {
        self.steps
    }

    fn read(&self, code: &mut Code, stage: &str, step: usize, buffer: usize) {
        for side in &self.sides {
            side.read(code, stage, step, buffer);
        }
    }

    fn clear(&self, code: &mut Code, buffer: usize) {
        for side in &self.sides {
            super::clear(code, Kind::Word, &side.buffers[buffer]);
        }
    }

    fn multiply(&self, code: &mut Code, buffer: usize) {
        let [lhs, rhs] = [0, 1].map(|side: usize| &self.sides[side].buffers[buffer]);
        for (i, lhs) in lhs.chunks_exact(4).enumerate() {
            for (j, rhs) in rhs.chunks_exact(2).enumerate() {
                let sum = |half: usize, column: usize| self.sums.at(2 * i + half, 2 * j + column);
                let sums = [sum(0, 0), sum(0, 1), sum(1, 0), sum(1, 1)].join(", ");
                let (lhs, rhs) = (lhs.join(", "), rhs.join(", "));
                code.add(format!("{} {{{sums}}}, {{{lhs}}}, {{{rhs}}}, {{{sums}}}", self.operation));
            }
        }
    }

    fn sums(&self) -> &Sums {
        &self.sums
    }
}
