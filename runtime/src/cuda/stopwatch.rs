//! Times of work on a GPU, as its own clock tells them.

use std::sync::Arc;
use std::time::Duration;

use cudarc::driver::result;
use cudarc::driver::sys::{CUevent, CUevent_flags};

use super::Gpu;
use super::error::Result;
use super::queue::Queue;

/// A point in the order of a GPU's work.
pub(super) struct Mark {
    queue: Arc<Queue>,
    event: CUevent,
}

// SAFETY: the driver's handles may be used from any thread.
unsafe impl Send for Mark {}

impl Mark {
    /// The point after all work that was asked for.
    pub(super) fn now(queue: &Arc<Queue>) -> Result<Self> {
        queue.enter()?;
        let event = result::event::create(CUevent_flags::CU_EVENT_DEFAULT)?;
        let mark = Self { queue: Arc::clone(queue), event };
        // SAFETY: event and stream live.
        unsafe { result::event::record(event, queue.stream())? };
        Ok(mark)
    }

    /// Waits until the work before both points is done; the time from `before` to here.
    pub(super) fn since(&self, before: &Mark) -> Result<Duration> {
        self.queue.enter()?;
        // SAFETY: both events live and were recorded.
        let milliseconds = unsafe {
            result::event::synchronize(self.event)?;
            result::event::elapsed(before.event, self.event)?
        };
        Ok(Duration::from_secs_f64(f64::from(milliseconds.max(0.0)) * 1e-3))
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        if self.queue.enter().is_ok() {
            // SAFETY: nobody has the event any more.
            let _ = unsafe { result::event::destroy(self.event) };
        }
    }
}

/// Measures the time between two points in the order of a GPU's work.
pub struct Stopwatch(Mark);

impl Stopwatch {
    /// Starts behind all work that was asked for.
    pub fn start(gpu: &Gpu) -> Result<Self> {
        Ok(Self(Mark::now(&gpu.queue)?))
    }

    /// Waits for all work that was asked for; the time since the start.
    pub fn stop(self) -> Result<Duration> {
        Mark::now(&self.0.queue)?.since(&self.0)
    }
}
