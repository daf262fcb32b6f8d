//! Launches that need nothing of each other, run together.
//!
//! A program of many small kernels, such as the step of an optimizer over a hundred parameters, would spend its time on
//! starting and joining threads. So consecutive launches of which none writes what another touches are one *wave*: one job
//! of the pool, whose chunks are pieces of about the same work, of one launch or of several.

use std::collections::HashSet;
use std::ops::Range;

use super::{PlannedLaunch, PlannedStep};
use crate::program::{Access, Program, Root, Step};

/// Chunks per thread: enough that unequal cores finish together.
pub(super) const CHUNKS_PER_THREAD: usize = 4;

/// The number of the wave of each step, in ascending order; the steps of one wave are launches.
pub(super) fn of_steps(program: &Program) -> Vec<usize> {
    let mut waves = Vec::with_capacity(program.steps.len());
    let (mut wave, mut is_open) = (0, false);
    let (mut read, mut written): (HashSet<Root>, HashSet<Root>) = Default::default();
    for step in &program.steps {
        let touched: Vec<(Root, Access)> =
            step.accesses().map(|(place, access)| (program.owner(place.root), access)).collect();
        let is_apart =
            touched.iter().all(|(root, access)| !(written.contains(root) || access.is_write() && read.contains(root)));
        let is_launch = matches!(step, Step::Launch(_));
        if !(is_open && is_launch && is_apart) {
            wave += usize::from(!waves.is_empty());
            read.clear();
            written.clear();
        }
        is_open = is_launch;
        for (root, access) in touched {
            let seen = if access.is_write() { &mut written } else { &mut read };
            seen.insert(root);
        }
        waves.push(wave);
    }
    waves
}

/// A part of the rows of a launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Which launch of the wave.
    pub launch: usize,
    pub start: usize,
    pub length: usize,
}

/// The launches of one wave, cut for the pool.
#[derive(Clone, Debug)]
pub(crate) struct Wave {
    pub launches: Vec<PlannedLaunch>,
    pub pieces: Vec<Piece>,
    /// The pieces of each chunk.
    pub chunks: Vec<Range<usize>>,
}

/// One step for launches that are independent of each other.
pub(super) fn joined(mut launches: Vec<PlannedLaunch>, threads: usize) -> PlannedStep {
    if launches.len() == 1
        && let Some(launch) = launches.pop()
    {
        return PlannedStep::Launch(launch);
    }
    // Work in units of what a thread should get at least.
    let units = |launch: &PlannedLaunch| launch.split.as_ref().map_or(0.0, |s| s.extent as f64 / s.grain as f64);
    let total: f64 = launches.iter().map(units).sum();
    let chunks = if threads == 1 { 1 } else { threads * CHUNKS_PER_THREAD };
    let target = (total / chunks as f64).max(1.0);
    let (mut pieces, mut ranges) = (Vec::new(), Vec::new());
    let (mut first, mut weight) = (0, 0.0);
    let mut add = |piece: Piece, units: f64| {
        pieces.push(piece);
        weight += units;
        if weight >= target {
            ranges.push(first..pieces.len());
            (first, weight) = (pieces.len(), 0.0);
        }
    };
    for (launch, planned) in launches.iter().enumerate() {
        let Some(split) = &planned.split else {
            add(Piece { launch, start: 0, length: 0 }, 0.0);
            continue;
        };
        let rows = ((target * split.grain as f64) as usize).checked_next_multiple_of(split.grain);
        let rows = rows.unwrap_or(split.extent).max(1);
        for start in (0..split.extent).step_by(rows) {
            let length = rows.min(split.extent - start);
            add(Piece { launch, start, length }, length as f64 / split.grain as f64);
        }
    }
    if first < pieces.len() {
        ranges.push(first..pieces.len());
    }
    PlannedStep::Wave(Wave { launches, pieces, chunks: ranges })
}

#[cfg(test)]
mod tests {
    use super::super::Split;
    use super::*;

    fn launch(split: Option<(usize, usize)>) -> PlannedLaunch {
        let split = split.map(|(extent, grain)| Split {
            dim: 0,
            start: None,
            extent,
            grain,
            chunk: extent,
            chunks: 1,
            advance: Vec::new(),
        });
        PlannedLaunch { kernel: 0, slots: 0..0, numbers: 0..0, split, grid: None }
    }

    #[test]
    fn pieces_cover_all_rows_once() {
        let launches: Vec<_> =
            [Some((100, 1)), None, Some((3, 64)), Some((0, 4)), Some((7, 3)), Some((1 << 20, 16))].map(launch).into();
        for threads in [1, 2, 8] {
            let PlannedStep::Wave(wave) = joined(launches.clone(), threads) else {
                panic!("several launches are a wave")
            };
            assert!(wave.chunks.iter().flat_map(Clone::clone).eq(0..wave.pieces.len()), "{:?}", wave.chunks);
            assert!(wave.chunks.len() <= 2 * threads * CHUNKS_PER_THREAD, "{}", wave.chunks.len());
            for (number, launch) in launches.iter().enumerate() {
                let own: Vec<_> = wave.pieces.iter().filter(|piece| piece.launch == number).collect();
                let Some(split) = &launch.split else {
                    assert_eq!(own.len(), 1);
                    continue;
                };
                let mut next = 0;
                for piece in own {
                    assert_eq!(piece.start, next);
                    next += piece.length;
                    assert!(next == split.extent || piece.length % split.grain == 0, "{piece:?}");
                }
                assert_eq!(next, split.extent);
            }
        }
    }
}
