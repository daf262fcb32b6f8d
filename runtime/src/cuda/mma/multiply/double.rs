//! f64: tensor cores multiply 8 rows by 8 columns over 4 terms; they round as additions of f64 do.

use super::{Form, Pieces, Sums, Thread, panels};
use crate::cuda::code::{Code, Kind};
use crate::cuda::mma::kernel::Kernel;
use crate::cuda::mma::panel::Panel;

/// Terms of a step.
const TERMS: usize = 4;

/// Rows and columns of a piece.
const PIECE: usize = 8;

/// What a warp reads of a panel: pieces of 8 rows or columns by 4 terms, of which each lane has an element.
struct Side {
    pieces: Pieces,
    /// The registers of each buffer, by piece.
    buffers: [Vec<String>; 2],
}

pub(super) fn form(code: &mut Code, kernel: &Kernel, thread: &Thread) -> Form {
    let panels = panels(kernel);
    let (group, term) = (thread.bits(code, 2, 3), thread.bits(code, 0, 2));
    let sides = [0, 1].map(|side| -> Box<dyn super::Side> {
        let own = code.make(Kind::Word, "add.u32", format!("{group}, {}", thread.part[side]));
        let pieces = kernel.tile.part[side] / PIECE;
        Box::new(Side::new(code, panels[side], kernel.operands[side].sums, (&own, &term), pieces))
    });
    let row = code.make(Kind::Word, "add.u32", format!("{group}, {}", thread.part[0]));
    let column = code.make(Kind::Word, "mad.lo.u32", format!("{term}, 2, {}", thread.part[1]));
    let [tall, wide] = kernel.tile.part.map(|extent| extent / PIECE);
    let sums = Sums {
        first: [row, column],
        rows: (0..tall).map(|row| PIECE * row).collect(),
        columns: (0..2 * wide).map(|column| column / 2 * PIECE + column % 2).collect(),
        run: 2,
        registers: super::zeros(code, Kind::Long, 2 * tall * wide),
    };
    let multiply = |code: &mut Code, sums: &Sums, [lhs, rhs]: [&[String]; 2]| {
        for (i, lhs) in lhs.iter().enumerate() {
            for (j, rhs) in rhs.iter().enumerate() {
                let sums = [sums.at(i, 2 * j), sums.at(i, 2 * j + 1)].join(", ");
                code.add(format!(
                    "mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {{{sums}}}, {{{lhs}}}, {{{rhs}}}, {{{sums}}}"
                ));
            }
        }
    };
    let steps = kernel.tile.depth / TERMS;
    Form { steps, sums, sides, kind: Kind::Long, multiply: Box::new(multiply) }
}

impl Side {
    fn new(
        code: &mut Code,
        (panel, offset): (Panel, usize),
        sums: bool,
        (own, term): (&str, &str),
        pieces: usize,
    ) -> Self {
        use Kind::Word;
        let (line, along) = if sums { (own, term) } else { (term, own) };
        let chunk = code.make(Word, "shr.u32", format!("{along}, 1"));
        let place = panel.place(code, (line, &chunk), offset);
        let odd = code.make(Word, "and.b32", format!("{along}, 1"));
        let place = code.make(Word, "mad.lo.u32", format!("{odd}, 8, {place}"));
        let buffers = [0, 1].map(|_| code.many(Kind::Long, pieces));
        Self { pieces: Pieces { panel, sums, place, size: PIECE, terms: TERMS, element: 8 }, buffers }
    }
}

impl super::Side for Side {
    fn read(&self, code: &mut Code, stage: &str, step: usize, buffer: usize) {
        let registers = &self.buffers[buffer];
        let places = self.pieces.places(code, stage, step, registers.len());
        for ((start, offset), register) in places.iter().zip(registers) {
            code.add(format!("ld.shared.b64 {register}, [{start}+{offset}]"));
        }
    }

    fn buffer(&self, number: usize) -> &[String] {
        &self.buffers[number]
    }
}
