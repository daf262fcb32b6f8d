//! Convolutions, with the bias added behind.

use std::ffi::c_void;

use cudarc::cudnn::sys::{self, cudnnDataType_t, cudnnTensorDescriptor_t};
use cudarc::driver::sys::CUdeviceptr;
use thunder_tensor::DType;

use super::graph::{Axes, Graph, Id, Layout, Plan};
use super::{Handle, Nothing, Outcome, data_type, failed, status};
use crate::cuda::error::Result;
use crate::cuda::executor::{Invocation, Prepared, Site};
use crate::program::{Convolution, ConvolutionAxis};

/// Prepares a convolution.
pub(super) fn prepare(handle: &Handle, op: &Convolution, site: &Site<'_>, tf32: bool) -> Outcome<Box<dyn Prepared>> {
    let size = |dim| site.size(dim) as i64;
    let (batch, groups) = (size(op.batch), size(op.groups));
    let (channels, features) = (size(op.channels), size(op.features));
    // The library has at least two spatial dimensions.
    let missing = 2_usize.saturating_sub(op.axes.len());
    let axis = |of: fn(&ConvolutionAxis) -> crate::program::DimId, one: i64| -> Vec<i64> {
        std::iter::repeat_n(one, missing).chain(op.axes.iter().map(|axis| size(of(axis)))).collect()
    };
    let (extents, positions, window) = (axis(|a| a.extent, 1), axis(|a| a.positions, 1), axis(|a| a.window, 1));
    let strides = axis(|a| a.stride, 1).into_iter().map(|stride| stride.max(1)).collect::<Vec<_>>();
    let (dilations, before) = (axis(|a| a.dilation, 1), axis(|a| a.low, 0));
    if batch == 0 || groups * features == 0 || positions.contains(&0) {
        return Ok(Box::new(Nothing));
    }
    let mut after = Vec::with_capacity(extents.len());
    for i in 0..extents.len() {
        let reach = (positions[i] - 1) * strides[i] + (window[i] - 1) * dilations[i] + 1;
        let (padded, after_it) = (extents[i] + before[i], (reach - extents[i] - before[i]).max(0));
        // Without zeros behind, the library counts the positions that fit.
        if (padded + after_it - (window[i] - 1) * dilations[i] - 1) / strides[i] + 1 != positions[i] {
            return Err("it computes more positions than are asked for".into());
        }
        after.push(after_it);
    }
    let dtype = data_type(op.dtype)?;
    let precision = if op.dtype == DType::F64 { dtype } else { cudnnDataType_t::CUDNN_DATA_FLOAT };
    let layout = |outer: [i64; 2], inner: &[i64]| dense(&[&outer, inner].concat());
    let out = layout([batch, groups * features], &positions);
    let mut g = Graph::default();
    let last = 2 + usize::from(op.bias);
    let x = g.given(dtype, &layout([batch, groups * channels], &extents), site.alignments[0])?;
    let w = g.given(dtype, &layout([groups * features, channels], &window), site.alignments[1])?;
    let y = g.given(dtype, &out, site.alignments[last])?;
    g.convolution(precision, [x, w, y], &Axes { strides, dilations, before, after })?;
    let plan = g.plan(handle, op.dtype == DType::F32 && !tf32)?;
    let bias = match op.bias {
        true => {
            let ones = vec![1; extents.len()];
            Some([Shape::new(dtype, &layout([1, groups * features], &ones))?, Shape::new(dtype, &out)?])
        }
        false => None,
    };
    Ok(Box::new(PreparedConvolution { handle: handle.clone(), plan, ids: [x, w, y], bias, dtype: op.dtype }))
}

fn dense(extents: &[i64]) -> Layout {
    let mut strides = vec![1; extents.len()];
    for i in (1..extents.len()).rev() {
        strides[i - 1] = strides[i] * extents[i];
    }
    (extents.to_vec(), strides)
}

/// A tensor of the library's older interface, which adds a bias to any layout.
struct Shape(cudnnTensorDescriptor_t);

// SAFETY: it is read only once it is made.
unsafe impl Send for Shape {}
// SAFETY: as above.
unsafe impl Sync for Shape {}

impl Shape {
    fn new(dtype: cudnnDataType_t, (extents, strides): &Layout) -> Outcome<Self> {
        let narrow = |numbers: &[i64]| -> Outcome<Vec<i32>> {
            numbers.iter().map(|&n| i32::try_from(n).map_err(|_| format!("{n} elements are too many"))).collect()
        };
        let (extents, strides) = (narrow(extents)?, narrow(strides)?);
        let mut made = std::ptr::null_mut();
        // SAFETY: writes the description; there are as many extents and strides as are said.
        unsafe {
            status(sys::cudnnCreateTensorDescriptor(&mut made))?;
            let shape = Self(made);
            let (rank, extents, strides) = (extents.len() as i32, extents.as_ptr(), strides.as_ptr());
            status(sys::cudnnSetTensorNdDescriptor(made, dtype, rank, extents, strides))?;
            Ok(shape)
        }
    }
}

impl Drop for Shape {
    fn drop(&mut self) {
        // SAFETY: nobody has it any more.
        let _ = unsafe { sys::cudnnDestroyTensorDescriptor(self.0) };
    }
}

struct PreparedConvolution {
    handle: Handle,
    plan: Plan,
    ids: [Id; 3],
    /// Shapes of the bias and the result.
    bias: Option<[Shape; 2]>,
    dtype: DType,
}

impl Prepared for PreparedConvolution {
    fn workspace(&self) -> usize {
        self.plan.workspace
    }

    fn run(&self, invocation: &Invocation<'_>) -> Result {
        let operands = invocation.operands;
        let out = operands[2 + usize::from(self.bias.is_some())];
        let [x, w, y] = self.ids;
        let tensors = [(x, operands[0]), (w, operands[1]), (y, out)];
        let at = |address: CUdeviceptr| std::ptr::without_provenance_mut::<c_void>(address as usize);
        let (single, double) = (1.0_f32, 1.0_f64);
        let one: *const c_void = match self.dtype {
            DType::F64 => (&raw const double).cast(),
            _ => (&raw const single).cast(),
        };
        // SAFETY: the plan has checked that every element lies within its operand, and that the result overlaps none.
        unsafe { self.plan.run(&self.handle, &tensors, invocation.workspace) }
            .and_then(|()| match &self.bias {
                // SAFETY: as above.
                Some([bias, result]) => status(unsafe {
                    sys::cudnnAddTensor(self.handle.raw(), one, bias.0, at(operands[2]), one, result.0, at(out))
                }),
                None => Ok(()),
            })
            .map_err(failed("convolution"))
    }
}
