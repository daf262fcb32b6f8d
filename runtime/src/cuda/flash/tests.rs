//! That NVIDIA's assembler takes every kernel, and that attention and its gradient are right on a machine that runs them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use thunder_tensor::{Random, Tensor};

use super::kernel::Job;
use super::*;
use crate::cuda::code::assembler::assembled;
use crate::cuda::code::machine::{Machine, Memory};
use crate::program::{AttentionBackward, AttentionStrides, MaskStrides};

/// Bytes of shared memory that a block of an H100 may have.
const SHARED: usize = 227 << 10;

/// An attention to try.
#[derive(Clone, Copy, Debug)]
struct Case {
    dtype: DType,
    /// Batch, heads of queries and of keys, queries, and keys.
    sizes: [usize; 5],
    widths: [usize; 2],
    causal: Option<i64>,
    /// Whether each batch and head has a mask of its own, or all have one.
    mask: Option<bool>,
    scale: f32,
    /// Elements between rows, and what addresses are multiples of.
    gap: usize,
    alignment: usize,
    saved: bool,
}

const PLAIN: Case = Case {
    dtype: DType::BF16,
    sizes: [1, 2, 2, 70, 75],
    widths: [32, 32],
    causal: None,
    mask: None,
    scale: 0.2,
    gap: 0,
    alignment: 256,
    saved: true,
};

fn cases() -> Vec<Case> {
    vec![
        PLAIN,
        Case { causal: Some(0), sizes: [2, 1, 1, 140, 140], ..PLAIN },
        Case { dtype: DType::F16, causal: Some(-3), sizes: [1, 1, 1, 70, 66], saved: false, ..PLAIN },
        Case { causal: Some(40), sizes: [1, 4, 2, 30, 70], widths: [24, 40], ..PLAIN },
        Case { mask: Some(true), sizes: [2, 4, 2, 33, 65], scale: -0.3, ..PLAIN },
        Case { dtype: DType::F16, mask: Some(false), causal: Some(1), sizes: [1, 3, 1, 20, 21], ..PLAIN },
        Case { widths: [20, 13], gap: 5, alignment: 2, saved: false, ..PLAIN },
        Case { widths: [36, 72], gap: 4, alignment: 8, sizes: [1, 1, 1, 17, 130], ..PLAIN },
        Case { widths: [22, 34], gap: 4, alignment: 4, sizes: [1, 1, 1, 9, 8], ..PLAIN },
        Case { widths: [136, 16], sizes: [1, 1, 1, 40, 40], causal: Some(0), ..PLAIN },
        Case { sizes: [1, 1, 1, 5, 0], ..PLAIN },
        Case { sizes: [1, 2, 1, 0, 5], ..PLAIN },
        Case { sizes: [1, 1, 1, 1, 200], widths: [64, 64], causal: Some(150), ..PLAIN },
    ]
}

/// Sizes as numbers of a program, and random operands.
#[derive(Default)]
struct Sizes(Vec<usize>);

impl Sizes {
    fn add(&mut self, size: usize) -> DimId {
        self.0.push(size);
        DimId(self.0.len() as u32 - 1)
    }

    /// Those of rows with a gap behind each.
    fn strides(&mut self, case: &Case, heads: usize, rows: usize, width: usize) -> AttentionStrides {
        let position = width + case.gap;
        let head = rows * position;
        let [batch, head, position] = [heads * head, head, position].map(|stride| self.add(stride));
        AttentionStrides { batch, head, position }
    }
}

impl Case {
    /// Of q, k, v, the gradient of the result, and the gradients of q, k and v: heads, rows and elements of a row.
    fn shapes(&self) -> [[usize; 3]; 4] {
        let [_, heads, kv_heads, queries, keys] = self.sizes;
        let [width, value_width] = self.widths;
        [[heads, queries, width], [kv_heads, keys, width], [kv_heads, keys, value_width], [heads, queries, value_width]]
    }

