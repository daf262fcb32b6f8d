//! Attention and its gradient, as the graphs that cuDNN has fused kernels for.
//!
//! The forward graph is a product, the scores' scale, mask and causal limit, a softmax and a product. The backward one
//! needs the result and the logarithm of each row's sum, which are given, or else a forward graph computes them anew into
//! scratch memory.

use cudarc::cudnn::sys::{cudnnDataType_t, cudnnPointwiseMode_t as Mode, cudnnReduceTensorOp_t as Reduce};
use cudarc::driver::sys::CUdeviceptr;

use super::graph::{Graph, Id, Layout, Plan};
use super::{Handle, Nothing, Outcome, data_type, failed};
use crate::cuda::error::Result;
use crate::cuda::executor::{Invocation, Prepared, Site};
use crate::program::{Attention, AttentionBackward, AttentionStrides, DimId};

const FLOAT: cudnnDataType_t = cudnnDataType_t::CUDNN_DATA_FLOAT;
const INDEX: cudnnDataType_t = cudnnDataType_t::CUDNN_DATA_INT32;
const TRUTH: cudnnDataType_t = cudnnDataType_t::CUDNN_DATA_BOOLEAN;

/// Scratch memory starts at multiples of this.
const ALIGN: usize = 256;

/// An attention with its sizes known.
struct Problem<'a> {
    op: &'a Attention,
    site: &'a Site<'a>,
    dtype: cudnnDataType_t,
    batch: i64,
    heads: i64,
    kv_heads: i64,
    queries: i64,
    keys: i64,
    width: i64,
    value_width: i64,
}

impl<'a> Problem<'a> {
    fn new(op: &'a Attention, site: &'a Site<'a>) -> Outcome<Self> {
        let size = |dim: DimId| site.size(dim) as i64;
        Ok(Self {
            op,
            site,
            dtype: data_type(op.dtype)?,
            batch: size(op.batch),
            heads: size(op.heads),
            kv_heads: size(op.kv_heads),
            queries: size(op.queries),
            keys: size(op.keys),
            width: size(op.width),
            value_width: size(op.value_width),
        })
    }

    /// Whether there is nothing to compute.
    fn is_empty(&self) -> bool {
        [self.batch, self.heads, self.queries, self.value_width].contains(&0)
    }

    fn strided(&self, [heads, positions, width]: [i64; 3], s: AttentionStrides) -> Layout {
        let stride = |dim: DimId| self.site.size(dim) as i64;
        let strides = vec![stride(s.batch), stride(s.head), stride(s.position), 1];
        (vec![self.batch, heads, positions, width], strides)
    }

    fn q(&self) -> Layout {
        self.strided([self.heads, self.queries, self.width], self.op.q)
    }

    fn k(&self) -> Layout {
        self.strided([self.kv_heads, self.keys, self.width], self.op.k)
    }

    fn v(&self) -> Layout {
        self.strided([self.kv_heads, self.keys, self.value_width], self.op.v)
    }

    /// One number for each row of scores.
    fn rows(&self) -> Layout {
        dense([self.batch, self.heads, self.queries, 1])
    }

    fn scores(&self) -> Layout {
        dense([self.batch, self.heads, self.queries, self.keys])
    }

    /// The mask, with extents of 1 where it repeats.
    fn mask(&self) -> Option<Layout> {
        let m = self.op.mask?;
        let strides = [m.batch, m.head, m.query, m.key].map(|dim| self.site.size(dim) as i64);
        let extents = [self.batch, self.heads, self.queries, self.keys];
        let extents: Vec<i64> = extents.iter().zip(&strides).map(|(&e, &s)| if s == 0 { 1 } else { e }).collect();
        // What repeats has the stride of what it would be among its like.
        let packed = dense([extents[0], extents[1], extents[2], extents[3]]).1;
        let strides = strides.iter().zip(packed).map(|(&own, packed)| if own == 0 { packed } else { own });
        Some((extents, strides.collect()))
    }

    fn alignment(&self, argument: usize) -> usize {
        self.site.alignments[argument]
    }

