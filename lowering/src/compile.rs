//! From a module to something that runs: the phases in order.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use thunder_interface::Control;
use thunder_ir::codegen::{Machine, host_features};
use thunder_ir::pass::{Numerics, PassDef, Pipeline};
use thunder_ir::{Context, Module, Operation, Registry, Rewriter};
use thunder_passes::{
    ComplexPairs, Decompose, Donate, Functionalize, Inline, KERNEL, Kernels, OutlineLoops, Plan, SETUP, SplitSetup,
};
use thunder_runtime::artifact::{self, Artifact, ArtifactError, Bytes};
use thunder_runtime::cpu::code::Code;
use thunder_runtime::program::Program;
use thunder_runtime::session::{self, Session, SessionError};
use thunder_tensor::Tensor;

use crate::cpu::{LinkError, Linker};
use crate::cuda::{Arch, AssembleError, Assembler, Grid, Part, Ptx};
use crate::{ToLinalg, cpu, cuda, program};

/// A point of the pipeline at which a module can be looked at, with the dialects that are legal then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// As traced, imported or written: `thunder` ops in `func` functions.
    Traced,
    /// Functions call nothing and use no memory: what they update is a result. Loops are ops that name functions.
    /// Composites that no library carries out are decomposed; constants are folded; code is what planning found to take
    /// least time. What depends on parameters alone is a function of its own.
    Functional,
    /// Ops are grouped: calls of kernels, library computations and views are left.
    Planned,
    /// Kernels are `linalg` on tensors.
    Tensors,
    /// Kernels are of the `llvm` dialect.
    Target,
}

impl Phase {
    /// All phases in order.
    pub const ALL: [Phase; 5] = [Phase::Traced, Phase::Functional, Phase::Planned, Phase::Tensors, Phase::Target];

    /// The name on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Traced => "traced",
            Self::Functional => "functional",
            Self::Planned => "planned",
            Self::Tensors => "tensors",
            Self::Target => "target",
        }
    }
}

/// What kernels are compiled for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A processor.
    Cpu(Machine),
    /// GPUs of NVIDIA's.
    Cuda(Arch),
}

impl FromStr for Target {
    type Err = String;

    /// `cpu`, this machine's; `cuda:` and an architecture, or `cuda` for all that are supported.
    fn from_str(name: &str) -> Result<Self, String> {
        match name.split_once(':') {
            None if name == "cpu" => Ok(Self::Cpu(Machine::native())),
            None if name == "cuda" => Ok(Self::Cuda(Arch::ALL[0])),
            Some(("cuda", arch)) => arch.parse().map(Self::Cuda),
            _ => Err(format!("unknown target '{name}': known are cpu, cuda and cuda:ARCHITECTURE")),
        }
    }
}

/// How to compile.
#[derive(Debug, Clone)]
pub struct Options {
    /// The function that becomes the program.
    pub entry: String,
    /// What kernels are for.
    pub target: Target,
    /// Whether the verifier runs between passes.
    pub verify: bool,
    /// Passes that run once composites are decomposed and equal ops merged, before all else; none by default.
    pub transforms: Pipeline,
    /// What planning may do to values; `None` leaves code as it is written.
    pub plan: Option<Numerics>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            entry: "main".to_owned(),
            target: Target::Cpu(Machine::native()),
            verify: cfg!(debug_assertions),
            transforms: Pipeline::default(),
            plan: Some(Numerics::Exact),
        }
    }
}

/// Why a module could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The program breaks a rule; the diagnostics say where. The author's to fix.
    #[error("{0}")]
    Invalid(#[from] thunder_ir::Error),
    /// The linker is missing or failed. The machine's owner to fix.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The assembler of GPU code is there but failed. A bug in this compiler, or a tool that is too old.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// The emitted program does not fit the runtime. Always a bug in this compiler.
    #[error("internal: {0}")]
    Artifact(#[from] ArtifactError),
}

/// A compiled module.
pub struct Compiled {
    /// What the runtime loads.
    pub artifact: Artifact,
    /// The kernels, where they are in this process's memory and not in the artifact.
    pub code: Option<Arc<dyn Code>>,
    /// How long each phase took.
    pub times: Vec<(&'static str, Duration)>,
}

impl Compiled {
    /// A session with these weights by name.
    pub fn session(
        &self,
        parameters: &BTreeMap<String, Tensor>,
        options: session::Options,
    ) -> Result<Session, SessionError> {
        Session::prepare_with(&self.artifact, parameters, self.code.clone(), options)
    }

    /// The time that all phases took together.
    pub fn total_time(&self) -> Duration {
        self.times.iter().map(|(_, time)| *time).sum()
    }
}

/// The passes that compilation knows, registered with MLIR on first use.
pub fn passes() -> &'static [&'static PassDef] {
    static PASSES: LazyLock<Vec<&'static PassDef>> = LazyLock::new(|| {
        let statistics = Arc::default();
        [thunder_passes::register_all(&statistics), crate::register_all(&statistics)].concat()
    });
    &PASSES
}

