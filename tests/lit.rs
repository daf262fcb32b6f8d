//! Every file below `tests/lit/` is a test of its own; the tools that they call live in this binary.

use std::process::ExitCode;

use thunder_lit::Config;
use thunder_tools::{compile, import, lsp, opt, reduce, registry, run};

fn main() -> ExitCode {
    let config = Config::new("lit")
        .tool_fn("thunder-opt", |args| opt::main(args, &registry::thunder()))
        .tool_fn("thunder-compile", |args| compile::main(args, &registry::thunder()))
        .tool_fn("thunder-run", |args| run::main(args, Some(&compile::with(&registry::thunder()))))
        .tool_fn("thunder-import", |args| import::main(args, &registry::thunder()))
        .tool_fn("thunder-lsp-server", |args| lsp::main(args, &registry::thunder()))
        .tool_fn("thunder-reduce", |args| reduce::main(args, &registry::thunder()));
    thunder_lit::main(config)
}
