//! What MLIR's C API lacks, as C functions, and their Rust declarations.
//!
//! Each C++ file of `src/` has a Rust file of the same name that declares what it exports;
//! `shim.h` and these files agree field by field. Names follow `mlir-c`: `thunderFooBar`.
//! Nothing here is safe; `thunder-ir` is the safe API on top.

pub mod asm;
pub mod codegen;
pub mod conversion;
pub mod dialect;
pub mod pass;
pub mod rewrite;
pub mod tools;
