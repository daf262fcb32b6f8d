//! The part of a product that a block computes, and which is best for a product.

use thunder_tensor::DType;

/// How a block works: which part of the result it computes, and in which steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tile {
    /// Warps along rows and columns.
    pub(super) warps: [usize; 2],
    /// Rows and columns of a warp's part.
    pub(super) part: [usize; 2],
    /// Terms of the sums that are in a stage of shared memory.
    pub(super) depth: usize,
    /// Stages that are filled one after the other.
    pub(super) stages: usize,
    /// How fast a multiprocessor works with it, relative to the largest.
    rate: f64,
}

/// By type of elements, the largest first.
const HALF: [Tile; 4] = [
    Tile { warps: [2, 4], part: [64, 64], depth: 32, stages: 4, rate: 1.0 },
    Tile { warps: [2, 2], part: [64, 64], depth: 32, stages: 4, rate: 0.85 },
    Tile { warps: [2, 2], part: [64, 32], depth: 32, stages: 4, rate: 0.6 },
    Tile { warps: [2, 2], part: [32, 32], depth: 32, stages: 4, rate: 0.4 },
];
const SINGLE: [Tile; 2] = [
    Tile { warps: [4, 2], part: [32, 64], depth: 32, stages: 3, rate: 1.0 },
    Tile { warps: [2, 1], part: [32, 64], depth: 32, stages: 3, rate: 0.7 },
];
const DOUBLE: [Tile; 2] = [
    Tile { warps: [4, 2], part: [32, 32], depth: 16, stages: 4, rate: 1.0 },
    Tile { warps: [2, 2], part: [32, 32], depth: 16, stages: 3, rate: 0.8 },
];

impl Tile {
    /// Those that there are for a type of elements, the largest first.
    pub(super) fn all(dtype: DType) -> &'static [Self] {
        match dtype {
            DType::F64 => &DOUBLE,
            DType::F32 => &SINGLE,
            _ => &HALF,
        }
    }

    /// The one of them that is expected to be fastest for so many products of `rows` times `columns`, and the time that it takes.
    pub(super) fn choose(
        tiles: impl Iterator<Item = Self>,
        [rows, columns]: [usize; 2],
        batch: usize,
        multiprocessors: usize,
    ) -> Option<(Self, f64)> {
        let time = |tile: &Self| {
            let [tall, wide] = tile.size();
            let blocks = rows.div_ceil(tall) as f64 * columns.div_ceil(wide) as f64 * batch as f64;
            (blocks / multiprocessors.max(1) as f64).ceil() * (tall * wide) as f64 / tile.rate
        };
        tiles.map(|tile| (tile, time(&tile))).min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// Sums of a thread.
    pub(super) fn sums(&self) -> usize {
        self.part[0] * self.part[1] / 32
    }

    /// Rows and columns.
    pub(super) fn size(&self) -> [usize; 2] {
        [0, 1].map(|side| self.warps[side] * self.part[side])
    }

    /// Threads of a block.
    pub(super) fn threads(&self) -> usize {
        32 * self.warps[0] * self.warps[1]
    }

    /// Bytes of a stage, for elements of so many.
    pub(super) fn stage(&self, element: usize) -> usize {
        let [rows, columns] = self.size();
        (rows + columns) * self.depth * element
    }

    /// Bytes of shared memory of a block.
    pub(super) fn shared(&self, element: usize) -> usize {
        self.stage(element) * self.stages
    }
}
