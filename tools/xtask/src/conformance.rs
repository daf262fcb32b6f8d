//! What passes of PyTorch's own samples of operations: `tests/CONFORMANCE.md`, written and printed.

use std::path::Path;

use anyhow::Context as _;

use crate::{process, setup};

/// Where samples are that are made anew.
const LIVE: &str = "target/conformance";

/// Runs the stored samples and writes the table, unless only some operations are named; with `--live` runs all samples
/// that PyTorch has, which it then must be there for. `--gpu FOLDER` writes what a machine with a GPU runs of them, and
/// `--gpu-results FOLDER` compares what it made.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    setup::for_builds()?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let report = ["test", "--quiet", "--package", "thunder-tests", "--test", "op_db", "--", "--report"];
    let names = match arguments.split_first() {
        Some((&"--live", names)) => names,
        Some((&"--gpu", [folder, names @ ..])) => return write_for_gpu(Path::new(folder), names),
        Some((&"--gpu-results", [folder, names @ ..])) => return for_gpu("--gpu-results", Path::new(folder), names),
        _ => return process::run(&process::cargo(), &[report.as_slice(), &arguments].concat()),
    };
    let python = setup::for_pytorch()?;
    if Path::new(LIVE).exists() {
        std::fs::remove_dir_all(LIVE)?;
    }
    let write = ["tests/goldens/op_db.py", "--all", "--into", LIVE];
    process::run(&python.to_string_lossy(), &[write.as_slice(), names].concat())?;
    // Cargo runs tests in their package's folder.
    let folder = std::path::absolute(LIVE)?;
    process::run(&process::cargo(), &[report.as_slice(), &[&*folder.to_string_lossy()], names].concat())
}

/// Puts into a folder the samples as programs of a GPU, and what runs them.
fn write_for_gpu(folder: &Path, names: &[&str]) -> anyhow::Result<()> {
    for_gpu("--gpu", folder, names)?;
    let build = ["build", "--release", "--package", "thunder-runtime", "--example", "gpu_samples"];
    process::run(&process::cargo(), &build)?;
    let runner = process::released("examples/gpu_samples");
    std::fs::copy(&runner, folder.join("gpu_samples")).with_context(|| format!("copying '{}'", runner.display()))?;
    let folder = folder.display();
    println!("Where the GPU is, in '{folder}': ./gpu_samples programs results; then here, with its 'results':");
    println!("cargo xtask conformance --gpu-results {folder}");
    Ok(())
}

/// Compiles thousands of programs, or compares what they made: worth an optimized build.
fn for_gpu(what: &str, folder: &Path, names: &[&str]) -> anyhow::Result<()> {
    // Cargo runs tests in their package's folder.
    let folder = std::path::absolute(folder)?.to_string_lossy().into_owned();
    let test = ["test", "--release", "--quiet", "--package", "thunder-tests", "--test", "op_db", "--", what, &folder];
    process::run(&process::cargo(), &[test.as_slice(), names].concat())
}
