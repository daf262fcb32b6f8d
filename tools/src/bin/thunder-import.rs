//! `thunder-import`; see [`thunder_tools::import`].

use std::process::ExitCode;

fn main() -> ExitCode {
    thunder_tools::import::main(std::env::args().collect(), &thunder_tools::registry::thunder())
}
