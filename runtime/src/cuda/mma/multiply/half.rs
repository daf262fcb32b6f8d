//! f16 and bf16: tensor cores multiply 16 rows by 8 columns over 16 terms, and add in f32.

use thunder_tensor::DType;

use super::{Form, Pieces, Sums, Thread, panels};
use crate::cuda::code::{Code, Kind};
use crate::cuda::mma::kernel::Kernel;
use crate::cuda::mma::panel::Panel;

/// Terms of a step.
const TERMS: usize = 16;

/// What a warp reads of a panel: pieces of 16 rows or columns by 16 terms, as four matrices of 8 by 8.
struct Side {
    pieces: Pieces,
    /// The registers of each buffer, four by piece.
    buffers: [Vec<String>; 2],
}

pub(super) fn form(code: &mut Code, kernel: &Kernel, thread: &Thread) -> Form {
    let panels = panels(kernel);
    let sides =
        [0, 1].map(|side| -> Box<dyn super::Side> { Box::new(Side::new(code, kernel, thread, side, panels[side])) });
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
    let multiply = move |code: &mut Code, sums: &Sums, [lhs, rhs]: [&[String]; 2]| {
        for (i, lhs) in lhs.chunks_exact(4).enumerate() {
            for (j, rhs) in rhs.chunks_exact(2).enumerate() {
                let sum = |half: usize, column: usize| sums.at(2 * i + half, 2 * j + column);
                let sums = [sum(0, 0), sum(0, 1), sum(1, 0), sum(1, 1)].join(", ");
                let (lhs, rhs) = (lhs.join(", "), rhs.join(", "));
                code.add(format!("{operation} {{{sums}}}, {{{lhs}}}, {{{rhs}}}, {{{sums}}}"));
            }
        }
    };
    let steps = kernel.tile.depth / TERMS;
    Form { steps, sums, sides, kind: Kind::Word, multiply: Box::new(multiply) }
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
        Self { pieces: Pieces { panel, sums, place, size: 16, terms: TERMS, element: 2 }, buffers }
    }
}

impl super::Side for Side {
    fn read(&self, code: &mut Code, stage: &str, step: usize, buffer: usize) {
        let registers = self.buffers[buffer].chunks_exact(4);
        let places = self.pieces.places(code, stage, step, registers.len());
        let way = if self.pieces.sums { "" } else { ".trans" };
        for ((start, offset), registers) in places.iter().zip(registers) {
            let registers = registers.join(", ");
            code.add(format!("ldmatrix.sync.aligned.m8n8.x4{way}.shared.b16 {{{registers}}}, [{start}+{offset}]"));
        }
    }

    fn buffer(&self, number: usize) -> &[String] {
        &self.buffers[number]
    }
}
