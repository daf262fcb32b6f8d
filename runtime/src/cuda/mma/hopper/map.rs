//! Tensor maps: how the unit for tensors is told where an operand is.

use std::ffi::c_void;
use std::mem::MaybeUninit;

use cudarc::driver::sys;
use cudarc::driver::sys::{
    CUdeviceptr, CUtensorMap, CUtensorMapDataType, CUtensorMapFloatOOBfill, CUtensorMapInterleave,
    CUtensorMapL2promotion, CUtensorMapSwizzle,
};
use thunder_tensor::DType;

use super::panel::{ACROSS, DEPTH};
use crate::cuda::error::{CudaError, Result, said};
use crate::cuda::mma::Product;

/// What addresses and strides are multiples of, in bytes.
pub(super) const UNIT: usize = 16;

/// The most bytes of a stride, and the most elements along a dimension that numbers of 32 bits with a sign count with room
/// for a tile.
const STRIDES: u64 = 1 << 40;
pub(super) const EXTENT: usize = 1 << 30;

/// Dimensions of a tensor.
const RANK: usize = 5;

/// Columns that lie in groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Groups {
    /// How many there are to a group.
    pub(super) width: usize,
    /// Elements from a group's first column to the next one's.
    pub(super) stride: usize,
}

/// An operand without its address.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    dtype: DType,
    /// Whether the terms of sums are adjacent, or else rows or columns.
    pub(super) sums: bool,
    /// Dimensions that are not the batch's.
    own: usize,
    /// From the dimension on in which elements are adjacent.
    pub(super) extents: Vec<u64>,
    /// Bytes of all dimensions but that.
    pub(super) strides: Vec<u64>,
    /// What a copy brings.
    pub(super) copied: Vec<u32>,
}

impl Shape {
    /// Of lhs (`side` 0) or rhs (1), of which a copy brings `count` rows or columns where terms are adjacent; `None` where
    /// the unit for tensors cannot reach the elements.
    pub(super) fn of(product: &Product, side: usize, count: usize) -> Option<Self> {
        Self::grouped(product, side, count, None)
    }

    /// The same, where rows or columns may lie in groups.
    pub(super) fn grouped(product: &Product, side: usize, count: usize, groups: Option<Groups>) -> Option<Self> {
        let (all, terms) = (product.size[side], product.size[2]);
        let extent = groups.map_or(all, |groups| groups.width);
        let [own, sums] = [product.lhs, product.rhs][side];
        let size = product.dtype.size();
        let stride = |extent: usize, stride: usize, before: u64| {
            let bytes = match extent {
                // Any does for one.
                1 => before.next_multiple_of(UNIT as u64),
                _ => stride.checked_mul(size)? as u64,
            };
            (bytes > 0 && bytes.is_multiple_of(UNIT as u64) && bytes < STRIDES).then_some(bytes)
        };
        let along = if sums == 1 || terms == 1 { stride(extent, own, (terms * size) as u64) } else { None };
        let across = if own == 1 || extent == 1 { stride(terms, sums, (extent * size) as u64) } else { None };
        let (is_along, line) = along.map(|line| (true, line)).or(across.map(|line| (false, line)))?;
        // What a copy brings, and how much of that is of one group.
        let copies = if is_along { count } else { ACROSS };
        let brought = groups.map_or(copies, |groups| copies.min(groups.width));
        let mut extents = if is_along { vec![terms as u64, extent as u64] } else { vec![extent as u64, terms as u64] };
        let mut copied = if is_along { vec![DEPTH as u32, brought as u32] } else { vec![brought as u32, DEPTH as u32] };
        let mut strides = vec![line];
        if let Some(Groups { width, stride: next }) = groups {
            let is_whole = [copies, width].iter().all(|count| count.is_multiple_of(brought));
            // Pieces of what should be adjacent in shared memory are not brought there.
            if !is_whole || !all.is_multiple_of(width) || (!is_along && copies != brought) {
                return None;
            }
            let before = line.checked_mul(extents[1])?;
            extents.push((all / width) as u64);
            strides.push(stride(all / width, next, before)?);
            copied.push((copies / brought) as u32);
        }
        let own = extents.len();
        for dim in &product.batch {
            // What is the same for all of them has one.
            let extent = if dim[1 + side] == 0 { 1 } else { dim[0] };
            let before = strides.last()?.checked_mul(*extents.last()?)?;
            extents.push(extent as u64);
            strides.push(stride(extent, dim[1 + side], before)?);
            copied.push(1);
        }
        let fits = product.alignments[side].is_multiple_of(UNIT) && extents.len() <= RANK;
        let fits = fits && extents.iter().all(|extent| (1..=EXTENT as u64).contains(extent));
        fits.then_some(Self { dtype: product.dtype, sums: is_along, own, extents, strides, copied })
    }

    /// Whether products along a dimension of the batch have their own.
    pub(super) fn moves(&self, dim: usize) -> bool {
        self.extents[self.own + dim] > 1
    }

    /// The map of the operand at an address.
    pub(super) fn at(&self, address: CUdeviceptr) -> Result<CUtensorMap> {
        let dtype = match self.dtype {
            DType::F16 => CUtensorMapDataType::CU_TENSOR_MAP_DATA_TYPE_FLOAT16,
            _ => CUtensorMapDataType::CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
        };
        let steps = [1_u32; RANK];
        let mut map = MaybeUninit::<CUtensorMap>::uninit();
        // SAFETY: there are as many extents, strides and steps as the rank says; the address is only written into the map,
        // which is written wholly where the driver returns no error.
        unsafe {
            sys::cuTensorMapEncodeTiled(
                map.as_mut_ptr(),
                dtype,
                self.extents.len() as u32,
                address as *mut c_void,
                self.extents.as_ptr(),
                self.strides.as_ptr(),
                self.copied.as_ptr(),
                steps.as_ptr(),
                CUtensorMapInterleave::CU_TENSOR_MAP_INTERLEAVE_NONE,
                CUtensorMapSwizzle::CU_TENSOR_MAP_SWIZZLE_128B,
                CUtensorMapL2promotion::CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                CUtensorMapFloatOOBfill::CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,
            )
            .result()
            .map_err(|error| failed(format!("no tensor map of {self:?}: {}", said(error))))?;
            Ok(map.assume_init())
        }
    }
}

/// What goes wrong with a product.
pub(super) fn failed(error: String) -> CudaError {
    CudaError::Library { library: "hopper", op: "matmul", error }
}