    fn operation(&self) -> (AttentionBackward, Vec<usize>) {
        let mut sizes = Sizes::default();
        let [batch, heads, kv_heads, queries, keys] = self.sizes.map(|size| sizes.add(size));
        let [width, value_width] = self.widths.map(|width| sizes.add(width));
        let [q, k, v, out] = self.shapes().map(|[heads, rows, width]| sizes.strides(self, heads, rows, width));
        let causal = self.causal.map(|shift| sizes.add(shift as usize));
        let [_, heads_count, _, query_count, key_count] = self.sizes;
        let mask = self.mask.map(|own| {
            let head = if own { query_count * key_count } else { 0 };
            let [batch, head, query, key] = [heads_count * head, head, key_count, 1].map(|stride| sizes.add(stride));
            MaskStrides { batch, head, query, key }
        });
        let forward = Attention {
            dtype: self.dtype,
            batch,
            heads,
            kv_heads,
            queries,
            keys,
            width,
            value_width,
            q,
            k,
            v,
            out,
            scale: self.scale,
            causal,
            mask,
            logsums: false,
        };
        let saved = self.saved.then_some(out);
        (AttentionBackward { forward, saved, d_q: q, d_k: k, d_v: v }, sizes.0)
    }

    /// Random operands of that many elements: q, k, v, the mask, and the gradient of the result.
    fn operands(&self) -> [Vec<f64>; 5] {
        let mut random = Random::new(7);
        let mut numbers = |[heads, rows, width]: [usize; 3], scale: f64| {
            let count = self.sizes[0] * heads * rows * (width + self.gap);
            random.uniform(self.dtype, vec![count], -scale..scale).to_vec::<f64>()
        };
        let [q, k, v, d_out] = self.shapes();
        let [_, heads, _, queries, keys] = self.sizes;
        let mut mask = match self.mask {
            Some(true) => numbers([heads, 1, queries * keys - self.gap], 2.0),
            _ => numbers([1, 1, queries * keys], 2.0),
        };
        // A query that sees nothing.
        let hidden = if self.mask.is_some() { 1..2 } else { 0..0 };
        hidden.for_each(|query| mask[query * keys..][..keys].fill(f64::NEG_INFINITY));
        [numbers(q, 2.0), numbers(k, 2.0), numbers(v, 1.0), mask, numbers(d_out, 1.0)]
    }
}

/// The result, the logarithms of the rows' sums, and the gradients of q, k and v, in f64.
fn expected(case: &Case, [q, k, v, mask, d_out]: &[Vec<f64>; 5]) -> [Vec<f64>; 5] {
    let [batch, heads, kv_heads, queries, keys] = case.sizes;
    let [width, value_width] = case.widths;
    let at = |number: usize, b: usize, head: usize, row: usize| {
        let [heads, rows, width] = case.shapes()[number];
        ((b * heads + head) * rows + row) * (width + case.gap)
    };
    let scale = f64::from(case.scale);
    let (mut out, mut logsums) = (vec![f64::NAN; d_out.len()], Vec::new());
    let [mut d_q, mut d_k, mut d_v] = [q, k, v].map(|x| vec![f64::NAN; x.len()]);
    for (to, number) in [(&mut d_q, 0), (&mut d_k, 1), (&mut d_v, 2)] {
        let [heads, rows, width] = case.shapes()[number];
        for (b, head, row) in (0..batch).flat_map(|b| (0..heads).flat_map(move |h| (0..rows).map(move |r| (b, h, r)))) {
            to[at(number, b, head, row)..][..width].fill(0.0);
        }
    }
    for (b, head, i) in (0..batch).flat_map(|b| (0..heads).flat_map(move |h| (0..queries).map(move |i| (b, h, i)))) {
        let shared = head / (heads / kv_heads);
        let (own, result) = (at(0, b, head, i), at(3, b, head, i));
        let score = |j: usize| {
            if case.causal.is_some_and(|shift| j as i64 > i as i64 + shift) {
                return f64::NEG_INFINITY;
            }
            let product = (0..width).map(|d| q[own + d] * k[at(1, b, shared, j) + d]).sum::<f64>();
            let masked = case.mask.map_or(0.0, |own| {
                let first = if own { (b * heads + head) * queries } else { 0 };
                mask[(first + i) * keys + j]
            });
            scale * product + masked
        };
        let scores: Vec<f64> = (0..keys).map(score).collect();
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let safe = if most == f64::NEG_INFINITY { 0.0 } else { most };
        let sum = scores.iter().map(|score| (score - safe).exp()).sum::<f64>();
        logsums.push(safe + sum.ln());
        let weights: Vec<f64> =
            scores.iter().map(|score| if sum == 0.0 { 0.0 } else { (score - safe).exp() / sum }).collect();
        for d in 0..value_width {
            out[result + d] = (0..keys).map(|j| weights[j] * v[at(2, b, shared, j) + d]).sum();
        }
        let delta = (0..value_width).map(|d| out[result + d] * d_out[result + d]).sum::<f64>();
        for (j, weight) in weights.iter().enumerate() {
            let (key, value) = (at(1, b, shared, j), at(2, b, shared, j));
            let gradient = (0..value_width).map(|d| d_out[result + d] * v[value + d]).sum::<f64>();
            let gradient = weight * (gradient - delta) * scale;
            (0..value_width).for_each(|d| d_v[value + d] += weight * d_out[result + d]);
            for d in 0..width {
                d_q[own + d] += gradient * k[key + d];
                d_k[key + d] += gradient * q[own + d];
            }
        }
    }
    [out, logsums, d_q, d_k, d_v]
}

