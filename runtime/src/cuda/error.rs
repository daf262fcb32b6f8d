//! What can go wrong on a GPU, and what to try.

use cudarc::driver::result::DriverError;
use cudarc::driver::sys::CUresult;

/// Why a GPU cannot be used, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum CudaError {
    /// This machine has no driver. Run on another, or on the processor.
    #[error("no GPU to run on: NVIDIA's driver library libcuda.so is not installed")]
    NoDriver,
    /// The driver does not start, or has no such GPU.
    #[error("no GPU to run on: {0}")]
    NoDevice(String),
    /// The driver lacks functions that this runtime calls. Update it.
    #[error("the GPU's driver is of CUDA {found}, this runtime needs {needed} or newer")]
    OldDriver {
        /// Its version.
        found: String,
        /// The least version.
        needed: &'static str,
    },
    /// The code is for another GPU. Compile for this one.
    #[error("compiled for {wanted}, and '{name}' is {found}; compile it with --target cuda:{found}")]
    Architecture {
        /// The architecture of the code.
        wanted: String,
        /// The architecture of the GPU.
        found: String,
        /// The GPU's name.
        name: String,
    },
    /// The GPU's memory does not hold what is needed at once. Run smaller inputs, or recompute more (`--remat`).
    #[error(
        "out of GPU memory: {what} takes {needed} bytes, {free} of {total} are free; try a smaller batch, \
         mixed precision (--autocast bf16) or recomputation"
    )]
    OutOfMemory {
        /// What was to be kept.
        what: String,
        /// Its size.
        needed: usize,
        /// Bytes that nobody has.
        free: usize,
        /// Bytes of the GPU.
        total: usize,
    },
    /// The driver does not assemble the code. The compiler's bug, or the driver is older than the PTX.
    #[error("the GPU's driver refuses the compiled code: {0}")]
    Load(String),
    /// A kernel does not start. The compiler's bug.
    #[error("kernel '{kernel}' does not start on {blocks:?} blocks of {threads} threads: {error}")]
    Launch {
        /// Its name.
        kernel: String,
        /// Blocks along each axis.
        blocks: [u32; 3],
        /// Threads of a block.
        threads: u32,
        /// What the driver says.
        error: String,
    },
    /// Work that was started has failed. The compiler's bug; no GPU memory of this process can be used any more.
    #[error("{what} failed on the GPU: {error}")]
    Failed {
        /// A program, or a kernel where each is waited for.
        what: String,
        /// What the driver says.
        error: String,
    },
    /// A library does not carry out an operation that it claims.
    #[error("'{op}' by {library}: {error}")]
    Library {
        /// The library.
        library: &'static str,
        /// Name of the operation.
        op: &'static str,
        /// What it says.
        error: String,
    },
    /// A library has no form of an operation at some sizes or strides, and no other executor claims it. Allow one that does.
    #[error("'{op}' by {library}: it cannot be told {what}")]
    Unsupported {
        /// The library.
        library: &'static str,
        /// Name of the operation.
        op: &'static str,
        /// What it has no form for.
        what: String,
    },
    /// A tensor of one GPU is given to a session of another. The caller's mistake.
    #[error("{kind} {number} is on another GPU, or was made by another `Gpu`")]
    Elsewhere {
        /// "input" or "output".
        kind: &'static str,
        /// Its position.
        number: usize,
    },
    /// Another call of the driver has failed.
    #[error("the GPU's driver: {0}")]
    Driver(String),
}

pub(crate) type Result<T = (), E = CudaError> = std::result::Result<T, E>;

impl From<DriverError> for CudaError {
    fn from(error: DriverError) -> Self {
        Self::Driver(said(error))
    }
}

/// The driver's words for an error.
pub(super) fn said(error: DriverError) -> String {
    let words = error.error_string().ok().and_then(|text| text.to_str().ok()).unwrap_or("unknown error");
    format!("{words} ({:?})", error.0)
}

/// Whether memory was lacking.
pub(super) fn is_out_of_memory(error: DriverError) -> bool {
    error.0 == CUresult::CUDA_ERROR_OUT_OF_MEMORY
}
