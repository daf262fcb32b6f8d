//! What traced programs compute, by the reference interpreter.

use thunder_dialect::build::{BuildPhilox as _, BuildPhiloxWord as _};
use thunder_trace::{Approximation, Attention, DType, HostTensor, Window, apply, cat, stack};

use crate::{f32s, i64s, run, run_with};

#[track_caller]
fn assert_close(actual: &HostTensor, shape: &[usize], expected: &[f64]) {
    assert_eq!(actual.shape(), shape);
    let actual = actual.to_vec::<f64>();
    let is_close = |(x, y): (&f64, &f64)| x == y || (x.is_nan() && y.is_nan()) || (x - y).abs() < 1e-5;
    assert!(
        actual.len() == expected.len() && actual.iter().zip(expected).all(is_close),
        "{actual:?}, not {expected:?}"
    );
}

#[test]
fn shapes_broadcast() {
    let (column, row) = (f32s([2, 1], &[1.0, 2.0]), f32s([3], &[10.0, 20.0, 30.0]));
    let sum = run([column.clone(), row.clone()], |_, [x, y]| x + y);
    assert_close(&sum, &[2, 3], &[11.0, 21.0, 31.0, 12.0, 22.0, 32.0]);
    let chosen = run([column, row], |_, [x, y]| x.gt(1.5).where_(y, -1));
    assert_close(&chosen, &[2, 3], &[-1.0, -1.0, -1.0, 10.0, 20.0, 30.0]);
    let empty = run([f32s([0, 1], &[]), f32s([3], &[1.0, 2.0, 3.0])], |_, [x, y]| x * y);
    assert_close(&empty, &[0, 3], &[]);
}

#[test]
fn loops_go_round_as_values_say() {
    let x = f32s([2], &[4.0, 9.0]);
    let root = run([x.clone()], |cx, [x]| {
        cx.while_loop(
            &[x],
            |guess| (guess[0] * guess[0] - x).abs().gt(1e-4).any([0]),
            |guess| vec![(guess[0] + x / guess[0]) * 0.5],
        )[0]
    });
    assert_close(&root, &[2], &[2.0, 3.0]);
    // A loop in a loop, which sees the values around both; sizes of a checkpoint and of the function.
    let nested = run([x.clone(), i64s([], &[3])], |cx, [x, n]| {
        let zero = cx.full((), 0, DType::I64);
        let outer = cx.while_loop(
            &[zero, x],
            |v| v[0].lt(n),
            |v| {
                let inner =
                    cx.while_loop(&[v[0], v[1]], |w| w[0].lt(n), |w| vec![w[0] + 1, cx.checkpoint(|| w[1] + x)]);
                vec![v[0] + 1, inner[1] + cx.ones(x.shape(), DType::F32)]
            },
        );
        outer[1]
    });
    // 3 + 2 + 1 rounds of the inner loop, 3 of the outer one.
    assert_close(&nested, &[2], &[4.0 + 6.0 * 4.0 + 3.0, 9.0 + 6.0 * 9.0 + 3.0]);
    let never = run([x], |cx, [x]| cx.while_loop(&[x], |v| v[0].lt(0).all([0]), |v| vec![v[0] * 2])[0]);
    assert_close(&never, &[2], &[4.0, 9.0]);
}

#[test]
fn scalars_stand_on_either_side() {
    let x = f32s([2], &[1.0, 4.0]);
    assert_close(&run([x.clone()], |_, [x]| 2.0 - x), &[2], &[1.0, -2.0]);
    assert_close(&run([x.clone()], |_, [x]| 1 / x), &[2], &[1.0, 0.25]);
    assert_close(&run([x.clone()], |_, [x]| (x % 3 + 1) * 0.5f32), &[2], &[1.0, 1.0]);
    assert_close(&run([x.clone()], |_, [x]| -x.maximum(2)), &[2], &[-2.0, -4.0]);
    assert_close(&run([x], |_, [x]| (!x.gt(2.0) | false) ^ true), &[2], &[0.0, 1.0]);
}

#[test]
fn quotients_are_those_of_python() {
    let (x, y) = (i64s([4], &[7, -7, 7, -7]), i64s([4], &[2, 2, -2, -2]));
    assert_close(&run([x.clone(), y.clone()], |_, [x, y]| x.floor_divide(y)), &[4], &[3.0, -4.0, -4.0, 3.0]);
    assert_close(&run([x.clone(), y.clone()], |_, [x, y]| x % y), &[4], &[1.0, 1.0, -1.0, -1.0]);
    assert_close(&run([x.clone(), y.clone()], |_, [x, y]| x.fmod(y)), &[4], &[1.0, -1.0, 1.0, -1.0]);
    assert_close(&run([x.clone(), y], |_, [x, y]| x / y), &[4], &[3.5, -3.5, -3.5, 3.5]);
    assert_close(&run([x], |_, [x]| x.floor_divide(2.0)), &[4], &[3.0, -4.0, 3.0, -4.0]);
}

