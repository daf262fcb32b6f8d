//! How far training is: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal as _;
use std::time::Instant;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use thunder_models::gpt::training::Report;

/// Lines of a run that nobody watches.
const LINES: u64 = 20;

pub(crate) struct Progress {
    bar: ProgressBar,
    start: Instant,
    first: u64,
    steps: u64,
    /// Tokens in a batch.
    tokens: usize,
    is_watched: bool,
}

impl Progress {
    /// The progress of a run of `steps`, of which those before `first` are done.
    pub(crate) fn new(steps: u64, first: u64, tokens: usize) -> Self {
        let style = ProgressStyle::with_template("{bar:40} step {pos}/{len}, {msg}, {eta} left");
        let bar = ProgressBar::new(steps).with_style(style.expect("the template is valid")).with_position(first);
        let is_watched = std::io::stderr().is_terminal();
        Self { bar, start: Instant::now(), first, steps, tokens, is_watched }
    }

    pub(crate) fn show(&self, report: &Report) {
        let done = report.step + 1;
        let speed = (done - self.first) as f64 * self.tokens as f64 / self.start.elapsed().as_secs_f64();
        let message = format!("loss {:.4}, {} tokens/s", report.loss, HumanCount(speed as u64));
        if !self.is_watched && (done.is_multiple_of((self.steps / LINES).max(1)) || done == self.steps) {
            println!("step {done}/{}, {message}", self.steps);
        }
        self.bar.set_message(message);
        self.bar.set_position(done);
    }

    pub(crate) fn finish(self) {
        self.bar.abandon();
    }
}
