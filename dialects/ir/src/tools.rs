//! MLIR's own tools, over a registry with dialects and passes written in Rust.
//!
//! These functions are for the `main` of a tool: they read the command line, print to stdout and
//! stderr, and leave MLIR's process-wide flags behind. Call one of the mains, once.

pub use crate::raw::tools::{Entry, check_pipeline, flags, lsp_main, opt_main, pass_options, reduce_main};
