//! What a block computes, and what each of its threads has of it.

use super::kernel::{Kernel, Side};
use super::panel::TALL;
use crate::cuda::code::{Code, Kind};

/// The registers of a thread that say where it is.
pub(super) struct Frame {
    /// The numbers of the thread in the block and in its warp.
    pub(super) thread: String,
    pub(super) lane: String,
    /// Where shared memory begins.
    pub(super) memory: String,
    /// The block's first row, the first of its warp's from there on, and the first of the thread's.
    pub(super) first: String,
    pub(super) warp: String,
    pub(super) row: String,
    /// The first of the thread's columns among every 8: it has that and the next.
    pub(super) pair: String,
    /// The numbers of the batch, and of the first head of queries, and the head of keys.
    batch: String,
    heads: [String; 2],
}

impl Frame {
    pub(super) fn new(code: &mut Code, kernel: &Kernel, rows: Side) -> Self {
        use Kind::Word;
        let thread = code.make(Word, "mov.u32", "%tid.x");
        let lane = code.make(Word, "and.b32", format!("{thread}, 31"));
        let memory = code.make(Word, "mov.u32", "memory");
        let block = code.make(Word, "mov.u32", "%ctaid.x");
        let [tiles, heads, group] = ["tiles", "heads", "group"].map(|name| code.word(name));
        let (outer, tile) = code.divide(Kind::Word, &block, &tiles);
        let tile = match rows {
            // Rows that see most come first.
            Side::Queries if kernel.causal => {
                let last = code.make(Word, "sub.s32", format!("{tiles}, 1"));
                code.make(Word, "sub.s32", format!("{last}, {tile}"))
            }
            _ => tile,
        };
        let (batch, heads) = match rows {
            Side::Queries => {
                let (batch, head) = code.divide(Kind::Word, &outer, &heads);
                let shared = code.make(Word, "div.u32", format!("{head}, {group}"));
                (batch, [head, shared])
            }
            Side::Keys => {
                let shared = code.make(Word, "div.u32", format!("{heads}, {group}"));
                let (batch, head) = code.divide(Kind::Word, &outer, &shared);
                let first = code.make(Word, "mul.lo.u32", format!("{head}, {group}"));
                (batch, [first, head])
            }
        };
        let first = code.make(Word, "mul.lo.u32", format!("{tile}, {}", kernel.tile.rows()));
        let warp = code.make(Word, "shr.u32", format!("{thread}, 5"));
        let warp = code.make(Word, "mul.lo.u32", format!("{warp}, {}", TALL * kernel.tile.pieces));
        let group = code.make(Word, "shr.u32", format!("{lane}, 2"));
        let row = code.make(Word, "add.u32", format!("{group}, {first}"));
        let row = code.make(Word, "add.u32", format!("{row}, {warp}"));
        let pair = code.make(Word, "and.b32", format!("{lane}, 3"));
        let pair = code.make(Word, "mul.lo.u32", format!("{pair}, 2"));
        Self { thread, lane, memory, first, warp, row, pair, batch, heads }
    }

    /// The address of a tensor's batch and head.
    pub(super) fn base(&self, code: &mut Code, name: &str, of: Side) -> String {
        let base = code.long(name);
        let head = &self.heads[usize::from(of == Side::Keys)];
        for (number, which) in [(&self.batch, "batch"), (head, "head")] {
            let number = code.make(Kind::Long, "cvt.u64.u32", number);
            let stride = code.long(&format!("{name}_{which}"));
            code.add(format!("mad.lo.s64 {base}, {number}, {stride}, {base}"));
        }
        base
    }

    /// The address of the first of the numbers that each row of queries has, one after the other.
    pub(super) fn numbers(&self, code: &mut Code, name: &str) -> String {
        let heads = code.word("heads");
        let head = code.make(Kind::Word, "mad.lo.u32", format!("{}, {heads}, {}", self.batch, self.heads[0]));
        let head = code.make(Kind::Long, "cvt.u64.u32", head);
        let queries = code.long("queries");
        let row = code.make(Kind::Long, "mul.lo.s64", format!("{head}, {queries}"));
        let base = code.long(name);
        code.make(Kind::Long, "mad.lo.s64", format!("{row}, 4, {base}"))
    }

    /// The number of a thread's row: of a piece of 16, the upper or the lower.
    pub(super) fn row(&self, code: &mut Code, [piece, half]: [usize; 2]) -> String {
        code.make(Kind::Word, "add.u32", format!("{}, {}", self.row, TALL * piece + 8 * half))
    }
}
