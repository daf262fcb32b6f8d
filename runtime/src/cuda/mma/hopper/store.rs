//! From the sums of a group of warps to the result.
//!
//! A thread has sums of two rows: of each, two that are adjacent of every 8. So that it writes 8 at once, the four threads of
//! a row trade them: as a matrix of four by four, which is transposed.

use super::consume::ROWS;
use super::kernel::{Block, Kernel, Writes, long};
use super::tile::TALL;
use super::walk::Place;
use crate::cuda::mma::code::{Code, Kind};
use crate::cuda::mma::multiply::Sums;
use crate::cuda::mma::store::{self, Form};

/// Columns of which a thread has two, and how many of these four threads trade.
const COLUMNS: usize = 8;
const TRADED: usize = 4;

/// The registers of a thread's place in a tile, which are the same for all tiles.
pub(super) struct Store {
    /// Its first row, and the number of the thread among the four of that.
    row: String,
    quarter: String,
    /// Whether bits of that number are zero.
    even: [String; 2],
    out: String,
    bias: Option<String>,
    extent: [String; 2],
    stride: [String; 2],
}

impl Store {
    pub(super) fn new(code: &mut Code, kernel: &Kernel, block: &Block) -> Self {
        use Kind::{Truth, Word};
        let of_lane = code.make(Word, "shr.u32", format!("{}, 2", block.lane));
        // The four warps of a group have 16 rows each.
        let row = code.make(Word, "mad.lo.u32", format!("{}, {}, {of_lane}", block.warp, ROWS / 4));
        let quarter = code.make(Word, "and.b32", format!("{}, 3", block.lane));
        let even = [1, 2].map(|bit| {
            let bit = code.make(Word, "and.b32", format!("{}, {bit}", block.lane));
            code.make(Truth, "setp.eq.s32", format!("{bit}, 0"))
        });
        let bias = kernel.bias.then(|| long(code, "bias"));
        let out = long(code, "out");
        let extent = ["m", "n"].map(|name| long(code, name));
        let stride = ["out_row", "out_column"].map(|name| long(code, name));
        Self { row, quarter, even, out, bias, extent, stride }
    }

    /// Writes the sums of a tile, of which every four are two columns of two rows.
    pub(super) fn store(&self, code: &mut Code, kernel: &Kernel, sums: &[String], place: &Place) {
        use Kind::Long;
        let start = [0, 1].map(|side: usize| code.make(Long, "cvt.u64.u32", &place.start[side]));
        let out = code.make(Long, "mov.b64", &self.out);
        for (dim, index) in place.batch.iter().enumerate() {
            let index = code.make(Long, "cvt.u64.u32", index);
            let stride = long(code, &format!("batch{dim}_out"));
            code.add(format!("mad.lo.s64 {out}, {index}, {stride}, {out}"));
        }
        if kernel.writes == Writes::Chunks {
            return self.chunks(code, kernel, sums, &out, &start);
        }
        let column = code.make(Kind::Word, "shl.b32", format!("{}, 1", self.quarter));
        let columns = kernel.tile.wide / COLUMNS;
        let of_row = |row: usize| (0..2 * columns).map(move |column| column / 2 * 4 + 2 * row + column % 2);
        let sums = Sums {
            first: [self.row.clone(), column],
            rows: vec![0, 8],
            columns: (0..2 * columns).map(|column| column / 2 * COLUMNS + column % 2).collect(),
            run: 2,
            registers: (0..2).flat_map(of_row).map(|number| sums[number].clone()).collect(),
        };
        let packed = kernel.writes == Writes::Pairs;
        let form = Form { dtype: kernel.dtype, tile: [TALL, kernel.tile.wide], packed };
        let (bias, extent, stride) = (self.bias.clone(), self.extent.clone(), self.stride.clone());
        store::store(code, &form, &sums, &store::Place { out, bias, start, extent, stride });
    }

