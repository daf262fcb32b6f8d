//! Runs the commands of a test in one bash with `pipefail`, and knows which of them failed.
//!
//! One shell for all RUN lines: `cd` and `export` in one hold in the next, as in lit.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command as Process, Output, Stdio};

use anyhow::Context as _;

use crate::Test;
use crate::substitution::Command;

/// What running the commands gave.
pub(crate) struct Run {
    /// The first command that failed; those after it did not run.
    pub(crate) failure: Option<FailedCommand>,
}

/// The command that failed, and what all commands up to it printed.
#[derive(Debug)]
pub(crate) struct FailedCommand {
    /// Position in the slice that was run.
    pub(crate) index: usize,
    /// `exit code 1`, or the signal.
    pub(crate) status: String,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `commands` until one fails, in the emptied scratch folder of `test`.
pub(crate) fn run(test: &Test<'_>, commands: &[Command]) -> anyhow::Result<Run> {
    let scratch = &test.scratch;
    if scratch.exists() {
        std::fs::remove_dir_all(scratch).with_context(|| format!("cannot empty {}", scratch.display()))?;
    }
    std::fs::create_dir_all(scratch).with_context(|| format!("cannot create {}", scratch.display()))?;

    let [script, reached, stdout, stderr] =
        ["script.sh", "reached", "stdout", "stderr"].map(|name| scratch.join(format!(".lit-{name}")));
    std::fs::write(&script, self::script(commands, &reached))?;
    let status = bash(test)?
        .arg(&script)
        .stdout(File::create(&stdout)?)
        .stderr(File::create(&stderr)?)
        .status()
        .context("cannot start bash, which runs RUN lines")?;
    if status.success() {
        return Ok(Run { failure: None });
    }

    let text = |path: PathBuf| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let index = text(reached).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    let status = match (status.code(), status.signal()) {
        // How a shell reports a command that died of a signal.
        (Some(code @ 129..=159), _) => format!("exit code {code} (signal {})", code - 128),
        (Some(code), _) => format!("exit code {code}"),
        (None, signal) => format!("signal {}", signal.unwrap_or_default()),
    };
    let failed = FailedCommand { index, status, stdout: text(stdout)?, stderr: text(stderr)? };
    Ok(Run { failure: Some(failed) })
}

/// Runs one command in the scratch folder as it is.
pub(crate) fn output(test: &Test<'_>, command: &str) -> anyhow::Result<Output> {
    bash(test)?.args(["-c", command]).output().context("cannot start bash")
}

/// A bash in the scratch folder that finds LLVM's programs first.
fn bash(test: &Test<'_>) -> anyhow::Result<Process> {
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(test.config.llvm_bin.clone()).chain(std::env::split_paths(&inherited));
    let mut bash = Process::new("bash");
    bash.current_dir(&test.scratch).env("PATH", std::env::join_paths(folders)?).stdin(Stdio::null());
    Ok(bash)
}

/// A script that leaves the position of the last command started in `reached`.
fn script(commands: &[Command], reached: &std::path::Path) -> String {
    let reached = crate::config::quoted(reached);
    let mut script = format!("set -o pipefail\ntrap 'echo \"$LIT_REACHED\" > {reached}' EXIT\n");
    for (index, Command { line, text }) in commands.iter().enumerate() {
        // The line break ends a command that ends in a comment.
        script.push_str(&format!("LIT_REACHED={index} # RUN: at line {line}\n{{ {text}\n}} || exit $?\n"));
    }
    script
}
