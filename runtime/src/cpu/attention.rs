//! Scaled dot-product attention, f32: blocks of queries, keys in blocks with a running softmax.
//!
//! Per block of queries only a block of scores exists at a time (Milakov and Gimelshein, "Online
//! normalizer calculation for softmax", 2018). Keys and values of a head are laid out for the
//! register tile once and shared by the blocks of queries of one task. Rows without any finite score
//! give zeros. A NaN in a query, key or mask gives a row of NaN, as everywhere else.

mod backward;

pub use backward::{Backward, backward};

use std::cell::Cell;

use pulp::{Simd, WithSimd};

use super::Cpu;
use super::exp::exp;
use super::gemm::pack::pack_panels;
use super::gemm::tile::{Destination, Panel, Rows, lanes, max_rows, max_vectors, tile};
use super::gemm::{KC, Matrix};
use super::scratch::Aligned;

/// Queries whose scores are computed together.
const QUERIES: usize = 48;

/// Keys whose scores are computed together: at most a block of the packed form, so that both products
/// of a block are one pass of the tile.
const KEYS: usize = KC;

/// Strides of one operand in elements; positions are rows, and elements of a row are adjacent.
#[derive(Clone, Copy, Debug)]
pub struct Strides {
    /// Between batches.
    pub batch: usize,
    /// Between heads.
    pub head: usize,
    /// Between positions.
    pub position: usize,
}

/// An additive mask.
#[derive(Clone, Copy, Debug)]
pub struct Mask {
    /// The value for batch, head, query and key 0.
    pub start: *const f32,
    /// Strides of batch, head, query and key, in elements.
    pub strides: [usize; 4],
}

/// Sizes, strides and memory of an attention.
#[derive(Clone, Copy, Debug)]
pub struct Attention {
    /// Independent problems.
    pub batch: usize,
    /// Query heads; a multiple of `kv_heads`.
    pub heads: usize,
    /// Key and value heads.
    pub kv_heads: usize,
    /// Length of the query sequence.
    pub queries: usize,
    /// Length of the key and value sequence.
    pub keys: usize,
    /// Elements of a query or key.
    pub width: usize,
    /// Elements of a value.
    pub value_width: usize,
    /// Queries.
    pub q: (*const f32, Strides),
    /// Keys.
    pub k: (*const f32, Strides),
    /// Values.
    pub v: (*const f32, Strides),
    /// Result.
    pub out: (*mut f32, Strides),
    /// Factor of the scores.
    pub scale: f32,
    /// Query `i` sees keys `j <= i + causal`.
    pub causal: Option<i64>,
    /// Added to the scaled scores.
    pub mask: Option<Mask>,
}

// SAFETY: plain addresses; `attention` demands what is needed to use them.
unsafe impl Sync for Attention {}

/// Computes an attention on the pool.
///
/// # Safety
/// q, k, v and the mask are readable, out is writable for the sizes and strides given, out overlaps
/// neither them nor itself, and `kv_heads` divides `heads`.
pub unsafe fn attention(cpu: &Cpu, attention: &Attention) {
    let problems = attention.batch * attention.heads;
    if problems == 0 || attention.queries == 0 || attention.value_width == 0 {
        return;
    }
    // All queries of a head in one task share its packed keys; few heads are cut to use all threads.
    let wanted = if cpu.pool.threads() == 1 { 1 } else { 4 * cpu.pool.threads() };
    let blocks = attention.queries.div_ceil(QUERIES);
    let cuts = wanted.div_ceil(problems).min(blocks);
    let rows = blocks.div_ceil(cuts) * QUERIES;
    let cuts = attention.queries.div_ceil(rows);
    cpu.pool.run(problems * cuts, &|task| {
        let (problem, cut) = (task / cuts, task % cuts);
        let (batch, head) = (problem / attention.heads, problem % attention.heads);
        let queries = (cut * rows, attention.queries.min((cut + 1) * rows));
        cpu.arch.dispatch(Task { attention, batch, head, queries });
    });
}

