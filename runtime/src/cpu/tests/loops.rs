//! Loops: programs that others run over and over.

use std::collections::BTreeMap;
use std::sync::Arc;

use thunder_tensor::{DType, Tensor};

use super::{KERNELS, Table};
use crate::artifact::{Artifact, ArtifactError, Bytes, Target};
use crate::cpu::code::Code;
use crate::program::{
    Arg, Buffer, Constraint, DimId, Dims, FunctionId, KernelId, Launch, Place, Port, Program, Root, Spread, State,
    Step, Symbol, While,
};
use crate::session::{Options, Session, SessionError};

fn port(name: &str, dtype: DType, shape: &[DimId]) -> Port {
    Port { name: name.into(), dtype, shape: shape.to_vec() }
}

/// A program of `x: f32[n]` and `bound: f32[]`.
fn of_bounded(name: &str, output: impl Fn(DimId) -> Port) -> (Program, DimId) {
    let mut dims = Dims::default();
    let n = dims.symbol(0);
    let program = Program {
        name: name.into(),
        symbols: vec![Symbol { name: Some("n".into()), input: 0, axis: 0 }],
        dims,
        inputs: vec![port("x", DType::F32, &[n]), port("bound", DType::F32, &[])],
        outputs: vec![output(n)],
        kernels: KERNELS.iter().map(|(name, _)| (*name).to_owned()).collect(),
        ..Program::default()
    };
    (program, n)
}

fn launch(name: &str, args: Vec<Arg>, dims: Vec<DimId>) -> Step {
    let kernel = KernelId(KERNELS.iter().position(|(known, _)| *known == name).unwrap() as u32);
    Step::Launch(Launch { kernel, args, dims, spread: Spread::Whole })
}

/// Whether the first element is below the bound.
fn condition() -> Program {
    let (mut program, _) = of_bounded("condition", |_| port("holds", DType::Bool, &[]));
    let args = [Root::Input(0), Root::Input(1)].map(Arg::read).into_iter().chain([Arg::write(Root::Output(0))]);
    program.steps.push(launch("is_below", args.collect(), Vec::new()));
    program
}

/// Twice as much, by way of a buffer.
fn body() -> Program {
    let (mut program, n) = of_bounded("body", |n| port("twice", DType::F32, &[n]));
    program.buffers.push(Buffer { dtype: DType::F32, shape: vec![n], alias: None });
    let (x, twice) = (Arg::read(Root::Input(0)), Root::Buffer(0));
    program.steps.push(launch("add", vec![x, x, Arg::write(twice)], vec![n]));
    let four = program.dims.constant(4);
    let bytes = program.dims.mul(n, four);
    program.steps.push(Step::Copy { from: Place::new(twice), to: Place::new(Root::Output(0)), bytes });
    program
}

/// A program whose result is what a loop over `functions` makes of `x`.
fn looped(name: &str, condition: u32, body: u32) -> Program {
    let (mut program, n) = of_bounded(name, |n| port("out", DType::F32, &[n]));
    program.buffers.push(Buffer { dtype: DType::F32, shape: vec![n], alias: None });
    program.buffers.push(Buffer { dtype: DType::Bool, shape: Vec::new(), alias: None });
    let read = [Root::Input(0), Root::Input(1)].map(Arg::read);
    let written = [Root::Output(0), Root::Buffer(0), Root::Buffer(1)].map(Arg::write);
    program.steps.push(Step::While(While {
        condition: FunctionId(condition),
        body: FunctionId(body),
        args: [&read[..], &written].concat(),
        condition_symbols: vec![n],
        body_symbols: vec![n],
    }));
    program
}

fn artifact(main: Program, functions: Vec<Program>) -> Result<Artifact, ArtifactError> {
    let none = || Bytes::new(Vec::new());
    let artifact = Artifact::with_functions(main, functions, Target::default(), none(), none())?;
    let read = Artifact::from_bytes(Bytes::new(artifact.to_bytes()), "test")?;
    assert_eq!(read.functions(), artifact.functions(), "what is written is read");
    Ok(read)
}

fn run(main: Program, functions: Vec<Program>, x: &[f32], bound: f32) -> Result<Vec<f64>, SessionError> {
    let table: Arc<dyn Code> = Arc::new(Table(KERNELS));
    let artifact = artifact(main, functions).unwrap();
    let session = Session::prepare_with(&artifact, &BTreeMap::new(), Some(table), Options::with_threads(2))?;
    let inputs = [Tensor::from_vec(vec![x.len()], x.to_vec()).unwrap(), Tensor::scalar(bound)];
    let outputs = session.run(&inputs)?;
    assert_eq!(session.run(&inputs)?, outputs, "a second run is like the first");
    Ok(outputs[0].to_vec())
}

#[test]
fn a_loop_goes_round_as_long_as_its_condition_holds() {
    let functions = || vec![condition(), body()];
    for (bound, factor) in [(0.0, 1.0), (1.0, 1.0), (1.5, 2.0), (3.0, 4.0), (1000.0, 1024.0)] {
        let made = run(looped("main", 0, 1), functions(), &[1.0, 3.0, -2.0], bound).unwrap();
        assert_eq!(made, [factor, 3.0 * factor, -2.0 * factor], "below {bound}");
    }
    assert_eq!(run(looped("main", 0, 1), functions(), &[5.0], 6.0).unwrap(), [10.0], "of another size");
}

