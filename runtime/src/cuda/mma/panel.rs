//! A panel of an operand: the elements that a stage has of it, in memory and in shared memory.
//!
//! A panel has *lines* of elements that are next to each other, in *chunks* of 16 bytes, which are what threads copy.
//! Either the terms of a sum are along a line, and lines are rows of lhs or columns of rhs; or the other way round. Which
//! chunk is where in its line differs from line to line, so that what threads read at the same time is in different banks.

use thunder_tensor::DType;

use super::tile::Tile;
use crate::cuda::code::{Code, Kind};

/// Bytes that a thread copies at once.
pub(super) const CHUNK: usize = 16;

/// How elements of an operand are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Whether the terms of a sum are along a line.
    pub(super) sums: bool,
    /// How they are copied.
    pub(super) copies: Copies,
}

/// How elements of an operand are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copies {
    /// So many bytes at once, which are adjacent and so aligned: 16, 8 or 4. Threads go on meanwhile.
    Aligned(usize),
    /// Each by itself, wherever it is.
    Single,
}

/// How a panel lies in shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Panel {
    /// Lines.
    pub(super) lines: usize,
    /// Bytes of a line.
    pub(super) width: usize,
    /// The number of a line gives what the numbers of its chunks are changed with: bits from this one on,
    shift: u32,
    /// these of them,
    mask: usize,
    /// and so many places higher.
    scale: u32,
}

impl Panel {
    /// The panel of lhs (`side` 0) or rhs (1).
    pub(super) fn of(dtype: DType, tile: &Tile, side: usize, sums: bool) -> Self {
        let (along, element) = (tile.size()[side], dtype.size());
        let (lines, width) = if sums { (along, tile.depth * element) } else { (tile.depth, along * element) };
        // What reads at the same time: 8 lines of a chunk each in half precision, and of f32 where sums are along lines,
        // else chunks of one line; of f64 4 lines of two chunks each.
        let (shift, mask, scale) = match (dtype, sums) {
            (DType::F64, _) => (0, 3, 1),
            (DType::F32, true) => (0, 7, 0),
            (DType::F32, false) => (0, 0, 0),
            // Two lines are 128 bytes, which are all banks.
            (_, true) => (1, 3, 0),
            (_, false) => (0, 7, 0),
        };
        Self { lines, width, shift, mask, scale }
    }

    /// Chunks of a line.
    pub(super) fn chunks(&self) -> usize {
        self.width / CHUNK
    }

    /// Where a chunk of a line is, both by number, in a stage in which the panel begins at `offset`.
    pub(super) fn place(&self, code: &mut Code, (line, chunk): (&str, &str), offset: usize) -> String {
        use Kind::Word;
        let key = code.make(Word, "shr.u32", format!("{line}, {}", self.shift));
        let key = code.make(Word, "and.b32", format!("{key}, {}", self.mask));
        let key = code.make(Word, "shl.b32", format!("{key}, {}", self.scale));
        let chunk = code.make(Word, "xor.b32", format!("{chunk}, {key}"));
        let place = code.make(Word, "mad.lo.u32", format!("{chunk}, {CHUNK}, {offset}"));
        code.make(Word, "mad.lo.u32", format!("{line}, {}, {place}", self.width))
    }

    /// After so many lines, chunks are where they were.
    pub(super) fn period(&self) -> usize {
        (self.mask + 1) << self.shift
    }

    /// Bytes.
    pub(super) fn bytes(&self) -> usize {
        self.lines * self.width
    }
}
