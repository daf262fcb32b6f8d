//! The value of an op on host tensors: its semantics, and the oracle of every test.

use thunder_tensor::{Tensor, TensorError};

/// Why the reference could not compute a value.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EvalError {
    /// The inputs break a rule of the op that only values can break, such as an index out of range.
    #[error("{0}")]
    Input(String),
    /// The op has no value for these dtypes. Ours to implement, or the program's to avoid.
    #[error("{0}")]
    Unsupported(String),
}

impl From<String> for EvalError {
    fn from(message: String) -> Self {
        Self::Input(message)
    }
}

impl From<TensorError> for EvalError {
    fn from(error: TensorError) -> Self {
        Self::Input(error.to_string())
    }
}

/// Computes an op on host tensors.
///
/// Floating-point results are computed in `f64` and rounded once to the result's dtype. An operand
/// of type `index` arrives as a tensor of rank 0 and dtype `i64`.
pub trait Reference {
    /// One tensor per result.
    fn evaluate(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, EvalError>;
}

crate::interface!(Reference);
