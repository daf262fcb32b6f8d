//! Elementwise kernels: one closure over a carrier serves every dtype.

use crate::{Carrier, DType, Operand, Tensor, TensorError, View};

/// Elements converted at a time: a few buffers of this many carriers fit in the first-level cache.
const CHUNK: usize = 1024;

/// Applies `f` to every element, and converts what it returns to `dtype`.
///
/// ```
/// use thunder_tensor::{DType, Tensor, map1};
/// let x = Tensor::from_vec([2], vec![4.0f32, -0.0])?;
/// assert_eq!(map1(&x, DType::F32, f64::sqrt).as_slice::<f32>()?, [2.0, -0.0]);
/// assert_eq!(map1(&x, DType::Bool, f64::is_sign_negative).as_slice::<bool>()?, [false, true]);
/// # Ok::<(), thunder_tensor::TensorError>(())
/// ```
pub fn map1<'a, A: Carrier, R: Carrier>(a: impl Operand<'a>, dtype: DType, mut f: impl FnMut(A) -> R) -> Tensor {
    let a = a.into_view().to_tensor();
    let mut result = Tensor::zeros(dtype, a.shape());
    let (mut xs, mut rs) = ([A::default(); CHUNK], [R::default(); CHUNK]);
    for (start, len) in chunks(a.len()) {
        A::load(&a, start, &mut xs[..len]);
        for (r, &x) in rs[..len].iter_mut().zip(&xs) {
            *r = f(x);
        }
        R::store(&mut result, start, &rs[..len]);
    }
    result
}

/// Applies `f` to the elements of two operands of equal shape; views broadcast what should be broadcast.
///
/// ```
/// use thunder_tensor::{DType, Tensor, map2};
/// let x = Tensor::iota(DType::F32, [2, 2], 1)?;
/// let half = Tensor::scalar(0.5f32);
/// let y = map2(&x, half.view().expand(x.shape())?, DType::Bool, |x: f64, y: f64| x < y)?;
/// assert_eq!(y.as_slice::<bool>()?, [true, false, true, false]);
/// # Ok::<(), thunder_tensor::TensorError>(())
/// ```
pub fn map2<'a, 'b, A: Carrier, B: Carrier, R: Carrier>(
    a: impl Operand<'a>,
    b: impl Operand<'b>,
    dtype: DType,
    mut f: impl FnMut(A, B) -> R,
) -> Result<Tensor, TensorError> {
    let (a, b) = (a.into_view(), b.into_view());
    expect_shape(&a, &b)?;
    let (a, b) = (a.to_tensor(), b.to_tensor());
    let mut result = Tensor::zeros(dtype, a.shape());
    let (mut xs, mut ys, mut rs) = ([A::default(); CHUNK], [B::default(); CHUNK], [R::default(); CHUNK]);
    for (start, len) in chunks(a.len()) {
        A::load(&a, start, &mut xs[..len]);
        B::load(&b, start, &mut ys[..len]);
        for ((r, &x), &y) in rs[..len].iter_mut().zip(&xs).zip(&ys) {
            *r = f(x, y);
        }
        R::store(&mut result, start, &rs[..len]);
    }
    Ok(result)
}

/// Applies `f` to the elements of three operands of equal shape.
pub fn map3<'a, 'b, 'c, A: Carrier, B: Carrier, C: Carrier, R: Carrier>(
    a: impl Operand<'a>,
    b: impl Operand<'b>,
    c: impl Operand<'c>,
    dtype: DType,
    mut f: impl FnMut(A, B, C) -> R,
) -> Result<Tensor, TensorError> {
    let (a, b, c) = (a.into_view(), b.into_view(), c.into_view());
    expect_shape(&a, &b)?;
    expect_shape(&a, &c)?;
    let (a, b, c) = (a.to_tensor(), b.to_tensor(), c.to_tensor());
    let mut result = Tensor::zeros(dtype, a.shape());
    let (mut xs, mut ys) = ([A::default(); CHUNK], [B::default(); CHUNK]);
    let (mut zs, mut rs) = ([C::default(); CHUNK], [R::default(); CHUNK]);
    for (start, len) in chunks(a.len()) {
        A::load(&a, start, &mut xs[..len]);
        B::load(&b, start, &mut ys[..len]);
        C::load(&c, start, &mut zs[..len]);
        for (((r, &x), &y), &z) in rs[..len].iter_mut().zip(&xs).zip(&ys).zip(&zs) {
            *r = f(x, y, z);
        }
        R::store(&mut result, start, &rs[..len]);
    }
    Ok(result)
}

fn expect_shape(expected: &View<'_>, actual: &View<'_>) -> Result<(), TensorError> {
    if expected.shape() == actual.shape() {
        return Ok(());
    }
    Err(TensorError::Shape { expected: expected.shape().to_vec(), actual: actual.shape().to_vec() })
}

fn chunks(len: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..len).step_by(CHUNK).map(move |start| (start, CHUNK.min(len - start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_round_once_at_the_end() {
        let x = Tensor::full(DType::BF16, [3000], 1.0);
        let y = map1(&x, DType::BF16, |x: f64| (x + 1.0 / 512.0) + 1.0 / 512.0);
        assert!(y.to_vec::<f64>().iter().all(|&y| y == 1.0), "a tie goes to even");
        let y = map1(&x, DType::BF16, |x: f64| x + 1.0 / 256.0 + 1e-9);
        assert!(y.to_vec::<f64>().iter().all(|&y| y == 1.0 + 1.0 / 128.0));
    }

    #[test]
    fn integers_keep_all_their_bits() {
        let x = Tensor::from_vec([2], vec![i64::MAX, (1 << 53) + 1]).unwrap();
        let y = map2(&x, &x, DType::I64, |a: i64, b: i64| a.wrapping_add(b)).unwrap();
        assert_eq!(y.as_slice::<i64>().unwrap(), [-2, (1 << 54) + 2]);
    }

    #[test]
    fn select_mixes_carriers() {
        let condition = Tensor::from_vec([1, 2], vec![true, false]).unwrap();
        let (x, y) = (Tensor::full(DType::F32, [2, 2], f64::NAN), Tensor::iota(DType::F32, [2, 2], 0).unwrap());
        let condition = condition.view().expand(&[2, 2]).unwrap();
        let z = map3(&condition, &x, y.view(), DType::F32, |c: bool, x: f64, y: f64| if c { x } else { y }).unwrap();
        let z = z.to_vec::<f64>();
        assert!(z[0].is_nan() && z[2].is_nan());
        assert_eq!((z[1], z[3]), (0.0, 1.0));
    }

    #[test]
    fn shapes_must_agree_and_may_be_empty() {
        let (x, y) = (Tensor::zeros(DType::I8, [2, 1]), Tensor::zeros(DType::I8, [2, 3]));
        assert!(matches!(map2(&x, &y, DType::I8, |x: i64, y: i64| x + y), Err(TensorError::Shape { .. })));
        assert!(map3(&x, &x, &y, DType::I8, |x: i64, y: i64, z: i64| x + y + z).is_err());
        let empty = Tensor::zeros(DType::F32, [0, 4]);
        assert_eq!(map1(&empty, DType::I8, |x: f64| x).shape(), [0, 4]);
    }
}
