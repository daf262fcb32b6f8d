//! Library operations against references in f64, on every vector width that this processor has.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "library/convolution.rs"]
mod convolution;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use pulp::Arch;
use thunder_runtime::artifact::{Artifact, Bytes, Target};
use thunder_runtime::cpu::Cpu;
use thunder_runtime::program::{
    Arg, Attention, AttentionBackward, AttentionStrides, BatchDim, Call, DimId, LibraryOp, MaskStrides, Matmul,
    MatrixStrides, Port, Program, Root, Step,
};
use thunder_runtime::session::{Options, Session};
use thunder_tensor::{DType, Random, Tensor};

fn arches() -> Vec<Arch> {
    let mut arches = vec![Arch::Scalar, Arch::new()];
    #[cfg(target_arch = "x86_64")]
    if let (Arch::V4(_), Some(v3)) = (Arch::new(), pulp::x86::V3::try_new()) {
        arches.push(Arch::V3(v3));
    }
    arches
}

fn options(threads: usize, arch: Arch) -> Options {
    Options { cpu: Arc::new(Cpu::with_arch(threads, arch)), ..Options::with_threads(1) }
}

struct Builder(Program);

impl Builder {
    fn new() -> Self {
        Self(Program { name: "test".into(), ..Program::default() })
    }

    fn dim(&mut self, value: usize) -> DimId {
        self.0.dims.constant(value as i64)
    }

    fn port(&mut self, name: &str, dtype: DType, shape: &[usize]) -> Port {
        let shape = shape.iter().map(|&extent| self.dim(extent)).collect();
        Port { name: name.into(), dtype, shape }
    }

    fn input(&mut self, name: &str, dtype: DType, elements: usize) -> Root {
        let port = self.port(name, dtype, &[elements]);
        self.0.inputs.push(port);
        Root::Input(self.0.inputs.len() as u32 - 1)
    }

    fn output(&mut self, name: &str, dtype: DType, elements: usize) -> Root {
        let port = self.port(name, dtype, &[elements]);
        self.0.outputs.push(port);
        Root::Output(self.0.outputs.len() as u32 - 1)
    }

    fn session(self, weights: &BTreeMap<String, Tensor>, options: Options) -> Session {
        let none = || Bytes::new(Vec::new());
        let artifact = Artifact::new(self.0, Target::default(), none(), none()).unwrap();
        Session::prepare_with(&artifact, weights, None, options).unwrap()
    }
}

fn random(seed: u64, dtype: DType, elements: usize) -> Tensor {
    Random::new(seed).uniform(dtype, vec![elements], -1.0..1.0)
}

#[derive(Clone, Debug)]
struct MatmulCase {
    dtype: DType,
    batch: Vec<usize>,
    size: [usize; 3],
    transposed: [bool; 3],
    broadcast: [bool; 2],
    padding: usize,
    bias: bool,
    weight: bool,
    threads: usize,
}

/// Strides of (batch dims, rows, columns) for a matrix with padded rows, and its elements.
fn layout(
    batch: &[usize],
    (rows, columns): (usize, usize),
    transposed: bool,
    broadcast: bool,
    padding: usize,
) -> (Vec<usize>, (usize, usize), usize) {
    let (inner, outer) = if transposed { (rows, columns) } else { (columns, rows) };
    let line = inner + padding;
    let strides = if transposed { (1, line) } else { (line, 1) };
    let mut next = line * outer;
    let mut batches = vec![0; batch.len()];
    if !broadcast {
        for (stride, &extent) in batches.iter_mut().zip(batch).rev() {
            *stride = next;
            next *= extent;
        }
    }
    (batches, strides, next)
}

