//! CUDA graphs: work that is started again and again with the same addresses is recorded once and replayed.
//!
//! The first run with some addresses starts every step by itself, which also loads what is loaded on first use; the second
//! is recorded; those after replay the record. Other addresses begin anew. Work that cannot be recorded is started step by
//! step for good.

use std::sync::Arc;

use cudarc::driver::result;
use cudarc::driver::sys::{CUdeviceptr, CUgraphExec, CUgraphInstantiate_flags, CUstreamCaptureMode};

use super::error::Result;
use super::queue::Queue;

/// The work of one plan, recorded for the addresses that it was last run with.
#[derive(Default)]
pub(super) struct Replay {
    addresses: Vec<CUdeviceptr>,
    record: Record,
    /// How often a record was made, and replayed.
    pub counts: Counts,
}

/// How a plan has run so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Step by step.
    pub eager: u64,
    /// Recorded.
    pub captured: u64,
    /// Replayed.
    pub replayed: u64,
}

#[derive(Default)]
enum Record {
    #[default]
    None,
    Made(Exec),
    Refused,
}

impl Replay {
    /// Does the work, by `start` or from its record. All of it depends on nothing but `addresses`.
    pub(super) fn run(
        &mut self,
        queue: &Arc<Queue>,
        addresses: Vec<CUdeviceptr>,
        start: &dyn Fn() -> Result,
    ) -> Result {
        let is_same = self.addresses == addresses;
        match &self.record {
            Record::Made(exec) if is_same => {
                self.counts.replayed += 1;
                return exec.launch();
            }
            Record::None if is_same => {
                self.record = capture(queue, start).map_or(Record::Refused, Record::Made);
                if let Record::Made(exec) = &self.record {
                    self.counts.captured += 1;
                    return exec.launch();
                }
            }
            Record::Made(_) => self.record = Record::None,
            Record::None | Record::Refused => {}
        }
        self.addresses = addresses;
        self.counts.eager += 1;
        start()
    }
}

/// Records what `start` starts; `None` where that cannot be recorded, which starting it again explains.
fn capture(queue: &Arc<Queue>, start: &dyn Fn() -> Result) -> Option<Exec> {
    queue.enter().ok()?;
    // What others allocate meanwhile would be recorded.
    let _alone = queue.alone();
    let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
    // SAFETY: the stream lives as long as the queue; the graph is destroyed once, after its use.
    unsafe {
        result::stream::begin_capture(queue.stream(), mode).ok()?;
        let started = start();
        let graph = result::stream::end_capture(queue.stream()).ok()?;
        let exec = match started {
            Ok(()) => result::graph::instantiate(graph, CUgraphInstantiate_flags(0)).ok(),
            Err(_) => None,
        };
        // The executable graph is a copy.
        let _ = result::graph::destroy(graph);
        exec.map(|exec| Exec { queue: Arc::clone(queue), exec })
    }
}

struct Exec {
    queue: Arc<Queue>,
    exec: CUgraphExec,
}

// SAFETY: the driver's handles may be used from any thread; a graph is launched under a lock.
unsafe impl Send for Exec {}

impl Exec {
    fn launch(&self) -> Result {
        // SAFETY: the graph lives; whoever runs the plan keeps the memory that it has recorded.
        unsafe { result::graph::launch(self.exec, self.queue.stream())? };
        Ok(())
    }
}

impl Drop for Exec {
    fn drop(&mut self) {
        if self.queue.enter().is_ok() {
            // SAFETY: a graph that runs is freed when it is done.
            let _ = unsafe { result::graph::exec_destroy(self.exec) };
        }
    }
}
