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
    /// The most bytes of it that are live at one step: no arena can be smaller.
    pub live_bytes: usize,
    /// Bytes of all buffers together, as if none shared memory.
    pub total_bytes: usize,
    /// Bytes beside the arena that calls of a GPU's libraries use one after the other; none before the first run.
    pub workspace_bytes: usize,
}

/// A buffer and the steps, first and last, between which it is live.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    pub bytes: usize,
    pub first: usize,
    pub last: usize,
}

/// Memory that buffers may have before the step that first touches it: an output's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Host {
    pub bytes: usize,
    pub first: usize,
}

/// Where a buffer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Location {
    /// The number of the host; `None` is the arena.
    pub host: Option<usize>,
    pub offset: usize,
}

/// The places of the buffers, in order, their offsets all multiples of `align`; what has no interval has no bytes. Hosts take
/// what they can, and the arena the rest.
pub(super) fn place(
    buffers: &[Option<Interval>],
    hosts: &[Host],
    steps: usize,
    align: usize,
) -> Option<(Vec<Location>, MemoryStatistics)> {
    let mut sizes = vec![0_usize; buffers.len()];
    let mut memory = MemoryStatistics::default();
    for (size, buffer) in sizes.iter_mut().zip(buffers) {
        let Some(buffer) = buffer else { continue };
        *size = buffer.bytes.checked_next_multiple_of(align)?;
        memory.total_bytes = memory.total_bytes.checked_add(*size)?;
        isize::try_from(memory.total_bytes).ok()?;
    }
    let hosted = host(buffers, &sizes, hosts);
    let buffers: Vec<Option<Interval>> =
        buffers.iter().zip(&hosted).map(|(buffer, place)| buffer.filter(|_| place.is_none())).collect();
    let mut change = vec![0_isize; steps + 1];
    for (size, buffer) in sizes.iter().zip(&buffers) {
        let Some(buffer) = buffer else { continue };
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
        let (offsets, arena_bytes) = pack(&buffers, &sizes, order);
        if best.is_none() || arena_bytes < memory.arena_bytes {
            (best, memory.arena_bytes) = (Some(offsets), arena_bytes);
        }
        if memory.arena_bytes == memory.live_bytes {
            break;
        }
    }
    let arena = best.unwrap_or_default().into_iter().map(|offset| Location { host: None, offset });
    Some((hosted.into_iter().zip(arena).map(|(hosted, own)| hosted.unwrap_or(own)).collect(), memory))
}

/// Places buffers in hosts, the largest first, of these the longest live, each in the smallest gap of one that is not touched as
/// long as it is live, of these the one that is touched soonest: others may hold what lives longer.
fn host(buffers: &[Option<Interval>], sizes: &[usize], hosts: &[Host]) -> Vec<Option<Location>> {
    let mut places = vec![None; buffers.len()];
    let mut guests: Vec<Vec<usize>> = vec![Vec::new(); hosts.len()];
    let mut offsets = vec![0_usize; buffers.len()];
    let mut order: Vec<usize> = (0..buffers.len()).filter(|&i| sizes[i] > 0).collect();
    let lifetime = |i: usize| buffers[i].map_or(0, |buffer| buffer.last - buffer.first);
    order.sort_by_key(|&i| std::cmp::Reverse((sizes[i], lifetime(i))));
    for i in order {
        let Some(buffer) = buffers[i] else { continue };
        let able = hosts.iter().enumerate().filter(|(_, host)| buffer.last < host.first && sizes[i] <= host.bytes);
        let gaps = able.filter_map(|(number, host)| {
            let gap = gap(buffers, sizes, &offsets, &guests[number], i);
            // What is behind all that live at the same time ends with the host.
            let (room, offset) = gap.unwrap_or_else(|end| (host.bytes.saturating_sub(end), end));
            (room >= sizes[i]).then_some((room, host.first, number, offset))
        });
        let Some((_, _, number, offset)) = gaps.min() else { continue };
        places[i] = Some(Location { host: Some(number), offset });
        offsets[i] = offset;
        let guests = &mut guests[number];
        let at = guests.partition_point(|&other| offsets[other] <= offset);
        guests.insert(at, i);
    }
    places
}

