//! f64: tensor cores multiply 8 rows by 8 columns over 4 terms; they round as additions of f64 do.

use super::{Multiply, Sums, Thread, panels};
use crate::cuda::mma::code::{Code, Kind};
use crate::cuda::mma::kernel::Kernel;
use crate::cuda::mma::panel::{CHUNK, Panel};

/// Terms of a step, and chunks of as many elements.
const TERMS: usize = 4;
const CHUNKS: usize = 2;

/// Rows and columns of a piece.
const PIECE: usize = 8;

pub(super) struct Double {
    steps: usize,
    sides: [Side; 2],
    sums: Sums,
}

/// What a warp reads of a panel: pieces of 8 rows or columns by 4 terms, of which each lane has an element.
struct Side {
    panel: Panel,
    /// Whether the terms of sums are along lines.
    sums: bool,
    /// Bytes from the start of a stage to what a thread reads of the first piece in the first step.
    place: String,
    /// The registers of each buffer, by piece.
    buffers: [Vec<String>; 2],
}

impl Double {
    pub(super) fn new(code: &mut Code, kernel: &Kernel, thread: &Thread) -> Self {
        let panels = panels(kernel);
        let (group, term) = (thread.bits(code, 2, 3), thread.bits(code, 0, 2));
        let sides = [0, 1].map(|side| {
            let own = code.make(Kind::Word, "add.u32", format!("{group}, {}", thread.part[side]));
            let pieces = kernel.tile.part[side] / PIECE;
            Side::new(code, panels[side], kernel.operands[side].sums, (&own, &term), pieces)
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
        Self { steps: kernel.tile.depth / TERMS, sides, sums }
    }
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
        Self { panel, sums, place, buffers }
    }

    fn read(&self, code: &mut Code, stage: &str, step: usize, buffer: usize) {
        let mut start = |changed: usize| {
            let place = code.make(Kind::Word, "xor.b32", format!("{}, {changed}", self.place));
            code.make(Kind::Word, "add.u32", format!("{place}, {stage}"))
        };
        let pieces = self.buffers[buffer].len();
        // A step further along a line, and a piece further down; or a piece further along a line, and a step down.
        let places: Vec<(String, usize)> = if self.sums {
            let start = start(step * CHUNKS * CHUNK);
            (0..pieces).map(|piece| (start.clone(), piece * PIECE * self.panel.width)).collect()
        } else {
            let chunks = PIECE / 2;
            (0..pieces).map(|piece| (start(piece * chunks * CHUNK), step * TERMS * self.panel.width)).collect()
        };
        for ((start, offset), register) in places.iter().zip(&self.buffers[buffer]) {
            code.add(format!("ld.shared.b64 {register}, [{start}+{offset}]"));
        }
    }
}

impl Multiply for Double {
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
            super::clear(code, Kind::Long, &side.buffers[buffer]);
        }
    }

    fn multiply(&self, code: &mut Code, buffer: usize) {
        let [lhs, rhs] = [0, 1].map(|side: usize| &self.sides[side].buffers[buffer]);
        for (i, lhs) in lhs.iter().enumerate() {
            for (j, rhs) in rhs.iter().enumerate() {
                let sums = [self.sums.at(i, 2 * j), self.sums.at(i, 2 * j + 1)].join(", ");
                code.add(format!(
                    "mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {{{sums}}}, {{{lhs}}}, {{{rhs}}}, {{{sums}}}"
                ));
            }
        }
    }

    fn sums(&self) -> &Sums {
        &self.sums
    }
}
