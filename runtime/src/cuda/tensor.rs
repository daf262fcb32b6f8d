//! Tensors on a GPU.

use std::sync::Arc;

use thunder_tensor::{DType, Tensor};

use super::Gpu;
use super::error::Result;
use super::memory::Memory;
use crate::plan::Shape;
use crate::session::Typed;

/// A contiguous, row-major tensor on a GPU. It may still be on its way there, or be computed: whoever reads it waits.
#[derive(Debug)]
pub struct DeviceTensor {
    gpu: Arc<Gpu>,
    dtype: DType,
    shape: Vec<usize>,
    memory: Memory,
}

impl DeviceTensor {
    /// A copy of `tensor` on the GPU.
    pub fn new(gpu: &Arc<Gpu>, tensor: &Tensor) -> Result<Self> {
        let made = Self::unwritten(gpu, &(tensor.dtype(), tensor.shape().to_vec()))?;
        gpu.upload(tensor.bytes(), &made.memory)?;
        Ok(made)
    }

    /// Memory for a tensor whose elements are to be written.
    pub(super) fn unwritten(gpu: &Arc<Gpu>, (dtype, shape): &Shape) -> Result<Self> {
        let bytes = shape.iter().product::<usize>() * dtype.size();
        let memory = gpu.allocate(bytes, &|| format!("a tensor {dtype}{shape:?}"))?;
        Ok(Self { gpu: Arc::clone(gpu), dtype: *dtype, shape: shape.clone(), memory })
    }

    /// A copy on the host, when it is computed.
    pub fn download(&self) -> Result<Tensor> {
        let mut tensor = Tensor::zeros(self.dtype, self.shape.clone());
        self.gpu.download(&self.memory, tensor.bytes_mut())?;
        Ok(tensor)
    }

    /// A copy on the GPU.
    pub fn duplicate(&self) -> Result<Self> {
        let made = Self::unwritten(&self.gpu, &(self.dtype, self.shape.clone()))?;
        made.memory.copy_from(&self.memory)?;
        Ok(made)
    }

    /// Gives it the elements of a tensor of the host of the same type and shape.
    ///
    /// # Panics
    /// When the tensor has another type or shape.
    pub fn write(&mut self, tensor: &Tensor) -> Result {
        assert_eq!((tensor.dtype(), tensor.shape()), (self.dtype, &*self.shape), "a tensor is written with its like");
        self.gpu.upload(tensor.bytes(), &self.memory)
    }

    /// The GPU that it is on.
    pub fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }
}

impl Typed for DeviceTensor {
    fn dtype(&self) -> DType {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }
}
