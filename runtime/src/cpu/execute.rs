//! Runs the steps of a plan: the inner loop of the runtime.

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thunder_tensor::Tensor;

use super::Cpu;
use super::code::{Code, Kernel};
use super::operand::Operand;
use super::scratch::Reserve;
use crate::executor::{Block, Finished, Invocation, Prepared};
use crate::plan::{
    Base, MAX_PTRS, Piece, Plan, PlannedEpilogue, PlannedLaunch, PlannedLoop, PlannedStep, Shape, Split,
};
use crate::program::{Program, Step};

/// Copies of at least this many bytes use all threads.
const LARGE_COPY: usize = 1 << 20;

/// What every run of a program shares.
pub(crate) struct Machine {
    pub program: Arc<Program>,
    /// The functions that steps run, by `FunctionId`.
    pub functions: Vec<Arc<Machine>>,
    pub cpu: Arc<Cpu>,
    /// By `KernelId`; they stay callable as long as `code` lives.
    pub kernels: Vec<Kernel>,
    /// Keeps the kernels in memory.
    pub _code: Option<Arc<dyn Code>>,
    /// By step; `None` for steps that are no calls.
    pub prepared: Vec<Option<Box<dyn Prepared>>>,
    /// Arenas and pointer tables between runs.
    pub reserve: Reserve,
}

impl Machine {
    /// Runs all steps.
    ///
    /// `plan` is one of this machine's program, and the tensors are those that the program's guards
    /// have passed; sizes are checked again. `states` is the memory of the program's states, which nobody else
    /// reads or writes meanwhile. The times at which steps end go to `ends`.
    pub(crate) fn run(
        &self,
        plan: &Plan,
        inputs: &[Tensor],
        (parameters, constants): (&[Tensor], &[u8]),
        states: &[Operand],
        outputs: &mut [Tensor],
        ends: Option<&mut Vec<Duration>>,
    ) {
        let fits = |(tensor, (dtype, shape)): (&Tensor, &Shape)| {
            tensor.bytes().len() == shape.iter().product::<usize>() * dtype.size()
        };
        assert!(
            inputs.len() == plan.inputs.len()
                && outputs.len() == plan.outputs.len()
                && inputs.iter().zip(&plan.inputs).all(fits)
                && outputs.iter().zip(&plan.outputs).all(|(t, shape)| fits((t, shape)))
                && states.iter().map(|state| state.bytes()).eq(plan.state_bytes.iter().copied()),
            "guards have compared every tensor with the plan"
        );
        let mut made = self.reserve.take(outputs.len() * size_of::<*mut u8>());
        let made = made.as_mut_ptr().cast::<*mut u8>();
        // First, since writing to an output that shares memory with an input moves the output.
        for (i, output) in outputs.iter_mut().enumerate() {
            // SAFETY: there is room for a pointer per output.
            unsafe { made.add(i).write(output.bytes_mut().as_mut_ptr()) };
        }
        let base = |base: Base| {
            let read = |bytes: &[u8]| bytes.as_ptr().cast_mut();
            match base {
                Base::Input(i) => read(inputs[i as usize].bytes()),
                Base::Parameter(i) => read(parameters[i as usize].bytes()),
                // SAFETY: the loop above has written the entry of every output.
                Base::Output(i) => unsafe { *made.add(i as usize) },
                Base::State(i) => states[i as usize].start(),
                Base::Arena | Base::Constant(_) => unreachable!("they are the same for all runs"),
            }
        };
        if plan.parallel {
            self.cpu.pool.rouse();
        }
        // SAFETY: the tensors have the sizes of the plan, and outputs and states are lent to be written.
        unsafe { self.start(plan, constants, &base, ends) };
    }

