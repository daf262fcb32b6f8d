//! `thunder-compile`; see [`thunder_tools::compile`].

use std::process::ExitCode;

fn main() -> ExitCode {
    thunder_tools::compile::main(std::env::args().collect(), &thunder_tools::registry::thunder())
}
