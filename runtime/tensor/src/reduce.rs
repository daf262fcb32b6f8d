//! Folds over axes, and kernels along one axis.

use crate::{Carrier, DType, Operand, Tensor, TensorError, View};

/// Folds the elements along `axes` with `f`, from `init`, and converts each total to `dtype`.
///
/// The axes vanish from the shape. Elements are taken in row-major order, in the carrier's precision, so that a sum of
/// any floating dtype accumulates in `f64`; a fold over nothing is `init`.
///
/// ```
/// use thunder_tensor::{DType, Tensor, reduce};
/// let x = Tensor::iota(DType::F16, [2, 3], 1)?;
/// let sum = reduce(&x, &[1], DType::F16, 0.0, |sum, x: f64| sum + x)?;
/// assert_eq!(sum.to_vec::<f64>(), [3.0, 3.0]);
/// # Ok::<(), thunder_tensor::TensorError>(())
/// ```
pub fn reduce<'a, A: Carrier, R: Carrier>(
    operand: impl Operand<'a>,
    axes: &[usize],
    dtype: DType,
    init: R,
    mut f: impl FnMut(R, A) -> R,
) -> Result<Tensor, TensorError> {
    let view = operand.into_view();
    let rank = view.rank();
    if let Some(&axis) = axes.iter().find(|&&axis| axis >= rank) {
        return Err(TensorError::Axis { axis, rank });
    }
    let (mut permutation, reduced): (Vec<usize>, Vec<usize>) = (0..rank).partition(|axis| !axes.contains(axis));
    let shape: Vec<usize> = permutation.iter().map(|&axis| view.shape()[axis]).collect();
    let length: usize = reduced.iter().map(|&axis| view.shape()[axis]).product();
    permutation.extend(reduced);
    if length == 0 || shape.contains(&0) {
        return Ok(Tensor::full(dtype, shape, init));
    }
    let lanes = view.transpose(&permutation)?.to_tensor();
    let mut lane = vec![A::default(); length];
    let totals = (0..lanes.len() / length).map(|i| {
        A::load(&lanes, i * length, &mut lane);
        lane.iter().fold(init, |total, &value| f(total, value))
    });
    Tensor::from_values(dtype, shape, totals.collect())
}

