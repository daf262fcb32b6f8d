//! A program bound to its weights, ready to run any number of times from any number of threads.
//!
//! A run checks its inputs against the program's signature and tells which one fails and why. Sizes
//! are computed, memory planned and steps resolved once per tuple of symbol values; recent tuples are
//! kept. Intermediate memory is reused from run to run.
//!
//! Parameters that the program updates are the session's state: each run finds what the one before left. Runs of such
//! a program take turns. Inputs that it updates are given to be written.

mod device;
mod guard;
mod profile;
#[cfg(feature = "cuda")]
mod resident;
mod weights;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use device::{Device, Engine};
use thunder_tensor::Tensor;

use crate::artifact::Artifact;
use crate::cpu::Cpu;
use crate::cpu::code::{Code, CodeError};
use crate::cpu::library::CpuLibrary;
use crate::cpu::operand::Operand;
#[cfg(feature = "cuda")]
use crate::cuda::{CudaError, Gpu};
use crate::executor::{Executor, ExecutorError};
use crate::plan::{MemoryStatistics, Plan, PlanError, Shape};
use crate::program::{Parameter, Port, Program, ProgramError, Root, State};

pub use guard::{GuardError, Typed};
pub use profile::StepTime;
pub(crate) use weights::Weight;

/// Plans that a session keeps, least recently used ones first to go.
const PLANS: usize = 32;

/// How a session runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads and vector units.
    pub cpu: Arc<Cpu>,
    /// Who carries out library operations; the first that claims one gets it.
    pub executors: Vec<Arc<dyn Executor>>,
    /// The GPU to run on; without, code for a GPU gets the first, and all else runs on the processor.
    #[cfg(feature = "cuda")]
    pub gpu: Option<Arc<Gpu>>,
}

impl Options {
    /// All threads that the process may use, and the executors of this crate.
    pub fn new() -> Self {
        Self::with_threads(Cpu::available_threads())
    }

