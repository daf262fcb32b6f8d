//! Executors of a GPU: libraries that carry out the operations they claim.
//!
//! A call is prepared once for each tuple of sizes: descriptors are made and an algorithm is chosen. Each run then starts
//! it on the stream. Operands are addresses of the device, whose bounds have been checked.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use cudarc::driver::sys::CUdeviceptr;

use super::Gpu;
use super::builtin::Builtin;
use super::cublaslt::CublasLt;
use super::cudnn::Cudnn;
#[cfg(doc)]
use super::error::CudaError;
use super::error::Result;
use super::flash::Flash;
use super::mma::{Hopper, Mma};
use super::queue::Queue;
use crate::program::{DimId, Dims, Fused, LibraryOp};

/// Something that can carry out library operations on a GPU.
pub trait Executor: fmt::Debug + Send + Sync {
    /// Name in plans and messages.
    fn name(&self) -> &'static str;

    /// Whether the library that it calls is there; without, it carries out nothing.
    fn is_installed(&self) -> bool {
        true
    }

    /// Whether it can carry out `op`, whatever the sizes that are not constants in `dims`, where its library is installed.
    fn claims(&self, op: &LibraryOp, dims: &Dims) -> bool;

    /// Whether products and a kernel that computes from their elements are worth being one call, of constant sizes; the
    /// executor then claims that, and prepares it if all addresses are multiples of 16.
    fn fuses(&self, _op: &Fused, _dims: &Dims, _gpu: &Gpu) -> bool {
        false
    }

    /// Whether it is for what others do not take: then it is not tried whether it is faster.
    fn is_spare(&self) -> bool {
        false
    }

    /// Does once what need not be done in every run with these sizes. [`CudaError::Unsupported`] leaves the call to the next
    /// executor that claims it.
    fn prepare(&self, site: &Site<'_>) -> Result<Box<dyn Prepared>>;
}

/// A call with its sizes.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// The operation.
    pub op: &'a LibraryOp,
    /// Values of the program's dims, by `DimId`.
    pub values: &'a [i64],
    /// For each argument how its address is aligned: the largest power of two up to 256 that divides it in every run.
    pub alignments: &'a [usize],
    /// Where it runs.
    pub gpu: &'a Gpu,
}

impl Site<'_> {
    /// A size or stride, which planning has found not to be negative.
    pub fn size(&self, dim: DimId) -> usize {
        self.values[dim.0 as usize] as usize
    }
}

/// A call that is ready to run.
pub trait Prepared: Send + Sync {
    /// Bytes of scratch memory that a run needs.
    fn workspace(&self) -> usize {
        0
    }

    /// Whether all that was started before a run is done as soon as what is started behind it may begin, and again when it is
    /// done itself.
    fn admits(&self) -> bool {
        false
    }

    /// From now on runs may begin before calls that are ahead of them are done, as they touch nothing that those write, nor
    /// write what those touch; the first of those admits this, and the others began early as well. False if it cannot.
    fn begin_early(&mut self) -> bool {
        false
    }

    /// Starts the call.
    fn run(&self, invocation: &Invocation<'_>) -> Result;
}

/// One execution of a call.
#[derive(Clone, Copy)]
pub struct Invocation<'a> {
    /// Addresses of the arguments, checked against the operation's sizes and strides.
    pub operands: &'a [CUdeviceptr],
    /// Address of the scratch memory, a multiple of 256.
    pub workspace: CUdeviceptr,
    /// Where it runs; the work goes to its stream.
    pub gpu: &'a Gpu,
}

/// What an executor has for each GPU that it works on.
#[derive(Debug)]
pub(super) struct PerGpu<T>(Mutex<Vec<(Weak<Queue>, Arc<T>)>>);

impl<T> Default for PerGpu<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> PerGpu<T> {
    /// What there is for `gpu`, made at the first call.
    pub(super) fn of<E>(&self, gpu: &Gpu, make: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(queue, _)| queue.strong_count() > 0);
        if let Some((_, known)) = all.iter().find(|(queue, _)| queue.as_ptr() == Arc::as_ptr(&gpu.queue)) {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(make()?);
        all.push((Arc::downgrade(&gpu.queue), Arc::clone(&made)));
        Ok(made)
    }
}

/// The executors that are asked unless others are named: those that call a library before those that need none.
pub(super) fn all() -> Vec<Arc<dyn Executor>> {
    vec![
        Arc::new(CublasLt::default()),
        Arc::new(Cudnn::default()),
        Arc::new(Hopper::default()),
        Arc::new(Mma),
        Arc::new(Flash),
        Arc::new(Builtin),
    ]
}
