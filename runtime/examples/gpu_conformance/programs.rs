//! Whole programs with kernels: sizes that change, views, states, donation, setup, graphs, and errors.

use std::collections::BTreeMap;
use std::sync::Arc;

use thunder_runtime::artifact::{Artifact, Bytes, Target};
use thunder_runtime::cuda::{Counts, CudaError, DeviceTensor, Gpu, Settings};
use thunder_runtime::program::{
    Access, Arg, Buffer, Constant, DimExpr, DimId, FunctionId, Grid, KernelId, Launch, Place, Port, Program, Root,
    Spread, State, Step, Symbol, While,
};
use thunder_runtime::session::{Options, Session, SessionError};
use thunder_tensor::{DType, Tensor};

use super::{Case, Outcome, library};

/// `add(a, b, out, n)`, and `is_below(x, bound, out)`, which asks of the first element.
pub const PTX: &str = "\
.version 7.0
.target sm_80
.address_size 64
.visible .entry add(.param .u64 a, .param .u64 b, .param .u64 out, .param .u64 n)
{
  .reg .pred %p;
  .reg .f32 %f<4>;
  .reg .b32 %r<5>;
  .reg .b64 %d<10>;
  ld.param.u64 %d1, [a];
  ld.param.u64 %d2, [b];
  ld.param.u64 %d3, [out];
  ld.param.u64 %d4, [n];
  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %ntid.x;
  mov.u32 %r3, %tid.x;
  mad.lo.s32 %r4, %r1, %r2, %r3;
  cvt.s64.s32 %d5, %r4;
  setp.ge.s64 %p, %d5, %d4;
  @%p bra done;
  shl.b64 %d6, %d5, 2;
  add.s64 %d7, %d1, %d6;
  add.s64 %d8, %d2, %d6;
  add.s64 %d9, %d3, %d6;
  ld.global.f32 %f1, [%d7];
  ld.global.f32 %f2, [%d8];
  add.f32 %f3, %f1, %f2;
  st.global.f32 [%d9], %f3;
done:
  ret;
}
.visible .entry is_below(.param .u64 x, .param .u64 bound, .param .u64 out)
{
  .reg .pred %p;
  .reg .f32 %f<3>;
  .reg .b32 %r<2>;
  .reg .b64 %d<4>;
  ld.param.u64 %d1, [x];
  ld.param.u64 %d2, [bound];
  ld.param.u64 %d3, [out];
  ld.global.f32 %f1, [%d1];
  ld.global.f32 %f2, [%d2];
  setp.lt.f32 %p, %f1, %f2;
  selp.u32 %r1, 1, 0, %p;
  st.global.u8 [%d3], %r1;
  ret;
}
";

type Try = fn(&Arc<Gpu>) -> Outcome;

pub fn cases() -> Vec<Case> {
    let all: [(&str, Try); 10] = [
        ("a chain of kernels at many sizes", chain),
        ("views, offsets, constants and copies", views),
        ("state stays on the GPU from run to run", state),
        ("inputs given to be written are updated", donation),
        ("what depends on weights alone is computed once", setup),
        ("runs that repeat are replayed", graphs),
        ("loops go round as values say", loops),
        ("large tensors cross the bus whole", staging),
        ("each step of a run is timed", profile),
        ("errors say what is wrong", errors),
    ];
    all.map(|(name, case)| (name.to_owned(), Box::new(case) as _)).into()
}

/// A program over `n`, the extent of its input.
pub fn dynamic(name: &str) -> (Program, DimId) {
    let mut program = Program { name: name.into(), kernels: vec!["add".into()], ..Program::default() };
    let n = program.dims.symbol(0);
    program.symbols.push(Symbol { name: Some("n".into()), input: 0, axis: 0 });
    program.inputs.push(port("x", n));
    program.outputs.push(port("out", n));
    (program, n)
}

fn port(name: &str, n: DimId) -> Port {
    Port { name: name.into(), dtype: DType::F32, shape: vec![n] }
}

/// `out = a + b` over n elements.
pub fn add(program: &mut Program, n: DimId, [a, b, out]: [Arg; 3]) {
    let (threads, one) = (program.dims.constant(256), program.dims.constant(1));
    let blocks = program.dims.intern(DimExpr::CeilDiv(n, threads));
    let spread = Spread::Grid(Grid { blocks: [blocks, one, one], threads: 256, shared: 0, overlaps: false });
    program.steps.push(Step::Launch(Launch { kernel: KernelId(0), args: vec![a, b, out], dims: vec![n], spread }));
}

