//! The tests of the dialect author's API under valgrind's memcheck: no handle, callback or driver reads or writes
//! what was freed, in Rust, in the shim, or in MLIR.

use std::time::Instant;

use anyhow::{Context as _, bail};

use crate::{process, setup};

/// What is run: the tests that drive every path of the shim.
const TESTS: [&str; 4] = ["--package", "thunder-ir", "--test", "api"];

/// Thousands of functions take an hour here; hundreds of them stay.
const SLOW: [&str; 1] = ["threads::thousands_of_functions"];

/// Sets up, then runs those tests; `arguments`, such as names of tests, go to their binary.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    setup::for_valgrind()?;
    let start = Instant::now();
    let binary = build()?;
    // valgrind 3.19 gives up on the debug information that rustc writes; symbols stay.
    let stripped = "target/valgrind-api";
    process::run("strip", &["--strip-debug", "-o", stripped, &binary])?;
    let memcheck = ["--error-exitcode=99", "--num-callers=30", "--fair-sched=yes", "--quiet", stripped];
    // valgrind runs one thread at a time: one test at a time leaves a report beside its test.
    let fixed = ["--test-threads=1"].into_iter().chain(SLOW.iter().flat_map(|test| ["--skip", *test]));
    let arguments: Vec<&str> = fixed.chain(arguments.iter().map(String::as_str)).collect();
    process::run_with("valgrind", &[&memcheck, arguments.as_slice()].concat(), &[("RUST_BACKTRACE", "0")])?;
    eprintln!("valgrind: no errors in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Builds the tests; returns the path of their binary.
fn build() -> anyhow::Result<String> {
    let cargo = process::cargo();
    process::run(&cargo, &[&["test", "--no-run"], TESTS.as_slice()].concat())?;
    let listing = [&["test", "--no-run", "--quiet", "--message-format", "json"], TESTS.as_slice()].concat();
    let messages = process::answer(&cargo, &listing).context("cargo does not tell what it has built")?;
    // One JSON object a line; paths of ours have nothing to unescape.
    let executable = |line: &str| Some(line.split_once(r#""executable":""#)?.1.split('"').next()?.to_owned());
    match messages.lines().find_map(executable) {
        Some(path) => Ok(path),
        None => bail!("cargo has built no binary of the tests `api`"),
    }
}
