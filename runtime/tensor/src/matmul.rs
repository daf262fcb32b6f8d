//! The matrix product of the reference semantics.

use ndarray::{ArrayView2, ArrayViewMut2, linalg::general_mat_mul};

use crate::{DType, Operand, Tensor, TensorError};

/// Multiplies the two innermost axes, `[..., m, k]` by `[..., k, n]`; the outer axes are equal.
///
/// Floating operands are multiplied and summed in `f64` and rounded once to `dtype`; integers wrap in `i64` and are then
/// converted. The operands may be views: a transposed or broadcast one costs a copy of its elements, no more.
pub fn matmul<'a, 'b>(lhs: impl Operand<'a>, rhs: impl Operand<'b>, dtype: DType) -> Result<Tensor, TensorError> {
    let (lhs, rhs) = (lhs.into_view(), rhs.into_view());
    let (batch, [m, k]) = split(lhs.shape())?;
    let (rhs_batch, [rhs_k, n]) = split(rhs.shape())?;
    if batch != rhs_batch || k != rhs_k {
        let mut expected = batch.to_vec();
        expected.extend([k, n]);
        return Err(TensorError::Shape { expected, actual: rhs.shape().to_vec() });
    }
    let mut shape = batch.to_vec();
    shape.extend([m, n]);
    let count: usize = batch.iter().product();
    if m * n * k * count == 0 {
        return Tensor::try_zeros(dtype, shape);
    }
    if lhs.dtype().is_float() || rhs.dtype().is_float() {
        let (a, b) = (lhs.to_vec::<f64>(), rhs.to_vec::<f64>());
        let mut c = vec![0.0f64; count * m * n];
        for ((a, b), c) in a.chunks(m * k).zip(b.chunks(k * n)).zip(c.chunks_mut(m * n)) {
            let a = ArrayView2::from_shape((m, k), a).expect("a chunk is one matrix");
            let b = ArrayView2::from_shape((k, n), b).expect("a chunk is one matrix");
            let mut c = ArrayViewMut2::from_shape((m, n), c).expect("a chunk is one matrix");
            general_mat_mul(1.0, &a, &b, 0.0, &mut c);
        }
        return Tensor::from_values(dtype, shape, c);
    }
    let (a, b) = (lhs.to_vec::<i64>(), rhs.to_vec::<i64>());
    let mut c = vec![0i64; count * m * n];
    for ((a, b), c) in a.chunks(m * k).zip(b.chunks(k * n)).zip(c.chunks_mut(m * n)) {
        for (a, c) in a.chunks(k).zip(c.chunks_mut(n)) {
            for (&x, b) in a.iter().zip(b.chunks(n)) {
                for (c, &y) in c.iter_mut().zip(b) {
                    *c = c.wrapping_add(x.wrapping_mul(y));
                }
            }
        }
    }
    Tensor::from_values(dtype, shape, c)
}

fn split(shape: &[usize]) -> Result<(&[usize], [usize; 2]), TensorError> {
    match shape {
        [batch @ .., rows, columns] => Ok((batch, [*rows, *columns])),
        _ => Err(TensorError::Argument(format!("expected a matrix or a batch of matrices, got shape {shape:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Random;

    /// The definition, an element at a time.
    fn plain(a: &Tensor, b: &Tensor) -> Tensor {
        let (rank, k) = (a.rank(), a.shape()[a.rank() - 1]);
        let mut shape = a.shape().to_vec();
        shape[rank - 1] = b.shape()[rank - 1];
        Tensor::from_fn(a.dtype(), shape, |index| {
            let (mut left, mut right) = (index.to_vec(), index.to_vec());
            (0..k)
                .map(|i| {
                    left[rank - 1] = i;
                    right[rank - 2] = i;
                    a.at::<f64>(&left).unwrap() * b.at::<f64>(&right).unwrap()
                })
                .sum::<f64>()
        })
    }

    #[test]
    fn multiplies_views() {
        let x = Tensor::from_vec([2, 3], vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        let gram = matmul(&x, x.view().transpose_last().unwrap(), DType::F32).unwrap();
        assert_eq!(gram.to_vec::<f64>(), [14.0, 32.0, 32.0, 77.0]);
        let batch = x.view().expand(&[2, 2, 3]).unwrap();
        let y = matmul(&batch, batch.transpose_last().unwrap(), DType::F32).unwrap();
        assert_eq!(y.to_vec::<f64>(), [14.0, 32.0, 32.0, 77.0, 14.0, 32.0, 32.0, 77.0]);
    }

    #[test]
    fn integers_wrap() {
        let x = Tensor::full(DType::I8, [1, 3], 100i64);
        let y = Tensor::full(DType::I8, [3, 1], 100i64);
        assert_eq!(matmul(&x, &y, DType::I32).unwrap().to_vec::<i64>(), [30_000]);
        assert_eq!(matmul(&x, &y, DType::I8).unwrap().to_vec::<i64>(), [i64::from(30_000i64 as i8)]);
        let large = Tensor::full(DType::I64, [1, 1], i64::MAX);
        assert_eq!(matmul(&large, &large, DType::I64).unwrap().to_vec::<i64>(), [1]);
    }

    #[test]
    fn an_empty_sum_is_zero() {
        let y = matmul(&Tensor::zeros(DType::F32, [2, 0]), &Tensor::zeros(DType::F32, [0, 3]), DType::F32).unwrap();
        assert_eq!((y.shape(), y.to_vec::<f64>()), (&[2, 3][..], vec![0.0; 6]));
        let y = matmul(&Tensor::zeros(DType::F32, [0, 2, 3]), &Tensor::zeros(DType::F32, [0, 3, 4]), DType::F32);
        assert_eq!(y.unwrap().shape(), [0, 2, 4]);
    }

    #[test]
    fn specials_propagate() {
        let x = Tensor::from_vec([1, 2], vec![f32::INFINITY, 1.0]).unwrap();
        let y = Tensor::from_vec([2, 2], vec![0.0f32, 1.0, 5.0, 5.0]).unwrap();
        let z = matmul(&x, &y, DType::F32).unwrap().to_vec::<f64>();
        assert!(z[0].is_nan() && z[1] == f64::INFINITY);
    }

    #[test]
    fn wrong_shapes_are_errors() {
        let x = |shape: &[usize]| Tensor::zeros(DType::F32, shape);
        assert!(matmul(&x(&[2, 3]), &x(&[4, 2]), DType::F32).is_err());
        assert!(matmul(&x(&[3]), &x(&[3, 2]), DType::F32).is_err());
        assert!(matmul(&x(&[1, 2, 3]), &x(&[2, 3, 2]), DType::F32).is_err());
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(b in 1usize..3, m in 0usize..9, k in 0usize..20, n in 0usize..9, seed: u64) {
            let mut random = Random::new(seed);
            let x = random.uniform(DType::F32, [b, m, k], -1.0..1.0);
            let y = random.uniform(DType::F32, [b, k, n], -1.0..1.0);
            let (actual, expected) = (matmul(&x, &y, DType::F64).unwrap(), plain(&x.cast(DType::F64), &y));
            crate::compare(&actual, &expected, crate::Tolerance::new(0.0, 1e-13)).unwrap();
        }
    }
}
