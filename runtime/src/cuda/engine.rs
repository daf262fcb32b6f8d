//! Programs on a GPU: their weights and states in its memory, their steps on its stream.

mod calls;
mod early;
mod loops;

use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cudarc::driver::result;
use cudarc::driver::sys::CUdeviceptr;
use thunder_tensor::Tensor;

use super::error::{CudaError, Result, said};
use super::executor::{Executor, Invocation, Prepared, Site};
use super::graph::{Counts, Replay};
use super::memory::Memory;
use super::module::{Function, Module};
use super::stopwatch::Mark;
use super::tensor::DeviceTensor;
use super::{Gpu, Turn};
use crate::artifact::{Artifact, Target};
use crate::cpu::operand::Operand;
use crate::plan::{Base, Plan, PlannedLaunch, PlannedStep, Unused};
use crate::program::{Dims, Fused, Parameter, Program, Root, Spread, Step};
use crate::session::{SessionError, Weight};

/// The most that an address's alignment is counted to.
const ALIGN: usize = 256;

/// The same for what functions are given: it may be a constant, which is somewhere among others.
const GIVEN_ALIGN: usize = 64;

/// What the programs of an artifact share.
pub(crate) struct Shared {
    gpu: Arc<Gpu>,
    module: Option<Arc<Module>>,
    constants: Arc<Memory>,
    functions: Vec<Arc<Engine>>,
    remarks: Remarks,
}

/// What whoever prepares a session may want to know, each once.
type Remarks = Arc<Mutex<Vec<String>>>;

/// A program on a GPU.
pub(crate) struct Engine {
    gpu: Arc<Gpu>,
    program: Arc<Program>,
    /// The functions that steps run, by `FunctionId`.
    functions: Vec<Arc<Engine>>,
    /// By `KernelId`; they are there as long as the module.
    kernels: Vec<Function>,
    _module: Option<Arc<Module>>,
    constants: Arc<Memory>,
    /// Those that are states are written in place.
    parameters: Vec<Arc<DeviceTensor>>,
    /// By step, who may carry it out, the first that can; nobody for steps that are no calls.
    executors: Vec<Vec<Arc<dyn Executor>>>,
    remarks: Remarks,
    /// The most that an address's alignment is counted to.
    align: usize,
}

/// What a plan has on a GPU, from its first run on.
#[derive(Default)]
pub(crate) struct Ready(Mutex<Option<Inner>>);

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ready")
    }
}

impl Ready {
    /// Bytes that calls use beside the arena.
    pub(crate) fn workspace(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, |inner| inner.workspace)
    }
}

struct Inner {
    /// By step of the program; `None` for steps that are no calls.
    calls: Vec<Option<Box<dyn Prepared>>>,
    /// Bytes behind the arena that calls use as scratch memory.
    workspace: usize,
    /// Memory for inputs and outputs of the host.
    host: Option<Host>,
    replay: Replay,
}

struct Host {
    inputs: Vec<Memory>,
    outputs: Vec<Memory>,
}

/// Addresses of what differs from run to run.
#[derive(Clone, Copy)]
struct Addresses<'a> {
    arena: CUdeviceptr,
    inputs: &'a [CUdeviceptr],
    outputs: &'a [CUdeviceptr],
}

/// Where memory begins: that of a plan's own values with what calls use beside them, and that of functions.
#[derive(Clone, Copy)]
struct Memories {
    arena: CUdeviceptr,
    inner: CUdeviceptr,
}

impl Shared {
    /// Loads the code of an artifact, and its constants.
    pub(crate) fn new(artifact: &Artifact, gpu: Arc<Gpu>) -> Result<Self> {
        let module = match artifact.target() {
            Target::Cuda { arch } => {
                gpu.architecture.check(arch, gpu.name())?;
                let (code, cubin) = (artifact.code(), artifact.cubin());
                (!code.is_empty()).then(|| gpu.modules.load(&gpu.queue, code, cubin)).transpose()?
            }
            Target::Any | Target::Cpu { .. } => None,
        };
        let constants = gpu.allocate(artifact.constants().len(), &|| "the constants".to_owned())?;
        gpu.upload(artifact.constants(), &constants)?;
        // Once for all programs of the artifact.
        let remark = gpu.nvtx.as_ref().and_then(|nvtx| nvtx.as_ref().err());
        let remarks = remark.map(|reason| format!("no profiler is told of steps: {reason}"));
        let (constants, remarks) = (Arc::new(constants), Arc::new(Mutex::new(remarks.into_iter().collect())));
        Ok(Self { gpu, module, constants, functions: Vec::new(), remarks })
    }

