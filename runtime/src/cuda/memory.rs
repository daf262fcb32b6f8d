//! Memory of a GPU, from the driver's pool: given back in the order of the stream, and kept there for who asks next.

use std::fmt;
use std::sync::Arc;

use cudarc::driver::result;
use cudarc::driver::sys::CUdeviceptr;

use super::error::{CudaError, Result, is_out_of_memory};
use super::queue::Queue;

/// What sizes are rounded up to: checkers of memory take a copy of the rest of a chunk for one of the whole chunk.
const CHUNK: usize = 16;

/// Device memory with one owner. Its contents are unspecified at first.
pub(crate) struct Memory {
    queue: Arc<Queue>,
    start: CUdeviceptr,
    bytes: usize,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes at {:#x}", self.bytes, self.start)
    }
}

impl Memory {
    /// `bytes` bytes for `what`, at a multiple of 256.
    pub(super) fn new(queue: &Arc<Queue>, bytes: usize, what: &dyn Fn() -> String) -> Result<Self> {
        queue.enter()?;
        let queue = Arc::clone(queue);
        if bytes == 0 {
            return Ok(Self { queue, start: 0, bytes });
        }
        let ask = || {
            let _alone = queue.alone();
            // SAFETY: the stream lives as long as the queue.
            unsafe { result::malloc_async(queue.stream(), bytes.next_multiple_of(CHUNK)) }
        };
        let start = match ask() {
            Err(error) if is_out_of_memory(error) => {
                // Pieces that are kept may be too small, each by itself.
                queue.trim()?;
                ask()
            }
            start => start,
        };
        match start {
            Ok(start) => Ok(Self { queue, start, bytes }),
            Err(error) if is_out_of_memory(error) => {
                let (free, total) = result::mem_get_info()?;
                Err(CudaError::OutOfMemory { what: what(), needed: bytes, free, total })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Its address, on the device; 0 where there are no bytes.
    pub(super) fn start(&self) -> CUdeviceptr {
        self.start
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Starts copying memory of the same size here.
    pub(super) fn copy_from(&self, from: &Memory) -> Result {
        assert_eq!(self.bytes, from.bytes, "both have the tensor's size");
        self.queue.enter()?;
        if self.bytes == 0 {
            return Ok(());
        }
        let _alone = self.queue.alone();
        // SAFETY: both are given back in the order of the same stream.
        unsafe { result::memcpy_dtod_async(self.start, from.start, self.bytes, self.queue.stream())? };
        Ok(())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.start != 0 && self.queue.enter().is_ok() {
            let _alone = self.queue.alone();
            // SAFETY: it was allocated on this stream, and work on it that was started comes before. A GPU that has failed
            // keeps nothing anyway.
            let _ = unsafe { result::free_async(self.start, self.queue.stream()) };
        }
    }
}
