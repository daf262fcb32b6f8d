//! `thunder-reduce`: shrinks a program with our ops and passes in it while a script still finds it interesting.

use std::process::ExitCode;
use std::sync::Arc;

use crate::registry::Contents;

/// Runs `mlir-reduce`'s driver; `args` starts with the tool's name.
pub fn main(args: Vec<String>, contents: &Contents) -> ExitCode {
    let registry = contents.registry();
    contents.register_passes(&Arc::default());
    if thunder_ir::tools::reduce_main(&args, &registry) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