fn artifact(program: Program, constants: Vec<u8>) -> Result<Artifact, String> {
    with_functions(program, Vec::new(), constants)
}

fn with_functions(program: Program, functions: Vec<Program>, constants: Vec<u8>) -> Result<Artifact, String> {
    let target = Target::Cuda { arch: "sm_80".into() };
    let artifact = Artifact::with_functions(program, functions, target, Bytes::new(PTX), Bytes::new(constants));
    // Through the file's bytes, which is how a compiler hands them over.
    let bytes = artifact.map_err(|error| error.to_string())?.to_bytes();
    Artifact::from_bytes(Bytes::new(bytes), "case").map_err(|error| error.to_string())
}

fn prepare(artifact: &Artifact, weights: &BTreeMap<String, Tensor>, gpu: &Arc<Gpu>) -> Result<Session, SessionError> {
    let options = Options { gpu: Some(Arc::clone(gpu)), ..Options::with_threads(1) };
    Session::prepare_with(artifact, weights, None, options)
}

pub fn session(program: Program, gpu: &Arc<Gpu>) -> Result<Session, String> {
    prepare(&artifact(program, Vec::new())?, &BTreeMap::new(), gpu).map_err(|error| error.to_string())
}

fn floats(values: impl IntoIterator<Item = f32>) -> Tensor {
    let values: Vec<f32> = values.into_iter().collect();
    Tensor::from_vec(vec![values.len()], values).expect("the shape is the length")
}

/// An error if they differ.
fn equal(actual: &Tensor, expected: impl IntoIterator<Item = f32>) -> Result<(), String> {
    let actual = actual.to_vec::<f64>();
    let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
    let differs = actual.iter().zip(&expected).position(|(a, b)| a != b);
    match differs {
        _ if actual.len() != expected.len() => Err(format!("{} elements of {}", actual.len(), expected.len())),
        Some(i) => Err(format!("element {i} is {}, not {}", actual[i], expected[i])),
        None => Ok(()),
    }
}

/// x doubled `depth` times, through buffers.
pub fn doubling(depth: usize) -> Program {
    let (mut program, n) = dynamic("doubling");
    let mut from = Root::Input(0);
    for i in 0..depth {
        let to = if i + 1 == depth { Root::Output(0) } else { Root::Buffer(i as u32) };
        if i + 1 < depth {
            program.buffers.push(Buffer { dtype: DType::F32, shape: vec![n], alias: None });
        }
        add(&mut program, n, [Arg::read(from), Arg::read(from), Arg::write(to)]);
        from = to;
    }
    program
}

fn chain(gpu: &Arc<Gpu>) -> Outcome {
    let session = session(doubling(7), gpu)?;
    for n in [1000_usize, 0, 1, 17, 1000, 1_000_000, 64] {
        let x = floats((0..n).map(|i| i as f32));
        let out = session.run(&[x]).map_err(|error| error.to_string())?;
        equal(&out[0], (0..n).map(|i| i as f32 * 128.0)).map_err(|error| format!("n = {n}: {error}"))?;
    }
    Ok(None)
}

fn views(gpu: &Arc<Gpu>) -> Outcome {
    let (mut program, n) = dynamic("views");
    let [two, four, eight] = [2, 4, 8].map(|value| program.dims.constant(value));
    let (bytes, twice) = (program.dims.mul(n, four), program.dims.mul(n, two));
    program.constants.push(Constant { dtype: DType::F32, shape: vec![2], offset: 64 });
    program.outputs[0].shape = vec![twice];
    program.buffers.push(Buffer { dtype: DType::F32, shape: vec![twice], alias: None });
    let second = Place { root: Root::Buffer(0), offset: Some(bytes) };
    program.buffers.push(Buffer { dtype: DType::F32, shape: vec![n], alias: Some(second) });
    let copy = |from, to, bytes| Step::Copy { from: Place::new(from), to: Place::new(to), bytes };
    program.steps.push(copy(Root::Input(0), Root::Buffer(0), bytes));
    let x = Arg::read(Root::Input(0));
    add(&mut program, n, [x, x, Arg::write(Root::Buffer(1))]);
    let all = program.dims.mul(twice, four);
    program.steps.push(copy(Root::Buffer(0), Root::Output(0), all));
    program.steps.push(copy(Root::Constant(0), Root::Output(0), eight));
    let mut constants = vec![0; 64];
    constants.extend([7.0_f32, 8.0].into_iter().flat_map(f32::to_le_bytes));
    let session = prepare(&artifact(program, constants)?, &BTreeMap::new(), gpu).map_err(|error| error.to_string())?;
    let out = session.run(&[floats([1.0, 2.0, 3.0])]).map_err(|error| error.to_string())?;
    equal(&out[0], [7.0, 8.0, 3.0, 2.0, 4.0, 6.0])?;
    Ok(None)
}

