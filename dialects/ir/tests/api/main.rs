//! What a dialect's author can do, in safe Rust on real MLIR: one binary, since each links all of MLIR.

mod attributes;
mod conversion;
mod dialect;
mod parametric;
mod passes;
mod pdl;
mod rewrite;
mod threads;
mod toy;
mod traits;
mod tutorial;
