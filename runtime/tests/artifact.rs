//! The artifact file: what is written is read, and nothing else is accepted.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;
use thunder_runtime::artifact::{Artifact, ArtifactProblem, Bytes, Target};
use thunder_runtime::program::{
    Access, Activation, Arg, Attention, AttentionStrides, BatchDim, Buffer, Call, Columns, Constant, DimExpr, DimId,
    Dims, Epilogue, Fragment, FunctionId, Grid, KernelId, Launch, LibraryOp, Matmul, MatrixStrides, Parallel, Piece,
    Place, Port, Program, Root, Spread, State, Step, Symbol, While,
};
use thunder_runtime::session::Session;
use thunder_tensor::DType;

/// The numbers of sections.
const PROGRAM: usize = 1;
const SETUP: usize = 4;
const FUNCTIONS: usize = 6;
/// How many sections there are, and where they begin behind their table.
const SECTIONS: usize = 7;
const TABLE_END: usize = 32 + 24 * SECTIONS;

/// A program that uses every part of the format.
fn program() -> Program {
    let mut dims = Dims::default();
    let n = dims.symbol(0);
    let [one, two, eight] = [1, 2, 8].map(|value| dims.constant(value));
    let area = dims.mul(n, eight);
    let half = dims.intern(DimExpr::CeilDiv(n, two));
    dims.intern(DimExpr::Max(half, eight));
    let port = |name: &str, shape: &[DimId]| Port { name: name.into(), dtype: DType::F32, shape: shape.to_vec() };
    let matrix = MatrixStrides { row: eight, column: one };
    let matmul = Matmul {
        dtype: DType::F32,
        m: n,
        n: eight,
        k: eight,
        batch: vec![BatchDim { extent: one, lhs: area, rhs: one, out: area }],
        lhs: matrix,
        rhs: matrix,
        out: matrix,
        bias: false,
        epilogue: Some(Epilogue {
            kernel: KernelId(0),
            args: vec![2],
            dims: vec![n, eight],
            start: 0,
            length: 1,
            elements: true,
        }),
    };
    let strides = AttentionStrides { batch: area, head: area, position: eight };
    let attention = Attention {
        dtype: DType::F32,
        batch: one,
        heads: one,
        kv_heads: one,
        queries: n,
        keys: n,
        width: eight,
        value_width: eight,
        q: strides,
        k: strides,
        v: strides,
        out: strides,
        scale: 0.5,
        causal: Some(one),
        mask: None,
        logsums: false,
    };
    let buffer = Root::Buffer(0);
    Program {
        name: "all".into(),
        symbols: vec![Symbol { name: Some("n".into()), input: 0, axis: 0 }],
        dims,
        constraints: Vec::new(),
        inputs: vec![port("x", &[n, eight])],
        parameters: vec![port("w", &[eight, eight])],
        states: Vec::new(),
        outputs: vec![port("out", &[n, eight])],
        constants: vec![Constant { dtype: DType::I64, shape: vec![3], offset: 64 }],
        buffers: vec![
            Buffer { dtype: DType::F32, shape: vec![n, eight], alias: None },
            Buffer { dtype: DType::F32, shape: vec![area], alias: Some(Place::new(buffer)) },
        ],
        kernels: vec!["k0".into()],
        fragments: vec![Fragment {
            kernel: KernelId(0),
            products: vec![Piece { pointer: 0, columns: Columns::All }],
            code: ".func k0()".into(),
            activation: Some(Activation::GeluGradient { pointer: 1 }),
        }],
        steps: vec![
            Step::Call(Call {
                op: LibraryOp::Matmul(matmul),
                args: vec![Arg::read(Root::Input(0)), Arg::read(Root::Parameter(0)), Arg::write(buffer)],
            }),
            Step::Call(Call {
                op: LibraryOp::Attention(attention),
                args: vec![
                    Arg::read(buffer),
                    Arg::read(Root::Buffer(1)),
                    Arg::read(Root::Input(0)),
                    Arg::write(Root::Output(0)),
                ],
            }),
            Step::Launch(Launch {
                kernel: KernelId(0),
                args: vec![
                    Arg { place: Place::new(Root::Output(0)), access: Access::Update },
                    Arg::read(Root::Constant(0)),
                ],
                dims: vec![n, one],
                spread: Spread::Slices(Parallel {
                    dim: 0,
                    start: Some(1),
                    grain: eight,
                    advance: vec![Some(eight), None],
                }),
            }),
            Step::Copy { from: Place::new(buffer), to: Place::new(Root::Output(0)), bytes: area },
        ],
    }
}

