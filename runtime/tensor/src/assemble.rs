//! Tensors put together from parts: concatenation and padding.

use crate::walk::{Strided, row_major_strides, runs};
use crate::{Carrier, Operand, Tensor, TensorError, View, dispatch};

/// Joins tensors of equal dtype, and of equal shape but for `axis`, along that axis.
pub fn concat(parts: &[&Tensor], axis: usize) -> Result<Tensor, TensorError> {
    let first = parts.first().ok_or_else(|| TensorError::Argument("nothing to concatenate".to_owned()))?;
    if axis >= first.rank() {
        return Err(TensorError::Axis { axis, rank: first.rank() });
    }
    let mut shape = first.shape().to_vec();
    shape[axis] = 0;
    for part in parts {
        part.expect_dtype(first.dtype())?;
        let mut expected = first.shape().to_vec();
        if part.rank() == expected.len() {
            expected[axis] = part.shape()[axis];
        }
        if part.shape() != expected {
            return Err(TensorError::Shape { expected, actual: part.shape().to_vec() });
        }
        shape[axis] += part.shape()[axis];
    }
    let mut result = Tensor::try_zeros(first.dtype(), shape.as_slice())?;
    let strides = row_major_strides(&shape);
    let mut offset = 0;
    for part in parts {
        assign(&mut result, Strided { offset, strides: &strides }, &part.view());
        offset += part.shape()[axis] * strides[axis] as usize;
    }
    Ok(result)
}

/// Surrounds and interleaves the elements with `value`.
///
/// Per axis: `low` and `high` elements before and after (negative ones crop instead), and `interior` elements between
/// neighbours, which are inserted first.
pub fn pad<'a, C: Carrier>(
    operand: impl Operand<'a>,
    low: &[i64],
    high: &[i64],
    interior: &[usize],
    value: C,
) -> Result<Tensor, TensorError> {
    let view = operand.into_view();
    let rank = view.rank();
    if [low.len(), high.len(), interior.len()] != [rank; 3] {
        return Err(TensorError::Argument(format!("expected low, high and interior padding for {rank} axes")));
    }
    let mut shape = Vec::with_capacity(rank);
    let (mut first, mut limit) = (Vec::with_capacity(rank), Vec::with_capacity(rank));
    for axis in 0..rank {
        let (extent, low, step) = (view.shape()[axis] as i64, low[axis], interior[axis] as i64 + 1);
        let spread = if extent == 0 { 0 } else { (extent - 1) * step + 1 };
        let padded = spread + low + high[axis];
        if padded < 0 {
            return Err(TensorError::Argument(format!(
                "padding {low} and {} leaves less than nothing of axis {axis} of extent {extent}",
                high[axis]
            )));
        }
        // Source elements i that land inside: 0 <= low + i * step < padded.
        let begin = (-low).max(0).div_euclid(step) + i64::from((-low).max(0).rem_euclid(step) != 0);
        let end = if padded > low { (padded - low - 1).div_euclid(step) + 1 } else { 0 };
        shape.push(padded as usize);
        first.push(begin.min(extent) as usize);
        limit.push(end.clamp(begin.min(extent), extent) as usize);
    }
    let mut result = Tensor::try_zeros(view.dtype(), shape.as_slice())?;
    dispatch!(view.dtype(), T => result.elements_mut::<T>().fill(value.write()));
    let inner = view.slice(&first, &limit, &vec![1; rank])?;
    if inner.shape().contains(&0) {
        return Ok(result);
    }
    let dense = row_major_strides(&shape);
    let strides: Vec<isize> = dense.iter().zip(interior).map(|(stride, &gap)| stride * (gap as isize + 1)).collect();
    let offset: i64 =
        (0..rank).map(|axis| (low[axis] + first[axis] as i64 * (interior[axis] as i64 + 1)) * dense[axis] as i64).sum();
    assign(&mut result, Strided { offset: offset as usize, strides: &strides }, &inner);
    Ok(result)
}

