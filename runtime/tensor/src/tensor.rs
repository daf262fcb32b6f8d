//! The tensor: a dtype, a shape, and row-major elements.

use std::fmt;
use std::sync::Arc;

use crate::storage::{Owner, Storage};
use crate::view::View;
use crate::walk::{IndexSpace, row_major_strides};
use crate::{Carrier, DType, Element, TensorError, dispatch};

/// A dense host tensor.
///
/// Elements are contiguous in row-major order. Memory that a tensor owns is aligned to 64 bytes; a view of an external
/// owner is aligned to its element. Clones and reshapes share memory, and the first write through one of them copies.
///
/// ```
/// use thunder_tensor::{DType, Tensor};
/// let x = Tensor::from_vec([2, 3], vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0])?;
/// assert_eq!(x.reshape([3, 2])?.as_slice::<f32>()?[4], 5.0);
/// assert_eq!(x.cast(DType::I8).at::<i64>(&[1, 2])?, 6);
/// # Ok::<(), thunder_tensor::TensorError>(())
/// ```
#[derive(Clone)]
pub struct Tensor {
    dtype: DType,
    shape: Vec<usize>,
    storage: Storage,
}

/// Elements in a shape, or the error that says they cannot be addressed.
fn checked_len(dtype: DType, shape: &[usize]) -> Result<usize, TensorError> {
    // Zero wins over an overflow before it: such a shape holds nothing.
    if shape.contains(&0) {
        return Ok(0);
    }
    let len = shape.iter().try_fold(1usize, |len, &extent| len.checked_mul(extent));
    len.filter(|len| len.checked_mul(dtype.size()).is_some_and(|bytes| bytes <= isize::MAX as usize))
        .ok_or_else(|| TensorError::TooLarge { shape: shape.to_vec(), dtype })
}

/// The length in bytes that `dtype` and `shape` need, checked against what is there.
fn checked_bytes(dtype: DType, shape: &[usize], actual: usize) -> Result<(), TensorError> {
    let needed = checked_len(dtype, shape)? * dtype.size();
    if needed == actual {
        return Ok(());
    }
    Err(TensorError::Length { shape: shape.to_vec(), dtype, needed, actual })
}

fn checked_bools(dtype: DType, bytes: &[u8]) -> Result<(), TensorError> {
    if dtype != DType::Bool {
        return Ok(());
    }
    match bytes.iter().position(|&byte| byte > 1) {
        Some(index) => Err(TensorError::InvalidBool { index, value: bytes[index] }),
        None => Ok(()),
    }
}

impl Tensor {
    /// The alignment in bytes of memory that tensors own.
    pub const ALIGNMENT: usize = Storage::ALIGNMENT;

    /// A tensor of zeros (false for `Bool`).
    ///
    /// # Panics
    /// If the shape is too large for the address space; [`Tensor::try_zeros`] returns an error instead.
    pub fn zeros(dtype: DType, shape: impl Into<Vec<usize>>) -> Self {
        Self::try_zeros(dtype, shape).expect("the shape fits in the address space")
    }

    /// A tensor of zeros, or [`TensorError::TooLarge`].
    pub fn try_zeros(dtype: DType, shape: impl Into<Vec<usize>>) -> Result<Self, TensorError> {
        let shape = shape.into();
        let bytes = checked_len(dtype, &shape)? * dtype.size();
        Ok(Tensor { dtype, shape, storage: Storage::zeroed(bytes) })
    }

    /// A tensor whose elements all are `value`, converted to `dtype`.
    pub fn full<C: Carrier>(dtype: DType, shape: impl Into<Vec<usize>>, value: C) -> Self {
        let mut tensor = Self::zeros(dtype, shape);
        dispatch!(dtype, T => tensor.elements_mut::<T>().fill(value.write()));
        tensor
    }

    /// A tensor of rank 0.
    pub fn scalar<T: Element>(value: T) -> Self {
        Self::from_slice([], &[value]).expect("rank 0 has one element")
    }

