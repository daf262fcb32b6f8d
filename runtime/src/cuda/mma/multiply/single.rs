//! f32: every thread multiplies 8 rows by 8 columns, without tensor cores, which would round what they multiply.
//!
//! A warp's lanes are 4 by 8. Where the terms of sums are along lines, a lane reads 2 terms of lines that are as many apart
//! as there are lanes; where they are not, 4 elements of lines that are terms.

use super::{Form, Sums, Thread, panels};
use crate::cuda::code::{Code, Kind};
use crate::cuda::mma::kernel::Kernel;
use crate::cuda::mma::panel::{CHUNK, Panel};

/// Terms of a step: few, as registers have those of two steps.
const TERMS: usize = 2;

/// Neighbours that a lane has where they are next to each other.
const RUN: usize = 4;

/// Lanes of a warp along rows and columns.
const LANES: [usize; 2] = [4, 8];

/// Rows and columns of a thread.
const OWN: usize = 8;

/// What a thread reads of a panel.
struct Side {
    panel: Panel,
    /// Whether the terms of sums are along lines.
    sums: bool,
    lanes: usize,
    /// The first of its rows or columns.
    first: String,
    /// Bytes from the start of a stage to the first that it reads.
    place: String,
    /// The registers of each buffer: for each row or column its terms.
    buffers: [Vec<String>; 2],
}

pub(super) fn form(code: &mut Code, kernel: &Kernel, thread: &Thread) -> Form {
    let panels = panels(kernel);
    let lanes = [thread.bits(code, 3, 2), thread.bits(code, 0, 3)];
    let sides = [0, 1].map(|side| {
        Side::new(code, panels[side], kernel.operands[side].sums, (LANES[side], &lanes[side], &thread.part[side]))
    });
    let sums = Sums {
        first: [0, 1].map(|side: usize| sides[side].first.clone()),
        rows: sides[0].own(),
        columns: sides[1].own(),
        run: if sides[1].sums { 1 } else { RUN },
        registers: super::zeros(code, Kind::Word, OWN * OWN),
    };
    let multiply = |code: &mut Code, sums: &Sums, [lhs, rhs]: [&[String]; 2]| {
        for term in 0..TERMS {
            for row in 0..OWN {
                for column in 0..OWN {
                    let (sum, lhs) = (sums.at(row, column), &lhs[row * TERMS + term]);
                    code.add(format!("fma.rn.f32 {sum}, {lhs}, {}, {sum}", rhs[column * TERMS + term]));
                }
            }
        }
    };
    let (steps, sides) = (kernel.tile.depth / TERMS, sides.map(|side| -> Box<dyn super::Side> { Box::new(side) }));
    Form { steps, sums, sides, kind: Kind::Word, multiply: Box::new(multiply) }
}

impl Side {
    fn new(
        code: &mut Code,
        (panel, offset): (Panel, usize),
        sums: bool,
        (lanes, lane, part): (usize, &str, &str),
    ) -> Self {
        use Kind::Word;
        let apart = if sums { 1 } else { RUN };
        let first = code.make(Word, "mad.lo.u32", format!("{lane}, {apart}, {part}"));
        let place = if sums {
            // The key of the first line is the lane's number, as parts begin at multiples of 32.
            let start = code.make(Word, "mad.lo.u32", format!("{lane}, {CHUNK}, {offset}"));
            code.make(Word, "mad.lo.u32", format!("{first}, {}, {start}", panel.width))
        } else {
            code.make(Word, "mad.lo.u32", format!("{first}, 4, {offset}"))
        };
        let buffers = [0, 1].map(|_| code.many(Word, OWN * TERMS));
        Self { panel, sums, lanes, first, place, buffers }
    }

    /// A thread's rows or columns, from its first on.
    fn own(&self) -> Vec<usize> {
        let at = |number: usize| match self.sums {
            true => number * self.lanes,
            false => number / RUN * RUN * self.lanes + number % RUN,
        };
        (0..OWN).map(at).collect()
    }
}

impl super::Side for Side {
    fn read(&self, code: &mut Code, stage: &str, step: usize, buffer: usize) {
        let registers = &self.buffers[buffer];
        if !self.sums {
            let start = code.make(Kind::Word, "add.u32", format!("{}, {stage}", self.place));
            for term in 0..TERMS {
                for own in (0..OWN).step_by(RUN) {
                    let offset = (step * TERMS + term) * self.panel.width + own * self.lanes * 4;
                    let read: Vec<&str> = (own..own + RUN).map(|own| &*registers[own * TERMS + term]).collect();
                    code.add(format!("ld.shared.v4.b32 {{{}}}, [{start}+{offset}]", read.join(", ")));
                }
            }
            return;
        }
        // Keys of lines that are 4 apart differ in one bit, which is that of the fourth chunk.
        let chunk = step * TERMS * 4 / CHUNK;
        let starts = [0, 4].map(|key| {
            let place = code.make(Kind::Word, "xor.b32", format!("{}, {}", self.place, (chunk ^ key) * CHUNK));
            code.make(Kind::Word, "add.u32", format!("{place}, {stage}"))
        });
        for (own, read) in registers.chunks_exact(TERMS).enumerate() {
            let line = own * self.lanes;
            let (start, offset) = (&starts[line / 4 % 2], line * self.panel.width + step * TERMS * 4 % CHUNK);
            code.add(format!("ld.shared.v2.b32 {{{}}}, [{start}+{offset}]", read.join(", ")));
        }
    }

    fn buffer(&self, number: usize) -> &[String] {
        &self.buffers[number]
    }
}
