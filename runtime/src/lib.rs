//! Loads and runs compiled artifacts; never links MLIR.

pub mod artifact;
pub mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod executor;
mod plan;
pub mod program;
pub mod session;

pub use plan::{MemoryStatistics, PlanError, Shape};

/// Checks a valid program at these values of its symbols, as a run with them would: the compiler's
/// own test of what it made.
///
/// # Panics
/// When there is not one value per symbol.
pub fn check_sizes(program: &program::Program, symbols: Vec<i64>) -> Result<MemoryStatistics, PlanError> {
    assert_eq!(symbols.len(), program.symbols.len(), "one value per symbol");
    Ok(plan::Plan::new(program, &[], symbols, plan::Cut::Threads(1))?.memory)
}
