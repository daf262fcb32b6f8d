//! All that a change must pass, cheapest first; what a person runs is what the server runs.

use std::time::Instant;

use crate::{docs, fmt, process, root, setup, test, tidy};

/// Runs every step; the first that fails ends it.
pub(crate) fn run() -> anyhow::Result<()> {
    let cargo = process::cargo();
    step("format", || fmt::run(&root(), &["--check".to_owned()]))?;
    step("tidy", || tidy::run(&root()))?;
    step("setup", setup::for_builds)?;
    step("lints", || process::run(&cargo, &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))?;
    step("rustdoc", || {
        let doc = ["doc", "--workspace", "--no-deps", "--quiet"];
        process::run_with(&cargo, &doc, &[("RUSTDOCFLAGS", "--deny warnings")])
    })?;
    step("documents", || docs::run(&["--check".to_owned()]))?;
    step("tests", || test::run(&[]))
}

fn step(name: &str, job: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let start = Instant::now();
    eprintln!("==> {name}");
    job().map_err(|error| error.context(format!("{name} failed")))?;
    eprintln!("==> {name} passed in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}
