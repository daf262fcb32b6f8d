//! That NVIDIA's assembler takes every kernel, and that products are right on a machine that runs them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fusing;
mod machine;
mod reading;
mod rotating;

use super::*;
use crate::cuda::code::assembler::assembled;
use crate::cuda::code::machine::{Memory, Text};
use crate::cuda::mma::tests::{compare, dense, memory};
use machine::{Machine, Map};
use tile::ALL;

/// Multiprocessors of an H200.
const MULTIPROCESSORS: usize = 132;

/// Kernels with every tile, every layout, and every way to write.
fn kernels() -> Vec<Kernel> {
    let mut kernels = Vec::new();
    for &tile in &ALL {
        for (number, sums) in [[true, true], [true, false], [false, true], [false, false]].into_iter().enumerate() {
            let dtype = [DType::BF16, DType::F16][number % 2];
            for (bias, writes, overlaps) in [
                (false, Writes::Chunks, false),
                (true, Writes::Chunks, false),
                (false, Writes::Chunks, true),
                (true, Writes::Chunks, true),
                (true, Writes::Pairs, false),
                (true, Writes::Single, false),
            ] {
                kernels.push(Kernel {
                    dtype,
                    tile,
                    sums,
                    bias,
                    writes,
                    batch: number,
                    group: None,
                    fusion: None,
                    overlaps,
                });
            }
        }
    }
    kernels
}

#[test]
fn every_kernel_of_hopper_assembles_and_keeps_its_values_in_registers() {
    kernels().iter().for_each(keeps);
}

/// Whether the assembler takes a kernel as it is meant.
fn keeps(kernel: &Kernel) {
    let said = assembled(&kernel.ptx(), "sm_90a");
    assert!(said.contains(" 0 bytes spill stores"), "{kernel:?}: {said}");
    assert!(!said.contains("C75") && !said.contains("warning"), "{kernel:?}: {said}");
}

/// Runs a kernel on the machine: what operands are brought, and where all else is that it reads and writes.
fn run(work: &Work, operands: &[&[u8]], values: &[u64], memory: &mut [Memory]) {
    let values: Vec<u64> = values.iter().chain(&work.numbers).copied().collect();
    let maps = work.shapes.iter().zip(operands).map(|(shape, bytes)| {
        let Shape { extents, strides, copied, .. } = shape.clone();
        Map { bytes: bytes.to_vec(), extents, strides, copied }
    });
    let tile = &work.kernel.tile;
    let machine = Machine {
        text: Text::read(&work.kernel.ptx(), &values),
        maps: maps.collect(),
        warps: Tile::threads() / 32,
        cluster: tile.cluster,
        shared: tile.shared(),
        is_f16: work.kernel.dtype == DType::F16,
        blocks: u64::from(work.blocks),
    };
    for first in (0..work.blocks).step_by(tile.cluster) {
        machine.run(u64::from(first), memory, u64::from(first) + 0x9e37_79b9);
    }
}

/// Runs a product with a tile on the machine, on so many multiprocessors, and compares.
fn holds(product: &Product, tile: Tile, multiprocessors: usize) {
    runs(product, &Work::with(product, None, tile, 0.0, multiprocessors).unwrap());
}

/// Runs a product on the machine and compares.
fn runs(product: &Product, work: &Work) {
    let mut memory = memory(product);
    let (operands, others) = memory.split_at_mut(2);
    let starts: Vec<u64> = others.iter().map(|memory| memory.start).collect();
    run(work, &[&operands[0].bytes, &operands[1].bytes], &starts, others);
    compare(product, &memory, &work.kernel.tile);
}

const WAYS: [[bool; 2]; 4] = [[false, false], [false, true], [true, false], [true, true]];

/// As dense, but lines are so long that they are aligned.
fn padded(dtype: DType, [m, n, k]: [usize; 3], transposed: [bool; 2]) -> Product {
    let [lhs, _, _] = [m, n, k].map(|extent| extent.next_multiple_of(8));
    let [rows, columns, terms] = [lhs, n.next_multiple_of(8), k.next_multiple_of(8)];
    let lhs = if transposed[0] { [1, rows] } else { [terms, 1] };
    let rhs = if transposed[1] { [terms, 1] } else { [1, columns] };
    Product { lhs, rhs, ..dense(dtype, [m, n, k], transposed) }
}

