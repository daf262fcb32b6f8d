//! `thunder-lsp-server`: editors show diagnostics, types and definitions of `.mlir` files with our dialects in them.

use std::process::ExitCode;

use crate::registry::Contents;

/// Serves the language server protocol on stdin and stdout; `args` starts with the tool's name.
pub fn main(args: Vec<String>, contents: &Contents) -> ExitCode {
    if thunder_ir::tools::lsp_main(&args, &contents.registry()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
