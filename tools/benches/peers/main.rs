//! Kernels, training and a model on this processor, beside what else a user could run: PyTorch, torch.compile, XLA; ONNX Runtime
//! and OpenVINO. Two threads each, one after the other in turns, in one go; medians.
//!
//! `cargo xtask bench peers [ARGUMENTS]` sets the peers up. Without `--python`, only our own times are printed.

mod cases;
mod ours;
mod peer;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;

use cases::{Case, Kind, Work, cases};
use ours::Ours;
use peer::Peer;

/// Compares our times with those of peers.
#[derive(Parser)]
struct Arguments {
    /// The interpreter that has the peers; tools/peers/requirements.txt lists them.
    #[arg(long)]
    python: Option<PathBuf>,
    /// The folder with MiniLM's weights and tokenizer; without it, MiniLM is left out.
    #[arg(long)]
    minilm: Option<PathBuf>,
    /// Threads of each.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Seconds that a turn takes.
    #[arg(long, default_value_t = 0.4)]
    seconds: f64,
    /// Turns of each at each case, of whose medians the median counts.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only cases whose names contain one of these.
    filter: Vec<String>,
    /// Cargo passes it to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

const KERNEL_PEERS: [&str; 3] = ["torch", "torch.compile", "xla"];
const MODEL_PEERS: [&str; 3] = ["torch", "onnxruntime", "openvino"];

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let selected = |case: &Case| {
        arguments.filter.is_empty() || arguments.filter.iter().any(|part| case.to_string().contains(part.as_str()))
    };
    let of = |kind| cases().into_iter().filter(|case| case.kind() == kind && selected(case)).collect::<Vec<_>>();
    let (kernels, training, model) = (of(Kind::Kernel), of(Kind::Training), of(Kind::MiniLm));
    let threads = arguments.threads;
    table(&arguments, &kernels, &KERNEL_PEERS, &["kernels.py"], |case| Ours::kernel(case, threads))?;
    table(&arguments, &training, &KERNEL_PEERS, &["training.py"], |case| Ours::training(case, threads))?;
    if let (false, Some(folder)) = (model.is_empty(), &arguments.minilm) {
        let path = folder.to_str().context("the model's path is not UTF-8")?;
        let model_of = Ours::minilm(folder, threads)?;
        table(&arguments, &model, &MODEL_PEERS, &["minilm.py", path], |case| model_of.sized(case))?;
    }
    Ok(())
}

/// Measures cases and prints them, a line each. `script` is the peers' and its last arguments.
fn table(
    arguments: &Arguments,
    cases: &[Case],
    names: &[&str],
    script: &[&str],
    ours: impl Fn(&Case) -> Result<Ours>,
) -> Result<()> {
    let Some(python) = cases.first().and(arguments.python.as_ref()) else {
        for case in cases {
            let time = median(turns(arguments.rounds, || ours(case)?.median_us(arguments.seconds))?);
            println!("{:32}{}  {}", case.to_string(), cell(time), rate(&case.work, time));
        }
        return Ok(());
    };
    let mut peers = Vec::new();
    for name in names {
        peers.push(Peer::start(python, script, name, arguments.threads)?);
    }
    let heads: String = names.iter().map(|name| format!("{name:>14}")).collect();
    println!("{:32}{:>12}{heads}   ours / fastest peer", "median, us", "ours");
    let mut copy = None;
    for case in cases {
        let mut own = ours(case)?;
        let mut times = vec![Vec::new(); peers.len() + 1];
        for round in 0..arguments.rounds {
            times[0].push(own.median_us(arguments.seconds)?);
            // Who cannot do a case has said so in the first round.
            let able = peers.iter_mut().zip(&mut times[1..]).filter(|(_, times)| round == 0 || !times.is_empty());
            for (peer, times) in able {
                times.extend(peer.median_us(case, arguments.seconds)?);
            }
        }
        let times: Vec<Option<f64>> = times.into_iter().map(|t| (!t.is_empty()).then(|| median(t))).collect();
        let own = times[0].context("each case has a turn")?;
        let best = times[1..].iter().flatten().copied().reduce(f64::min);
        if case.name == "copy" {
            copy = Some(best.unwrap_or(own).min(own));
        }
        let cells: String = times[1..]
            .iter()
            .map(|time| time.map_or_else(|| format!("{:>14}", "-"), |t| format!("  {}", cell(t))))
            .collect();
        let ratio = best.map_or_else(String::new, |best| format!("{:.2}", own / best));
        let mut notes = rate(&case.work, own);
        if let (Work::Bytes(bytes), Some(copy)) = (&case.work, copy) {
            let (copied, own) = (cases::COPY_BYTES / copy, bytes / own);
            notes += &format!(", {:.2} of a copy's time", copied / own);
        }
        println!("{:32}{}{cells}   {ratio:>6}  {notes}", case.to_string(), cell(own));
    }
    println!();
    Ok(())
}

fn turns(count: usize, mut turn: impl FnMut() -> Result<f64>) -> Result<Vec<f64>> {
    (0..count).map(|_| turn()).collect()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn cell(us: f64) -> String {
    format!("{us:12.1}")
}

fn rate(work: &Work, us: f64) -> String {
    match work {
        Work::Flops(flops) => format!("{:.0} GFLOP/s", flops / us / 1e3),
        Work::Bytes(bytes) => format!("{:.1} GB/s", bytes / us / 1e3),
    }
}
