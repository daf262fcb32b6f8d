//! What every executor of a GPU must do, and what sessions do there, against the processor's results.
//!
//! `cargo run --release -p thunder-runtime --example gpu_conformance [-- --times]`
//!
//! Prints a line for each case; exit code 0 if all hold, 1 if not, or where there is no GPU.

mod library;
mod programs;
mod times;

use std::process::ExitCode;
use std::sync::Arc;

use thunder_runtime::cuda::Gpu;
use thunder_tensor::Tensor;

/// Whether a case holds, with its error if it is a comparison.
type Outcome = Result<Option<f64>, String>;

fn main() -> ExitCode {
    let gpu = match Gpu::open(0) {
        Ok(gpu) => gpu,
        Err(error) => {
            println!("gpu_conformance: {error}");
            return ExitCode::from(1);
        }
    };
    println!("{} ({})", gpu.name(), gpu.architecture());
    let mut cases = library::cases();
    cases.extend(programs::cases());
    let mut broken = 0;
    for (name, case) in &cases {
        match case(&gpu) {
            Ok(None) => println!("ok      {name}"),
            Ok(Some(error)) => println!("ok      {name}: relative error {error:.1e}"),
            Err(reason) => {
                broken += 1;
                println!("BROKEN  {name}: {reason}");
            }
        }
    }
    println!("{} cases, {broken} broken", cases.len());
    if std::env::args().any(|argument| argument == "--times") {
        times::print(&gpu);
    }
    ExitCode::from(u8::from(broken > 0))
}

/// A name and what to try.
type Case = (String, Box<dyn Fn(&Arc<Gpu>) -> Outcome>);

/// Distance of `actual` from `expected`, relative to the length of `expected`; fails above `most`, and for numbers that
/// were not written.
fn distance(actual: &Tensor, expected: &Tensor, most: f64) -> Result<f64, String> {
    let (actual, expected) = (actual.to_vec::<f64>(), expected.to_vec::<f64>());
    if actual.len() != expected.len() {
        return Err(format!("{} elements of {}", actual.len(), expected.len()));
    }
    let square = |sum: f64, x: f64| sum + x * x;
    let length = expected.iter().copied().fold(0.0, square).sqrt();
    let apart = actual.iter().zip(&expected).map(|(a, b)| a - b).fold(0.0, square).sqrt();
    let error = if length > 0.0 { apart / length } else { apart };
    if error <= most { Ok(error) } else { Err(format!("relative error {error:.2e}, at most {most:.0e}")) }
}
