//! Feeds mutated programs to everything that reads and rewrites our ops, and keeps what breaks it.
//!
//! `cargo run --release -p thunder-tools --example fuzz_opt -- --seconds 600 --seed 1`, or under AddressSanitizer
//! `cargo xtask fuzz --seconds 600 --seed 1`.
//!
//! Seeds are the samples of all ops and the lit tests, each also in generic form. Workers run in processes of their own,
//! so that a crash or a hang is a finding like any other: it is made as small as possible and written to a file.
//! The exit code is 1 if there is any.

mod judge;
mod minimize;
mod mutate;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use judge::{Judge, Verdict};
use mutate::Mutator;

/// Feeds mutated programs to the tools and keeps what breaks them.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    hunt: Hunt,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Args, Clone)]
struct Hunt {
    /// How long to look.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Where the random numbers start; equal seeds make equal programs.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder whose `.mlir` files are seeds too.
    #[arg(long, default_value = "tests/lit")]
    corpus: PathBuf,
    /// Folder for what was found.
    #[arg(long, default_value = "target/fuzz_opt")]
    findings: PathBuf,
    /// How many programs a process tries before the next takes over.
    #[arg(long, default_value_t = 2000)]
    batch: u64,
    /// How much memory a process may address, in MiB; 0 is without limit.
    #[arg(long, default_value_t = 4096)]
    memory: u64,
}

/// What the processes that do the work are told; not for people.
#[derive(Subcommand)]
enum Role {
    /// Tries a batch of programs, each of which is first written to a file.
    #[command(hide = true)]
    Work {
        #[arg(long)]
        from: u64,
        #[arg(long)]
        current: PathBuf,
        #[command(flatten)]
        hunt: Hunt,
    },
    /// Judges one file: exit code 0, or 3 with what is wrong with it.
    Judge {
        /// The program.
        file: PathBuf,
    },
}

/// The exit code of a process that found a fault without crashing.
const FAULT: u8 = 3;
/// How long one program may take.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    match arguments.role {
        None => hunt(&arguments.hunt),
        Some(Role::Work { from, current, hunt }) => work(&hunt, from, &current),
        Some(Role::Judge { file }) => {
            let source = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            Ok(report(Judge::new().judge(&source)))
        }
    }
}

fn report(verdict: Verdict) -> ExitCode {
    match verdict {
        Verdict::Valid | Verdict::Refused => ExitCode::SUCCESS,
        Verdict::Fault(fault) => {
            eprintln!("{fault}");
            ExitCode::from(FAULT)
        }
    }
}

/// Starts workers until the time is over, and keeps one small program per kind of fault.
fn hunt(hunt: &Hunt) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&hunt.findings)?;
    let current = hunt.findings.join("current.mlir");
    let log = hunt.findings.join("current.log");
    let end = Instant::now() + Duration::from_secs(hunt.seconds);
    let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
    let (mut tried, mut valid, mut from) = (0, 0, hunt.seed);
    while Instant::now() < end {
        let mut worker = Command::new(std::env::current_exe()?)
            .args(["work", "--from", &from.to_string(), "--batch", &hunt.batch.to_string()])
            .args(["--memory", &hunt.memory.to_string()])
            .arg("--corpus")
            .arg(&hunt.corpus)
            .arg("--current")
            .arg(&current)
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log)?)
            .spawn()?;
        let status = patient(&mut worker, &current, Some(end))?;
        let mut counts = String::new();
        worker.stdout.take().context("stdout is piped")?.read_to_string(&mut counts)?;
        let (done, good) = last_counts(&counts);
        (tried, valid, from) = (tried + done, valid + good, from + done.max(1));
        if let Some(fault) = fault_of(status, &std::fs::read_to_string(&log)?) {
            let program = std::fs::read(&current).with_context(|| format!("the worker does not start: {fault}"))?;
            keep(hunt, &mut found, fault, &program)?;
        }
        eprintln!("{tried} programs, {valid} of them valid, {} kinds of fault", found.len());
    }
    for (fault, path) in &found {
        println!("{}: {fault}", path.display());
    }
    println!("{tried} programs, {valid} of them valid, {} kinds of fault", found.len());
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Makes the program small and writes it down, unless its kind is known.
fn keep(hunt: &Hunt, found: &mut BTreeMap<String, PathBuf>, fault: String, program: &[u8]) -> anyhow::Result<()> {
    if found.contains_key(&fault) {
        return Ok(());
    }
    let path = hunt.findings.join(format!("fault-{}-{}.mlir", hunt.seed, found.len()));
    let scratch = hunt.findings.join("smaller.mlir");
    let small =
        minimize::smallest(program, |candidate| Ok(judged(hunt, &scratch, candidate)?.as_ref() == Some(&fault)))?;
    let comment: String = fault.lines().map(|line| format!("// {line}\n")).collect();
    std::fs::write(&path, [comment.as_bytes(), &small].concat())?;
    eprintln!("found {}: {fault}", path.display());
    found.insert(fault, path);
    Ok(())
}

