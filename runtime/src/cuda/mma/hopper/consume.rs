//! What the warps do that multiply: a group of four takes 64 rows of each tile.
//!
//! The products of a stage are started while those of the stage before are computed; then that stage is left. No register of
//! sums is touched in between.
//!
//! When all products of a tile are there, its sums are rounded to other registers, with the bias, which was read before. Those
//! elements are written in pieces, one in each of the next tile's first stages: when its products are started and the stage
//! before is left. So the tensor cores have a stage's products to compute meanwhile. The first tile of a block has no elements
//! before it, and those of the last one are written when nothing is left to multiply. If kernels do not overlap so, elements
//! are written as soon as they are rounded.

use thunder_tensor::DType;

use super::copies::Ahead;
use super::held::Held;
use super::kernel::{Block, Kernel, Ring, wait};
use super::panel::{self, DEPTH, TERMS};
use super::pieces::Pieces;
use super::store::{Store, hold};
use super::walk::Walk;
use crate::cuda::code::{Code, Kind};

/// Rows of a group of warps.
pub(super) const ROWS: usize = 64;

/// Multiplies all stages of the block's tiles, and writes sums.
pub(super) fn consume(code: &mut Code, kernel: &Kernel, block: &Block, walk: &Walk) {
    use Kind::{Truth, Word};
    let tile = &kernel.tile;
    let store = Store::new(code, kernel, block);
    let sums = code.many(Word, tile.wide / 2);
    let terms = code.word("k");
    // What tensor cores are told of both panels in the first stage, in units of 16 bytes.
    let lhs = code.make(Word, "mad.lo.u32", format!("{}, {}, {}", block.group, panel::bytes(ROWS), block.memory));
    let rhs = code.make(Word, "add.u32", format!("{}, {}", block.memory, Kernel::rhs()));
    // In blocks of a cluster but the first, addresses have more bits, which say whose memory it is.
    let starts = [lhs, rhs].map(|address| {
        let own = code.make(Word, "and.b32", format!("{address}, {}", panel::ADDRESSES));
        code.make(Word, "shr.u32", format!("{own}, 4"))
    });
    let starts = [0, 1].map(|side: usize| {
        let lower = panel::lower(kernel.sums[side]);
        code.make(Word, "add.u32", format!("{}, {lower}", starts[side]))
    });
    let upper = code.make(Word, "mov.u32", panel::UPPER.to_string());
    // One thread of each warp for each block of the cluster.
    let tells = code.make(Truth, "setp.lt.s32", format!("{}, {}", block.lane, tile.cluster));
    let empty = code.make(Word, "add.u32", format!("{}, {}", block.barriers, kernel.empty(0)));
    let empty = match tile.cluster {
        1 => empty,
        cluster => {
            let other = code.make(Word, "and.b32", format!("{}, {}", block.lane, cluster - 1));
            code.make(Word, "mapa.shared::cluster.u32", format!("{empty}, {other}"))
        }
    };
    let full = Ring::new(code, 0);
    let before = Ring::new(code, 0);
    let leave = |code: &mut Code, guard: &str| {
        let barrier = before.place(code, &empty, 8);
        let space = if tile.cluster == 1 { "cta" } else { "cluster" };
        code.add(format!("@{guard} mbarrier.arrive.shared::{space}.b64 _, [{barrier}]"));
    };

    let held = Held::new(code, kernel);
    let pieces = |code: &mut Code, held, labels| Pieces::new(code, kernel, &store, held, labels);

    code.label("tile");
    walk.leave(code, if kernel.overlaps { "rest" } else { "end" });
    // The first stages of a tile: of the first nothing is left yet.
    let starts = [&*starts[0], &starts[1], &upper];
    let overlapped = held.as_ref().filter(|_| kernel.overlaps);
    let mut earlier = overlapped.map(|held| pieces(code, held, ("before", Ahead::NEAR)));
    let first = if kernel.overlaps { kernel.pieces() } else { 1 };
    for stage in 0..first {
        multiply(code, kernel, starts, &sums, (&full, &block.barriers), Some(stage));
        if stage > 0 {
            code.add("wgmma.wait_group.sync.aligned 1");
            leave(code, &tells);
            before.advance(code, tile.stages);
        }
        full.advance(code, tile.stages);
        if let Some(pieces) = &mut earlier {
            pieces.next_if_any(code);
        }
    }
    let term = code.make(Word, "mov.u32", (first * DEPTH).to_string());
    if !kernel.overlaps {
        let is_only = code.make(Truth, "setp.ge.s32", format!("{term}, {terms}"));
        code.add(format!("@{is_only} bra last"));
    }

    code.label("stage");
    multiply(code, kernel, starts, &sums, (&full, &block.barriers), None);
    code.add("wgmma.wait_group.sync.aligned 1");
    leave(code, &tells);
    before.advance(code, tile.stages);
    full.advance(code, tile.stages);
    code.add(format!("add.u32 {term}, {term}, {DEPTH}"));
    let is_more = code.make(Truth, "setp.lt.s32", format!("{term}, {terms}"));
    code.add(format!("@{is_more} bra stage"));

    code.label("last");
    // While the last products are computed.
    let place = walk.place(code);
    walk.advance(code);
    let biases = held.as_ref().map_or_else(Vec::new, |held| store.locate(code, kernel, held, &place));
    let read = |code: &mut Code, piece| biases.iter().map(|bias| bias.read(code, kernel, piece)).collect::<Vec<_>>();
    let all: Vec<_> = overlapped.iter().flat_map(|_| 0..kernel.pieces()).map(|piece| read(code, piece)).collect();
    code.add("wgmma.wait_group.sync.aligned 0");
    leave(code, &tells);
    before.advance(code, tile.stages);
    match &held {
        None => store.store(code, kernel, &sums, &place),
        Some(held) if kernel.overlaps => {
            (0..).zip(&all).for_each(|(piece, biases)| hold(code, kernel, &sums, (held, piece), biases));
        }
        Some(held) => {
            let mut pieces = pieces(code, held, ("place", Ahead::FAR));
            for piece in 0..kernel.pieces() {
                let biases = read(code, piece);
                hold(code, kernel, &sums, (held, piece), &biases);
                pieces.next(code);
            }
        }
    }
    code.add("bra tile");
    if let Some(held) = overlapped {
        // Nothing is left to multiply.
        code.label("rest");
        let mut pieces = pieces(code, held, ("place", Ahead::FAR));
        (0..kernel.pieces()).for_each(|_| pieces.next(code));
    }
}

