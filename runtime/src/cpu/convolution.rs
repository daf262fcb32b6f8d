//! Convolutions as matrix products whose right-hand side is never in memory: windows of the input are
//! packed for the register tile a block at a time.
//!
//! For each batch element and group, `out[features, positions] = weight[features, channels * taps] *
//! patches[channels * taps, positions]` (Chellapilla, Puri and Simard, "High Performance Convolutional
//! Neural Networks for Document Processing", 2006). Sums run in the order of channels and taps: the same
//! shape gives the same bits for any number of threads.

use std::cell::Cell;

use pulp::{Simd, WithSimd};
use thunder_tensor::half::{bf16, f16};

use super::Cpu;
use super::gemm::KC;
use super::gemm::tile::{Destination, Panel, Real, Rows, lanes, max_rows, max_vectors, tile};
use super::scratch::Aligned;

/// Positions of a task: a multiple of every tile width, of which a block of patches fits the second cache.
const COLUMNS: usize = 240;

/// The least features of a task that shares its positions with others, which pack the same patches.
const ROWS: usize = 32;

/// A number that convolutions take, and what its products are computed in.
pub(super) trait Element: Copy + Send + Sync {
    /// Accumulates.
    type Wide: Real;

    /// Whether both are the same, so that sums may stand in the result.
    const IS_WIDE: bool;

    fn wide(self) -> Self::Wide;
    fn round(value: Self::Wide) -> Self;
}

macro_rules! element {
    ($($number:ident $wide:ident $is_wide:literal |$x:ident| $to:expr, $from:expr;)*) => {$(
        impl Element for $number {
            type Wide = $wide;

            const IS_WIDE: bool = $is_wide;

            #[inline(always)]
            fn wide(self) -> $wide {
                let $x = self;
                $to
            }

            #[inline(always)]
            fn round($x: $wide) -> Self {
                $from
            }
        }
    )*};
}

element! {
    f32 f32 true |x| x, x;
    f64 f64 true |x| x, x;
    f16 f32 false |x| x.to_f32(), f16::from_f32(x);
    bf16 f32 false |x| x.to_f32(), bf16::from_f32(x);
}

/// One spatial dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Axis {
    /// Elements of the input.
    pub extent: usize,
    /// Elements of the result.
    pub positions: usize,
    /// Taps of the window.
    pub window: usize,
    /// From one position to the next.
    pub stride: usize,
    /// Zeros before the first element.
    pub low: usize,
    /// From one tap to the next.
    pub dilation: usize,
}

impl Axis {
    /// A dimension that is not there.
    pub(super) const ONE: Self = Self { extent: 1, positions: 1, window: 1, stride: 1, low: 0, dilation: 1 };

    /// The element that a tap of a position reads, unless it is padding.
    #[inline(always)]
    fn read(&self, position: usize, tap: usize) -> Option<usize> {
        (position * self.stride + tap * self.dilation).checked_sub(self.low).filter(|&at| at < self.extent)
    }

    /// Of `length` positions from `first` on, those at which a tap reads an element.
    fn inside(&self, first: usize, length: usize, tap: usize) -> (usize, usize) {
        let (start, at) = (first * self.stride, tap * self.dilation);
        let until = |element: usize| (self.low + element).saturating_sub(at + start).div_ceil(self.stride).min(length);
        (until(0), until(self.extent))
    }
}

/// Sizes and dense memory of a convolution.
pub(super) struct Convolution<T> {
    pub batch: usize,
    pub groups: usize,
    /// Channels of a group.
    pub channels: usize,
    /// Features of a group.
    pub features: usize,
    pub axes: [Axis; 3],
    pub x: *const T,
    pub weight: *const T,
    /// One number for each feature, or null.
    pub bias: *const T,
    pub out: *mut T,
}

// SAFETY: plain addresses; `convolution` demands what is needed to use them.
unsafe impl<T: Sync> Sync for Convolution<T> {}

/// Computes a convolution on the pool.
///
/// # Safety
/// The operands are readable and out is writable for the sizes given; out overlaps none of them.
pub(super) unsafe fn convolution<T: Element>(cpu: &Cpu, c: &Convolution<T>) {
    let product = |of: fn(&Axis) -> usize| c.axes.iter().map(of).product::<usize>();
    let (taps, positions) = (product(|axis| axis.window), product(|axis| axis.positions));
    let all = c.batch * c.groups;
    if all == 0 || c.features == 0 || positions == 0 {
        return;
    }
    let column_blocks = positions.div_ceil(COLUMNS);
    // As few rows as it takes to use all threads.
    let wanted = if cpu.pool.threads() == 1 { 1 } else { 4 * cpu.pool.threads() };
    let row_blocks = wanted.div_ceil(all * column_blocks).min(c.features.div_ceil(ROWS));
    let rows = c.features.div_ceil(row_blocks);
    let row_blocks = c.features.div_ceil(rows);
    let depth = c.channels * taps;
    let wide: Vec<T::Wide> = if T::IS_WIDE {
        Vec::new()
    } else {
        // SAFETY: the caller's promise about the weight.
        (0..c.groups * c.features * depth).map(|i| unsafe { *c.weight.add(i) }.wide()).collect()
    };
    let weight = if T::IS_WIDE { c.weight.cast::<T::Wide>() } else { wide.as_ptr() };
    let shared = Shared { c, weight };
    cpu.pool.run(all * row_blocks * column_blocks, &|task| {
        let (rest, column_block) = (task / column_blocks, task % column_blocks);
        let (problem, row_block) = (rest / row_blocks, rest % row_blocks);
        cpu.arch.dispatch(Task {
            shared: &shared,
            problem,
            rows: (row_block * rows, c.features.min((row_block + 1) * rows)),
            columns: (column_block * COLUMNS, positions.min((column_block + 1) * COLUMNS)),
            depth,
            positions,
        });
    });
}