fn artifact() -> Artifact {
    let target = Target::Cpu {
        arch: std::env::consts::ARCH.to_owned(),
        features: if cfg!(target_arch = "x86_64") { vec!["sse2".into()] } else { Vec::new() },
    };
    let code = Bytes::new((0..200_u8).collect::<Vec<_>>());
    let constants = Bytes::new(vec![1; 64 + 24]);
    let artifact = Artifact::with_functions(program(), functions(), target, code, constants).unwrap();
    artifact.with_setup(setup()).unwrap()
}

/// A condition, a body, and a function with a loop of both.
fn functions() -> Vec<Program> {
    let mut dims = Dims::default();
    let [n, four] = [dims.symbol(0), dims.constant(4)];
    let bytes = dims.mul(n, four);
    let port = |name: &str, dtype, shape: &[DimId]| Port { name: name.into(), dtype, shape: shape.to_vec() };
    let buffer = |dtype, shape: &[DimId]| Buffer { dtype, shape: shape.to_vec(), alias: None };
    let base = |name: &str, output| Program {
        name: name.into(),
        symbols: vec![Symbol { name: None, input: 0, axis: 0 }],
        dims: dims.clone(),
        inputs: vec![port("x", DType::F32, &[n])],
        outputs: vec![output],
        ..Program::default()
    };
    let mut condition = base("condition", port("holds", DType::Bool, &[]));
    let (args, dims) = (vec![Arg::write(Root::Output(0))], Vec::new());
    condition.kernels = vec!["k2".into()];
    condition.steps.push(Step::Launch(Launch { kernel: KernelId(0), args, dims, spread: Spread::Whole }));
    let mut body = base("body", port("y", DType::F32, &[n]));
    let (from, to) = (Place::new(Root::Input(0)), Place::new(Root::Output(0)));
    body.steps.push(Step::Copy { from, to, bytes });
    let mut looped = base("looped", port("y", DType::F32, &[n]));
    looped.buffers = vec![buffer(DType::F32, &[n]), buffer(DType::Bool, &[])];
    looped.steps.push(Step::While(While {
        condition: FunctionId(0),
        body: FunctionId(1),
        args: vec![
            Arg::read(Root::Input(0)),
            Arg::write(Root::Output(0)),
            Arg::write(Root::Buffer(0)),
            Arg::write(Root::Buffer(1)),
        ],
        condition_symbols: vec![n],
        body_symbols: vec![n],
    }));
    vec![condition, body, looped]
}

/// A program that makes `w` of `v` and the constant, for the other one.
fn setup() -> Program {
    let mut dims = Dims::default();
    let [eight, bytes] = [8, 256].map(|value| dims.constant(value));
    let port = |name: &str| Port { name: name.into(), dtype: DType::F32, shape: vec![eight, eight] };
    Program {
        name: "all_setup".into(),
        dims,
        parameters: vec![port("v")],
        outputs: vec![port("w")],
        constants: vec![Constant { dtype: DType::I64, shape: vec![3], offset: 64 }],
        kernels: vec!["k1".into()],
        steps: vec![
            Step::Copy { from: Place::new(Root::Parameter(0)), to: Place::new(Root::Output(0)), bytes },
            Step::Launch(Launch {
                kernel: KernelId(0),
                args: vec![
                    Arg { place: Place::new(Root::Output(0)), access: Access::Update },
                    Arg::read(Root::Constant(0)),
                ],
                dims: Vec::new(),
                spread: Spread::Whole,
            }),
        ],
        ..Program::default()
    }
}

