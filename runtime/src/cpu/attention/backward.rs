//! The gradient of attention, f32: for each head of keys, the blocks of queries that see it.
//!
//! The weights of a block are computed again, so that no more of them exists at a time (Dao, Fu, Ermon,
//! Rudra and Re, "FlashAttention", 2022). With `w` the weights of a row and `dw = dy v^T`, the gradient
//! of its scores is `ds = scale * w * (dw - sum(w * dw))`; then `dv = w^T dy`, `dq = ds k` and
//! `dk = ds^T q`. Heads of queries that share a head of keys are one task, which adds to `dk` and `dv`
//! in order: the same bits for any number of threads.

use std::cell::Cell;

use pulp::{Simd, WithSimd};

use super::{Attention, Matrix, QUERIES, Strides, multiply, scale_row, softmax_row};
use crate::cpu::Cpu;
use crate::cpu::gemm::pack::pack_panels;
use crate::cpu::gemm::tile::{Destination, Rows, lanes};
use crate::cpu::scratch::Aligned;

/// An attention, of which `out` is the gradient of its result, and where gradients of its operands go.
#[derive(Clone, Copy, Debug)]
pub struct Backward {
    /// Sizes and operands; `out` is read.
    pub forward: Attention,
    /// Gradient of the queries.
    pub d_q: (*mut f32, Strides),
    /// Gradient of the keys.
    pub d_k: (*mut f32, Strides),
    /// Gradient of the values.
    pub d_v: (*mut f32, Strides),
}

// SAFETY: plain addresses; `backward` demands what is needed to use them.
unsafe impl Sync for Backward {}

/// Computes the gradients of an attention's queries, keys and values on the pool.
///
/// # Safety
/// q, k, v, the mask and the gradient of the result are readable, the three gradients are writable for
/// the sizes and strides given and overlap nothing else nor themselves, and `kv_heads` divides `heads`.
pub unsafe fn backward(cpu: &Cpu, backward: &Backward) {
    let kv_heads = backward.forward.kv_heads;
    cpu.pool.run(backward.forward.batch * kv_heads, &|task| {
        cpu.arch.dispatch(Task { backward, batch: task / kv_heads, kv_head: task % kv_heads });
    });
}

thread_local! {
    static SCRATCH: Cell<Aligned> = const { Cell::new(Aligned::EMPTY) };
}

struct Task<'a> {
    backward: &'a Backward,
    batch: usize,
    kv_head: usize,
}

/// Parts of a task's scratch memory.
struct Parts {
    /// Packed: keys and values as columns, keys as rows; rows of a block's queries and of its gradient.
    keys_transposed: *mut f32,
    values_transposed: *mut f32,
    keys: *mut f32,
    queries: *mut f32,
    d_out: *mut f32,
    /// A row of all keys for each query of a block.
    weights: *mut f32,
    d_weights: *mut f32,
    /// From one such row to the next.
    row: usize,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Attention { keys, width, value_width, .. } = self.backward.forward;
        let padded = |n: usize| n.next_multiple_of(lanes::<f32, S>());
        // No multiple of a page, so that rows lie in different sets of the cache.
        let row = keys.next_multiple_of(64) + 16;
        let lengths = [
            width * padded(keys),
            value_width * padded(keys),
            keys * padded(width),
            QUERIES * padded(width),
            QUERIES * padded(value_width),
            QUERIES * row,
            QUERIES * row,
        ];
        let mut scratch = SCRATCH.take();
        let total: usize = lengths.iter().map(|length| length.next_multiple_of(16)).sum();
        scratch.reserve(total * size_of::<f32>());
        let mut next = scratch.as_mut_ptr().cast::<f32>();
        let [keys_transposed, values_transposed, keys, queries, d_out, weights, d_weights] = lengths.map(|length| {
            let part = next;
            next = next.wrapping_add(length.next_multiple_of(16));
            part
        });
        let parts = Parts { keys_transposed, values_transposed, keys, queries, d_out, weights, d_weights, row };
        // SAFETY: `backward` vouches for the operands, and the parts are disjoint and large enough.
        unsafe { self.run(simd, &parts) };
        SCRATCH.set(scratch);
    }
}

