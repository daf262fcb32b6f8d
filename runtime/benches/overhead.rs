//! Prints what a step costs beside its work, and the time of attention.
//!
//! `cargo bench -p thunder-runtime --bench overhead [-- THREADS...]`

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thunder_runtime::artifact::{Artifact, Bytes, Target};
use thunder_runtime::cpu::Cpu;
use thunder_runtime::cpu::code::{Code, Kernel};
use thunder_runtime::program::{
    Arg, Attention, AttentionStrides, Call, Dims, KernelId, Launch, LibraryOp, Parallel, Port, Program, Root, Spread,
    Step,
};
use thunder_runtime::session::{Options, Session};
use thunder_tensor::{DType, Tensor};

struct Nothing;

// SAFETY: the kernel touches nothing.
unsafe impl Code for Nothing {
    fn kernel(&self, _name: &str) -> Option<Kernel> {
        Some(nothing)
    }
}

unsafe extern "C" fn nothing(_ptrs: *const *mut u8, _dims: *const i64) {}

fn main() {
    let threads: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let threads = if threads.is_empty() { vec![1, Cpu::available_threads()] } else { threads };
    for threads in threads {
        let options = Options::with_threads(threads);
        for parallel in [false, true] {
            let empty = steps(1, parallel, &options);
            let many = steps(1001, parallel, &options);
            let step = (many - empty).as_nanos() as f64 / 1000.0;
            println!(
                "{threads} threads, {} steps: a run {:.2} us, each step {step:.0} ns",
                if parallel { "parallel" } else { "sequential" },
                empty.as_nanos() as f64 / 1000.0,
            );
        }
        for (batch, heads, positions, width) in [(1, 12, 16, 32), (1, 12, 128, 32), (8, 12, 128, 32), (1, 12, 1024, 64)]
        {
            let time = attention(&options, [batch, heads, positions, width]);
            let flops = 4.0 * (batch * heads * positions * positions * width) as f64;
            println!(
                "{threads} threads, attention {batch}x{heads}x{positions}x{width}: {:.1} us, {:.1} GFLOP/s",
                time.as_nanos() as f64 / 1000.0,
                flops / time.as_secs_f64() / 1e9,
            );
        }
    }
}

fn best(rounds: usize, mut run: impl FnMut()) -> Duration {
    let mut best = Duration::MAX;
    for _ in 0..rounds {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed());
    }
    best
}

fn prepare(program: Program, options: &Options) -> Session {
    let none = || Bytes::new(Vec::new());
    let artifact = Artifact::new(program, Target::default(), none(), none()).expect("it is valid");
    let code = Some(Arc::new(Nothing) as Arc<dyn Code>);
    Session::prepare_with(&artifact, &BTreeMap::new(), code, options.clone()).expect("it prepares")
}

/// A run of launches of a kernel that does nothing.
fn steps(count: usize, parallel: bool, options: &Options) -> Duration {
    let mut dims = Dims::default();
    let n = dims.constant(64);
    let grain = dims.constant(8);
    let port = |name: &str| Port { name: name.into(), dtype: DType::F32, shape: vec![n] };
    let launch = Launch {
        kernel: KernelId(0),
        args: vec![Arg::read(Root::Input(0)), Arg::write(Root::Output(0))],
        dims: vec![n],
        spread: match parallel {
            false => Spread::Whole,
            true => Spread::Slices(Parallel { dim: 0, start: None, grain, advance: vec![None; 2] }),
        },
    };
    let program = Program {
        name: "steps".into(),
        dims,
        inputs: vec![port("x")],
        outputs: vec![port("y")],
        kernels: vec!["nothing".into()],
        steps: vec![Step::Launch(launch); count],
        ..Program::default()
    };
    let session = prepare(program, options);
    let inputs = [Tensor::zeros(DType::F32, vec![64])];
    let mut outputs = [Tensor::zeros(DType::F32, vec![64])];
    best(2000, || session.run_into(&inputs, &mut outputs).expect("the shapes fit"))
}

/// Attention over (batch, position, head, width) tensors, as projections leave them.
fn attention(options: &Options, [batch, heads, positions, width]: [usize; 4]) -> Duration {
    let mut dims = Dims::default();
    let mut dim = |value: usize| dims.constant(value as i64);
    let strides =
        AttentionStrides { batch: dim(positions * heads * width), head: dim(width), position: dim(heads * width) };
    let op = Attention {
        dtype: DType::F32,
        batch: dim(batch),
        heads: dim(heads),
        kv_heads: dim(heads),
        queries: dim(positions),
        keys: dim(positions),
        width: dim(width),
        value_width: dim(width),
        q: strides,
        k: strides,
        v: strides,
        out: strides,
        scale: 0.2,
        causal: None,
        mask: None,
        logsums: false,
    };
    let elements = batch * heads * positions * width;
    let n = dim(elements);
    let port = |name: &str| Port { name: name.into(), dtype: DType::F32, shape: vec![n] };
    let program = Program {
        name: "attention".into(),
        dims,
        inputs: ["q", "k", "v"].map(port).into(),
        outputs: vec![port("out")],
        steps: vec![Step::Call(Call {
            op: LibraryOp::Attention(op),
            args: vec![
                Arg::read(Root::Input(0)),
                Arg::read(Root::Input(1)),
                Arg::read(Root::Input(2)),
                Arg::write(Root::Output(0)),
            ],
        })],
        ..Program::default()
    };
    let session = prepare(program, options);
    let values: Vec<f32> = (0..elements).map(|i| (i % 17) as f32 / 17.0).collect();
    let input = Tensor::from_vec(vec![elements], values).expect("as many values as elements");
    let inputs = [input.clone(), input.clone(), input];
    let mut outputs = [Tensor::zeros(DType::F32, vec![elements])];
    best(300, || session.run_into(&inputs, &mut outputs).expect("the shapes fit"))
}
