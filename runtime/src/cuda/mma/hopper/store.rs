//! From the sums of a group of warps to what is written: a thread has sums of two rows, of each two that are adjacent of
//! every 8.
//!
//! Where rows are aligned, sums are rounded to what a thread holds, which is written in [`Pieces`](super::pieces::Pieces).

use super::consume::ROWS;
use super::held::Held;
use super::kernel::{Block, Kernel, Writes};
use super::pieces::COLUMNS;
use super::tile::TALL;
use super::walk::Place;
use crate::cuda::code::{Code, Kind};
use crate::cuda::mma::multiply::Sums;
use crate::cuda::mma::store::{self, Form};

/// Columns of which a thread has two.
pub(super) const ADJACENT: usize = 8;

/// The registers of a thread's place in a tile, which are the same for all tiles.
pub(super) struct Store {
    /// Its first row, and the number of the thread among the four of that.
    row: String,
    quarter: String,
    /// Whether bits of that number are zero.
    pub(super) even: [String; 2],
    /// Where each product goes, if it does, and where the bias of each is.
    pub(super) outs: Vec<Option<String>>,
    biases: Vec<String>,
    extent: [String; 2],
    pub(super) stride: [String; 2],
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
        let biases = kernel.biases().into_iter().map(|name| code.long(name)).collect();
        let outs = kernel.outs().into_iter().map(|name| name.map(|name| code.long(name))).collect();
        let extent = ["m", "n"].map(|name| code.long(name));
        let stride = ["out_row", "out_column"].map(|name| code.long(name));
        Self { row, quarter, even, outs, biases, extent, stride }
    }

    /// The first row and column of a tile.
    fn start(code: &mut Code, place: &Place) -> [String; 2] {
        [0, 1].map(|side: usize| code.make(Kind::Long, "cvt.u64.u32", &place.start[side]))
    }

    /// Where results are of the tile's product of the batch; `outs` says where the first is.
    fn of_batch<'a>(code: &mut Code, place: &Place, outs: impl Iterator<Item = &'a String>) -> Vec<String> {
        use Kind::Long;
        let outs: Vec<String> = outs.map(|out| code.make(Long, "mov.b64", out)).collect();
        for (dim, index) in place.batch.iter().enumerate() {
            let index = code.make(Long, "cvt.u64.u32", index);
            let stride = code.long(&format!("batch{dim}_out"));
            outs.iter().for_each(|out| code.add(format!("mad.lo.s64 {out}, {index}, {stride}, {out}")));
        }
        outs
    }

    /// Writes the sums of a tile, of which every four are two columns of two rows, not more than two at once.
    pub(super) fn store(&self, code: &mut Code, kernel: &Kernel, sums: &[String], place: &Place) {
        let start = Self::start(code, place);
        let outs = Self::of_batch(code, place, self.outs.iter().flatten());
        let column = code.make(Kind::Word, "shl.b32", format!("{}, 1", self.quarter));
        let columns = kernel.tile.wide / ADJACENT;
        let of_row = |row: usize| (0..2 * columns).map(move |column| column / 2 * 4 + 2 * row + column % 2);
        let sums = Sums {
            first: [self.row.clone(), column],
            rows: vec![0, 8],
            columns: (0..2 * columns).map(|column| column / 2 * ADJACENT + column % 2).collect(),
            run: 2,
            registers: (0..2).flat_map(of_row).map(|number| sums[number].clone()).collect(),
        };
        let packed = kernel.writes == Writes::Pairs;
        let form = Form { dtype: kernel.dtype, tile: [TALL, kernel.tile.wide], packed };
        let (out, bias) = (outs[0].clone(), self.biases.first().cloned());
        let (extent, stride) = (self.extent.clone(), self.stride.clone());
        store::store(code, &form, &sums, &store::Place { out, bias, start, extent, stride });
    }

    /// Finds where what the thread holds of a tile is to go, and where the bias is of each product.
    pub(super) fn locate(&self, code: &mut Code, kernel: &Kernel, held: &Held, place: &Place) -> Vec<Bias> {
        use Kind::Long;
        let size = kernel.dtype.size();
        let start = Self::start(code, place);
        let row = code.make(Long, "cvt.u64.u32", &self.row);
        let row = code.make(Long, "add.s64", format!("{row}, {}", start[0]));
        // The first of the chunks that the thread writes.
        let quarter = code.make(Long, "cvt.u64.u32", &self.quarter);
        let first = code.make(Long, "mad.lo.s64", format!("{quarter}, {ADJACENT}, {}", start[1]));
        let own = [(&row, &self.extent[0], TALL), (&first, &self.extent[1], kernel.columns())];
        for ((own, extent, most), held) in own.into_iter().zip(&held.left) {
            let left = code.make(Long, "sub.s64", format!("{extent}, {own}"));
            let left = code.clamp(&left, most);
            code.add(format!("mov.b32 {held}, {left}"));
        }
        code.add(format!("mov.b32 {}, 1", held.any));
        let zero = "0".to_owned();
        let offset = &Self::of_batch(code, place, [&zero].into_iter())[0];
        let offset = code.make(Long, "mad.lo.s64", format!("{row}, {}, {offset}", self.stride[0]));
        code.add(format!("mad.lo.s64 {}, {first}, {size}, {offset}", held.offset));
        let of_tile = |bias: &String| {
            let own = code.make(Long, "mad.lo.s64", format!("{quarter}, 2, {}", start[1]));
            let left = code.make(Long, "sub.s64", format!("{}, {own}", self.extent[1]));
            let left = code.clamp(&left, kernel.columns());
            Bias { from: code.make(Long, "mad.lo.s64", format!("{own}, {size}, {bias}")), left }
        };
        self.biases.iter().map(of_tile).collect()
    }
}

