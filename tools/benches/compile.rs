//! From code to runnable: how long Llama's forward and backward part takes to compile, by phase and number of layers.
//!
//! `cargo bench -p thunder-tools --bench compile`. Width 256, 4 heads, 512 inside the feed-forward part, one sequence of
//! 64 tokens, gradients of the mean square by all weights.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use thunder_lowering::{Compiled, Options, compile_jit, context};
use thunder_models::llama::{Llama, LlamaConfig, Rotary};
use thunder_passes::autodiff::{Mode, value_and_grad};
use thunder_runtime::session;
use thunder_tensor::Tensor as HostTensor;
use thunder_trace::{DType, Spec, Tracer};

/// Prints how long a Llama takes to compile.
#[derive(Parser)]
struct Arguments {
    /// Numbers of layers.
    #[arg(default_values_t = [2, 8, 32, 128])]
    layers: Vec<i64>,
    /// Compilations of each, of which the fastest counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Cargo passes it to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

const TOKENS: i64 = 64;

fn main() -> Result<()> {
    let Arguments { layers, rounds, .. } = Arguments::parse();
    let mut heads = None;
    for layers in layers {
        let runs = (0..rounds.max(1)).map(|_| times(layers)).collect::<Result<Vec<_>>>()?;
        let total = |times: &Vec<(&str, Duration)>| times.iter().map(|(_, time)| *time).sum::<Duration>();
        let Some(best) = runs.into_iter().min_by_key(total) else { continue };
        heads.get_or_insert_with(|| {
            let names: String = best.iter().map(|(name, _)| format!("{name:>11}")).collect();
            println!("{:>6}{names}{:>11}{:>11}", "layers", "total", "per layer");
        });
        let cell = |time: Duration| format!("{:8.1} ms", time.as_secs_f64() * 1e3);
        let cells: String = best.iter().map(|(_, time)| cell(*time)).collect();
        println!("{layers:>6}{cells}{}{}", cell(total(&best)), cell(total(&best) / layers as u32));
    }
    Ok(())
}

/// How long each phase takes, from the model's code to a session.
fn times(layers: i64) -> Result<Vec<(&'static str, Duration)>> {
    let config = LlamaConfig { layers, width: 256, heads: 4, intermediate: 512, eps: 1e-5 };
    let mut times = Vec::new();
    let mut clock = Instant::now();
    let mut lap =
        |times: &mut Vec<_>, name| times.push((name, std::mem::replace(&mut clock, Instant::now()).elapsed()));
    let context = context();
    lap(&mut times, "context");
    let tracer = Tracer::new(&context);
    let inputs = (Spec::new(DType::F32, [1, TOKENS, config.width]), Rotary::of(DType::F32, TOKENS, &config));
    tracer.function("main", inputs, |scope, (x, rotary)| {
        let y = Llama::new(scope, &config).forward(x, &rotary);
        (y * y).mean(..)
    })?;
    let mut module = tracer.finish();
    lap(&mut times, "trace");
    let parameters: Vec<usize> = (3..3 + 9 * layers as usize).collect();
    value_and_grad(module.operation(), "main", &parameters)?;
    lap(&mut times, "autodiff");
    let options = Options { entry: Mode::ValueAndGrad.function("main"), ..Options::default() };
    let compiled = compile_jit(&mut module, &options)?;
    times.extend(&compiled.times);
    let weights = weights(&compiled);
    lap(&mut Vec::new(), "compiled");
    compiled.session(&weights, session::Options::with_threads(2))?;
    lap(&mut times, "session");
    Ok(times)
}

/// Weights of zeros.
fn weights(compiled: &Compiled) -> BTreeMap<String, HostTensor> {
    compiled.artifact.parameters().into_iter().map(|p| (p.name, HostTensor::zeros(p.dtype, p.shape))).collect()
}
