//! Kernels that the runtime has made as PTX, loaded: they take numbers of 64 bits, of which some are addresses.

use std::ffi::c_void;
use std::sync::Arc;

use cudarc::driver::result::{self, DriverError};

use super::Gpu;
use super::error::{CudaError, Result};
use super::module::{Function, Module};
use crate::artifact::Bytes;

/// A kernel, and the threads and bytes of shared memory of its blocks.
pub(super) struct Loaded {
    _module: Arc<Module>,
    function: Function,
    threads: usize,
    shared: usize,
}

impl Loaded {
    /// The kernel of a name.
    pub(super) fn new(gpu: &Gpu, ptx: String, name: &str, [threads, shared]: [usize; 2]) -> Result<Self> {
        let module = gpu.modules.load(&gpu.queue, &Bytes::new(ptx.into_bytes()), &Bytes::new(Vec::new()))?;
        let function = module.function(name, shared as u32)?;
        let function = function.ok_or_else(|| CudaError::Load(format!("there is no '{name}'")))?;
        Ok(Self { _module: module, function, threads, shared })
    }

    /// Starts so many blocks with a number for each parameter.
    ///
    /// # Safety
    /// There are as many numbers as parameters, and what the kernel touches is there.
    pub(super) unsafe fn start(
        &self,
        gpu: &Gpu,
        blocks: u32,
        numbers: impl IntoIterator<Item = u64>,
    ) -> Result<(), DriverError> {
        let numbers: Vec<u64> = numbers.into_iter().collect();
        let mut arguments: Vec<*mut c_void> =
            numbers.iter().map(|number| std::ptr::from_ref(number).cast_mut().cast()).collect();
        let (grid, threads) = ((blocks, 1, 1), (self.threads as u32, 1, 1));
        let (function, shared, stream) = (self.function.0, self.shared as u32, gpu.stream());
        // SAFETY: each parameter is of 8 bytes, which the driver copies; the rest is the caller's.
        unsafe { result::launch_kernel(function, grid, threads, shared, stream, &mut arguments) }
    }
}
