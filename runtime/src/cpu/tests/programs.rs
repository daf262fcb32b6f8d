//! Launches, views, memory reuse, guards and concurrency.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use thunder_tensor::{DType, Tensor};

use super::{KERNELS, Table};
use crate::artifact::{Artifact, Bytes, Target};
use crate::cpu::code::Code;
use crate::program::{
    Access, Arg, BatchDim, Buffer, Call, Constant, Constraint, DimExpr, DimId, Dims, Epilogue, KernelId, Launch,
    LibraryOp, Matmul, MatrixStrides, Parallel, Place, Port, Program, Root, Spread, Step, Symbol,
};
use crate::session::{GuardError, Options, Session, SessionError};

fn session(program: Program, constants: Vec<u8>, threads: usize) -> Result<Session, SessionError> {
    let (code, constants) = (Bytes::new(Vec::new()), Bytes::new(constants));
    let artifact = Artifact::new(program, Target::default(), code, constants).unwrap();
    // Through the file's bytes, so that every program here tests the format too.
    let artifact = Artifact::from_bytes(Bytes::new(artifact.to_bytes()), "test").unwrap();
    let table: Arc<dyn Code> = Arc::new(Table(KERNELS));
    let options = Options::with_threads(threads);
    Session::prepare_with(&artifact, &BTreeMap::new(), Some(table), options)
}

fn floats(values: impl IntoIterator<Item = f32>) -> Tensor {
    let values: Vec<f32> = values.into_iter().collect();
    Tensor::from_vec(vec![values.len()], values).unwrap()
}

fn kernel(name: &str) -> KernelId {
    KernelId(KERNELS.iter().position(|(known, _)| *known == name).unwrap() as u32)
}

fn port(name: &str, dtype: DType, shape: &[DimId]) -> Port {
    Port { name: name.into(), dtype, shape: shape.to_vec() }
}

/// A program over one symbol `n`, the extent of input `x`.
fn dynamic() -> (Program, DimId) {
    let mut dims = Dims::default();
    let n = dims.symbol(0);
    let program = Program {
        name: "test".into(),
        symbols: vec![Symbol { name: Some("n".into()), input: 0, axis: 0 }],
        dims,
        inputs: vec![port("x", DType::F32, &[n])],
        outputs: vec![port("out", DType::F32, &[n])],
        kernels: KERNELS.iter().map(|(name, _)| (*name).to_owned()).collect(),
        ..Program::default()
    };
    (program, n)
}

fn buffer(program: &mut Program, shape: &[DimId], alias: Option<Place>) -> Root {
    program.buffers.push(Buffer { dtype: DType::F32, shape: shape.to_vec(), alias });
    Root::Buffer(program.buffers.len() as u32 - 1)
}

/// `out = a + b` over n elements, split over threads.
fn add_step(program: &mut Program, n: DimId, a: Root, b: Root, out: Root) {
    let (four, grain) = (program.dims.constant(4), program.dims.constant(16));
    program.steps.push(Step::Launch(Launch {
        kernel: kernel("add"),
        args: vec![Arg::read(a), Arg::read(b), Arg::write(out)],
        dims: vec![n],
        spread: Spread::Slices(Parallel { dim: 0, start: None, grain, advance: vec![Some(four); 3] }),
    }));
}

/// x doubled `depth` times through buffers, each used once.
fn doubling(depth: usize) -> Program {
    let (mut program, n) = dynamic();
    let mut from = Root::Input(0);
    for i in 0..depth {
        let to = if i + 1 == depth { Root::Output(0) } else { buffer(&mut program, &[n], None) };
        add_step(&mut program, n, from, from, to);
        from = to;
    }
    program
}

#[test]
fn a_chain_reuses_two_buffers_at_every_size() {
    for threads in [1, 2, 3] {
        let session = session(doubling(7), Vec::new(), threads).unwrap();
        for n in [1000_usize, 0, 1, 17, 1000, 100_000, 64] {
            let x = floats((0..n).map(|i| i as f32));
            let out = session.run(std::slice::from_ref(&x)).unwrap();
            let expected: Vec<f32> = (0..n).map(|i| i as f32 * 128.0).collect();
            assert_eq!(out[0].as_slice::<f32>().unwrap(), expected);
            let memory = session.memory(&[x]).unwrap();
            assert_eq!(memory.arena_bytes, 2 * (4 * n).next_multiple_of(64));
            assert_eq!(memory.live_bytes, memory.arena_bytes);
        }
    }
}

