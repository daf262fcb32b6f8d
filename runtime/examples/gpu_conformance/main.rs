//! What every executor of a GPU must do, and what sessions do there, against the processor's results.
//!
//! `cargo run --release -p thunder-runtime --example gpu_conformance [-- [PART] [--share I/N] [--times] [--nvtx LIBRARY]]`
//!
//! Prints a line for each case whose name has `PART`, which is none for `none`; exit code 0 if all hold, 1 if not, or where
//! there is no GPU. With `--share 0/8` it takes each eighth of these from the first on, so that eight processes, `0/8` to
//! `7/8`, share them. With `--nvtx`, a profiler's library is told of steps, as Nsight Systems names it in
//! `NVTX_INJECTION64_PATH`.

mod attention;
mod fused;
mod hopper;
mod library;
mod products;
mod programs;
mod rotated;
mod scaled;
mod times;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use thunder_runtime::cuda::cublaslt::CublasLt;
use thunder_runtime::cuda::executor::Executor as _;
use thunder_runtime::cuda::flash::Flash;
use thunder_runtime::cuda::mma::{Hopper, Mma};
use thunder_runtime::cuda::{Gpu, Settings};
use thunder_tensor::Tensor;

/// Whether a case holds, with its error if it is a comparison.
type Outcome = Result<Option<f64>, String>;

fn main() -> ExitCode {
    let (mut part, mut times, mut settings) = (String::new(), false, Settings::default());
    let (mut first, mut processes) = (0, 1);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--times" => times = true,
            "--share" => {
                let share = arguments.next().unwrap_or_default();
                let numbers = share.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
                let Some(numbers) = numbers.filter(|(i, n)| i < n) else {
                    println!("gpu_conformance: '{share}' is no share such as 0/8");
                    return ExitCode::from(1);
                };
                (first, processes) = numbers;
            }
            "--nvtx" => settings.nvtx = arguments.next().map(PathBuf::from),
            _ => part = argument,
        }
    }
    let open = || -> Result<_, String> {
        let gpu = Gpu::with_settings(0, settings.clone()).map_err(|error| error.to_string())?;
        let hopper = products::alone(settings.clone(), Hopper { always: true })?;
        let flash = products::alone(settings.clone(), Flash)?;
        let cublaslt = products::alone(settings.clone(), CublasLt::default())?;
        Ok((gpu, products::alone(settings.clone(), Mma)?, hopper, flash, cublaslt))
    };
    let (gpu, alone, hopper, flash, cublaslt) = match open() {
        Ok(opened) => opened,
        Err(error) => {
            println!("gpu_conformance: {error}");
            return ExitCode::from(1);
        }
    };
    println!("{} ({})", gpu.name(), gpu.architecture());
    let mut cases = library::cases(&alone);
    cases.extend(attention::cases(&flash));
    cases.extend(products::cases(&alone));
    cases.extend(scaled::cases(&alone));
    let hopper = (gpu.architecture() == hopper::ARCHITECTURE).then_some(hopper);
    cases.extend(hopper.iter().flat_map(hopper::cases));
    cases.extend(hopper.iter().flat_map(fused::cases));
    cases.extend(hopper.iter().flat_map(rotated::cases));
    if CublasLt::default().is_installed() {
        cases.extend(fused::known_cases(&cublaslt));
    }
    cases.extend(programs::cases());
    cases.retain(|(name, _)| name.contains(&part));
    let cases: Vec<Case> = cases.into_iter().skip(first).step_by(processes).collect();
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
    if times {
        times::print(&gpu, &alone, hopper.as_ref(), &flash, &cublaslt);
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
