//! Rewrites the `CHECK` lines of failing tests to what the tool prints now.
//!
//! A file that passes is never touched, nor is one whose command fails or that has no `FileCheck` on the file itself
//! (so `expected-error` tests stay as they are). Where only some functions of a file fail, only their blocks change:
//! from `CHECK-LABEL: ... @name` to the next label. A file whose rewritten checks do not pass is put back.
//!
//! Written is: `CHECK-LABEL` and `CHECK-SAME` per top-level symbol, above the source's symbol of that name, then
//! `CHECK-NEXT` per line, SSA names and attribute aliases captured in variables.

mod edit;
mod expectation;
mod invocation;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};

use crate::substitution::{self, Command};
use crate::{Test, shell};
use invocation::Invocation;

/// Each round mends the first failing label at least; then the whole file is rewritten, twice because rewriting moves
/// lines, and what a tool prints may name them.
const ROUNDS: [Scope; 10] = {
    let mut rounds = [Scope::FailingBlocks; 10];
    rounds[8] = Scope::File;
    rounds[9] = Scope::File;
    rounds
};

#[derive(Clone, Copy)]
enum Scope {
    FailingBlocks,
    File,
}

/// Whether `command` compares something with the checks in `file`.
pub(crate) fn is_blessable(command: &str, file: &Path) -> bool {
    invocation::find(command).iter().any(|found| found.checks.as_deref() == file.to_str())
}

/// Rewrites the checks of a failing test so that it passes, or says why it cannot and leaves the file as it was.
pub(crate) fn bless(test: &Test<'_>) -> anyhow::Result<()> {
    let original = std::fs::read_to_string(&test.file)?;
    let outcome = rewrite_until_green(test);
    if outcome.is_err() {
        std::fs::write(&test.file, original).with_context(|| format!("cannot restore {}", test.file.display()))?;
    }
    outcome
}

fn rewrite_until_green(test: &Test<'_>) -> anyhow::Result<()> {
    for scope in ROUNDS {
        let test = Test::read(test.config, &test.file)?;
        let failing: Vec<_> = observations(&test)?.into_iter().filter(|(_, seen)| seen.is_failing).collect();
        if failing.is_empty() {
            break;
        }
        let mut text = std::fs::read_to_string(&test.file)?;
        let mut shifted = false;
        for (prefix, seen) in failing {
            let blocks = expectation::blocks(&seen.output, &hidden_paths(&test));
            ensure!(!blocks.is_empty(), "the command prints nothing that `{prefix}` lines could check");
            // The line numbers of a second prefix's errors do not survive the first one's edit.
            let partly = match scope {
                Scope::FailingBlocks if !shifted => edit::replace_failing(&text, &prefix, &blocks, &seen.failing_lines),
                Scope::FailingBlocks => continue,
                Scope::File => None,
            };
            text = partly.unwrap_or_else(|| edit::replace_all(&text, &prefix, &blocks));
            shifted = true;
        }
        std::fs::write(&test.file, text).with_context(|| format!("cannot write {}", test.file.display()))?;
    }
    match Test::read(test.config, &test.file)?.run()? {
        None => Ok(()),
        Some(failure) => bail!("the rewritten checks would fail as well:\n{failure}"),
    }
}

/// What one prefix was compared with.
struct Observation {
    output: String,
    is_failing: bool,
    /// Lines of the test file at which FileCheck reports an error.
    failing_lines: Vec<usize>,
}

/// Runs all commands with `FileCheck` only recording its input, then FileCheck on what was recorded.
fn observations(test: &Test<'_>) -> anyhow::Result<BTreeMap<String, Observation>> {
    let mut recorded: Vec<(Invocation, PathBuf)> = Vec::new();
    let mut commands = substitution::commands(test)?;
    for Command { text, .. } in &mut commands {
        let ours = invocation::find(text).into_iter().filter(|found| found.checks.as_deref() == test.file.to_str());
        for found in ours.rev() {
            let path = test.scratch.join(format!(".lit-recorded-{}", recorded.len()));
            text.replace_range(found.span.clone(), &found.recording(&path));
            recorded.push((found, path));
        }
    }
    ensure!(!recorded.is_empty(), "no RUN line compares its output with this file: add `| FileCheck %s`");
    if let Some(failed) = shell::run(test, &commands)?.failure {
        bail!(
            "line {} fails before FileCheck, with {}: mend that first\n{}",
            commands[failed.index].line,
            failed.status,
            failed.stderr.trim_end()
        );
    }

    let mut seen = BTreeMap::<String, Observation>::new();
    for (found, path) in recorded {
        let output = std::fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let output = output.with_context(|| format!("FileCheck's input was not recorded: {}", found.arguments))?;
        let [prefix] = found.prefixes.as_slice() else {
            bail!("`{}` names several prefixes: bless cannot know which to write", found.arguments);
        };
        let report = shell::output(test, &found.on_recorded(&path))?;
        let observation = seen.entry(prefix.clone()).or_insert_with(|| Observation {
            output: output.clone(),
            is_failing: false,
            failing_lines: Vec::new(),
        });
        ensure!(
            observation.output == output,
            "two RUN lines check different output with `{prefix}`: give one its own `--check-prefix`"
        );
        observation.is_failing |= !report.status.success();
        let report = String::from_utf8_lossy(&report.stderr).into_owned();
        observation.failing_lines.extend(error_lines(&report, &test.file));
    }
    Ok(seen)
}

/// The lines at which FileCheck's report has errors: `FILE:LINE:COLUMN: error: ...`.
fn error_lines(report: &str, file: &Path) -> Vec<usize> {
    let located = report.lines().filter_map(|line| {
        let rest = line.strip_prefix(file.to_str()?)?.strip_prefix(':')?;
        let (number, rest) = rest.split_once(':')?;
        rest.contains(" error: ").then(|| number.parse().ok())?
    });
    located.collect()
}

/// Paths that differ from machine to machine, and what stands for them in a check.
fn hidden_paths(test: &Test<'_>) -> Vec<(String, String)> {
    let name = test.file.file_name().unwrap_or_default().to_string_lossy();
    let folder = test.file.parent().unwrap_or(Path::new("/"));
    vec![
        (test.file.display().to_string(), format!("{{{{.*}}}}{name}")),
        (test.scratch.display().to_string(), "{{.*}}".to_owned()),
        (folder.display().to_string(), "{{.*}}".to_owned()),
    ]
}
