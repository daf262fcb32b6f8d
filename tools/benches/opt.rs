//! `--canonicalize --cse` on one graph of many ops, in thunder's ops and in arith's and tosa's: time and peak memory of
//! thunder-opt beside those of mlir-opt, and their ratios.
//!
//! `cargo bench -p thunder-tools --bench opt -- --ops 100000 --runs 5`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;

/// Compares thunder-opt with mlir-opt on equal graphs.
#[derive(Parser)]
struct Arguments {
    /// How many ops the graph has.
    #[arg(long, default_value_t = 100_000)]
    ops: usize,
    /// How often each tool runs; the fastest run counts.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// The ratio of times, or of memory, above which the benchmark fails.
    #[arg(long)]
    limit: Option<f64>,
    /// Cargo passes it to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// One function of the graph in each dialect: thunder, arith or math, tosa.
const UNARY: [[&str; 3]; 3] = [
    ["thunder.exp", "math.exp", "tosa.exp"],
    ["thunder.abs", "math.absf", "tosa.abs"],
    ["thunder.floor", "math.floor", "tosa.floor"],
];
const BINARY: [[&str; 3]; 4] = [
    ["thunder.add", "arith.addf", "tosa.add"],
    ["thunder.sub", "arith.subf", "tosa.sub"],
    ["thunder.maximum", "arith.maximumf", "tosa.maximum"],
    ["thunder.minimum", "arith.minimumf", "tosa.minimum"],
];
const DIALECTS: [&str; 3] = ["thunder", "arith", "tosa"];

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let llvm = std::env::var_os("MLIR_SYS_220_PREFIX").unwrap_or_else(|| "/usr/lib/llvm-22".into());
    let mlir_opt = Path::new(&llvm).join("bin/mlir-opt");
    let thunder_opt = PathBuf::from(env!("CARGO_BIN_EXE_thunder-opt"));
    let folder = tempfile::tempdir()?;

    println!("start-up on an empty module, fastest of {}", 4 * arguments.runs);
    let empty = folder.path().join("empty.mlir");
    std::fs::write(&empty, "module {}\n")?;
    let ours = fastest(&thunder_opt, &empty, &[], 4 * arguments.runs)?;
    let theirs = fastest(&mlir_opt, &empty, &[], 4 * arguments.runs)?;
    println!("  thunder-opt  {ours}\n  mlir-opt     {theirs}\n");

    println!("{} ops, --canonicalize --cse, fastest of {}", arguments.ops, arguments.runs);
    let passes = ["--canonicalize", "--cse"];
    let mut runs = Vec::new();
    for (dialect, tool) in [(0, &thunder_opt), (1, &mlir_opt), (2, &mlir_opt)] {
        let file = folder.path().join(format!("{}.mlir", DIALECTS[dialect]));
        std::fs::write(&file, graph(arguments.ops, dialect))?;
        let run = fastest(tool, &file, &passes, arguments.runs)?;
        let name = tool.file_name().unwrap_or_default().to_string_lossy();
        println!("  {name:11}  {:7}  {run}", DIALECTS[dialect]);
        runs.push(run);
    }
    let mut worst: f64 = 0.0;
    for (run, dialect) in runs[1..].iter().zip(&DIALECTS[1..]) {
        let time = runs[0].time.as_secs_f64() / run.time.as_secs_f64();
        let memory = runs[0].peak as f64 / run.peak as f64;
        println!("  thunder / {dialect}: time {time:.2}x, memory {memory:.2}x");
        worst = worst.max(time).max(memory);
    }
    if let Some(limit) = arguments.limit {
        ensure!(worst <= limit, "a ratio is {worst:.2}, above the limit of {limit:.2}");
    }
    Ok(())
}

/// What a run of a tool took.
struct Run {
    time: Duration,
    /// The largest resident set seen, in bytes.
    peak: u64,
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:8.1} ms  {:7.1} MB", self.time.as_secs_f64() * 1e3, self.peak as f64 / 1e6)
    }
}

fn fastest(tool: &Path, file: &Path, flags: &[&str], runs: usize) -> anyhow::Result<Run> {
    let mut best: Option<Run> = None;
    for _ in 0..runs {
        let run = timed(tool, file, flags)?;
        let peak = best.as_ref().map_or(0, |best| best.peak).max(run.peak);
        let time = best.map_or(run.time, |best| best.time.min(run.time));
        best = Some(Run { time, peak });
    }
    best.context("at least one run is needed")
}

fn timed(tool: &Path, file: &Path, flags: &[&str]) -> anyhow::Result<Run> {
    let start = Instant::now();
    let mut child = Command::new(tool)
        .args(flags)
        .arg(file)
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot run {}", tool.display()))?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let outcome = loop {
        if let Some(outcome) = child.try_wait()? {
            break outcome;
        }
        // The kernel's high-water mark only grows, so the last look before the end is the one that counts.
        peak = peak.max(high_water_mark(&status).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(1));
    };
    ensure!(outcome.success(), "{} failed on {}", tool.display(), file.display());
    Ok(Run { time: start.elapsed(), peak })
}

fn high_water_mark(status: &str) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    let kilobytes = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?;
    Some(kilobytes.parse::<u64>().ok()? * 1024)
}

/// A function of `ops` ops: a chain with second operands from nearby. One op in ten repeats its predecessor, for CSE to
/// find, and one in twenty is dead.
fn graph(ops: usize, dialect: usize) -> String {
    let mut text = "func.func @graph(%0: tensor<8x8xf32>, %1: tensor<8x8xf32>) -> tensor<8x8xf32> {\n".to_owned();
    let mut random = 1u64;
    let mut draw = |below: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % below
    };
    let line = |text: &mut String, result: usize, op: &str, operands: &[usize]| {
        let operands: Vec<_> = operands.iter().map(|operand| format!("%{operand}")).collect();
        let operands = operands.join(", ");
        match (op.starts_with("tosa"), operands.contains(',')) {
            (false, _) => writeln!(text, "  %{result} = {op} {operands} : tensor<8x8xf32>"),
            (true, false) => {
                writeln!(text, "  %{result} = {op} {operands} : (tensor<8x8xf32>) -> tensor<8x8xf32>")
            }
            (true, true) => {
                writeln!(text, "  %{result} = {op} {operands} : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>")
            }
        }
        .expect("a string takes any text");
    };
    let (mut last, mut next) = (1, 2);
    while next < ops + 2 {
        let near = next - 1 - draw(next.min(32));
        // Two equal operands fold in some dialects and not in others.
        let near = if near == last { last - 1 } else { near };
        let op = BINARY[draw(BINARY.len())][dialect];
        match draw(20) {
            0 => line(&mut text, next, UNARY[draw(UNARY.len())][dialect], &[near]),
            1 | 2 if next + 2 < ops + 2 => {
                line(&mut text, next, op, &[last, near]);
                line(&mut text, next + 1, op, &[last, near]);
                line(&mut text, next + 2, BINARY[0][dialect], &[next, next + 1]);
                next += 2;
                last = next;
            }
            3..6 => {
                line(&mut text, next, UNARY[draw(UNARY.len())][dialect], &[last]);
                last = next;
            }
            _ => {
                line(&mut text, next, op, &[last, near]);
                last = next;
            }
        }
        next += 1;
    }
    writeln!(text, "  return %{last} : tensor<8x8xf32>\n}}").expect("a string takes any text");
    text
}
