//! Scores in registers: products of rows of both sides, what is added to them, which are seen, and what they are multiplied
//! with.

use super::frame::Frame;
use super::kernel::{Kernel, Side, float};
use super::panel::{Reader, SIZE, TALL, TERMS, WIDE};
use crate::cuda::code::{Code, Kind};

/// A thread's part of 16 or 32 rows of a warp: of each piece of 16 rows and 8 columns two columns of two rows.
pub(super) struct Sums {
    registers: Vec<String>,
    wide: usize,
}

impl Sums {
    pub(super) fn new(code: &mut Code, pieces: usize, wide: usize) -> Self {
        Self { registers: code.many(Kind::Word, 4 * pieces * wide), wide }
    }

    pub(super) fn clear(&self, code: &mut Code) {
        self.registers.iter().for_each(|register| code.add(format!("mov.b32 {register}, 0")));
    }

    /// The four of a piece: two of the upper row, two of the lower.
    fn piece(&self, piece: usize, column: usize) -> &[String] {
        &self.registers[4 * (piece * self.wide + column)..][..4]
    }

    /// Those of a row with their columns in the tile, from the thread's first on.
    pub(super) fn row(&self, [piece, half]: [usize; 2]) -> impl Iterator<Item = (usize, &String)> {
        (0..2 * self.wide).map(move |number| {
            let (column, next) = (number / 2, number % 2);
            (WIDE * column + next, &self.piece(piece, column)[2 * half + next])
        })
    }

    /// Adds the products of lhs and rhs over so many terms.
    pub(super) fn multiply(&self, code: &mut Code, kernel: &Kernel, lhs: &Reader, rhs: &Reader, terms: usize) {
        for term in (0..terms).step_by(TERMS) {
            let pieces = 0..kernel.tile.pieces;
            let lhs: Vec<_> = pieces.map(|piece| lhs.read(code, [TALL * piece, term], false)).collect();
            for columns in (0..self.wide).step_by(2) {
                let rhs = rhs.read(code, [WIDE * columns, term], false);
                self.products(code, kernel, &lhs, &rhs, columns);
            }
        }
    }

    /// Adds the products of what is in registers and of the rows of a panel.
    pub(super) fn accumulate(&self, code: &mut Code, kernel: &Kernel, lhs: &[Vec<Vec<String>>], rows: &Reader) {
        for (step, lhs) in lhs.iter().enumerate() {
            for columns in (0..self.wide).step_by(2) {
                let rhs = rows.read(code, [TERMS * step, WIDE * columns], true);
                self.products(code, kernel, lhs, &rhs, columns);
            }
        }
    }

    fn products(&self, code: &mut Code, kernel: &Kernel, lhs: &[Vec<String>], rhs: &[String], columns: usize) {
        let half = kernel.half();
        for (piece, lhs) in lhs.iter().enumerate() {
            for (column, rhs) in rhs.chunks_exact(2).enumerate() {
                let sums = self.piece(piece, columns + column).join(", ");
                let (lhs, rhs) = (lhs.join(", "), rhs.join(", "));
                code.add(format!(
                    "mma.sync.aligned.m16n8k16.row.col.f32.{half}.{half}.f32 {{{sums}}}, {{{lhs}}}, {{{rhs}}}, {{{sums}}}"
                ));
            }
        }
    }

    /// Rounded, as an lhs whose terms are the columns: for each 16 of these the words of each piece.
    pub(super) fn packed(&self, code: &mut Code, kernel: &Kernel) -> Vec<Vec<Vec<String>>> {
        let step = |code: &mut Code, step: usize| {
            let words = |code: &mut Code, piece: usize| {
                let columns = [2 * step, 2 * step + 1].map(|column| self.piece(piece, column).to_vec());
                let pairs = columns.iter().flat_map(|sums| [[&sums[0], &sums[1]], [&sums[2], &sums[3]]]);
                pairs.map(|[low, high]| kernel.pack(code, [low, high])).collect::<Vec<_>>()
            };
            (0..kernel.tile.pieces).map(|piece| words(code, piece)).collect()
        };
        (0..self.wide / 2).map(|number| step(code, number)).collect()
    }
}

/// What is done with scores before their exponentials are taken.
pub(super) struct Scores<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) frame: &'a Frame,
    /// Whose rows the block has.
    pub(super) rows: Side,
    /// Of each row of the thread, the address of its mask in the first column.
    mask: Vec<String>,
    /// How far beyond its position a query sees.
    shift: Option<String>,
    keys: String,
}

