//! The part of a product that a block computes at a time, and which is best for a product.

use super::panel;

/// How blocks work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tile {
    /// Columns; there are always [`TALL`] rows.
    pub(super) wide: usize,
    /// Stages of shared memory.
    pub(super) stages: usize,
    /// Blocks whose tiles follow each other along columns, which bring each other what they have in common.
    pub(super) cluster: usize,
    /// How fast a multiprocessor works with it, relative to the largest tile without these instructions.
    rate: f64,
}

/// Rows of a tile: 64 for each group of warps that multiplies.
pub(super) const TALL: usize = 64 * GROUPS;

/// Groups of four warps that multiply.
pub(super) const GROUPS: usize = 2;

/// The largest first.
pub(super) const ALL: [Tile; 4] = [
    Tile { wide: 256, stages: 4, cluster: 2, rate: 1.6 },
    Tile { wide: 128, stages: 6, cluster: 2, rate: 1.35 },
    Tile { wide: 256, stages: 4, cluster: 1, rate: 1.5 },
    Tile { wide: 128, stages: 6, cluster: 1, rate: 1.2 },
];

impl Tile {
    /// The one that is expected to be fastest for so many products of `rows` times `columns`, and the time that it takes, as
    /// [`super::super::tile::Tile::choose`] counts.
    pub(super) fn choose([rows, columns]: [usize; 2], batch: usize, multiprocessors: usize) -> Option<(Self, f64)> {
        let timed = |tile: &Self| {
            let clusters = tile.clusters([rows, columns]) * batch;
            let together = (multiprocessors / tile.cluster).max(1);
            (*tile, clusters.div_ceil(together) as f64 * (TALL * tile.wide) as f64 / tile.rate)
        };
        ALL.iter().map(timed).min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// The least time for so many sums that tiles could take, if all multiprocessors were busy all the time.
    pub(super) fn least(sums: f64, multiprocessors: usize) -> f64 {
        sums / multiprocessors.max(1) as f64 / ALL.iter().map(|tile| tile.rate).fold(0.0, f64::max)
    }

    /// How many clusters have a tile of a product each, along rows and columns.
    pub(super) fn clusters(&self, [rows, columns]: [usize; 2]) -> usize {
        rows.div_ceil(TALL * self.cluster) * columns.div_ceil(self.wide)
    }

    /// Threads of a block: those that copy, and those that multiply.
    pub(super) fn threads() -> usize {
        128 * (1 + GROUPS)
    }

    /// Bytes of a stage.
    pub(super) fn stage(&self) -> usize {
        panel::bytes(TALL + self.wide)
    }

    /// Bytes of shared memory of a block: stages, two barriers for each, and what is lost as they begin at a multiple of 1024.
    pub(super) fn shared(&self) -> usize {
        self.stages * (self.stage() + 16) + 1024
    }
}