    /// Writes 8 columns at once.
    fn chunks(&self, code: &mut Code, kernel: &Kernel, sums: &[String], out: &str, start: &[String; 2]) {
        use Kind::{Long, Truth};
        let size = kernel.dtype.size();
        let row = code.make(Long, "cvt.u64.u32", &self.row);
        let row = code.make(Long, "add.s64", format!("{row}, {}", start[0]));
        // The first of the chunks that the thread writes.
        let quarter = code.make(Long, "cvt.u64.u32", &self.quarter);
        let first = code.make(Long, "mad.lo.s64", format!("{quarter}, {COLUMNS}, {}", start[1]));
        let left = [(&row, &self.extent[0], TALL), (&first, &self.extent[1], kernel.tile.wide)]
            .map(|(own, extent, most)| (code.make(Long, "sub.s64", format!("{extent}, {own}")), most));
        let left = left.map(|(left, most)| code.clamp(&left, most));
        let line = code.make(Long, "mad.lo.s64", format!("{row}, {}, {out}", self.stride[0]));
        let line = code.make(Long, "mad.lo.s64", format!("{first}, {size}, {line}"));
        let below = code.make(Long, "mad.lo.s64", format!("{}, 8, {line}", self.stride[0]));
        let rows = [(line, 0), (below, 8)].map(|(line, row)| {
            let is_there = code.make(Truth, "setp.gt.s32", format!("{}, {row}", left[0]));
            (line, is_there)
        });
        let bias = self.bias.as_ref().map(|bias| {
            let own = code.make(Long, "mad.lo.s64", format!("{quarter}, 2, {}", start[1]));
            let left = code.make(Long, "sub.s64", format!("{}, {own}", self.extent[1]));
            (code.make(Long, "mad.lo.s64", format!("{own}, {size}, {bias}")), code.clamp(&left, kernel.tile.wide))
        });
        for (number, sums) in sums.chunks_exact(4 * TRADED).enumerate() {
            let column = number * TRADED * COLUMNS;
            let mut words = [Vec::new(), Vec::new()];
            for (number, sums) in sums.chunks_exact(4).enumerate() {
                let column = column + number * COLUMNS;
                let biases = bias.as_ref().map(|(from, left)| {
                    [0, 1].map(|more: usize| {
                        let column = column + more;
                        let is_there = code.make(Truth, "setp.gt.s32", format!("{left}, {column}"));
                        store::read_bias(code, kernel.dtype, &is_there, &format!("{from}+{}", column * size))
                    })
                });
                for (row, words) in words.iter_mut().enumerate() {
                    let pair = [0, 1].map(|more: usize| match &biases {
                        Some(biases) => store::biased(code, kernel.dtype, &sums[2 * row + more], &biases[more]),
                        None => sums[2 * row + more].clone(),
                    });
                    words.push(store::rounded(code, kernel.dtype, &pair[0], &pair[1]));
                }
            }
            for ((line, is_row), words) in rows.iter().zip(words) {
                let words = self.traded(code, words);
                let writes = code.make(Truth, "setp.gt.and.s32", format!("{}, {column}, {is_row}", left[1]));
                let to = format!("{line}+{}", column * size);
                code.add(format!("@{writes} st.global.v4.b32 [{to}], {{{}}}", words.join(", ")));
            }
        }
    }

    /// Of four words of four threads, those with the number of the thread, in the order of threads.
    fn traded(&self, code: &mut Code, mut words: Vec<String>) -> Vec<String> {
        for (bit, even) in [1, 2].into_iter().zip(&self.even) {
            for low in (0..TRADED).filter(|number| number & bit == 0) {
                let high = low + bit;
                let select =
                    |code: &mut Code, a: &str, b: &str| code.make(Kind::Word, "selp.b32", format!("{a}, {b}, {even}"));
                let given = select(code, &words[high], &words[low]);
                let got = code.make(Kind::Word, "shfl.sync.bfly.b32", format!("{given}, {bit}, 31, -1"));
                let (kept_low, kept_high) = (select(code, &words[low], &got), select(code, &got, &words[high]));
                (words[low], words[high]) = (kept_low, kept_high);
            }
        }
        words
    }
}
