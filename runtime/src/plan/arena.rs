//! Places intermediate buffers in one block of memory, so that no two that are live together overlap.
//!
//! One after the other into the smallest gap that fits: the largest first (Pisarchyk and Lee, "Efficient Memory Management
//! for Deep Neural Net Inference", 2020), or those first that live longest, take most memory over time, or begin
//! earliest, whichever takes least.

/// Alignment of buffers of a processor.
pub(super) const CACHE_LINE: usize = 64;

/// Alignment of buffers of a GPU: what its libraries ask for to use their fastest code.
pub(super) const GPU_LINE: usize = 256;

/// How much memory the intermediate values of a run take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStatistics {
    /// Bytes of the arena.
    pub arena_bytes: usize,
    /// The most bytes that are live at one step: no arena can be smaller.
    pub live_bytes: usize,
    /// Bytes of all buffers together, as if none shared memory.
    pub total_bytes: usize,
}

/// A buffer and the steps, first and last, between which it is live.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    pub bytes: usize,
    pub first: usize,
    pub last: usize,
}

/// Offsets of the buffers, in order, all multiples of `align`; `None` stays where nothing is to be placed.
pub(super) fn place(
    buffers: &[Option<Interval>],
    steps: usize,
    align: usize,
) -> Option<(Vec<usize>, MemoryStatistics)> {
    let round = |bytes: usize| bytes.checked_next_multiple_of(align);
    let mut sizes = vec![0_usize; buffers.len()];
    let mut memory = MemoryStatistics::default();
    let mut change = vec![0_isize; steps + 1];
    for (size, buffer) in sizes.iter_mut().zip(buffers) {
        let Some(buffer) = buffer else { continue };
        *size = round(buffer.bytes)?;
        memory.total_bytes = memory.total_bytes.checked_add(*size)?;
        isize::try_from(memory.total_bytes).ok()?;
        change[buffer.first] += *size as isize;
        change[buffer.last + 1] -= *size as isize;
    }
    let mut live = 0_isize;
    for change in change {
        live += change;
        memory.live_bytes = memory.live_bytes.max(live as usize);
    }

    // Which order packs best differs from program to program, and planning happens once.
    let lifetime = |i: usize| buffers[i].map_or(0, |buffer| buffer.last - buffer.first + 1);
    let orders: [&dyn Fn(usize) -> (usize, usize); 4] = [
        &|i| (sizes[i], lifetime(i)),
        &|i| (lifetime(i), sizes[i]),
        &|i| (sizes[i].saturating_mul(lifetime(i)), sizes[i]),
        &|i| (buffers[i].map_or(0, |buffer| steps - buffer.first), sizes[i]),
    ];
    let mut best: Option<Vec<usize>> = None;
    for order in orders {
        let (offsets, arena_bytes) = pack(buffers, &sizes, order);
        if best.is_none() || arena_bytes < memory.arena_bytes {
            (best, memory.arena_bytes) = (Some(offsets), arena_bytes);
        }
        if memory.arena_bytes == memory.live_bytes {
            break;
        }
    }
    Some((best.unwrap_or_default(), memory))
}

/// Offsets of the buffers, those of the largest key first, and the bytes of the arena.
fn pack(buffers: &[Option<Interval>], sizes: &[usize], key: &dyn Fn(usize) -> (usize, usize)) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..buffers.len()).filter(|&i| sizes[i] > 0).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(key(i)));
    let mut offsets = vec![0_usize; buffers.len()];
    let mut arena_bytes = 0;
    // By offset, so that gaps are found in one pass.
    let mut placed: Vec<usize> = Vec::with_capacity(order.len());
    for i in order {
        let Some(buffer) = buffers[i] else { continue };
        let mut best: Option<(usize, usize)> = None;
        let mut end = 0_usize;
        for &other in &placed {
            let Some(neighbour) = buffers[other] else { continue };
            if neighbour.last < buffer.first || buffer.last < neighbour.first {
                continue;
            }
            let gap = offsets[other].saturating_sub(end);
            if gap >= sizes[i] && best.is_none_or(|(smallest, _)| gap < smallest) {
                best = Some((gap, end));
            }
            end = end.max(offsets[other] + sizes[other]);
        }
        offsets[i] = best.map_or(end, |(_, offset)| offset);
        arena_bytes = arena_bytes.max(offsets[i] + sizes[i]);
        let at = placed.partition_point(|&other| offsets[other] <= offsets[i]);
        placed.insert(at, i);
    }
    (offsets, arena_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn live_buffers_never_overlap(
            buffers in prop::collection::vec((0..5000_usize, 0..40_usize, 0..12_usize), 0..60),
        ) {
            let buffers: Vec<_> = buffers
                .into_iter()
                .map(|(bytes, first, length)| {
                    (bytes % 7 != 3).then_some(Interval { bytes, first, last: first + length })
                })
                .collect();
            let (offsets, memory) = place(&buffers, 60, CACHE_LINE).unwrap();
            for (i, a) in buffers.iter().enumerate() {
                let Some(a) = a else { continue };
                prop_assert_eq!(offsets[i] % CACHE_LINE, 0);
                prop_assert!(offsets[i] + a.bytes <= memory.arena_bytes);
                for (j, b) in buffers.iter().enumerate().skip(i + 1) {
                    let Some(b) = b else { continue };
                    let together = a.first <= b.last && b.first <= a.last;
                    let apart = offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i];
                    prop_assert!(!together || apart, "{:?} and {:?}", a, b);
                }
            }
            prop_assert!(memory.live_bytes <= memory.arena_bytes);
            prop_assert!(memory.arena_bytes <= memory.total_bytes);
        }
    }

    #[test]
    fn a_chain_needs_two_buffers() {
        let chain: Vec<_> = (0..10).map(|i| Some(Interval { bytes: 1000, first: i, last: i + 1 })).collect();
        let (_, memory) = place(&chain, 11, CACHE_LINE).unwrap();
        assert_eq!(memory, MemoryStatistics { arena_bytes: 2048, live_bytes: 2048, total_bytes: 10240 });
    }
}
