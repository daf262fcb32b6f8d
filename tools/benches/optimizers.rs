//! Steps of optimizers over many parameters: gradients are clipped by their norm, and parameters and moments updated in
//! place, in one program.
//!
//! `cargo bench -p thunder-tools --bench optimizers`. Beside each time is its floor: how long a copy takes that moves as
//! many bytes, in the same run. With `--python`, an interpreter that has torch, its optimizers are measured as well.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use thunder_ir::Module;
use thunder_lowering::{Compiled, Options, compile_jit, context};
use thunder_runtime::session::{self, Session};
use thunder_tensor::{Random, Tensor as HostTensor};
use thunder_trace::optim::{AdamW, Gradient, Gradients, Lion, Optimizer, Sgd};
use thunder_trace::{DType, Spec, Tracer};

/// Prints how long steps of optimizers take.
#[derive(Parser)]
struct Arguments {
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Seconds that each is measured.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// An interpreter that has torch.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Only what has one of these in its name.
    filter: Vec<String>,
    /// Cargo passes it to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// An optimizer, and how often an element is read or written: by the norm, then by the step.
struct Kind {
    name: &'static str,
    optimizer: Box<dyn Optimizer>,
    passes: usize,
}

/// The gradient twice; parameter and moments there and back.
fn kinds() -> Vec<Kind> {
    let sgd = Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 };
    vec![
        Kind { name: "adamw", optimizer: Box::new(AdamW::default()), passes: 8 },
        Kind { name: "sgd", optimizer: Box::new(sgd), passes: 6 },
        Kind { name: "lion", optimizer: Box::new(Lion::default()), passes: 6 },
    ]
}

/// A list of shapes, a hundred of them but for one.
fn shapes() -> Vec<(&'static str, Vec<Vec<i64>>)> {
    // As of layers: a matrix, its bias, a norm's weights, and a matrix that is not square.
    let layer = |i: i64| vec![vec![256, 256], vec![256], vec![160 + 16 * i], vec![512 - i, 250]];
    let tiny = |i: i64| if i % 2 == 0 { vec![1 + i % 7] } else { vec![1 + i % 5, 3] };
    vec![
        ("one of 5M", vec![vec![2048, 2441]]),
        ("100 of 5M", (0..25).flat_map(layer).collect()),
        ("100 tiny", (0..100).map(tiny).collect()),
    ]
}

fn elements(shapes: &[Vec<i64>]) -> usize {
    shapes.iter().map(|shape| shape.iter().product::<i64>() as usize).sum()
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let head = if arguments.python.is_some() { "  torch fused, foreach, us" } else { "" };
    println!("{:<20}{:>10}{:>12}{:>12}{:>8}{head}", "", "elements", "us", "copy, us", "ratio");
    for (set, shapes) in shapes() {
        for kind in kinds() {
            let name = format!("{} {set}", kind.name);
            if !arguments.filter.is_empty() && !arguments.filter.iter().any(|part| name.contains(part.as_str())) {
                continue;
            }
            let elements = elements(&shapes);
            let step = step(&kind, &shapes, &arguments)?;
            let copy = copy(elements * kind.passes / 2, &arguments)?;
            let torch = arguments.python.as_ref().map(|python| torch(python, kind.name, &shapes, &arguments));
            let torch = torch.transpose()?.unwrap_or_default();
            println!("{name:<20}{elements:>10}{step:>12.1}{copy:>12.1}{:>8.2}{torch}", step / copy);
        }
    }
    Ok(())
}

/// The median time of a step, in microseconds.
fn step(kind: &Kind, shapes: &[Vec<i64>], arguments: &Arguments) -> Result<f64> {
    let context = context();
    let tracer = Tracer::new(&context);
    let gradients: Vec<Spec> = shapes.iter().map(|shape| Spec::new(DType::F32, shape.clone())).collect();
    tracer.function("main", (gradients, Spec::new(DType::F32, [0; 0])), |cx, (gradients, rate)| {
        let one = |(i, gradient): (usize, _)| {
            let name = format!("p{i}");
            let parameter = cx.parameter(&name, DType::F32, shapes[i].clone());
            Gradient { name, parameter, gradient }
        };
        let gradients = Gradients(gradients.into_iter().enumerate().map(one).collect());
        let (gradients, norm) = gradients.clip_norm(1.0);
        kind.optimizer.update(cx.at("optimizer"), &gradients, rate);
        norm
    })?;
    let compiled = compile_jit(&mut tracer.finish(), &Options::default())?;
    let mut random = Random::new(0);
    let mut inputs: Vec<HostTensor> = shapes.iter().map(|shape| normal(&mut random, shape)).collect();
    inputs.push(HostTensor::scalar(1e-4f32));
    let weights = (0..shapes.len()).map(|i| (format!("p{i}"), normal(&mut random, &shapes[i]))).collect();
    median_us(&session(&compiled, &weights, arguments)?, &inputs, arguments)
}

/// The median time in which so many elements are read and written elsewhere.
fn copy(elements: usize, arguments: &Arguments) -> Result<f64> {
    let context = context();
    let ty = format!("tensor<{elements}xf32>");
    let text = format!("func.func @main(%x: {ty}) -> {ty} {{\n%y = thunder.abs %x : {ty}\nreturn %y : {ty}\n}}");
    let mut module = Module::parse(&context, "copy", text.as_bytes())?;
    let compiled = compile_jit(&mut module, &Options::default())?;
    let inputs = [normal(&mut Random::new(0), &[elements as i64])];
    median_us(&session(&compiled, &BTreeMap::new(), arguments)?, &inputs, arguments)
}

fn normal(random: &mut Random, shape: &[i64]) -> HostTensor {
    random.normal(DType::F32, shape.iter().map(|size| *size as usize).collect::<Vec<_>>(), 0.0, 0.02)
}

fn session(compiled: &Compiled, weights: &BTreeMap<String, HostTensor>, arguments: &Arguments) -> Result<Session> {
    Ok(compiled.session(weights, session::Options::with_threads(arguments.threads))?)
}

fn median_us(session: &Session, inputs: &[HostTensor], arguments: &Arguments) -> Result<f64> {
    let mut outputs = session.run(inputs)?;
    let mut times = Vec::new();
    let end = Instant::now() + Duration::from_secs_f64(arguments.seconds);
    while times.len() < 5 || Instant::now() < end {
        let start = Instant::now();
        session.run_into(inputs, &mut outputs)?;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

/// The median times of torch's forms of the optimizer, as text.
fn torch(python: &Path, name: &str, shapes: &[Vec<i64>], arguments: &Arguments) -> Result<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/optimizers.py");
    let shape = |shape: &Vec<i64>| shape.iter().map(i64::to_string).collect::<Vec<_>>().join("x");
    let output = Command::new(python)
        .arg(script)
        .args([name, &arguments.threads.to_string(), &arguments.seconds.to_string()])
        .args(shapes.iter().map(shape))
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", python.display()))?;
    ensure!(output.status.success(), "torch's optimizers failed");
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.split_whitespace().map(|time| format!("{time:>12}")).collect())
}
