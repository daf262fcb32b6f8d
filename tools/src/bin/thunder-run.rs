//! `thunder-run`; see [`thunder_tools::run`].

use std::process::ExitCode;

#[cfg(feature = "compiler")]
fn main() -> ExitCode {
    let contents = thunder_tools::registry::thunder();
    thunder_tools::run::main(std::env::args().collect(), Some(&thunder_tools::compile::with(&contents)))
}

#[cfg(not(feature = "compiler"))]
fn main() -> ExitCode {
    thunder_tools::run::main(std::env::args().collect(), None)
}
