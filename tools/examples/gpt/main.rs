//! A language model of characters: trained on this machine, then asked for text.
//!
//! Forward part, backward part, clipping and AdamW are one compiled program. What it leaves in its folder: a checkpoint
//! from which `--resume` goes on to the same losses, and the losses as numbers and as a picture.

mod curve;
mod progress;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use thunder_lowering::cuda::Arch;
use thunder_lowering::{Options, Target};
use thunder_models::gpt::GptConfig;
use thunder_models::gpt::generation::{Generator, Sampling};
use thunder_models::gpt::text::{SHAKESPEARE, Text};
use thunder_models::gpt::training::{Run, Trainer};
use thunder_runtime::cuda::Gpu;
use thunder_runtime::session;
use thunder_tensor::DType;

use curve::Curve;
use progress::Progress;

/// Train a language model of characters on plays by Shakespeare, then let it write.
#[derive(Debug, Parser)]
#[command(name = "gpt", args_override_self = true)]
struct Arguments {
    /// Steps to train.
    #[arg(long, default_value_t = 800)]
    steps: u64,
    /// Sequences in a batch.
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Tokens in a sequence.
    #[arg(long, default_value_t = 128)]
    context: usize,
    /// Elements of a hidden state.
    #[arg(long, default_value_t = 192)]
    width: i64,
    /// Layers.
    #[arg(long, default_value_t = 4)]
    layers: i64,
    /// Heads of attention.
    #[arg(long, default_value_t = 6)]
    heads: i64,
    /// Decides weights, batches and what is drawn.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A text to learn instead of Shakespeare's.
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Where the checkpoint and the losses go.
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../.cache/gpt"))]
    out: PathBuf,
    /// Steps between checkpoints.
    #[arg(long, default_value_t = 100)]
    save_every: u64,
    /// Go on from the checkpoint in the folder; its steps, batch, context, seed and precision count.
    #[arg(long)]
    resume: bool,
    /// Compute products in bf16; weights and sums stay in f32.
    #[arg(long)]
    bf16: bool,
    /// Fail where a loss is farther than 0.001, or in bf16 0.02, from that of a file with lines of step and loss.
    #[arg(long, value_name = "FILE")]
    follow: Option<PathBuf>,
    /// What the model goes on with after training.
    #[arg(long, default_value = "ROMEO:\n")]
    prompt: String,
    /// Characters that it writes.
    #[arg(long, default_value_t = 400)]
    length: usize,
    /// Below 1, likely characters become more likely; at 0, the likeliest is taken.
    #[arg(long, default_value_t = 0.8)]
    temperature: f64,
    /// How many of the likeliest characters are drawn from.
    #[arg(long, default_value_t = 20)]
    top_k: usize,
    /// Threads; all by default.
    #[arg(long)]
    threads: Option<usize>,
    /// Train and write on the first GPU.
    #[arg(long)]
    gpu: bool,
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
    let text = match &arguments.text {
        None => Text::new(SHAKESPEARE),
        Some(path) => Text::new(&std::fs::read_to_string(path).with_context(|| path.display().to_string())?),
    };
    let prompt = text.encode(&arguments.prompt).map_err(|c| anyhow::anyhow!("the text has no character {c:?}"))?;
    let (width, layers, heads) = (arguments.width, arguments.layers, arguments.heads);
    ensure!(heads > 0 && width > 0 && width % heads == 0, "a width of {width} does not divide into {heads} heads");
    ensure!(arguments.batch > 0 && arguments.context > 0, "a batch and its sequences have at least one element");
    let positions = arguments.context as i64;
    let config = GptConfig { positions, width, layers, heads, ..GptConfig::characters(text.vocabulary()) };
    let (mut compiling, mut running) = (Options::default(), session::Options::new());
    if let Some(threads) = arguments.threads {
        running = session::Options::with_threads(threads);
    }
    if arguments.gpu {
        let gpu = Gpu::open(0)?;
        compiling.target = Target::Cuda(Arch::newest_for(&gpu.architecture()).map_err(anyhow::Error::msg)?);
        running.gpu = Some(gpu);
    }
    std::fs::create_dir_all(&arguments.out).with_context(|| arguments.out.display().to_string())?;
    let mut trainer = trainer(arguments, &config, &text, &compiling, &running)?;
    let is_finished = train(arguments, &mut trainer)?;
    if !is_finished {
        println!("interrupted after step {}; `--resume` goes on", trainer.next_step());
        return Ok(());
    }
    let sampling = Sampling { temperature: arguments.temperature, top_k: arguments.top_k, seed: arguments.seed };
    let generator = Generator::new(&config, &trainer.weights()?, &compiling, &running)?;
    write(arguments, &text, &generator, &prompt, sampling)
}

