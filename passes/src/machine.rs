//! What work takes on a machine: the one place with numbers about machines.
//!
//! They are those of two cores of a current server, measured with the benchmarks of this project: large products reach
//! 430 floating-point operations in a nanosecond, kernels of `exp` and the like 110, and copies of more than caches hold 30
//! bytes. Plans depend on their order of magnitude only.

/// Nanoseconds to start a job of all threads.
pub const LAUNCH: f64 = 1_000.0;
/// Nanoseconds for what computes sizes, or is only another view of memory.
pub const SCALAR: f64 = 20.0;
/// The size that a dynamic dimension is taken to have.
pub const DYNAMIC: i64 = 128;

/// Bytes that memory moves in a nanosecond.
const BANDWIDTH: f64 = 30.0;
/// Floating-point operations of a library in a nanosecond.
const PEAK: f64 = 400.0;
/// Floating-point operations of kernels in a nanosecond.
const LOOPS: f64 = 100.0;

/// The nanoseconds that so many bytes take through memory.
pub fn transfer(bytes: f64) -> f64 {
    bytes / BANDWIDTH
}

/// The nanoseconds of a library's arithmetic.
pub fn products(flops: f64) -> f64 {
    flops / PEAK
}

/// The nanoseconds of a kernel's arithmetic.
pub fn loops(flops: f64) -> f64 {
    flops / LOOPS
}
