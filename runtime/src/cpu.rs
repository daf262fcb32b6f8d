//! The CPU device: kernels from shared objects, a thread pool, and library operations.
//!
//! The one place of the runtime, beside other devices, that calls compiled code and may use `unsafe`.

pub(crate) mod features;