/// A registry with everything that compilation needs, and [`passes`] registered.
pub fn registry() -> Registry {
    passes();
    Registry::upstream().with(thunder_dialect::dialect()).with(thunder_exec::dialect())
}

/// A context with everything that compilation needs.
pub fn context() -> Context {
    Context::new(&registry())
}

/// Runs the pipeline up to `phase`, which then holds for the module.
pub fn compile_to(module: &mut Module<'_>, phase: Phase, options: &Options) -> Result<(), CompileError> {
    if phase >= Phase::Functional {
        transform(module, options)?;
    }
    for next in Phase::ALL.into_iter().filter(|p| *p <= phase) {
        if next == Phase::Tensors {
            drop_programs(module)?;
        }
        pipeline(next, options).run_with(module, options.verify)?;
        if next == Phase::Target {
            lower(module, &options.target, &[])?;
        }
    }
    Ok(())
}

/// Runs the passes that were asked for, on code that is planned already: what they decide holds for it. What GPUs'
/// libraries have in other precisions only is kept whole for now: a transform may choose one of these.
fn transform(module: &mut Module<'_>, options: &Options) -> Result<(), CompileError> {
    if options.transforms != Pipeline::default() {
        let kept = match options.target {
            Target::Cpu(_) => Decompose::default(),
            Target::Cuda(_) => Decompose::for_any(),
        };
        let outlined = Pipeline::new().pass(&OutlineLoops::default());
        planned(decomposed(outlined, &kept), options).run_with(module, options.verify)?;
        options.transforms.run_with(module, options.verify)?;
    }
    Ok(())
}

/// Plans code as far as options allow.
fn planned(pipeline: Pipeline, options: &Options) -> Pipeline {
    match options.plan {
        Some(numerics) => match options.target {
            Target::Cpu(_) => pipeline.pass(&Plan::allowing(numerics)),
            Target::Cuda(_) => pipeline.pass(&Plan::allowing(numerics).for_gpus()),
        },
        None => pipeline,
    }
}

/// Decomposes composites but for those that `kept` keeps, and merges equal ops.
fn decomposed(pipeline: Pipeline, kept: &Decompose) -> Pipeline {
    pipeline.then("canonicalize").pass(kept).then("canonicalize").then("cse")
}

/// The passes that lead to `phase` from the one before.
pub fn pipeline(phase: Phase, options: &Options) -> Pipeline {
    let pipeline = Pipeline::new();
    match phase {
        Phase::Traced => pipeline,
        Phase::Functional => {
            let functional = pipeline.pass(&Inline::default()).pass(&OutlineLoops::default());
            let functional = functional.pass(&Functionalize::default()).pass(&ComplexPairs::default());
            let kept = match options.target {
                Target::Cpu(_) => Decompose::default(),
                Target::Cuda(_) => Decompose::for_gpus(),
            };
            let functional = decomposed(functional, &kept);
            // What transforms decided is for the code that they saw.
            let functional = match (&options.target, options.transforms == Pipeline::default()) {
                (_, false) => functional,
                (Target::Cpu(_), true) => planned(functional, options),
                // A plan may have made ops that a GPU's libraries lack.
                (Target::Cuda(_), true) => planned(functional, options).pass(&kept).then("cse"),
            };
            functional.pass(&SplitSetup::default())
        }
        Phase::Planned => {
            let (kernels, donate) = match options.target {
                Target::Cpu(_) => (Kernels::default(), Donate::default()),
                Target::Cuda(arch) => (Kernels::for_gpus(arch == Arch::Sm90a), Donate::for_gpus()),
            };
            pipeline.pass(&kernels).then("cse").pass(&donate)
        }
        Phase::Tensors => {
            let elements = match options.target {
                Target::Cpu(_) => ToLinalg::default(),
                Target::Cuda(_) => ToLinalg::by_element(),
            };
            pipeline.pass(&elements).then("canonicalize").then("cse")
        }
        Phase::Target => pipeline,
    }
}