    /// That many threads, and the executors of this crate.
    pub fn with_threads(threads: usize) -> Self {
        Self {
            cpu: Arc::new(Cpu::new(threads)),
            executors: vec![Arc::new(CpuLibrary)],
            #[cfg(feature = "cuda")]
            gpu: None,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

/// A program that is ready to run.
pub struct Session {
    program: Arc<Program>,
    /// Those that its steps run, on the device.
    functions: Arc<[Arc<Program>]>,
    engine: Engine,
    plans: Mutex<Vec<Arc<Plan>>>,
}

/// Why a session cannot be prepared or run.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The weights lack some of the program's parameters. The caller's to provide.
    #[error("missing weights: {}", .0.join(", "))]
    MissingParameters(Vec<String>),
    /// A weight has another type or shape than the program was compiled for. The caller's mistake.
    #[error("weight '{name}' is {found}, the program needs {expected}")]
    Parameter {
        /// Its name.
        name: String,
        /// Type and shape in the program.
        expected: String,
        /// Type and shape given.
        found: String,
    },
    /// An input or output given does not fit the program. The caller's mistake.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// The artifact's code cannot be loaded. The compiler's bug, or the system is short of memory.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The code is for a GPU, which this build cannot use. Build with the feature `cuda`.
    #[error("compiled for a GPU ({0}), and this build runs on processors only")]
    NoCuda(String),
    /// The code is for the processor, and a GPU is to run it. The caller's mistake.
    #[error("compiled for the processor, not for a GPU; compile it with --target cuda")]
    NoGpuCode,
    /// Tensors of a GPU are given to a session on the processor. The caller's mistake.
    #[error("the session of '{0}' runs on the processor, which takes no tensors of a GPU")]
    NotOnGpu(String),
    /// The GPU cannot be used, or cannot go on.
    #[cfg(feature = "cuda")]
    #[error(transparent)]
    Cuda(#[from] CudaError),
    /// The code lacks a kernel that the program names. The compiler's bug.
    #[error("the compiled code has no kernel '{0}'")]
    MissingKernel(String),
    /// The program has kernels, but there is no code. The caller's, who must pass the JIT's code.
    #[error("the artifact has no code for its {0} kernels")]
    NoCode(usize),
    /// No executor claims an operation. The options' to allow.
    #[error("step {step}: no executor claims '{op}' (tried: {tried})")]
    Unclaimed {
        /// Position in the program.
        step: usize,
        /// Name of the operation.
        op: &'static str,
        /// The executors asked.
        tried: String,
    },
    /// An executor cannot prepare a call that it claims.
    #[error("step {step}: {error}")]
    Executor {
        /// Position in the program.
        step: usize,
        /// What it says.
        error: ExecutorError,
    },
    /// The program cannot run at these sizes. The compiler's bug.
    #[error("the program cannot run at these sizes: {0}")]
    Plan(#[from] PlanError),
    /// The program breaks a rule of the format. The compiler's bug.
    #[error("invalid program: {0}")]
    Program(#[from] ProgramError),
}

type Result<T, E = SessionError> = std::result::Result<T, E>;

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.program.name)
    }
}

impl Session {
    /// Prepares an artifact with its own code on all threads. Weights beyond the program's parameters
    /// are ignored. What depends on weights alone is computed now, once; a weight that nothing else needs is not kept.
    ///
    /// An artifact is code: prepare only what you would execute.
    pub fn prepare(artifact: &Artifact, parameters: &BTreeMap<String, Tensor>) -> Result<Self> {
        Self::prepare_with(artifact, parameters, None, Options::new())
    }

    /// As [`Session::prepare`], with kernels from `code` if given, and with options.
    pub fn prepare_with(
        artifact: &Artifact,
        parameters: &BTreeMap<String, Tensor>,
        code: Option<Arc<dyn Code>>,
        options: Options,
    ) -> Result<Self> {
        weights::check(&artifact.parameters(), parameters)?;
        let mut device = Device::of(artifact, code, options)?;
        device.add_functions(artifact.functions())?;
        let given = |name: &str| parameters.get(name).cloned().map(Weight::Host);
        let mut made = BTreeMap::new();
        if let Some(setup) = artifact.setup() {
            let session = Self::of(setup, &given, &device)?;
            made.extend(setup.outputs.iter().map(|port| port.name.as_str()).zip(session.made()?));
        }
        Self::of(artifact.program(), &|name| made.get(name).cloned().or_else(|| given(name)), &device)
    }

    /// Prepares one program of an artifact.
    fn of(program: &Arc<Program>, weights: &dyn Fn(&str) -> Option<Weight>, device: &Device) -> Result<Self> {
        let bound = |parameter: &Parameter| weights::bind(parameter, weights(&parameter.name));
        let program = device.adapt(program);
        let engine = device.engine(&program, &bound)?;
        Ok(Self { program, functions: device.functions(), engine, plans: Mutex::default() })
    }

    /// The outputs of a program without inputs, for another on the same device.
    fn made(&self) -> Result<Vec<Weight>> {
        match &self.engine {
            Engine::Cpu(_) => Ok(self.run(&[])?.into_iter().map(Weight::Host).collect()),
            #[cfg(feature = "cuda")]
            Engine::Cuda(_) => {
                Ok(self.run_on_gpu(&mut [])?.into_iter().map(|tensor| Weight::Device(Arc::new(tensor))).collect())
            }
        }
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// What was found when the session was prepared and makes its runs slower, such as a library that is not installed.
    pub fn remarks(&self) -> Vec<String> {
        self.engine.remarks()
    }

    /// Runs the program on fresh outputs.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        guard::read_only(self.program())?;
        let plan = self.plan(inputs)?;
        let mut outputs = fresh(&plan);
        self.engine.run(&plan, inputs, &[], &mut outputs, None)?;
        Ok(outputs)
    }

    /// Runs the program on outputs given, which keeps their memory in use and warm. An output whose
    /// memory other tensors share is given memory of its own first.
    pub fn run_into(&self, inputs: &[Tensor], outputs: &mut [Tensor]) -> Result<()> {
        guard::read_only(self.program())?;
        let plan = self.plan(inputs)?;
        guard::outputs(self.program(), &plan.outputs, outputs)?;
        self.engine.run(&plan, inputs, &[], outputs, None)
    }

    /// Runs the program on fresh outputs and on inputs that it may update. One that it updates and whose memory other
    /// tensors share is given memory of its own first.
    pub fn run_in_place(&self, inputs: &mut [Tensor]) -> Result<Vec<Tensor>> {
        let plan = self.plan(inputs)?;
        let mut outputs = fresh(&plan);
        let updated = self.updated(inputs);
        self.engine.run(&plan, inputs, &updated, &mut outputs, None)?;
        Ok(outputs)
    }

    /// As [`Session::run_in_place`], on outputs given, as [`Session::run_into`].
    pub fn run_in_place_into(&self, inputs: &mut [Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let plan = self.plan(inputs)?;
        guard::outputs(self.program(), &plan.outputs, outputs)?;
        let updated = self.updated(inputs);
        self.engine.run(&plan, inputs, &updated, outputs, None)
    }

    /// The memory of the inputs that the program updates, in the order of its states.
    fn updated(&self, inputs: &mut [Tensor]) -> Vec<Operand> {
        let number = |state: &State| if let Root::Input(i) = state.root { Some(i as usize) } else { None };
        let numbers = self.program().states.iter().filter_map(number);
        numbers.map(|input| Operand::writable(inputs[input].bytes_mut())).collect()
    }

    /// What the parameters hold that the program updates, by name.
    ///
    /// On the processor the tensors share the session's memory until the next run, which copies what somebody still
    /// holds; from a GPU they are copied.
    pub fn state(&self) -> Result<BTreeMap<String, Tensor>> {
        Ok(self.state_names().map(str::to_owned).zip(self.engine.state()?).collect())
    }

    /// Gives all parameters that the program updates other contents, by name; further tensors are ignored.
    pub fn set_state(&self, contents: &BTreeMap<String, Tensor>) -> Result<()> {
        let missing: Vec<String> =
            self.state_names().filter(|name| !contents.contains_key(*name)).map(str::to_owned).collect();
        if !missing.is_empty() {
            return Err(SessionError::MissingParameters(missing));
        }
        let parameters = self.program().weights()?;
        let number =
            |state: &State| if let Root::Parameter(i) = state.root { parameters.get(i as usize) } else { None };
        let state = self.program().states.iter().filter_map(number);
        let state = state.map(|p| weights::fitting(p, &contents[&p.name])).collect::<Result<Vec<_>>>()?;
        self.engine.set_state(state)
    }

    fn state_names(&self) -> impl Iterator<Item = &str> {
        let program = self.program();
        program.states.iter().filter_map(|state| parameter(program, state.root)).map(|port| port.name.as_str())
    }

    /// Types and shapes of the outputs for these inputs.
    pub fn output_shapes(&self, inputs: &[Tensor]) -> Result<Vec<Shape>> {
        Ok(self.plan(inputs)?.outputs.clone())
    }

    /// Memory of the intermediate values for these inputs.
    pub fn memory(&self, inputs: &[Tensor]) -> Result<MemoryStatistics> {
        let plan = self.plan(inputs)?;
        #[cfg(feature = "cuda")]
        let workspace_bytes = plan.gpu.workspace();
        #[cfg(not(feature = "cuda"))]
        let workspace_bytes = 0;
        Ok(MemoryStatistics { workspace_bytes, ..plan.memory })
    }

    /// The plan for these inputs, which pass all guards.
    fn plan<T: Typed>(&self, inputs: &[T]) -> Result<Arc<Plan>> {
        let program = self.program();
        let symbols = guard::symbols(program, inputs)?;
        let known = {
            let mut plans = self.plans.lock().expect("nothing panics while it holds this lock");
            let found = plans.iter().position(|plan| plan.symbols == symbols);
            found.map(|i| {
                plans[..=i].rotate_right(1);
                Arc::clone(&plans[0])
            })
        };
        if let Some(plan) = known {
            // The constraints have held for these symbols when the plan was made.
            guard::inputs(program, &plan, inputs)?;
            return Ok(plan);
        }
        let plan = Plan::new(program, &self.functions, symbols, self.engine.cut()).map_err(|error| match error {
            PlanError::Constraint { message, left, right } => GuardError::Constraint { message, left, right }.into(),
            other => SessionError::from(other),
        });
        let plan = Arc::new(plan?);
        guard::inputs(program, &plan, inputs)?;
        guard::constraints(program, &plan.values)?;
        let mut plans = self.plans.lock().expect("nothing panics while it holds this lock");
        plans.truncate(PLANS - 1);
        plans.insert(0, Arc::clone(&plan));
        Ok(plan)
    }
}

/// Outputs of the shapes of a plan.
fn fresh(plan: &Plan) -> Vec<Tensor> {
    plan.outputs.iter().map(|(dtype, shape)| Tensor::zeros(*dtype, shape.clone())).collect()
}

/// The parameter that `root` is.
fn parameter(program: &Program, root: Root) -> Option<&Port> {
    if let Root::Parameter(i) = root { program.parameters.get(i as usize) } else { None }
}
