//! What the executor claims, how it makes products, and that NVIDIA's assembler takes every kernel.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::thread;

use thunder_tensor::{Random, Tensor};

use super::*;
use crate::cuda::code::assembler::assembled;
use crate::cuda::code::machine::{Machine, Memory};
use crate::program::{BatchDim, DimId, Epilogue, KernelId, MatrixStrides, ScaledMatmul};

const DTYPES: [DType; 4] = [DType::F16, DType::BF16, DType::F32, DType::F64];

/// Multiprocessors of an H100.
const MULTIPROCESSORS: usize = 132;

/// A product of dense matrices, either stored transposed, at addresses that are aligned.
pub(super) fn dense(dtype: DType, [m, n, k]: [usize; 3], transposed: [bool; 2]) -> Product {
    let strides = |own, transposed| if transposed { [1, own] } else { [k, 1] };
    Product {
        dtype,
        size: [m, n, k],
        lhs: strides(m, transposed[0]),
        rhs: strides(n, !transposed[1]),
        out: [n, 1],
        batch: Vec::new(),
        bias: false,
        alignments: [256; 3],
    }
}

fn work(product: &Product) -> Work {
    Work::new(product, MULTIPROCESSORS).unwrap()
}

/// Kernels with every tile and every layout, aligned and not.
fn kernels() -> Vec<Kernel> {
    let mut kernels = Vec::new();
    for dtype in DTYPES {
        for &tile in Tile::all(dtype) {
            for (number, sums) in [[true, true], [true, false], [false, true], [false, false]].into_iter().enumerate() {
                let layouts = |copies: [Copies; 2]| [0, 1].map(|i| Layout { sums: sums[i], copies: copies[i] });
                let (slow, fast) = (Copies::Single, Copies::Aligned(CHUNK));
                let least = Copies::Aligned(dtype.size().max(4));
                // Each of these with every order of operands.
                let (bias, batch) = (number % 2 == 1, 2 * (number / 2));
                let kernel = |copies, packed| Kernel { dtype, tile, operands: layouts(copies), bias, packed, batch };
                kernels.extend([kernel([fast, fast], true), kernel([least, fast], false)]);
                if tile.sums() <= MOST_SUMS {
                    kernels.push(kernel([slow, slow], false));
                }
            }
        }
    }
    kernels
}

#[test]
fn every_kernel_assembles_and_keeps_its_values_in_registers() {
    let kernels = kernels();
    let archs = ["sm_80", "sm_90a", "sm_100"];
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for first in 0..threads {
            let kernels = &kernels;
            scope.spawn(move || {
                for (number, kernel) in kernels.iter().enumerate().skip(first).step_by(threads) {
                    let arch = archs[number % archs.len()];
                    let said = assembled(&kernel.ptx(), arch);
                    assert!(said.contains(" 0 bytes spill stores"), "{kernel:?} on {arch}: {said}");
                }
            });
        }
    });
}

#[test]
fn products_without_an_epilogue_are_claimed() {
    let (zero, none) = (DimId(0), MatrixStrides { row: DimId(0), column: DimId(0) });
    let mut op = Matmul {
        dtype: DType::F32,
        m: zero,
        n: zero,
        k: zero,
        batch: vec![BatchDim { extent: zero, lhs: zero, rhs: zero, out: zero }],
        lhs: none,
        rhs: none,
        out: none,
        bias: true,
        epilogue: None,
    };
    let claims = |op: &Matmul| Mma.claims(&LibraryOp::Matmul(op.clone()), &Dims::default());
    for dtype in DTYPES {
        op.dtype = dtype;
        assert!(claims(&op), "{dtype}");
    }
    op.dtype = DType::I32;
    assert!(!claims(&op));
    op.dtype = DType::F32;
    let (args, dims) = (Vec::new(), Vec::new());
    op.epilogue = Some(Epilogue { kernel: KernelId(0), args, dims, start: 0, length: 0, elements: false });
    assert!(!claims(&op));
    assert!(Mma.is_installed());
    let scaled = |rhs| LibraryOp::ScaledMatmul(ScaledMatmul { product: op.clone(), rhs, out: DType::F16 });
    assert!(!Mma.claims(&scaled(DType::F8E5M2), &Dims::default()), "lhs has no floats of 8 bits");
    op.dtype = DType::F8E4M3FN;
    let scaled = |rhs| LibraryOp::ScaledMatmul(ScaledMatmul { product: op.clone(), rhs, out: DType::F16 });
    assert!(Mma.claims(&scaled(DType::F8E5M2), &Dims::default()));
    assert!(!Mma.claims(&scaled(DType::F8E5M2FNUZ), &Dims::default()));
}