    /// Prepares a function, which runs those that were prepared before.
    pub(crate) fn add_function(&mut self, function: &Arc<Program>) -> Result<(), SessionError> {
        let no_weights = |parameter: &Parameter| Err(SessionError::MissingParameters(vec![parameter.name.clone()]));
        let engine = Engine::new(function, &no_weights, self)?;
        self.functions.push(Arc::new(Engine { align: GIVEN_ALIGN, ..engine }));
        Ok(())
    }

    /// Whether an executor wants products and a kernel to be one call.
    pub(crate) fn fuses(&self, op: &Fused, dims: &Dims) -> bool {
        self.gpu
            .settings
            .executors
            .iter()
            .any(|executor| executor.is_installed() && executor.fuses(op, dims, &self.gpu))
    }

    pub(crate) fn functions(&self) -> impl Iterator<Item = Arc<Program>> {
        self.functions.iter().map(|engine| Arc::clone(&engine.program))
    }
}

impl Engine {
    /// Puts a program's weights onto the GPU, and finds its kernels and executors.
    pub(crate) fn new(
        program: &Arc<Program>,
        weights: &dyn Fn(&Parameter) -> Result<Weight, SessionError>,
        shared: &Shared,
    ) -> Result<Self, SessionError> {
        let gpu = &shared.gpu;
        let kernels = match &shared.module {
            None if program.kernels.is_empty() => Vec::new(),
            None => return Err(SessionError::NoCode(program.kernels.len())),
            Some(module) => functions(program, module)?,
        };
        let executors = calls::executors(program, &gpu.settings.executors, &shared.remarks)?;
        let parameter = |(number, parameter): (u32, &Parameter)| -> Result<Arc<DeviceTensor>, SessionError> {
            let is_state = program.state(Root::Parameter(number)).is_some();
            Ok(match weights(parameter)? {
                Weight::Host(tensor) => Arc::new(DeviceTensor::new(gpu, &tensor)?),
                Weight::Device(tensor) if is_state => Arc::new(tensor.duplicate()?),
                Weight::Device(tensor) => tensor,
            })
        };
        let parameters = (0..).zip(&program.weights()?).map(parameter).collect::<Result<_, _>>()?;
        let (module, constants) = (shared.module.clone(), Arc::clone(&shared.constants));
        let (gpu, program) = (Arc::clone(gpu), Arc::clone(program));
        let (functions, remarks) = (shared.functions.clone(), Arc::clone(&shared.remarks));
        let engine = Self {
            gpu,
            program,
            functions,
            kernels,
            _module: module,
            constants,
            parameters,
            executors,
            remarks,
            align: ALIGN,
        };
        Ok(engine)
    }