#[test]
fn outputs_given_are_written_in_place_and_checked() {
    let session = session(doubling(2), Vec::new(), 1).unwrap();
    let mut out = vec![floats([0.0; 3])];
    let address = out[0].bytes().as_ptr();
    session.run_into(&[floats([1.0, 2.0, 3.0])], &mut out).unwrap();
    assert_eq!(out[0].as_slice::<f32>().unwrap(), [4.0, 8.0, 12.0]);
    assert_eq!(out[0].bytes().as_ptr(), address);
    let error = session.run_into(&[floats([1.0])], &mut out).unwrap_err();
    let expected = "output 'out': dimension 0 is 3, the program needs 1 (n is dimension 0 of input 'x')";
    assert_eq!(error.to_string(), expected);
    // An output that shares memory with the input is given its own.
    let x = floats([5.0, 6.0]);
    let mut shared = vec![x.clone()];
    session.run_into(std::slice::from_ref(&x), &mut shared).unwrap();
    assert_eq!(x.as_slice::<f32>().unwrap(), [5.0, 6.0]);
    assert_eq!(shared[0].as_slice::<f32>().unwrap(), [20.0, 24.0]);
}

#[test]
fn views_offsets_constants_and_copies() {
    let (mut program, n) = dynamic();
    let four = program.dims.constant(4);
    let sixty_four = program.dims.constant(64);
    let two = program.dims.constant(2);
    let bytes = program.dims.mul(n, four);
    let twice = program.dims.mul(n, two);
    program.constants.push(Constant { dtype: DType::F32, shape: vec![2], offset: 64 });
    program.outputs[0].shape = vec![twice];
    // Both halves of a buffer are written through views; the second starts at n * 4 bytes.
    let whole = buffer(&mut program, &[twice], None);
    let second = Place { root: whole, offset: Some(bytes) };
    let view = buffer(&mut program, &[n], Some(second));
    let copy = |from, to, bytes| Step::Copy { from: Place::new(from), to, bytes };
    program.steps.push(copy(Root::Input(0), Place::new(whole), bytes));
    add_step(&mut program, n, Root::Input(0), Root::Input(0), view);
    let all = program.dims.mul(twice, four);
    program.steps.push(copy(whole, Place::new(Root::Output(0)), all));
    let eight = program.dims.constant(8);
    program.steps.push(copy(Root::Constant(0), Place::new(Root::Output(0)), eight));
    let mut constants = vec![0; 64];
    constants.extend(7.0_f32.to_le_bytes());
    constants.extend(8.0_f32.to_le_bytes());
    let mut late = program.clone();
    let session = session(program, constants, 2).unwrap();
    let out = session.run(&[floats([1.0, 2.0, 3.0])]).unwrap();
    assert_eq!(out[0].as_slice::<f32>().unwrap(), [7.0, 8.0, 3.0, 2.0, 4.0, 6.0]);
    // At n = 0 the constant does not fit the output: an error, not a write out of bounds.
    let error = session.run(&[floats([])]).unwrap_err();
    assert!(error.to_string().contains("step 3, argument 1, reaches byte 8 of a tensor of 0"), "{error}");
    // A view past the end of its tensor.
    late.buffers[1].alias = Some(Place { root: whole, offset: Some(sixty_four) });
    let session = super::programs::session(late, vec![0; 72], 1).unwrap();
    let error = session.run(&[floats([1.0])]).unwrap_err();
    assert!(error.to_string().contains("buffer 1, a view"), "{error}");
}

#[test]
fn a_parallel_start_tells_each_slice_where_it_is() {
    let (mut program, n) = dynamic();
    program.outputs[0].dtype = DType::I64;
    let [zero, eight, grain] = [100, 8, 1].map(|value| program.dims.constant(value));
    program.steps.push(Step::Launch(Launch {
        kernel: kernel("iota"),
        args: vec![Arg::write(Root::Output(0))],
        dims: vec![n, zero],
        spread: Spread::Slices(Parallel { dim: 0, start: Some(1), grain, advance: vec![Some(eight)] }),
    }));
    let session = session(program, Vec::new(), 3).unwrap();
    for n in [0, 1, 5, 1000] {
        let out = session.run(&[floats(vec![0.0; n])]).unwrap();
        let expected: Vec<i64> = (100..100 + n as i64).collect();
        assert_eq!(out[0].as_slice::<i64>().unwrap(), expected);
    }
}

#[test]
fn an_update_sees_the_old_contents() {
    let (mut program, n) = dynamic();
    add_step(&mut program, n, Root::Input(0), Root::Input(0), Root::Output(0));
    program.steps.push(Step::Launch(Launch {
        kernel: kernel("increment"),
        args: vec![Arg { place: Place::new(Root::Output(0)), access: Access::Update }],
        dims: vec![n],
        spread: Spread::Whole,
    }));
    let session = session(program, Vec::new(), 1).unwrap();
    let out = session.run(&[floats([1.0, 2.0])]).unwrap();
    assert_eq!(out[0].as_slice::<f32>().unwrap(), [3.0, 5.0]);
}

