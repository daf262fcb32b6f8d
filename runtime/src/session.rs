//! A program bound to its weights, ready to run any number of times from any number of threads.
//!
//! A run checks its inputs against the program's signature and tells which one fails and why. Sizes
//! are computed, memory planned and steps resolved once per tuple of symbol values; recent tuples are
//! kept. Intermediate memory is reused from run to run.
//!
//! Parameters that the program updates are the session's state: each run finds what the one before left. Runs of such
//! a program take turns. Inputs that it updates are given to be written.

mod guard;
mod weights;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use thunder_tensor::Tensor;

use crate::artifact::{Artifact, Target};
use crate::cpu::Cpu;
use crate::cpu::code::{self, Code, CodeError};
use crate::cpu::execute::Machine;
use crate::cpu::library::CpuLibrary;
use crate::cpu::operand::Operand;
use crate::cpu::scratch::Aligned;
use crate::executor::{Executor, ExecutorError, Site};
use crate::plan::{MemoryStatistics, Plan, PlanError, Shape};
use crate::program::{Call, Port, Program, ProgramError, Root, State, Step};

pub use guard::GuardError;

/// Plans that a session keeps, least recently used ones first to go.
const PLANS: usize = 32;

/// How a session runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads and vector units.
    pub cpu: Arc<Cpu>,
    /// Who carries out library operations; the first that claims one gets it.
    pub executors: Vec<Arc<dyn Executor>>,
}

impl Options {
    /// All threads that the process may use, and the executors of this crate.
    pub fn new() -> Self {
        Self::with_threads(Cpu::available_threads())
    }

    /// That many threads, and the executors of this crate.
    pub fn with_threads(threads: usize) -> Self {
        Self { cpu: Arc::new(Cpu::new(threads)), executors: vec![Arc::new(CpuLibrary)] }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

/// A program that is ready to run.
pub struct Session {
    machine: Machine,
    /// Empty where they are state.
    parameters: Vec<Tensor>,
    /// The program's states that are parameters, in order.
    state: Mutex<Vec<Tensor>>,
    constants: Arc<Bytes>,
    plans: Mutex<Vec<Arc<Plan>>>,
}

/// What the programs of an artifact share.
#[derive(Clone)]
struct Common {
    code: Option<Arc<dyn Code>>,
    constants: Arc<Bytes>,
    options: Options,
}

/// The constants section, at an address that is a multiple of 64.
enum Bytes {
    Shared(crate::artifact::Bytes),
    Copied(Aligned),
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
    /// The code is for a GPU. The caller's, who must pass one.
    #[error("the code is for a GPU of architecture {0}, and the session runs on the processor")]
    Gpu(String),
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
        write!(f, "Session({})", self.machine.program.name)
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
        if let Target::Cuda { arch } = artifact.target() {
            return Err(SessionError::Gpu(arch.clone()));
        }
        weights::check(&artifact.parameters(), parameters)?;
        let code = match code {
            None if !artifact.code().is_empty() => Some(code::of_artifact(artifact)?),
            code => code,
        };
        let constants = if artifact.constants().as_ptr().addr().is_multiple_of(64) {
            Bytes::Shared(artifact.constants().clone())
        } else {
            Bytes::Copied(Aligned::copied(artifact.constants()))
        };
        let common = Common { code, constants: Arc::new(constants), options };
        let mut made = BTreeMap::new();
        if let Some(setup) = artifact.setup() {
            let outputs = Self::of(setup, &|name| parameters.get(name), common.clone())?.run(&[])?;
            made.extend(setup.outputs.iter().map(|port| port.name.as_str()).zip(outputs));
        }
        Self::of(artifact.program(), &|name| made.get(name).or_else(|| parameters.get(name)), common)
    }

    /// Prepares one program of an artifact.
    fn of(program: &Arc<Program>, weights: weights::Weights<'_>, common: Common) -> Result<Self> {
        let (program, Common { code, constants, options }) = (Arc::clone(program), common);
        let (parameters, state) = weights::bind(&program, weights)?;
        let kernels = match &code {
            None if program.kernels.is_empty() => Vec::new(),
            None => return Err(SessionError::NoCode(program.kernels.len())),
            Some(code) => {
                let kernel = |name: &String| code.kernel(name).ok_or_else(|| SessionError::MissingKernel(name.clone()));
                program.kernels.iter().map(kernel).collect::<Result<_>>()?
            }
        };
        let prepared = {
            let fixed = Fixed { program: &program, parameters: &parameters, constants: &constants };
            let prepare = |(step, action): (usize, &Step)| match action {
                Step::Call(call) => prepare_call(step, call, fixed, &options).map(Some),
                Step::Launch(_) | Step::Copy { .. } => Ok(None),
            };
            program.steps.iter().enumerate().map(prepare).collect::<Result<_>>()?
        };
        let (cpu, reserve) = (options.cpu, Default::default());
        let machine = Machine { program, cpu, kernels, _code: code, prepared, reserve };
        Ok(Self { machine, parameters, state: Mutex::new(state), constants, plans: Mutex::default() })
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.machine.program
    }

    /// Runs the program on fresh outputs.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        guard::read_only(self.program())?;
        let plan = self.plan(inputs)?;
        let mut outputs = fresh(&plan);
        self.execute(&plan, inputs, &[], &mut outputs);
        Ok(outputs)
    }

    /// Runs the program on outputs given, which keeps their memory in use and warm. An output whose
    /// memory other tensors share is given memory of its own first.
    pub fn run_into(&self, inputs: &[Tensor], outputs: &mut [Tensor]) -> Result<()> {
        guard::read_only(self.program())?;
        let plan = self.plan(inputs)?;
        guard::outputs(self.program(), &plan.outputs, outputs)?;
        self.execute(&plan, inputs, &[], outputs);
        Ok(())
    }