#[test]
fn rows_that_are_aligned_are_copied_in_chunks() {
    let layouts = |product: &Product| [0, 1].map(|side| product.layout(side));
    let whole = Copies::Aligned(16);
    for transposed in [[false, false], [false, true], [true, false], [true, true]] {
        let product = dense(DType::BF16, [64, 72, 80], transposed);
        let expected = [!transposed[0], transposed[1]].map(|sums| Layout { sums, copies: whole });
        assert_eq!(layouts(&product), expected, "{transposed:?}");
    }
    let one = |product: &Product| product.layout(0).copies;
    let lhs = |dtype, k| one(&dense(dtype, [64, 64, k], [false, false]));
    assert_eq!([84, 82, 81].map(|k| lhs(DType::F16, k)), [Copies::Aligned(8), Copies::Aligned(4), Copies::Single]);
    assert_eq!([84, 82, 81].map(|k| lhs(DType::F32, k)), [whole, Copies::Aligned(8), Copies::Aligned(4)]);
    assert_eq!([82, 81].map(|k| lhs(DType::F64, k)), [whole, Copies::Aligned(8)]);
    let product = dense(DType::BF16, [64, 64, 64], [false, false]);
    assert_eq!(one(&Product { alignments: [8, 256, 256], ..product.clone() }), Copies::Aligned(8));
    assert_eq!(one(&Product { batch: vec![[2, 4, 0, 4096]], ..product.clone() }), Copies::Aligned(8));
    // Rows that repeat, one row, and elements that are adjacent in neither dimension.
    assert_eq!(one(&Product { lhs: [0, 1], ..product.clone() }), whole);
    assert_eq!(one(&Product { lhs: [0, 1], size: [1, 64, 64], ..product.clone() }), whole);
    assert_eq!(product.layout(0), Layout { sums: true, copies: whole });
    let apart = Product { lhs: [2, 128], ..product.clone() };
    assert_eq!(apart.layout(0), Layout { sums: false, copies: Copies::Single });
    let repeated = Product { lhs: [0, 0], ..product };
    assert_eq!(one(&repeated), Copies::Single);
}

#[test]
fn results_are_written_at_once_where_they_are_aligned() {
    let product = dense(DType::BF16, [64, 64, 64], [false, false]);
    assert!(work(&product).kernel.packed);
    assert!(!work(&Product { out: [65, 1], ..product.clone() }).kernel.packed);
    assert!(!work(&Product { out: [128, 2], ..product.clone() }).kernel.packed);
    assert!(!work(&Product { alignments: [256, 256, 2], ..product.clone() }).kernel.packed);
    assert!(!work(&Product { batch: vec![[2, 0, 0, 4097]], ..product }).kernel.packed);
}

#[test]
fn blocks_cover_results_and_batches() {
    let large = work(&dense(DType::BF16, [4096; 3], [false, true]));
    assert_eq!(large.kernel.tile.size(), [128, 256]);
    assert_eq!(large.blocks, 32 * 16);
    let small = work(&dense(DType::BF16, [65, 129, 8], [false, true]));
    assert_eq!(small.kernel.tile.size(), [64, 64]);
    assert_eq!(small.blocks, 2 * 3);
    // More than one launch has.
    let product = dense(DType::F64, [1, 1, 3], [false, false]);
    let many = work(&Product { batch: vec![[3 << 30, 3, 3, 1]], ..product.clone() });
    assert_eq!(many.blocks, 3 << 30);
    for size in [[0, 8, 8], [8, 0, 8]] {
        assert!(Work::new(&dense(DType::F32, size, [false, false]), MULTIPROCESSORS).is_none(), "{size:?}");
    }
    assert!(Work::new(&Product { batch: vec![[0, 1, 1, 1], [usize::MAX, 0, 0, 0]], ..product }, 1).is_none());
    // Of no terms is a product of zeros, or of the bias.
    assert_eq!(work(&dense(DType::F32, [8, 8, 0], [false, false])).blocks, 1);
}

