//! Strided views: transposes, slices, reversals and broadcasts that copy nothing until asked.

use crate::walk::{Strided, row_major_strides, runs};
use crate::{Carrier, DType, Tensor, TensorError, dispatch};

/// A tensor's elements under another shape and other strides.
///
/// Every position that the shape and the strides reach lies within the tensor.
#[derive(Clone, Debug)]
pub struct View<'a> {
    tensor: &'a Tensor,
    shape: Vec<usize>,
    strides: Vec<isize>,
    offset: usize,
}

/// What kernels accept as an operand: a tensor or a view of one, by reference or by value.
pub trait Operand<'a> {
    /// The operand as a view.
    fn into_view(self) -> View<'a>;
}

impl<'a> Operand<'a> for &'a Tensor {
    fn into_view(self) -> View<'a> {
        self.view()
    }
}

impl<'a> Operand<'a> for View<'a> {
    fn into_view(self) -> View<'a> {
        self
    }
}

impl<'a> Operand<'a> for &View<'a> {
    fn into_view(self) -> View<'a> {
        self.clone()
    }
}

impl<'a> View<'a> {
    pub(crate) fn new(tensor: &'a Tensor) -> Self {
        let shape = tensor.shape().to_vec();
        let strides = row_major_strides(&shape);
        View { tensor, shape, strides, offset: 0 }
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.tensor.dtype()
    }

