//! What the warp does that copies: stage after stage, of tile after tile, one thread tells the unit for tensors what to bring.
//!
//! What is beyond an operand arrives as zeros. Of a panel of rhs, each block of a cluster brings its part to all of them.

use super::kernel::{Block, Kernel, Ring, wait};
use super::panel::{self, DEPTH};
use super::tile::TALL;
use super::walk::Walk;
use crate::cuda::code::{Code, Kind};

/// Copies all that the block's tiles need.
pub(super) fn produce(code: &mut Code, kernel: &Kernel, block: &Block, walk: &Walk) {
    use Kind::{Short, Truth, Word};
    let tile = &kernel.tile;
    let terms = code.word("k");
    let map = |code: &mut Code, name: &str| {
        let map = code.make(Kind::Long, "mov.b64", name);
        code.make(Kind::Long, "cvta.param.u64", map)
    };
    let [lhs, rhs] = ["lhs", "rhs"].map(|name| map(code, name));
    let second = (kernel.products() > 1).then(|| map(code, "second"));
    let moves: Vec<[String; 2]> =
        (0..kernel.batch).map(|dim| ["lhs", "rhs"].map(|name| code.word(&format!("batch{dim}_{name}")))).collect();
    let one = code.make(Truth, "setp.eq.s32", format!("{}, 0", block.lane));
    let all = code.make(Short, "mov.b16", ((1 << tile.cluster) - 1).to_string());
    // Of rhs: its columns in a block's part, where the part begins, and from which column of the tile on.
    let part = kernel.part();
    let part_memory =
        code.make(Word, "mad.lo.u32", format!("{}, {}, {}", block.rank, panel::bytes(part), block.memory));
    let columns = if second.is_none() { part } else { 0 };
    let part_column = code.make(Word, "mul.lo.u32", format!("{}, {columns}", block.rank));
    // The block's part is of the second product, or it has a part of each.
    let (rhs, second) = match (second, tile.cluster) {
        (Some(second), 2..) => {
            let is_first = code.make(Truth, "setp.eq.s32", format!("{}, 0", block.rank));
            (code.make(Kind::Long, "selp.b64", format!("{rhs}, {second}, {is_first}")), None)
        }
        (second, _) => (rhs, second),
    };
    let mut parts = vec![(0, TALL, &block.memory, 0, lhs), (1, part, &part_memory, Kernel::rhs(), rhs)];
    parts.extend(second.map(|second| (1, part, &part_memory, Kernel::rhs() + panel::bytes(part), second)));
    // Stages are empty at first, as if the phase before the first had ended.
    let ring = Ring::new(code, 1);
    let empty = code.make(Word, "add.u32", format!("{}, {}", block.barriers, kernel.empty(0)));

    code.label("copy_tile");
    walk.leave(code, "end");
    let place = walk.place(code);
    let column = code.make(Word, "add.u32", format!("{}, {part_column}", place.start[1]));
    let starts = [place.start[0].clone(), column];
    // Where columns lie in groups: of which group each copy is, and from which of its columns on.
    let groups: Vec<[String; 2]> = kernel.group.map_or_else(Vec::new, |width| {
        let width = code.make(Word, "mov.u32", width.to_string());
        let copies = (0..part).step_by(panel::copied(kernel.sums[1], part));
        let first = copies.map(|first| {
            let column = code.make(Word, "add.u32", format!("{}, {first}", starts[1]));
            <[String; 2]>::from(code.divide(Word, &column, &width))
        });
        first.collect()
    });
    let batch = [0, 1].map(|side: usize| {
        let own = place.batch.iter().zip(&moves);
        own.map(|(index, moves)| code.make(Word, "mul.lo.u32", format!("{index}, {}", moves[side]))).collect::<Vec<_>>()
    });
    let term = code.make(Word, "mov.u32", "0");

    code.label("copy_stage");
    let left = ring.place(code, &empty, 8);
    wait(code, &left, &ring.parity, "copy_wait");
    let full = ring.place(code, &block.barriers, 8);
    let bytes = tile.stage();
    code.add(format!("@{one} mbarrier.arrive.expect_tx.shared::cta.b64 _, [{full}], {bytes}"));
    for (side, count, memory, offset, map) in parts {
        let to = ring.place(code, memory, bytes);
        let copied = panel::copied(kernel.sums[side], count);
        for first in (0..count).step_by(copied) {
            let group = groups.get(first / copied).filter(|_| side == 1);
            let own = match group {
                Some([_, column]) => column.clone(),
                None => code.make(Word, "add.u32", format!("{}, {first}", starts[side])),
            };
            let mut coordinates = if kernel.sums[side] { vec![term.clone(), own] } else { vec![own, term.clone()] };
            coordinates.extend(group.map(|[number, _]| number.clone()));
            coordinates.extend(batch[side].iter().cloned());
            let (ways, mask) = match (side, tile.cluster) {
                (0, _) | (_, 1) => ("", String::new()),
                _ => (".multicast::cluster", format!(", {all}")),
            };
            code.add(format!(
                "@{one} cp.async.bulk.tensor.{}d.shared::cluster.global.mbarrier::complete_tx::bytes{ways} \
                 [{to}+{}], [{}, {{{}}}], [{full}]{mask}",
                coordinates.len(),
                offset + panel::bytes(first),
                map,
                coordinates.join(", ")
            ));
        }
    }
    ring.advance(code, tile.stages);
    code.add(format!("add.u32 {term}, {term}, {DEPTH}"));
    let is_more = code.make(Truth, "setp.lt.s32", format!("{term}, {terms}"));
    code.add(format!("@{is_more} bra copy_stage"));
    walk.advance(code);
    code.add("bra copy_tile");
}