    /// The scores of `q k^T` with scale, mask and causal limit; `less` is subtracted before the limit.
    fn scored(&self, g: &mut Graph, inputs: &Inputs, less: Option<Id>) -> Outcome<Id> {
        let scores = self.scores();
        let mut last = g.within(FLOAT, &scores)?;
        g.matmul(inputs.q, inputs.k, last)?;
        let step = |g: &mut Graph, mode, last: Id, other: Id| -> Outcome<Id> {
            let next = g.within(FLOAT, &scores)?;
            g.pointwise(mode, FLOAT, &[last, other], next, None)?;
            Ok(next)
        };
        last = step(g, Mode::CUDNN_POINTWISE_MUL, last, inputs.scale)?;
        if let Some(mask) = inputs.mask {
            last = step(g, Mode::CUDNN_POINTWISE_ADD, last, mask)?;
        }
        if let Some(less) = less {
            last = step(g, Mode::CUDNN_POINTWISE_SUB, last, less)?;
        }
        if self.op.causal.is_none() {
            return Ok(last);
        }
        let (rows, columns) = (g.within(INDEX, &scores)?, g.within(INDEX, &scores)?);
        g.pointwise(Mode::CUDNN_POINTWISE_GEN_INDEX, INDEX, &[last], rows, Some(2))?;
        g.pointwise(Mode::CUDNN_POINTWISE_GEN_INDEX, INDEX, &[last], columns, Some(3))?;
        let seen = g.within(TRUTH, &scores)?;
        g.pointwise(Mode::CUDNN_POINTWISE_CMP_GE, TRUTH, &[rows, columns], seen, None)?;
        let (nothing, limited) = (g.number(f32::NEG_INFINITY)?, g.within(FLOAT, &scores)?);
        g.pointwise(Mode::CUDNN_POINTWISE_BINARY_SELECT, FLOAT, &[last, nothing, seen], limited, None)?;
        Ok(limited)
    }

    /// The operands that both graphs read. Keys are given transposed, as the first product reads them.
    fn inputs(&self, g: &mut Graph) -> Outcome<Inputs> {
        let q = g.given(self.dtype, &self.q(), self.alignment(0))?;
        let k = g.given(self.dtype, &transposed(&self.k()), self.alignment(1))?;
        let mask = match self.mask() {
            Some(layout) => Some(g.given(self.dtype, &layout, self.alignment(3))?),
            None => None,
        };
        Ok(Inputs { q, k, mask, scale: g.number(self.op.scale)? })
    }

    /// The forward graph; the logarithms of the rows' sums are a result where they are wanted.
    fn forward(&self, handle: &Handle, out: &Layout, out_align: usize, stats: bool) -> Outcome<Forward> {
        let mut g = Graph::default();
        let inputs = self.inputs(&mut g)?;
        let v = g.given(self.dtype, &self.v(), self.alignment(2))?;
        let (scores, rows) = (self.scores(), self.rows());
        let last = self.scored(&mut g, &inputs, None)?;
        let most = g.within(FLOAT, &rows)?;
        g.reduce(Reduce::CUDNN_REDUCE_TENSOR_MAX, last, most)?;
        let (less, grown, sum) = (g.within(FLOAT, &scores)?, g.within(FLOAT, &scores)?, g.within(FLOAT, &rows)?);
        g.pointwise(Mode::CUDNN_POINTWISE_SUB, FLOAT, &[last, most], less, None)?;
        g.pointwise(Mode::CUDNN_POINTWISE_EXP, FLOAT, &[less], grown, None)?;
        g.reduce(Reduce::CUDNN_REDUCE_TENSOR_ADD, grown, sum)?;
        let log = g.within(FLOAT, &rows)?;
        g.pointwise(Mode::CUDNN_POINTWISE_LOG, FLOAT, &[sum], log, None)?;
        let logsum = if stats { g.given(FLOAT, &rows, ALIGN)? } else { g.within(FLOAT, &rows)? };
        g.pointwise(Mode::CUDNN_POINTWISE_ADD, FLOAT, &[most, log], logsum, None)?;
        let weights = g.within(self.dtype, &scores)?;
        g.pointwise(Mode::CUDNN_POINTWISE_DIV, FLOAT, &[grown, sum], weights, None)?;
        let out = g.given(self.dtype, out, out_align)?;
        g.matmul(weights, v, out)?;
        let plan = g.plan(handle, false)?;
        Ok(Forward { plan, inputs, v, out, stats: stats.then_some(logsum) })
    }
}

/// Tensors that both graphs read.
struct Inputs {
    q: Id,
    k: Id,
    mask: Option<Id>,
    scale: Id,
}

struct Forward {
    plan: Plan,
    inputs: Inputs,
    v: Id,
    out: Id,
    stats: Option<Id>,
}

impl Forward {
    /// Starts it; the operands are q, k, v and the mask.
    ///
    /// # Safety
    /// As [`Plan::run`].
    unsafe fn run(
        &self,
        handle: &Handle,
        operands: &[CUdeviceptr],
        (out, stats): (CUdeviceptr, CUdeviceptr),
        workspace: CUdeviceptr,
    ) -> Outcome {
        let mut tensors =
            vec![(self.inputs.q, operands[0]), (self.inputs.k, operands[1]), (self.v, operands[2]), (self.out, out)];
        tensors.extend(self.inputs.mask.map(|mask| (mask, operands[3])));
        tensors.extend(self.stats.map(|id| (id, stats)));
        // SAFETY: the caller's promise.
        unsafe { self.plan.run(handle, &tensors, workspace) }
    }
}