/// A program over 3 elements.
fn fixed(name: &str) -> (Program, DimId) {
    let mut program = Program { name: name.into(), kernels: vec!["add".into()], ..Program::default() };
    let n = program.dims.constant(3);
    program.outputs.push(port("out", n));
    (program, n)
}

/// `sum += x; out = sum + x`.
fn accumulating() -> Program {
    let (mut program, n) = fixed("accumulating");
    program.inputs.push(port("x", n));
    program.parameters.push(port("sum", n));
    program.states.push(State { root: Root::Parameter(0), initial: Some(10.0) });
    let sum = Arg { place: Place::new(Root::Parameter(0)), access: Access::Update };
    let x = Arg::read(Root::Input(0));
    add(&mut program, n, [sum, x, sum]);
    add(&mut program, n, [Arg::read(Root::Parameter(0)), x, Arg::write(Root::Output(0))]);
    program
}

fn state(gpu: &Arc<Gpu>) -> Outcome {
    let session = session(accumulating(), gpu)?;
    let text = |error: SessionError| error.to_string();
    let x = floats([1.0, 2.0, 3.0]);
    for run in 1..=4 {
        let out = session.run(std::slice::from_ref(&x)).map_err(text)?;
        let sum = |i: usize| 10.0 + run as f32 * (i + 1) as f32;
        equal(&out[0], (0..3).map(|i| sum(i) + (i + 1) as f32))?;
        equal(&session.state().map_err(text)?["sum"], (0..3).map(sum))?;
    }
    session.set_state(&BTreeMap::from([("sum".to_owned(), floats([0.0; 3]))])).map_err(text)?;
    let out = session.run(&[x]).map_err(text)?;
    equal(&out[0], [2.0, 4.0, 6.0])?;
    Ok(None)
}

/// `x += x`, and the old value doubled once more.
fn in_place() -> Program {
    let (mut program, n) = dynamic("in_place");
    program.states.push(State { root: Root::Input(0), initial: None });
    let x = Arg { place: Place::new(Root::Input(0)), access: Access::Update };
    add(&mut program, n, [x, x, x]);
    let x = Arg::read(Root::Input(0));
    add(&mut program, n, [x, x, Arg::write(Root::Output(0))]);
    program
}

fn donation(gpu: &Arc<Gpu>) -> Outcome {
    let session = session(in_place(), gpu)?;
    let text = |error: SessionError| error.to_string();
    let mut inputs = [floats([1.0, 2.0])];
    let out = session.run_in_place(&mut inputs).map_err(text)?;
    equal(&inputs[0], [2.0, 4.0])?;
    equal(&out[0], [4.0, 8.0])?;
    let made = DeviceTensor::new(gpu, &inputs[0]).map_err(|error| error.to_string())?;
    let mut inputs = [made];
    for _ in 0..3 {
        session.run_on_gpu(&mut inputs).map_err(text)?;
    }
    equal(&inputs[0].download().map_err(|error| error.to_string())?, [16.0, 32.0])?;
    Ok(None)
}

fn setup(gpu: &Arc<Gpu>) -> Outcome {
    let (mut setup, n) = fixed("setup");
    setup.parameters.push(port("w", n));
    setup.outputs[0].name = "twice".into();
    let w = Arg::read(Root::Parameter(0));
    add(&mut setup, n, [w, w, Arg::write(Root::Output(0))]);
    let (mut main, n) = fixed("main");
    main.inputs.push(port("x", n));
    main.parameters.push(port("twice", n));
    add(&mut main, n, [Arg::read(Root::Input(0)), Arg::read(Root::Parameter(0)), Arg::write(Root::Output(0))]);
    let artifact = artifact(main, Vec::new())?.with_setup(setup).map_err(|error| error.to_string())?;
    let weights = BTreeMap::from([("w".to_owned(), floats([1.0, 2.0, 3.0]))]);
    let session = prepare(&artifact, &weights, gpu).map_err(|error| error.to_string())?;
    let out = session.run(&[floats([10.0, 20.0, 30.0])]).map_err(|error| error.to_string())?;
    equal(&out[0], [12.0, 24.0, 36.0])?;
    Ok(None)
}