thread_local! {
    static SCRATCH: Cell<Aligned> = const { Cell::new(Aligned::EMPTY) };
}

struct Task<'a> {
    attention: &'a Attention,
    batch: usize,
    head: usize,
    queries: (usize, usize),
}

/// Parts of a task's scratch memory.
struct Parts {
    keys: *mut f32,
    values: *mut f32,
    scores: *mut f32,
    maxima: *mut f32,
    sums: *mut f32,
    rescale: *mut f32,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Attention { keys, width, value_width, .. } = *self.attention;
        let lanes = lanes::<f32, S>();
        let mut scratch = SCRATCH.take();
        // Every part starts at a whole vector.
        let lengths = [
            width * keys.next_multiple_of(lanes),
            keys * value_width.next_multiple_of(lanes),
            QUERIES * KEYS,
            QUERIES,
            QUERIES,
            QUERIES,
        ];
        let total: usize = lengths.iter().map(|length| length.next_multiple_of(16)).sum();
        scratch.reserve(total * size_of::<f32>());
        let mut next = scratch.as_mut_ptr().cast::<f32>();
        let [keys, values, scores, maxima, sums, rescale] = lengths.map(|length| {
            let part = next;
            next = next.wrapping_add(length.next_multiple_of(16));
            part
        });
        // SAFETY: `attention` vouches for the operands, and the parts are disjoint and large enough.
        unsafe { self.run(simd, &Parts { keys, values, scores, maxima, sums, rescale }) };
        SCRATCH.set(scratch);
    }
}

impl Task<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(&self, simd: S, parts: &Parts) {
        let a = self.attention;
        let kv_head = self.head / (a.heads / a.kv_heads);
        let at = |(start, strides): (*const f32, Strides), head: usize| Matrix {
            start: start.wrapping_add(self.batch * strides.batch + head * strides.head),
            row: strides.position,
            column: 1,
        };
        let (k, v) = (at(a.k, kv_head), at(a.v, kv_head));
        let transposed = Matrix { row: 1, column: k.row, ..k };
        // No query of this task sees keys from here on.
        let seen = a.seen(self.queries.1);
        // SAFETY: keys and values are readable, and the parts have room for their packed forms.
        unsafe {
            pack_panels(simd, (a.width, seen), (0, seen), transposed, parts.keys);
            pack_panels(simd, (seen, a.value_width), (0, a.value_width), v, parts.values);
        }
        let mut row = self.queries.0;
        while row < self.queries.1 {
            let rows = QUERIES.min(self.queries.1 - row);
            // SAFETY: the rows lie within the task's queries.
            unsafe { self.block(simd, parts, (row, rows), seen) };
            row += QUERIES;
        }
    }

    /// One block of queries against all keys that it sees.
    #[inline(always)]
    unsafe fn block<S: Simd>(&self, simd: S, parts: &Parts, (row, rows): (usize, usize), seen: usize) {
        let a = self.attention;
        let start = |start: *const f32, s: Strides| {
            start.wrapping_add(self.batch * s.batch + self.head * s.head + row * s.position)
        };
        let q = Rows { start: start(a.q.0, a.q.1), row: a.q.1.position, column: 1 };
        let out = start(a.out.0, a.out.1).cast_mut();
        let out_row = a.out.1.position;
        // SAFETY: the parts hold QUERIES floats each.
        let (maxima, sums, rescale) = unsafe {
            (
                std::slice::from_raw_parts_mut(parts.maxima, rows),
                std::slice::from_raw_parts_mut(parts.sums, rows),
                std::slice::from_raw_parts_mut(parts.rescale, rows),
            )
        };
        maxima.fill(f32::NEG_INFINITY);
        sums.fill(0.0);
        let mut key = 0;
        while key < seen {
            let keys = KEYS.min(seen - key);
            // SAFETY: keys and queries are within their sequences; the scores have room.
            unsafe {
                let scores = Destination {
                    start: parts.scores,
                    row: KEYS,
                    column: 1,
                    columns: keys,
                    bias: std::ptr::null(),
                    accumulate: false,
                };
                multiply(simd, (rows, a.width), q, (parts.keys, (a.width, seen), (key, keys)), scores);
                for i in 0..rows {
                    let scores = std::slice::from_raw_parts_mut(parts.scores.add(i * KEYS), keys);
                    a.mask_row((self.batch, self.head), scores, row + i, key);
                    let update = softmax_row(simd, scores, maxima[i]);
                    (maxima[i], rescale[i]) = (update.maximum, update.rescale);
                    sums[i] = sums[i] * update.rescale + update.sum;
                }
                if key > 0 {
                    for (i, &factor) in rescale.iter().enumerate() {
                        scale_row(out.add(i * out_row), a.value_width, factor);
                    }
                }
                let probabilities = Rows { start: parts.scores, row: KEYS, column: 1 };
                let padded = a.value_width.next_multiple_of(lanes::<f32, S>());
                let values = parts.values.wrapping_add(key * padded);
                let out = Destination {
                    start: out,
                    row: out_row,
                    column: 1,
                    columns: a.value_width,
                    bias: std::ptr::null(),
                    accumulate: key > 0,
                };
                let whole = (values.cast_const(), (keys, a.value_width), (0, a.value_width));
                multiply(simd, (rows, keys), probabilities, whole, out);
            }
            key += KEYS;
        }
        for (i, &sum) in sums.iter().enumerate() {
            // SAFETY: the row lies within out. Without keys nothing has been written to it yet.
            unsafe {
                if sum == 0.0 {
                    out.add(i * out_row).write_bytes(0, a.value_width);
                } else {
                    scale_row(out.add(i * out_row), a.value_width, 1.0 / sum);
                }
            }
        }
    }
}