    /// Runs the program on fresh outputs and on inputs that it may update. One that it updates and whose memory other
    /// tensors share is given memory of its own first.
    pub fn run_in_place(&self, inputs: &mut [Tensor]) -> Result<Vec<Tensor>> {
        let plan = self.plan(inputs)?;
        let mut outputs = fresh(&plan);
        let updated = self.updated(inputs);
        self.execute(&plan, inputs, &updated, &mut outputs);
        Ok(outputs)
    }

    /// As [`Session::run_in_place`], on outputs given, as [`Session::run_into`].
    pub fn run_in_place_into(&self, inputs: &mut [Tensor], outputs: &mut [Tensor]) -> Result<()> {
        let plan = self.plan(inputs)?;
        guard::outputs(self.program(), &plan.outputs, outputs)?;
        let updated = self.updated(inputs);
        self.execute(&plan, inputs, &updated, outputs);
        Ok(())
    }

    /// The memory of the inputs that the program updates, in the order of its states.
    fn updated(&self, inputs: &mut [Tensor]) -> Vec<Operand> {
        let number = |state: &State| if let Root::Input(i) = state.root { Some(i as usize) } else { None };
        let numbers = self.program().states.iter().filter_map(number);
        numbers.map(|input| Operand::writable(inputs[input].bytes_mut())).collect()
    }

    /// What the parameters hold that the program updates, by name.
    ///
    /// The tensors share the session's memory until the next run, which copies what somebody still holds.
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        let state = self.state.lock().expect("nothing panics while it holds this lock");
        self.state_names().map(str::to_owned).zip(state.iter().cloned()).collect()
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
        *self.state.lock().expect("nothing panics while it holds this lock") = state;
        Ok(())
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
        Ok(self.plan(inputs)?.memory)
    }

    /// The plan for these inputs, which pass all guards.
    fn plan(&self, inputs: &[Tensor]) -> Result<Arc<Plan>> {
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
        let plan = Arc::new(Plan::new(program, symbols, self.machine.cpu.pool().threads())?);
        guard::inputs(program, &plan, inputs)?;
        guard::constraints(program, &plan.values)?;
        let mut plans = self.plans.lock().expect("nothing panics while it holds this lock");
        plans.truncate(PLANS - 1);
        plans.insert(0, Arc::clone(&plan));
        Ok(plan)
    }

    fn execute(&self, plan: &Plan, inputs: &[Tensor], updated: &[Operand], outputs: &mut [Tensor]) {
        let fixed = (self.parameters.as_slice(), self.constants.bytes());
        let states = &self.program().states;
        if states.is_empty() {
            return self.machine.run(plan, inputs, fixed, &[], outputs);
        }
        // A run that panics leaves numbers behind, which are as good as any.
        let mut own = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut own, mut updated) = (own.iter_mut(), updated.iter());
        let memory = states.iter().filter_map(|state| match state.root {
            Root::Parameter(_) => own.next().map(|tensor| Operand::writable(tensor.bytes_mut())),
            _ => updated.next().copied(),
        });
        let memory: Vec<Operand> = memory.collect();
        self.machine.run(plan, inputs, fixed, &memory, outputs);
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

impl Bytes {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Copied(bytes) => bytes.as_bytes(),
        }
    }
}

/// What stays the same in every run.
#[derive(Clone, Copy)]
struct Fixed<'a> {
    program: &'a Program,
    parameters: &'a [Tensor],
    constants: &'a Bytes,
}

impl Fixed<'_> {
    /// The memory of an argument, if it is all or the end of a constant or of a parameter that is not updated.
    fn operand(self, place: crate::program::Place) -> Option<Operand> {
        let program = self.program;
        if program.state(place.root).is_some() {
            return None;
        }
        let bytes = match place.root {
            Root::Parameter(i) => self.parameters[i as usize].bytes(),
            Root::Constant(i) => {
                let constant = &program.constants[i as usize];
                let elements: u64 = constant.shape.iter().product();
                let start = constant.offset as usize;
                let length = elements as usize * constant.dtype.size();
                self.constants.bytes().get(start..)?.get(..length)?
            }
            Root::Buffer(i) => {
                let alias = program.buffers[i as usize].alias?;
                let whole = self.operand(alias)?;
                return offset(program, place.offset, whole);
            }
            Root::Input(_) | Root::Output(_) => return None,
        };
        offset(program, place.offset, Operand::fixed(bytes))
    }
}

fn offset(program: &Program, dim: Option<crate::program::DimId>, whole: Operand) -> Option<Operand> {
    let Some(dim) = dim else { return Some(whole) };
    whole.skip(usize::try_from(program.dims.as_constant(dim)?).ok()?)
}

fn prepare_call(
    step: usize,
    call: &Call,
    fixed: Fixed<'_>,
    options: &Options,
) -> Result<Box<dyn crate::executor::Prepared>> {
    let dims = &fixed.program.dims;
    let Some(executor) = options.executors.iter().find(|e| e.claims(&call.op, dims)) else {
        let tried: Vec<_> = options.executors.iter().map(|executor| executor.name()).collect();
        return Err(SessionError::Unclaimed { step, op: call.op.name(), tried: tried.join(", ") });
    };
    let operands: Vec<_> = call.args.iter().map(|arg| fixed.operand(arg.place)).collect();
    let (op, args, cpu) = (&call.op, call.args.as_slice(), &*options.cpu);
    let site = Site { op, dims, args, fixed: &operands, cpu };
    executor.prepare(&site).map_err(|error| SessionError::Executor { step, error })
}