fn open(bytes: Vec<u8>) -> Result<Artifact, ArtifactProblem> {
    Artifact::from_bytes(Bytes::new(bytes), "test").map_err(|error| error.problem)
}

#[test]
fn a_file_reads_as_it_was_written() {
    let path = std::env::temp_dir().join(format!("thunder-artifact-{}.thb", std::process::id()));
    let written = artifact();
    written.write(&path).unwrap();
    let read = Artifact::open(&path).unwrap();
    assert_eq!(read.program(), written.program());
    assert_eq!(read.setup(), written.setup());
    assert_eq!(read.functions(), written.functions());
    let names: Vec<_> = read.parameters().into_iter().map(|p| (p.name, p.shape, p.initial)).collect();
    assert_eq!(names, [("v".to_owned(), vec![8, 8], None)], "a user does not know of what is made");
    assert_eq!(read.target(), written.target());
    assert_eq!(**read.code(), **written.code());
    assert_eq!(**read.constants(), **written.constants());
    assert!(read.constants().as_ptr().addr().is_multiple_of(64), "mapped constants are aligned");
    assert_eq!(read.to_bytes(), fs::read(&path).unwrap(), "same artifact, same bytes");

    fs::write(&path, b"short").unwrap();
    let error = Artifact::open(&path).unwrap_err();
    assert_eq!(error.to_string(), format!("{}: not a compiled artifact", path.display()));
    fs::remove_file(&path).unwrap();
    let error = Artifact::open(&path).unwrap_err();
    assert!(matches!(error.problem, ArtifactProblem::Io(_)));
    assert!(error.to_string().starts_with(&path.display().to_string()));
}

#[test]
fn another_version_or_processor_is_refused_by_name() {
    let mut bytes = artifact().to_bytes();
    bytes[8] = 99;
    let error = open(bytes).unwrap_err();
    assert_eq!(error.to_string(), "format version 99, this runtime reads 9; compile it again");

    let none = || Bytes::new(Vec::new());
    let with = |arch: &str, features: &[&str]| {
        let features = features.iter().map(|&feature| feature.to_owned()).collect();
        let target = Target::Cpu { arch: arch.to_owned(), features };
        Artifact::new(Program::default(), target, none(), none()).unwrap_err().problem.to_string()
    };
    let unknown = with(std::env::consts::ARCH, &["sse2", "warp-drive", "tachyons"]);
    let sse2 = if cfg!(target_arch = "x86_64") { "" } else { "sse2, " };
    let expected = format!("needs the cpu features {sse2}warp-drive, tachyons, which this processor lacks");
    assert_eq!(unknown, expected);
    assert!(with("pdp11", &[]).starts_with("compiled for pdp11, this processor is "));
}