    /// What whoever prepares the session may want to know.
    pub(crate) fn remarks(&self) -> Vec<String> {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn gpu(&self) -> &Arc<Gpu> {
        &self.gpu
    }

    /// Runs all steps on tensors of the host, and waits. The times at which steps end go to `ends`. `updated` is the memory of the inputs that the program updates.
    pub(crate) fn run(
        &self,
        plan: &Plan,
        inputs: &[Tensor],
        updated: &[Operand],
        outputs: &mut [Tensor],
        ends: Option<&mut Vec<Duration>>,
    ) -> Result {
        let gpu = &*self.gpu;
        let mut turn = gpu.turn();
        let mut ready = self.ready(plan)?;
        let host = match ready.as_mut().and_then(|ready| ready.host.take()) {
            Some(host) => host,
            None => self.host(plan)?,
        };
        for (tensor, memory) in inputs.iter().zip(&host.inputs) {
            turn.upload(&gpu.queue, tensor.bytes(), memory)?;
        }
        let addresses = |memory: &[Memory]| memory.iter().map(Memory::start).collect::<Vec<_>>();
        let marks = ends.is_some().then(|| Mutex::new(Vec::with_capacity(plan.steps.len() + 1)));
        let (given, made) = (addresses(&host.inputs), addresses(&host.outputs));
        self.start(plan, &mut turn, &mut ready, [&given, &made], marks.as_ref())?;
        gpu.queue.wait(&|| format!("program '{}'", self.program.name))?;
        if let (Some(ends), Some(marks)) = (ends, marks) {
            let marks = marks.into_inner().unwrap_or_else(PoisonError::into_inner);
            for mark in marks.iter().skip(1) {
                ends.push(mark.since(&marks[0])?);
            }
        }
        let staging = turn.staging(&gpu.queue)?;
        for (memory, tensor) in host.outputs.iter().zip(outputs) {
            let bytes = tensor.bytes_mut();
            assert_eq!(bytes.len(), memory.bytes(), "guards have compared every tensor with the plan");
            // SAFETY: the bytes are borrowed mutably, and both have as many.
            unsafe { staging.download(memory.start(), bytes.as_mut_ptr(), bytes.len())? };
        }
        let states = self.program.states.iter().filter_map(|state| match state.root {
            Root::Input(input) => Some(input as usize),
            _ => None,
        });
        for (input, operand) in states.zip(updated) {
            let memory = &host.inputs[input];
            assert_eq!(operand.bytes(), memory.bytes(), "guards have compared every tensor with the plan");
            // SAFETY: the operand is memory that its owner has lent to be written, and both have as many bytes.
            unsafe { staging.download(memory.start(), operand.start(), operand.bytes())? };
        }
        if let Some(ready) = &mut *ready {
            ready.host = Some(host);
        }
        Ok(())
    }

    /// Starts all steps on tensors of the GPU, whose types and shapes are the plan's.
    pub(crate) fn start_on(&self, plan: &Plan, inputs: &[DeviceTensor], outputs: &[DeviceTensor]) -> Result {
        let addresses = |kind: &'static str, tensors: &[DeviceTensor]| {
            let address = |(number, tensor): (usize, &DeviceTensor)| match Arc::ptr_eq(tensor.gpu(), &self.gpu) {
                true => Ok(tensor.memory().start()),
                false => Err(CudaError::Elsewhere { kind, number }),
            };
            tensors.iter().enumerate().map(address).collect::<Result<Vec<_>>>()
        };
        let (inputs, outputs) = (addresses("input", inputs)?, addresses("output", outputs)?);
        let mut turn = self.gpu.turn();
        let mut ready = self.ready(plan)?;
        self.start(plan, &mut turn, &mut ready, [&inputs, &outputs], None)
    }

    /// Outputs of the shapes of a plan, to be written.
    pub(crate) fn outputs(&self, plan: &Plan) -> Result<Vec<DeviceTensor>> {
        plan.outputs.iter().map(|shape| DeviceTensor::unwritten(&self.gpu, shape)).collect()
    }

    /// What the parameters hold that the program updates, in the order of its states.
    pub(crate) fn state(&self) -> Result<Vec<Tensor>> {
        self.state_parameters().map(|parameter| parameter.download()).collect()
    }

    /// Gives these parameters other contents, of their types and shapes.
    pub(crate) fn set_state(&self, state: &[Tensor]) -> Result {
        let mut parameters = self.state_parameters().zip(state);
        parameters.try_for_each(|(parameter, tensor)| self.gpu.upload(tensor.bytes(), parameter.memory()))
    }

    /// How a plan's runs were done.
    pub(crate) fn counts(&self, plan: &Plan) -> Counts {
        let ready = plan.gpu.0.lock().unwrap_or_else(PoisonError::into_inner);
        ready.as_ref().map_or_else(Counts::default, |ready| ready.replay.counts)
    }

    fn state_parameters(&self) -> impl Iterator<Item = &DeviceTensor> {
        self.program.states.iter().filter_map(|state| match state.root {
            Root::Parameter(i) => Some(&*self.parameters[i as usize]),
            _ => None,
        })
    }

