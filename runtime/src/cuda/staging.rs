//! Copies between the host's memory and the GPU's, through pinned memory of a fixed size, which the GPU reads by itself.
//!
//! Two halves take turns: the host fills or empties one while the GPU copies the other.

use std::ffi::c_void;
use std::sync::Arc;

use cudarc::driver::result;
use cudarc::driver::sys::{CUdeviceptr, CUevent, CUevent_flags};

use super::error::Result;
use super::queue::Queue;

/// Bytes of each half: enough that the bus is kept busy.
const HALF: usize = 8 << 20;

/// Pinned memory in two halves.
pub(super) struct Staging {
    queue: Arc<Queue>,
    halves: [Half; 2],
    /// The half that is filled next, and how much of it is.
    next: usize,
    used: usize,
}

struct Half {
    start: *mut u8,
    /// When the last copy from or to it is done.
    done: CUevent,
}

// SAFETY: pinned memory and events may be used from any thread; whoever has a `Staging` mutably is alone with it.
unsafe impl Send for Staging {}

impl Staging {
    pub(super) fn new(queue: &Arc<Queue>) -> Result<Self> {
        queue.enter()?;
        let half = || -> Result<Half> {
            let done = result::event::create(CUevent_flags::CU_EVENT_DISABLE_TIMING)?;
            // SAFETY: no flags; the memory is written before it is read.
            let start = unsafe { result::malloc_host(HALF, 0)? };
            Ok(Half { start: start.cast(), done })
        };
        Ok(Self { queue: Arc::clone(queue), halves: [half()?, half()?], next: 0, used: 0 })
    }

    /// Starts copying `from` to device memory, which has room for it. `from` may change as soon as this returns.
    pub(super) fn upload(&mut self, from: &[u8], to: CUdeviceptr) -> Result {
        let mut at = 0;
        while at < from.len() {
            if self.used == HALF {
                self.turn()?;
            }
            let length = (from.len() - at).min(HALF - self.used);
            let half = &self.halves[self.next];
            // SAFETY: the half has room for so much, and no copy is under way there: the last turn has waited for it.
            // The device's memory is the caller's promise.
            unsafe {
                let start = half.start.add(self.used);
                start.copy_from_nonoverlapping(from[at..].as_ptr(), length);
                let staged = std::slice::from_raw_parts(start, length);
                result::memcpy_htod_async(to + at as CUdeviceptr, staged, self.queue.stream())?;
                result::event::record(half.done, self.queue.stream())?;
            }
            // Copies start where bursts do.
            self.used = (self.used + length).next_multiple_of(256).min(HALF);
            at += length;
        }
        Ok(())
    }

    /// Copies device memory to `to`, and waits for it and for all work before.
    ///
    /// # Safety
    /// `to` is `bytes` bytes that nobody else uses, `from` so many of the device.
    pub(super) unsafe fn download(&mut self, from: CUdeviceptr, to: *mut u8, bytes: usize) -> Result {
        let mut pending: Option<(usize, usize, usize)> = None;
        let mut at = 0;
        while at < bytes || pending.is_some() {
            let mut started = None;
            if at < bytes {
                self.turn()?;
                let (half, length) = (&self.halves[self.next], (bytes - at).min(HALF));
                // SAFETY: the turn has waited for the half; the device's memory is the caller's promise.
                unsafe {
                    let staged = std::slice::from_raw_parts_mut(half.start, length);
                    result::memcpy_dtoh_async(staged, from + at as CUdeviceptr, self.queue.stream())?;
                    result::event::record(half.done, self.queue.stream())?;
                }
                self.used = HALF;
                started = Some((self.next, at, length));
                at += length;
            }
            if let Some((half, at, length)) = pending {
                let half = &self.halves[half];
                // SAFETY: the copy into the half is done; the host's memory is the caller's promise.
                unsafe {
                    result::event::synchronize(half.done)?;
                    to.add(at).copy_from_nonoverlapping(half.start, length);
                }
            }
            pending = started;
        }
        Ok(())
    }

    /// Goes on with the other half when nobody copies from or to it any more.
    fn turn(&mut self) -> Result {
        (self.next, self.used) = (1 - self.next, 0);
        // SAFETY: the event lives as long as `self`. One that was never recorded is done.
        unsafe { result::event::synchronize(self.halves[self.next].done)? };
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.queue.enter().is_err() {
            return;
        }
        for half in &self.halves {
            // SAFETY: copies that use it are waited for; nobody has it any more.
            unsafe {
                let _ = result::event::synchronize(half.done);
                let _ = result::event::destroy(half.done);
                let _ = result::free_host(half.start.cast::<c_void>());
            }
        }
    }
}
