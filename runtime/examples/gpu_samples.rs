//! Runs many small programs on a GPU, each once.
//!
//! `gpu_samples PROGRAMS RESULTS [PART PARTS]` runs each `STEM.thb` of the folder `PROGRAMS` on the tensors `0`, `1`, ...
//! of `STEM.inputs` with the weights of `STEM.weights`, where `NAME.pairs` are complex numbers, and writes what comes
//! of it to `RESULTS`: `STEM.outputs`, or `STEM.error` with the reason. Without `PART` it starts a process for each two
//! processors, of which each takes a part of the programs.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use thunder_runtime::artifact::Artifact;
use thunder_runtime::cuda::Gpu;
use thunder_runtime::session::{Options, Session};
use thunder_tensor::{SafeTensors, Tensor, write_safetensors};

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match &arguments[..] {
        [programs, results] => share(programs, results),
        [programs, results, part, parts] => match (part.parse(), parts.parse()) {
            (Ok(part), Ok(parts)) => run_all(Path::new(programs), Path::new(results), part, parts),
            _ => Err("PART and PARTS are numbers".into()),
        },
        _ => Err("usage: gpu_samples PROGRAMS RESULTS [PART PARTS]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gpu_samples: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all programs, by processes of which each has its part.
fn share(programs: &str, results: &str) -> Result {
    let parts = std::thread::available_parallelism()?.get().div_ceil(2);
    let this = std::env::current_exe()?;
    let start =
        |part: usize| Command::new(&this).args([programs, results, &part.to_string(), &parts.to_string()]).spawn();
    let started = (0..parts).map(start).collect::<std::io::Result<Vec<_>>>()?;
    for mut process in started {
        if !process.wait()?.success() {
            return Err("a process failed".into());
        }
    }
    Ok(())
}

fn run_all(programs: &Path, results: &Path, part: usize, parts: usize) -> Result {
    std::fs::create_dir_all(results)?;
    let mut paths = std::fs::read_dir(programs)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "thb"));
    paths.sort();
    let mut gpu = Gpu::open(0)?;
    let (mut done, mut failed) = (0, 0);
    for program in paths.iter().skip(part).step_by(parts.max(1)) {
        let stem = results.join(program.file_stem().ok_or("a file has a name")?);
        done += 1;
        if let Err(error) = run(program, &gpu, &stem.with_added_extension("outputs")) {
            failed += 1;
            std::fs::write(stem.with_added_extension("error"), error.to_string())?;
            // After an error of a kernel's the device does nothing more for its context.
            if gpu.synchronize().is_err() {
                gpu = Gpu::open(0)?;
            }
        }
    }
    println!("{done} programs, {failed} failed");
    Ok(())
}

fn run(program: &Path, gpu: &Arc<Gpu>, outputs: &Path) -> Result {
    let artifact = Artifact::open(program)?;
    let weights = SafeTensors::open(program.with_extension("weights"))?;
    let weights = given(&weights)?;
    let given = given(&SafeTensors::open(program.with_extension("inputs"))?)?;
    let input = |place: usize| given.get(&place.to_string()).cloned().ok_or("an input is missing");
    let mut inputs = (0..given.len()).map(input).collect::<Result<Vec<_>, _>>()?;
    let options = Options { gpu: Some(Arc::clone(gpu)), ..Options::with_threads(1) };
    let session = Session::prepare_with(&artifact, &weights, None, options)?;
    let made = session.run_in_place(&mut inputs)?;
    let made: Vec<Tensor> = made.iter().map(Tensor::as_pairs).collect();
    let names: Vec<String> = (0..made.len()).map(|i| i.to_string()).collect();
    Ok(write_safetensors(outputs, names.iter().map(String::as_str).zip(&made))?)
}

/// All tensors of a file by name, of which some are pairs for complex numbers.
fn given(file: &SafeTensors) -> Result<BTreeMap<String, Tensor>> {
    let tensor = |(name, tensor): (String, Tensor)| match name.strip_suffix(".pairs") {
        Some(name) => Ok((name.to_owned(), tensor.of_pairs()?)),
        None => Ok((name, tensor)),
    };
    file.tensors().map(|entry| tensor(entry?)).collect()
}