fn check_matmul(case: &MatmulCase) {
    let [m, n, k] = case.size;
    let [lt, rt, ot] = case.transposed;
    let lhs = layout(&case.batch, (m, k), lt, case.broadcast[0], case.padding);
    let rhs = layout(&case.batch, (k, n), rt, case.broadcast[1] || case.weight, case.padding);
    let out = layout(&case.batch, (m, n), ot, false, case.padding);
    let weights = BTreeMap::from([("w".to_owned(), random(2, case.dtype, rhs.2))]);
    let inputs = [random(1, case.dtype, lhs.2), random(2, case.dtype, rhs.2), random(3, case.dtype, n)];
    let expected = {
        let values: Vec<Vec<f64>> = inputs.iter().map(Tensor::to_vec).collect();
        let mut expected = Vec::new();
        for batch in indices(&case.batch) {
            let at = |strides: &[usize]| batch.iter().zip(strides).map(|(i, s)| i * s).sum::<usize>();
            for i in 0..m {
                for j in 0..n {
                    let mut sum = if case.bias { values[2][j] } else { 0.0 };
                    for p in 0..k {
                        sum += values[0][at(&lhs.0) + i * lhs.1.0 + p * lhs.1.1]
                            * values[1][at(&rhs.0) + p * rhs.1.0 + j * rhs.1.1];
                    }
                    expected.push((at(&out.0) + i * out.1.0 + j * out.1.1, sum));
                }
            }
        }
        expected
    };
    let tolerance = match case.dtype {
        DType::F64 => 1e-12,
        DType::F32 => 2e-6,
        DType::F16 => 1e-3,
        _ => 8e-3,
    } * (k as f64 + 2.0).sqrt().max(1.0);
    for arch in arches() {
        let mut b = Builder::new();
        let dim = |b: &mut Builder, value| b.dim(value);
        let strides = |b: &mut Builder, s: (usize, usize)| MatrixStrides { row: dim(b, s.0), column: dim(b, s.1) };
        let op = Matmul {
            dtype: case.dtype,
            m: b.dim(m),
            n: b.dim(n),
            k: b.dim(k),
            batch: (0..case.batch.len())
                .map(|i| BatchDim {
                    extent: b.dim(case.batch[i]),
                    lhs: b.dim(lhs.0[i]),
                    rhs: b.dim(rhs.0[i]),
                    out: b.dim(out.0[i]),
                })
                .collect(),
            lhs: strides(&mut b, lhs.1),
            rhs: strides(&mut b, rhs.1),
            out: strides(&mut b, out.1),
            bias: case.bias,
            epilogue: None,
        };
        let mut given = vec![inputs[0].clone()];
        let mut args = vec![Arg::read(b.input("lhs", case.dtype, lhs.2))];
        if case.weight {
            let port = b.port("w", case.dtype, &[rhs.2]);
            b.0.parameters.push(port);
            args.push(Arg::read(Root::Parameter(0)));
        } else {
            args.push(Arg::read(b.input("rhs", case.dtype, rhs.2)));
            given.push(inputs[1].clone());
        }
        if case.bias {
            args.push(Arg::read(b.input("bias", case.dtype, n)));
            given.push(inputs[2].clone());
        }
        args.push(Arg::write(b.output("out", case.dtype, out.2)));
        b.0.steps.push(Step::Call(Call { op: LibraryOp::Matmul(op), args }));
        let session = b.session(&weights, options(case.threads, arch));
        let got: Vec<f64> = session.run(&given).unwrap()[0].to_vec();
        for &(at, expected) in &expected {
            assert!(
                (got[at] - expected).abs() <= tolerance,
                "{case:?} {arch:?}: {} instead of {expected} at {at}",
                got[at]
            );
        }
        let written: std::collections::BTreeSet<_> = expected.iter().map(|(at, _)| *at).collect();
        let clean = got.iter().enumerate().all(|(at, &value)| value == 0.0 || written.contains(&at));
        assert!(clean, "{case:?} {arch:?}: wrote between the rows");
    }
}

fn indices(extents: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for &extent in extents {
        all = all
            .into_iter()
            .flat_map(|index: Vec<usize>| (0..extent).map(move |i| index.iter().copied().chain([i]).collect()))
            .collect();
    }
    all
}