/// Several tiles for each block, and more stages than there are, with the largest tile.
#[test]
fn products_of_hopper_are_right_on_the_machine_in_all_layouts() {
    for (number, transposed) in WAYS.into_iter().enumerate() {
        let dtype = [DType::BF16, DType::F16][number % 2];
        holds(&dense(dtype, [200, 264, 360], transposed), ALL[0], 2);
    }
}

/// Several tiles for each block, one and none, and so many stages that elements are written beside products.
#[test]
fn products_of_hopper_that_overlap_are_right_on_the_machine() {
    for (number, &tile) in ALL.iter().enumerate() {
        // More terms than pieces have stages.
        let k = 2 * tile.wide + 8;
        for (way, transposed) in WAYS.into_iter().enumerate() {
            let dtype = [DType::BF16, DType::F16][way % 2];
            let [m, n] = [[201, 264], [385, 200], [129, 520], [300, 88]][(number + way) % 4];
            let product = Product { bias: way % 2 == 0, ..padded(dtype, [m, n, k], transposed) };
            let product = match way {
                3 => Product { batch: vec![[3, 0, 0, m * (n + 16)]], out: [n + 16, 1], ..product },
                _ => product,
            };
            let mut work = Work::with(&product, None, tile, 0.0, 2 * (1 + way)).unwrap();
            assert!(work.kernel.overlaps);
            work.blocks = work.blocks.max(2 * (1 + way) as u32);
            runs(&product, &work);
        }
        let overlaps = |product: &Product| Work::with(product, None, tile, 0.0, 2).unwrap().kernel.overlaps;
        let product = dense(DType::BF16, [128, 128, k], [false, false]);
        assert!(overlaps(&product));
        assert!(!overlaps(&dense(DType::BF16, [128, 128, k - 8], [false, false])), "too few stages");
        assert!(!overlaps(&Product { out: [132, 1], ..product }), "elements that are not written 8 at once");
    }
}

#[test]
fn products_of_hopper_of_odd_sizes_are_right_on_the_machine() {
    for (number, &tile) in ALL.iter().enumerate() {
        for (way, transposed) in WAYS.into_iter().enumerate() {
            let odd = padded(DType::BF16, [129, 131, 67], transposed);
            match (number + way) % 4 {
                0 => holds(&Product { bias: true, ..odd }, tile, 4),
                1 => holds(&Product { out: [132, 1], bias: true, ..odd }, tile, 2),
                2 => holds(&Product { bias: true, ..padded(DType::F16, [131, 136, 9], transposed) }, tile, 2),
                _ => holds(&Product { out: [3, 400], ..odd }, tile, 2),
            }
        }
    }
    for size in [[1, 1, 1], [1, 8, 64], [3, 300, 65]] {
        holds(&padded(DType::F16, size, [false, true]), ALL[1], 132);
        holds(&padded(DType::BF16, size, [true, false]), ALL[3], 132);
    }
}

#[test]
fn batches_of_hopper_are_right_on_the_machine() {
    let one = dense(DType::BF16, [40, 24, 56], [false, true]);
    let [l, r, o] = [40 * 56, 24 * 56, 40 * 24];
    let batches = [
        vec![[3, l, r, o]],
        vec![[3, l, 0, o]],
        vec![[2, 0, r, 3 * o], [3, l, 0, o]],
        vec![[2, l, 8 * r, o], [2, 4 * l, r, 2 * o], [2, 0, 2 * r, 4 * o]],
    ];
    for (number, batch) in batches.into_iter().enumerate() {
        let bias = number % 2 == 1;
        holds(&Product { batch, bias, ..one.clone() }, ALL[1 + 2 * (number % 2)], 4);
    }
    // Heads that lie next to each other in rows.
    let heads = Product { lhs: [128, 1], rhs: [128, 1], ..dense(DType::F16, [40, 24, 32], [false, true]) };
    holds(&Product { batch: vec![[4, 32, 32, 40 * 24]], ..heads }, ALL[1], 2);
}

/// Rows of more tiles than a group has, in one stage each.
#[test]
fn tiles_of_hopper_cover_the_result_in_groups() {
    holds(&dense(DType::BF16, [128 * 17 + 8, 136, 8], [false, false]), ALL[1], 6);
    holds(&dense(DType::BF16, [128 * 17 + 8, 136, 8], [false, true]), ALL[3], 5);
}

