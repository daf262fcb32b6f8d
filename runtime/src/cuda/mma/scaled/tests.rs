//! That the kernels are right on a machine that runs them, for every float of 8 bits, and that NVIDIA's assembler takes them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use thunder_tensor::Tensor;

use super::*;
use crate::cuda::code::assembler::assembled;
use crate::cuda::code::machine::{Machine, Memory};

/// Runs a job's kernel on the machine: what it reads, and what else it is given; how many bytes it writes.
fn run(job: Job, numbers: [usize; 4], from: Vec<u8>, further: Option<Vec<u8>>, bytes: usize) -> Vec<u8> {
    let start = |number: u64| 0x7000_0000_0000 + (number << 32);
    let mut memory = vec![Memory { name: "from", start: start(0), bytes: from }];
    let mut values = vec![start(0), start(1)];
    if let Some(bytes) = further {
        memory.push(Memory { name: "further", start: start(2), bytes });
        values.push(start(2));
    }
    memory.push(Memory { name: "out", start: start(1), bytes: vec![0xee; bytes] });
    values.extend(numbers.map(|number| number as u64));
    assert_eq!(job.parameters().len(), values.len());
    let machine = Machine::new(&job.ptx(), THREADS, 0, &values);
    let blocks = (numbers[0] * numbers[1]).div_ceil(THREADS);
    (0..blocks).for_each(|block| machine.run(block as u32, &mut memory));
    memory.pop().unwrap().bytes
}

#[test]
fn every_float_of_8_bits_becomes_the_same_number() {
    for dtype in [DType::F8E4M3FN, DType::F8E5M2] {
        let all: Vec<u8> = (0..=255).collect();
        let expected = Tensor::from_bytes(dtype, vec![256], &all).unwrap().to_vec::<f64>();
        let scale = 0.5_f32.to_le_bytes().to_vec();
        let bytes = run(Job::Widen(dtype), [256, 1, 1, 0], all, Some(scale), 1024);
        let actual = Tensor::from_bytes(DType::F32, vec![256], &bytes).unwrap().to_vec::<f64>();
        for (bits, (actual, expected)) in actual.into_iter().zip(expected).enumerate() {
            let same = actual == expected / 2.0 || actual.is_nan() && expected.is_nan();
            assert!(same && actual.is_sign_negative() == (bits > 127) || actual.is_nan(), "{dtype} {bits}: {actual}");
        }
    }
}

#[test]
fn matrices_are_written_along_rows() {
    // Three rows of five, stored along columns of four of which one is a gap.
    let stored: Vec<u8> = (0..20).collect();
    let bytes = run(Job::Widen(DType::F8E5M2), [3, 5, 1, 4], stored.clone(), Some(vec![0, 0, 0x80, 0x3f]), 60);
    let all = Tensor::from_bytes(DType::F8E5M2, vec![20], &stored).unwrap().to_vec::<f64>();
    let expected: Vec<f64> =
        (0..3).flat_map(|row| (0..5).map(move |column| row + 4 * column)).map(|i| all[i]).collect();
    assert_eq!(Tensor::from_bytes(DType::F32, vec![15], &bytes).unwrap().to_vec::<f64>(), expected);
}

#[test]
fn sums_are_rounded_once_with_their_bias() {
    for to in [DType::F32, DType::F16, DType::BF16] {
        let sums: Vec<f32> = (0..12).map(|i| 1.0 + i as f32 / 700.0).collect();
        let bias = Tensor::from_vec(vec![4], vec![0.5_f64, -1.0, 3.0, 1e-3]).unwrap().cast(to);
        let from: Vec<u8> = sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
        let bytes = run(Job::Round { to, bias: true }, [3, 4, 4, 1], from, Some(bias.bytes().to_vec()), 12 * to.size());
        let bias = bias.to_vec::<f64>();
        let expected: Vec<f32> = sums.iter().enumerate().map(|(i, sum)| sum + bias[i % 4] as f32).collect();
        let expected = Tensor::from_vec(vec![12], expected).unwrap().cast(to);
        assert_eq!(bytes, expected.bytes(), "{to}");
    }
}

#[test]
fn the_kernels_assemble() {
    let archs = ["sm_80", "sm_90a", "sm_100"];
    let rounds = [DType::F32, DType::F16, DType::BF16].map(|to| [true, false].map(|bias| Job::Round { to, bias }));
    let widens = [DType::F8E4M3FN, DType::F8E5M2].map(Job::Widen);
    for (number, job) in rounds.into_iter().flatten().chain(widens).enumerate() {
        let said = assembled(&job.ptx(), archs[number % 3]);
        assert!(said.contains(" 0 bytes spill stores"), "{job:?}: {said}");
    }
}
