//! Every file below `lit/` is a test of its own. `thunder-run` is the framework's, without a compiler.

use std::process::ExitCode;

use thunder_lit::Config;
use thunder_tools::registry::{self, Contents};
use thunder_tools::{compile, run};

fn contents() -> Contents {
    registry::thunder().dialect(thunder_third_party::dialect())
}

fn main() -> ExitCode {
    let config = Config::new("lit")
        .tool("acme-opt", env!("CARGO_BIN_EXE_acme-opt"))
        .tool_fn("acme-compile", |args| compile::main(args, &contents()))
        .tool_fn("acme-run", |args| run::main(args, Some(&compile::with(&contents()))))
        .tool_fn("thunder-run", |args| run::main(args, None));
    thunder_lit::main(config)
}
