//! `thunder-run`; see [`thunder_tools::run`].

use std::process::ExitCode;

fn main() -> ExitCode {
    thunder_tools::run::main(std::env::args().collect())
}