/// Leaves kernels only: the program itself is emitted by then.
fn drop_programs(module: &Module<'_>) -> Result<(), CompileError> {
    for op in module.body().operations() {
        if op.attribute(KERNEL).is_none() {
            Rewriter::at(op).erase(op)?;
        }
    }
    Ok(())
}

/// Drops the functions beside the entry, which calls none of them any more, the one that sets it up, and those that these
/// run.
fn keep_only(module: &Module<'_>, name: &str) -> Result<(), CompileError> {
    let main = entry(module, name)?;
    let (mut kept, mut open) = (Vec::new(), vec![main]);
    open.extend(setup_of(module, main)?);
    while let Some(function) = open.pop() {
        if kept.contains(&function) {
            continue;
        }
        kept.push(function);
        let mut names = Vec::new();
        function.walk(|op| {
            names.extend(<dyn Control>::of(op).iter().flat_map(|op| op.flow().functions().map(str::to_owned)));
        });
        for name in names {
            open.push(entry(module, &name)?);
        }
    }
    for op in module.body().operations() {
        if op.name() == "func.func" && !kept.contains(&op) {
            Rewriter::at(op).erase(op)?;
        }
    }
    Ok(())
}

/// Where kernels go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Destination {
    Artifact,
    Process,
}

/// Compiles the entry function of a module to an artifact that is complete: its kernels are a shared object, made by the
/// machine's linker. The module is left in its last phase.
pub fn compile(module: &mut Module<'_>, options: &Options) -> Result<Compiled, CompileError> {
    compile_for(module, options, Destination::Artifact)
}

/// Compiles the entry function of a module to run in this process: no linker, no file. Its session comes from
/// [`Compiled::session`]; the artifact lacks the kernels. The module is left in its last phase.
pub fn compile_jit(module: &mut Module<'_>, options: &Options) -> Result<Compiled, CompileError> {
    compile_for(module, options, Destination::Process)
}

fn compile_for(module: &mut Module<'_>, options: &Options, destination: Destination) -> Result<Compiled, CompileError> {
    let mut times = Vec::new();
    let mut clock = Instant::now();
    let mut lap = |name: &'static str| {
        let now = Instant::now();
        times.push((name, now - clock));
        clock = now;
    };
    transform(module, options)?;
    Pipeline::new().pass(&Inline::default()).run_with(module, options.verify)?;
    keep_only(module, &options.entry)?;
    for phase in [Phase::Functional, Phase::Planned] {
        pipeline(phase, options).run_with(module, options.verify)?;
        lap(phase.name());
    }
    let mut emitted = Emitted::of(module, options)?;
    lap("program");
    let kernels = emitted.kernels();
    let (mut bytes, mut cubin, mut code) = (Vec::new(), None, None);
    if !kernels.is_empty() {
        drop_programs(module)?;
        pipeline(Phase::Tensors, options).run_with(module, options.verify)?;
        lap("tensors");
        emitted.spread(&lower(module, &options.target, &emitted.parts())?)?;
        lap("target");
        match &options.target {
            Target::Cpu(machine) => {
                let objects = cpu::objects(module, machine)?;
                lap("objects");
                match destination {
                    Destination::Artifact => bytes = Linker::default().shared_object(&objects)?,
                    Destination::Process => code = Some(cpu::load(&objects, &kernels)?),
                }
                lap("link");
            }
            Target::Cuda(arch) => {
                let Ptx { code, functions } = cuda::ptx(module, *arch)?;
                bytes = code.into_bytes();
                emitted.fill(&functions);
                lap("ptx");
                cubin = Assembler::default().cubin(&bytes, *arch)?;
                lap("cubin");
            }
        }
    }
    let artifact = emitted.artifact(bytes, cubin, &options.target)?;
    lap("artifact");
    Ok(Compiled { artifact, code, times })
}

/// What the functions of a module have become.
struct Emitted {
    program: Program,
    setup: Option<Program>,
    functions: Vec<Program>,
    constants: Vec<u8>,
}

