//! What passes of PyTorch's own samples of operations: `tests/CONFORMANCE.md`, written and printed.

use std::path::Path;

use crate::{process, setup};

/// Where samples are that are made anew.
const LIVE: &str = "target/conformance";

/// Runs the stored samples and writes the table, unless only some operations are named; with `--live` runs all samples
/// that PyTorch has, which it then must be there for.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    setup::for_builds()?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let report = ["test", "--quiet", "--package", "thunder-tests", "--test", "op_db", "--", "--report"];
    let Some((&"--live", names)) = arguments.split_first() else {
        return process::run(&process::cargo(), &[report.as_slice(), &arguments].concat());
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
