//! From the sums of a group of warps to the result.
//!
//! A thread has sums of two rows: of each, two that are adjacent of every 8. So that it writes 8 at once, the four threads of
//! a row trade them: as a matrix of four by four, which is transposed. What else is computed from the elements is so from
//! these 8.

use super::consume::ROWS;
use super::copies::Copies;
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
    /// Where each product goes, if it does, and where the bias of each is.
    outs: Vec<Option<String>>,
    biases: Vec<String>,
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
        let biases = kernel.biases().into_iter().map(|name| long(code, name)).collect();
        let outs = kernel.outs().into_iter().map(|name| name.map(|name| long(code, name))).collect();
        let extent = ["m", "n"].map(|name| long(code, name));
        let stride = ["out_row", "out_column"].map(|name| long(code, name));
        Self { row, quarter, even, outs, biases, extent, stride }
    }

    /// Writes the sums of a tile, of which every four are two columns of two rows.
    pub(super) fn store(&self, code: &mut Code, kernel: &Kernel, sums: &[String], place: &Place) {
        use Kind::Long;
        let start = [0, 1].map(|side: usize| code.make(Long, "cvt.u64.u32", &place.start[side]));
        // What is computed has the distance from the first element.
        let zero = kernel.fusion.as_ref().map(|_| "0".to_owned());
        let starts = self.outs.iter().flatten().chain(&zero);
        let outs: Vec<String> = starts.map(|out| code.make(Long, "mov.b64", out)).collect();
        for (dim, index) in place.batch.iter().enumerate() {
            let index = code.make(Long, "cvt.u64.u32", index);
            let stride = long(code, &format!("batch{dim}_out"));
            outs.iter().for_each(|out| code.add(format!("mad.lo.s64 {out}, {index}, {stride}, {out}")));
        }
        if kernel.writes == Writes::Chunks {
            return self.chunks(code, kernel, sums, &outs, &start);
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
        let (out, bias) = (outs[0].clone(), self.biases.first().cloned());
        let (extent, stride) = (self.extent.clone(), self.stride.clone());
        store::store(code, &form, &sums, &store::Place { out, bias, start, extent, stride });
    }

    /// Writes 8 columns at once: what the products have there, to `outs`, and what is computed from it.
    fn chunks(&self, code: &mut Code, kernel: &Kernel, sums: &[String], outs: &[String], start: &[String; 2]) {
        use Kind::{Long, Truth};
        let size = kernel.dtype.size();
        let row = code.make(Long, "cvt.u64.u32", &self.row);
        let row = code.make(Long, "add.s64", format!("{row}, {}", start[0]));
        // The first of the chunks that the thread writes.
        let quarter = code.make(Long, "cvt.u64.u32", &self.quarter);
        let first = code.make(Long, "mad.lo.s64", format!("{quarter}, {COLUMNS}, {}", start[1]));
        let left = [(&row, &self.extent[0], TALL), (&first, &self.extent[1], kernel.columns())]
            .map(|(own, extent, most)| (code.make(Long, "sub.s64", format!("{extent}, {own}")), most));
        let left = left.map(|(left, most)| code.clamp(&left, most));
        let lines: Vec<[String; 2]> = outs
            .iter()
            .map(|out| {
                let line = code.make(Long, "mad.lo.s64", format!("{row}, {}, {out}", self.stride[0]));
                let line = code.make(Long, "mad.lo.s64", format!("{first}, {size}, {line}"));
                let below = code.make(Long, "mad.lo.s64", format!("{}, 8, {line}", self.stride[0]));
                [line, below]
            })
            .collect();
        let rows = [0, 8].map(|row| code.make(Truth, "setp.gt.s32", format!("{}, {row}", left[0])));
        let writes = |code: &mut Code, [column, row]: [usize; 2]| {
            code.make(Truth, "setp.gt.and.s32", format!("{}, {column}, {}", left[1], rows[row]))
        };
        let biases: Vec<(String, String)> = self
            .biases
            .iter()
            .map(|bias| {
                let own = code.make(Long, "mad.lo.s64", format!("{quarter}, 2, {}", start[1]));
                let left = code.make(Long, "sub.s64", format!("{}, {own}", self.extent[1]));
                (code.make(Long, "mad.lo.s64", format!("{own}, {size}, {bias}")), code.clamp(&left, kernel.columns()))
            })
            .collect();
        let places = (0..kernel.columns()).step_by(TRADED * COLUMNS).flat_map(|column| [[column, 0], [column, 1]]);
        let mut copies = kernel.fusion.as_ref().map(|fusion| {
            let numbers =
                lines[lines.len() - 1].each_ref().map(|line| code.make(Long, "shr.u64", format!("{line}, 1")));
            Copies::new(&fusion.fragment, places.clone().collect(), numbers)
        });
        if let Some(copies) = &mut copies {
            copies.begin(code, writes);
        }
        let of_product = sums.len() / kernel.products();
        let mut words: Vec<[Vec<String>; 2]> = Vec::new();
        for place in places {
            let [column, row] = place;
            if row == 0 {
                let sums = sums.chunks_exact(of_product).map(|sums| &sums[column / 2..][..4 * TRADED]);
                let sums = sums.enumerate();
                words = sums.map(|(number, sums)| rounded(code, kernel, sums, column, biases.get(number))).collect();
            }
            let words: Vec<Vec<String>> = words.iter().map(|words| self.traded(code, words[row].clone())).collect();
            let is_there = writes(code, place);
            let kept = self.outs.iter().zip(&words).filter(|(out, _)| out.is_some());
            for ((_, words), line) in kept.zip(&lines) {
                let to = format!("{}+{}", line[row], column * size);
                code.add(format!("@{is_there} st.global.v4.b32 [{to}], {{{}}}", words.join(", ")));
            }
            if let Some(copies) = &mut copies {
                copies.end(code, &words.concat(), &is_there);
                copies.begin(code, writes);
            }
        }
        if kernel.fusion.as_ref().is_some_and(|fusion| fusion.fragment.jumps()) {
            code.add("bar.warp.sync -1");
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

/// Sums of two rows, of which every four are two columns of each, from a column of a tile on: with the bias, rounded, by row.
fn rounded(
    code: &mut Code,
    kernel: &Kernel,
    sums: &[String],
    column: usize,
    bias: Option<&(String, String)>,
) -> [Vec<String>; 2] {
    let mut words = [Vec::new(), Vec::new()];
    for (number, sums) in sums.chunks_exact(4).enumerate() {
        let column = column + number * COLUMNS;
        let biases = bias.map(|(from, left)| {
            [0, 1].map(|more: usize| {
                let column = column + more;
                let is_there = code.make(Kind::Truth, "setp.gt.s32", format!("{left}, {column}"));
                store::read_bias(code, kernel.dtype, &is_there, &format!("{from}+{}", column * kernel.dtype.size()))
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
    words
}
