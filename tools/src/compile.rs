//! `thunder-compile`: from a module to an artifact, or to any phase on the way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use thunder_import::Model;
use thunder_ir::Module;
use thunder_ir::pass::{Numerics, Pipeline};
use thunder_lowering::cuda::Arch;
use thunder_lowering::{Compiled, Options, Phase, Target, compile, compile_jit, compile_to};
use thunder_passes as passes;
use thunder_passes::autodiff::{Mode, differentiate};

use crate::registry::Contents;
use crate::run::Runnable;

/// Compile a module of tensor programs to an artifact (.thb) that thunder-run runs.
#[derive(Debug, Parser)]
#[command(name = "thunder-compile", version)]
struct Arguments {
    /// The module, as text or bytecode, of Thunder or StableHLO; `-` is standard input.
    path: PathBuf,
    /// Where to write the artifact, or with --compile-to the module; `-` is standard output.
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// The function to compile.
    #[arg(long, default_value = "main")]
    entry: String,
    /// Compile a derivative of the function instead; the value and its gradients unless another is named.
    #[arg(long, value_name = "MODE", num_args = 0..=1, require_equals = true, default_missing_value = "value-and-grad",
        value_parser = Mode::ALL.map(Mode::name))]
    grad: Option<String>,
    /// The numbers of the arguments to differentiate by; all of floats by default.
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', requires = "grad")]
    wrt: Vec<usize>,
    /// Compute in this precision what gains by it and loses little; arguments and results stay as they are.
    #[arg(long, value_name = "DTYPE", value_parser = ["bf16", "f16"])]
    autocast: Option<String>,
    /// Keep less between the forward and the backward part of derivatives, and compute it again: as little as some more
    /// arithmetic allows, `15%`, or a number of bytes at most.
    #[arg(long, value_name = "LIMIT", num_args = 0..=1, require_equals = true, default_missing_value = "15%",
        value_parser = remat)]
    remat: Option<Remat>,
    /// How far to rewrite code by algebra where it then takes less time.
    #[arg(long, value_name = "NUMERICS", value_enum, default_value = "exact")]
    plan: Planning,
    /// What to compile for: `cpu`, this machine's; `cuda` for every GPU since the A100, `cuda:sm_90a` for the H100 alone.
    #[arg(long, value_name = "TARGET", default_value = "cpu", value_parser = Target::from_str)]
    target: Target,
    /// Stop after a phase and write the module as text.
    #[arg(long, value_name = "PHASE", value_parser = Phase::ALL.map(Phase::name))]
    compile_to: Option<String>,
    /// Print how long each phase took, on standard error.
    #[arg(long)]
    timing: bool,
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
            eprintln!("thunder-compile: error: {error:#}");
            ExitCode::from(1)
        }
    }
}

/// What planning may do.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Planning {
    /// Nothing: the code is compiled as it is written.
    Off,
    /// What leaves every bit as it is.
    Exact,
    /// Also what changes roundings.
    Fast,
}

/// How much to keep, or to compute again.
#[derive(Debug, Clone)]
enum Remat {
    Recomputing(f64),
    Within(u64),
}

fn remat(text: &str) -> Result<Remat, String> {
    let limit = match text.strip_suffix('%') {
        Some(percent) => percent.parse().ok().filter(|p: &f64| *p >= 0.0).map(|p| Remat::Recomputing(p / 100.0)),
        None => text.parse().ok().map(Remat::Within),
    };
    limit.ok_or_else(|| "neither a percentage, such as 15%, nor a number of bytes".to_owned())
}