/// Memory that kernels use one after the other, by what they are given for it.
struct Run {
    buffers: Vec<(Argument, u64, Vec<u8>)>,
}

impl Run {
    /// Runs kernels one after the other on the machine.
    fn run(&mut self, work: &[Work]) {
        for Work { kernel, blocks, arguments } in work {
            let names = kernel.parameters();
            let results: &[&str] = match kernel.job {
                Job::Forward { .. } => &["out", "logsums"],
                Job::Deltas => &["deltas"],
                Job::Queries => &["d_q"],
                Job::Keys(_) => &["d_k", "d_v"],
            };
            let written: Vec<Argument> = names
                .iter()
                .zip(arguments)
                .filter(|(name, _)| results.contains(&name.as_str()))
                .map(|(_, argument)| *argument)
                .collect();
            let mut memory: Vec<Memory> = self
                .buffers
                .iter()
                .map(|(of, start, bytes)| {
                    let name = if written.contains(of) { "out" } else { "in" };
                    Memory { name, start: *start, bytes: bytes.clone() }
                })
                .collect();
            let values = arguments.iter().map(|argument| match argument {
                Argument::Number(number) => *number,
                other => self.buffers.iter().find(|(of, ..)| of == other).unwrap().1,
            });
            let values: Vec<u64> = values.collect();
            let machine = Machine::new(&kernel.ptx(), THREADS, kernel.shared(), &values);
            (0..*blocks).for_each(|block| machine.run(block, &mut memory));
            for (buffer, memory) in self.buffers.iter_mut().zip(memory) {
                buffer.2 = memory.bytes;
            }
        }
    }

    fn numbers(&self, of: usize, dtype: DType) -> Vec<f64> {
        let bytes = &self.buffers.iter().find(|(at, ..)| *at == Argument::Operand(of)).unwrap().2;
        Tensor::from_bytes(dtype, vec![bytes.len() / dtype.size()], bytes).unwrap().to_vec::<f64>()
    }
}

fn compare(case: &Case, what: &str, actual: &[f64], expected: &[f64]) {
    assert_eq!(actual.len(), expected.len(), "{what} of {case:?}");
    let most = if case.dtype == DType::F16 { 4e-3 } else { 3e-2 };
    for (position, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let same = actual == expected
            || actual.is_nan() && expected.is_nan()
            || (actual - expected).abs() <= most * (1.0 + expected.abs());
        assert!(same, "element {position} of {what} is {actual}, not {expected}: {case:?}");
    }
}