    /// Runs all steps on memory that begins where `base` says.
    ///
    /// # Safety
    /// There are as many bytes as the plan says of each tensor, those of outputs and states to be written, apart from all others.
    unsafe fn start(
        &self,
        plan: &Plan,
        constants: &[u8],
        base: &dyn Fn(Base) -> *mut u8,
        mut ends: Option<&mut Vec<Duration>>,
    ) {
        let mut arena = self.reserve.take(plan.memory.arena_bytes);
        let arena = arena.as_mut_ptr();
        let mut table = self.reserve.take(plan.slots.len() * size_of::<*mut u8>());
        let table = table.as_mut_ptr().cast::<*mut u8>();
        for (i, slot) in plan.slots.iter().enumerate() {
            let base = match slot.base {
                Base::Arena => arena,
                Base::Constant(i) => {
                    constants[self.program.constants[i as usize].offset as usize..].as_ptr().cast_mut()
                }
                other => base(other),
            };
            // SAFETY: the table has room for a pointer per slot.
            unsafe { table.add(i).write(base.wrapping_add(slot.offset)) };
        }
        // SAFETY: the loop above has written every entry.
        let table = unsafe { std::slice::from_raw_parts(table, plan.slots.len()) };
        let shared = Pointers(table);
        let start = ends.is_some().then(Instant::now);
        for step in &plan.steps {
            match step {
                PlannedStep::Launch(launch) => {
                    let whole = launch.split.as_ref().filter(|split| split.chunks > 1);
                    match whole {
                        // SAFETY: the launch's contract; the plan has checked offsets and sizes.
                        None => unsafe { self.whole(plan, table, launch) },
                        Some(split) => self.cpu.pool.run(split.chunks, &|chunk| {
                            let start = chunk * split.chunk;
                            let length = split.chunk.min(split.extent - start);
                            // SAFETY: as above; slices of the parallel extent are independent.
                            unsafe { self.slice(plan, shared.all(), launch, split, start, length) };
                        }),
                    }
                }
                PlannedStep::Wave(wave) => self.cpu.pool.run(wave.chunks.len(), &|chunk| {
                    for Piece { launch, start, length } in &wave.pieces[wave.chunks[chunk].clone()] {
                        let launch = &wave.launches[*launch];
                        match &launch.split {
                            // SAFETY: as above; the launches of a wave are independent.
                            None => unsafe { self.whole(plan, shared.all(), launch) },
                            // SAFETY: as above.
                            Some(split) => unsafe { self.slice(plan, shared.all(), launch, split, *start, *length) },
                        }
                    }
                }),
                PlannedStep::Call { call, slots, epilogue, .. } => {
                    self.call(plan, *call, slots.clone(), &table[slots.clone()], epilogue);
                }
                PlannedStep::Copy { slots, bytes } => {
                    let (from, to) = (table[slots.start], table[slots.start + 1]);
                    // SAFETY: the plan has checked both ranges and that they are apart.
                    unsafe { self.copy(from, to, *bytes) };
                }
                // SAFETY: the plan has checked sizes, and that what is written is apart.
                PlannedStep::While(rounds) => unsafe { self.rounds(rounds, &table[rounds.slots.clone()], constants) },
            }
            if let (Some(ends), Some(start)) = (&mut ends, start) {
                ends.push(start.elapsed());
            }
        }
    }

    /// Runs a loop: each round reads what the one before has made, and writes to the results or to the memory beside
    /// them, in turns.
    ///
    /// # Safety
    /// The pointers are those of the loop's arguments.
    unsafe fn rounds(&self, rounds: &PlannedLoop, ptrs: &[*mut u8], constants: &[u8]) {
        let (given, rest) = ptrs.split_at(rounds.inputs);
        let (results, rest) = rest.split_at(rounds.carried.len());
        let (others, answer) = rest.split_at(rounds.carried.len());
        let [condition, body] = [rounds.condition, rounds.body].map(|function| &self.functions[function]);
        let (mut now, mut is_in_results) = (&given[..results.len()], false);
        loop {
            let base = |outputs: &[*mut u8], base: Base| match base {
                Base::Input(i) => now.get(i as usize).copied().unwrap_or_else(|| given[i as usize]),
                Base::Output(i) => outputs[i as usize],
                _ => unreachable!("a function has neither parameters nor states"),
            };
            // SAFETY: the caller's promise.
            unsafe { condition.start(&rounds.plans[0], constants, &|at| base(answer, at), None) };
            // SAFETY: the condition has written it.
            if unsafe { *answer[0] } == 0 {
                break;
            }
            let next = if is_in_results { others } else { results };
            // SAFETY: as above.
            unsafe { body.start(&rounds.plans[1], constants, &|at| base(next, at), None) };
            (now, is_in_results) = (next, !is_in_results);
        }
        if !is_in_results {
            for ((from, to), bytes) in now.iter().zip(results).zip(&rounds.carried) {
                // SAFETY: both have so many bytes, and the plan has checked that they are apart.
                unsafe { self.copy(*from, *to, *bytes) };
            }
        }
    }

    /// Runs all of a launch on this thread.
    unsafe fn whole(&self, plan: &Plan, table: &[*mut u8], launch: &PlannedLaunch) {
        let (ptrs, numbers) = (&table[launch.slots.clone()], &plan.numbers[launch.numbers.clone()]);
        // SAFETY: the caller's promise.
        unsafe { self.kernels[launch.kernel](ptrs.as_ptr(), numbers.as_ptr()) };
    }