    /// The index along `axis` at every position: 0, 1, 2, ..., converted to `dtype`.
    pub fn iota(dtype: DType, shape: impl Into<Vec<usize>>, axis: usize) -> Result<Self, TensorError> {
        let shape = shape.into();
        let rank = shape.len();
        let &extent = shape.get(axis).ok_or(TensorError::Axis { axis, rank })?;
        let mut ramp_shape = vec![1; rank];
        ramp_shape[axis] = extent;
        let ramp = Self::from_values(dtype, ramp_shape, (0..extent as i64).collect())?;
        Ok(ramp.view().expand(&shape)?.to_tensor())
    }

    /// A tensor of the given elements, in row-major order.
    pub fn from_vec<T: Element>(shape: impl Into<Vec<usize>>, values: Vec<T>) -> Result<Self, TensorError> {
        Self::from_slice(shape, &values)
    }

    /// A tensor of copies of the given elements, in row-major order.
    pub fn from_slice<T: Element>(shape: impl Into<Vec<usize>>, values: &[T]) -> Result<Self, TensorError> {
        let shape = shape.into();
        checked_bytes(T::DTYPE, &shape, size_of_val(values))?;
        Ok(Tensor { dtype: T::DTYPE, shape, storage: Storage::copied(bytemuck::cast_slice(values)) })
    }

    /// A tensor of the given values, each converted to `dtype` by the rules of [`Element`].
    pub fn from_values<C: Carrier>(
        dtype: DType,
        shape: impl Into<Vec<usize>>,
        values: Vec<C>,
    ) -> Result<Self, TensorError> {
        let mut tensor = Self::try_zeros(dtype, shape)?;
        if tensor.len() != values.len() {
            return Err(TensorError::Length {
                needed: tensor.len() * dtype.size(),
                shape: tensor.shape,
                dtype,
                actual: values.len() * dtype.size(),
            });
        }
        C::store(&mut tensor, 0, &values);
        Ok(tensor)
    }

    /// A tensor whose element at each index is what `f` returns for it, converted to `dtype`.
    ///
    /// This is the plainest way to say what a structured op means; the index is not allocated anew per element.
    pub fn from_fn<C: Carrier>(dtype: DType, shape: impl Into<Vec<usize>>, mut f: impl FnMut(&[usize]) -> C) -> Self {
        let mut tensor = Self::zeros(dtype, shape);
        let mut values = Vec::with_capacity(tensor.len());
        IndexSpace::new(&tensor.shape).for_each(|index| values.push(f(index)));
        C::store(&mut tensor, 0, &values);
        tensor
    }

    /// A tensor of copies of the given bytes: little-endian elements in row-major order.
    pub fn from_bytes(dtype: DType, shape: impl Into<Vec<usize>>, bytes: &[u8]) -> Result<Self, TensorError> {
        let shape = shape.into();
        checked_bytes(dtype, &shape, bytes.len())?;
        checked_bools(dtype, bytes)?;
        Ok(Tensor { dtype, shape, storage: Storage::copied(bytes) })
    }

    /// A tensor that reads an owner's bytes from `offset` on, and keeps the owner alive.
    ///
    /// Nothing is copied, unless the bytes lie in memory where an element of `dtype` may not.
    pub fn from_owner(
        dtype: DType,
        shape: impl Into<Vec<usize>>,
        owner: Arc<dyn Owner>,
        offset: usize,
    ) -> Result<Self, TensorError> {
        let shape = shape.into();
        let needed = checked_len(dtype, &shape)? * dtype.size();
        let all = (*owner).as_ref();
        let Some(bytes) = all.get(offset..).and_then(|rest| rest.get(..needed)) else {
            let actual = all.len().saturating_sub(offset);
            return Err(TensorError::Length { shape, dtype, needed, actual });
        };
        checked_bools(dtype, bytes)?;
        let storage = if bytes.as_ptr().addr().is_multiple_of(dtype.part().size()) {
            Storage::external(Arc::clone(&owner), offset..offset + needed)
        } else {
            Storage::copied(bytes)
        };
        Ok(Tensor { dtype, shape, storage })
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The extent of every axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements: 1 at rank 0.
    pub fn len(&self) -> usize {
        self.storage.bytes().len() / self.dtype.size()
    }

    /// Whether some extent is 0.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// Whether the elements lie in an external owner's memory rather than the tensor's own.
    pub fn is_external(&self) -> bool {
        self.storage.is_external()
    }

    /// The elements' bytes, little-endian, row-major.
    pub fn bytes(&self) -> &[u8] {
        self.storage.bytes()
    }

    /// The elements' bytes for writing; copies them first if they are shared.
    ///
    /// Writing anything but 0 and 1 into a tensor of `Bool` makes the next [`Tensor::as_slice`] on it fail.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.storage.bytes_mut()
    }

