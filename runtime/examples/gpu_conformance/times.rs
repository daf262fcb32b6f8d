//! What a run costs beside its work: step by step, as a graph, and over the bus.

use std::sync::Arc;
use std::time::Instant;

use thunder_runtime::cuda::{DeviceTensor, Gpu, Settings};
use thunder_tensor::{DType, Tensor};

use super::programs::{doubling, session};

/// Runs that are measured.
const RUNS: usize = 200;

pub fn print(gpu: &Arc<Gpu>) {
    if let Err(error) = table(gpu) {
        println!("times: {error}");
    }
}

fn table(gpu: &Arc<Gpu>) -> Result<(), Box<dyn std::error::Error>> {
    let eager = Gpu::with_settings(0, Settings { graphs: false, ..Settings::default() })?;
    for (name, gpu) in [("step by step", &eager), ("as a graph", gpu)] {
        for steps in [1, 101] {
            let session = session(doubling(steps), gpu)?;
            let x = Tensor::zeros(DType::F32, vec![256]);
            let (mut x, mut out) = ([DeviceTensor::new(gpu, &x)?], [DeviceTensor::new(gpu, &x)?]);
            let mut times = Vec::new();
            for _ in 0..RUNS {
                gpu.synchronize()?;
                let start = Instant::now();
                session.run_on_gpu_into(&mut x, &mut out)?;
                let started = start.elapsed();
                gpu.synchronize()?;
                times.push((started, start.elapsed()));
            }
            times.sort();
            let (started, done) = times[RUNS / 2];
            println!("{steps:3} kernels {name}: started in {started:.1?}, done in {done:.1?}");
        }
    }
    let x = Tensor::zeros(DType::U8, vec![256 << 20]);
    let start = Instant::now();
    let made = DeviceTensor::new(gpu, &x)?;
    gpu.synchronize()?;
    let up = start.elapsed();
    let start = Instant::now();
    made.download()?;
    let down = start.elapsed();
    let rate = |time: std::time::Duration| 0.268_435_456 / time.as_secs_f64();
    println!("256 MiB: {:.1} GB/s to the GPU, {:.1} GB/s from it", rate(up), rate(down));
    Ok(())
}
