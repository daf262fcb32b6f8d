//! Documents written by programs: made by `cargo xtask docs`, checked by `cargo xtask docs --check`.
//!
//! What they are and how they are made stands in `tests/documents.rs`, so that they are checked with all tests.

use anyhow::bail;

use crate::process;

/// Writes every document, or with `--check` fails where one is stale.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let bless = match arguments {
        [] => "1",
        [flag] if flag == "--check" => "0",
        [unexpected, ..] => bail!("`cargo xtask docs` knows only `--check`, found `{unexpected}`"),
    };
    let test = ["test", "--quiet", "--package", "thunder-tests", "--test", "documents"];
    process::run_with(&process::cargo(), &test, &[("BLESS", bless)])
}
