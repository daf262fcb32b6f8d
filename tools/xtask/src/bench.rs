//! The benchmarks, on a set-up machine.

use std::path::Path;

use anyhow::Context as _;

use crate::{process, setup};

/// Sets up, then runs `cargo bench`; `arguments` choose among the benchmarks. `peers` as the first sets up what ours is
/// compared with, and passes the others on to that benchmark.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    setup::for_builds()?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.split_first() {
        Some((&"peers", arguments)) => peers(arguments),
        _ => process::run(&process::cargo(), &[&["bench", "--workspace", "--benches"], arguments.as_slice()].concat()),
    }
}

fn peers(arguments: &[&str]) -> anyhow::Result<()> {
    let python = setup::for_peers()?;
    // Cargo runs benchmarks in their package's folder.
    let absolute = |path: &Path| std::path::absolute(path).map(|path| path.to_string_lossy().into_owned());
    let (python, model) = (absolute(&python)?, absolute(Path::new(setup::MODEL))?);
    let bench = ["bench", "--package", "thunder-tools", "--bench", "peers", "--"];
    let ours = ["--python", &python, "--minilm", &model];
    process::run(&process::cargo(), &[bench.as_slice(), &ours, arguments].concat())
        .context("the comparison did not finish")
}