#[test]
fn code_of_a_gpu_runs_on_grids_only() {
    let gpu = || Target::Cuda { arch: "sm_90a".into() };
    let none = || Bytes::new(Vec::new());
    let mut dims = Dims::default();
    let n = dims.constant(4);
    let grid = |threads| Spread::Grid(Grid { blocks: [n; 3], threads, shared: 0, overlaps: false });
    let with = |spread| Program {
        name: "one".into(),
        dims: dims.clone(),
        outputs: vec![Port { name: "out".into(), dtype: DType::F32, shape: vec![n] }],
        kernels: vec!["k".into()],
        steps: vec![Step::Launch(Launch {
            kernel: KernelId(0),
            args: vec![Arg::write(Root::Output(0))],
            dims: Vec::new(),
            spread,
        })],
        ..Program::default()
    };
    let ptx = || Bytes::new(".version 8.0");
    let artifact = Artifact::new(with(grid(128)), gpu(), ptx(), none()).unwrap().with_cubin(Bytes::new([7; 3]));
    let read = open(artifact.to_bytes()).unwrap();
    assert_eq!((&**read.code(), &**read.cubin(), read.target()), (&b".version 8.0"[..], &[7; 3][..], &gpu()));

    let refused = |program, target| Artifact::new(program, target, ptx(), none()).unwrap_err().problem.to_string();
    let message = "invalid program: step 0: a GPU runs the code, which the launch is not spread over";
    assert_eq!(refused(with(Spread::Whole), gpu()), message);
    let message = "invalid program: step 0: a processor runs the code, which the launch is not spread over";
    assert_eq!(refused(with(grid(128)), Target::Any), message);
    assert_eq!(refused(with(grid(0)), gpu()), "invalid program: step 0: blocks of 0 threads");
    assert_eq!(refused(with(grid(1025)), gpu()), "invalid program: step 0: blocks of 1025 threads");
    let mut epilogue = program();
    epilogue.steps.truncate(1);
    epilogue.outputs.clear();
    epilogue.constants.clear();
    assert_eq!(refused(epilogue, gpu()), "invalid program: step 0: 'matmul' has an epilogue on a GPU");
    let halves = |starts: &[u32]| {
        let half = |&start: &u32| Piece { pointer: 0, columns: Columns::Half { of: 16, start } };
        let (kernel, products) = (KernelId(0), starts.iter().map(half).collect());
        let fragments = vec![Fragment { kernel, products, code: ".func k()".into(), activation: None }];
        Program { fragments, ..with(grid(128)) }
    };
    for starts in [&[0][..], &[8, 0], &[0, 0], &[0, 8, 0]] {
        let message = "invalid program: fragment 0: halves that are not both of one product";
        assert_eq!(refused(halves(starts), gpu()), message);
    }
    assert!(Artifact::new(halves(&[0, 8]), gpu(), ptx(), none()).is_ok());
    let binary = Artifact::new(Program::default(), gpu(), Bytes::new([0xff]), none()).unwrap_err();
    assert_eq!(binary.problem.to_string(), "damaged: the PTX is no text");
    // With a GPU, its driver refuses the PTX; without, there is nothing to run on.
    let error = Session::prepare(&artifact, &BTreeMap::new()).unwrap_err().to_string();
    let starts = ["no GPU to run on: ", "the GPU's driver", "compiled for sm_90a", "compiled for a GPU (sm_90a)"];
    assert!(starts.iter().any(|start| error.starts_with(start)), "{error}");
}

#[test]
fn every_truncation_and_every_flipped_byte_is_an_error() {
    let bytes = artifact().to_bytes();
    for length in 0..bytes.len() {
        assert!(open(bytes[..length].to_vec()).is_err(), "{length} bytes");
    }
    let used = |at: usize| {
        // The padding between sections is not read.
        let entry = |i: usize, field: usize| {
            let at = 32 + 24 * i + field;
            u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize
        };
        at < TABLE_END || (0..SECTIONS).any(|i| (entry(i, 8)..entry(i, 8) + entry(i, 16)).contains(&at))
    };
    for at in (0..bytes.len()).filter(|&at| used(at)) {
        for bit in [0, 7] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            assert!(open(damaged).is_err(), "byte {at}, bit {bit}");
        }
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(open(longer).is_err());
}

/// Puts other bytes into a section of the file, with checksums that hold.
fn with_section(number: usize, content: &[u8]) -> Vec<u8> {
    let original = artifact().to_bytes();
    let field = |at: usize| u64::from_le_bytes(original[at..at + 8].try_into().unwrap()) as usize;
    let mut contents = Vec::new();
    for i in 0..SECTIONS {
        let (offset, length) = (field(32 + 24 * i + 8), field(32 + 24 * i + 16));
        contents.push(original[offset..offset + length].to_vec());
    }
    contents[number] = content.to_vec();
    let mut bytes = vec![0; TABLE_END];
    for (i, content) in contents.iter().enumerate() {
        bytes.resize(bytes.len().next_multiple_of(64), 0);
        let (entry, offset) = (32 + 24 * i, bytes.len() as u64);
        bytes[entry..entry + 4].copy_from_slice(&(i as u32 + 1).to_le_bytes());
        bytes[entry + 4..entry + 8].copy_from_slice(&crc32fast::hash(content).to_le_bytes());
        bytes[entry + 8..entry + 16].copy_from_slice(&offset.to_le_bytes());
        bytes[entry + 16..entry + 24].copy_from_slice(&(content.len() as u64).to_le_bytes());
        bytes.extend(content);
    }
    bytes.resize(bytes.len().next_multiple_of(64), 0);
    let length = bytes.len() as u64;
    bytes[..16].copy_from_slice(&original[..16]);
    bytes[16..24].copy_from_slice(&length.to_le_bytes());
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..24]);
    hasher.update(&bytes[32..TABLE_END]);
    bytes[24..28].copy_from_slice(&hasher.finalize().to_le_bytes());
    bytes
}

