//! `thunder-opt`; see [`thunder_tools::opt`].

use std::process::ExitCode;

fn main() -> ExitCode {
    thunder_tools::opt::main(std::env::args().collect(), &thunder_tools::registry::thunder())
}