/// Prepares an attention.
pub(super) fn forward(handle: &Handle, op: &Attention, site: &Site<'_>) -> Outcome<Box<dyn Prepared>> {
    let problem = Problem::new(op, site)?;
    if problem.is_empty() {
        return Ok(Box::new(Nothing));
    }
    let out = problem.strided([problem.heads, problem.queries, problem.value_width], op.out);
    let number = 3 + usize::from(op.mask.is_some());
    let forward = problem.forward(handle, &out, problem.alignment(number), op.logsums)?;
    Ok(Box::new(PreparedForward { handle: handle.clone(), forward, out: number }))
}

struct PreparedForward {
    handle: Handle,
    forward: Forward,
    /// Position of the result among the arguments.
    out: usize,
}

impl Prepared for PreparedForward {
    fn workspace(&self) -> usize {
        self.forward.plan.workspace
    }

    fn run(&self, invocation: &Invocation<'_>) -> Result {
        let operands = invocation.operands;
        let results = (operands[self.out], operands.get(self.out + 1).copied().unwrap_or(0));
        // SAFETY: the plan has checked that every element lies within its operand, and that the results overlap none.
        unsafe { self.forward.run(&self.handle, operands, results, invocation.workspace) }.map_err(failed("attention"))
    }
}

/// Prepares the gradient of an attention.
pub(super) fn backward(handle: &Handle, op: &AttentionBackward, site: &Site<'_>) -> Outcome<Box<dyn Prepared>> {
    let problem = Problem::new(&op.forward, site)?;
    if problem.is_empty() || problem.keys == 0 {
        return Err("an attention without elements has no gradient here".into());
    }
    let d_out = 3 + usize::from(op.forward.mask.is_some());
    let Problem { batch, heads, kv_heads, queries, keys, width, value_width, dtype, .. } = problem;
    let saved = op.saved.map(|strides| problem.strided([heads, queries, value_width], strides));
    let results = d_out + 1 + 2 * usize::from(saved.is_some());
    let (out, out_aligned, stats_aligned, forward) = match saved {
        Some(out) => (out, problem.alignment(d_out + 1), problem.alignment(d_out + 2), None),
        None => {
            let out = dense([batch, heads, queries, value_width]);
            let forward = problem.forward(handle, &out, ALIGN, true)?;
            (out, ALIGN, ALIGN, Some(forward))
        }
    };

    let mut g = Graph::default();
    let inputs = problem.inputs(&mut g)?;
    let v = g.given(dtype, &transposed(&problem.v()), problem.alignment(2))?;
    let out_id = g.given(dtype, &out, out_aligned)?;
    let d_out_layout = problem.strided([heads, queries, value_width], op.forward.out);
    let d_out_id = g.given(dtype, &d_out_layout, problem.alignment(d_out))?;
    let (rows, scores) = (problem.rows(), problem.scores());
    let stats = g.given(FLOAT, &rows, stats_aligned)?;
    let wide = g.within(FLOAT, &dense([batch, heads, queries, value_width]))?;
    g.pointwise(Mode::CUDNN_POINTWISE_MUL, FLOAT, &[d_out_id, out_id], wide, None)?;
    let summed = g.within(FLOAT, &rows)?;
    g.reduce(Reduce::CUDNN_REDUCE_TENSOR_ADD, wide, summed)?;
    let (one, delta) = (g.number(1.0)?, g.given(FLOAT, &rows, ALIGN)?);
    g.pointwise(Mode::CUDNN_POINTWISE_MUL, FLOAT, &[summed, one], delta, None)?;

    // The weights, and with them the gradient of v.
    let last = problem.scored(&mut g, &inputs, Some(stats))?;
    let weights = g.within(FLOAT, &scores)?;
    g.pointwise(Mode::CUDNN_POINTWISE_EXP, FLOAT, &[last], weights, None)?;
    let d_v =
        g.given(dtype, &problem.strided([kv_heads, keys, value_width], op.d_v), problem.alignment(results + 2))?;
    by_rows(&mut g, &problem, weights, d_out_id, d_v, value_width)?;

    // The gradient of the scores, and with it those of k and q.
    let mut last = g.within(FLOAT, &scores)?;
    g.matmul(d_out_id, v, last)?;
    let factors = [
        (Mode::CUDNN_POINTWISE_SUB, delta),
        (Mode::CUDNN_POINTWISE_MUL, weights),
        (Mode::CUDNN_POINTWISE_MUL, inputs.scale),
    ];
    for (mode, other) in factors {
        let next = g.within(FLOAT, &scores)?;
        g.pointwise(mode, FLOAT, &[last, other], next, None)?;
        last = next;
    }
    let d_k = g.given(dtype, &problem.strided([kv_heads, keys, width], op.d_k), problem.alignment(results + 1))?;
    by_rows(&mut g, &problem, last, inputs.q, d_k, width)?;
    let straight = g.within(dtype, &problem.k())?;
    g.reshape(inputs.k, straight)?;
    let sum = g.given(FLOAT, &dense([batch, heads, queries, width]), ALIGN)?;
    g.matmul(last, straight, sum)?;
    let d_q = g.given(dtype, &problem.strided([heads, queries, width], op.d_q), problem.alignment(results))?;
    g.pointwise(Mode::CUDNN_POINTWISE_IDENTITY, FLOAT, &[sum], d_q, None)?;
    let plan = g.plan(handle, false)?;

    let element = op.forward.dtype.size();
    let row_count = (batch * heads * queries) as usize;
    let kept = if forward.is_some() { [row_count * value_width as usize * element, row_count * 4] } else { [0; 2] };
    let sizes = [kept[0], kept[1], row_count * 4, row_count * width as usize * 4];
    let scratch = sizes.map(|bytes| bytes.next_multiple_of(ALIGN));
    let (kept, own) = ([out_id, stats], [delta, sum]);
    let mut given = vec![(inputs.q, 0), (inputs.k, 1), (v, 2), (d_out_id, d_out)];
    given.extend(inputs.mask.map(|mask| (mask, 3)));
    given.extend([(d_q, results), (d_k, results + 1), (d_v, results + 2)]);
    if forward.is_none() {
        given.extend([(out_id, d_out + 1), (stats, d_out + 2)]);
    }
    Ok(Box::new(PreparedBackward { handle: handle.clone(), forward, plan, scratch, kept, own, given }))
}