    /// Runs a slice of a launch on this thread.
    unsafe fn slice(
        &self,
        plan: &Plan,
        table: &[*mut u8],
        launch: &PlannedLaunch,
        split: &Split,
        start: usize,
        length: usize,
    ) {
        let (ptrs, numbers) = (&table[launch.slots.clone()], &plan.numbers[launch.numbers.clone()]);
        let mut shifted = [const { MaybeUninit::<*mut u8>::uninit() }; MAX_PTRS];
        for (i, (&ptr, &advance)) in ptrs.iter().zip(&split.advance).enumerate() {
            shifted[i].write(ptr.wrapping_add(start * advance));
        }
        let mut own = [const { MaybeUninit::<i64>::uninit() }; MAX_PTRS];
        for (to, &number) in own.iter_mut().zip(numbers) {
            to.write(number);
        }
        own[split.dim].write(length as i64);
        if let Some(entry) = split.start {
            own[entry].write(numbers[entry] + start as i64);
        }
        // SAFETY: the caller's promise. The first entries of both arrays, as many as the kernel has, were written above.
        unsafe { self.kernels[launch.kernel](shifted.as_ptr().cast(), own.as_ptr().cast()) };
    }

    fn call(
        &self,
        plan: &Plan,
        step: usize,
        slots: std::ops::Range<usize>,
        ptrs: &[*mut u8],
        epilogue: &Option<PlannedEpilogue>,
    ) {
        let (Step::Call(call), Some(prepared)) = (&self.program.steps[step], &self.prepared[step]) else {
            unreachable!("every call of a program is prepared")
        };
        let mut operands = [Operand::new(std::ptr::null_mut(), 0); MAX_PTRS];
        for ((to, &ptr), slot) in operands.iter_mut().zip(ptrs).zip(&plan.slots[slots]) {
            *to = Operand::new(ptr, slot.bytes);
        }
        let operands = &operands[..ptrs.len()];
        let (values, cpu) = (plan.values.as_slice(), &*self.cpu);
        let invocation = |finished| Invocation { op: &call.op, values, operands, finished, cpu };
        let Some(epilogue) = epilogue else { return prepared.run(&invocation(None)) };
        let kernel = self.kernels[epilogue.kernel];
        let numbers = &plan.numbers[epilogue.numbers.clone()];
        let run = |block: Block| {
            let mut pointers = [const { MaybeUninit::<*mut u8>::uninit() }; MAX_PTRS];
            for (to, &arg) in pointers.iter_mut().zip(&epilogue.args) {
                to.write(operands[arg].start());
            }
            let mut own = [const { MaybeUninit::<i64>::uninit() }; MAX_PTRS];
            for (to, &number) in own.iter_mut().zip(numbers) {
                to.write(number);
            }
            for (start, length) in epilogue.ranges(&block) {
                own[epilogue.start].write(start as i64);
                own[epilogue.length].write(length as i64);
                // SAFETY: the epilogue's contract: blocks are independent. The first entries of both
                // arrays, as many as the kernel has, were written above.
                unsafe { kernel(pointers.as_ptr().cast(), own.as_ptr().cast()) };
            }
        };
        prepared.run(&invocation(Some(Finished { run: &run, whole_rows: !epilogue.elements })));
    }

    unsafe fn copy(&self, from: *mut u8, to: *mut u8, bytes: usize) {
        let chunk = if bytes < LARGE_COPY { bytes.max(1) } else { LARGE_COPY / 4 };
        let ends = [from, to];
        let ends = Pointers(&ends);
        self.cpu.pool.run(bytes.div_ceil(chunk), &|i| {
            let (start, length) = (i * chunk, chunk.min(bytes - i * chunk));
            let [from, to] = [ends.all()[0], ends.all()[1]];
            // SAFETY: the caller's ranges; chunks are disjoint.
            unsafe { to.add(start).copy_from_nonoverlapping(from.add(start), length) };
        });
    }
}

/// Pointers that the chunks of a launch share.
#[derive(Clone, Copy)]
struct Pointers<'a>(&'a [*mut u8]);

// SAFETY: plain addresses; the launch's contract says that chunks are independent.
unsafe impl Sync for Pointers<'_> {}

impl<'a> Pointers<'a> {
    fn all(self) -> &'a [*mut u8] {
        self.0
    }
}