#[test]
fn products_that_cannot_be_copied_as_tensors_are_left_to_others() {
    let work = |product: &Product| Work::new(product, MULTIPROCESSORS);
    let product = dense(DType::BF16, [512, 512, 512], [false, true]);
    assert!(work(&product).is_some());
    let refused = [
        Product { lhs: [516, 1], ..product.clone() },
        Product { rhs: [1024, 2], ..product.clone() },
        Product { lhs: [0, 1], ..product.clone() },
        Product { alignments: [256, 8, 256], ..product.clone() },
        Product { size: [512, 512, 0], ..product.clone() },
        Product { size: [0, 512, 512], ..product.clone() },
        Product { batch: vec![[2, 4, 512 * 512, 512 * 512]], ..product.clone() },
        Product { batch: vec![[0, 512 * 512, 512 * 512, 512 * 512]], ..product.clone() },
        Product { batch: vec![[2, 8, 8, 8], [2, 24, 24, 24], [2, 72, 72, 72], [2, 512, 512, 512]], ..product.clone() },
        Product { batch: vec![[1 << 30, 8, 8, 8]], ..product.clone() },
    ];
    for product in &refused {
        assert!(work(product).is_none(), "{product:?}");
    }
    // Of one row, the stride is any; the result may lie anywhere.
    assert!(work(&Product { size: [1, 512, 512], lhs: [0, 1], ..product.clone() }).is_some());
    assert!(work(&Product { out: [3, 7000], alignments: [16, 16, 2], ..product }).is_some());
}

#[test]
fn products_of_any_size_are_taken_where_lines_are_aligned() {
    let extents = [1, 7, 17, 64, 129, 130, 513, 32_760];
    let sizes = extents.iter().flat_map(|&m| extents.iter().map(move |&n| [m, n]));
    for ([m, n], transposed) in sizes.flat_map(|size| WAYS.map(|way| (size, way))) {
        for k in [1, 17, 64, 5000] {
            let product = padded(DType::BF16, [m, n, k], transposed);
            // Strides of one row, column or term are not told.
            let strides = |[own, sums]: [usize; 2], extent: usize| {
                [if extent > 1 { own } else { 0 }, if k > 1 { sums } else { 0 }]
            };
            let (lhs, rhs) = (strides(product.lhs, m), strides(product.rhs, n));
            let product = Product { lhs, rhs, ..product };
            let work = Work::new(&product, MULTIPROCESSORS).unwrap_or_else(|| panic!("{product:?}"));
            for Shape { extents, strides, copied, .. } in work.shapes {
                assert!(extents[0] * 2 <= strides[0] && strides[0].is_multiple_of(16), "{product:?}");
                assert!(copied.iter().all(|count| (1..=256).contains(count)) && copied[0] == 64);
            }
        }
    }
}

#[test]
fn large_products_have_large_tiles_and_small_ones_are_left_to_others() {
    let chosen = |size| {
        let product = dense(DType::BF16, size, [false, false]);
        let work = Work::new(&product, MULTIPROCESSORS).unwrap();
        let Tile { wide, cluster, .. } = work.kernel.tile;
        (wide, cluster, work.blocks, work.pays(&product, MULTIPROCESSORS))
    };
    assert_eq!(chosen([4096; 3]), (256, 2, 132, true));
    assert_eq!(chosen([4096, 11008, 4096]), (256, 2, 132, true));
    assert!(chosen([1024; 3]).3);
    assert_eq!(chosen([128, 128 * 256, 64]), (256, 1, 128, true));
    assert_eq!(chosen([128, 128 * 128, 64]), (128, 1, 128, true));
    assert!(!chosen([64, 64, 512]).3);
    assert!(!chosen([1, 4096, 4096]).3);
}

/// The parameters are what the kernel is given, one by one.
#[test]
fn kernels_of_hopper_are_given_all_parameters() {
    let product = Product { batch: vec![[2, 0, 64, 64]], bias: true, ..dense(DType::F16, [8, 8, 8], [false, false]) };
    let work = Work::new(&product, MULTIPROCESSORS).unwrap();
    // The bias and the result are given in each run.
    assert_eq!(work.kernel.parameters().len(), 2 + work.numbers.len());
}
