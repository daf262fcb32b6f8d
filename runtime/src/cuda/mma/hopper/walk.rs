//! The tiles of a block, one after the other, and where each is.
//!
//! Tiles of a group of rows follow each other column by column, so that blocks that run together read the same panels.

use super::kernel::{Block, GROUP, Kernel};
use super::tile::TALL;
use crate::cuda::code::{Code, Kind};

/// The registers of a walk.
pub(super) struct Walk {
    /// The number of the cluster's next tile, how many there are, and how many clusters.
    tile: String,
    tiles: String,
    clusters: String,
    /// Clusters along rows and columns of a product.
    tall: String,
    wide: String,
    rank: String,
    cluster: usize,
    columns: usize,
    /// The extents of the batch.
    extents: Vec<String>,
}

/// Where a tile is: its first row and column, and the numbers of its product along the batch.
pub(super) struct Place {
    pub(super) start: [String; 2],
    pub(super) batch: Vec<String>,
}

impl Walk {
    pub(super) fn new(code: &mut Code, kernel: &Kernel, block: &Block) -> Self {
        let cluster = kernel.tile.cluster;
        let shift = cluster.ilog2();
        let [tile, clusters] = ["%ctaid.x", "%nctaid.x"].map(|name| {
            let number = code.make(Kind::Word, "mov.u32", name);
            code.make(Kind::Word, "shr.u32", format!("{number}, {shift}"))
        });
        let [tiles, tall, wide] = ["tiles", "tall", "wide"].map(|name| code.word(name));
        let extents = (0..kernel.batch).map(|dim| code.word(&format!("batch{dim}_extent"))).collect();
        let (rank, columns) = (block.rank.clone(), kernel.columns());
        Self { tile, tiles, clusters, tall, wide, rank, cluster, columns, extents }
    }

    /// Jumps if no tile is left.
    pub(super) fn leave(&self, code: &mut Code, label: &str) {
        let is_done = code.make(Kind::Truth, "setp.ge.s32", format!("{}, {}", self.tile, self.tiles));
        code.add(format!("@{is_done} bra {label}"));
    }

    /// Goes on to the next tile.
    pub(super) fn advance(&self, code: &mut Code) {
        code.add(format!("add.u32 {0}, {0}, {1}", self.tile, self.clusters));
    }

    /// Where the tile is.
    pub(super) fn place(&self, code: &mut Code) -> Place {
        use Kind::Word;
        let of_product = code.make(Word, "mul.lo.u32", format!("{}, {}", self.tall, self.wide));
        let (mut product, tile) = code.divide(Kind::Word, &self.tile, &of_product);
        let rows = GROUP / self.cluster;
        let of_group = code.make(Word, "mul.lo.u32", format!("{}, {rows}", self.wide));
        let (group, tile) = code.divide(Kind::Word, &tile, &of_group);
        let first = code.make(Word, "mul.lo.u32", format!("{group}, {rows}"));
        let left = code.make(Word, "sub.u32", format!("{}, {first}", self.tall));
        let rows = code.make(Word, "min.u32", format!("{left}, {rows}"));
        let (column, row) = code.divide(Kind::Word, &tile, &rows);
        let row = code.make(Word, "add.u32", format!("{row}, {first}"));
        let row = code.make(Word, "mad.lo.u32", format!("{row}, {}, {}", self.cluster, self.rank));
        let row = code.make(Word, "mul.lo.u32", format!("{row}, {TALL}"));
        let column = code.make(Word, "mul.lo.u32", format!("{column}, {}", self.columns));
        let mut batch = Vec::new();
        for extent in self.extents.iter().rev() {
            let (outer, index) = code.divide(Kind::Word, &product, extent);
            batch.insert(0, index);
            product = outer;
        }
        Place { start: [row, column], batch }
    }
}
