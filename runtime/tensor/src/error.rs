//! Why an operation on tensors was refused.

use crate::DType;

/// Operands or arguments that an operation is not defined for.
///
/// All variants are the caller's to fix; where a caller has checked the shapes before, one of them is a bug of the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    /// The elements were asked for as another type than the tensor has.
    #[error("expected elements of type {expected}, got {actual}")]
    DType {
        /// What the caller asked for.
        expected: DType,
        /// What the tensor has.
        actual: DType,
    },
    /// Shapes that should agree do not.
    #[error("expected shape {expected:?}, got {actual:?}")]
    Shape {
        /// What the operation needs.
        expected: Vec<usize>,
        /// What it was given.
        actual: Vec<usize>,
    },
    /// The data is not as long as dtype and shape say.
    #[error("shape {shape:?} of {dtype} needs {needed} bytes, got {actual}")]
    Length {
        /// The shape asked for.
        shape: Vec<usize>,
        /// The dtype asked for.
        dtype: DType,
        /// Bytes that dtype and shape need.
        needed: usize,
        /// Bytes given.
        actual: usize,
    },
    /// The number of elements or bytes does not fit in the address space.
    #[error("shape {shape:?} of {dtype} is too large for this machine")]
    TooLarge {
        /// The shape asked for.
        shape: Vec<usize>,
        /// The dtype asked for.
        dtype: DType,
    },
    /// A tensor of truth values holds a byte that is neither 0 nor 1.
    #[error("byte {value} at element {index} is not a truth value")]
    InvalidBool {
        /// The first such element.
        index: usize,
        /// Its byte.
        value: u8,
    },
    /// An axis is not below the rank.
    #[error("axis {axis} is out of range for rank {rank}")]
    Axis {
        /// The axis asked for.
        axis: usize,
        /// The rank of the operand.
        rank: usize,
    },
    /// Anything else about the arguments, said in a sentence.
    #[error("{0}")]
    Argument(String),
}