fn run(arguments: &Arguments, contents: &Contents) -> Result<()> {
    let context = contents.context();
    let mut module = read(&context, &arguments.path)?;
    if let Some(dtype) = &arguments.autocast {
        let dtype = dtype.parse().map_err(anyhow::Error::msg)?;
        Pipeline::new().pass(&passes::Autocast::to(dtype)).run(&mut module)?;
    }
    let entry = differentiated(&module, arguments)?;
    let transforms = match arguments.remat {
        None => Pipeline::default(),
        Some(Remat::Recomputing(part)) => Pipeline::new().pass(&passes::Remat::recomputing(part)),
        Some(Remat::Within(bytes)) => Pipeline::new().pass(&passes::Remat::within(bytes)),
    };
    let plan = match arguments.plan {
        Planning::Off => None,
        Planning::Exact => Some(Numerics::Exact),
        Planning::Fast => Some(Numerics::Approximates),
    };
    let target = arguments.target.clone();
    let options = Options { entry, target, transforms, plan, ..Options::default() };
    if let Some(name) = &arguments.compile_to {
        let phase = Phase::ALL.into_iter().find(|p| p.name() == name).context("the parser knows all phases")?;
        compile_to(&mut module, phase, &Options { verify: true, ..options })?;
        let text = format!("{module}");
        match arguments.output.as_deref().filter(|p| *p != Path::new("-")) {
            Some(path) => std::fs::write(path, text).with_context(|| format!("writing '{}'", path.display()))?,
            None => print!("{text}"),
        }
        return Ok(());
    }
    let Some(output) = &arguments.output else {
        bail!("say where the artifact goes: -o PATH.thb, or stop earlier with --compile-to");
    };
    let compiled = compile(&mut module, &options)?;
    if arguments.timing {
        print_times(&compiled);
    }
    compiled.artifact.write(output)?;
    Ok(())
}

/// Writes the derivative that was asked for; the function to compile.
fn differentiated(module: &Module<'_>, arguments: &Arguments) -> Result<String> {
    let Some(mode) = &arguments.grad else { return Ok(arguments.entry.clone()) };
    let mode: Mode = mode.parse().map_err(anyhow::Error::msg)?;
    differentiate(module.operation(), &arguments.entry, mode, &arguments.wrt)?;
    Ok(mode.function(&arguments.entry))
}

fn print_times(compiled: &Compiled) {
    for (phase, time) in &compiled.times {
        eprintln!("{phase:>12} {:9.2} ms", time.as_secs_f64() * 1e3);
    }
    eprintln!("{:>12} {:9.2} ms", "total", compiled.total_time().as_secs_f64() * 1e3);
}

/// Reads a module, which may be one of StableHLO.
fn read<'x>(context: &'x thunder_ir::Context, path: &Path) -> Result<Module<'x>> {
    let name = path.display().to_string();
    let source = if name == "-" {
        std::io::read_to_string(std::io::stdin()).map(String::into_bytes)
    } else {
        std::fs::read(path)
    };
    let source = source.with_context(|| format!("reading '{name}'"))?;
    if Model::is_stablehlo(&source) {
        return Ok(Model::stablehlo(path, &source)?.module(context)?);
    }
    Ok(Module::parse(context, &name, &source)?)
}

/// What compiles functions of modules to run in this process, for [`crate::run::main`].
pub fn with(contents: &Contents) -> impl Fn(&Path, &str, &str) -> Result<Runnable> {
    move |path, entry, target| {
        let target = match target.strip_prefix("cuda:") {
            Some(gpu) => Arch::newest_for(gpu).map(Target::Cuda),
            None => target.parse(),
        };
        let target = target.map_err(anyhow::Error::msg)?;
        let context = contents.context();
        let (mut module, weights) = if path.extension().is_some_and(|e| e == "pt2") {
            let model = Model::open(path)?;
            (model.module(&context)?, model.weights().clone())
        } else {
            (read(&context, path)?, BTreeMap::new())
        };
        let options = Options { entry: entry.to_owned(), target, ..Options::default() };
        let compiled = match options.target {
            Target::Cpu(_) => compile_jit(&mut module, &options)?,
            Target::Cuda(_) => compile(&mut module, &options)?,
        };
        Ok(Runnable { artifact: compiled.artifact, code: compiled.code, weights })
    }
}