impl<'a> Scores<'a> {
    pub(super) fn new(code: &mut Code, kernel: &'a Kernel, frame: &'a Frame, rows: Side) -> Self {
        let mask = kernel.mask.map(|_| {
            let base = frame.base(code, "mask", Side::Queries);
            let stride = code.long("mask_row");
            let at = |code: &mut Code, own| {
                let row = frame.row(code, own);
                let row = code.make(Kind::Long, "cvt.u64.u32", row);
                code.make(Kind::Long, "mad.lo.s64", format!("{row}, {stride}, {base}"))
            };
            kernel.tile.own().map(|own| at(code, own)).collect()
        });
        let shift = kernel.causal.then(|| code.word("shift"));
        let keys = code.word("keys");
        Self { kernel, frame, rows, mask: mask.unwrap_or_default(), shift, keys }
    }

    /// Goes on to the next head of queries.
    pub(super) fn advance(&self, code: &mut Code) {
        if !self.mask.is_empty() {
            let head = code.long("mask_head");
            self.mask.iter().for_each(|row| code.add(format!("add.s64 {row}, {row}, {head}")));
        }
    }

    /// Scales, masks and limits the scores of the columns from `first` on; labels begin with a name.
    pub(super) fn finish(&self, code: &mut Code, sums: &Sums, first: &str, label: &str) {
        if self.kernel.multiplies() {
            let factor = float(self.kernel.factor());
            sums.registers.iter().for_each(|score| code.add(format!("mul.rn.f32 {score}, {score}, {factor}")));
        }
        self.mask(code, sums, first);
        self.limit(code, sums, first, label);
    }

    fn mask(&self, code: &mut Code, sums: &Sums, first: &str) {
        use Kind::{Long, Short, Truth, Word};
        let Some(stride) = self.kernel.mask else { return };
        let (rows, columns) = match self.rows {
            Side::Queries => (code.word("queries"), self.keys.clone()),
            Side::Keys => (self.keys.clone(), code.word("queries")),
        };
        let column = code.make(Word, "add.u32", format!("{first}, {}", self.frame.pair));
        let left = code.make(Word, "sub.s32", format!("{columns}, {column}"));
        let column = code.make(Long, "cvt.u64.u32", column);
        for (own, base) in self.kernel.tile.own().zip(&self.mask) {
            let row = self.frame.row(code, own);
            let is_row = code.make(Truth, "setp.lt.s32", format!("{row}, {rows}"));
            let from = code.make(Long, "mad.lo.s64", format!("{column}, {stride}, {base}"));
            for (column, score) in sums.row(own) {
                let is_there = code.make(Truth, "setp.gt.and.s32", format!("{left}, {column}, {is_row}"));
                let added = code.make(Short, "mov.b16", "0");
                let at = code.make(Long, "add.s64", format!("{from}, {}", column as u64 * stride));
                code.add(format!("@{is_there} ld.global.b16 {added}, [{at}]"));
                let added = self.kernel.widen(code, &added);
                code.add(format!("fma.rn.f32 {score}, {added}, {}, {score}", float(std::f32::consts::LOG2_E)));
            }
        }
    }

    /// What is not seen becomes minus infinity; blocks of which all is seen are jumped over.
    fn limit(&self, code: &mut Code, sums: &Sums, first: &str, label: &str) {
        use Kind::{Truth, Word};
        let Self { kernel, frame, .. } = self;
        let label = format!("{label}_seen");
        let column = code.make(Word, "add.u32", format!("{first}, {}", frame.pair));
        let hide = |code: &mut Code, score: &str, is_seen: &str| {
            code.add(format!("selp.f32 {score}, {score}, {}, {is_seen}", float(f32::NEG_INFINITY)));
        };
        match self.rows {
            Side::Queries => {
                let seen_by = |code: &mut Code, row: &str| match &self.shift {
                    None => self.keys.clone(),
                    Some(shift) => {
                        let seen = code.make(Word, "add.s32", format!("{row}, {shift}"));
                        let seen = code.make(Word, "add.s32", format!("{seen}, 1"));
                        code.make(Word, "min.s32", format!("{seen}, {}", self.keys))
                    }
                };
                // The first row sees least.
                let least = seen_by(code, &frame.first);
                let last = code.make(Word, "add.u32", format!("{first}, {}", kernel.tile.block));
                let is_all = code.make(Truth, "setp.ge.s32", format!("{least}, {last}"));
                code.add(format!("@{is_all} bra {label}"));
                for own in kernel.tile.own() {
                    let row = frame.row(code, own);
                    let seen = seen_by(code, &row);
                    let seen = code.make(Word, "sub.s32", format!("{seen}, {column}"));
                    for (column, score) in sums.row(own) {
                        let is_seen = code.make(Truth, "setp.gt.s32", format!("{seen}, {column}"));
                        hide(code, score, &is_seen);
                    }
                }
            }
            Side::Keys => {
                // Queries beyond the last have weights of zero in any case.
                let Some(shift) = &self.shift else { return };
                // The first query sees least; the last key is seen least.
                let last = code.make(Word, "add.u32", format!("{}, {}", frame.first, kernel.tile.rows() - 1));
                let seen = code.make(Word, "add.s32", format!("{first}, {shift}"));
                let is_all = code.make(Truth, "setp.ge.s32", format!("{seen}, {last}"));
                code.add(format!("@{is_all} bra {label}"));
                for own in kernel.tile.own() {
                    let row = frame.row(code, own);
                    let from = code.make(Word, "sub.s32", format!("{row}, {shift}"));
                    let from = code.make(Word, "sub.s32", format!("{from}, {column}"));
                    for (column, score) in sums.row(own) {
                        let is_seen = code.make(Truth, "setp.lt.s32", format!("{from}, {}", column + 1));
                        hide(code, score, &is_seen);
                    }
                }
            }
        }
        code.label(&label);
    }
}

