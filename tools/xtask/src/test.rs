//! Every test of the project, under nextest where it is installed.

use std::time::Instant;

use crate::{process, setup};

/// Sets up, then runs all tests and doc tests; `arguments` narrow the former and leave out the latter.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    setup::for_builds()?;
    setup::for_demo()?;
    setup::for_tests()?;
    let start = Instant::now();
    let cargo = process::cargo();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let chooses_packages = arguments.iter().any(|argument| *argument == "-p" || argument.starts_with("--package"));
    let scope: &[&str] = if chooses_packages { &[] } else { &["--workspace"] };
    if setup::has_nextest() {
        let profile = if process::is_unattended() { "ci" } else { "default" };
        process::run(&cargo, &[&["nextest", "run", "--profile", profile], scope, &arguments].concat())?;
        if arguments.is_empty() {
            // nextest does not run them.
            process::run(&cargo, &["test", "--workspace", "--doc", "--quiet"])?;
        }
    } else {
        eprintln!("test: no cargo-nextest, so under cargo test. {}", setup::NEXTEST_HINT);
        process::run(&cargo, &[&["test", "--no-fail-fast"], scope, &arguments].concat())?;
    }
    eprintln!("test: all passed in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}