fn extent() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0..20_usize, 3 => 20..70_usize, 1 => Just(96), 1 => 255..260_usize]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn matmul_of_any_size_and_layout(
        dtype in prop_oneof![
            6 => Just(DType::F32), 1 => Just(DType::F64), 1 => Just(DType::F16), 1 => Just(DType::BF16)
        ],
        batch in prop_oneof![3 => Just(vec![]), 1 => Just(vec![3]), 1 => Just(vec![2, 2]), 1 => Just(vec![0])],
        m in extent(), n in extent(), k in extent(),
        transposed in any::<[bool; 3]>(),
        broadcast in any::<[bool; 2]>(),
        padding in 0..3_usize,
        bias in any::<bool>(),
        weight in any::<bool>(),
        threads in 1..4_usize,
    ) {
        let size = [m, n, k];
        check_matmul(&MatmulCase {
            dtype, batch, size, transposed, broadcast, padding, bias, weight, threads,
        });
    }
}

#[test]
fn matmul_beyond_every_block_size() {
    for (size, transposed) in [
        ([150, 130, 600], [false, true, false]),
        ([300, 1100, 40], [true, false, false]),
        ([7, 1536, 384], [false, true, false]),
        ([130, 1030, 1030], [false, false, false]),
    ] {
        for weight in [false, true] {
            check_matmul(&MatmulCase {
                dtype: DType::F32,
                batch: vec![],
                size,
                transposed,
                broadcast: [false; 2],
                padding: 0,
                bias: true,
                weight,
                threads: 2,
            });
        }
    }
}

#[derive(Clone, Debug)]
struct AttentionCase {
    batch: usize,
    heads: usize,
    group: usize,
    queries: usize,
    keys: usize,
    width: usize,
    value_width: usize,
    /// Whether positions come before heads in memory, as after a projection.
    interleaved: bool,
    causal: Option<i64>,
    /// Whether the mask has its own values per batch, head, query.
    mask: Option<[bool; 3]>,
    /// Value of masked-out entries of the mask.
    hidden: f64,
    threads: usize,
}

fn head_strides(case: &AttentionCase, heads: usize, positions: usize, width: usize) -> [usize; 3] {
    let whole = heads * positions * width;
    if case.interleaved { [whole, width, heads * width] } else { [whole, positions * width, width] }
}