    /// What the plan has on the GPU, made at its first run.
    fn ready<'a>(&self, plan: &'a Plan) -> Result<std::sync::MutexGuard<'a, Option<Inner>>> {
        let mut ready = plan.gpu.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ready.is_none() {
            let (mut calls, mut measured) = (Vec::<Option<Box<dyn Prepared>>>::new(), calls::Measured::default());
            calls.resize_with(self.program.steps.len(), || None);
            for step in &plan.steps {
                let PlannedStep::Call { call, slots, .. } = step else { continue };
                let Step::Call(own) = &self.program.steps[*call] else {
                    unreachable!("a planned call is a call of the program")
                };
                let alignments: Vec<usize> = plan.slots[slots.clone()]
                    .iter()
                    .map(|slot| alignment(self.fixed(slot.base) + slot.offset).min(self.align))
                    .collect();
                let site = Site { op: &own.op, values: &plan.values, alignments: &alignments, gpu: &self.gpu };
                calls[*call] = Some(measured.prepare(&self.executors[*call], &site)?);
            }
            early::begin_early(&self.program, plan, &mut calls);
            let needed = plan.steps.iter().filter_map(|step| {
                let PlannedStep::Call { call, unused, .. } = step else { return None };
                let bytes = calls[*call].as_ref()?.workspace();
                // What has no room in memory that is unused meanwhile has it behind what is not.
                let end = fitting(plan, *unused, bytes).is_none().then(|| unused.map_or(0, |unused| unused.end));
                Some(end? + bytes)
            });
            let workspace = needed.max().unwrap_or(0).saturating_sub(plan.memory.arena_bytes);
            *ready = Some(Inner { calls, workspace, host: None, replay: Replay::default() });
        }
        Ok(ready)
    }

    /// Memory for tensors that come from the host.
    fn host(&self, plan: &Plan) -> Result<Host> {
        let memory = |kind: &'static str, shapes: &[crate::plan::Shape]| {
            let bytes = shapes.iter().map(|(dtype, shape)| shape.iter().product::<usize>() * dtype.size());
            bytes.map(|bytes| self.gpu.allocate(bytes, &|| format!("an {kind}"))).collect::<Result<Vec<_>>>()
        };
        Ok(Host { inputs: memory("input", &plan.inputs)?, outputs: memory("output", &plan.outputs)? })
    }

    /// Starts all steps, or replays them. With `marks`, starts them one by one, with a mark before the first and behind each.
    fn start(
        &self,
        plan: &Plan,
        turn: &mut Turn,
        ready: &mut Option<Inner>,
        [inputs, outputs]: [&[CUdeviceptr]; 2],
        marks: Option<&Mutex<Vec<Mark>>>,
    ) -> Result {
        let Some(Inner { calls, workspace, replay, .. }) = ready else {
            unreachable!("a plan is made ready before it runs")
        };
        let _range = self.gpu.range(|| self.program.name.clone());
        let queue = &self.gpu.queue;
        queue.enter()?;
        let (own, inner) = (own_bytes(plan, *workspace), self.inner_bytes(plan)?);
        let what = || {
            let live = plan.memory.live_bytes;
            format!(
                "the intermediate values of program '{}', of which {live} bytes are needed at once,",
                self.program.name
            )
        };
        let arena = turn.arena(queue, own + inner, &what)?;
        let addresses = Addresses { arena, inputs, outputs };
        let table = self.table(plan, addresses);
        let memory = Memories { arena, inner: arena + own as CUdeviceptr };
        let settings = &self.gpu.settings;
        // How often a loop goes round is not known when its steps are recorded.
        if settings.step_by_step || !settings.graphs || marks.is_some() || plan.loops().next().is_some() {
            let mark = || match marks {
                Some(marks) => Mark::now(queue).map(|m| marks.lock().unwrap_or_else(PoisonError::into_inner).push(m)),
                None => Ok(()),
            };
            let after = |step: &PlannedStep| {
                if settings.step_by_step {
                    let program = &self.program;
                    queue.wait(&|| format!("{} of program '{}'", step.name(program).0, program.name))?;
                }
                mark()
            };
            mark()?;
            return self.enqueue(plan, &table, calls, memory, &after);
        }
        let all = [&[arena], inputs, outputs].concat();
        let start = || self.enqueue(plan, &table, calls, memory, &|_| Ok(()));
        replay.run(queue, all, &start)
    }

    /// The address of every slot.
    fn table(&self, plan: &Plan, addresses: Addresses<'_>) -> Vec<CUdeviceptr> {
        let state = |i: u32| match self.program.states[i as usize].root {
            Root::Parameter(i) => self.parameters[i as usize].memory().start(),
            Root::Input(i) => addresses.inputs[i as usize],
            Root::Constant(_) | Root::Buffer(_) | Root::Output(_) => unreachable!("`Program::validate` has refused it"),
        };
        let address = |slot: &crate::plan::Slot| {
            let base = match slot.base {
                Base::Arena => addresses.arena,
                Base::Input(i) => addresses.inputs[i as usize],
                Base::Output(i) => addresses.outputs[i as usize],
                Base::Parameter(i) => self.parameters[i as usize].memory().start(),
                Base::Constant(_) => self.constants.start() + self.fixed(slot.base) as CUdeviceptr,
                Base::State(i) => state(i),
            };
            base + slot.offset as CUdeviceptr
        };
        plan.slots.iter().map(address).collect()
    }

    /// Where a base starts in memory that is aligned.
    fn fixed(&self, base: Base) -> usize {
        match base {
            Base::Constant(i) => self.program.constants[i as usize].offset as usize,
            _ => 0,
        }
    }

    /// Starts all steps one after the other, and calls `after` behind each.
    fn enqueue(
        &self,
        plan: &Plan,
        table: &[CUdeviceptr],
        calls: &[Option<Box<dyn Prepared>>],
        memory: Memories,
        after: &dyn Fn(&PlannedStep) -> Result,
    ) -> Result {
        let stream = self.gpu.queue.stream();
        for step in &plan.steps {
            let _range = self.gpu.range(|| step.name(&self.program).0);
            match step {
                PlannedStep::Launch(launch) => self.launch(plan, table, launch)?,
                PlannedStep::Wave(wave) => {
                    wave.launches.iter().try_for_each(|launch| self.launch(plan, table, launch))?;
                }
                PlannedStep::Call { call, slots, unused, .. } => {
                    let Some(prepared) = &calls[*call] else { unreachable!("every call of a plan is prepared") };
                    let operands = &table[slots.clone()];
                    let end = unused.map_or(0, |unused| unused.end);
                    let piece = fitting(plan, *unused, prepared.workspace());
                    let workspace = piece.map_or(memory.arena + end as CUdeviceptr, |slot| table[slot]);
                    prepared.run(&Invocation { operands, workspace, gpu: &self.gpu })?;
                }
                PlannedStep::Copy { bytes: 0, .. } => {}
                PlannedStep::Copy { slots, bytes } => {
                    let (from, to) = (table[slots.start], table[slots.start + 1]);
                    // SAFETY: the plan has checked both ranges and that they are apart; the memory lives until it is given
                    // back on the same stream.
                    unsafe { result::memcpy_dtod_async(to, from, *bytes, stream)? };
                }
                PlannedStep::While(rounds) => self.rounds(rounds, &table[rounds.slots.clone()], memory)?,
            }
            after(step)?;
        }
        Ok(())
    }

    fn launch(&self, plan: &Plan, table: &[CUdeviceptr], launch: &PlannedLaunch) -> Result {
        let Some(grid) = launch.grid.as_ref().filter(|grid| !grid.blocks.contains(&0)) else { return Ok(()) };
        let pointers = table[launch.slots.clone()].iter().map(std::ptr::from_ref).map(|p| p.cast::<c_void>());
        let numbers = plan.numbers[launch.numbers.clone()].iter().map(std::ptr::from_ref).map(|n| n.cast());
        let mut arguments: Vec<*mut c_void> = pointers.chain(numbers).map(<*const c_void>::cast_mut).collect();
        let (kernel, stream) = (self.kernels[launch.kernel], self.gpu.queue.stream());
        // SAFETY: the launch's contract; the plan has checked offsets and sizes. The arguments have 8 bytes each.
        let started = unsafe { kernel.start(grid, stream, &mut arguments) };
        started.map_err(|error| CudaError::Launch {
            kernel: self.program.kernels[launch.kernel].clone(),
            blocks: grid.blocks,
            threads: grid.threads,
            error: said(error),
        })
    }
}