fn try_out(case: &Case) {
    let (op, sizes) = case.operation();
    let size = |dim: DimId| sizes[dim.0 as usize];
    let operands = case.operands();
    let expected = expected(case, &operands);
    let bytes = |numbers: &[f64], dtype: DType| {
        Tensor::from_vec(vec![numbers.len()], numbers.to_vec()).unwrap().cast(dtype).bytes().to_vec()
    };
    let none = |like: &[f64], dtype: DType| bytes(&vec![f64::NAN; like.len()], dtype);
    let [q, k, v, mask, d_out] = &operands;
    let mut inputs = vec![bytes(q, case.dtype), bytes(k, case.dtype), bytes(v, case.dtype)];
    inputs.extend(case.mask.map(|_| bytes(mask, case.dtype)));
    let count = inputs.len();
    let run = |operands: Vec<Vec<u8>>, floats: usize, problem: &dyn Fn(&[usize]) -> Problem| {
        let floats = Argument::Operand(floats);
        let alignments = vec![case.alignment; operands.len()];
        let (work, workspace) = problem(&alignments).work(SHARED).unwrap();
        let mut scratch: Vec<usize> = work
            .iter()
            .flat_map(|work| &work.arguments)
            .filter_map(|argument| if let Argument::Scratch(offset) = argument { Some(*offset) } else { None })
            .collect();
        scratch.sort_unstable();
        scratch.dedup();
        let ends = scratch.iter().copied().skip(1).chain([workspace]);
        let scratch = scratch.iter().zip(ends).map(|(&start, end)| (Argument::Scratch(start), vec![0xff; end - start]));
        let operands = operands.into_iter().enumerate().map(|(number, bytes)| (Argument::Operand(number), bytes));
        let buffers = operands.chain(scratch).enumerate().map(|(number, (of, bytes))| {
            let is_float = matches!(of, Argument::Scratch(_)) || of == floats;
            let offset = if case.alignment < 256 && !is_float { case.alignment as u64 } else { 0 };
            (of, 0x7000_0000_0000 + ((number as u64) << 32) + offset, bytes)
        });
        let mut run = Run { buffers: buffers.collect() };
        run.run(&work);
        run
    };

    let mut forward = op.forward.clone();
    forward.logsums = true;
    let mut operands = inputs.clone();
    operands.extend([none(d_out, case.dtype), none(&expected[1], DType::F32)]);
    let done = run(operands, count + 1, &|alignments| Problem::forward(&forward, &size, alignments));
    compare(case, "the result", &done.numbers(count, case.dtype), &expected[0]);
    compare(case, "the logarithms of sums", &done.numbers(count + 1, DType::F32), &expected[1]);

    let mut operands = inputs;
    operands.push(bytes(d_out, case.dtype));
    if case.saved {
        operands.extend([bytes(&expected[0], case.dtype), bytes(&expected[1], DType::F32)]);
    }
    let results = operands.len();
    operands.extend([none(q, case.dtype), none(k, case.dtype), none(v, case.dtype)]);
    let done = run(operands, if case.saved { count + 2 } else { usize::MAX }, &|alignments| {
        Problem::backward(&op, &size, alignments)
    });
    for (number, what) in ["queries", "keys", "values"].into_iter().enumerate() {
        let what = format!("the gradient of {what}");
        compare(case, &what, &done.numbers(results + number, case.dtype), &expected[2 + number]);
    }
}

#[test]
fn attention_in_half_precision_of_known_widths_is_claimed() {
    let mut dims = Dims::default();
    let [narrow, widest, wider] = [7, WIDEST, WIDEST + 1].map(|size| dims.constant(size));
    let claims = |change: &dyn Fn(&mut Attention)| {
        let mut op = PLAIN.operation().0;
        (op.forward.width, op.forward.value_width) = (widest, narrow);
        change(&mut op.forward);
        let forward = Flash.claims(&LibraryOp::Attention(op.forward.clone()), &dims);
        assert_eq!(Flash.claims(&LibraryOp::AttentionBackward(op), &dims), forward);
        forward
    };
    assert!(claims(&|_| {}));
    assert!(!claims(&|op| op.width = wider));
    assert!(!claims(&|op| op.value_width = wider));
    assert!(!claims(&|op| op.dtype = DType::F32));
}

#[test]
fn attention_and_its_gradient_are_right_on_the_machine() {
    cases().iter().for_each(try_out);
}

#[test]
fn every_kernel_of_attention_assembles_and_keeps_its_values_in_registers() {
    let archs = ["sm_80", "sm_90a", "sm_100"];
    let widths = [[16, 16], [64, 64], [128, 128], [192, 128], [256, 256], [80, 20]];
    let mut number = 0;
    for (widths, causal) in widths.into_iter().flat_map(|widths| [(widths, Some(0)), (widths, None)]) {
        for (mask, alignment) in [(None, 256), (Some(true), 256), (None, 2)] {
            let case = Case { sizes: [1, 1, 1, 512, 512], widths, causal, mask, alignment, saved: false, ..PLAIN };
            let (op, sizes) = case.operation();
            let problem = Problem::backward(&op, &|dim| sizes[dim.0 as usize], &[alignment; 16]);
            for Work { kernel, .. } in problem.work(SHARED).unwrap().0 {
                let said = assembled(&kernel.ptx(), archs[number % archs.len()]);
                assert!(said.contains(" 0 bytes spill stores"), "{kernel:?} on {}: {said}", archs[number % 3]);
                number += 1;
            }
        }
    }
}
