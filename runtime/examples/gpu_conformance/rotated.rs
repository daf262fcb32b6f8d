//! Rotary embedding as a part of a product whose heads each are two halves, against the processor's product in f64.

use std::sync::Arc;

use thunder_runtime::cuda::Gpu;
use thunder_runtime::program::{Arg, Fused, Groups, LibraryOp, Place, Program};
use thunder_tensor::{DType, Random, Tensor};

use super::library::{Builder, session};
use super::products::dense;
use super::{Case, Outcome, distance};

/// Positions, heads and the elements of each, for which the code is.
const ROWS: usize = 192;
const HEADS: usize = 4;
const DEPTH: usize = 64;
const COLUMNS: usize = HEADS * DEPTH;

pub fn cases(alone: &Arc<Gpu>) -> Vec<Case> {
    let case = |k: usize| -> Case {
        let alone = Arc::clone(alone);
        (format!("hopper fused, rotated, {k} terms"), Box::new(move |_: &Arc<Gpu>| holds(&alone, k)))
    };
    [72, 512, 2048].map(case).into()
}

/// Inputs: lhs, all of rhs, cosines and sines.
fn program(k: usize) -> Program {
    let mut b = Builder::new();
    let dtype = DType::BF16;
    let product = dense([ROWS, COLUMNS / 2, k], [false, true]);
    let op = product.op(&mut b, dtype);
    let lhs = b.input(dtype, ROWS * k);
    let rhs = b.input(dtype, COLUMNS * k);
    let [cos, sin] = [(); 2].map(|()| b.input(dtype, ROWS * DEPTH));
    let out = b.output(dtype, ROWS * COLUMNS);
    let column = product.rhs[1];
    let second = Place { root: rhs, offset: Some(b.dim(DEPTH / 2 * column * dtype.size())) };
    let groups = Groups { count: b.dim(HEADS), width: b.dim(DEPTH / 2), stride: b.dim(DEPTH * column) };
    let strides = op.rhs;
    let args = vec![
        Arg::read(lhs),
        Arg::read(rhs),
        Arg { place: second, ..Arg::read(rhs) },
        Arg::read(cos),
        Arg::read(sin),
        Arg::write(out),
    ];
    let fused = Fused {
        product: op,
        second: Some(strides),
        groups: Some(groups),
        kept: vec![false; 2],
        pointers: vec![None, Some(3), Some(4), Some(5)],
        kernel: "rotated".to_owned(),
        numbers: Vec::new(),
        code: include_str!("../../src/cuda/mma/hopper/tests/rotated.ptx").to_owned(),
        activation: None,
    };
    b.call(LibraryOp::Fused(Box::new(fused)), args)
}

fn holds(gpu: &Arc<Gpu>, k: usize) -> Outcome {
    fn text(error: impl std::fmt::Display) -> String {
        error.to_string()
    }
    let mut random = Random::new(5);
    let mut tensor = |elements: usize| random.uniform(DType::BF16, vec![elements], -1.0..1.0);
    let inputs = [ROWS * k, COLUMNS * k, ROWS * DEPTH, ROWS * DEPTH].map(&mut tensor);
    let wide = inputs.each_ref().map(|input| input.cast(DType::F64));
    let product = dense([ROWS, COLUMNS, k], [false, true]).program(DType::F64);
    let product = session(product, None)?.run(&wide[..2]).map_err(text)?[0].to_vec::<f64>();
    let [cos, sin] = [&wide[2], &wide[3]].map(Tensor::to_vec::<f64>);
    let mut expected = Vec::with_capacity(ROWS * COLUMNS);
    for (head, row) in (0..HEADS).flat_map(|head| (0..ROWS).map(move |row| (head, row))) {
        let at = |column: usize| product[row * COLUMNS + head * DEPTH + column];
        expected.extend((0..DEPTH).map(|column| {
            let half = DEPTH / 2;
            let turned = if column < half { -at(column + half) } else { at(column - half) };
            at(column) * cos[row * DEPTH + column] + turned * sin[row * DEPTH + column]
        }));
    }
    let expected = Tensor::from_values(DType::F64, vec![ROWS * COLUMNS], expected).map_err(text)?;
    let made = session(program(k), Some(gpu))?.run(&inputs).map_err(text)?;
    distance(&made[0], &expected, 1e-2).map(Some)
}
