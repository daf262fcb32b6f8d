//! A GPU's context with one stream, on which all work is done in the order in which it is asked for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cudarc::driver::result::stream::StreamKind;
use cudarc::driver::sys::{CUdevice_attribute, CUmemPool_attribute, CUmemoryPool, CUstream};
use cudarc::driver::{CudaContext, result, sys};

use super::error::{CudaError, Result, said};

/// The oldest driver that has the functions called here, as `cuDriverGetVersion` counts.
const DRIVER: (i32, &str) = (12080, "12.8");

/// A context, its stream and its pool of memory.
#[derive(Debug)]
pub(crate) struct Queue {
    context: Arc<CudaContext>,
    stream: CUstream,
    pool: CUmemoryPool,
    /// Whoever has it is alone in asking the stream for work.
    gate: Mutex<()>,
}

// SAFETY: the driver's handles may be used from any thread.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    /// Of the GPU of this number.
    pub(super) fn open(number: usize) -> Result<Arc<Self>> {
        // SAFETY: looks for the library, and runs nothing but its initializers.
        if !unsafe { sys::is_culib_present() } {
            return Err(CudaError::NoDriver);
        }
        let mut version = 0;
        // SAFETY: writes the number.
        unsafe { sys::cuDriverGetVersion(&mut version).result()? };
        if version < DRIVER.0 {
            let found = format!("{}.{}", version / 1000, version % 1000 / 10);
            return Err(CudaError::OldDriver { found, needed: DRIVER.1 });
        }
        result::init().map_err(|error| CudaError::NoDevice(said(error)))?;
        let count = result::device::get_count()?;
        if number >= usize::try_from(count).unwrap_or(0) {
            return Err(CudaError::NoDevice(format!("there is no GPU {number}, the driver finds {count}")));
        }
        let context = CudaContext::new(number)?;
        context.bind_to_thread()?;
        let mut keep = u64::MAX;
        let threshold = CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        // SAFETY: the device exists; the attribute is a number of 64 bits.
        let pool = unsafe {
            let pool = result::device::get_default_mem_pool(context.cu_device())?;
            result::mem_pool::set_attribute(pool, threshold, (&raw mut keep).cast())?;
            pool
        };
        let stream = result::stream::create(StreamKind::NonBlocking)?;
        Ok(Arc::new(Self { context, stream, pool, gate: Mutex::new(()) }))
    }

    pub(super) fn context(&self) -> &CudaContext {
        &self.context
    }

    pub(super) fn stream(&self) -> CUstream {
        self.stream
    }

    /// Nobody else allocates or frees meanwhile.
    pub(super) fn alone(&self) -> MutexGuard<'_, ()> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the GPU the one that this thread's calls are about.
    pub(super) fn enter(&self) -> Result {
        Ok(self.context.bind_to_thread()?)
    }

    pub(super) fn attribute(&self, which: CUdevice_attribute) -> Result<i32> {
        Ok(self.context.attribute(which)?)
    }

    /// Waits until all work that was started is done; `what` says whose it is.
    pub(super) fn wait(&self, what: &dyn Fn() -> String) -> Result {
        self.enter()?;
        // SAFETY: the stream lives as long as `self`.
        let done = unsafe { result::stream::synchronize(self.stream) };
        done.map_err(|error| CudaError::Failed { what: what(), error: said(error) })
    }

    /// Gives memory that is kept for later back to the system.
    pub(super) fn trim(&self) -> Result {
        self.wait(&|| "earlier work".to_owned())?;
        // SAFETY: the pool is the device's, which exists.
        unsafe { result::mem_pool::trim_to(self.pool, 0)? };
        Ok(())
    }

    /// Bytes in use, now and at most so far.
    pub(super) fn memory(&self) -> Result<(usize, usize)> {
        let read = |attribute| -> Result<usize> {
            let mut bytes = 0_u64;
            // SAFETY: these attributes are numbers of 64 bits.
            unsafe { result::mem_pool::get_attribute(self.pool, attribute, (&raw mut bytes).cast())? };
            Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
        };
        let now = read(CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT)?;
        Ok((now, read(CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH)?))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        if self.enter().is_ok() {
            // SAFETY: nobody has the stream any more. What it may say is about work that nobody waits for.
            let _ = unsafe { result::stream::destroy(self.stream) };
        }
    }
}
