//! Convolutions against sums in f64.

use super::*;
use thunder_runtime::program::{Convolution, ConvolutionAxis};

/// Extent, window, stride, zeros before and after, dilation.
type Space = (usize, usize, usize, (usize, usize), usize);

#[derive(Clone, Debug)]
struct Case {
    dtype: DType,
    batch: usize,
    groups: usize,
    channels: usize,
    features: usize,
    space: Vec<Space>,
    bias: bool,
    threads: usize,
}

/// Elements of the result along a dimension, if the window fits.
fn positions(&(extent, window, stride, (low, high), dilation): &Space) -> Option<usize> {
    let reach = window.checked_sub(1)? * dilation + 1;
    Some((extent + low + high).checked_sub(reach)? / stride + 1)
}

fn check(case: &Case) {
    let Case { dtype, batch, groups, channels, features, .. } = *case;
    let Some(out) = case.space.iter().map(positions).collect::<Option<Vec<_>>>() else { return };
    let space: Vec<usize> = case.space.iter().map(|s| s.0).collect();
    let window: Vec<usize> = case.space.iter().map(|s| s.1).collect();
    let count = |sizes: &[usize]| sizes.iter().product::<usize>();
    let (area, taps, places) = (count(&space), count(&window), count(&out));
    let elements = [batch * groups * channels * area, groups * features * channels * taps, groups * features];
    let mut inputs: Vec<Tensor> =
        elements.iter().enumerate().map(|(i, &elements)| random(i as u64, dtype, elements)).collect();
    let values: Vec<Vec<f64>> = inputs.iter().map(Tensor::to_vec).collect();
    inputs.truncate(if case.bias { 3 } else { 2 });
    // For each position and tap, which element of a channel is read.
    let mut reads = Vec::new();
    for position in indices(&out) {
        for tap in indices(&window) {
            let mut element = Some(0);
            for (axis, &(extent, _, stride, (low, _), dilation)) in case.space.iter().enumerate() {
                let at = (position[axis] * stride + tap[axis] * dilation).checked_sub(low).filter(|at| *at < extent);
                element = element.zip(at).map(|(element, at)| element * extent + at);
            }
            reads.push(element);
        }
    }
    let mut expected = Vec::new();
    for problem in 0..batch * groups {
        for f in 0..features {
            let feature = problem % groups * features + f;
            for p in 0..places {
                let mut sum = if case.bias { values[2][feature] } else { 0.0 };
                for c in 0..channels {
                    for t in 0..taps {
                        let x = reads[p * taps + t].map_or(0.0, |e| values[0][(problem * channels + c) * area + e]);
                        sum += x * values[1][(feature * channels + c) * taps + t];
                    }
                }
                expected.push(sum);
            }
        }
    }
    let tolerance = match dtype {
        DType::F64 => 1e-12,
        DType::F32 => 2e-6,
        DType::F16 => 1e-3,
        _ => 8e-3,
    } * ((channels * taps) as f64 + 2.0).sqrt();
    for arch in arches() {
        let mut b = Builder::new();
        let mut axes = Vec::new();
        for (&(extent, window, stride, (low, _), dilation), &positions) in case.space.iter().zip(&out) {
            let [extent, positions, window, stride, low, dilation] =
                [extent, positions, window, stride, low, dilation].map(|size| b.dim(size));
            axes.push(ConvolutionAxis { extent, positions, window, stride, low, dilation });
        }
        let [batch, groups, channels, features] = [batch, groups, channels, features].map(|size| b.dim(size));
        let op = Convolution { dtype, batch, groups, channels, features, axes, bias: case.bias };
        let mut args: Vec<Arg> =
            (0..inputs.len()).map(|i| Arg::read(b.input(&i.to_string(), dtype, elements[i]))).collect();
        args.push(Arg::write(b.output("out", dtype, expected.len())));
        b.0.steps.push(Step::Call(Call { op: LibraryOp::Convolution(op), args }));
        let session = b.session(&BTreeMap::new(), options(case.threads, arch));
        let got: Vec<f64> = session.run(&inputs).unwrap()[0].to_vec();
        for (at, (got, expected)) in got.iter().zip(&expected).enumerate() {
            let is_close = (got - expected).abs() <= tolerance;
            assert!(is_close, "{case:?} {arch:?}: {got} instead of {expected} at {at}");
        }
    }
}

fn space() -> impl Strategy<Value = Space> {
    (0..14_usize, 1..5_usize, 1..4_usize, (0..4_usize, 0..4_usize), 1..4_usize)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn convolution_of_any_size(
        dtype in prop_oneof![
            4 => Just(DType::F32), 1 => Just(DType::F64), 1 => Just(DType::F16), 1 => Just(DType::BF16)
        ],
        (batch, groups) in (0..3_usize, 1..3_usize),
        (channels, features) in (0..6_usize, 0..12_usize),
        space in prop::collection::vec(space(), 1..4),
        bias in any::<bool>(),
        threads in 1..4_usize,
    ) {
        check(&Case { dtype, batch, groups, channels, features, space, bias, threads });
    }
}

#[test]
fn convolution_beyond_every_block_size() {
    let plain = |extent, window| (extent, window, 1, (1, 1), 1);
    for (space, channels, features) in [
        (vec![plain(19, 3), plain(29, 3)], 50, 9),
        (vec![(700, 2, 1, (0, 0), 1)], 3, 70),
        (vec![(40, 3, 2, (1, 0), 2), (31, 3, 2, (2, 2), 1)], 45, 65),
    ] {
        for threads in [1, 3] {
            let space = space.clone();
            check(&Case { dtype: DType::F32, batch: 1, groups: 1, channels, features, space, bias: true, threads });
        }
    }
}