impl Emitted {
    fn of(module: &Module<'_>, options: &Options) -> Result<Self, CompileError> {
        let (function, mut constants) = (entry(module, &options.entry)?, Vec::new());
        let device = match options.target {
            Target::Cpu(_) => program::Device::Cpu,
            Target::Cuda(_) => program::Device::Cuda(options.plan.unwrap_or(Numerics::Exact)),
        };
        let mut functions = program::Functions::default();
        let mut emit = |function| program::emit(function, device, &mut constants, &mut functions);
        let program = emit(function)?;
        let setup = setup_of(module, function)?.map(emit).transpose()?;
        Ok(Self { program, setup, functions: functions.programs, constants })
    }

    /// Says how kernels of a GPU are launched.
    fn spread(&mut self, grids: &BTreeMap<String, Grid>) -> Result<(), CompileError> {
        self.programs_mut().try_for_each(|program| Ok(program::spread(program, grids)?))
    }

    /// The kernels that may be parts of products.
    fn parts(&self) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        for part in self.programs().flat_map(program::parts) {
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        parts
    }

    /// Gives these the functions that they have become, by name.
    fn fill(&mut self, functions: &BTreeMap<String, String>) {
        self.programs_mut().for_each(|program| program::fill(program, functions));
    }

    fn programs(&self) -> impl Iterator<Item = &Program> {
        [&self.program].into_iter().chain(&self.setup).chain(&self.functions)
    }

    fn programs_mut(&mut self) -> impl Iterator<Item = &mut Program> {
        [&mut self.program].into_iter().chain(&mut self.setup).chain(&mut self.functions)
    }

    /// The kernels of all programs.
    fn kernels(&self) -> Vec<String> {
        let mut kernels: Vec<String> = Vec::new();
        for program in self.programs() {
            let more: Vec<String> = program.kernels.iter().filter(|name| !kernels.contains(name)).cloned().collect();
            kernels.extend(more);
        }
        kernels
    }

    fn artifact(self, code: Vec<u8>, cubin: Option<Vec<u8>>, target: &Target) -> Result<Artifact, ArtifactError> {
        let target = match target {
            _ if code.is_empty() => artifact::Target::default(),
            Target::Cpu(_) => {
                artifact::Target::Cpu { arch: std::env::consts::ARCH.to_owned(), features: vector_features() }
            }
            Target::Cuda(arch) => artifact::Target::Cuda { arch: arch.name().to_owned() },
        };
        let mut artifact = Artifact::with_functions(
            self.program,
            self.functions,
            target,
            Bytes::new(code),
            Bytes::new(self.constants),
        )?;
        if let Some(cubin) = cubin {
            artifact = artifact.with_cubin(Bytes::new(cubin));
        }
        match self.setup {
            Some(setup) => artifact.with_setup(setup),
            None => Ok(artifact),
        }
    }
}

/// The host's features that code may come to depend on, and that a runtime can ask its processor for.
fn vector_features() -> Vec<String> {
    let families = ["sse", "avx", "fma", "f16c"];
    let all = host_features();
    let present = all.split(',').filter_map(|feature| feature.strip_prefix('+'));
    let vectors = present.filter(|name| families.iter().any(|family| name.starts_with(family)));
    // AVX10.1 is a name for features of AVX-512 that are listed by their own.
    vectors.filter(|name| !["fma4", "sse4a", "avx10.1"].contains(name)).map(str::to_owned).collect()
}

/// Lowers kernels to the last phase; how those of a GPU are launched.
fn lower(module: &mut Module<'_>, target: &Target, parts: &[Part]) -> Result<BTreeMap<String, Grid>, CompileError> {
    match target {
        Target::Cpu(_) => cpu::lower(module, cpu::CPU).map(|()| BTreeMap::new()).map_err(CompileError::from),
        Target::Cuda(arch) => cuda::lower(module, *arch, parts).map_err(CompileError::from),
    }
}

fn entry<'m>(module: &'m Module<'_>, name: &str) -> Result<Operation<'m>, CompileError> {
    module
        .body()
        .operations()
        .into_iter()
        .find(|op| op.attribute("sym_name").and_then(|a| a.as_string()) == Some(name))
        .ok_or_else(|| CompileError::Invalid(thunder_ir::Error::new(format!("the module has no function '@{name}'"))))
}

/// The function that makes parameters of `function` from its others, once.
fn setup_of<'m>(module: &'m Module<'_>, function: Operation<'m>) -> Result<Option<Operation<'m>>, CompileError> {
    function.attribute(SETUP).and_then(|a| a.as_symbol()).map(|name| entry(module, name)).transpose()
}
