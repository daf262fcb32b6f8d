//! Sentence embeddings: all-MiniLM-L6-v2, compiled and run on this machine.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use thunder_models::minilm::MiniLm;
use thunder_runtime::session::Options;

/// Embed sentences with all-MiniLM-L6-v2, and print how alike they are.
#[derive(Debug, Parser)]
#[command(name = "minilm")]
struct Arguments {
    /// The sentences.
    #[arg(required = true)]
    texts: Vec<String>,
    /// Print one line of JSON for each sentence, with its embedding, and nothing else.
    #[arg(long)]
    json: bool,
    /// The folder with model.safetensors and tokenizer.json.
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../.cache/minilm"))]
    model: PathBuf,
    /// Threads; all by default.
    #[arg(long)]
    threads: Option<usize>,
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
    anyhow::ensure!(
        arguments.model.is_dir(),
        "there is no folder {}: `cargo xtask demo` fetches the model",
        arguments.model.display()
    );
    let options = arguments.threads.map_or_else(Options::new, Options::with_threads);
    let model = with_progress("compiling all-MiniLM-L6-v2", || MiniLm::load(&arguments.model, options))?;
    let texts: Vec<&str> = arguments.texts.iter().map(String::as_str).collect();
    let embeddings = with_progress("embedding", || model.embed(&texts))?;
    if arguments.json {
        for (text, embedding) in texts.iter().zip(&embeddings) {
            println!("{}", serde_json::json!({ "text": text, "embedding": embedding }));
        }
        return Ok(());
    }
    print_similarities(&texts, &embeddings);
    print_times(&model, &texts)
}

/// The cosine of each pair, which is the dot product of vectors of length 1.
fn print_similarities(texts: &[&str], embeddings: &[Vec<f32>]) {
    for (row, (text, a)) in texts.iter().zip(embeddings).enumerate() {
        let dot = |b: &Vec<f32>| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        let cells: Vec<String> = embeddings.iter().map(|b| format!("{:6.3}", dot(b))).collect();
        println!("{:>3} {}  {text}", row + 1, cells.join(" "));
    }
}

fn print_times(model: &MiniLm, texts: &[&str]) -> Result<()> {
    let phases: Vec<String> =
        model.times.iter().map(|(name, time)| format!("{name} {}", milliseconds(*time))).collect();
    let total: Duration = model.times.iter().map(|(_, time)| *time).sum();
    println!("\ncompiled in {} ({})", milliseconds(total), phases.join(", "));
    let batch = model.tokenize(texts)?;
    let shape = batch.ids.shape().to_vec();
    let latency = median(20, || model.run(batch.clone()).map(drop))?;
    println!("{} sentences of {} tokens in {}", shape[0], shape[1], milliseconds(latency));
    Ok(())
}

fn median<E>(count: usize, mut body: impl FnMut() -> Result<(), E>) -> Result<Duration, E> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        body()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times[count / 2])
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// Runs `body`; on a terminal, says so on stderr while it takes longer than a second.
fn with_progress<T>(what: &'static str, body: impl FnOnce() -> T) -> T {
    let (done, waiting) = std::sync::mpsc::channel::<()>();
    let reporter = std::thread::spawn(move || {
        if waiting.recv_timeout(Duration::from_secs(1)) != Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            return;
        }
        let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}").expect("the template is valid");
        let bar = ProgressBar::new_spinner().with_style(style).with_message(what);
        while waiting.recv_timeout(Duration::from_millis(100)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            bar.tick();
        }
        bar.finish_and_clear();
    });
    let value = body();
    drop(done);
    reporter.join().expect("showing progress does not panic");
    value
}
