//! What a tensor is before it exists.

use std::fmt;

use thunder_tensor::DType;

use crate::{Dim, Dims};

/// Where the elements of a tensor are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Device {
    /// In the host's memory.
    #[default]
    Cpu,
}

/// Element type and sizes of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The type of its elements.
    pub dtype: DType,
    /// The size of each dimension.
    pub dims: Vec<Dim>,
}

impl Spec {
    /// A tensor of these elements and sizes.
    pub fn new(dtype: DType, dims: impl Dims) -> Self {
        Self { dtype, dims: dims.dims() }
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<String> = self.dims.iter().map(Dim::to_string).collect();
        write!(f, "{}[{}]", self.dtype, dims.join(", "))
    }
}
