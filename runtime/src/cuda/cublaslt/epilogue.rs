//! What the library does with the sums of a product before it rounds them.

use cudarc::cublaslt::sys::cublasLtEpilogue_t;

use super::{Shape, unsupported};
use crate::cuda::error::Result;
use crate::program::{Activation, Fused, LibraryOp};

/// What the matrix beside a result has to be aligned to, in bytes, and what elements of its rows are a multiple of.
const ALIGN: usize = 16;
const LANES: usize = 8;

/// A function of sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applied {
    Relu,
    Gelu,
    /// The sums are a result as well.
    KeptGelu,
    GeluGradient,
}

/// Where the addresses of a product's operands are, behind those of lhs and rhs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) bias: usize,
    pub(super) out: usize,
    /// The matrix beside the result: of sums that are kept, or at whose elements a derivative is.
    pub(super) beside: Option<usize>,
}

impl Applied {
    /// What is computed from a product, if the library knows that: not with what it keeps, but for one function.
    pub(super) fn of(op: &Fused) -> Option<Self> {
        match (op.activation?, op.kept[..] == [true]) {
            (Activation::Relu, false) => Some(Self::Relu),
            (Activation::Gelu, false) => Some(Self::Gelu),
            (Activation::Gelu, true) => Some(Self::KeptGelu),
            (Activation::GeluGradient { .. }, false) if !op.product.bias => Some(Self::GeluGradient),
            (Activation::Relu, true) | (Activation::GeluGradient { .. }, _) => None,
        }
    }
}

impl Places {
    /// Those of an operation that the executor claims.
    pub(super) fn of(op: &LibraryOp) -> Self {
        match op {
            LibraryOp::ScaledMatmul(op) => Self::plain(4, op.product.bias),
            LibraryOp::Matmul(op) => Self::plain(2, op.bias),
            LibraryOp::Fused(op) => {
                let arg = |pointer: usize| op.pointers.get(pointer).copied().flatten().map(|arg| arg as usize);
                let other = match op.activation {
                    Some(Activation::GeluGradient { pointer }) => Some(pointer as usize),
                    _ => None,
                };
                // The kernel's result is its last pointer, or where the product would have been.
                let product = usize::from(other == Some(0));
                let plain = Self::plain(2, op.product.bias);
                let out = arg(product).or(arg(op.pointers.len() - 1)).unwrap_or(plain.out);
                let beside = if op.kept[..] == [true] { Some(plain.out) } else { other.and_then(arg) };
                Self { out, beside, ..plain }
            }
            _ => unreachable!("an executor prepares what it claims"),
        }
    }

    fn plain(bias: usize, has_bias: bool) -> Self {
        Self { bias, out: bias + usize::from(has_bias), beside: None }
    }
}

impl Shape {
    /// The library's name for what is done with sums.
    pub(super) fn epilogue(&self) -> cublasLtEpilogue_t {
        use cublasLtEpilogue_t::*;
        match (self.applied, self.bias) {
            (None, false) => CUBLASLT_EPILOGUE_DEFAULT,
            (None, true) => CUBLASLT_EPILOGUE_BIAS,
            (Some(Applied::Relu), false) => CUBLASLT_EPILOGUE_RELU,
            (Some(Applied::Relu), true) => CUBLASLT_EPILOGUE_RELU_BIAS,
            (Some(Applied::Gelu), false) => CUBLASLT_EPILOGUE_GELU,
            (Some(Applied::Gelu), true) => CUBLASLT_EPILOGUE_GELU_BIAS,
            (Some(Applied::KeptGelu), false) => CUBLASLT_EPILOGUE_GELU_AUX,
            (Some(Applied::KeptGelu), true) => CUBLASLT_EPILOGUE_GELU_AUX_BIAS,
            (Some(Applied::GeluGradient), _) => CUBLASLT_EPILOGUE_DGELU,
        }
    }

    /// Whether there is a matrix beside the result, which lies as that does.
    pub(super) fn has_beside(&self) -> bool {
        matches!(self.applied, Some(Applied::KeptGelu | Applied::GeluGradient))
    }

    /// Refuses what the library has no form for: a matrix beside the result that is not aligned.
    pub(super) fn check_beside(&self, alignment: usize) -> Result {
        let [_, n, _] = self.size;
        if alignment.is_multiple_of(ALIGN) && n.is_multiple_of(LANES) {
            return Ok(());
        }
        Err(unsupported("sums to be kept, or to be read again, whose rows are not aligned"))
    }
}