#[test]
fn dimensions_that_follow_each_other_are_one() {
    assert_eq!(joined(vec![[2, 30, 60, 90], [5, 6, 12, 18]]), [[10, 6, 12, 18]]);
    assert_eq!(joined(vec![[2, 30, 0, 90], [5, 6, 0, 18]]), [[10, 6, 0, 18]]);
    assert_eq!(joined(vec![[2, 0, 60, 90], [5, 6, 12, 18]]), [[2, 0, 60, 90], [5, 6, 12, 18]]);
    assert_eq!(joined(Vec::new()), [[0; 4]; 0]);
}

/// The parameters are what the kernel is given, one by one.
#[test]
fn kernels_are_given_all_parameters() {
    let batch = vec![[2, 0, 8, 64], [3, 8, 0, 128]];
    let product = Product { batch, bias: true, ..dense(DType::F32, [8, 8, 8], [false, false]) };
    let work = work(&product);
    // lhs, rhs, bias, out and the number of the first block are given in each run.
    assert_eq!(work.kernel.parameters().len(), 5 + work.numbers.len());
}

/// What a product reads and writes: random operands, and a result of no numbers.
pub(super) fn memory(product: &Product) -> Vec<Memory> {
    let &Product { dtype, size: [m, n, k], bias, .. } = product;
    let elements = |[own, sums]: [usize; 2], extent: usize, terms: usize, operand: usize| match terms {
        0 => 0,
        _ => {
            let dims = product.batch.iter().map(|dim| (dim[0] - 1) * dim[operand]);
            1 + (extent - 1) * own + (terms - 1) * sums + dims.sum::<usize>()
        }
    };
    let lengths = [
        elements(product.lhs, m, k, 1),
        elements(product.rhs, n, k, 2),
        if bias { n } else { 0 },
        elements(product.out, m, n, 3),
    ];
    let mut random = Random::new(5);
    let tensors = ["lhs", "rhs", "bias", "out"].into_iter().zip(lengths).map(|(name, length)| match name {
        "out" => (name, Tensor::full(dtype, vec![length], f64::NAN)),
        _ => (name, random.uniform(dtype, vec![length], -1.0..1.0)),
    });
    let at = |number: usize| match product.alignments[number.min(2)] {
        1..=8 => 0x7000_0000_0000 + ((number as u64) << 32) + product.alignments[number.min(2)] as u64,
        _ => 0x7000_0000_0000 + ((number as u64) << 32),
    };
    let memory = tensors.enumerate().filter(|&(number, _)| number != 2 || bias);
    memory.map(|(number, (name, tensor))| Memory { name, start: at(number), bytes: tensor.bytes().to_vec() }).collect()
}