fn graphs(gpu: &Arc<Gpu>) -> Outcome {
    let session = session(doubling(5), gpu)?;
    let text = |error: SessionError| error.to_string();
    let upload = |values: [f32; 3]| DeviceTensor::new(gpu, &floats(values)).map_err(|error| error.to_string());
    let read = |tensor: &DeviceTensor| tensor.download().map_err(|error| error.to_string());
    let (mut x, mut out) = ([upload([1.0, 2.0, 3.0])?], [upload([0.0; 3])?]);
    for run in 0..5 {
        let value = run as f32;
        x[0].write(&floats([value, 1.0, 2.0])).map_err(|error| error.to_string())?;
        session.run_on_gpu_into(&mut x, &mut out).map_err(text)?;
        equal(&read(&out[0])?, [32.0 * value, 32.0, 64.0])?;
    }
    let counts = session.gpu_runs(&x).map_err(text)?;
    let expected = Counts { eager: 1, captured: 1, replayed: 3 };
    if counts != expected {
        return Err(format!("{counts:?}, not {expected:?}"));
    }
    // Other memory is recorded anew.
    let mut other = [upload([7.0; 3])?];
    for _ in 0..3 {
        session.run_on_gpu_into(&mut other, &mut out).map_err(text)?;
        equal(&read(&out[0])?, [224.0; 3])?;
    }
    let counts = session.gpu_runs(&x).map_err(text)?;
    let expected = Counts { eager: 2, captured: 2, replayed: 4 };
    if counts != expected {
        return Err(format!("{counts:?}, not {expected:?}"));
    }
    Ok(None)
}

/// `x` doubled, by way of a buffer, as long as its first element is below 100; in the second program in a loop around.
fn loops(gpu: &Arc<Gpu>) -> Outcome {
    let (mut condition, n) = dynamic("condition");
    condition.outputs[0] = Port { name: "holds".into(), dtype: DType::Bool, shape: Vec::new() };
    condition.kernels = vec!["is_below".into()];
    condition.constants.push(Constant { dtype: DType::F32, shape: Vec::new(), offset: 0 });
    let one = condition.dims.constant(1);
    let args = vec![Arg::read(Root::Input(0)), Arg::read(Root::Constant(0)), Arg::write(Root::Output(0))];
    let spread = Spread::Grid(Grid { blocks: [one; 3], threads: 1, shared: 0, overlaps: false });
    condition.steps.push(Step::Launch(Launch { kernel: KernelId(0), args, dims: Vec::new(), spread }));
    let looped = |name: &str, body: u32| {
        let (mut program, _) = dynamic(name);
        program.kernels.clear();
        program.buffers.push(Buffer { dtype: DType::F32, shape: vec![n], alias: None });
        program.buffers.push(Buffer { dtype: DType::Bool, shape: Vec::new(), alias: None });
        let written = [Root::Output(0), Root::Buffer(0), Root::Buffer(1)].map(Arg::write);
        program.steps.push(Step::While(While {
            condition: FunctionId(0),
            body: FunctionId(body),
            args: [&[Arg::read(Root::Input(0))][..], &written].concat(),
            condition_symbols: vec![n],
            body_symbols: vec![n],
        }));
        program
    };
    let functions = vec![condition, doubling(3), looped("inner", 1)];
    let constants: Vec<u8> = 100.0_f32.to_le_bytes().into();
    for (name, body) in [("once", 1), ("nested", 2)] {
        let artifact = with_functions(looped(name, body), functions.clone(), constants.clone())?;
        let session = prepare(&artifact, &BTreeMap::new(), gpu).map_err(|error| error.to_string())?;
        for (first, factor) in [(1.0, 512.0), (3.0, 64.0), (20.0, 8.0), (100.0, 1.0), (1.0, 512.0)] {
            let out = session.run(&[floats([first, 2.0, 3.0])]).map_err(|error| error.to_string())?;
            let expected = [first, 2.0, 3.0].map(|x: f32| x * factor);
            equal(&out[0], expected).map_err(|error| format!("{name}, {first}: {error}"))?;
        }
        let x = DeviceTensor::new(gpu, &floats([5.0])).map_err(|error| error.to_string())?;
        let mut given = [x];
        for _ in 0..3 {
            let out = session.run_on_gpu(&mut given).map_err(|error| error.to_string())?;
            equal(&out[0].download().map_err(|error| error.to_string())?, [320.0])?;
        }
        let counts = session.gpu_runs(&given).map_err(|error| error.to_string())?;
        if counts.captured + counts.replayed > 0 {
            return Err(format!("a program with a loop is recorded: {counts:?}"));
        }
    }
    Ok(None)
}

