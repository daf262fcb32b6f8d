//! The GPU: kernels from PTX, memory that is reused, library operations.
//!
//! The driver is loaded when a [`Gpu`] is opened; building needs nothing of CUDA. All work of a `Gpu` is on one stream, in
//! the order in which it is asked for, so that memory given back may be used again at once and a tensor may be passed on
//! before it is computed.
//!
//! Beside `cpu`, the one place of the runtime that calls compiled code and may use `unsafe`.

mod architecture;
pub mod builtin;
mod code;
pub mod cublaslt;
pub mod cudnn;
pub(crate) mod engine;
mod error;
pub mod executor;
pub mod flash;
mod graph;
mod loaded;
mod measure;
mod memory;
pub mod mma;
mod module;
mod nvtx;
mod queue;
mod staging;
mod stopwatch;
mod tensor;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cudarc::driver::sys::{CUdevice_attribute, CUdeviceptr, CUstream};

use architecture::Architecture;
pub use error::CudaError;
use error::Result;
use executor::Executor;
pub use graph::Counts;
use memory::Memory;
use module::Modules;
use nvtx::{Nvtx, Range};
use queue::Queue;
use staging::Staging;
pub use stopwatch::Stopwatch;
pub use tensor::DeviceTensor;

/// How work is done on a GPU.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who carries out library operations; the first that claims one gets it.
    pub executors: Vec<Arc<dyn Executor>>,
    /// Whether runs that repeat with the same memory are recorded as CUDA graphs.
    pub graphs: bool,
    /// Whether it is measured when sizes are new which algorithm of a library is fastest, and of large products which of the
    /// executors, and that is taken: runs are faster, the first is slower, and results may differ in their last bits from one
    /// process to another.
    pub tuned: bool,
    /// Whether each step is waited for, so that an error names the kernel. Slow, and without graphs.
    pub step_by_step: bool,
    /// The library of a profiler, which is told of programs and steps as NVTX ranges: what Nsight Systems names in the variable
    /// `NVTX_INJECTION64_PATH`. Steps that are replayed as a graph are started at once, and are within their program's range.
    pub nvtx: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { executors: executor::all(), graphs: true, tuned: false, step_by_step: false, nvtx: None }
    }
}

/// A GPU of this machine, opened.
pub struct Gpu {
    name: String,
    architecture: Architecture,
    settings: Settings,
    /// A profiler, if there is one; or why it cannot be told.
    nvtx: Option<std::result::Result<Nvtx, String>>,
    modules: Modules,
    /// Whoever has it may start work; runs take turns.
    turn: Mutex<Turn>,
    queue: Arc<Queue>,
}

/// What the runs on a GPU use one after the other.
#[derive(Default)]
struct Turn {
    /// Intermediate values of the program that runs.
    arena: Option<Memory>,
    staging: Option<Staging>,
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gpu({}, {})", self.name, self.architecture)
    }
}

impl Gpu {
    /// Opens the GPU of this number with the executors of this crate.
    pub fn open(number: usize) -> Result<Arc<Self>> {
        Self::with_settings(number, Settings::default())
    }

    /// Opens the GPU of this number.
    pub fn with_settings(number: usize, settings: Settings) -> Result<Arc<Self>> {
        let queue = Queue::open(number)?;
        let major = queue.attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = queue.attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        let (name, architecture) = (queue.context().name()?, Architecture::of(major, minor));
        let (modules, turn) = (Modules::default(), Mutex::default());
        let nvtx = settings.nvtx.as_deref().map(Nvtx::attach);
        Ok(Arc::new(Self { name, architecture, settings, nvtx, modules, turn, queue }))
    }

    /// The maker's name of it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its architecture ("sm_90").
    pub fn architecture(&self) -> String {
        self.architecture.to_string()
    }

    /// How it does its work.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Waits until all work that was started is done, and says whether it failed.
    pub fn synchronize(&self) -> Result {
        self.queue.wait(&|| "earlier work".to_owned())
    }

    /// Gives memory that is kept for later back to the system.
    pub fn trim(&self) -> Result {
        self.turn().arena = None;
        self.queue.trim()
    }

    /// Bytes that this process has of its memory, now and at most so far; what is kept for later does not count.
    pub fn memory(&self) -> Result<(usize, usize)> {
        self.queue.memory()
    }

    /// The stream of all work, as the driver's handle, for executors.
    pub fn stream(&self) -> CUstream {
        self.queue.stream()
    }

    /// A range of that name for a profiler, if there is one.
    fn range(&self, name: impl FnOnce() -> String) -> Option<Range> {
        match &self.nvtx {
            Some(Ok(nvtx)) => Some(nvtx.range(&name())),
            Some(Err(_)) | None => None,
        }
    }

    fn turn(&self) -> MutexGuard<'_, Turn> {
        // Work that was half asked for leaves numbers behind, which are as good as any.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn allocate(&self, bytes: usize, what: &dyn Fn() -> String) -> Result<Memory> {
        Memory::new(&self.queue, bytes, what)
    }

    /// Starts copying bytes to memory of that size.
    fn upload(&self, from: &[u8], to: &Memory) -> Result {
        self.turn().upload(&self.queue, from, to)
    }

    /// Copies memory to as many bytes of the host when all work before is done.
    fn download(&self, from: &Memory, to: &mut [u8]) -> Result {
        assert_eq!(from.bytes(), to.len(), "both have the tensor's size");
        let mut turn = self.turn();
        // SAFETY: the bytes are borrowed mutably, and both have as many.
        unsafe { turn.staging(&self.queue)?.download(from.start(), to.as_mut_ptr(), to.len()) }
    }
}

impl Turn {
    fn staging(&mut self, queue: &Arc<Queue>) -> Result<&mut Staging> {
        queue.enter()?;
        match &mut self.staging {
            Some(staging) => Ok(staging),
            none => Ok(none.insert(Staging::new(queue)?)),
        }
    }

    fn upload(&mut self, queue: &Arc<Queue>, from: &[u8], to: &Memory) -> Result {
        assert_eq!(from.len(), to.bytes(), "both have the tensor's size");
        self.staging(queue)?.upload(from, to.start())
    }

    /// At least so many bytes with unspecified contents, at the same address for as long as nobody asks for more.
    fn arena(&mut self, queue: &Arc<Queue>, bytes: usize, what: &dyn Fn() -> String) -> Result<CUdeviceptr> {
        if self.arena.as_ref().is_none_or(|arena| arena.bytes() < bytes) {
            // Given back first: there may be no room for both.
            self.arena = None;
            self.arena = Some(Memory::new(queue, bytes, what)?);
        }
        Ok(self.arena.as_ref().map_or(0, Memory::start))
    }
}
