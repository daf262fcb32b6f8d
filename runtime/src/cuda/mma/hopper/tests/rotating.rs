//! Rotary embedding of products, whose heads each are two halves.

use half::bf16;
use thunder_tensor::{Random, Tensor};

use super::*;
use fragment::Fragment;
use kernel::Fusion;
use map::Groups;

/// Positions, heads and the elements of each, for which the code is.
const ROWS: usize = 192;
const HEADS: usize = 4;
const DEPTH: usize = 64;

/// What rounds the sums, the two products with what is in tables, and their sum.
fn rounded(x: f64) -> f64 {
    bf16::from_f64(x).to_f64()
}

fn rotated() -> Fragment {
    Fragment::read(include_str!("rotated.ptx")).unwrap()
}

/// The elements of the product of every head, in the order of heads, turned by the cosines and sines of positions.
fn expected(product: &[f64], cos: &[f64], sin: &[f64]) -> Vec<f64> {
    let half = DEPTH / 2;
    let mut all = Vec::new();
    for (head, row, column) in
        (0..HEADS).flat_map(|head| (0..ROWS).flat_map(move |row| (0..DEPTH).map(move |column| (head, row, column))))
    {
        let at = |column: usize| product[row * HEADS * DEPTH + head * DEPTH + column];
        let other = if column < half { -at(column + half) } else { at(column - half) };
        let of = |table: &[f64], x: f64| rounded(x * table[row * DEPTH + column]);
        all.push(rounded(of(cos, at(column)) + of(sin, other)));
    }
    all
}

#[test]
fn products_are_rotated_on_the_machine() {
    for (number, &tile) in ALL.iter().enumerate() {
        let (k, columns) = (72, HEADS * DEPTH);
        let product = dense(DType::BF16, [ROWS, columns / 2, k], [false, true]);
        let fused = FusedProduct {
            second: Some(product.rhs),
            groups: Some(Groups { width: DEPTH / 2, stride: DEPTH * k }),
            fusion: Fusion { kept: vec![false; 2], fragment: rotated() },
            numbers: Vec::new(),
            product: product.clone(),
        };
        let work = Work::with(&product, Some(&fused), tile, 0.0, 2 * (1 + number % 2)).unwrap();
        let mut random = Random::new(5);
        let mut tensor = |elements: usize| random.uniform(DType::BF16, vec![elements], -1.0..1.0);
        let (lhs, rhs) = (tensor(ROWS * k), tensor(columns * k));
        let (cos, sin) = (tensor(ROWS * DEPTH), tensor(ROWS * DEPTH));
        let out = Tensor::full(DType::BF16, vec![ROWS * columns], f64::NAN);
        let tensors = [("cos", &cos), ("sin", &sin), ("out", &out)];
        let at = |number: usize| 0x7000_0000_0000 + ((number as u64) << 32);
        let memory = tensors.iter().enumerate();
        let memory =
            memory.map(|(number, (name, tensor))| Memory { name, start: at(number), bytes: tensor.bytes().to_vec() });
        let mut memory: Vec<Memory> = memory.collect();
        // The second half of the first head is as many lines on.
        let second = &rhs.bytes()[DEPTH / 2 * k * 2..];
        run(&work, &[lhs.bytes(), rhs.bytes(), second], &[0, at(0), at(1), at(2)], &mut memory);

        let [lhs, rhs, cos, sin] = [&lhs, &rhs, &cos, &sin].map(Tensor::to_vec::<f64>);
        let sum = |(row, column): (usize, usize)| {
            rounded((0..k).map(|term| lhs[row * k + term] * rhs[column * k + term]).sum())
        };
        let places = (0..ROWS).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let made = Tensor::from_bytes(DType::BF16, vec![ROWS * columns], &memory[2].bytes).unwrap().to_vec::<f64>();
        let expected = expected(&places.map(sum).collect::<Vec<_>>(), &cos, &sin);
        for (number, (made, expected)) in made.iter().zip(&expected).enumerate() {
            let error = (made - expected).abs();
            assert!(error <= 3e-2 * (1.0 + expected.abs()), "{made} at {number}, not {expected}, with {tile:?}");
        }
    }
}

#[test]
fn kernels_that_rotate_keep_their_values_in_registers() {
    for &tile in &ALL {
        let kernel = Kernel {
            dtype: DType::BF16,
            tile,
            sums: [true; 2],
            bias: false,
            writes: Writes::Chunks,
            batch: 1,
            group: Some(64),
            fusion: Some(Fusion { kept: vec![false; 2], fragment: rotated() }),
            overlaps: false,
        };
        assert!(kernel.can_overlap(4096), "{:?}", rotated().registers());
        keeps(&kernel);
        keeps(&Kernel { overlaps: true, ..kernel });
    }
}
