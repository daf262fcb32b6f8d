//! Lowerings from tensor programs to CPU code and artifacts.

mod access;
pub mod compile;
pub mod cpu;
pub mod cuda;
pub mod linalg;
mod merge_loops;
pub mod program;
mod signature;

pub use compile::{
    CompileError, Compiled, Options, Phase, Target, compile, compile_jit, compile_to, context, passes, registry,
};
pub use linalg::ToLinalg;
pub use merge_loops::MergeLoops;

thunder_ir::passes! {
    /// Registers every pass of this crate with MLIR.
    pub fn register_all;
    ToLinalg,
    MergeLoops,
    cpu::Entries,
    cpu::Copies,
}