fn staging(gpu: &Arc<Gpu>) -> Outcome {
    let n = 10_000_019;
    let x = floats((0..n).map(|i| (i % 1021) as f32));
    let made = DeviceTensor::new(gpu, &x).map_err(|error| error.to_string())?;
    let back = made.download().map_err(|error| error.to_string())?;
    if back.bytes() != x.bytes() {
        return Err("other bytes come back".into());
    }
    Ok(None)
}

fn profile(gpu: &Arc<Gpu>) -> Outcome {
    let session = session(doubling(3), gpu)?;
    let (out, steps) = session.profile(&mut [floats([1.0, 2.0])]).map_err(|error| error.to_string())?;
    equal(&out[0], [8.0, 16.0])?;
    let ordered = steps.windows(2).all(|pair| pair[0].start + pair[0].duration == pair[1].start);
    let named = steps.iter().all(|step| step.name == "add" && step.kind == "kernel");
    match steps.len() == 3 && ordered && named && steps.iter().any(|step| !step.duration.is_zero()) {
        true => Ok(None),
        false => Err(format!("{steps:?}")),
    }
}

fn errors(gpu: &Arc<Gpu>) -> Outcome {
    let is = |error: String, part: &str| match error.contains(part) {
        true => Ok(()),
        false => Err(format!("'{error}' does not say '{part}'")),
    };
    let code = |arch: &str, ptx: &'static str, program: Program| {
        let (target, none) = (Target::Cuda { arch: arch.into() }, Bytes::new(Vec::new()));
        let artifact = Artifact::new(program, target, Bytes::new(ptx), none).map_err(|error| error.to_string())?;
        let session = prepare(&artifact, &BTreeMap::new(), gpu);
        session.err().map(|error| error.to_string()).ok_or_else(|| format!("code for {arch} is taken"))
    };
    is(code("sm_999", PTX, doubling(1))?, "compiled for sm_999, and '")?;
    is(
        code("sm_80", ".version 7.0\n.target sm_80\nnonsense", doubling(1))?,
        "the GPU's driver refuses the compiled code",
    )?;
    let mut missing = doubling(1);
    missing.kernels[0] = "absent".into();
    is(code("sm_80", PTX, missing)?, "no kernel 'absent'")?;
    // More memory than any GPU has.
    let (mut huge, n) = dynamic("huge");
    let many = huge.dims.constant(1 << 40);
    let elements = huge.dims.mul(n, many);
    huge.buffers.push(Buffer { dtype: DType::F32, shape: vec![elements], alias: None });
    let x = Arg::read(Root::Input(0));
    add(&mut huge, n, [x, x, Arg::write(Root::Buffer(0))]);
    add(&mut huge, n, [x, Arg::read(Root::Buffer(0)), Arg::write(Root::Output(0))]);
    let run = session(huge, gpu)?.run(&[floats([1.0; 2])]);
    is(run.err().map(|error| error.to_string()).unwrap_or_default(), "out of GPU memory")?;
    // More shared memory than a block has.
    let mut shared = doubling(1);
    if let Step::Launch(Launch { spread: Spread::Grid(grid), .. }) = &mut shared.steps[0] {
        grid.shared = 1 << 20;
    }
    let error = session(shared, gpu).and_then(|s| s.run(&[floats([1.0])]).map_err(|e| e.to_string())).err();
    is(error.unwrap_or_default(), "invalid argument")?;
    // Nobody to carry out an operation, and a tensor of another GPU.
    let settings = Settings { executors: Vec::new(), ..Settings::default() };
    let bare = Gpu::with_settings(0, settings).map_err(|error| error.to_string())?;
    for (_, _, program) in library::large().into_iter().take(1) {
        is(library::session(program, Some(&bare)).err().unwrap_or_default(), "no executor claims 'matmul'")?;
    }
    let tensor = DeviceTensor::new(&bare, &floats([1.0])).map_err(|error| error.to_string())?;
    let error = session(doubling(1), gpu)?.run_on_gpu(&mut [tensor]).err();
    match error {
        Some(SessionError::Cuda(CudaError::Elsewhere { kind: "input", number: 0 })) => Ok(None),
        other => Err(format!("a tensor of another GPU: {other:?}")),
    }
}