impl Attention {
    /// How many keys the queries before `end` see.
    fn seen(&self, end: usize) -> usize {
        match self.causal {
            Some(shift) => (end as i64).saturating_add(shift).clamp(0, self.keys as i64) as usize,
            None => self.keys,
        }
    }

    /// Applies scale, mask and causality to the scores of query `row` for keys from `key` on.
    #[inline(always)]
    unsafe fn mask_row(&self, (batch, head): (usize, usize), scores: &mut [f32], row: usize, key: usize) {
        for score in scores.iter_mut() {
            *score *= self.scale;
        }
        if let Some(Mask { start, strides }) = self.mask {
            let offset = batch * strides[0] + head * strides[1] + row * strides[2];
            let start = start.wrapping_add(offset + key * strides[3]);
            if strides[3] == 1 {
                // SAFETY: the caller's promise about the mask.
                let mask = unsafe { std::slice::from_raw_parts(start, scores.len()) };
                for (score, &mask) in scores.iter_mut().zip(mask) {
                    *score += mask;
                }
            } else {
                for (j, score) in scores.iter_mut().enumerate() {
                    // SAFETY: the caller's promise about the mask.
                    *score += unsafe { *start.add(j * strides[3]) };
                }
            }
        }
        if let Some(shift) = self.causal {
            let visible = (row as i64).saturating_add(shift).saturating_add(1) - key as i64;
            let visible = visible.clamp(0, scores.len() as i64) as usize;
            scores[visible..].fill(f32::NEG_INFINITY);
        }
    }
}

