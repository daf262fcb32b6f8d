//! Whole models: that they compile as they should, and compute what PyTorch does.

#[path = "models/bert.rs"]
mod bert;
#[path = "models/gpt.rs"]
mod gpt;
#[path = "models/gradients.rs"]
mod gradients;
#[path = "models/minilm.rs"]
mod minilm;

use std::process::ExitCode;

use anyhow::Result;
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = [bert::trials(), gpt::trials(), gradients::trials(), minilm::trials()].into_iter().flatten().collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: &str, check: fn() -> Result<()>) -> Trial {
    Trial::test(name, move || check().map_err(|error| format!("{error:#}").into()))
}