/// The fault of one program, tried in a process of its own.
fn judged(hunt: &Hunt, scratch: &Path, program: &[u8]) -> anyhow::Result<Option<String>> {
    std::fs::write(scratch, program)?;
    let log = hunt.findings.join("smaller.log");
    let mut child = Command::new(std::env::current_exe()?)
        .arg("judge")
        .arg(scratch)
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log)?)
        .spawn()?;
    let status = patient(&mut child, scratch, None)?;
    Ok(fault_of(status, &std::fs::read_to_string(&log)?))
}

/// How a process ended, or `None` where it had to be stopped because it made no progress.
fn patient(child: &mut Child, current: &Path, end: Option<Instant>) -> anyhow::Result<Ended> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Ended::Status(status));
        }
        let written = std::fs::metadata(current).and_then(|m| m.modified()).ok();
        let idle = written.and_then(|at| at.elapsed().ok()).unwrap_or_default().min(start.elapsed());
        let over = end.is_some_and(|end| Instant::now() > end);
        if over || idle > PATIENCE {
            child.kill()?;
            child.wait()?;
            return Ok(if idle > PATIENCE { Ended::Hung } else { Ended::Over });
        }
        std::thread::sleep(Duration::from_millis(if end.is_some() { 50 } else { 2 }));
    }
}

enum Ended {
    Status(ExitStatus),
    Hung,
    Over,
}

/// What went wrong, in words that are the same for the same fault.
fn fault_of(ended: Ended, log: &str) -> Option<String> {
    let status = match ended {
        Ended::Over => return None,
        Ended::Hung => return Some(format!("hangs for more than {} s", PATIENCE.as_secs())),
        Ended::Status(status) => status,
    };
    // A sanitizer says last what it found.
    let summary = log.lines().find(|line| line.starts_with("SUMMARY: "));
    let words = summary.or_else(|| log.lines().find(|line| !line.trim().is_empty())).unwrap_or_default();
    let words: String = words.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).take(200).collect();
    match (status.signal(), status.code()) {
        (Some(signal), _) => Some(format!("signal {signal} {words}").trim().to_owned()),
        (_, Some(0)) => None,
        (_, Some(code)) if code == i32::from(FAULT) => Some(words),
        (_, code) => Some(format!("exit code {code:?} {words}").trim().to_owned()),
    }
}

/// Tries programs `from..from + batch` and says after each how many were tried and valid.
fn work(hunt: &Hunt, from: u64, current: &Path) -> anyhow::Result<ExitCode> {
    if hunt.memory > 0 {
        let limit = Some(hunt.memory << 20);
        let rlimit = rustix::process::Rlimit { current: limit, maximum: limit };
        rustix::process::setrlimit(rustix::process::Resource::As, rlimit).context("cannot limit the memory")?;
    }
    let mut judge = Judge::new();
    let mutator = Mutator::new(judge.seeds(&hunt.corpus)?);
    let (mut tried, mut valid) = (0, 0);
    for number in from..from + hunt.batch {
        let program = mutator.program(number);
        std::fs::write(current, &program)?;
        println!("{tried} {valid}");
        tried += 1;
        match judge.judge(program.as_bytes()) {
            Verdict::Valid => valid += 1,
            Verdict::Refused => {}
            fault @ Verdict::Fault(_) => {
                println!("{tried} {valid}");
                return Ok(report(fault));
            }
        }
    }
    println!("{tried} {valid}");
    Ok(ExitCode::SUCCESS)
}

fn last_counts(counts: &str) -> (u64, u64) {
    let complete = counts.rsplit_once('\n').map_or("", |(complete, _)| complete);
    let line = complete.lines().last().unwrap_or_default();
    let mut numbers = line.split(' ').map(|n| n.parse().unwrap_or_default());
    let (tried, valid) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    // The one that broke the worker is not counted by it.
    (tried + 1, valid)
}
