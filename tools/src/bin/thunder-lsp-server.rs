//! `thunder-lsp-server`; see [`thunder_tools::lsp`].

use std::process::ExitCode;

fn main() -> ExitCode {
    thunder_tools::lsp::main(std::env::args().collect(), &thunder_tools::registry::thunder())
}