/// Memory in which no buffer is live at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unused {
    /// The largest piece of the arena or of a host, and its bytes.
    pub piece: Option<(Location, usize)>,
    /// Where all that is live in the arena ends.
    pub end: usize,
}

/// What is unused at a step, at multiples of `align`, of an arena of so many bytes and of hosts.
pub(super) fn unused(
    step: usize,
    (buffers, places): (&[Option<Interval>], &[Location]),
    hosts: &[Host],
    arena_bytes: usize,
    align: usize,
) -> Unused {
    let taken = |room: Option<usize>| {
        let live = buffers.iter().zip(places).filter_map(|(buffer, place)| {
            let buffer = buffer.filter(|buffer| place.host == room && buffer.first <= step && step <= buffer.last)?;
            Some((place.offset, (place.offset + buffer.bytes).next_multiple_of(align)))
        });
        let mut taken: Vec<(usize, usize)> = live.collect();
        taken.sort_unstable();
        taken
    };
    let is_free = |(_, host): &(usize, &Host)| host.first > step;
    let hosts = hosts.iter().enumerate().filter(is_free).map(|(number, host)| (Some(number), host.bytes));
    let largest = [(None, arena_bytes)].into_iter().chain(hosts).flat_map(|(host, bytes)| {
        let mut end = 0;
        let gaps = taken(host).into_iter().chain([(bytes, bytes)]).map(|(start, next)| {
            let gap = (Location { host, offset: end }, start.saturating_sub(end));
            end = end.max(next);
            gap
        });
        gaps.max_by_key(|(_, bytes)| *bytes)
    });
    let piece = largest.max_by_key(|(_, bytes)| *bytes).filter(|(_, bytes)| *bytes > 0);
    Unused { piece, end: taken(None).into_iter().map(|(_, end)| end).max().unwrap_or(0) }
}

/// The smallest gap, with where it begins, that a buffer fits into between those of `placed` that live when it does, which
/// are in the order of their offsets; or where the last of these ends.
fn gap(
    buffers: &[Option<Interval>],
    sizes: &[usize],
    offsets: &[usize],
    placed: &[usize],
    i: usize,
) -> Result<(usize, usize), usize> {
    let (mut best, mut end): (Option<(usize, usize)>, usize) = (None, 0);
    for &other in placed {
        let (Some(buffer), Some(neighbour)) = (buffers[i], buffers[other]) else { continue };
        if neighbour.last < buffer.first || buffer.last < neighbour.first {
            continue;
        }
        let gap = offsets[other].saturating_sub(end);
        if gap >= sizes[i] && best.is_none_or(|(smallest, _)| gap < smallest) {
            best = Some((gap, end));
        }
        end = end.max(offsets[other] + sizes[other]);
    }
    best.ok_or(end)
}

