//! What work takes on a machine: the one place with numbers about machines.
//!
//! Plans depend on their order of magnitude only.

use thunder_ir::{Operation, Result};

/// The size that a dynamic dimension is taken to have.
pub const DYNAMIC: i64 = 128;

/// How fast a machine works.
#[derive(Debug, PartialEq)]
pub struct Machine {
    /// Whether it is a GPU, for which kernels are cut in other ways.
    pub is_gpu: bool,
    /// Whether products may compute what kernels make of their elements, while these are in registers.
    pub has_parts: bool,
    /// Threads that share the rows of a kernel; those of a GPU are more than there are rows, and share these as well.
    pub threads: i64,
    /// Nanoseconds to start a job of all threads.
    pub launch: f64,
    /// Nanoseconds for what computes sizes, or is only another view of memory.
    pub scalar: f64,
    /// Bytes that memory moves in a nanosecond.
    bandwidth: f64,
    /// Floating-point operations of a library in a nanosecond.
    peak: f64,
    /// Floating-point operations of kernels in a nanosecond.
    loops: f64,
    /// Elements of a product's result from which on it keeps the machine as busy by itself as together with others.
    pub full: f64,
}

/// Two cores of a current server, measured with the benchmarks of this project: large products reach 430 floating-point
/// operations in a nanosecond, kernels of `exp` and the like 110, and copies of more than caches hold 30 bytes.
pub static CPU: Machine = Machine {
    is_gpu: false,
    has_parts: false,
    threads: 2,
    launch: 1_000.0,
    scalar: 20.0,
    bandwidth: 30.0,
    peak: 400.0,
    loops: 100.0,
    full: f64::INFINITY,
};

/// A GPU of 2022 to 2024: products in 16 bits reach 750,000 floating-point operations in a nanosecond, kernels a tenth of
/// that, and copies 3,000 to 4,200 bytes. A small kernel takes 3 microseconds within a graph.
pub static GPU: Machine = ANY_GPU;

/// One of compute capability 9.0, which has tensor cores that work while other threads compute.
pub static HOPPER: Machine = Machine { has_parts: true, ..ANY_GPU };

const ANY_GPU: Machine = Machine {
    is_gpu: true,
    has_parts: false,
    threads: 1,
    launch: 3_000.0,
    scalar: 20.0,
    bandwidth: 3_500.0,
    peak: 600_000.0,
    loops: 40_000.0,
    // Three tiles of 128 times 256 for each of 132 multiprocessors.
    full: 13e6,
};

impl Machine {
    /// What the option `target` of a pass over `module` names: a `cpu`, a `gpu`, or such of an architecture.
    pub fn of_target(target: &str, module: Operation<'_>) -> Result<&'static Self> {
        match target {
            "cpu" => Ok(&CPU),
            "gpu" => Ok(&GPU),
            "hopper" => Ok(&HOPPER),
            other => Err(module.error(format!("option target: '{other}' is none of cpu, gpu and hopper"))),
        }
    }

    /// The nanoseconds that so many bytes take through memory.
    pub fn transfer(&self, bytes: f64) -> f64 {
        bytes / self.bandwidth
    }

    /// The nanoseconds of a library's arithmetic.
    pub fn products(&self, flops: f64) -> f64 {
        flops / self.peak
    }

    /// The nanoseconds of a kernel's arithmetic.
    pub fn loops(&self, flops: f64) -> f64 {
        flops / self.loops
    }
}