#[test]
fn products_take_vectors_and_broadcast_outer_dimensions() {
    let count = |shape: &[usize]| HostTensor::from_fn(DType::F32, shape, |at| at.iter().sum::<usize>() as f64);
    let (matrix, vector) = (count(&[2, 3]), f32s([3], &[1.0, 2.0, 3.0]));
    assert_close(&run([vector.clone(), vector.clone()], |_, [x, y]| x.matmul(y)), &[], &[14.0]);
    assert_close(&run([matrix.clone(), vector.clone()], |_, [x, y]| x.matmul(y)), &[2], &[8.0, 14.0]);
    assert_close(&run([vector, matrix.clone()], |_, [x, y]| x.matmul(y.t())), &[2], &[8.0, 14.0]);
    let stacked = run([count(&[4, 1, 2, 3]), count(&[5, 3, 1])], |_, [x, y]| x.matmul(y));
    assert_eq!(stacked.shape(), [4, 5, 2, 1]);
    // Row (b, i) is b + i, b + i + 1, b + i + 2, column c is c, c + 1, c + 2.
    let product = |b: usize, c: usize, i: usize| (0..3).map(|k| ((b + i + k) * (c + k)) as f64).sum::<f64>();
    let expected: Vec<f64> = (0..4)
        .flat_map(|b| (0..5).flat_map(move |c| (0..2).map(move |i| (b, c, i))))
        .map(|(b, c, i)| product(b, c, i))
        .collect();
    assert_close(&stacked, &[4, 5, 2, 1], &expected);
    let rows = run([count(&[2, 2, 3]), matrix], |_, [x, y]| x.matmul(y.t()));
    assert_close(&rows, &[2, 2, 2], &[5.0, 8.0, 8.0, 14.0, 8.0, 14.0, 11.0, 20.0]);
}