/// The bias of a product in a tile: where it is from the thread's first column on, and how many columns there are.
pub(super) struct Bias {
    from: String,
    left: String,
}

impl Bias {
    /// Reads that of the sums of a piece, of each row.
    pub(super) fn read(&self, code: &mut Code, kernel: &Kernel, piece: usize) -> Vec<String> {
        let columns =
            (piece * COLUMNS..(piece + 1) * COLUMNS).step_by(ADJACENT).flat_map(|column| [column, column + 1]);
        let read = |column: usize| {
            let is_there = code.make(Kind::Truth, "setp.gt.s32", format!("{}, {column}", self.left));
            let from = format!("{}+{}", self.from, column * kernel.dtype.size());
            store::read_bias(code, kernel.dtype, &is_there, &from)
        };
        columns.map(read).collect()
    }
}

/// Rounds the sums of a piece to what the thread holds, with the bias of each product, if there is one.
pub(super) fn hold(
    code: &mut Code,
    kernel: &Kernel,
    sums: &[String],
    (held, piece): (&Held, usize),
    biases: &[Vec<String>],
) {
    let of_product = sums.len() / kernel.products();
    for (product, sums) in sums.chunks_exact(of_product).enumerate() {
        let [first, second] = &held.words[piece][product];
        // Of every 8 columns, two of each row.
        let sums = sums[piece * COLUMNS / 2..].chunks_exact(4);
        for (number, ((first, second), sums)) in first.iter().zip(second).zip(sums).enumerate() {
            for (word, pair) in [first, second].into_iter().zip(sums.chunks_exact(2)) {
                let mut pair = pair.to_vec();
                if let Some(biases) = biases.get(product) {
                    let biases = &biases[2 * number..];
                    let biased =
                        pair.iter().zip(biases).map(|(sum, bias)| store::biased(code, kernel.dtype, sum, bias));
                    pair = biased.collect();
                }
                let rounded = store::rounded(code, kernel.dtype, &pair[0], &pair[1]);
                code.add(format!("mov.b32 {word}, {rounded}"));
            }
        }
    }
}
