//! Lowerings from tensor programs to CPU code and artifacts.

pub mod cpu;
pub mod linalg;

pub use linalg::ToLinalg;

thunder_ir::passes! {
    /// Registers every pass of this crate with MLIR.
    pub fn register_all;
    ToLinalg,
    cpu::Entries,
    cpu::Copies,
}