/// Writes sums, each multiplied with the number that its row has, as rows of a tensor.
pub(super) struct Written<'a> {
    pub(super) name: &'static str,
    pub(super) of: Side,
    pub(super) width: usize,
    /// The number of each row of the thread, or one for all.
    pub(super) factors: &'a [String],
}

impl Written<'_> {
    pub(super) fn write(&self, code: &mut Code, kernel: &Kernel, frame: &Frame, sums: &Sums) {
        use Kind::{Long, Short, Truth, Word};
        let base = frame.base(code, self.name, self.of);
        let stride = code.long(&format!("{}_position", self.name));
        let rows = code.word(if self.of == Side::Queries { "queries" } else { "keys" });
        let pair = code.make(Long, "cvt.u64.u32", &frame.pair);
        for (own, factor) in kernel.tile.own().zip(self.factors.iter().cycle()) {
            let row = frame.row(code, own);
            let is_row = code.make(Truth, "setp.lt.s32", format!("{row}, {rows}"));
            let left = code.make(Word, "sub.s32", format!("{}, {}", self.width, frame.pair));
            let row = code.make(Long, "cvt.u64.u32", row);
            let to = code.make(Long, "mad.lo.s64", format!("{row}, {stride}, {base}"));
            code.add(format!("mad.lo.s64 {to}, {pair}, {SIZE}, {to}"));
            let all: Vec<_> = sums.row(own).collect();
            for pair in all.chunks_exact(2) {
                let column = pair[0].0;
                let [low, high] =
                    [0, 1].map(|i: usize| code.make(Word, "mul.rn.f32", format!("{}, {factor}", pair[i].1)));
                let word = kernel.pack(code, [&low, &high]);
                let there = |code: &mut Code, column: usize| {
                    code.make(Truth, "setp.gt.and.s32", format!("{left}, {column}, {is_row}"))
                };
                if kernel.packed && self.width.is_multiple_of(2) {
                    let is_there = there(code, column);
                    code.add(format!("@{is_there} st.global.b32 [{to}+{}], {word}", column * SIZE));
                    continue;
                }
                let halves = code.many(Short, 2);
                code.add(format!("mov.b32 {{{}}}, {word}", halves.join(", ")));
                for (next, half) in halves.iter().enumerate() {
                    let is_there = there(code, column + next);
                    code.add(format!("@{is_there} st.global.b16 [{to}+{}], {half}", (column + next) * SIZE));
                }
            }
        }
    }
}

/// The power of 2 of the sum of a number, which is multiplied with another, and of a third.
pub(super) fn power(code: &mut Code, [number, factor, added]: [&str; 3]) -> String {
    let exponent = code.make(Kind::Word, "fma.rn.f32", format!("{number}, {factor}, {added}"));
    code.make(Kind::Word, "ex2.approx.ftz.f32", exponent)
}

/// Combines what the threads have that have parts of the same row.
pub(super) fn combine(code: &mut Code, operation: &str, number: &str) {
    for distance in [1, 2] {
        let other = code.make(Kind::Word, "shfl.sync.bfly.b32", format!("{number}, {distance}, 31, -1"));
        code.add(format!("{operation} {number}, {number}, {other}"));
    }
}
