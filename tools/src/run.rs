//! `thunder-run`: runs a compiled artifact, or a module after compiling it.

mod execute;
mod trace;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Parser;
use execute::{Runs, execute};
use thunder_runtime::MemoryStatistics;
use thunder_runtime::artifact::{Artifact, Target};
use thunder_runtime::cpu::code::Code;
use thunder_runtime::cuda::executor::Executor;
use thunder_runtime::cuda::{Gpu, Settings};
use thunder_runtime::program::{Port, Root};
use thunder_runtime::session::{Options, Session};
use thunder_tensor::{DType, Random, SafeTensors, Tensor, Tolerance, compare, read_npy, write_safetensors};

/// Run a compiled artifact (.thb), or compile a module (.mlir), which may be StableHLO, or a model of PyTorch (.pt2) and
/// run it.
///
/// Exit code 0: it ran, and agrees with --expect; 1: something is wrong with the command or its files; 2: results differ
/// from --expect.
#[derive(Debug, Parser)]
#[command(name = "thunder-run", version)]
struct Arguments {
    /// The artifact, or the module or model where this tool was built with the compiler.
    path: PathBuf,
    /// The function of a module to run.
    #[arg(long, default_value = "main")]
    entry: String,
    /// What to run on, cpu or cuda[:ARCHITECTURE]; what an artifact was compiled for, and the processor for a module.
    #[arg(long, value_name = "TARGET", value_parser = target)]
    target: Option<String>,
    /// The number of the GPU to run on.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    device: usize,
    /// On a GPU, measure in the first run which algorithms and executors are fastest and take these, which may change the last
    /// bits of results.
    #[arg(long)]
    tune: bool,
    /// On a GPU, who carries out library operations: the first that claims one gets it. All that are known unless given:
    /// cublaslt,cudnn,hopper,mma,flash,builtin.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    executors: Vec<String>,
    /// An input, in order: a .npy file, a .safetensors file with one tensor for each input left, or
    /// random:SEED[:2x8] with sizes for an input whose own are dynamic.
    #[arg(long = "input", value_name = "PATH|random:SEED")]
    inputs: Vec<String>,
    /// The weights: a .safetensors file, or random:SEED; those of a model of PyTorch unless given.
    #[arg(long, value_name = "PATH|random:SEED")]
    weights: Option<String>,
    /// Where to write the outputs, by name.
    #[arg(long, value_name = "PATH.safetensors")]
    output: Option<PathBuf>,
    /// Outputs to compare with, by name.
    #[arg(long, value_name = "PATH.safetensors")]
    expect: Option<PathBuf>,
    /// Relative tolerance of --expect.
    #[arg(long, default_value_t = 1e-5)]
    rtol: f64,
    /// Absolute tolerance of --expect.
    #[arg(long, default_value_t = 1e-6)]
    atol: f64,
    /// Where to write what the parameters and inputs hold in the end that the program updates, by name.
    #[arg(long, value_name = "PATH.safetensors")]
    save_state: Option<PathBuf>,
    /// How often to run, for timing, or for as many steps of a program that updates its state.
    #[arg(long, default_value_t = 1)]
    repeat: u32,
    /// Where to write how long each step of the last run took, as a Chrome trace.
    #[arg(long, value_name = "PATH.json")]
    profile: Option<PathBuf>,
    /// Threads; all by default.
    #[arg(long)]
    threads: Option<usize>,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
}

/// What runs.
pub struct Runnable {
    /// The program.
    pub artifact: Artifact,
    /// Its kernels, where they are in this process and not in the artifact.
    pub code: Option<Arc<dyn Code>>,
    /// The weights that come with it.
    pub weights: BTreeMap<String, Tensor>,
}

/// Compiles a module's function, given the path of the module, the name of the function and the target.
pub type Compile<'a> = &'a dyn Fn(&Path, &str, &str) -> Result<Runnable>;