/// `to = x^T other`, summed over the heads that share one of `to`; `width` is that of `other`.
fn by_rows(g: &mut Graph, problem: &Problem<'_>, x: Id, other: Id, to: Id, width: i64) -> Outcome {
    let Problem { batch, heads, kv_heads, queries, keys, dtype, .. } = *problem;
    let turned = (vec![batch, heads, keys, queries], vec![heads * queries * keys, queries * keys, 1, keys]);
    let turned = g.within(dtype, &turned)?;
    g.reshape(x, turned)?;
    if heads == kv_heads {
        return g.matmul(turned, other, to);
    }
    let all = g.within(dtype, &dense([batch, heads, keys, width]))?;
    g.matmul(turned, other, all)?;
    g.reduce(Reduce::CUDNN_REDUCE_TENSOR_ADD, all, to)
}

struct PreparedBackward {
    handle: Handle,
    /// Computes what is not given.
    forward: Option<Forward>,
    plan: Plan,
    /// Bytes of the attention's result, the rows' logarithms, their deltas, and the sums of the gradient of q.
    scratch: [usize; 4],
    /// The first two of these in the backward graph, and the others.
    kept: [Id; 2],
    own: [Id; 2],
    /// Tensors of that graph, with their positions among the arguments.
    given: Vec<(Id, usize)>,
}

impl Prepared for PreparedBackward {
    fn workspace(&self) -> usize {
        let forward = self.forward.as_ref().map_or(0, |forward| forward.plan.workspace);
        self.scratch.iter().sum::<usize>() + self.plan.workspace.max(forward)
    }

    fn run(&self, invocation: &Invocation<'_>) -> Result {
        let operands = invocation.operands;
        let mut next = invocation.workspace;
        let scratch = self.scratch.map(|bytes| {
            let start = next;
            next += bytes as CUdeviceptr;
            start
        });
        let mut tensors: Vec<(Id, CUdeviceptr)> = self.given.iter().map(|&(id, at)| (id, operands[at])).collect();
        tensors.extend(self.own.into_iter().zip([scratch[2], scratch[3]]));
        let mut done = Ok(());
        if let Some(forward) = &self.forward {
            tensors.extend(self.kept.into_iter().zip([scratch[0], scratch[1]]));
            // SAFETY: the plan has checked that every element lies within its operand; the scratch memory is as large as
            // was asked for.
            done = unsafe { forward.run(&self.handle, operands, (scratch[0], scratch[1]), next) };
        }
        // SAFETY: as above, and the results overlap no operand.
        done.and_then(|()| unsafe { self.plan.run(&self.handle, &tensors, next) }).map_err(failed("attention_backward"))
    }
}

fn dense(extents: [i64; 4]) -> Layout {
    let [_, b, c, d] = extents;
    (extents.to_vec(), vec![b * c * d, c * d, d, 1])
}

/// With the two innermost dimensions swapped.
fn transposed((extents, strides): &Layout) -> Layout {
    let swapped = |of: &[i64]| vec![of[0], of[1], of[3], of[2]];
    (swapped(extents), swapped(strides))
}