fn check_attention(case: &AttentionCase) {
    let AttentionCase { batch, heads, group, queries, keys, width, value_width, .. } = *case;
    let kv_heads = heads / group;
    let strides = [
        head_strides(case, heads, queries, width),
        head_strides(case, kv_heads, keys, width),
        head_strides(case, kv_heads, keys, value_width),
        head_strides(case, heads, queries, value_width),
    ];
    let elements = [
        batch * heads * queries * width,
        batch * kv_heads * keys * width,
        batch * kv_heads * keys * value_width,
        batch * heads * queries * value_width,
    ];
    let mut inputs: Vec<Tensor> = (0..3).map(|i| random(i as u64, DType::F32, elements[i])).collect();
    let own = case.mask.unwrap_or([false; 3]);
    let mut mask_extent = keys;
    let mut mask_strides = [0, 0, 0, 1];
    for (axis, extent) in [(2, queries), (1, heads), (0, batch)] {
        if own[axis] {
            mask_strides[axis] = mask_extent;
            mask_extent *= extent;
        }
    }
    if case.mask.is_some() {
        let values: Vec<f64> = random(9, DType::F32, mask_extent).to_vec();
        let values: Vec<f32> = values.iter().map(|&x| if x > 0.2 { case.hidden as f32 } else { x as f32 }).collect();
        inputs.push(Tensor::from_vec(vec![mask_extent], values).unwrap());
    }
    let values: Vec<Vec<f64>> = inputs.iter().map(Tensor::to_vec).collect();
    let mut expected = vec![(0.0, 0.0); elements[3]];
    let d_out = random(4, DType::F32, elements[3]);
    let d_values: Vec<f64> = d_out.to_vec();
    let mut gradients = [vec![0.0; elements[0]], vec![0.0; elements[1]], vec![0.0; elements[2]]];
    let mut gradient_tolerance = 0.0_f64;
    for b in 0..batch {
        for h in 0..heads {
            for i in 0..queries {
                let at = |o: usize, head: usize, position: usize| {
                    b * strides[o][0] + head * strides[o][1] + position * strides[o][2]
                };
                let scores: Vec<f64> = (0..keys)
                    .map(|j| {
                        let dot: f64 =
                            (0..width).map(|d| values[0][at(0, h, i) + d] * values[1][at(1, h / group, j) + d]).sum();
                        let mut score = 0.3 * dot;
                        if case.mask.is_some() {
                            let [mb, mh, mq, mk] = mask_strides;
                            score += values[3][b * mb + h * mh + i * mq + j * mk];
                        }
                        let visible = case.causal.is_none_or(|shift| j as i64 <= i as i64 + shift);
                        if visible { score } else { f64::NEG_INFINITY }
                    })
                    .collect();
                let maximum = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                if maximum == f64::NEG_INFINITY {
                    continue;
                }
                let sum: f64 = scores.iter().map(|score| (score - maximum).exp()).sum();
                // Scores are sums in f32: far from zero, as in a row whose mask hides all of it
                // with a finite number, their rounding shows.
                let rounding = maximum.abs() * f64::from(f32::EPSILON);
                for d in 0..value_width {
                    let value = |j| values[2][at(2, h / group, j) + d];
                    let mean = (0..keys).map(|j| (scores[j] - maximum).exp() / sum * value(j)).sum();
                    expected[at(3, h, i) + d] = (mean, 3e-6 + rounding);
                }
                gradient_tolerance = gradient_tolerance.max(3e-5 + 30.0 * rounding);
                let weights: Vec<f64> = scores.iter().map(|score| (score - maximum).exp() / sum).collect();
                let d_weights: Vec<f64> = (0..keys)
                    .map(|j| {
                        let v = at(2, h / group, j);
                        (0..value_width).map(|d| d_values[at(3, h, i) + d] * values[2][v + d]).sum()
                    })
                    .collect();
                let inner: f64 = weights.iter().zip(&d_weights).map(|(w, d)| w * d).sum();
                for j in 0..keys {
                    let d_score = 0.3 * weights[j] * (d_weights[j] - inner);
                    let (q, k, v) = (at(0, h, i), at(1, h / group, j), at(2, h / group, j));
                    for d in 0..width {
                        gradients[0][q + d] += d_score * values[1][k + d];
                        gradients[1][k + d] += d_score * values[0][q + d];
                    }
                    for d in 0..value_width {
                        gradients[2][v + d] += weights[j] * d_values[at(3, h, i) + d];
                    }
                }
            }
        }
    }
    for arch in arches() {
        let mut b = Builder::new();
        let s = |b: &mut Builder, i: usize| AttentionStrides {
            batch: b.dim(strides[i][0]),
            head: b.dim(strides[i][1]),
            position: b.dim(strides[i][2]),
        };
        let op = Attention {
            dtype: DType::F32,
            batch: b.dim(batch),
            heads: b.dim(heads),
            kv_heads: b.dim(kv_heads),
            queries: b.dim(queries),
            keys: b.dim(keys),
            width: b.dim(width),
            value_width: b.dim(value_width),
            q: s(&mut b, 0),
            k: s(&mut b, 1),
            v: s(&mut b, 2),
            out: s(&mut b, 3),
            scale: 0.3,
            causal: case.causal.map(|shift| b.0.dims.constant(shift)),
            mask: case.mask.map(|_| MaskStrides {
                batch: b.dim(mask_strides[0]),
                head: b.dim(mask_strides[1]),
                query: b.dim(mask_strides[2]),
                key: b.dim(mask_strides[3]),
            }),
            logsums: false,
        };
        let mut args: Vec<Arg> =
            (0..inputs.len()).map(|i| Arg::read(b.input(&i.to_string(), DType::F32, inputs[i].len()))).collect();
        let backward = AttentionBackward {
            saved: None,
            forward: op.clone(),
            d_q: s(&mut b, 0),
            d_k: s(&mut b, 1),
            d_v: s(&mut b, 2),
        };
        let mut backward_args = args.clone();
        args.push(Arg::write(b.output("out", DType::F32, elements[3])));
        b.0.steps.push(Step::Call(Call { op: LibraryOp::Attention(op), args }));
        backward_args.push(Arg::read(b.input("d_out", DType::F32, elements[3])));
        for (name, elements) in ["d_q", "d_k", "d_v"].into_iter().zip(elements) {
            backward_args.push(Arg::write(b.output(name, DType::F32, elements)));
        }
        b.0.steps.push(Step::Call(Call { op: LibraryOp::AttentionBackward(backward), args: backward_args }));
        let session = b.session(&BTreeMap::new(), options(case.threads, arch));
        let outputs = session.run(&[&inputs[..], std::slice::from_ref(&d_out)].concat()).unwrap();
        for (name, (got, expected)) in ["d_q", "d_k", "d_v"].iter().zip(outputs[1..].iter().zip(&gradients)) {
            for (at, (got, expected)) in got.to_vec::<f64>().iter().zip(expected).enumerate() {
                let is_close = (got - expected).abs() <= gradient_tolerance;
                assert!(is_close, "{case:?} {arch:?}: {got} instead of {expected} at {at} of {name}");
            }
        }
        let got: Vec<f64> = outputs[0].to_vec();
        for (at, (got, (expected, tolerance))) in got.iter().zip(&expected).enumerate() {
            assert!((got - expected).abs() <= *tolerance, "{case:?} {arch:?}: {got} instead of {expected} at {at}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn attention_of_any_size_and_layout(
        batch in 0..3_usize,
        (heads, group) in prop_oneof![Just((1, 1)), Just((3, 1)), Just((4, 2)), Just((2, 2))],
        queries in prop_oneof![0..20_usize, 45..60_usize],
        keys in prop_oneof![3 => 0..20_usize, 1 => 250..300_usize],
        width in 0..40_usize,
        value_width in 0..40_usize,
        interleaved in any::<bool>(),
        causal in prop::option::of(-3..30_i64),
        mask in prop::option::of(any::<[bool; 3]>()),
        hidden in prop_oneof![Just(f64::NEG_INFINITY), Just(-1e4)],
        threads in 1..3_usize,
    ) {
        check_attention(&AttentionCase {
            batch, heads, group, queries, keys, width, value_width, interleaved, causal, mask, hidden,
            threads,
        });
    }
}

#[test]
fn attention_over_several_blocks_of_keys() {
    for (causal, mask) in [(None, None), (Some(0), None), (Some(200), Some([true, false, true]))] {
        check_attention(&AttentionCase {
            batch: 1,
            heads: 2,
            group: 1,
            queries: 130,
            keys: 600,
            width: 300,
            value_width: 33,
            interleaved: true,
            causal,
            mask,
            hidden: f64::NEG_INFINITY,
            threads: 2,
        });
    }
}

#[test]
fn attention_keeps_nan_in_its_row() {
    let mut b = Builder::new();
    let one = b.dim(1);
    let four = b.dim(4);
    let two = b.dim(2);
    let eight = b.dim(8);
    let s = AttentionStrides { batch: eight, head: eight, position: four };
    let op = Attention {
        dtype: DType::F32,
        batch: one,
        heads: one,
        kv_heads: one,
        queries: two,
        keys: two,
        width: four,
        value_width: four,
        q: s,
        k: s,
        v: s,
        out: s,
        scale: 1.0,
        causal: None,
        mask: None,
        logsums: false,
    };
    let mut args: Vec<Arg> = ["q", "k", "v"].map(|name| Arg::read(b.input(name, DType::F32, 8))).into();
    args.push(Arg::write(b.output("out", DType::F32, 8)));
    b.0.steps.push(Step::Call(Call { op: LibraryOp::Attention(op), args }));
    let session = b.session(&BTreeMap::new(), Options::with_threads(1));
    let mut q = vec![1.0_f32; 8];
    q[0] = f32::NAN;
    let ones = Tensor::from_vec(vec![8], vec![1.0_f32; 8]).unwrap();
    let out = session.run(&[Tensor::from_vec(vec![8], q).unwrap(), ones.clone(), ones]).unwrap();
    let out: Vec<f64> = out[0].to_vec();
    assert!(out[..4].iter().all(|x| x.is_nan()), "{out:?}");
    assert_eq!(out[4..], [1.0; 4]);
}