/// `out[b] = (x[b] * w[b]) scaled by factor[b, row]`, the scaling as an epilogue.
fn with_epilogue(batch: usize, m: usize, n: usize, k: usize, threads: usize) {
    let mut program = Program { name: "test".into(), ..dynamic().0 };
    program.symbols.clear();
    let mut dims = Dims::default();
    let [b, dm, dn, dk, one, zero, mk, kn, mn] =
        [batch, m, n, k, 1, 0, m * k, k * n, m * n].map(|value| dims.constant(value as i64));
    program.dims = dims;
    program.inputs = vec![
        port("x", DType::F32, &[b, dm, dk]),
        port("w", DType::F32, &[b, dk, dn]),
        port("factor", DType::F32, &[b, dm]),
    ];
    program.outputs = vec![port("out", DType::F32, &[b, dm, dn])];
    let product = buffer(&mut program, &[b, dm, dn], None);
    let op = Matmul {
        dtype: DType::F32,
        m: dm,
        n: dn,
        k: dk,
        batch: vec![BatchDim { extent: b, lhs: mk, rhs: kn, out: mn }],
        lhs: MatrixStrides { row: dk, column: one },
        rhs: MatrixStrides { row: dn, column: one },
        out: MatrixStrides { row: dn, column: one },
        bias: false,
        epilogue: Some(Epilogue {
            kernel: kernel("scale_rows"),
            args: vec![2, 3, 4],
            dims: vec![dn, zero, dm],
            start: 1,
            length: 2,
            elements: false,
        }),
    };
    let args = vec![
        Arg::read(Root::Input(0)),
        Arg::read(Root::Input(1)),
        Arg::write(product),
        Arg::read(Root::Input(2)),
        Arg::write(Root::Output(0)),
    ];
    program.steps.push(Step::Call(Call { op: LibraryOp::Matmul(op), args }));
    let session = session(program, Vec::new(), threads).unwrap();
    let tensor = |shape: &[usize], f: &dyn Fn(usize) -> f32| {
        let values: Vec<f32> = (0..shape.iter().product()).map(f).collect();
        Tensor::from_vec(shape.to_vec(), values).unwrap()
    };
    let x = tensor(&[batch, m, k], &|i| (i % 5) as f32);
    let w = tensor(&[batch, k, n], &|i| (i % 3) as f32 - 1.0);
    let f = tensor(&[batch, m], &|i| (i % 7) as f32);
    let out = session.run(&[x, w, f]).unwrap();
    for (at, &got) in out[0].as_slice::<f32>().unwrap().iter().enumerate() {
        let (b, i, j) = (at / (m * n), at / n % m, at % n);
        let sum: f32 = (0..k)
            .map(|p| {
                let (x, w) = ((b * m + i) * k + p, (b * k + p) * n + j);
                (x % 5) as f32 * ((w % 3) as f32 - 1.0)
            })
            .sum();
        assert_eq!(got, sum * ((b * m + i) % 7) as f32, "{b} {i} {j}");
    }
}

#[test]
fn an_epilogue_runs_once_on_every_row() {
    for threads in [1, 2, 3] {
        with_epilogue(2, 5, 7, 3, threads);
        with_epilogue(1, 16, 1536, 40, threads);
        with_epilogue(3, 200, 300, 20, threads);
        with_epilogue(2, 4, 3, 0, threads);
        with_epilogue(0, 4, 3, 2, threads);
    }
}

#[test]
fn guards_say_what_is_wrong() {
    let (mut program, n) = dynamic();
    let m = {
        program.symbols.push(Symbol { name: None, input: 1, axis: 0 });
        program.dims.symbol(1)
    };
    let three = program.dims.constant(3);
    let rest = program.dims.intern(DimExpr::Sub(n, three));
    program.inputs.push(port("y", DType::F32, &[m, three]));
    let message = "y must have 3 rows fewer than x".to_owned();
    program.constraints.push(Constraint { left: m, right: rest, message });
    add_step(&mut program, n, Root::Input(0), Root::Input(0), Root::Output(0));
    let session = session(program, Vec::new(), 1).unwrap();
    let x = floats([0.0; 5]);
    let y = |shape: &[usize]| Tensor::zeros(DType::F32, shape.to_vec());
    let fail = |inputs: &[Tensor]| session.run(inputs).unwrap_err().to_string();
    assert_eq!(fail(std::slice::from_ref(&x)), "'test' takes 2 inputs, not 1");
    let wrong = Tensor::zeros(DType::I64, vec![5]);
    assert_eq!(fail(&[wrong, y(&[2, 3])]), "input 'x' is of i64, the program needs f32");
    assert_eq!(fail(&[x.clone(), y(&[2])]), "input 'y' has 1 dimensions, the program needs 2");
    let extent = fail(&[x.clone(), y(&[2, 4])]);
    assert_eq!(extent, "input 'y': dimension 1 is 4, the program needs 3");
    assert_eq!(fail(&[x.clone(), y(&[3, 3])]), "y must have 3 rows fewer than x (3 and 2)");
    // A miss is not remembered as a hit, and a hit is not as a miss.
    for _ in 0..2 {
        assert!(session.run(&[x.clone(), y(&[2, 3])]).is_ok());
        let error = session.run(&[x.clone(), y(&[3, 3])]).unwrap_err();
        assert!(matches!(error, SessionError::Guard(GuardError::Constraint { .. })));
    }
}

