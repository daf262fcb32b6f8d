//! `thunder-opt`: `mlir-opt`'s driver over every upstream dialect and pass and ours.
//!
//! Upstream's arguments mean what they mean there. Ours come on top: lists of ops and passes, a short `--help`,
//! statistics of our passes, a check that passes keep what functions compute, and for each wrong name the right one.

mod arguments;
mod equivalence;
mod help;
mod ops;
mod passes;
mod pipelines;
pub mod reference;
mod statistics;
mod suggestion;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use thunder_ir::pass::{PassDef, Statistics};
use thunder_ir::tools;

use crate::registry::Contents;
use arguments::{Arguments, List, Request};

/// Runs the tool; `args` starts with its name.
///
/// The exit code is 0, or 1 for what the user can mend.
pub fn main(args: Vec<String>, contents: &Contents) -> ExitCode {
    let arguments = match Arguments::parse(args) {
        Ok(arguments) => arguments,
        Err(message) => return refuse(&message),
    };
    match arguments.request {
        Some(Request::Ops(List::Table)) => return show(&ops::table(contents.dialects())),
        Some(Request::Ops(List::Json)) => return show(&ops::json(contents.dialects())),
        Some(Request::Ops(List::Markdown)) => {
            let documents: Vec<_> = contents.dialects().iter().map(|dialect| reference::ops(dialect)).collect();
            return show(&documents.join("\n"));
        }
        _ => {}
    }
    let statistics: Arc<Statistics> = Arc::default();
    let registry = contents.registry();
    let ours = contents.register_passes(&statistics);
    let mut answer = None;
    let succeeded = tools::opt_main(&arguments.upstream, &registry, |accepted| {
        let reviewed = review(accepted, &arguments, contents, &ours);
        let goes_on = reviewed.is_none();
        answer = reviewed;
        goes_on
    });
    if let Some(answer) = answer {
        return answer;
    }
    if let Some(format) = arguments.statistics {
        eprint!("{}", statistics::render(&statistics, format));
    }
    if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What ends the tool before it reads its input.
fn review(
    accepted: Result<(), &str>,
    arguments: &Arguments,
    contents: &Contents,
    ours: &[&'static PassDef],
) -> Option<ExitCode> {
    match arguments.request {
        Some(Request::Help) => return Some(show(&help::text(&arguments.tool, ours))),
        Some(Request::Passes(List::Markdown)) => return Some(show(&reference::passes(ours))),
        Some(Request::Passes(_)) => return Some(show(&passes::json(ours))),
        _ => {}
    }
    if let Err(words) = accepted {
        return Some(refuse(&suggestion::for_arguments(words, &arguments.tool)));
    }
    let equivalent = || match &arguments.equivalence {
        Some(reproducer) => equivalence::run(&arguments.upstream, reproducer, contents, ours),
        None => Ok(()),
    };
    pipelines::check(&arguments.upstream).and_then(|()| equivalent()).err().map(|message| refuse(&message))
}

fn refuse(message: &str) -> ExitCode {
    if !message.is_empty() {
        eprintln!("error: {message}");
    }
    ExitCode::FAILURE
}

/// Prints to stdout; a reader that has seen enough is no error.
fn show(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => refuse(&format!("cannot write: {error}")),
        _ => ExitCode::SUCCESS,
    }
}
