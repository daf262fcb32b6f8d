//! For each query the product of its result and of that's gradient, which is what the gradients of its weights have in common:
//! a warp for each.

use super::kernel::Kernel;
use super::panel::SIZE;
use crate::cuda::code::{Code, Kind};

/// Threads of a warp.
const LANES: usize = 32;

pub(super) fn add(code: &mut Code, kernel: &Kernel) {
    use Kind::{Long, Short, Truth, Word};
    let thread = code.make(Word, "mov.u32", "%tid.x");
    let lane = code.make(Word, "and.b32", format!("{thread}, {}", LANES - 1));
    let warp = code.make(Word, "shr.u32", format!("{thread}, {}", LANES.ilog2()));
    let block = code.make(Word, "mov.u32", "%ctaid.x");
    let [block, lane_long, warp] = [&block, &lane, &warp].map(|number| code.make(Long, "cvt.u64.u32", number));
    let number = code.make(Long, "mad.lo.s64", format!("{block}, {}, {warp}", super::WARPS));
    let [heads, queries, all] = ["heads", "queries", "rows"].map(|name| code.long(name));
    let is_row = code.make(Truth, "setp.lt.s64", format!("{number}, {all}"));
    // Of the last block, warps beyond the last row read its first.
    let row = code.make(Long, "selp.b64", format!("{number}, 0, {is_row}"));
    let (outer, query) = code.divide(Kind::Long, &row, &queries);
    let (batch, head) = code.divide(Kind::Long, &outer, &heads);
    let places = ["out", "d_out"].map(|name| {
        let place = code.long(name);
        for (number, which) in [(&batch, "batch"), (&head, "head"), (&query, "position")] {
            let stride = code.long(&format!("{name}_{which}"));
            code.add(format!("mad.lo.s64 {place}, {number}, {stride}, {place}"));
        }
        code.make(Long, "mad.lo.s64", format!("{lane_long}, {SIZE}, {place}"))
    });
    let sum = code.make(Word, "mov.b32", "0");
    for first in (0..kernel.widths[1]).step_by(LANES) {
        let is_there = code.make(Truth, "setp.lt.s32", format!("{lane}, {}", kernel.widths[1] - first));
        let [a, b] = [0, 1].map(|side: usize| {
            let element = code.make(Short, "mov.b16", "0");
            code.add(format!("@{is_there} ld.global.b16 {element}, [{}+{}]", places[side], first * SIZE));
            kernel.widen(code, &element)
        });
        code.add(format!("fma.rn.f32 {sum}, {a}, {b}, {sum}"));
    }
    for distance in [1, 2, 4, 8, 16] {
        let other = code.make(Word, "shfl.sync.bfly.b32", format!("{sum}, {distance}, 31, -1"));
        code.add(format!("add.rn.f32 {sum}, {sum}, {other}"));
    }
    let is_first = code.make(Truth, "setp.eq.s32", format!("{lane}, 0"));
    let writes = code.make(Truth, "setp.lt.and.s64", format!("{number}, {all}, {is_first}"));
    let deltas = code.long("deltas");
    let to = code.make(Long, "mad.lo.s64", format!("{number}, 4, {deltas}"));
    code.add(format!("@{writes} st.global.b32 [{to}], {sum}"));
}