#[test]
fn results_that_overlap_operands_are_refused() {
    let (mut program, n) = dynamic();
    let (one, four) = (program.dims.constant(1), program.dims.constant(4));
    let both = buffer(&mut program, &[n], None);
    add_step(&mut program, n, Root::Input(0), Root::Input(0), both);
    let op = Matmul {
        dtype: DType::F32,
        m: n,
        n: one,
        k: one,
        batch: Vec::new(),
        lhs: MatrixStrides { row: one, column: one },
        rhs: MatrixStrides { row: one, column: one },
        out: MatrixStrides { row: one, column: one },
        bias: false,
        epilogue: None,
    };
    let args = vec![Arg::read(both), Arg::read(Root::Input(0)), Arg::write(both)];
    program.steps.push(Step::Call(Call { op: LibraryOp::Matmul(op), args }));
    program.steps.push(Step::Copy { from: Place::new(both), to: Place::new(Root::Output(0)), bytes: four });
    let session = session(program, Vec::new(), 1).unwrap();
    let error = session.run(&[floats([1.0; 4])]).unwrap_err().to_string();
    assert!(error.contains("step 1, argument 2, overlaps step 1, argument 0"), "{error}");
}

#[test]
fn threads_run_one_session_at_once() {
    let session = session(doubling(9), Vec::new(), 2).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_usize {
            let session = &session;
            scope.spawn(move || {
                for round in 0..200 {
                    let n = (thread * 37 + round * 13) % 3000;
                    let x = floats((0..n).map(|i| (i + thread) as f32));
                    let out = session.run(&[x]).unwrap();
                    let expected = (0..n).map(|i| (i + thread) as f32 * 512.0);
                    assert!(out[0].as_slice::<f32>().unwrap().iter().copied().eq(expected));
                }
            });
        }
    });
}

#[test]
fn what_is_missing_is_named() {
    let mut program = doubling(1);
    program.kernels.push("absent".into());
    let error = session(program, Vec::new(), 1).unwrap_err();
    assert_eq!(error.to_string(), "the compiled code has no kernel 'absent'");

    let mut program = doubling(1);
    let three = program.dims.constant(3);
    program.parameters.push(port("w", DType::F32, &[three]));
    let none = || Bytes::new(Vec::new());
    let artifact = Artifact::new(program, Target::default(), none(), none()).unwrap();
    let weights = BTreeMap::new();
    let error = Session::prepare(&artifact, &weights).unwrap_err();
    assert_eq!(error.to_string(), "missing weights: w");
    let weights = BTreeMap::from([("w".to_owned(), floats([1.0]))]);
    let error = Session::prepare(&artifact, &weights).unwrap_err();
    assert_eq!(error.to_string(), "weight 'w' is f32[1], the program needs f32[3]");
    let weights = BTreeMap::from([("w".to_owned(), floats([1.0; 3]))]);
    let error = Session::prepare(&artifact, &weights).unwrap_err();
    assert!(error.to_string().contains("no code for its 6 kernels"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Random graphs of additions against a direct evaluation: catches buffers that share memory
    /// while both are live.
    #[test]
    fn random_graphs(
        picks in prop::collection::vec((any::<usize>(), any::<usize>()), 1..25),
        n in 0..200_usize,
        threads in 1..3_usize,
    ) {
        let (mut program, dim) = dynamic();
        let mut roots = vec![Root::Input(0)];
        let mut values = vec![1.0_f64];
        for (i, (a, b)) in picks.iter().enumerate() {
            let (a, b) = (a % roots.len(), b % roots.len());
            let last = i + 1 == picks.len();
            let to = if last { Root::Output(0) } else { buffer(&mut program, &[dim], None) };
            add_step(&mut program, dim, roots[a], roots[b], to);
            values.push(values[a] + values[b]);
            roots.push(to);
        }
        let session = session(program, Vec::new(), threads).unwrap();
        let out = session.run(&[floats((0..n).map(|i| (i % 8) as f32))]).unwrap();
        let factor = values[values.len() - 1];
        for (i, &got) in out[0].as_slice::<f32>().unwrap().iter().enumerate() {
            prop_assert_eq!(f64::from(got), (i % 8) as f64 * factor);
        }
    }
}