    /// The elements as Rust values; an error if the tensor has another dtype.
    pub fn as_slice<T: Element>(&self) -> Result<&[T], TensorError> {
        self.expect_dtype(T::DTYPE)?;
        checked_bools(self.dtype, self.bytes())?;
        Ok(self.elements())
    }

    /// The elements for writing; copies them first if they are shared.
    pub fn as_mut_slice<T: Element>(&mut self) -> Result<&mut [T], TensorError> {
        self.expect_dtype(T::DTYPE)?;
        checked_bools(self.dtype, self.bytes())?;
        Ok(self.elements_mut())
    }

    /// The element at an index, read as a carrier: `x.at::<f64>(&[1, 2])`.
    ///
    /// Loops over many elements should rather take [`Tensor::to_vec`] once.
    pub fn at<C: Carrier>(&self, index: &[usize]) -> Result<C, TensorError> {
        Ok(self.value(self.linear(index)?))
    }

    /// Sets the element at an index, converted to the tensor's dtype.
    pub fn set<C: Carrier>(&mut self, index: &[usize], value: C) -> Result<(), TensorError> {
        let linear = self.linear(index)?;
        C::store(self, linear, &[value]);
        Ok(())
    }

    /// The value of a tensor with exactly one element.
    pub fn item<C: Carrier>(&self) -> Result<C, TensorError> {
        if self.len() != 1 {
            return Err(TensorError::Argument(format!("expected one element, got shape {:?}", self.shape)));
        }
        Ok(self.value(0))
    }

    /// Every element in row-major order, converted to a carrier by the rules of [`Element`].
    pub fn to_vec<C: Carrier>(&self) -> Vec<C> {
        let mut values = vec![C::default(); self.len()];
        C::load(self, 0, &mut values);
        values
    }

    /// The same elements under another shape with as many; shares memory.
    pub fn reshape(&self, shape: impl Into<Vec<usize>>) -> Result<Self, TensorError> {
        let shape = shape.into();
        checked_bytes(self.dtype, &shape, self.bytes().len())?;
        Ok(Tensor { dtype: self.dtype, shape, storage: self.storage.clone() })
    }

    /// The elements converted to another dtype, each part rounded once, by the rules of [`Element`]; shares memory if the
    /// dtype is the same.
    pub fn cast(&self, dtype: DType) -> Self {
        if dtype == self.dtype {
            return self.clone();
        }
        if self.dtype.is_complex() && dtype.is_complex() {
            let [re, im] = self.parts().map(|part| part.cast(dtype.part()));
            return Self::of_parts(&re, &im).expect("the parts of a tensor fit each other");
        }
        let mut result = Self::zeros(dtype, self.shape.as_slice());
        if dtype == DType::Bool {
            let truths = self.to_vec::<bool>();
            result.elements_mut::<bool>().copy_from_slice(&truths);
            return result;
        }
        dispatch!(self.dtype, From => dispatch!(dtype, To => {
            let (from, to) = (self.elements::<From>(), result.elements_mut::<To>());
            if From::DTYPE.has_fractions() {
                from.iter().zip(to).for_each(|(&value, slot)| *slot = To::of_f64(value.as_f64()));
            } else {
                from.iter().zip(to).for_each(|(&value, slot)| *slot = To::of_i64(value.as_i64()));
            }
        }));
        result
    }

    /// The real and the imaginary parts of complex numbers; those of real numbers are the tensor itself and zeros.
    pub fn parts(&self) -> [Self; 2] {
        if !self.dtype.is_complex() {
            return [self.clone(), Self::zeros(self.dtype, self.shape.as_slice())];
        }
        [0, 1].map(|part| {
            let mut result = Self::zeros(self.dtype.part(), self.shape.as_slice());
            let size = result.dtype.size();
            let places = self.bytes().chunks_exact(2 * size).zip(result.bytes_mut().chunks_exact_mut(size));
            places.for_each(|(number, place)| place.copy_from_slice(&number[part * size..(part + 1) * size]));
            result
        })
    }