#[test]
fn parts_are_taken_as_in_python() {
    let x = || i64s([2, 4], &[0, 1, 2, 3, 4, 5, 6, 7]);
    assert_close(&run([x()], |_, [x]| x.slice(1, -3..-1)), &[2, 2], &[1.0, 2.0, 5.0, 6.0]);
    assert_close(&run([x()], |_, [x]| x.slice(1, ..=-1)), &[2, 4], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    assert_close(&run([x()], |_, [x]| x.slice_step(1, 1.., 2)), &[2, 2], &[1.0, 3.0, 5.0, 7.0]);
    assert_close(&run([x()], |_, [x]| x.select(0, -1)), &[4], &[4.0, 5.0, 6.0, 7.0]);
    assert_close(&run([x()], |_, [x]| x.narrow(1, 1, 2)), &[2, 2], &[1.0, 2.0, 5.0, 6.0]);
    assert_close(&run([x()], |_, [x]| x.split(3, 1)[1]), &[2, 1], &[3.0, 7.0]);
    assert_close(&run([x()], |_, [x]| cat(&x.chunk(2, 1), 0)), &[4, 2], &[0.0, 1.0, 4.0, 5.0, 2.0, 3.0, 6.0, 7.0]);
    assert_close(&run([i64s([2], &[1, 2])], |_, [x]| stack(&[x, x * 10], -1)), &[2, 2], &[1.0, 10.0, 2.0, 20.0]);
    assert_close(&run([i64s([2], &[1, 2])], |_, [x]| x.pad(&[(1, 2)], 9)), &[5], &[9.0, 1.0, 2.0, 9.0, 9.0]);
    assert_close(&run([x()], |_, [x]| x.flip(-1).select(0, 0)), &[4], &[3.0, 2.0, 1.0, 0.0]);
    assert_close(&run([x()], |_, [x]| x.permute([1, 0]).select(0, 1)), &[2], &[1.0, 5.0]);
    let tril = run([x()], |_, [x]| x.tril(0));
    assert_close(&tril, &[2, 4], &[0.0, 0.0, 0.0, 0.0, 4.0, 5.0, 0.0, 0.0]);
    assert_close(&run([x()], |_, [x]| x.triu(1)), &[2, 4], &[0.0, 1.0, 2.0, 3.0, 0.0, 0.0, 6.0, 7.0]);
}

#[test]
fn dtypes_meet_in_concatenations() {
    let joined = run([i64s([1], &[2]), f32s([1], &[0.5])], |_, [x, y]| cat(&[x, y], 0));
    assert_eq!(joined.dtype(), DType::F32);
    assert_close(&joined, &[2], &[2.0, 0.5]);
}

#[test]
fn reductions_take_any_axes() {
    let x = || f32s([2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_close(&run([x()], |_, [x]| x.sum(..)), &[], &[21.0]);
    assert_close(&run([x()], |_, [x]| x.mean_keepdim(-1)), &[2, 1], &[2.0, 5.0]);
    assert_close(&run([x()], |_, [x]| x.amax([-1, 0])), &[], &[6.0]);
    assert_close(&run([x()], |_, [x]| x.var(1, 1.0)), &[2], &[1.0, 1.0]);
    assert_close(&run([x()], |_, [x]| x.var_mean(0, 0.0).0), &[3], &[2.25, 2.25, 2.25]);
    assert_close(&run([x()], |_, [x]| x.gt(3.5).any(1)), &[2], &[0.0, 1.0]);
    assert_close(&run([x()], |_, [x]| x.all(..)), &[], &[1.0]);
    assert_close(&run([x()], |_, [x]| x.cumsum(0)), &[2, 3], &[1.0, 2.0, 3.0, 5.0, 7.0, 9.0]);
    assert_close(&run([x()], |_, [x]| x.logsumexp(1)), &[2], &[3.407_606, 6.407_606]);
    assert_close(&run([x()], |_, [x]| (x * f64::NEG_INFINITY).logsumexp(1)), &[2], &[f64::NEG_INFINITY; 2]);
    assert_close(&run([f32s([1, 2], &[3.0, 4.0])], |_, [x]| x.normalize(-1, 1e-12)), &[1, 2], &[0.6, 0.8]);
    assert_close(&run([f32s([1, 2], &[0.0, 0.0])], |_, [x]| x.normalize(-1, 1e-12)), &[1, 2], &[0.0, 0.0]);
}

#[test]
fn composites_are_one_op() {
    let x = f32s([1, 2], &[-1.0, 1.0]);
    assert_close(&run([x.clone()], |_, [x]| x.layer_norm(1, None, None, 0.0)), &[1, 2], &[-1.0, 1.0]);
    assert_close(&run([x.clone()], |_, [x]| x.gelu(Approximation::None)), &[1, 2], &[-0.158_655, 0.841_345]);
    assert_close(&run([x.clone()], |_, [x]| x.clamp(Some(0.0), None)), &[1, 2], &[0.0, 1.0]);
    assert_close(&run([x], |_, [x]| x.masked_fill(x.lt(0.0), 7)), &[1, 2], &[7.0, 1.0]);
    let image = HostTensor::from_fn(DType::F32, [1, 1, 3, 3], |at| (at[2] * 3 + at[3]) as f64);
    let window = || Window { padding: Some(vec![1, 1]), ..Window::default() };
    let sums =
        run([image.clone()], move |cx, [x]| x.convolution(cx.ones([1, 1, 3, 3], DType::F32), None, &window(), 1));
    assert_close(&sums, &[1, 1, 3, 3], &[8.0, 15.0, 12.0, 21.0, 36.0, 27.0, 20.0, 33.0, 24.0]);
    let pooled = run([image], |_, [x]| x.max_pool(&[2, 2], &Window { stride: Some(vec![1, 1]), ..Window::default() }));
    assert_close(&pooled, &[1, 1, 2, 2], &[4.0, 5.0, 7.0, 8.0]);
}

#[test]
fn order_has_nan_last() {
    let x = || f32s([4], &[2.0, f32::NAN, -1.0, 2.0]);
    assert_close(&run([x()], |_, [x]| x.argsort(0, false).to(DType::F32)), &[4], &[2.0, 0.0, 3.0, 1.0]);
    assert_close(&run([x()], |_, [x]| x.argsort(0, true).to(DType::F32)), &[4], &[1.0, 0.0, 3.0, 2.0]);
    assert_close(&run([x()], |_, [x]| x.topk(2, 0, false).0), &[2], &[-1.0, 2.0]);
    let row = || f32s([3], &[1.0, 2.0, 2.0]);
    assert_close(
        &run([row(), x()], |_, [row, x]| row.searchsorted(x, false).to(DType::F32)),
        &[4],
        &[1.0, 3.0, 0.0, 1.0],
    );
    assert_close(
        &run([row(), x()], |_, [row, x]| row.searchsorted(x, true).to(DType::F32)),
        &[4],
        &[3.0, 3.0, 0.0, 3.0],
    );
}

#[test]
fn transposed_convolutions_spread_elements() {
    let x = f32s([1, 1, 2], &[1.0, 10.0]);
    let window = || Window { stride: Some(vec![2]), ..Window::default() };
    let spread = run([x], move |cx, [x]| {
        let weight = cx.constant(&f32s([1, 1, 3], &[1.0, 2.0, 3.0]));
        x.conv_transpose(weight, None, &window(), &[1], 1)
    });
    assert_close(&spread, &[1, 1, 6], &[1.0, 2.0, 13.0, 20.0, 30.0, 0.0]);
}

#[test]
fn random_bits_are_those_of_philox() {
    // What the generator makes of a counter and a key that are zero.
    let expected = [0x6627_e8d5u32, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8].map(f64::from);
    let halves = run([f32s([1], &[0.0])], |cx, [_]| {
        let (counter, zero) = (cx.arange(2, DType::I64), cx.zeros([2], DType::I64));
        let bits = apply(&[counter, zero], |b| b.philox(counter.value(), zero.value()));
        stack(&[bits & 0xFFFF_FFFFi64, (bits >> 32) & 0xFFFF_FFFFi64], 1).to(DType::F64)
    });
    assert_eq!(halves.to_vec::<f64>(), expected);
    let words = run([f32s([1], &[0.0])], |cx, [_]| {
        let (counter, zero) = (cx.arange(4, DType::I64), cx.zeros([4], DType::I64));
        let words = apply(&[counter, zero], |b| b.philox_word(counter.value(), zero.value()));
        (words.to(DType::I64) & 0xFFFF_FFFFi64).to(DType::F64)
    });
    assert_eq!(words.to_vec::<f64>(), expected);
}

/// Of real numbers, and of either part of complex ones: in their range, and with the mean and variance of the
/// distribution within six standard errors.
#[test]
fn random_numbers_are_distributed_as_they_say() {
    const COUNT: usize = 20_000;
    let moments = |numbers: &HostTensor| {
        let numbers = numbers.to_vec::<f64>();
        assert_eq!(numbers.len(), COUNT);
        let mean = numbers.iter().sum::<f64>() / COUNT as f64;
        let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / COUNT as f64;
        (mean, variance, numbers)
    };
    let error = 6.0 / (COUNT as f64).sqrt();
    for dtype in DType::FLOATS.into_iter().chain([DType::C64, DType::C128]) {
        let uniform = run_with([i64s([2], &[0, 7])], [], move |cx, []| cx.rand([COUNT as i64], dtype));
        let normal = run_with([i64s([2], &[0, 7])], [], move |cx, []| cx.randn([COUNT as i64], dtype));
        assert_eq!((uniform.dtype(), normal.dtype()), (dtype, dtype));
        let parts = |z: &HostTensor| if dtype.is_complex() { z.parts().to_vec() } else { vec![z.clone()] };
        let expected_variance = 1.0 / parts(&normal).len() as f64;
        let (uniforms, normals) = (parts(&uniform), parts(&normal));
        for (uniform, normal) in uniforms.iter().zip(&normals) {
            let (mean, variance, numbers) = moments(uniform);
            assert!(numbers.iter().all(|x| (0.0..1.0).contains(x)), "{dtype}");
            assert!((mean - 0.5).abs() < error * 0.3 && (variance - 1.0 / 12.0).abs() < error * 0.1, "{dtype}");
            let (mean, variance, _) = moments(normal);
            assert!(mean.abs() < error, "{dtype}: {mean}");
            assert!((variance / expected_variance - 1.0).abs() < error * 1.5, "{dtype}: {variance}");
        }
        if let [re, im] = &normals[..] {
            let product: f64 = re.to_vec::<f64>().iter().zip(im.to_vec::<f64>()).map(|(x, y)| x * y).sum();
            assert!((product / COUNT as f64).abs() < error, "{dtype}: the parts depend on each other");
        }
    }
}

#[test]
fn attention_takes_masks_of_both_kinds() {
    let q = || f32s([1, 1, 2, 1], &[1.0, 2.0]);
    let v = || f32s([1, 1, 2, 1], &[10.0, 20.0]);
    let causal = run([q(), v()], |_, [q, v]| q.sdpa(q, v, Attention { causal: true, ..Attention::default() }));
    assert_close(&causal, &[1, 1, 2, 1], &[10.0, 10.0 + 10.0 / (1.0 + (-2.0f64).exp())]);
    let masked = |mask: HostTensor| {
        run([q(), v(), mask], |_, [q, v, mask]| q.sdpa(q, v, Attention { mask: Some(mask), ..Attention::default() }))
    };
    let first = HostTensor::from_slice([1, 2], &[true, false]);
    let expected = [10.0, 10.0];
    if let Ok(first) = first {
        assert_close(&masked(first), &[1, 1, 2, 1], &expected);
    }
    assert_close(&masked(f32s([1, 2], &[0.0, f32::NEG_INFINITY])), &[1, 1, 2, 1], &expected);
}
