//! What a run costs beside its work, step by step, as a graph, and over the bus; what large operations take.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thunder_runtime::cuda::{DeviceTensor, Gpu, Settings, Stopwatch};
use thunder_runtime::program::{Port, Program};
use thunder_tensor::{DType, Random, Tensor};

use super::programs::{doubling, session};
use super::{attention, fused, library};

/// Runs that are measured.
const RUNS: usize = 200;

/// `alone` has the executor of products alone that needs no library, `hopper` that of Hopper's instructions, `flash` that of
/// attention, `cublaslt` that library's.
pub fn print(gpu: &Arc<Gpu>, alone: &Arc<Gpu>, hopper: Option<&Arc<Gpu>>, flash: &Arc<Gpu>, cublaslt: &Arc<Gpu>) {
    for (own, list) in [(("flash", flash), attention::large()), (("mma", alone), library::large_convolutions())] {
        if let Err(error) = beside(gpu, own, list) {
            println!("times: {error}");
        }
    }
    if let Err(error) = products(gpu, alone, hopper) {
        println!("times: {error}");
    }
    let fused = [("hopper", hopper, fused::large()), ("cublaslt", Some(cublaslt), fused::large_known())];
    for (name, alone, calls) in fused {
        if let Some(Err(error)) = alone.map(|alone| together(gpu, (name, alone), calls)) {
            println!("times: {error}");
        }
    }
    if let Err(error) = table(gpu) {
        println!("times: {error}");
    }
}

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Products by the first executor of each.
fn products(gpu: &Arc<Gpu>, alone: &Arc<Gpu>, hopper: Option<&Arc<Gpu>>) -> Result {
    for (name, flops, program) in library::large_products() {
        let is_half = program.inputs.iter().all(|port| port.dtype.size() == 2);
        let others = [("hopper", hopper.filter(|_| is_half)), ("mma", Some(alone))];
        let first = typical(gpu, &program)?.as_secs_f64();
        let rate = |time: f64| flops / time / 1e12;
        let mut line = format!("{name}: {:.1} us, {:.0} TFLOP/s", first * 1e6, rate(first));
        for (executor, gpu) in others {
            let Some(gpu) = gpu else { continue };
            let own = typical(gpu, &program)?.as_secs_f64();
            let percent = 100.0 * first / own;
            line += &format!("; {executor} {:.1} us, {:.0} TFLOP/s, {percent:.0} %", own * 1e6, rate(own));
        }
        println!("{line}");
        // Whoever watches reads each line when it is known.
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// Operations by the first executor of each, and by one that needs no library.
fn beside(gpu: &Arc<Gpu>, (executor, alone): (&str, &Arc<Gpu>), list: Vec<(String, f64, Program)>) -> Result {
    for (name, flops, program) in list {
        let [first, own] = [gpu, alone].map(|gpu| typical(gpu, &program));
        let [first, own] = [first?, own?].map(|time| time.as_secs_f64());
        let rate = |time: f64| flops / time / 1e12;
        println!(
            "{name}: {:.1} us, {:.0} TFLOP/s; {executor} {:.1} us, {:.0} TFLOP/s, {:.0} %",
            first * 1e6,
            rate(first),
            own * 1e6,
            rate(own),
            100.0 * first / own
        );
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// Products with what is computed from their elements, beside the products alone by the first executor of each.
fn together(
    gpu: &Arc<Gpu>,
    (executor, alone): (&str, &Arc<Gpu>),
    calls: Vec<(String, f64, Program, Program)>,
) -> Result {
    for (name, flops, fused, plain) in calls {
        let plain = typical(gpu, &plain)?.as_secs_f64();
        let fused = typical(alone, &fused)?.as_secs_f64();
        println!(
            "{name}: {executor} fused {:.1} us, {:.0} TFLOP/s; its products alone {:.1} us, {:.0} TFLOP/s; {:.0} %",
            fused * 1e6,
            flops / fused / 1e12,
            plain * 1e6,
            flops / plain / 1e12,
            100.0 * plain / fused
        );
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// The median time of a program's runs on random numbers.
fn typical(gpu: &Arc<Gpu>, program: &Program) -> Result<Duration> {
    let mut random = Random::new(1);
    let mut tensors = |ports: &[Port]| -> Result<Vec<DeviceTensor>> {
        let elements = |port: &Port| program.dims.as_constant(port.shape[0]).unwrap_or(0) as usize;
        let mut tensor = |port: &Port| random.normal(port.dtype, vec![elements(port)], 0.0, 1.0);
        Ok(ports.iter().map(|port| DeviceTensor::new(gpu, &tensor(port))).collect::<std::result::Result<_, _>>()?)
    };
    let (mut inputs, mut outputs) = (tensors(&program.inputs)?, tensors(&program.outputs)?);
    let session = library::session(program.clone(), Some(gpu))?;
    let mut times = Vec::new();
    for _ in 0..30 {
        let watch = Stopwatch::start(gpu)?;
        session.run_on_gpu_into(&mut inputs, &mut outputs)?;
        times.push(watch.stop()?);
    }
    times.sort();
    Ok(times[times.len() / 2])
}

fn table(gpu: &Arc<Gpu>) -> Result {
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
    for (name, flops, program) in library::large() {
        let time = typical(gpu, &program)?.as_secs_f64();
        println!("{name}: {:.1} us, {:.0} TFLOP/s", time * 1e6, flops / time / 1e12);
    }
    let x = Tensor::zeros(DType::U8, vec![256 << 20]);
    let start = Instant::now();
    let made = DeviceTensor::new(gpu, &x)?;
    gpu.synchronize()?;
    let up = start.elapsed();
    let start = Instant::now();
    made.download()?;
    let down = start.elapsed();
    let rate = |time: Duration| 0.268_435_456 / time.as_secs_f64();
    println!("256 MiB: {:.1} GB/s to the GPU, {:.1} GB/s from it", rate(up), rate(down));
    Ok(())
}