/// Offsets of the buffers, those of the largest key first, and the bytes of the arena.
fn pack(buffers: &[Option<Interval>], sizes: &[usize], key: &dyn Fn(usize) -> (usize, usize)) -> (Vec<usize>, usize) {
    let mut order: Vec<usize> = (0..buffers.len()).filter(|&i| sizes[i] > 0 && buffers[i].is_some()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(key(i)));
    let mut offsets = vec![0_usize; buffers.len()];
    let mut arena_bytes = 0;
    // By offset, so that gaps are found in one pass.
    let mut placed: Vec<usize> = Vec::with_capacity(order.len());
    for i in order {
        offsets[i] = gap(buffers, sizes, &offsets, &placed, i).map_or_else(|end| end, |(_, offset)| offset);
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
            hosts in prop::collection::vec((0..9000_usize, 0..60_usize), 0..6),
        ) {
            let buffers: Vec<_> = buffers
                .into_iter()
                .map(|(bytes, first, length)| {
                    (bytes % 7 != 3).then_some(Interval { bytes, first, last: first + length })
                })
                .collect();
            let hosts: Vec<_> = hosts.into_iter().map(|(bytes, first)| Host { bytes, first }).collect();
            let (places, memory) = place(&buffers, &hosts, 60, CACHE_LINE).unwrap();
            for (i, a) in buffers.iter().enumerate() {
                let (Some(a), at) = (a, places[i]) else { continue };
                prop_assert_eq!(at.offset % CACHE_LINE, 0);
                let room = at.host.map_or(memory.arena_bytes, |host| hosts[host].bytes);
                prop_assert!(at.offset + a.bytes <= room);
                prop_assert!(at.host.is_none_or(|host| a.last < hosts[host].first));
                for (j, b) in buffers.iter().enumerate().skip(i + 1) {
                    let (Some(b), other) = (b, places[j]) else { continue };
                    let together = a.first <= b.last && b.first <= a.last && at.host == other.host;
                    let apart = at.offset + a.bytes <= other.offset || other.offset + b.bytes <= at.offset;
                    prop_assert!(!together || apart, "{:?} and {:?}", a, b);
                }
            }
            prop_assert!(memory.live_bytes <= memory.arena_bytes);
            prop_assert!(memory.arena_bytes <= memory.total_bytes);
        }
    }

    #[test]
    fn what_is_unused_at_a_step_is_what_no_buffer_has_then() {
        let interval = |bytes, first, last| Some(Interval { bytes, first, last });
        let buffers = [interval(1000, 0, 3), interval(200, 1, 1), interval(500, 2, 9), None, interval(64, 0, 9)];
        let at = |host, offset| Location { host, offset };
        let places = [at(None, 0), at(None, 1024), at(None, 1280), at(None, 0), at(Some(1), 256)];
        let hosts = [Host { bytes: 900, first: 2 }, Host { bytes: 1000, first: 20 }];
        let free = |step| unused(step, (&buffers, &places), &hosts, 1800, 256);
        let piece = |place, bytes, end| Unused { piece: Some((place, bytes)), end };
        // 1280 to 1800 of the arena, 512 to 1000 of the second output, all of the first before step 2.
        assert_eq!(free(1), piece(at(Some(0), 0), 900, 1280));
        assert_eq!(free(2), piece(at(Some(1), 512), 488, 1792));
        assert_eq!(free(9), piece(at(None, 0), 1280, 1792));
        assert_eq!(free(10), piece(at(None, 0), 1800, 0));
        assert_eq!(unused(0, (&[], &[]), &[], 0, 256), Unused { piece: None, end: 0 });
    }

    #[test]
    fn outputs_hold_what_is_dead_before_they_are_written() {
        let chain: Vec<_> = (0..10).map(|i| Some(Interval { bytes: 1000, first: i, last: i + 1 })).collect();
        let hosts = [Host { bytes: 1024, first: 10 }, Host { bytes: 1000, first: 10 }, Host { bytes: 1030, first: 5 }];
        let (places, memory) = place(&chain, &hosts, 11, CACHE_LINE).unwrap();
        // The last lives until the outputs are written; the second host is smaller than a buffer is with its padding.
        let expected = [0, 2, 0, 2, 0].map(Some).into_iter().chain([None, Some(0), None, Some(0), None]);
        assert!(places.iter().map(|place| place.host).eq(expected), "{places:?}");
        assert_eq!(memory.arena_bytes, 1024);
    }

    #[test]
    fn what_lives_long_has_the_output_that_is_written_late() {
        let buffers = [2, 8].map(|last| Some(Interval { bytes: 1024, first: 0, last }));
        let hosts = [10, 3].map(|first| Host { bytes: 1024, first });
        let (places, memory) = place(&buffers, &hosts, 11, CACHE_LINE).unwrap();
        assert!(places.iter().map(|place| place.host).eq([Some(1), Some(0)]), "{places:?}");
        assert_eq!(memory.arena_bytes, 0);
    }

    #[test]
    fn a_chain_needs_two_buffers() {
        let chain: Vec<_> = (0..10).map(|i| Some(Interval { bytes: 1000, first: i, last: i + 1 })).collect();
        let (_, memory) = place(&chain, &[], 11, CACHE_LINE).unwrap();
        assert_eq!(
            memory,
            MemoryStatistics { arena_bytes: 2048, live_bytes: 2048, total_bytes: 10240, workspace_bytes: 0 }
        );
    }
}
