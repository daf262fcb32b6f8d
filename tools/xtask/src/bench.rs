//! The benchmarks, on a set-up machine.

use crate::{process, setup};

/// Sets up, then runs `cargo bench`; `arguments` choose among the benchmarks.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    setup::for_builds()?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    process::run(&process::cargo(), &[&["bench", "--workspace", "--benches"], arguments.as_slice()].concat())
}