#[test]
fn rebuilt_files_are_accepted() {
    for (number, program) in [(PROGRAM, program()), (SETUP, setup())] {
        let encoded = postcard::to_stdvec(&program).unwrap();
        assert_eq!(with_section(number, &encoded), artifact().to_bytes());
    }
    let encoded = postcard::to_stdvec(&functions()).unwrap();
    assert_eq!(with_section(FUNCTIONS, &encoded), artifact().to_bytes());
    assert!(open(with_section(SETUP, &[])).unwrap().setup().is_none());
    assert!(open(with_section(FUNCTIONS, &[])).unwrap().functions().is_empty());
}

/// A setup program fits the program that it is for, or the file says how it does not.
#[test]
fn a_setup_program_that_does_not_fit_is_refused() {
    let said = |change: &dyn Fn(&mut Program)| {
        let mut changed = setup();
        change(&mut changed);
        open(with_section(SETUP, &postcard::to_stdvec(&changed).unwrap())).unwrap_err().to_string()
    };
    let unknown = "invalid program: setup program 'all_setup': makes 'u', which is no parameter of that type";
    assert_eq!(said(&|p| p.outputs[0].name = "u".into()), unknown);
    assert_eq!(said(&|p| p.outputs[0].dtype = DType::F64), unknown.replace("'u'", "'w'"));
    assert_eq!(said(&|p| p.outputs[0].shape.truncate(1)), unknown.replace("'u'", "'w'"));
    let given = "invalid program: setup program 'all_setup': 'w' is both made and given";
    assert_eq!(said(&|p| p.parameters[0].name = "w".into()), given);
    let inputs = "invalid program: setup program 'all_setup': takes inputs, or updates its parameters";
    assert_eq!(said(&|p| p.inputs.clone_from(&p.outputs)), inputs);
    assert_eq!(said(&|p| p.states.push(State { root: Root::Parameter(0), initial: None })), inputs);
    assert!(said(&|p| p.steps.clear()).starts_with("invalid program: output 'w': no step writes it"));
    let cut = open(with_section(SETUP, &postcard::to_stdvec(&setup()).unwrap()[..40])).unwrap_err();
    assert!(cut.to_string().starts_with("damaged: the setup program does not decode"), "{cut}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Damage that the checksums miss: decoding and validating must not panic, nor planning with
    /// any symbol value.
    #[test]
    fn damaged_programs_with_good_checksums_never_panic(
        changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.2, any::<usize>()),
        extent in prop_oneof![0..100_usize],
        number in prop_oneof![Just(PROGRAM), Just(SETUP), Just(FUNCTIONS)],
    ) {
        let mut encoded = match number {
            PROGRAM => postcard::to_stdvec(&program()).unwrap(),
            SETUP => postcard::to_stdvec(&setup()).unwrap(),
            _ => postcard::to_stdvec(&functions()).unwrap(),
        };
        for (at, value) in changes {
            let at = at % encoded.len();
            encoded[at] = value;
        }
        if let Some(cut) = cut {
            encoded.truncate(cut % encoded.len());
        }
        if let Ok(artifact) = open(with_section(number, &encoded)) {
            artifact.parameters();
            let symbols = vec![extent as i64; artifact.program().symbols.len()];
            let _ = thunder_runtime::check_sizes(artifact.program(), symbols);
        }
    }
}