    /// The complex numbers of these real and imaginary parts, which have one shape, and a dtype that parts have.
    pub fn of_parts(re: &Self, im: &Self) -> Result<Self, TensorError> {
        let dtype = re.dtype.complex().filter(|_| re.dtype == im.dtype && re.shape == im.shape);
        let dtype = dtype.ok_or_else(|| {
            let (x, y) = ((re.dtype, &re.shape), (im.dtype, &im.shape));
            TensorError::Argument(format!("{} {:?} and {} {:?} are not parts of complex numbers", x.0, x.1, y.0, y.1))
        })?;
        let mut result = Self::zeros(dtype, re.shape.as_slice());
        let size = re.dtype.size();
        let parts = re.bytes().chunks_exact(size).zip(im.bytes().chunks_exact(size));
        for (number, (re, im)) in result.bytes_mut().chunks_exact_mut(2 * size).zip(parts) {
            number[..size].copy_from_slice(re);
            number[size..].copy_from_slice(im);
        }
        Ok(result)
    }

    /// Complex numbers as pairs of real ones along a last dimension; shares memory.
    pub fn as_pairs(&self) -> Self {
        let mut shape = self.shape.clone();
        if self.dtype.is_complex() {
            shape.push(2);
        }
        Tensor { dtype: self.dtype.part(), shape, storage: self.storage.clone() }
    }

    /// Pairs of real numbers along the last dimension as complex ones.
    pub fn of_pairs(&self) -> Result<Self, TensorError> {
        let no_pairs = || TensorError::Argument(format!("{} {:?} are no pairs of numbers", self.dtype, self.shape));
        let dtype = self.dtype.complex().ok_or_else(no_pairs)?;
        let shape = self.shape.split_last().filter(|(last, _)| **last == 2).ok_or_else(no_pairs)?.1;
        Self::from_bytes(dtype, shape, self.bytes())
    }

    /// The tensor in memory of its own, aligned to [`Tensor::ALIGNMENT`]: a copy if it is a view of an owner.
    pub fn to_owned_memory(&self) -> Self {
        if !self.is_external() {
            return self.clone();
        }
        Tensor { storage: Storage::copied(self.bytes()), ..self.clone() }
    }

    /// A strided view of the whole tensor, the start of transposes, slices and broadcasts without copies.
    pub fn view(&self) -> View<'_> {
        View::new(self)
    }

    /// Axis `i` of the result is axis `permutation[i]` of the operand.
    pub fn transpose(&self, permutation: &[usize]) -> Result<Self, TensorError> {
        Ok(self.view().transpose(permutation)?.to_tensor())
    }

    /// Every `stride`-th element from `start` up to but excluding `limit`, per axis.
    pub fn slice(&self, start: &[usize], limit: &[usize], stride: &[usize]) -> Result<Self, TensorError> {
        Ok(self.view().slice(start, limit, stride)?.to_tensor())
    }

    /// The elements in reverse order along each of `axes`.
    pub fn reverse(&self, axes: &[usize]) -> Result<Self, TensorError> {
        Ok(self.view().reverse(axes)?.to_tensor())
    }

    /// Axis `i` of the operand becomes axis `axes[i]` of the result; new axes and extents of 1 repeat.
    pub fn broadcast_in_dim(&self, shape: &[usize], axes: &[usize]) -> Result<Self, TensorError> {
        Ok(self.view().broadcast_in_dim(shape, axes)?.to_tensor())
    }

    pub(crate) fn expect_dtype(&self, expected: DType) -> Result<(), TensorError> {
        if self.dtype == expected {
            return Ok(());
        }
        Err(TensorError::DType { expected, actual: self.dtype })
    }

    /// The elements; panics on a foreign dtype or a `Bool` byte other than 0 and 1.
    pub(crate) fn elements<T: Element>(&self) -> &[T] {
        bytemuck::checked::cast_slice(self.bytes())
    }

    pub(crate) fn elements_mut<T: Element>(&mut self) -> &mut [T] {
        bytemuck::checked::cast_slice_mut(self.bytes_mut())
    }

    pub(crate) fn value<C: Carrier>(&self, linear: usize) -> C {
        let mut value = [C::default()];
        C::load(self, linear, &mut value);
        value[0]
    }

    /// Some of the elements; for `Bool` only these are checked.
    pub(crate) fn elements_within<T: Element>(&self, start: usize, len: usize) -> &[T] {
        bytemuck::checked::cast_slice(&self.bytes()[self.byte_range(start, len)])
    }

    pub(crate) fn elements_within_mut<T: Element>(&mut self, start: usize, len: usize) -> &mut [T] {
        let range = self.byte_range(start, len);
        bytemuck::checked::cast_slice_mut(&mut self.bytes_mut()[range])
    }

    fn byte_range(&self, start: usize, len: usize) -> std::ops::Range<usize> {
        start * self.dtype.size()..(start + len) * self.dtype.size()
    }

    fn linear(&self, index: &[usize]) -> Result<usize, TensorError> {
        let inside = index.len() == self.rank() && index.iter().zip(&self.shape).all(|(i, extent)| i < extent);
        if !inside {
            return Err(TensorError::Argument(format!("index {index:?} is outside of shape {:?}", self.shape)));
        }
        let strides = row_major_strides(&self.shape);
        Ok(index.iter().zip(strides).map(|(&i, stride)| i * stride as usize).sum())
    }
}