/// Runs the tool; without `compile` it runs finished artifacts only.
pub fn main(args: Vec<String>, compile: Option<Compile<'_>>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(args) {
        Ok(arguments) => arguments,
        Err(error) => {
            _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    match run(&arguments, compile) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("thunder-run: error: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn run(arguments: &Arguments, compile: Option<Compile<'_>>) -> Result<ExitCode> {
    if arguments.repeat == 0 {
        bail!("--repeat must be at least 1");
    }
    let Runnable { artifact, code, weights: own } = load(arguments, compile)?;
    let program = artifact.program();
    let weights = weights(arguments, &artifact, own)?;
    let options = options(arguments, &artifact)?;
    let session = Session::prepare_with(&artifact, &weights, code, options)?;
    session.remarks().iter().for_each(|remark| eprintln!("thunder-run: remark: {remark}"));
    let mut inputs = inputs(arguments, &artifact)?;
    let Runs { outputs, time, steps } = execute(&session, &mut inputs, arguments.repeat, arguments.profile.is_some())?;
    let named: BTreeMap<String, Tensor> =
        program.outputs.iter().map(|port| port.name.clone()).zip(outputs.iter().cloned()).collect();
    if let Some(path) = &arguments.output {
        write_safetensors(path, named.iter().map(|(name, tensor)| (name.as_str(), tensor)))?;
    }
    if let Some(path) = &arguments.save_state {
        save_state(path, &session, &inputs)?;
    }
    if let (Some(path), Some(steps)) = (&arguments.profile, steps) {
        let device = session.gpu().map_or("the processor", |gpu| gpu.name());
        std::fs::write(path, trace::chrome(&format!("{} on {device}", program.name), &steps))
            .with_context(|| format!("writing '{}'", path.display()))?;
    }
    let memory = session.memory(&inputs)?;
    report(arguments, &artifact, &outputs, (time, memory))?;
    match &arguments.expect {
        Some(path) => check(arguments, path, &named),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Writes what the program updates.
fn save_state(path: &Path, session: &Session, inputs: &[Tensor]) -> Result<()> {
    let program = session.program();
    if program.states.is_empty() {
        bail!("--save-state: the program updates nothing");
    }
    let mut state = session.state()?;
    for updated in &program.states {
        if let Root::Input(i) = updated.root {
            state.insert(program.inputs[i as usize].name.clone(), inputs[i as usize].clone());
        }
    }
    write_safetensors(path, state.iter().map(|(name, tensor)| (name.as_str(), tensor)))?;
    Ok(())
}

/// A target's name.
fn target(name: &str) -> Result<String, String> {
    let is_known = name == "cpu" || name == "cuda" || name.starts_with("cuda:sm_");
    is_known.then(|| name.to_owned()).ok_or_else(|| "known are cpu, cuda and cuda:ARCHITECTURE".to_owned())
}

/// Threads, and the GPU if the artifact or the command asks for one.
fn options(arguments: &Arguments, artifact: &Artifact) -> Result<Options> {
    let mut options = arguments.threads.map_or_else(Options::new, Options::with_threads);
    let is_gpu_code = matches!(artifact.target(), Target::Cuda { .. });
    let wants_gpu = arguments.target.as_ref().map_or(is_gpu_code, |target| target != "cpu");
    if is_gpu_code && !wants_gpu {
        bail!("--target cpu: the artifact is compiled for a GPU");
    }
    if wants_gpu {
        // Where NVIDIA's profilers say what is to be told of ranges.
        let nvtx = std::env::var_os("NVTX_INJECTION64_PATH").map(PathBuf::from);
        let mut settings = Settings { tuned: arguments.tune, nvtx, ..Settings::default() };
        if !arguments.executors.is_empty() {
            settings.executors = chosen(&settings.executors, &arguments.executors)?;
        }
        options.gpu = Some(Gpu::with_settings(arguments.device, settings)?);
    } else if !arguments.executors.is_empty() {
        bail!("--executors: the processor has one executor; it is for GPUs");
    } else if arguments.tune {
        bail!("--tune: the processor's operations have one algorithm each; it is for GPUs");
    }
    Ok(options)
}

/// Those of these names, in this order.
fn chosen(all: &[Arc<dyn Executor>], names: &[String]) -> Result<Vec<Arc<dyn Executor>>> {
    let find = |name: &String| all.iter().find(|executor| executor.name() == name).cloned();
    let unknown = |name: &String| {
        let known: Vec<&str> = all.iter().map(|executor| executor.name()).collect();
        anyhow!("--executors: there is no '{name}'; known are {}", known.join(", "))
    };
    names.iter().map(|name| find(name).ok_or_else(|| unknown(name))).collect()
}

fn load(arguments: &Arguments, compile: Option<Compile<'_>>) -> Result<Runnable> {
    let path = &arguments.path;
    if path.extension().is_some_and(|e| e == "thb") {
        return Ok(Runnable { artifact: Artifact::open(path)?, code: None, weights: BTreeMap::new() });
    }
    match compile {
        Some(compile) => compile(path, &arguments.entry, &target_of_module(arguments)?),
        None => bail!("'{}' is no .thb artifact, and this build has no compiler for anything else", path.display()),
    }
}

/// What a module is compiled for: where no architecture is named, for that of the GPU.
fn target_of_module(arguments: &Arguments) -> Result<String> {
    match arguments.target.as_deref() {
        Some("cuda") => Ok(format!("cuda:{}", Gpu::open(arguments.device)?.architecture())),
        target => Ok(target.unwrap_or("cpu").to_owned()),
    }
}

fn static_shape(artifact: &Artifact, port: &Port) -> Option<Vec<usize>> {
    let dims = &artifact.program().dims;
    port.shape.iter().map(|id| usize::try_from(dims.as_constant(*id)?).ok()).collect()
}

fn weights(
    arguments: &Arguments,
    artifact: &Artifact,
    own: BTreeMap<String, Tensor>,
) -> Result<BTreeMap<String, Tensor>> {
    let Some(source) = &arguments.weights else { return Ok(own) };
    let Some(seed) = source.strip_prefix("random:") else {
        return Ok(SafeTensors::open(source)?.tensors().collect::<Result<_, _>>()?);
    };
    let mut random = Random::new(seed.parse().with_context(|| format!("the seed of --weights {source}"))?);
    // What begins with a number of its own is state that does so.
    let parameters = artifact.parameters().into_iter().filter(|parameter| parameter.initial.is_none());
    Ok(parameters.map(|p| (p.name, random_tensor(&mut random, p.dtype, p.shape))).collect())
}

fn random_tensor(random: &mut Random, dtype: DType, shape: Vec<usize>) -> Tensor {
    match dtype {
        DType::Bool => random.integers(dtype, shape, 0..2),
        _ if dtype.has_fractions() => random.normal(dtype, shape, 0.0, 1.0),
        _ => random.integers(dtype, shape, 0..100),
    }
}

fn inputs(arguments: &Arguments, artifact: &Artifact) -> Result<Vec<Tensor>> {
    let ports = &artifact.program().inputs;
    let mut inputs: Vec<Tensor> = Vec::new();
    for source in &arguments.inputs {
        let Some(port) = ports.get(inputs.len()) else {
            bail!("--input {source}: the program takes {} inputs only", ports.len());
        };
        if let Some(recipe) = source.strip_prefix("random:") {
            inputs.push(
                random_input(recipe, port, static_shape(artifact, port))
                    .with_context(|| format!("--input {source}"))?,
            );
        } else if Path::new(source).extension().is_some_and(|e| e == "npy") {
            inputs.push(read_npy(source)?);
        } else {
            let file = SafeTensors::open(source)?;
            for port in &ports[inputs.len()..] {
                inputs.push(file.tensor(&port.name).with_context(|| format!("--input {source}"))?);
            }
        }
    }
    if inputs.len() < ports.len() {
        let missing: Vec<_> = ports[inputs.len()..].iter().map(|p| p.name.as_str()).collect();
        bail!("the program takes {} inputs; missing: {}", ports.len(), missing.join(", "));
    }
    Ok(inputs)
}

/// `SEED` or `SEED:2x8`.
fn random_input(recipe: &str, port: &Port, shape: Option<Vec<usize>>) -> Result<Tensor> {
    let (seed, sizes) = recipe.split_once(':').map_or((recipe, None), |(seed, sizes)| (seed, Some(sizes)));
    let shape = match sizes {
        Some(sizes) => sizes
            .split('x')
            .filter(|s| !s.is_empty())
            .map(|size| size.parse().with_context(|| format!("'{size}' is no size")))
            .collect::<Result<_>>()?,
        None => {
            shape.ok_or_else(|| anyhow!("input '{}' has dynamic sizes: give them as random:{seed}:2x8", port.name))?
        }
    };
    let mut random = Random::new(seed.parse().with_context(|| format!("'{seed}' is no seed"))?);
    Ok(random_tensor(&mut random, port.dtype, shape))
}

/// Prints the results; a reader that has seen enough is no error.
fn report(
    arguments: &Arguments,
    artifact: &Artifact,
    outputs: &[Tensor],
    (median, memory): (Duration, MemoryStatistics),
) -> Result<()> {
    let program = artifact.program();
    let microseconds = median.as_secs_f64() * 1e6;
    let ports = program.outputs.iter().zip(outputs);
    let mut text = String::new();
    if arguments.json {
        let entry = |(port, t): (&Port, &Tensor)| {
            format!("{{\"name\":{:?},\"dtype\":\"{}\",\"shape\":{:?}}}", port.name, t.dtype(), t.shape())
        };
        let entries: Vec<_> = ports.map(entry).collect();
        writeln!(
            text,
            "{{\"program\":{:?},\"runs\":{},\"median_us\":{microseconds:.1},\"arena_bytes\":{},\"workspace_bytes\":{},\
             \"outputs\":[{}]}}",
            program.name,
            arguments.repeat,
            memory.arena_bytes,
            memory.workspace_bytes,
            entries.join(",")
        )?;
    } else {
        for (port, tensor) in ports {
            writeln!(text, "{}: {}{:?}\n{tensor}", port.name, tensor.dtype(), tensor.shape())?;
        }
        if arguments.repeat > 1 {
            writeln!(text, "median of {} runs: {microseconds:.1} us", arguments.repeat)?;
        }
    }
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("cannot write"),
        _ => Ok(()),
    }
}

fn check(arguments: &Arguments, path: &Path, outputs: &BTreeMap<String, Tensor>) -> Result<ExitCode> {
    let file = SafeTensors::open(path)?;
    let tolerance = Tolerance { rtol: arguments.rtol, atol: arguments.atol, equal_nan: true };
    let mut differs = false;
    for (name, actual) in outputs {
        let expected = file.tensor(name).with_context(|| format!("--expect {}", path.display()))?;
        if let Err(mismatch) = compare(actual, &expected, tolerance) {
            eprintln!("thunder-run: output '{name}' differs: {mismatch}");
            differs = true;
        }
    }
    Ok(ExitCode::from(if differs { 2 } else { 0 }))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::{Arguments, load};

    #[test]
    fn without_the_compiler_a_module_is_refused() {
        let arguments = Arguments::parse_from(["thunder-run", "model.mlir"]);
        let error = load(&arguments, None).err().expect("there is nothing to compile it");
        let message = "'model.mlir' is no .thb artifact, and this build has no compiler for anything else";
        assert_eq!(error.to_string(), message);
    }
}
