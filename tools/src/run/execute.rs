//! Runs a session as often as asked, and measures: on the processor by the clock, on a GPU by its own, on tensors that
//! stay there.

use std::time::{Duration, Instant};

use anyhow::Result;
use thunder_runtime::cuda::{DeviceTensor, Gpu, Stopwatch};
use thunder_runtime::session::{Session, StepTime};
use thunder_tensor::Tensor;

use std::sync::Arc;

/// Runs on a GPU between two looks at its clock: they follow each other as they do where a program is used, and what it
/// takes to start one is no part of another.
const ROUND: u32 = 20;

/// What came of the runs.
pub struct Runs {
    pub outputs: Vec<Tensor>,
    /// The median of the runs; on a GPU, of the means of rounds of runs, without the first run if there are others.
    pub time: Duration,
    /// What each step of the last run took, if it was profiled.
    pub steps: Option<Vec<StepTime>>,
}

/// Runs `session` so many times, at least once; inputs that the program updates are changed. The last run is profiled if
/// that is asked for.
pub fn execute(session: &Session, inputs: &mut [Tensor], repeat: u32, profile: bool) -> Result<Runs> {
    let plain = repeat - u32::from(profile);
    let (mut outputs, mut times) = match session.gpu() {
        _ if plain == 0 => (Vec::new(), Vec::new()),
        Some(gpu) => on_gpu(session, gpu, inputs, plain)?,
        None => on_processor(session, inputs, plain)?,
    };
    let mut steps = None;
    if profile {
        let start = Instant::now();
        let (made, profiled) = session.profile(inputs)?;
        (outputs, steps) = (made, Some(profiled));
        if times.is_empty() {
            times.push(start.elapsed());
        }
    }
    times.sort_unstable();
    Ok(Runs { outputs, time: times[times.len() / 2], steps })
}

fn on_processor(session: &Session, inputs: &mut [Tensor], repeat: u32) -> Result<(Vec<Tensor>, Vec<Duration>)> {
    let start = Instant::now();
    let mut outputs = session.run_in_place(inputs)?;
    let mut times = vec![start.elapsed()];
    for _ in 1..repeat {
        let start = Instant::now();
        session.run_in_place_into(inputs, &mut outputs)?;
        times.push(start.elapsed());
    }
    Ok((outputs, times))
}

fn on_gpu(
    session: &Session,
    gpu: &Arc<Gpu>,
    inputs: &mut [Tensor],
    repeat: u32,
) -> Result<(Vec<Tensor>, Vec<Duration>)> {
    let mut there = inputs.iter().map(|tensor| DeviceTensor::new(gpu, tensor)).collect::<Result<Vec<_>, _>>()?;
    let watch = Stopwatch::start(gpu)?;
    let mut made = session.run_on_gpu(&mut there)?;
    let first = watch.stop()?;
    // It loads code, and may choose among algorithms: others find that done.
    let mut times = if repeat == 1 { vec![first] } else { Vec::new() };
    let mut left = repeat - 1;
    while left > 0 {
        let runs = left.min(ROUND);
        let watch = Stopwatch::start(gpu)?;
        for _ in 0..runs {
            session.run_on_gpu_into(&mut there, &mut made)?;
        }
        times.push(watch.stop()? / runs);
        left -= runs;
    }
    for (input, there) in inputs.iter_mut().zip(&there) {
        *input = there.download()?;
    }
    Ok((made.iter().map(DeviceTensor::download).collect::<Result<_, _>>()?, times))
}