/// The kernels of a program, each with room for the most shared memory that a launch gives it.
fn functions(program: &Program, module: &Module) -> Result<Vec<Function>, SessionError> {
    let mut shared = vec![0; program.kernels.len()];
    for step in &program.steps {
        if let Step::Launch(launch) = step
            && let Spread::Grid(grid) = &launch.spread
        {
            let most = &mut shared[launch.kernel.0 as usize];
            *most = grid.shared.max(*most);
        }
    }
    let function = |(name, shared): (&String, &u32)| {
        module.function(name, *shared)?.ok_or_else(|| SessionError::MissingKernel(name.clone()))
    };
    program.kernels.iter().zip(&shared).map(function).collect()
}

/// The bytes of a plan's own values, and of what its calls use beside them.
fn own_bytes(plan: &Plan, workspace: usize) -> usize {
    (plan.memory.arena_bytes + workspace).next_multiple_of(ALIGN)
}

/// The slot of unused memory in which so many bytes fit.
fn fitting(plan: &Plan, unused: Option<Unused>, bytes: usize) -> Option<usize> {
    unused.and_then(|unused| unused.slot).filter(|slot| plan.slots[*slot].bytes >= bytes)
}

/// The largest power of two up to 256 that divides an offset in memory that is so aligned.
fn alignment(offset: usize) -> usize {
    1 << offset.trailing_zeros().min(ALIGN.trailing_zeros())
}
