//! Programs on the processor: their weights and states on the host, their kernels and prepared calls.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thunder_tensor::Tensor;

use super::code::{self, Code};
use super::execute::Machine;
use super::operand::Operand;
use super::scratch::Aligned;
use crate::artifact::Artifact;
use crate::executor::{Prepared, Site};
use crate::plan::{Cut, Plan};
use crate::program::{Call, DimId, Parameter, Place, Program, Root, Step};
use crate::session::{Options, SessionError, Weight};

type Result<T, E = SessionError> = std::result::Result<T, E>;

/// What the programs of an artifact share.
pub(crate) struct Shared {
    code: Option<Arc<dyn Code>>,
    constants: Arc<Bytes>,
    options: Options,
    functions: Vec<Arc<Machine>>,
}

/// A program on the processor.
pub(crate) struct Engine {
    machine: Machine,
    /// Empty where they are state.
    parameters: Vec<Tensor>,
    /// The program's states that are parameters, in order.
    state: Mutex<Vec<Tensor>>,
    constants: Arc<Bytes>,
}

/// The constants section, at an address that is a multiple of 64.
enum Bytes {
    Shared(crate::artifact::Bytes),
    Copied(Aligned),
}

impl Shared {
    /// Kernels from `code` if given, or else the artifact's own.
    pub(crate) fn new(artifact: &Artifact, code: Option<Arc<dyn Code>>, options: Options) -> Result<Self> {
        let code = match code {
            None if !artifact.code().is_empty() => Some(code::of_artifact(artifact)?),
            code => code,
        };
        let constants = if artifact.constants().as_ptr().addr().is_multiple_of(64) {
            Bytes::Shared(artifact.constants().clone())
        } else {
            Bytes::Copied(Aligned::copied(artifact.constants()))
        };
        Ok(Self { code, constants: Arc::new(constants), options, functions: Vec::new() })
    }

    /// Prepares a function, which runs those that were prepared before.
    pub(crate) fn add_function(&mut self, function: &Arc<Program>) -> Result<()> {
        let machine = self.machine(function, &[])?;
        self.functions.push(Arc::new(machine));
        Ok(())
    }

    pub(crate) fn functions(&self) -> impl Iterator<Item = Arc<Program>> {
        self.functions.iter().map(|machine| Arc::clone(&machine.program))
    }

    /// Finds a program's kernels and prepares its calls.
    fn machine(&self, program: &Arc<Program>, parameters: &[Tensor]) -> Result<Machine> {
        let program = Arc::clone(program);
        let Self { code, constants, options, functions } = self;
        let kernels = match code {
            None if program.kernels.is_empty() => Vec::new(),
            None => return Err(SessionError::NoCode(program.kernels.len())),
            Some(code) => {
                let kernel = |name: &String| code.kernel(name).ok_or_else(|| SessionError::MissingKernel(name.clone()));
                program.kernels.iter().map(kernel).collect::<Result<_>>()?
            }
        };
        let prepared = {
            let fixed = Fixed { program: &program, parameters, constants };
            let prepare = |(step, action): (usize, &Step)| match action {
                Step::Call(call) => prepare_call(step, call, fixed, options).map(Some),
                Step::Launch(_) | Step::Copy { .. } | Step::While(_) => Ok(None),
            };
            program.steps.iter().enumerate().map(prepare).collect::<Result<_>>()?
        };
        let (cpu, code, reserve) = (Arc::clone(&options.cpu), code.clone(), Default::default());
        Ok(Machine { program, functions: functions.clone(), cpu, kernels, _code: code, prepared, reserve })
    }
}

impl Engine {
    /// Binds a program's weights, finds its kernels and prepares its calls.
    pub(crate) fn new(
        program: &Arc<Program>,
        weights: &dyn Fn(&Parameter) -> Result<Weight>,
        shared: &Shared,
    ) -> Result<Self> {
        let (parameters, state) = bind(program, weights)?;
        let machine = shared.machine(program, &parameters)?;
        Ok(Self { machine, parameters, state: Mutex::new(state), constants: Arc::clone(&shared.constants) })
    }

    pub(crate) fn cut(&self) -> Cut {
        Cut::Threads(self.machine.cpu.pool().threads())
    }

    /// Runs all steps. `updated` is the memory of the inputs that the program updates, in the order of its states.
    pub(crate) fn run(
        &self,
        plan: &Plan,
        inputs: &[Tensor],
        updated: &[Operand],
        outputs: &mut [Tensor],
        ends: Option<&mut Vec<Duration>>,
    ) {
        let fixed = (self.parameters.as_slice(), self.constants.bytes());
        let states = &self.machine.program.states;
        if states.is_empty() {
            return self.machine.run(plan, inputs, fixed, &[], outputs, ends);
        }
        // A run that panics leaves numbers behind, which are as good as any.
        let mut own = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut own, mut updated) = (own.iter_mut(), updated.iter());
        let memory = states.iter().filter_map(|state| match state.root {
            Root::Parameter(_) => own.next().map(|tensor| Operand::writable(tensor.bytes_mut())),
            _ => updated.next().copied(),
        });
        let memory: Vec<Operand> = memory.collect();
        self.machine.run(plan, inputs, fixed, &memory, outputs, ends);
    }

    /// What the parameters hold that the program updates, in the order of its states.
    pub(crate) fn state(&self) -> Vec<Tensor> {
        self.state.lock().expect("nothing panics while it holds this lock").clone()
    }

    /// Gives these parameters other contents.
    pub(crate) fn set_state(&self, state: Vec<Tensor>) {
        *self.state.lock().expect("nothing panics while it holds this lock") = state;
    }
}

/// The program's parameters, in order, and its states that are parameters.
fn bind(program: &Program, weights: &dyn Fn(&Parameter) -> Result<Weight>) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    let tensor = |parameter: &Parameter| match weights(parameter)? {
        Weight::Host(tensor) => Ok(tensor),
        #[cfg(feature = "cuda")]
        Weight::Device(tensor) => Ok(tensor.download()?),
    };
    let mut parameters = program.weights()?.iter().map(tensor).collect::<Result<Vec<_>>>()?;
    let mut state = Vec::new();
    for known in &program.states {
        if let Root::Parameter(i) = known.root {
            let parameter = &mut parameters[i as usize];
            let empty = Tensor::zeros(parameter.dtype(), [0]);
            state.push(std::mem::replace(parameter, empty));
        }
    }
    Ok((parameters, state))
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
    fn operand(self, place: Place) -> Option<Operand> {
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

fn offset(program: &Program, dim: Option<DimId>, whole: Operand) -> Option<Operand> {
    let Some(dim) = dim else { return Some(whole) };
    whole.skip(usize::try_from(program.dims.as_constant(dim)?).ok()?)
}

fn prepare_call(step: usize, call: &Call, fixed: Fixed<'_>, options: &Options) -> Result<Box<dyn Prepared>> {
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
