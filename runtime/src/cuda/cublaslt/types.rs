//! Types of elements and sums, and what products of floats of 8 bits want of their operands.

use cudarc::cublaslt::sys::{cublasComputeType_t, cudaDataType_t};
use thunder_tensor::DType;

use super::{Shape, unsupported};
use crate::cuda::architecture::Architecture;
use crate::cuda::error::Result;

/// The oldest architecture that multiplies floats of 8 bits.
const FLOATS8: Architecture = Architecture::of(8, 9);

/// What sizes along rows and sums, and addresses in bytes, are multiples of where elements are floats of 8 bits.
const UNIT: usize = 16;

/// The library's name for elements.
pub(super) fn of(dtype: DType) -> Option<cudaDataType_t> {
    use cudaDataType_t::*;
    match dtype {
        DType::F32 => Some(CUDA_R_32F),
        DType::F16 => Some(CUDA_R_16F),
        DType::BF16 => Some(CUDA_R_16BF),
        DType::F64 => Some(CUDA_R_64F),
        DType::F8E4M3FN => Some(CUDA_R_8F_E4M3),
        DType::F8E5M2 => Some(CUDA_R_8F_E5M2),
        _ => None,
    }
}

/// How sums are computed, and the type of what they are multiplied with.
pub(super) fn sums(shape: &Shape) -> Result<(cublasComputeType_t, cudaDataType_t)> {
    use cublasComputeType_t::*;
    use cudaDataType_t::*;
    Ok(match shape.dtypes[0] {
        DType::F32 if shape.tf32 => (CUBLAS_COMPUTE_32F_FAST_TF32, CUDA_R_32F),
        DType::F64 => (CUBLAS_COMPUTE_64F, CUDA_R_64F),
        dtype if of(dtype).is_some() => (CUBLAS_COMPUTE_32F, CUDA_R_32F),
        other => return Err(unsupported(format!("elements of {other}"))),
    })
}

/// Whether the library has products of floats of 8 bits like this: sums along rows of both matrices as they lie in memory,
/// sizes and addresses that are multiples of 16, and a bias in half precision.
pub(super) fn check_scaled(shape: &Shape, architecture: Architecture) -> Result {
    let ([_, n, k], [lhs, rhs, out]) = (shape.size, shape.operands);
    let lines = [lhs.line, rhs.line, out.line * shape.dtypes[2].size()];
    let is_aligned = |number: &usize| number.is_multiple_of(UNIT);
    let what = match () {
        () if !architecture.is_at_least(FLOATS8) => "floats of 8 bits on a GPU that does not multiply these",
        () if k == 0 => "a product over nothing",
        () if lhs.column_major || !rhs.column_major => "floats of 8 bits whose sums are not along rows in memory",
        () if ![n, k].iter().chain(&lines).chain(&shape.alignments).all(is_aligned) => {
            "floats of 8 bits whose sizes or addresses are no multiples of 16"
        }
        () if shape.bias && shape.dtypes[2] == DType::F32 => "floats of 8 bits with a bias of f32",
        () => return Ok(()),
    };
    Err(unsupported(what))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::super::Operand;
    use super::*;
    use crate::cuda::error::CudaError;

    fn shape() -> Shape {
        let operand = |column_major, line| Operand { column_major, line, stride: 0 };
        Shape {
            dtypes: [DType::F8E4M3FN, DType::F8E5M2, DType::BF16],
            scaled: true,
            tf32: false,
            size: [3, 32, 64],
            operands: [operand(false, 64), operand(true, 64), operand(false, 32)],
            batch: 1,
            bias: true,
            applied: None,
            alignments: [256; 3],
        }
    }

    #[test]
    fn products_of_floats_of_8_bits_are_left_to_others_where_the_library_has_none() {
        let hopper = Architecture::of(9, 0);
        check_scaled(&shape(), hopper).unwrap();
        check_scaled(&shape(), FLOATS8).unwrap();
        let refused = |change: &dyn Fn(&mut Shape), architecture| {
            let mut shape = shape();
            change(&mut shape);
            match check_scaled(&shape, architecture) {
                Err(CudaError::Unsupported { what, .. }) => what,
                other => panic!("{other:?}"),
            }
        };
        assert!(refused(&|_| {}, Architecture::of(8, 6)).contains("on a GPU that does not"));
        assert!(refused(&|shape| shape.size[2] = 0, hopper).contains("over nothing"));
        assert!(refused(&|shape| shape.operands[0].column_major = true, hopper).contains("not along rows"));
        assert!(refused(&|shape| shape.operands[1].column_major = false, hopper).contains("not along rows"));
        let odd: [&dyn Fn(&mut Shape); 4] = [
            &|shape| shape.size[1] = 24,
            &|shape| shape.size[2] = 72,
            &|shape| shape.operands[0].line = 72,
            &|shape| shape.alignments[1] = 8,
        ];
        odd.iter().for_each(|change| assert!(refused(change, hopper).contains("no multiples of 16")));
        assert!(refused(&|shape| shape.dtypes[2] = DType::F32, hopper).contains("bias of f32"));
    }
}
