//! Loads and runs compiled artifacts; never links MLIR.

pub mod artifact;
pub mod cpu;
pub mod executor;
mod plan;
pub mod program;
pub mod session;

pub use plan::{MemoryStatistics, PlanError, Shape};
