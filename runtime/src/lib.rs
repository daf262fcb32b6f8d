//! Loads and runs compiled artifacts; never links MLIR.

pub mod artifact;
pub mod cpu;
pub mod program;
