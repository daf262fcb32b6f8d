//! `thunder-import`: from a model of another framework to a module and its weights.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use thunder_import::Model;
use thunder_tensor::write_safetensors;

use crate::registry::Contents;

/// Read a model that torch.export.save wrote (.pt2), or one as StableHLO, such as jax.export makes, and write it as a module
/// of tensor programs.
///
/// Nothing of the file is run, and no Python is needed. What is not supported is reported all at once, with how often
/// and where the model uses it, and the exit code 1.
#[derive(Debug, Parser)]
#[command(name = "thunder-import", version)]
struct Arguments {
    /// The archive, or StableHLO as text or portable bytecode.
    path: PathBuf,
    /// Where to write the module; `-` is standard output.
    #[arg(short, long, value_name = "MODEL.mlir", default_value = "-")]
    output: PathBuf,
    /// Where to write parameters, buffers and constants of an archive, by name.
    #[arg(long, value_name = "PATH.safetensors")]
    weights: Option<PathBuf>,
    /// Print with each op the line of the model that it comes from.
    #[arg(long)]
    locations: bool,
}

/// Runs the tool.
pub fn main(args: Vec<String>, contents: &Contents) -> ExitCode {
    let arguments = match Arguments::try_parse_from(args) {
        Ok(arguments) => arguments,
        Err(error) => {
            _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    match run(&arguments, contents) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("thunder-import: error: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn run(arguments: &Arguments, contents: &Contents) -> Result<()> {
    let context = contents.context();
    let model = Model::open(&arguments.path)?;
    let module = model.module(&context)?;
    if let Some(path) = &arguments.weights {
        write_safetensors(path, model.weights().iter().map(|(name, tensor)| (name.as_str(), tensor)))?;
    }
    let text = module.operation().to_text(false, arguments.locations);
    if arguments.output.as_os_str() == "-" {
        println!("{text}");
        return Ok(());
    }
    std::fs::write(&arguments.output, text).with_context(|| format!("writing '{}'", arguments.output.display()))
}
