//! Attention, its gradient and convolutions by cuDNN, as graphs of operations that it has one kernel for.

mod attention;
mod convolution;
mod graph;

use std::ffi::CStr;
use std::fmt;
use std::sync::Arc;

use cudarc::cudnn::sys::{self, cudnnDataType_t, cudnnHandle_t, cudnnStatus_t};
use thunder_tensor::DType;

use super::Gpu;
use super::error::{CudaError, Result};
use super::executor::{Executor, Invocation, PerGpu, Prepared, Site};
use crate::program::{Attention, DimId, Dims, LibraryOp};

/// The most elements of a query, key or value that its attention takes, and of what they are multiples.
const WIDTH: (i64, i64) = (128, 8);

/// Claims attention in half precision and convolutions.
#[derive(Debug, Default)]
pub struct Cudnn {
    /// Whether f32 may be rounded to 10 bits of mantissa for the tensor cores.
    tf32: bool,
    handles: PerGpu<Handle>,
}

impl Cudnn {
    /// With f32 rounded to 10 bits of mantissa for the tensor cores.
    pub fn with_tf32() -> Self {
        Self { tf32: true, ..Self::default() }
    }
}

impl Executor for Cudnn {
    fn name(&self) -> &'static str {
        "cudnn"
    }

    fn is_installed(&self) -> bool {
        // SAFETY: looks for the library, and runs nothing but its initializers.
        unsafe { sys::is_culib_present() }
    }

    fn claims(&self, op: &LibraryOp, dims: &Dims) -> bool {
        match op {
            LibraryOp::Attention(attention) => takes(attention, dims),
            LibraryOp::AttentionBackward(backward) => takes(&backward.forward, dims),
            LibraryOp::Convolution(op) => (1..=3).contains(&op.axes.len()),
            _ => false,
        }
    }

    fn prepare(&self, site: &Site<'_>) -> Result<Box<dyn Prepared>> {
        let failed = |error: &str| CudaError::Library { library: "cudnn", op: site.op.name(), error: error.to_owned() };
        let handle = self.handles.of(site.gpu, || Handle::new(site.gpu)).map_err(|error| failed(&error))?;
        let handle = &*handle;
        let prepared = match site.op {
            LibraryOp::Attention(op) => attention::forward(handle, op, site),
            LibraryOp::AttentionBackward(op) => attention::backward(handle, op, site),
            LibraryOp::Convolution(op) => convolution::prepare(handle, op, site, self.tf32),
            _ => unreachable!("an executor prepares what it claims"),
        };
        // What it has no engine for is left to others.
        let unsupported = |error| CudaError::Unsupported {
            library: "cudnn",
            op: site.op.name(),
            what: format!("of these sizes: {error}"),
        };
        prepared.map_err(unsupported)
    }
}

/// What this module's parts say on failure; the executor adds whose it is.
type Outcome<T = ()> = Result<T, String>;

/// Whether cuDNN has a kernel for it at any sizes that are open.
fn takes(op: &Attention, dims: &Dims) -> bool {
    let fits = |width: DimId| dims.as_constant(width).is_some_and(|w| w > 0 && w <= WIDTH.0 && w % WIDTH.1 == 0);
    let is_causal = op.causal.is_none_or(|shift| dims.as_constant(shift) == Some(0));
    matches!(op.dtype, DType::F16 | DType::BF16) && fits(op.width) && fits(op.value_width) && is_causal
}

/// The library's state for one stream, which whoever has prepared something shares.
#[derive(Clone, Debug)]
struct Handle(Arc<Raw>);

struct Raw(cudnnHandle_t);

// SAFETY: it is used under the GPU's turn, by one thread at a time.
unsafe impl Send for Raw {}
// SAFETY: as above.
unsafe impl Sync for Raw {}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}

impl Handle {
    fn raw(&self) -> cudnnHandle_t {
        self.0.0
    }

    fn new(gpu: &Gpu) -> Outcome<Self> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: writes the handle; the stream lives as long as the GPU, which has the executor.
        unsafe {
            status(sys::cudnnCreate(&mut handle))?;
            status(sys::cudnnSetStream(handle, gpu.stream().cast()))?;
        }
        Ok(Self(Arc::new(Raw(handle))))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: nobody has it any more.
        let _ = unsafe { sys::cudnnDestroy(self.0) };
    }
}

/// Nothing to compute.
struct Nothing;

impl Prepared for Nothing {
    fn run(&self, _invocation: &Invocation<'_>) -> Result {
        Ok(())
    }
}

/// The library's words for what did not succeed.
fn status(status: cudnnStatus_t) -> Outcome {
    if status == cudnnStatus_t::CUDNN_STATUS_SUCCESS {
        return Ok(());
    }
    let mut words = [0; 512];
    // SAFETY: the library writes a string of at most so many bytes, its zero included.
    let text = unsafe {
        sys::cudnnGetLastErrorString(words.as_mut_ptr(), words.len());
        CStr::from_ptr(words.as_ptr()).to_string_lossy().into_owned()
    };
    Err(if text.is_empty() { format!("{status:?}") } else { format!("{status:?}: {text}") })
}

fn data_type(dtype: DType) -> Outcome<cudnnDataType_t> {
    Ok(match dtype {
        DType::F16 => cudnnDataType_t::CUDNN_DATA_HALF,
        DType::BF16 => cudnnDataType_t::CUDNN_DATA_BFLOAT16,
        DType::F32 => cudnnDataType_t::CUDNN_DATA_FLOAT,
        DType::F64 => cudnnDataType_t::CUDNN_DATA_DOUBLE,
        other => return Err(format!("it has no {other} form")),
    })
}

/// An error of a run.
fn failed(op: &'static str) -> impl Fn(String) -> CudaError {
    move |error| CudaError::Library { library: "cudnn", op, error }
}
