//! Products of floats of 8 bits with scales, by a GPU's executors together, and by `mma` alone.

use std::sync::Arc;

use thunder_runtime::cuda::Gpu;
use thunder_runtime::program::{Arg, LibraryOp, Matmul, MatrixStrides, ScaledMatmul};
use thunder_tensor::{DType, Random, Tensor};

use super::library::{Builder, session};
use super::{Case, Outcome, distance};

/// A product.
#[derive(Clone, Copy)]
struct Product {
    /// m, n and k.
    size: [usize; 3],
    /// Whether lhs and rhs are stored transposed.
    transposed: [bool; 2],
    bias: bool,
}

pub fn cases(mma: &Arc<Gpu>) -> Vec<Case> {
    let plain = Product { size: [64, 48, 32], transposed: [false, true], bias: false };
    let all = [
        ("even", plain),
        ("bias", Product { bias: true, ..plain }),
        ("large", Product { size: [300, 256, 512], bias: true, ..plain }),
        ("odd sizes", Product { size: [33, 17, 65], bias: true, ..plain }),
        ("rhs as it is", Product { transposed: [false, false], ..plain }),
        ("lhs transposed", Product { transposed: [true, true], bias: true, ..plain }),
        ("one row", Product { size: [1, 128, 256], ..plain }),
        ("over nothing", Product { size: [5, 7, 0], bias: true, ..plain }),
        ("no rows", Product { size: [0, 16, 16], ..plain }),
    ];
    let (wide, narrow) = (DType::F8E5M2, DType::F8E4M3FN);
    let sides = [[narrow, narrow], [narrow, wide], [wide, narrow], [wide, wide]];
    let mut cases: Vec<Case> = Vec::new();
    for (out, sides) in
        [DType::F32, DType::F16, DType::BF16].into_iter().flat_map(|out| sides.map(|sides| (out, sides)))
    {
        for (name, product) in all {
            for (executor, alone) in [("", None), ("mma ", Some(Arc::clone(mma)))] {
                let case = move |gpu: &Arc<Gpu>| agree(alone.as_ref().unwrap_or(gpu), sides, out, product);
                let [lhs, rhs] = sides;
                cases.push((format!("{executor}scaled product {lhs} {rhs} {out}, {name}"), Box::new(case)));
            }
        }
    }
    cases
}

/// Compares a product of random numbers with its sums in f64.
fn agree(gpu: &Arc<Gpu>, [lhs, rhs]: [DType; 2], out: DType, product: Product) -> Outcome {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let Product { size: [m, n, k], transposed, bias } = product;
    let mut b = Builder::new();
    let mut strides = |rows: usize, columns: usize, transposed: bool| match transposed {
        true => MatrixStrides { row: b.dim(1), column: b.dim(rows) },
        false => MatrixStrides { row: b.dim(columns), column: b.dim(1) },
    };
    let [left, right, result] = [strides(m, k, transposed[0]), strides(k, n, transposed[1]), strides(m, n, false)];
    let product = Matmul {
        dtype: lhs,
        m: b.dim(m),
        n: b.dim(n),
        k: b.dim(k),
        batch: Vec::new(),
        lhs: left,
        rhs: right,
        out: result,
        bias,
        epilogue: None,
    };
    let inputs = [(lhs, m * k), (rhs, k * n), (DType::F32, 1), (DType::F32, 1), (out, n)];
    let inputs = &inputs[..4 + usize::from(bias)];
    let mut args: Vec<Arg> = inputs.iter().map(|&(dtype, elements)| Arg::read(b.input(dtype, elements))).collect();
    args.push(Arg::write(b.output(out, m * n)));
    let program = b.call(LibraryOp::ScaledMatmul(ScaledMatmul { product, rhs, out }), args);
    let mut random = Random::new(9);
    let given: Vec<Tensor> =
        inputs.iter().map(|&(dtype, elements)| random.uniform(dtype, vec![elements], -2.0..2.0)).collect();
    let [x, w, s, t] = [0, 1, 2, 3].map(|number: usize| given[number].to_vec::<f64>());
    let added = given.get(4).map_or_else(|| vec![0.0; n], Tensor::to_vec::<f64>);
    let sum = |i: usize, j: usize| {
        let term = |p: usize| {
            let left = if transposed[0] { p * m + i } else { i * k + p };
            let right = if transposed[1] { j * k + p } else { p * n + j };
            x[left] * w[right]
        };
        (0..k).map(term).sum::<f64>() * s[0] * t[0] + added[j]
    };
    let expected: Vec<f64> = (0..m).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| sum(i, j)).collect();
    let expected = Tensor::from_vec(vec![m * n], expected).map_err(|error| text(&error))?;
    let session = session(program, Some(gpu))?;
    let actual = session.run(&given).map_err(|error| text(&error))?;
    // Tensor cores keep about 14 bits of sums of floats of 8 bits.
    let most = if out == DType::BF16 { 8e-3 } else { 1e-3 };
    distance(&actual[0], &expected, most).map(Some)
}