/// Maps each lane along `axis` to a lane of `length` elements of `dtype`.
///
/// `f` reads one lane and writes one; what it leaves is zero. Softmax, cumulative sums, sorting and arg-reductions are
/// all of this form.
///
/// ```
/// use thunder_tensor::{DType, Tensor, lanes};
/// let x = Tensor::from_vec([3], vec![1i32, 2, 3])?;
/// let sums = lanes(&x, 0, DType::I32, 3, |lane: &[i64], sums: &mut [i64]| {
///     let mut total = 0;
///     lane.iter().zip(sums).for_each(|(&x, sum)| { total += x; *sum = total });
/// })?;
/// assert_eq!(sums.as_slice::<i32>()?, [1, 3, 6]);
/// # Ok::<(), thunder_tensor::TensorError>(())
/// ```
pub fn lanes<'a, A: Carrier, R: Carrier>(
    operand: impl Operand<'a>,
    axis: usize,
    dtype: DType,
    length: usize,
    mut f: impl FnMut(&[A], &mut [R]),
) -> Result<Tensor, TensorError> {
    let view = operand.into_view();
    let rank = view.rank();
    if axis >= rank {
        return Err(TensorError::Axis { axis, rank });
    }
    let mut last: Vec<usize> = (0..rank).filter(|&other| other != axis).collect();
    last.push(axis);
    let source = view.transpose(&last)?.to_tensor();
    let mut shape = source.shape().to_vec();
    let extent = std::mem::replace(&mut shape[rank - 1], length);
    let mut result = Tensor::try_zeros(dtype, shape.as_slice())?;
    let (mut from, mut to) = (vec![A::default(); extent], vec![R::default(); length]);
    let count = if result.is_empty() { 0 } else { result.len() / length };
    for i in 0..count {
        A::load(&source, i * extent, &mut from);
        to.fill(R::default());
        f(&from, &mut to);
        R::store(&mut result, i * length, &to);
    }
    let mut back: Vec<usize> = (0..rank - 1).collect();
    back.insert(axis, rank - 1);
    Ok(View::new(&result).transpose(&back)?.to_tensor())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reduces_any_axes() {
        let x = Tensor::from_values(DType::I32, [2, 3, 2], (0..12).collect::<Vec<i64>>()).unwrap();
        let sum = |axes: &[usize]| reduce(&x, axes, DType::I64, 0, |sum, x: i64| sum + x).unwrap();
        assert_eq!(sum(&[0, 2]).to_vec::<i64>(), [14, 22, 30]);
        assert_eq!(sum(&[2, 0]), sum(&[0, 2]));
        assert_eq!(sum(&[0, 1, 2]).item::<i64>().unwrap(), 66);
        assert_eq!(sum(&[]).shape(), [2, 3, 2]);
        assert_eq!(reduce(&x, &[3], DType::I64, 0, |sum, x: i64| sum + x), Err(TensorError::Axis { axis: 3, rank: 3 }));
    }

    #[test]
    fn a_fold_over_nothing_is_its_start() {
        let x = Tensor::zeros(DType::F32, [2, 0, 3]);
        let max = |axes: &[usize]| reduce(&x, axes, DType::F32, f64::NEG_INFINITY, f64::max).unwrap();
        assert_eq!(max(&[1]).to_vec::<f64>(), [f64::NEG_INFINITY; 6]);
        assert_eq!(max(&[0]).shape(), [0, 3]);
    }

    #[test]
    fn half_sums_accumulate_in_double() {
        let x = Tensor::full(DType::F16, [4096], 1.0);
        assert_eq!(reduce(&x, &[0], DType::F16, 0.0, |sum, x: f64| sum + x).unwrap().item::<f64>().unwrap(), 4096.0);
    }

    #[test]
    fn lanes_may_change_length() {
        let x = Tensor::from_vec([2, 3], vec![3.0f32, 1.0, 2.0, -1.0, 0.0, f32::NAN]).unwrap();
        let least = |lane: &[f64], least: &mut [i64]| {
            least[0] = (0..lane.len()).min_by(|&i, &j| lane[i].total_cmp(&lane[j])).unwrap() as i64;
        };
        assert_eq!(lanes(&x, 1, DType::I64, 1, least).unwrap().to_vec::<i64>(), [1, 0]);
        let columns = lanes(&x, 0, DType::I64, 1, least).unwrap();
        assert_eq!((columns.shape(), columns.to_vec::<i64>()), (&[1, 3][..], vec![1, 1, 0]));
        let empty = Tensor::zeros(DType::F32, [2, 0]);
        let filled = lanes(&empty, 1, DType::F32, 2, |_: &[f64], out: &mut [f64]| out[1] = 5.0).unwrap();
        assert_eq!(filled.to_vec::<f64>(), [0.0, 5.0, 0.0, 5.0]);
    }

    proptest! {
        #[test]
        fn reducing_in_steps_is_reducing_at_once(shape in prop::collection::vec(0usize..4, 3), axis in 0usize..3) {
            let len = shape.iter().product::<usize>() as i64;
            let x = Tensor::from_values(DType::I64, shape, (0..len).collect()).unwrap();
            let sum = |x: &Tensor, axes: &[usize]| reduce(x, axes, DType::I64, 0, |sum, x: i64| sum + x).unwrap();
            let stepwise = sum(&sum(&sum(&x, &[axis]), &[0]), &[0]);
            prop_assert_eq!(stepwise, sum(&x, &[0, 1, 2]));
        }
    }
}