impl Task<'_> {
    /// The rows of an operand for a head.
    fn rows(&self, (start, strides): (*const f32, Strides), head: usize) -> Matrix<f32> {
        let start = start.wrapping_add(self.batch * strides.batch + head * strides.head);
        Matrix { start, row: strides.position, column: 1 }
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, simd: S, parts: &Parts) {
        let Backward { forward: a, d_k, d_v, .. } = *self.backward;
        let (k, v) = (self.rows(a.k, self.kv_head), self.rows(a.v, self.kv_head));
        let transposed = |matrix: Matrix<f32>| Matrix { row: 1, column: matrix.row, ..matrix };
        let gradient = |(start, strides): (*mut f32, Strides)| self.rows((start, strides), self.kv_head);
        let (d_k, d_v) = (gradient(d_k), gradient(d_v));
        // SAFETY: keys and values are readable, the parts have room for their packed forms, and the
        // gradients have a row for each key.
        unsafe {
            pack_panels(simd, (a.width, a.keys), (0, a.keys), transposed(k), parts.keys_transposed);
            pack_panels(simd, (a.value_width, a.keys), (0, a.keys), transposed(v), parts.values_transposed);
            pack_panels(simd, (a.keys, a.width), (0, a.width), k, parts.keys);
            for key in 0..a.keys {
                d_k.at(key, 0).start.cast_mut().write_bytes(0, a.width);
                d_v.at(key, 0).start.cast_mut().write_bytes(0, a.value_width);
            }
        }
        let group = a.heads / a.kv_heads;
        for head in self.kv_head * group..(self.kv_head + 1) * group {
            for row in (0..a.queries).step_by(QUERIES) {
                let rows = QUERIES.min(a.queries - row);
                // SAFETY: the rows lie within the queries.
                unsafe { self.block(simd, parts, head, (row, rows), (d_k, d_v)) };
            }
        }
    }

    /// One block of queries of a head.
    #[inline(always)]
    unsafe fn block<S: Simd>(
        &self,
        simd: S,
        parts: &Parts,
        head: usize,
        (row, rows): (usize, usize),
        (d_k, d_v): (Matrix<f32>, Matrix<f32>),
    ) {
        let a = self.backward.forward;
        let seen = a.seen(row + rows);
        let q = self.rows(a.q, head).at(row, 0);
        let d_out = self.rows((a.out.0, a.out.1), head).at(row, 0);
        let d_q = self.rows((self.backward.d_q.0, self.backward.d_q.1), head).at(row, 0);
        let by_query = |start: *mut f32| Rows { start: start.cast_const(), row: parts.row, column: 1 };
        let by_key = |start: *mut f32| Rows { start: start.cast_const(), row: 1, column: parts.row };
        let plain = |matrix: Matrix<f32>| Rows { start: matrix.start, row: matrix.row, column: 1 };
        let into = |matrix: Matrix<f32>, columns: usize, accumulate: bool| Destination {
            start: matrix.start.cast_mut(),
            row: matrix.row,
            column: 1,
            columns,
            bias: std::ptr::null(),
            accumulate,
        };
        let scores =
            |start: *mut f32| into(Matrix { start: start.cast_const(), row: parts.row, column: 1 }, seen, false);
        // SAFETY: the rows and the keys that they see lie within the operands and the parts.
        unsafe {
            let panels = (parts.keys_transposed.cast_const(), (a.width, a.keys), (0, seen));
            multiply(simd, (rows, a.width), plain(q), panels, scores(parts.weights));
            let panels = (parts.values_transposed.cast_const(), (a.value_width, a.keys), (0, seen));
            multiply(simd, (rows, a.value_width), plain(d_out), panels, scores(parts.d_weights));
            for i in 0..rows {
                let weights = std::slice::from_raw_parts_mut(parts.weights.add(i * parts.row), seen);
                let d_weights = std::slice::from_raw_parts_mut(parts.d_weights.add(i * parts.row), seen);
                a.mask_row((self.batch, head), weights, row + i, 0);
                let sum = softmax_row(simd, weights, f32::NEG_INFINITY).sum;
                // A row that sees nothing has weights of zero already.
                scale_row(weights.as_mut_ptr(), seen, if sum == 0.0 { 1.0 } else { 1.0 / sum });
                differentiate_row(simd, weights, d_weights, a.scale);
            }
            pack_panels(simd, (rows, a.value_width), (0, a.value_width), d_out, parts.d_out);
            pack_panels(simd, (rows, a.width), (0, a.width), q, parts.queries);
            let panels = (parts.d_out.cast_const(), (rows, a.value_width), (0, a.value_width));
            multiply(simd, (seen, rows), by_key(parts.weights), panels, into(d_v, a.value_width, true));
            let panels = (parts.queries.cast_const(), (rows, a.width), (0, a.width));
            multiply(simd, (seen, rows), by_key(parts.d_weights), panels, into(d_k, a.width, true));
            let panels = (parts.keys.cast_const(), (a.keys, a.width), (0, a.width));
            multiply(simd, (rows, seen), by_query(parts.d_weights), panels, into(d_q, a.width, false));
        }
    }
}

/// Replaces the gradient of a row's weights by that of its scores before they were scaled.
#[inline(always)]
fn differentiate_row<S: Simd>(simd: S, weights: &[f32], d_weights: &mut [f32], scale: f32) {
    let whole = weights.len() / lanes::<f32, S>() * lanes::<f32, S>();
    let (w, d): (&[S::f32s], &[S::f32s]) =
        (pulp::bytemuck::cast_slice(&weights[..whole]), pulp::bytemuck::cast_slice(&d_weights[..whole]));
    let mut sum = simd.splat_f32s(0.0);
    for (&w, &d) in w.iter().zip(d) {
        sum = simd.mul_add_e_f32s(w, d, sum);
    }
    let rest = weights[whole..].iter().zip(&d_weights[whole..]).map(|(w, d)| w * d);
    let inner = simd.reduce_sum_f32s(sum) + rest.sum::<f32>();
    for (w, d) in weights.iter().zip(d_weights) {
        *d = scale * w * (*d - inner);
    }
}
