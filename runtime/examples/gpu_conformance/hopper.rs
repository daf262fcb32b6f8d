//! Matrix products by Hopper's own instructions, at all sizes and in all layouts that these take, as `products` compares them.

use std::sync::Arc;

use thunder_runtime::cuda::Gpu;
use thunder_runtime::program::{Arg, Buffer, Call, LibraryOp, Program, Root, Step};
use thunder_tensor::DType;

use super::Case;
use super::library::{Builder, agree};
use super::products::{Product, batched, case, dense};

/// The architecture that has the instructions.
pub const ARCHITECTURE: &str = "sm_90";

pub fn cases(alone: &Arc<Gpu>) -> Vec<Case> {
    let dtypes = [DType::BF16, DType::F16];
    let groups = dtypes.map(|dtype| groups().into_iter().map(move |(name, products)| (dtype, name, products)));
    let mut cases: Vec<Case> = groups.into_iter().flatten().map(|group| case("hopper", alone, group)).collect();
    for size in [128, 768] {
        let alone = Arc::clone(alone);
        let holds = move |_: &Arc<Gpu>| agree(&alone, DType::BF16, DType::F64, &|dtype| beside(dtype, size));
        cases.push((format!("hopper bf16, {size} wide beside each other"), Box::new(holds)));
    }
    cases
}

/// Rounds of products of the same lhs, which need not wait for each other, of which the next round needs not the last. Those
/// of one round are in memory that is reused.
fn beside(dtype: DType, size: usize) -> Program {
    const ROUNDS: usize = 3;
    const PRODUCTS: usize = 5;
    let (product, mut b) = (dense([size; 3], [false, true]), Builder::new());
    let mut lhs = b.input(dtype, size * size);
    let weights: Vec<Root> = (0..PRODUCTS).map(|_| b.input(dtype, size * size)).collect();
    for round in 0..ROUNDS {
        let mut made = Vec::new();
        for weight in &weights {
            let out = if round == 1 {
                let shape = vec![b.dim(size * size)];
                b.0.buffers.push(Buffer { dtype, shape, alias: None });
                Root::Buffer(b.0.buffers.len() as u32 - 1)
            } else {
                b.output(dtype, size * size)
            };
            let op = LibraryOp::Matmul(product.op(&mut b, dtype));
            b.0.steps.push(Step::Call(Call { op, args: vec![Arg::read(lhs), Arg::read(*weight), Arg::write(out)] }));
            made.push(out);
        }
        lhs = made[2];
    }
    b.0
}

/// Products of a kind, by name: the simplest first.
fn groups() -> Vec<(String, Vec<Product>)> {
    let mut groups = Vec::new();
    let ways = [[false, true], [false, false], [true, true], [true, false]];
    let named = |name: &str, transposed: [bool; 2]| {
        format!("{name}, {}", transposed.map(|is| if is { "T" } else { "N" }).concat())
    };
    for transposed in ways {
        groups.push((named("one stage", transposed), vec![dense([256, 128, 64], transposed)]));
        let many = [[256, 256, 128], [256, 128, 512], [1024, 512, 1024]];
        groups.push((named("many stages", transposed), many.map(|size| dense(size, transposed)).into()));
    }
    let odd = [
        [1, 1, 1],
        [1, 129, 17],
        [7, 17, 129],
        [129, 130, 1],
        [130, 7, 17],
        [129, 1, 64],
        [257, 513, 63],
        [64, 64, 5000],
        [256, 384, 96],
        [640, 1000, 72],
        // One row of tiles, in tiles of both widths.
        [100, 32_760, 72],
        [100, 16_376, 72],
    ];
    for transposed in ways {
        let small = |(number, &size): (usize, &[usize; 3])| Product {
            bias: number % 2 == 1,
            ..padded(size, transposed, number % 3 == 0)
        };
        groups.push((named("odd sizes", transposed), odd.iter().enumerate().map(small).collect()));
        let large = [[2104, 2104, 72], [4104, 4104, 72], [2560, 5120, 1024]].map(|size| dense(size, transposed));
        groups.push((named("large", transposed), large.into()));
        groups.push((named("large and odd", transposed), vec![padded([4102, 4102, 74], transposed, false)]));
        let special = [[33, 65, 97], [130, 130, 40]];
        let special = special.map(|size| Product { special: true, ..padded(size, transposed, true) }).into();
        groups.push((named("infinite and no numbers", transposed), special));
    }
    let one = dense([40, 24, 56], [false, true]);
    let batch = |product: &Product, dims: Vec<[usize; 4]>| Product { batch: dims, ..product.clone() };
    let [l, r, o] = [40 * 56, 24 * 56, 40 * 24];
    let large = dense([520, 264, 136], [false, false]);
    let mut batches = batched();
    batches.extend([
        batch(&one, vec![[2, l, 8 * r, o], [2, 4 * l, r, 2 * o], [2, 0, 2 * r, 4 * o]]),
        // Heads that lie next to each other in rows.
        Product {
            lhs: [512, 1],
            rhs: [1, 512],
            ..batch(&dense([70, 80, 64], [false, true]), vec![[8, 64, 64, 70 * 80]])
        },
        batch(&large, vec![[37, 520 * 136, 136 * 264, 520 * 264]]),
    ]);
    groups.push(("batches".into(), batches));
    let strided = vec![
        Product { out: [3, 900], ..dense([264, 136, 72], [false, true]) },
        Product { out: [137, 1], bias: true, ..dense([264, 136, 72], [false, true]) },
        Product { out: [138, 1], skipped: [8, 16, 2], ..dense([264, 136, 72], [true, false]) },
        Product { skipped: [8, 16, 1], ..dense([264, 136, 72], [true, true]) },
    ];
    groups.push(("strides of results".into(), strided));
    groups
}

/// A product of matrices of which each line has a multiple of 8 elements with those that lie between lines; so has the result
/// if `aligned`.
fn padded([m, n, k]: [usize; 3], transposed: [bool; 2], aligned: bool) -> Product {
    let strides = |rows: usize, columns: usize, transposed| match transposed {
        true => [1, rows.next_multiple_of(8)],
        false => [columns.next_multiple_of(8), 1],
    };
    let (lhs, rhs) = (strides(m, k, transposed[0]), strides(k, n, transposed[1]));
    let out = [if aligned { n.next_multiple_of(8) } else { n }, 1];
    Product { lhs, rhs, out, ..dense([m, n, k], transposed) }
}