    /// The extent of every axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Where the first element lies in the viewed tensor, and the steps from it, in elements.
    pub fn strided(&self) -> Strided<'_> {
        Strided { offset: self.offset, strides: &self.strides }
    }

    /// The tensor whose elements are viewed.
    pub fn tensor(&self) -> &'a Tensor {
        self.tensor
    }

    /// Axis `i` of the result is axis `permutation[i]` of this view.
    pub fn transpose(&self, permutation: &[usize]) -> Result<Self, TensorError> {
        let mut seen = vec![false; self.rank()];
        for &axis in permutation {
            let slot = seen.get_mut(axis).ok_or(TensorError::Axis { axis, rank: self.rank() })?;
            *slot = true;
        }
        if permutation.len() != self.rank() || seen.contains(&false) {
            return Err(TensorError::Argument(format!("{permutation:?} is no permutation of {} axes", self.rank())));
        }
        Ok(View {
            shape: permutation.iter().map(|&axis| self.shape[axis]).collect(),
            strides: permutation.iter().map(|&axis| self.strides[axis]).collect(),
            ..*self
        })
    }

    /// The view with its two innermost axes exchanged.
    pub fn transpose_last(&self) -> Result<Self, TensorError> {
        let rank = self.rank();
        if rank < 2 {
            return Err(TensorError::Argument(format!("expected at least 2 axes, got shape {:?}", self.shape)));
        }
        let mut permutation: Vec<usize> = (0..rank).collect();
        permutation.swap(rank - 2, rank - 1);
        self.transpose(&permutation)
    }

    /// Every `stride`-th element from `start` up to but excluding `limit`, per axis; strides are at least 1, and
    /// `start <= limit <= extent`.
    pub fn slice(&self, start: &[usize], limit: &[usize], stride: &[usize]) -> Result<Self, TensorError> {
        let rank = self.rank();
        if [start.len(), limit.len(), stride.len()] != [rank; 3] {
            return Err(TensorError::Argument(format!("expected start, limit and stride for {rank} axes")));
        }
        let mut view = self.clone();
        for axis in 0..rank {
            let (start, limit, stride, extent) = (start[axis], limit[axis], stride[axis], self.shape[axis]);
            if start > limit || limit > extent || stride == 0 {
                return Err(TensorError::Argument(format!(
                    "slice {start}:{limit}:{stride} does not fit axis {axis} of extent {extent}"
                )));
            }
            view.shape[axis] = (limit - start).div_ceil(stride);
            view.strides[axis] = self.strides[axis].wrapping_mul(stride as isize);
            if start < extent {
                view.offset = view.offset.wrapping_add_signed(self.strides[axis] * start as isize);
            }
        }
        Ok(view)
    }

    /// The elements in reverse order along each of `axes`.
    pub fn reverse(&self, axes: &[usize]) -> Result<Self, TensorError> {
        let mut view = self.clone();
        for &axis in axes {
            let &extent = self.shape.get(axis).ok_or(TensorError::Axis { axis, rank: self.rank() })?;
            if extent > 0 {
                view.offset = view.offset.wrapping_add_signed(view.strides[axis] * (extent as isize - 1));
                view.strides[axis] = -view.strides[axis];
            }
        }
        Ok(view)
    }

    /// Axis `i` of this view becomes axis `axes[i]` of the result; new axes and extents of 1 repeat.
    ///
    /// `axes` are distinct, and an extent other than 1 must equal the extent it becomes.
    pub fn broadcast_in_dim(&self, shape: &[usize], axes: &[usize]) -> Result<Self, TensorError> {
        if axes.len() != self.rank() {
            return Err(TensorError::Argument(format!(
                "expected one result axis for each of {} operand axes, got {axes:?}",
                self.rank()
            )));
        }
        let mut strides = vec![0; shape.len()];
        for (from, &axis) in axes.iter().enumerate() {
            let &extent = shape.get(axis).ok_or(TensorError::Axis { axis, rank: shape.len() })?;
            if axes[..from].contains(&axis) {
                return Err(TensorError::Argument(format!("result axis {axis} is named twice in {axes:?}")));
            }
            if self.shape[from] == extent {
                strides[axis] = self.strides[from];
            } else if self.shape[from] != 1 {
                return Err(TensorError::Argument(format!(
                    "axis {from} of extent {} cannot become axis {axis} of extent {extent}",
                    self.shape[from]
                )));
            }
        }
        Ok(View { shape: shape.to_vec(), strides, ..*self })
    }

    /// Repeats extents of 1 and adds leading axes until the shape is `shape`, as NumPy's broadcasting does.
    pub fn expand(&self, shape: &[usize]) -> Result<Self, TensorError> {
        if shape.len() < self.rank() {
            return Err(TensorError::Shape { expected: shape.to_vec(), actual: self.shape.clone() });
        }
        let axes: Vec<usize> = (shape.len() - self.rank()..shape.len()).collect();
        self.broadcast_in_dim(shape, &axes)
    }

    /// The elements in row-major order of this view, as a tensor; shares memory if the view is the whole tensor.
    pub fn to_tensor(&self) -> Tensor {
        if self.is_whole() {
            return self.tensor.clone();
        }
        let mut result = Tensor::zeros(self.dtype(), self.shape.as_slice());
        dispatch!(self.dtype(), T => {
            let source = self.tensor.elements::<T>();
            let mut slots = result.elements_mut::<T>();
            runs(&self.shape, [self.strided()], |length, [start], [step]| {
                let (run, rest) = std::mem::take(&mut slots).split_at_mut(length);
                match step {
                    1 => run.copy_from_slice(&source[start..start + length]),
                    0 => run.fill(source[start]),
                    _ => {
                        let mut position = start;
                        for slot in run {
                            *slot = source[position];
                            position = position.wrapping_add_signed(step);
                        }
                    }
                }
                slots = rest;
            });
        });
        result
    }

    /// Every element in row-major order of this view, converted to a carrier.
    pub fn to_vec<C: Carrier>(&self) -> Vec<C> {
        self.to_tensor().to_vec()
    }

    fn is_whole(&self) -> bool {
        self.shape == self.tensor.shape() && (self.strides == row_major_strides(&self.shape) && self.offset == 0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counting(shape: &[usize]) -> Tensor {
        let len = shape.iter().product::<usize>() as i64;
        Tensor::from_values(DType::I32, shape, (0..len).collect()).unwrap()
    }

    #[test]
    fn views_compose() {
        let x = counting(&[2, 3]);
        let y = x.view().transpose(&[1, 0]).unwrap().reverse(&[0]).unwrap();
        assert_eq!(y.to_tensor().to_vec::<i64>(), [2, 5, 1, 4, 0, 3]);
        let z = y.slice(&[0, 1], &[3, 2], &[2, 1]).unwrap();
        assert_eq!((z.shape(), z.to_vec::<i64>()), (&[2, 1][..], vec![5, 3]));
        assert_eq!(z.expand(&[2, 2, 2]).unwrap().to_vec::<i64>(), [5, 5, 3, 3, 5, 5, 3, 3]);
    }

    #[test]
    fn broadcast_in_dim_places_axes() {
        let x = counting(&[2]);
        assert_eq!(x.broadcast_in_dim(&[2, 3], &[0]).unwrap().to_vec::<i64>(), [0, 0, 0, 1, 1, 1]);
        assert_eq!(x.broadcast_in_dim(&[3, 2], &[1]).unwrap().to_vec::<i64>(), [0, 1, 0, 1, 0, 1]);
        assert_eq!(x.broadcast_in_dim(&[2, 0], &[0]).unwrap().len(), 0);
        assert_eq!(Tensor::scalar(7i8).broadcast_in_dim(&[2], &[]).unwrap().to_vec::<i64>(), [7, 7]);
        assert!(x.broadcast_in_dim(&[3], &[0]).is_err());
        assert!(x.broadcast_in_dim(&[2], &[1]).is_err());
        assert!(counting(&[2, 2]).broadcast_in_dim(&[2, 2], &[0, 0]).is_err());
    }

    #[test]
    fn bad_slices_and_permutations_are_errors() {
        let x = counting(&[4]);
        assert!(x.slice(&[3], &[2], &[1]).is_err());
        assert!(x.slice(&[0], &[5], &[1]).is_err());
        assert!(x.slice(&[0], &[4], &[0]).is_err());
        assert_eq!(x.slice(&[4], &[4], &[9]).unwrap().shape(), [0]);
        assert_eq!(x.slice(&[0], &[4], &[3]).unwrap().to_vec::<i64>(), [0, 3]);
        assert!(x.transpose(&[]).is_err() && x.transpose(&[1]).is_err());
        assert!(counting(&[2, 2]).transpose(&[0, 0]).is_err());
    }

    #[test]
    fn zero_size_views_stay_empty() {
        let x = Tensor::zeros(DType::F32, [0, 3]);
        assert_eq!(x.transpose(&[1, 0]).unwrap().shape(), [3, 0]);
        assert_eq!(x.reverse(&[0, 1]).unwrap().shape(), [0, 3]);
        assert_eq!(x.slice(&[0, 1], &[0, 3], &[1, 1]).unwrap().shape(), [0, 2]);
    }

    proptest! {
        #[test]
        fn transposing_twice_is_the_identity(
            shape in prop::collection::vec(0usize..4, 3),
            permutation in Just(vec![0usize, 1, 2]).prop_shuffle(),
        ) {
            let x = counting(&shape);
            let mut inverse = vec![0; 3];
            permutation.iter().enumerate().for_each(|(i, &axis)| inverse[axis] = i);
            let y = x.transpose(&permutation).unwrap();
            prop_assert_eq!(y.transpose(&inverse).unwrap(), x.clone());
            let direct = Tensor::from_fn(DType::I32, y.shape(), |index| {
                let mut source = [0; 3];
                permutation.iter().zip(index).for_each(|(&axis, &i)| source[axis] = i);
                x.at::<i64>(&source).unwrap()
            });
            prop_assert_eq!(y, direct);
        }
    }
}
