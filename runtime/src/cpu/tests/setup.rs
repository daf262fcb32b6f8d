//! Programs that make parameters of others, once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use thunder_tensor::{DType, Tensor};

use super::KERNELS;
use crate::artifact::{Artifact, Bytes, Target};
use crate::cpu::code::{Code, Kernel};
use crate::program::{Access, Arg, Dims, KernelId, Launch, Parameter, Place, Port, Program, Root, Spread, State, Step};
use crate::session::{Options, Session, SessionError};

static RUNS: AtomicUsize = AtomicUsize::new(0);

/// As `increment`, and counts how often.
unsafe extern "C" fn counted(ptrs: *const *mut u8, dims: *const i64) {
    RUNS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: what the caller promises is what `increment` needs.
    unsafe { super::increment(ptrs, dims) }
}

struct Counting;

// SAFETY: `counted` touches what `increment` does, as the launches below say.
unsafe impl Code for Counting {
    fn kernel(&self, name: &str) -> Option<Kernel> {
        let known = KERNELS.iter().find(|(known, _)| *known == name).map(|(_, kernel)| *kernel);
        known.or_else(|| (name == "counted").then_some(counted as Kernel))
    }
}

fn launch(args: Vec<Arg>, dims: &mut Dims) -> Step {
    Step::Launch(Launch { kernel: KernelId(0), args, dims: vec![dims.constant(2)], spread: Spread::Whole })
}

/// `u = v + 1`, and then `sum += x + u + w`, with the parameters and the state that these need.
fn artifact() -> Artifact {
    let mut dims = Dims::default();
    let two = dims.constant(2);
    let port = |name: &str| Port { name: name.into(), dtype: DType::F32, shape: vec![two] };
    let (mut setup, mut main) = (Program::default(), Program::default());
    (setup.parameters, setup.outputs) = (vec![port("v"), port("w")], vec![port("u")]);
    setup.kernels = vec!["counted".into()];
    setup.dims = dims.clone();
    let (bytes, out) = (setup.dims.constant(8), Root::Output(0));
    setup.steps.push(Step::Copy { from: Place::new(Root::Parameter(0)), to: Place::new(out), bytes });
    let updated = |root| Arg { place: Place::new(root), access: Access::Update };
    let step = launch(vec![updated(out)], &mut setup.dims);
    setup.steps.push(step);

    main.name = "main".into();
    main.inputs = vec![port("x")];
    main.parameters = vec![port("w"), port("sum"), port("u")];
    (main.outputs, main.kernels, main.dims) = (vec![port("y")], vec!["add".into()], dims);
    main.states = vec![State { root: Root::Parameter(1), initial: Some(0.0) }];
    for [a, b, to] in [
        [Root::Input(0), Root::Parameter(2), out],
        [out, Root::Parameter(0), out],
        [Root::Parameter(1), out, Root::Parameter(1)],
    ] {
        let step = launch(vec![Arg::read(a), Arg::read(b), Arg::write(to)], &mut main.dims);
        main.steps.push(step);
    }
    let none = || Bytes::new(Vec::new());
    let artifact = Artifact::new(main, Target::default(), none(), none()).unwrap().with_setup(setup).unwrap();
    Artifact::from_bytes(Bytes::new(artifact.to_bytes()), "test").unwrap()
}

fn prepared(weights: &[(&str, Tensor)]) -> Result<Session, SessionError> {
    let weights: BTreeMap<_, _> = weights.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.clone())).collect();
    Session::prepare_with(&artifact(), &weights, Some(Arc::new(Counting)), Options::with_threads(1))
}

fn floats(value: f32) -> Tensor {
    Tensor::from_vec(vec![2], vec![value; 2]).unwrap()
}

#[test]
fn parameters_are_made_when_a_session_is_prepared() {
    let weight = |name: &str, initial| Parameter { name: name.into(), dtype: DType::F32, shape: vec![2], initial };
    assert_eq!(artifact().parameters(), [weight("v", None), weight("w", None), weight("sum", Some(0.0))]);
    // What a user gives by the name of what is made is ignored.
    let session = prepared(&[("v", floats(1.0)), ("w", floats(30.0)), ("u", floats(7.0))]).unwrap();
    assert_eq!(RUNS.load(Ordering::Relaxed), 1);
    for (x, sum) in [(100.0, 132.0), (200.0, 364.0)] {
        let y = session.run(&[floats(x)]).unwrap();
        assert_eq!(y[0].to_vec::<f64>(), [f64::from(x) + 32.0; 2]);
        assert_eq!(session.state().unwrap()["sum"].to_vec::<f64>(), [sum; 2]);
    }
    assert_eq!(RUNS.load(Ordering::Relaxed), 1, "a run made a parameter again");
    assert_eq!(session.state().unwrap().len(), 1);
}

#[test]
fn weights_that_do_not_fit_are_told_before_anything_runs() {
    let said = |weights: &[(&str, Tensor)]| prepared(weights).unwrap_err().to_string();
    assert_eq!(said(&[("u", floats(1.0))]), "missing weights: v, w");
    let wrong = Tensor::zeros(DType::F64, [2]);
    let expected = "weight 'sum' is f64[2], the program needs f32[2]";
    assert_eq!(said(&[("v", floats(1.0)), ("w", floats(1.0)), ("sum", wrong.clone())]), expected);
    assert_eq!(said(&[("v", wrong), ("w", floats(1.0))]), expected.replace("sum", "v"));
    let none = Session::prepare(&artifact(), &BTreeMap::from([("v".into(), floats(1.0)), ("w".into(), floats(1.0))]));
    assert_eq!(none.unwrap_err().to_string(), "the artifact has no code for its 1 kernels");
}
