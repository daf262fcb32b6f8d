//! The command-line tools, as functions that take their arguments and return an exit code.
//!
//! A dialect author's own `my-opt` is three lines, with everything of [`opt`] and the dialects of [`registry`]:
//!
//! ```ignore
//! fn main() -> std::process::ExitCode {
//!     let registry = thunder_tools::registry::thunder().dialect(my::dialect()).passes(my::register_all);
//!     thunder_tools::opt::main(std::env::args().collect(), &registry)
//! }
//! ```
//!
//! Its `my-compile` and `my-run` are the same with [`compile`] and [`run`].
//!
//! Without the default feature `compiler` nothing here links MLIR.

#[cfg(feature = "compiler")]
pub mod compile;
#[cfg(feature = "compiler")]
pub mod import;
#[cfg(feature = "compiler")]
pub mod lsp;
#[cfg(feature = "compiler")]
pub mod opt;
#[cfg(feature = "compiler")]
pub mod reduce;
#[cfg(feature = "compiler")]
pub mod registry;
pub mod run;