/// What all tasks read.
struct Shared<'a, T: Element> {
    c: &'a Convolution<T>,
    weight: *const T::Wide,
}

// SAFETY: plain addresses; `convolution` demands what is needed to use them.
unsafe impl<T: Element> Sync for Shared<'_, T> {}

thread_local! {
    /// Where a task packs patches, and where sums of what is rounded stand.
    static PATCHES: Cell<Aligned> = const { Cell::new(Aligned::EMPTY) };
    static SUMS: Cell<Aligned> = const { Cell::new(Aligned::EMPTY) };
}

struct Task<'a, T: Element> {
    shared: &'a Shared<'a, T>,
    /// Batch element and group.
    problem: usize,
    rows: (usize, usize),
    columns: (usize, usize),
    /// Channels times taps, and all positions.
    depth: usize,
    positions: usize,
}

/// Neighbouring columns of a panel whose positions differ in the last dimension only.
#[derive(Clone, Copy)]
struct Run {
    /// The first column, and how many.
    column: usize,
    length: usize,
    /// The position of the first.
    at: [usize; 3],
}

impl<T: Element> WithSimd for Task<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // SAFETY: `convolution` vouches for the memory; tasks write disjoint parts of `out`.
        unsafe { self.run(simd) };
    }
}

impl<T: Element> Task<'_, T> {
    #[inline(always)]
    unsafe fn run<S: Simd>(&self, simd: S) {
        let c = self.shared.c;
        let (rows, columns) = (self.rows.1 - self.rows.0, self.columns.1 - self.columns.0);
        let padded = columns.next_multiple_of(lanes::<T::Wide, S>());
        let (mut patches, mut sums) = (PATCHES.take(), SUMS.take());
        patches.reserve(KC.min(self.depth) * padded * size_of::<T::Wide>());
        let packed = patches.as_mut_ptr().cast::<T::Wide>();
        let first_feature = self.problem % c.groups * c.features + self.rows.0;
        let result = c.out.wrapping_add((self.problem * c.features + self.rows.0) * self.positions + self.columns.0);
        let (out, row) = if T::IS_WIDE {
            (result.cast::<T::Wide>(), self.positions)
        } else {
            sums.reserve(rows * padded * size_of::<T::Wide>());
            (sums.as_mut_ptr().cast::<T::Wide>(), padded)
        };
        // SAFETY: rows and columns lie within the operands, the result and the scratch memory.
        unsafe {
            if !c.bias.is_null() {
                for i in 0..rows {
                    let bias = (*c.bias.add(first_feature + i)).wide();
                    std::slice::from_raw_parts_mut(out.add(i * row), columns).fill(bias);
                }
            }
            let mut first = 0;
            // Depth 0 takes one round too: it writes zeros.
            while first == 0 || first < self.depth {
                let depth = KC.min(self.depth - first);
                self.pack(simd, (first, depth), (columns, padded), packed);
                let weight = self.shared.weight.wrapping_add(first_feature * self.depth + first);
                let accumulate = first > 0 || !c.bias.is_null();
                self.multiply(simd, (rows, columns, depth), (weight, packed, padded), (out, row, accumulate));
                first += KC;
            }
            if !T::IS_WIDE {
                for i in 0..rows {
                    for j in 0..columns {
                        *result.add(i * self.positions + j) = T::round(*out.add(i * row + j));
                    }
                }
            }
        }
        PATCHES.set(patches);
        SUMS.set(sums);
    }

    /// Adds a block of the weight times packed patches to the result.
    #[inline(always)]
    unsafe fn multiply<S: Simd>(
        &self,
        simd: S,
        (rows, columns, depth): (usize, usize, usize),
        (weight, packed, padded): (*const T::Wide, *const T::Wide, usize),
        (out, row, accumulate): (*mut T::Wide, usize, bool),
    ) {
        let (lanes, height) = (lanes::<T::Wide, S>(), max_rows::<S>());
        let width = max_vectors::<S>() * lanes;
        // Tiles of nearly equal height: a last one of few rows could not hide latencies.
        let tiles = rows.div_ceil(height);
        for column in (0..columns).step_by(width) {
            let columns = width.min(columns - column);
            let panel = Panel {
                start: packed.wrapping_add(column * depth),
                row: width.min(padded - column),
                ahead: (std::ptr::null(), 0),
            };
            let mut i = 0;
            for left in (1..=tiles).rev() {
                let tall = (rows - i).div_ceil(left);
                let from = Rows { start: weight.wrapping_add(i * self.depth), row: self.depth, column: 1 };
                let start = out.wrapping_add(i * row + column);
                let to = Destination { start, row, column: 1, columns, bias: std::ptr::null(), accumulate };
                // SAFETY: the caller's promise.
                unsafe { tile(simd, (tall, columns.div_ceil(lanes), depth), from, panel, to) };
                i += tall;
            }
        }
    }

    /// Packs rows `[first, first + depth)` of the task's patches as panels.
    #[inline(always)]
    unsafe fn pack<S: Simd>(
        &self,
        _simd: S,
        (first, depth): (usize, usize),
        (columns, padded): (usize, usize),
        to: *mut T::Wide,
    ) {
        let c = self.shared.c;
        let [outer, middle, inner] = c.axes;
        let window = middle.window * inner.window;
        let (taps, area) = (outer.window * window, outer.extent * middle.extent * inner.extent);
        let image = c.x.wrapping_add(self.problem * c.channels * area);
        let width = max_vectors::<S>() * lanes::<T::Wide, S>();
        let mut runs: Vec<Run> = Vec::new();
        for column in (0..columns).step_by(width) {
            let row = width.min(padded - column);
            let columns = width.min(columns - column);
            let panel = to.wrapping_add(column * depth);
            self.runs(column, columns, &mut runs);
            // What a run reads for a tap lies alike in all channels.
            for tap in 0..taps {
                // Of the channels whose row for this tap is among those to pack.
                let channels =
                    first.saturating_sub(tap).div_ceil(taps)..(first + depth).saturating_sub(tap).div_ceil(taps);
                let at = [tap / window, tap % window / inner.window, tap % inner.window];
                for run in &runs {
                    let line = outer.read(run.at[0], at[0]).zip(middle.read(run.at[1], at[1]));
                    let (start, stop) = match line {
                        Some(_) => inner.inside(run.at[2], run.length, at[2]),
                        None => (run.length, run.length),
                    };
                    let (i, j) = line.unwrap_or((0, 0));
                    // The element that the first column reads which is no padding.
                    let last = ((run.at[2] + start) * inner.stride + at[2] * inner.dilation).wrapping_sub(inner.low);
                    let from = image.wrapping_add(((i * middle.extent) + j) * inner.extent).wrapping_add(last);
                    for channel in channels.clone() {
                        let to = panel.wrapping_add((channel * taps + tap - first) * row + run.column);
                        // SAFETY: columns that are no padding read elements of the line.
                        unsafe {
                            fill(to, start);
                            copy(from.wrapping_add(channel * area), inner.stride, stop - start, to.wrapping_add(start));
                            fill(to.wrapping_add(stop), run.length - stop);
                        }
                    }
                }
            }
            for p in 0..depth {
                // SAFETY: the panel has so many columns.
                unsafe { fill(panel.wrapping_add(p * row + columns), row - columns) };
            }
        }
    }

    /// The positions of `length` columns from `column` on, cut at the ends of the last dimension.
    fn runs(&self, column: usize, length: usize, runs: &mut Vec<Run>) {
        let [_, middle, inner] = self.shared.c.axes;
        runs.clear();
        let mut done = 0;
        while done < length {
            let position = self.columns.0 + column + done;
            let (line, last) = (position / inner.positions, position % inner.positions);
            let length = (inner.positions - last).min(length - done);
            runs.push(Run { column: done, length, at: [line / middle.positions, line % middle.positions, last] });
            done += length;
        }
    }
}

#[inline(always)]
unsafe fn fill<T: Real>(to: *mut T, count: usize) {
    for i in 0..count {
        // SAFETY: the caller's promise.
        unsafe { *to.add(i) = T::ZERO };
    }
}

/// `count` elements, `stride` apart, widened.
#[inline(always)]
unsafe fn copy<T: Element>(from: *const T, stride: usize, count: usize, to: *mut T::Wide) {
    // Whole blocks, of which the last may overlap the one before, take no call and no loop over the rest.
    const BLOCK: usize = 16;
    // SAFETY: the caller's promise.
    unsafe {
        if T::IS_WIDE && stride == 1 {
            let from = from.cast::<T::Wide>();
            let block = |at: usize| {
                let values = from.add(at).cast::<[T::Wide; BLOCK]>().read_unaligned();
                to.add(at).cast::<[T::Wide; BLOCK]>().write_unaligned(values);
            };
            if count < BLOCK {
                to.copy_from_nonoverlapping(from, count);
            } else {
                (0..count - BLOCK).step_by(BLOCK).for_each(block);
                block(count - BLOCK);
            }
            return;
        }
        for i in 0..count {
            *to.add(i) = (*from.add(i * stride)).wide();
        }
    }
}
