//! `thunder-reduce`; see [`thunder_tools::reduce`].

use std::process::ExitCode;

fn main() -> ExitCode {
    thunder_tools::reduce::main(std::env::args().collect(), &thunder_tools::registry::thunder())
}