#[test]
fn a_body_may_have_a_loop() {
    // The inner one makes of 1 what is not below the bound, and the outer one finds nothing left to do.
    let functions = vec![condition(), body(), looped("outer", 0, 1)];
    assert_eq!(run(looped("main", 0, 2), functions, &[1.0, 2.0], 5.0).unwrap(), [8.0, 16.0]);
}

#[test]
fn a_loop_is_a_step_by_name() {
    let table: Arc<dyn Code> = Arc::new(Table(KERNELS));
    let artifact = artifact(looped("main", 0, 1), vec![condition(), body()]).unwrap();
    let session = Session::prepare_with(&artifact, &BTreeMap::new(), Some(table), Options::with_threads(1)).unwrap();
    let mut inputs = [Tensor::from_vec(vec![1], vec![1.0_f32]).unwrap(), Tensor::scalar(9.0_f32)];
    let (_, times) = session.profile(&mut inputs).unwrap();
    assert_eq!(times.iter().map(|time| (time.name.as_str(), time.kind)).collect::<Vec<_>>(), [("while", "loop")]);
}

#[test]
fn constraints_of_functions_hold_or_the_run_is_refused() {
    let mut strict = body();
    let (left, right) = (strict.dims.symbol(0), strict.dims.constant(2));
    strict.constraints.push(Constraint { left, right, message: "pairs only".into() });
    let functions = vec![condition(), strict];
    assert_eq!(run(looped("main", 0, 1), functions.clone(), &[1.0, 1.0], 2.0).unwrap(), [2.0, 2.0]);
    let error = run(looped("main", 0, 1), functions, &[1.0], 2.0).unwrap_err();
    assert_eq!(error.to_string(), "pairs only (1 and 2)");
}

#[test]
fn a_value_that_would_change_its_size_is_refused() {
    let mut growing = body();
    let (n, one) = (growing.dims.symbol(0), growing.dims.constant(1));
    growing.outputs[0].shape = vec![growing.dims.add(n, one)];
    let error = run(looped("main", 0, 1), vec![condition(), growing], &[1.0], 2.0).unwrap_err().to_string();
    assert!(error.ends_with("step 0, argument 0, begins with 4 bytes, and a round makes 8 of them"), "{error}");
}

#[test]
fn loops_that_break_a_rule_of_the_format_are_refused() {
    let refused = |main: Program, functions: Vec<Program>, message: &str| {
        let error = artifact(main, functions).unwrap_err().problem.to_string();
        assert_eq!(error, format!("invalid program: {message}"));
    };
    let with = |change: &dyn Fn(&mut While)| {
        let mut main = looped("main", 0, 1);
        let Some(Step::While(rounds)) = main.steps.first_mut() else { panic!("it has a loop") };
        change(rounds);
        main
    };
    let functions = || vec![condition(), body()];
    refused(looped("main", 0, 2), functions(), "step 0: function 2 of 2");
    refused(looped("main", 0, 1), Vec::new(), "step 0: function 0 of 0");
    // A function runs those before it only, so that none runs itself.
    refused(looped("main", 0, 1), vec![condition(), looped("again", 0, 1)], "step 0: function 1 of 1");
    let mut deep = functions();
    deep.extend((0..66).map(|i| looped("deep", 0, 1 + i)));
    let error = artifact(looped("main", 0, 1), deep).unwrap_err().problem.to_string();
    assert_eq!(error, "invalid program: function 'deep': has loops in each other deeper than 64");
    refused(looped("main", 1, 0), functions(), "step 0: the outputs of 'condition' are not like its first inputs");
    refused(looped("main", 1, 1), functions(), "step 0: 'body' gives more than one truth value");
    refused(with(&|rounds| _ = rounds.args.pop()), functions(), "step 0: a loop of 1 values has 4 arguments, not 5");
    refused(with(&|rounds| rounds.args.swap(1, 2)), functions(), "step 0: argument 1 of a loop is not Read");
    refused(with(&|rounds| rounds.body_symbols.clear()), functions(), "step 0: 'body' has 1 symbols, not 0");
    refused(with(&|rounds| rounds.condition_symbols = vec![DimId(9)]), functions(), "step 0: dim 9 of 1");
    let mut other = condition();
    other.inputs[1].dtype = DType::F64;
    refused(looped("main", 0, 1), vec![other, body()], "step 0: 'condition' and 'body' have other inputs");
    let mut other = body();
    other.outputs[0].shape.clear();
    refused(
        looped("main", 0, 1),
        vec![condition(), other],
        "step 0: the outputs of 'body' are not like its first inputs",
    );
    let mut other = body();
    other.parameters = vec![port("w", DType::F32, &[])];
    refused(looped("main", 0, 1), vec![condition(), other], "function 'body': has parameters or states");
    let mut other = body();
    other.states = vec![State { root: Root::Input(0), initial: None }];
    refused(looped("main", 0, 1), vec![condition(), other], "function 'body': has parameters or states");
    let mut early = looped("main", 0, 1);
    let Some(Step::While(rounds)) = early.steps.first_mut() else { panic!("it has a loop") };
    rounds.args[0] = Arg::read(Root::Buffer(0));
    refused(early, functions(), "step 0: reads Buffer(0) before it is written");
}