/// Equal dtype, shape and bytes: NaN equals the same NaN, and -0 differs from 0.
impl PartialEq for Tensor {
    fn eq(&self, other: &Self) -> bool {
        self.dtype == other.dtype && self.shape == other.shape && self.bytes() == other.bytes()
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn clones_share_until_written() {
        let x = Tensor::full(DType::F32, [3], 1.5);
        let mut y = x.clone();
        assert_eq!(x.bytes().as_ptr(), y.bytes().as_ptr());
        y.set(&[1], 2.0).unwrap();
        assert_eq!(x.to_vec::<f64>(), [1.5, 1.5, 1.5]);
        assert_eq!(y.to_vec::<f64>(), [1.5, 2.0, 1.5]);
    }

    #[test]
    fn owned_memory_is_aligned() {
        for dtype in DType::ALL {
            for len in [0, 1, 7, 65] {
                let x = Tensor::zeros(dtype, [len]);
                assert!(x.bytes().as_ptr().addr().is_multiple_of(Tensor::ALIGNMENT) || len == 0);
                assert_eq!(x.bytes().len(), len * dtype.size());
                assert_eq!(x.len(), len);
            }
        }
    }

    #[test]
    fn owners_are_viewed_in_place_and_copied_on_write() {
        let owner: Arc<dyn Owner> = Arc::new(Tensor::iota(DType::F32, [6], 0).unwrap().bytes().to_vec());
        let offset = (*owner).as_ref().as_ptr().align_offset(4) + 4;
        if offset == 4 {
            let mut x = Tensor::from_owner(DType::F32, [2, 2], Arc::clone(&owner), offset).unwrap();
            assert!(x.is_external());
            assert_eq!(x.to_vec::<f64>(), [1.0, 2.0, 3.0, 4.0]);
            x.as_mut_slice::<f32>().unwrap()[0] = 9.0;
            assert!(!x.is_external());
            assert_eq!((*owner).as_ref()[4..8], 1.0f32.to_le_bytes());
        }
        let misaligned = Tensor::from_owner(DType::F32, [2], Arc::clone(&owner), offset + 1).unwrap();
        assert!(!misaligned.is_external());
        assert!(matches!(
            Tensor::from_owner(DType::F32, [6], owner, 4),
            Err(TensorError::Length { needed: 24, actual: 20, .. })
        ));
    }

    #[test]
    fn wrong_requests_are_errors() {
        let x = Tensor::zeros(DType::F32, [2, 0]);
        assert_eq!(x.as_slice::<f64>(), Err(TensorError::DType { expected: DType::F64, actual: DType::F32 }));
        assert!(matches!(x.reshape([1]), Err(TensorError::Length { needed: 4, actual: 0, .. })));
        assert!(x.at::<f64>(&[0, 0]).is_err());
        assert!(matches!(Tensor::try_zeros(DType::F64, [usize::MAX, 2]), Err(TensorError::TooLarge { .. })));
        assert_eq!(Tensor::try_zeros(DType::F64, [usize::MAX, 2, 0]).unwrap().len(), 0);
        assert_eq!(
            Tensor::from_bytes(DType::Bool, [3], &[0, 1, 2]),
            Err(TensorError::InvalidBool { index: 2, value: 2 })
        );
        let mut flags = Tensor::zeros(DType::Bool, [2]);
        flags.bytes_mut()[1] = 7;
        assert_eq!(flags.as_slice::<bool>(), Err(TensorError::InvalidBool { index: 1, value: 7 }));
    }

    #[test]
    fn iota_counts_along_its_axis() {
        assert_eq!(Tensor::iota(DType::I32, [2, 3], 1).unwrap().to_vec::<i64>(), [0, 1, 2, 0, 1, 2]);
        assert_eq!(Tensor::iota(DType::F16, [2, 3], 0).unwrap().to_vec::<f64>(), [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        assert!(Tensor::iota(DType::F16, [], 0).is_err());
    }

    #[test]
    fn casts_round_once() {
        // Halfway between two values of the narrow type, and one unit of f64 more.
        for (dtype, ulp) in [(DType::F16, 1.0 / 1024.0), (DType::BF16, 1.0 / 128.0)] {
            let x = Tensor::scalar((1.0 + ulp / 2.0f64).next_up());
            assert_eq!(x.cast(dtype).item::<f64>(), Ok(1.0 + ulp), "{dtype}");
            assert_eq!(Tensor::full(dtype, [], x.item::<f64>().unwrap()).item::<f64>(), Ok(1.0 + ulp));
        }
        let x = Tensor::scalar((1i64 << 40) + (1 << 32) + 1);
        assert_eq!(x.cast(DType::BF16).item::<i64>(), Ok((1 << 40) + (1 << 33)));
    }

    #[test]
    fn complex_numbers_are_pairs_of_parts() {
        let re = Tensor::from_vec([2], vec![1.5f32, 0.0]).unwrap();
        let im = Tensor::from_vec([2], vec![-2.0f32, 0.5]).unwrap();
        let z = Tensor::of_parts(&re, &im).unwrap();
        assert_eq!((z.dtype(), z.len(), z.as_pairs().shape()), (DType::C64, 2, &[2, 2][..]));
        assert_eq!(z.as_pairs().to_vec::<f64>(), [1.5, -2.0, 0.0, 0.5]);
        assert_eq!(z.as_pairs().of_pairs(), Ok(z.clone()));
        assert_eq!(z.cast(DType::C128).parts()[1].to_vec::<f64>(), [-2.0, 0.5]);
        assert_eq!(z.cast(DType::Bool).to_vec::<bool>(), [true, true]);
        assert_eq!(z.cast(DType::I8).to_vec::<i64>(), [1, 0]);
        assert_eq!(re.cast(DType::C64).parts(), [re.clone(), Tensor::zeros(DType::F32, [2])]);
        assert_eq!(z.to_string(), "tensor<2xcomplex<f32>> [1.5-2.0i, 0.0+0.5i]");
        assert!(Tensor::of_parts(&re, &im.cast(DType::F64)).is_err() && re.cast(DType::I8).of_pairs().is_err());
    }

    #[test]
    fn rank_zero_has_one_element() {
        let x = Tensor::scalar(2.5f32);
        assert_eq!((x.rank(), x.len(), x.item::<f64>().unwrap(), x.at::<i64>(&[]).unwrap()), (0, 1, 2.5, 2));
    }

    proptest! {
        #[test]
        fn casts_follow_the_rules_of_rust(values in prop::collection::vec(any::<i64>(), 0..20)) {
            let x = Tensor::from_vec([values.len()], values.clone()).unwrap();
            let wrapped: Vec<i64> = values.iter().map(|&v| v as i16 as i64).collect();
            prop_assert_eq!(x.cast(DType::I16).to_vec::<i64>(), wrapped);
            let rounded: Vec<f32> = values.iter().map(|&v| v as f32).collect();
            let floats = x.cast(DType::F32);
            prop_assert_eq!(floats.as_slice::<f32>().unwrap(), &rounded[..]);
            let back: Vec<i64> = rounded.iter().map(|&v| v as i64).collect();
            prop_assert_eq!(floats.cast(DType::I64).to_vec::<i64>(), back);
        }
    }
}
