//! The CPU device: kernels from shared objects, a thread pool, and library operations.
//!
//! The one place of the runtime, beside other devices, that calls compiled code and may use `unsafe`.

use pulp::Arch;

pub mod attention;
pub mod code;
mod convolution;
pub(crate) mod engine;
pub(crate) mod execute;
mod exp;
pub(crate) mod features;
pub mod gemm;
pub mod library;
mod narrow;
pub mod operand;
pub mod pool;
pub(crate) mod scratch;
#[cfg(test)]
mod tests;
mod update_slice;

use pool::Pool;
use scratch::Reserve;

/// Threads, vector instructions and reusable memory of this processor.
#[derive(Debug)]
pub struct Cpu {
    pool: Pool,
    arch: Arch,
    reserve: Reserve,
}

impl Cpu {
    /// This processor with `threads` threads, the caller's among them.
    pub fn new(threads: usize) -> Self {
        Self::with_arch(threads, Arch::new())
    }

    /// As [`Cpu::new`], with fewer instructions than the processor has.
    pub fn with_arch(threads: usize, arch: Arch) -> Self {
        Self { pool: Pool::new(threads), arch, reserve: Reserve::default() }
    }

    /// How many threads there are, for a session that has a choice: as many as the process may use.
    pub fn available_threads() -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    /// The threads.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }
}