/// Compares every element of the result with its sum in f64.
pub(super) fn compare(product: &Product, memory: &[Memory], by: &dyn std::fmt::Debug) {
    let &Product { dtype, size: [m, n, k], .. } = product;
    let numbers = |name: &str| {
        let bytes = memory.iter().find(|memory| memory.name == name).map_or(&[][..], |memory| &memory.bytes);
        Tensor::from_bytes(dtype, vec![bytes.len() / dtype.size()], bytes).unwrap().to_vec::<f64>()
    };
    let [lhs, rhs, bias, out] = ["lhs", "rhs", "bias", "out"].map(numbers);
    let mut expected = vec![f64::NAN; out.len()];
    let mut starts = vec![[0; 3]];
    for &[extent, l, r, o] in &product.batch {
        let moved = |&[a, b, c]: &[usize; 3], i: usize| [a + i * l, b + i * r, c + i * o];
        starts = starts.iter().flat_map(|start| (0..extent).map(move |i| moved(start, i))).collect();
    }
    for [l, r, o] in starts {
        for (row, column) in (0..m).flat_map(|row| (0..n).map(move |column| (row, column))) {
            let term = |p: usize| {
                let lhs = lhs[l + row * product.lhs[0] + p * product.lhs[1]];
                lhs * rhs[r + column * product.rhs[0] + p * product.rhs[1]]
            };
            let sum = (0..k).map(term).sum::<f64>() + bias.get(column).copied().unwrap_or(0.0);
            expected[o + row * product.out[0] + column * product.out[1]] = sum;
        }
    }
    let most = match dtype {
        DType::F64 => 1e-13,
        DType::F32 => 1e-5,
        DType::F16 => 1e-3,
        _ => 5e-3,
    };
    for (position, (actual, expected)) in out.into_iter().zip(expected).enumerate() {
        let same = actual.is_nan() && expected.is_nan() || (actual - expected).abs() <= most * (1.0 + expected.abs());
        assert!(same, "element {position} is {actual}, not {expected}: {product:?}, {by:?}");
    }
}

/// Runs a product with a tile on the machine, and compares.
fn holds(product: &Product, tile: Tile) {
    let &Product { dtype, size: [m, n, _], .. } = product;
    let mut work = work(product);
    work.kernel.tile = tile;
    let [tall, wide] = tile.size();
    let batch = product.batch.iter().map(|dim| dim[0]).product::<usize>();
    let blocks = m.div_ceil(tall) * n.div_ceil(wide) * batch;
    let mut memory = memory(product);
    let starts = memory.iter().map(|memory| memory.start);
    let values: Vec<u64> = starts.chain([0]).chain(work.numbers.iter().copied()).collect();
    let machine = Machine::new(&work.kernel.ptx(), tile.threads(), tile.shared(dtype.size()), &values);
    for block in 0..blocks {
        machine.run(block as u32, &mut memory);
    }
    compare(product, &memory, &tile);
}

/// All layouts, with every tile: aligned, with rows of odd lengths, and at strides that no library takes.
fn all_hold(dtype: DType) {
    for &tile in Tile::all(dtype) {
        let [tall, wide] = tile.size();
        for transposed in [[false, false], [false, true], [true, false], [true, true]] {
            let aligned = dense(dtype, [tall + 8, wide, 40], transposed);
            holds(&aligned, tile);
            let odd = Product { bias: true, ..dense(dtype, [tall - 1, wide + 3, 2 * tile.depth + 5], transposed) };
            let odd = Product { alignments: [dtype.size(); 3], ..odd };
            // Single elements are read with tiles of fewer sums.
            if tile.sums() <= MOST_SUMS || dtype.size() > 2 {
                holds(&odd, tile);
            }
        }
    }
    let &tile = Tile::all(dtype).last().unwrap();
    let plain = dense(dtype, [33, 34, 35], [false, true]);
    let unaligned = Product { alignments: [dtype.size(); 3], bias: true, ..plain };
    for (lhs, rhs) in [([70, 2], [3, 102]), ([0, 1], [1, 0]), ([0, 0], [36, 1])] {
        let out = [69, 2];
        let batch = vec![[2, 0, 1, 7000], [2, 3, 0, 2400]];
        holds(&Product { lhs, rhs, out, batch, ..unaligned.clone() }, tile);
    }
    // No terms, fewer than a stage has, and more rows of tiles than a group.
    for size in [[9, 70, 0], [1, 1, 1], [64 * 17 + 1, 65, 3]] {
        holds(&dense(dtype, size, [false, true]), tile);
    }
}

#[test]
fn products_of_f16_are_right_on_the_machine() {
    all_hold(DType::F16);
}

#[test]
fn products_of_bf16_are_right_on_the_machine() {
    all_hold(DType::BF16);
}

#[test]
fn products_of_f32_are_right_on_the_machine() {
    all_hold(DType::F32);
}

#[test]
fn products_of_f64_are_right_on_the_machine() {
    all_hold(DType::F64);
}