/// Copies a view into strided places of a tensor of the same dtype.
fn assign(target: &mut Tensor, places: Strided<'_>, source: &View<'_>) {
    dispatch!(source.dtype(), T => {
        let from = source.tensor().elements::<T>();
        let to = target.elements_mut::<T>();
        runs(source.shape(), [places, source.strided()], |length, [mut place, mut position], steps| {
            if steps == [1, 1] {
                to[place..place + length].copy_from_slice(&from[position..position + length]);
                return;
            }
            for _ in 0..length {
                to[place] = from[position];
                place = place.wrapping_add_signed(steps[0]);
                position = position.wrapping_add_signed(steps[1]);
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::DType;

    fn counting(shape: &[usize]) -> Tensor {
        let len = shape.iter().product::<usize>() as i64;
        Tensor::from_values(DType::I32, shape, (1..=len).collect()).unwrap()
    }

    #[test]
    fn concatenates_along_any_axis() {
        let (x, y) = (counting(&[2, 1]), counting(&[2, 2]));
        assert_eq!(concat(&[&x, &y], 1).unwrap().to_vec::<i64>(), [1, 1, 2, 2, 3, 4]);
        let empty = Tensor::zeros(DType::I32, [0, 2]);
        assert_eq!(concat(&[&empty, &y, &empty, &y], 0).unwrap().to_vec::<i64>(), [1, 2, 3, 4, 1, 2, 3, 4]);
        assert!(concat(&[&x, &y], 0).is_err());
        assert!(concat(&[&x, &Tensor::zeros(DType::I8, [2, 1])], 0).is_err());
        assert!(concat(&[&x, &counting(&[2])], 0).is_err());
        assert!(concat(&[], 0).is_err() && concat(&[&Tensor::scalar(1i32)], 0).is_err());
    }

    #[test]
    fn pads_crops_and_dilates() {
        let x = counting(&[3]);
        let padded = |low, high, interior| pad(&x, &[low], &[high], &[interior], 0i64).map(|y| y.to_vec::<i64>());
        assert_eq!(padded(1, 2, 0).unwrap(), [0, 1, 2, 3, 0, 0]);
        assert_eq!(padded(0, 0, 1).unwrap(), [1, 0, 2, 0, 3]);
        assert_eq!(padded(-1, 1, 1).unwrap(), [0, 2, 0, 3, 0]);
        assert_eq!(padded(-2, -2, 1).unwrap(), [2]);
        assert_eq!(padded(-3, 0, 0).unwrap(), [0i64; 0]);
        assert_eq!(padded(-4, 2, 0).unwrap(), [0]);
        assert!(padded(-4, 0, 0).is_err());
        let empty = Tensor::zeros(DType::F32, [0]);
        assert_eq!(pad(&empty, &[1], &[1], &[3], f64::INFINITY).unwrap().to_vec::<f64>(), [f64::INFINITY; 2]);
        assert_eq!(pad(&Tensor::scalar(2i8), &[], &[], &[], 0i64).unwrap().to_vec::<i64>(), [2]);
    }

    proptest! {
        #[test]
        fn padding_says_what_each_index_holds(
            shape in prop::collection::vec(0usize..4, 2),
            low in prop::collection::vec(-4i64..4, 2),
            high in prop::collection::vec(-4i64..4, 2),
            interior in prop::collection::vec(0usize..3, 2),
        ) {
            let x = counting(&shape);
            let Ok(padded) = pad(&x, &low, &high, &interior, -1i64) else { return Ok(()) };
            let expected = Tensor::from_fn(DType::I32, padded.shape(), |index| {
                let source: Option<Vec<usize>> = (0..2)
                    .map(|axis| {
                        let place = index[axis] as i64 - low[axis];
                        let step = interior[axis] as i64 + 1;
                        let inside = place >= 0 && place % step == 0 && place / step < shape[axis] as i64;
                        inside.then_some((place / step) as usize)
                    })
                    .collect();
                source.map_or(-1, |source| x.at::<i64>(&source).unwrap())
            });
            prop_assert_eq!(padded, expected);
        }
    }
}
