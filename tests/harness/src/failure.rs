//! The message of a failed test: what ran, how it ended, what it said, what to do.

use std::fmt;

use crate::shell::FailedCommand;
use crate::substitution::Command;
use crate::{Test, bless};

/// How much of one output stream a message repeats, in bytes.
const SHOWN: usize = 32 * 1024;

/// A RUN line that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    file: String,
    name: String,
    command: Command,
    failed: FailedCommand,
    is_blessable: bool,
}

impl Failure {
    pub(crate) fn new(test: &Test<'_>, commands: &[Command], failed: FailedCommand) -> Self {
        let command = commands[failed.index.min(commands.len() - 1)].clone();
        let is_blessable = bless::is_blessable(&command.text, &test.file);
        Self { file: test.file.display().to_string(), name: test.name.clone(), command, failed, is_blessable }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}: this RUN line failed with {}", self.file, self.command.line, self.failed.status)?;
        writeln!(f, "\n  $ {}", self.command.text)?;
        for (stream, text) in [("stdout", &self.failed.stdout), ("stderr", &self.failed.stderr)] {
            if !text.trim().is_empty() {
                writeln!(f, "\n{stream}:\n{}", shortened(text.trim_end()))?;
            }
        }
        if self.is_blessable {
            write!(f, "\nto accept the new output: BLESS=1 cargo nextest run {}", self.name)?;
        }
        Ok(())
    }
}

/// The start and the end of a long text.
fn shortened(text: &str) -> String {
    if text.len() <= SHOWN {
        return text.to_owned();
    }
    let head = &text[..text.floor_char_boundary(SHOWN / 2)];
    let tail = &text[text.ceil_char_boundary(text.len() - SHOWN / 2)..];
    format!("{head}\n... {} bytes left out ...\n{tail}", text.len() - head.len() - tail.len())
}