fn trainer<'t>(
    arguments: &Arguments,
    config: &GptConfig,
    text: &'t Text,
    compiling: &Options,
    running: &session::Options,
) -> Result<Trainer<'t>> {
    let Arguments { seed, batch, context, steps, .. } = *arguments;
    let precision = if arguments.bf16 { DType::BF16 } else { DType::F32 };
    let run = Run { seed, batch, tokens: context, steps, precision };
    let trainer = match arguments.resume {
        true => Trainer::resume(config, text, &checkpoint(arguments), compiling, running.clone())?,
        false => Trainer::new(config, text, run, compiling, running.clone())?,
    };
    let parameters: usize = trainer.weights()?.values().map(|weight| weight.len()).sum();
    let time: Duration = trainer.times.iter().map(|(_, time)| *time).sum();
    println!(
        "{parameters} parameters, {} characters of text, training step compiled in {:.2} s",
        text.len(),
        time.as_secs_f64()
    );
    Ok(trainer)
}

fn checkpoint(arguments: &Arguments) -> PathBuf {
    arguments.out.join("checkpoint.safetensors")
}

/// Trains up to the last step; whether nobody interrupted it.
fn train(arguments: &Arguments, trainer: &mut Trainer<'_>) -> Result<bool> {
    let is_interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&is_interrupted);
    // A second interrupt ends the program at once.
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })?;
    let expected = arguments.follow.as_deref().map(Curve::read).transpose()?;
    let mut curve = match arguments.resume {
        true => Curve::read(&arguments.out.join("loss.csv"))?.before(trainer.next_step()),
        false => Curve::default(),
    };
    let run = *trainer.run();
    let progress = Progress::new(run.steps, trainer.next_step(), run.batch * run.tokens);
    while trainer.next_step() < run.steps && !is_interrupted.load(Ordering::Relaxed) {
        let report = trainer.step()?;
        ensure!(report.loss.is_finite(), "the loss of step {} is {}", report.step, report.loss);
        curve.push(report.step, report.loss);
        progress.show(&report);
        if let Some(expected) = expected.as_ref().and_then(|curve| curve.at(report.step)) {
            let (difference, largest) =
                ((report.loss - expected).abs(), if run.precision == DType::F32 { 1e-3 } else { 2e-2 });
            ensure!(difference <= largest, "step {}: the loss is {} instead of {expected}", report.step, report.loss);
        }
        if trainer.next_step().is_multiple_of(arguments.save_every.max(1)) {
            trainer.save(&checkpoint(arguments))?;
        }
    }
    progress.finish();
    trainer.save(&checkpoint(arguments))?;
    curve.write(&arguments.out)?;
    if let Some(expected) = expected {
        let Some(largest) = curve.largest_difference(&expected) else { bail!("there is no step to compare") };
        println!("no loss is farther than {largest:.1e} from those to follow");
    }
    // The folder's name may have `..` in it.
    let folder = arguments.out.canonicalize().unwrap_or_else(|_| arguments.out.clone());
    println!("losses: {}", folder.join("loss.svg").display());
    Ok(trainer.next_step() >= run.steps)
}

fn write(arguments: &Arguments, text: &Text, generator: &Generator, prompt: &[i64], sampling: Sampling) -> Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    write!(out, "\n{}", arguments.prompt)?;
    let (start, mut written, mut problem) = (Instant::now(), 0, None);
    generator.generate(prompt, sampling, |token| {
        if written >= arguments.length {
            return true;
        }
        written += 1;
        let character = text.decode(token).unwrap_or('?');
        problem = write!(out, "{character}").and_then(|()| out.flush()).err();
        problem.is_some()
    })?;
    if let Some(problem) = problem {
        return Err(problem.into());
    }
    writeln!(out, "\n\n{:.0} characters/s", written as f64 / start.elapsed().as_secs_f64())?;
    Ok(())
}
