//! That convolutions are right on a machine that runs their kernels, and that NVIDIA's assembler takes these.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use thunder_tensor::{Random, Tensor};

use super::*;
use crate::cuda::code::assembler::assembled;
use crate::cuda::code::machine::{Machine, Memory};

const PLAIN: Problem = Problem {
    dtype: DType::F32,
    batch: 2,
    groups: 1,
    channels: 3,
    features: 5,
    axes: [ONE, ONE, Axis { extent: 9, positions: 7, window: 3, ..ONE }],
    bias: false,
    alignments: [256; 3],
};

fn problems() -> Vec<Problem> {
    let square = Axis { extent: 6, positions: 3, window: 3, stride: 2, dilation: 1, low: 1 };
    let spread = Axis { extent: 8, positions: 6, window: 2, stride: 1, dilation: 4, low: 2 };
    vec![
        PLAIN,
        Problem { bias: true, axes: [ONE, square, spread], dtype: DType::F16, ..PLAIN },
        Problem { groups: 3, axes: [ONE, square, square], dtype: DType::BF16, ..PLAIN },
        Problem { groups: 2, bias: true, axes: [square, spread, square], dtype: DType::F64, batch: 1, ..PLAIN },
        // Windows of single elements, all of these and every other.
        Problem { groups: 2, axes: [ONE, ONE, Axis { extent: 40, positions: 40, ..ONE }], ..PLAIN },
        Problem { axes: [ONE, ONE, Axis { extent: 40, positions: 20, stride: 2, ..ONE }], ..PLAIN },
        // Fewer positions than fit, more than there is an input for, no channels, and more positions than a block has.
        Problem { axes: [ONE, ONE, Axis { extent: 9, positions: 3, window: 3, ..ONE }], ..PLAIN },
        Problem { axes: [ONE, ONE, Axis { extent: 4, positions: 9, window: 2, low: 3, ..ONE }], ..PLAIN },
        Problem { channels: 0, bias: true, ..PLAIN },
        Problem { axes: [ONE, ONE, Axis { extent: 300, positions: 298, window: 3, ..ONE }], channels: 1, ..PLAIN },
    ]
}

/// Each feature at each position, in f64.
fn expected(problem: &Problem, x: &[f64], weights: &[f64], bias: &[f64]) -> Vec<f64> {
    let Problem { batch, groups, channels, features, axes, .. } = *problem;
    let all = |of: fn(&Axis) -> usize| axes.iter().map(of).product::<usize>();
    let (elements, positions, window) = (all(|a| a.extent), all(|a| a.positions), all(|a| a.window));
    let index = |mut number: usize, of: fn(&Axis) -> usize| {
        let mut index = [0; AXES];
        for (own, axis) in index.iter_mut().zip(&axes).rev() {
            (*own, number) = (number % of(axis), number / of(axis));
        }
        index
    };
    let mut result = Vec::new();
    for (image, feature) in (0..batch).flat_map(|image| (0..groups * features).map(move |feature| (image, feature))) {
        for position in 0..positions {
            let at = index(position, |a| a.positions);
            let mut sum = bias.get(feature).copied().unwrap_or(0.0);
            for (channel, tap) in (0..channels).flat_map(|channel| (0..window).map(move |tap| (channel, tap))) {
                let within = index(tap, |a| a.window);
                let place = [0, 1, 2].map(|i: usize| {
                    let Axis { extent, stride, dilation, low, .. } = axes[i];
                    (at[i] * stride + within[i] * dilation).checked_sub(low).filter(|place| *place < extent)
                });
                if let [Some(a), Some(b), Some(c)] = place {
                    let number = image * groups * channels + feature / features * channels + channel;
                    let element = (a * axes[1].extent + b) * axes[2].extent + c;
                    sum += x[number * elements + element] * weights[(feature * channels + channel) * window + tap];
                }
            }
            result.push(sum);
        }
    }
    result
}

#[test]
fn convolutions_are_right_on_the_machine() {
    for problem in problems() {
        let Problem { dtype, batch, groups, features, bias, .. } = problem;
        let size = dtype.size();
        let [image, seen, result] = problem.bytes().map(|bytes| bytes / size);
        let mut random = Random::new(3);
        let lengths = [batch * image, groups * features * problem.terms(), groups * features];
        let operands = lengths.map(|length| random.uniform(dtype, vec![length], -1.0..1.0));
        let start = |number: usize| 0x7000_0000_0000 + ((number as u64) << 32);
        let memory = |name, number: usize, bytes: Vec<u8>| Memory { name, start: start(number), bytes };
        let none = |length: usize| Tensor::full(dtype, vec![length], f64::NAN).bytes().to_vec();
        // What windows see, of all images.
        let images = if problem.is_plain() {
            operands[0].bytes().to_vec()
        } else {
            let mut all = [memory("x", 0, operands[0].bytes().to_vec()), memory("out", 4, none(batch * seen))];
            let values: Vec<u64> = [start(0), start(4)].into_iter().chain(problem.numbers()).collect();
            let machine = Machine::new(&ptx(size), THREADS, 0, &values);
            let blocks = if seen == 0 { 0 } else { problem.pieces() * problem.parts() * batch };
            (0..blocks).for_each(|block| machine.run(block as u32, &mut all));
            let [_, seen] = all;
            seen.bytes
        };
        let work = Work::new(&problem.product(batch), 132).unwrap();
        let mut out = memory("out", 3, none(batch * result));
        for group in (0..groups).step_by(problem.together()) {
            let [a, b, c, d] = [problem.terms() * problem.positions(), features * problem.terms(), features, 0];
            let moved = |number: usize, each: usize| start(number) + (group * each * size) as u64;
            let mut values = vec![moved(4, a), moved(1, b)];
            values.extend(bias.then(|| moved(2, c)));
            values.extend([moved(3, features * problem.positions()), d as u64]);
            values.extend(&work.numbers);
            let mut all = [
                memory("seen", 4, images.clone()),
                memory("weights", 1, operands[1].bytes().to_vec()),
                memory("bias", 2, operands[2].bytes().to_vec()),
                out,
            ];
            let tile = &work.kernel.tile;
            let machine = Machine::new(&work.kernel.ptx(), tile.threads(), tile.shared(size), &values);
            (0..work.blocks).for_each(|block| machine.run(block as u32, &mut all));
            [.., out] = all;
        }
        let actual = Tensor::from_bytes(dtype, vec![batch * result], &out.bytes).unwrap().to_vec::<f64>();
        let [x, weights, biases] = operands.map(|tensor| tensor.to_vec::<f64>());
        let expected = expected(&problem, &x, &weights, if bias { &biases } else { &[] });
        assert_eq!(actual.len(), expected.len());
        let most = [(DType::F64, 1e-13), (DType::F32, 1e-5), (DType::F16, 2e-3)];
        let most = most.into_iter().find(|(of, _)| *of == dtype).map_or(1e-2, |(_, most)| most);
        for (position, (actual, expected)) in actual.into_iter().zip(expected).enumerate() {
            let same = (actual - expected).abs() <= most * (1.0 + expected.abs());
            assert!(same, "element {position} is {actual}, not {expected}: {problem:?}");
        }
    }
}

#[test]
fn the_kernel_of_windows_assembles() {
    for (size, arch) in [(2, "sm_80"), (4, "sm_90a"), (8, "sm_100")] {
        let said = assembled(&ptx(size), arch);
        assert!(said.contains(" 0 bytes spill stores"), "{arch}: {said}");
    }
    assert_eq!(parameters().len(), 2 + PLAIN.numbers().len());
}
