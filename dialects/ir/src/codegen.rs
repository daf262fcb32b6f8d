//! Machine code from modules of the LLVM dialect, for this process or another.

pub use crate::raw::codegen::{Jit, Kernel, Machine, Output, assemblies, emit, host_cpu, host_features, objects};