/// `out = lhs * panels`, for columns of the first `depth` rows of a packed `k x n` matrix.
#[inline(always)]
unsafe fn multiply<S: Simd>(
    simd: S,
    (rows, depth): (usize, usize),
    lhs: Rows<f32>,
    (panels, (k, n), (first, columns)): (*const f32, (usize, usize), (usize, usize)),
    out: Destination<f32>,
) {
    let (lanes, height) = (lanes::<f32, S>(), max_rows::<S>());
    let width = max_vectors::<S>() * lanes;
    let padded = n.next_multiple_of(lanes);
    let mut done = 0;
    // Depth 0 takes one round too: it writes zeros.
    while done == 0 || done < depth {
        let deep = KC.min(depth - done);
        let mut column = 0;
        while column < columns {
            let start = first + column;
            let stride = if start + width <= padded { width } else { padded - start };
            let wide = width.min(columns - column);
            let from = panels.wrapping_add(done * padded + start * KC.min(k - done));
            let panel = Panel { start: from, row: stride, ahead: (std::ptr::null(), 0) };
            let mut row = 0;
            for left in (1..=rows.div_ceil(height)).rev() {
                let tall = (rows - row).div_ceil(left);
                let to = Destination {
                    start: out.start.wrapping_add(row * out.row + column),
                    columns: wide,
                    accumulate: out.accumulate || done > 0,
                    ..out
                };
                let from = Rows { start: lhs.start.wrapping_add(row * lhs.row + done * lhs.column), ..lhs };
                // SAFETY: rows, columns and depth lie within the operands.
                unsafe { tile(simd, (tall, wide.div_ceil(lanes), deep), from, panel, to) };
                row += tall;
            }
            column += width;
        }
        done += KC;
    }
}

struct Update {
    maximum: f32,
    sum: f32,
    rescale: f32,
}

/// Replaces scores by `exp(score - maximum)`, where the maximum includes that of keys before.
#[inline(always)]
fn softmax_row<S: Simd>(simd: S, scores: &mut [f32], before: f32) -> Update {
    let lanes = lanes::<f32, S>();
    let whole = scores.len() / lanes * lanes;
    let (vectors, rest) = scores.split_at_mut(whole);
    let vectors: &mut [S::f32s] = pulp::bytemuck::cast_slice_mut(vectors);
    let mut maximum = simd.splat_f32s(before);
    for &vector in vectors.iter() {
        maximum = simd.max_f32s(vector, maximum);
    }
    let mut maximum = simd.reduce_max_f32s(maximum);
    for &score in rest.iter() {
        maximum = maximum.max(score);
    }
    // All scores so far are minus infinity (or NaN, which subtraction keeps).
    let base = if maximum == f32::NEG_INFINITY { 0.0 } else { maximum };
    let shift = simd.splat_f32s(base);
    let mut sum = simd.splat_f32s(0.0);
    for vector in vectors.iter_mut() {
        let value = exp(simd, simd.sub_f32s(*vector, shift));
        *vector = value;
        sum = simd.add_f32s(sum, value);
    }
    if !rest.is_empty() {
        let mut last = [f32::NEG_INFINITY; 64];
        last[..rest.len()].copy_from_slice(rest);
        let (last, _) = last.split_at_mut(lanes);
        let last: &mut [S::f32s] = pulp::bytemuck::cast_slice_mut(last);
        let value = exp(simd, simd.sub_f32s(last[0], shift));
        last[0] = value;
        sum = simd.add_f32s(sum, value);
        let last: &[f32] = pulp::bytemuck::cast_slice(last);
        rest.copy_from_slice(&last[..rest.len()]);
    }
    let before = simd.splat_f32s(before - base);
    let rescale: S::f32s = exp(simd, before);
    let rescale = pulp::bytemuck::bytes_of(&rescale);
    let rescale = f32::from_ne_bytes([rescale[0], rescale[1], rescale[2], rescale[3]]);
    Update { maximum, sum: simd.reduce_sum_f32s(sum), rescale }
}

#[inline(always)]
unsafe fn scale_row(row: *mut f32, len: usize, factor: f32) {
    // SAFETY: the caller's row.
    let row = unsafe { std::slice::from_raw_parts_mut(row, len) };
    for value in row {
        *value *= factor;
    }
}
