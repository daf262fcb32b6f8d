//! Models as modules: what `thunder-opt` and `thunder-compile` take.
//!
//! `cargo run --release -p thunder-tools --example model -- llama | thunder-opt --thunder-decompose --thunder-explain-plan -o /dev/null`

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use thunder_lowering::context;
use thunder_models::zoo;

/// Print a model's module.
#[derive(Debug, Parser)]
#[command(name = "model")]
struct Arguments {
    /// The model; without one, a list of all.
    name: Option<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let Some(name) = &arguments.name else {
        for entry in zoo::ENTRIES {
            println!("{:<12} {}", entry.name, entry.summary);
        }
        return Ok(());
    };
    let entry =
        zoo::find(name).with_context(|| format!("no model is called '{name}'; without a name all are listed"))?;
    let context = context();
    println!("{}", entry.module(&context)?.operation());
    Ok(())
}