/// Waits for a stage and starts its products: of a tile's first stages their number is told, and products of the very first
/// are not added to what sums were.
fn multiply(
    code: &mut Code,
    kernel: &Kernel,
    [lhs, rhs, upper]: [&str; 3],
    sums: &[String],
    (ring, barriers): (&Ring, &str),
    number: Option<usize>,
) {
    let full = ring.place(code, barriers, 8);
    let label = number.map_or_else(|| "wait".to_owned(), |number| format!("wait{number}"));
    wait(code, &full, &ring.parity, &label);
    let starts = [lhs, rhs].map(|start| ring.place(code, start, kernel.tile.stage() >> 4));
    let adds = [0, 1].map(|adds: usize| {
        let number = code.make(Kind::Word, "mov.u32", adds.to_string());
        code.make(Kind::Truth, "setp.ne.s32", format!("{number}, 0"))
    });
    code.add("wgmma.fence.sync.aligned");
    let dtype = if kernel.dtype == DType::F16 { "f16" } else { "bf16" };
    let ways = kernel.sums.map(|sums| usize::from(!sums));
    for step in 0..DEPTH / TERMS {
        let panels = [0, 1].map(|side: usize| {
            let next = step * panel::next(kernel.sums[side]);
            let lower = code.make(Kind::Word, "add.u32", format!("{}, {next}", starts[side]));
            code.make(Kind::Long, "mov.b64", format!("{{{lower}, {upper}}}"))
        });
        code.add(format!(
            "wgmma.mma_async.sync.aligned.m64n{}k16.f32.{dtype}.{dtype} {{{}}}, {}, {}, {}, 1, 1, {}, {}",
            kernel.tile.wide,
            sums.join(", "),
            panels[0],
            panels[1],
            adds[usize::from(number != Some(0) || step > 0)],
            ways[0],
            ways[1],
        ));
    }
    code.add("wgmma.commit_group.sync.aligned");
}
