//! Runs lit-style tests of dialects under cargo: one test per file, in parallel, with LLVM's own FileCheck.
//!
//! A file is a test because it has `RUN:` lines in [lit's syntax]; the same folder runs under LLVM's `lit`. A test
//! target of three lines makes cargo-nextest list every file (`harness = false` in its `[[test]]`):
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     # macro_rules! env { ($name:literal) => { "target/debug/my-opt" } }
//!     thunder_lit::main(thunder_lit::Config::new("lit").tool("my-opt", env!("CARGO_BIN_EXE_my-opt")))
//! }
//! ```
//!
//! `BLESS=1 cargo nextest run` writes `CHECK` lines for files that have none and updates those that fail; see
//! [`bless`].
//!
//! [lit's syntax]: https://llvm.org/docs/TestingGuide.html

pub mod bless;
mod condition;
mod config;
mod directive;
mod failure;
mod shell;
mod substitution;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use libtest_mimic::{Arguments, Failed, Trial};

pub use config::{Config, Tool};

use directive::Directives;
use failure::Failure;

/// How a test file ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every RUN line succeeded, or one failed where `XFAIL:` says so.
    Passed,
    /// The CHECK lines were rewritten; the file passes now.
    Blessed,
    /// `REQUIRES:` or `UNSUPPORTED:` excludes this machine; nothing ran.
    Unsupported(String),
    /// What went wrong, ready to print.
    Failed(String),
}

/// Lists or runs the tests under `config.root`, as the command line of a test binary asks.
///
/// Set `BLESS=1` to rewrite expectations.
pub fn main(config: Config) -> ExitCode {
    if let Some(code) = config.run_requested_tool() {
        return code;
    }
    let config = Config { bless: config.bless || std::env::var_os("BLESS").is_some_and(|v| v != "0"), ..config };
    let arguments = Arguments::from_args();
    match trials(&config) {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one test file and says how it ended; rewrites its CHECK lines where `config.bless` is set.
pub fn check(config: &Config, file: &Path) -> Outcome {
    let failed = |error: anyhow::Error| Outcome::Failed(format!("{error:#}"));
    let test = match Test::read(config, file) {
        Ok(test) => test,
        Err(error) => return failed(error),
    };
    if let Some(reason) = test.directives.unsupported(&config.features) {
        return Outcome::Unsupported(reason);
    }
    let expected_to_fail = test.directives.expected_to_fail(&config.features);
    let failure = match test.run() {
        Ok(failure) => failure,
        Err(error) => return failed(error),
    };
    match (failure, expected_to_fail) {
        (None, None) | (Some(_), Some(_)) => Outcome::Passed,
        (None, Some(condition)) => Outcome::Failed(format!(
            "{} passes, although `XFAIL: {condition}` says that it fails: remove that line",
            file.display()
        )),
        (Some(failure), None) if config.bless => match bless::bless(&test) {
            Ok(()) => Outcome::Blessed,
            Err(reason) => Outcome::Failed(format!("{failure}\nnot blessed: {reason:#}")),
        },
        (Some(failure), None) => Outcome::Failed(failure.to_string()),
    }
}

/// A test file that was read and is ready to run.
pub(crate) struct Test<'a> {
    config: &'a Config,
    /// Absolute.
    file: PathBuf,
    /// Relative to the root, with `/`: what nextest prints.
    name: String,
    /// Where `%t` points; emptied before each run.
    scratch: PathBuf,
    directives: Directives,
}

impl<'a> Test<'a> {
    fn read(config: &'a Config, file: &Path) -> anyhow::Result<Self> {
        let file = std::path::absolute(file).with_context(|| format!("cannot locate {}", file.display()))?;
        let root = std::path::absolute(&config.root)?;
        let name = file.strip_prefix(&root).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let directives = Directives::parse(&text).with_context(|| file.display().to_string())?;
        let scratch = std::path::absolute(&config.output)?.join(name.trim_start_matches('/'));
        Ok(Self { config, file, name, scratch, directives })
    }

    /// Runs every RUN line until one fails.
    fn run(&self) -> anyhow::Result<Option<Failure>> {
        let commands = substitution::commands(self)?;
        self.config.require_programs()?;
        let run = shell::run(self, &commands)?;
        Ok(run.failure.map(|failed| Failure::new(self, &commands, failed)))
    }
}

fn trials(config: &Config) -> anyhow::Result<Vec<Trial>> {
    let files = config.files()?;
    let mut trials = Vec::with_capacity(files.len());
    for file in files {
        let test = Test::read(config, &file);
        let (name, unsupported) = match &test {
            Ok(test) => (test.name.clone(), test.directives.unsupported(&config.features).is_some()),
            Err(_) => (file.display().to_string(), false),
        };
        let config = config.clone();
        let trial = Trial::test(name, move || match check(&config, &file) {
            Outcome::Passed | Outcome::Unsupported(_) => Ok(()),
            Outcome::Blessed => {
                eprintln!("blessed {}: review the change", file.display());
                Ok(())
            }
            Outcome::Failed(message) => Err(Failed::from(message)),
        });
        trials.push(trial.with_ignored_flag(unsupported));
    }
    Ok(trials)
}
