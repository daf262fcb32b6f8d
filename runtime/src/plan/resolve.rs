//! Turns a program's steps into slots and numbers.

mod operands;

use crate::program::{
    Attention, DimId, Epilogue, Functions, Grid, Launch, LibraryOp, MAX_ARGS, Matmul, Parallel, Place, Program, Root,
    Spread, Step, While,
};

use super::arena::{CACHE_LINE, GPU_LINE, Host, Interval, Location, place, unused};
use super::extents::Strided;
use super::wave::{self, CHUNKS_PER_THREAD};
use super::{
    Base, Cut, Plan, PlanError, PlannedEpilogue, PlannedGrid, PlannedLaunch, PlannedLoop, PlannedStep, Result, Slot,
    Split, Unused, Values, root_name,
};

/// The most blocks of a launch along each axis, on every GPU.
const MOST_BLOCKS: [u32; 3] = [i32::MAX as u32, 65535, 65535];

/// The most pointers of one step, which the executor keeps on its stack.
pub(crate) const MAX_PTRS: usize = MAX_ARGS;

pub(super) fn plan(
    program: &Program,
    functions: Functions<'_>,
    symbols: Vec<i64>,
    values: Vec<i64>,
    cut: Cut,
) -> Result<Plan> {
    let (threads, align) = match cut {
        Cut::Threads(threads) => (threads, CACHE_LINE),
        Cut::Grids => (1, GPU_LINE),
    };
    let v = Values(&values);
    let ports = |ports: &[crate::program::Port], kind: &str| {
        ports
            .iter()
            .map(|port| {
                let (extents, bytes) = v.tensor(port.dtype, &port.shape, &|| format!("{kind} '{}'", port.name))?;
                Ok(((port.dtype, extents), bytes))
            })
            .collect::<Result<Vec<_>>>()
    };
    let inputs = ports(&program.inputs, "input")?;
    let parameters = ports(&program.parameters, "parameter")?;
    let outputs = ports(&program.outputs, "output")?;
    let mut buffers = Vec::with_capacity(program.buffers.len());
    for (i, buffer) in program.buffers.iter().enumerate() {
        buffers.push(v.tensor(buffer.dtype, &buffer.shape, &|| format!("buffer {i}"))?.1);
    }
    let waves = match cut {
        Cut::Threads(_) => wave::of_steps(program),
        Cut::Grids => (0..program.steps.len()).collect(),
    };
    let lifetimes = lifetimes(program, &waves, &buffers);
    let hosts = match cut {
        // Compilation estimates what is beside inputs and outputs.
        Cut::Threads(_) => Vec::new(),
        Cut::Grids => hosts(program, &outputs),
    };
    let (places, memory) = place(&lifetimes, &hosts, program.steps.len(), align)
        .ok_or_else(|| PlanError::TooLarge { what: "the arena".to_owned() })?;

    let constants = program.constants.iter().map(|constant| {
        // `Program::validate` has multiplied the same numbers.
        constant.shape.iter().product::<u64>() as usize * constant.dtype.size()
    });
    let mut resolver = Resolver {
        program,
        functions,
        cut,
        values: v,
        threads,
        input_bytes: inputs.iter().map(|(_, bytes)| *bytes).collect(),
        parameter_bytes: parameters.iter().map(|(_, bytes)| *bytes).collect(),
        constant_bytes: constants.collect(),
        output_bytes: outputs.iter().map(|(_, bytes)| *bytes).collect(),
        buffers: Vec::new(),
        slots: Vec::new(),
        numbers: Vec::new(),
    };
    resolver.place_buffers(&buffers, &places)?;
    let mut steps = Vec::with_capacity(program.steps.len());
    let mut launches: Vec<PlannedLaunch> = Vec::new();
    for i in 0..program.steps.len() {
        match resolver.step(i)? {
            PlannedStep::Launch(launch) => launches.push(launch),
            PlannedStep::Call { call, slots, epilogue, .. } if matches!(cut, Cut::Grids) => {
                let found = unused(i, (&lifetimes, &places), &hosts, memory.arena_bytes, align);
                let slot = found.piece.map(|(place, bytes)| {
                    resolver.slots.push(Slot { bytes, ..located(place) });
                    resolver.slots.len() - 1
                });
                let unused = Some(Unused { slot, end: found.end });
                steps.push(PlannedStep::Call { call, slots, epilogue, unused });
            }
            step => steps.push(step),
        }
        if !launches.is_empty() && waves.get(i + 1) != Some(&waves[i]) {
            steps.push(wave::joined(std::mem::take(&mut launches), threads));
        }
    }
    let parallel = steps.iter().any(|step| match step {
        PlannedStep::Launch(launch) => launch.split.as_ref().is_some_and(|split| split.chunks > 1),
        PlannedStep::Wave(wave) => wave.chunks.len() > 1,
        PlannedStep::Call { .. } => true,
        PlannedStep::Copy { .. } => false,
        PlannedStep::While(rounds) => rounds.plans.iter().any(|plan| plan.parallel),
    });
    let Resolver { slots, numbers, .. } = resolver;
    let state_bytes = program.states.iter().map(|state| match state.root {
        Root::Input(i) => inputs[i as usize].1,
        Root::Parameter(i) => parameters[i as usize].1,
        Root::Constant(_) | Root::Buffer(_) | Root::Output(_) => unreachable!("`Program::validate` has refused it"),
    });
    let state_bytes = state_bytes.collect();
    let shapes = |ports: Vec<(super::Shape, usize)>| ports.into_iter().map(|(shape, _)| shape).collect();
    let (inputs, outputs) = (shapes(inputs), shapes(outputs));
    Ok(Plan {
        symbols,
        values,
        inputs,
        outputs,
        state_bytes,
        slots,
        numbers,
        steps,
        parallel,
        memory,
        #[cfg(feature = "cuda")]
        gpu: Default::default(),
    })
}

/// Where something is, of no bytes yet.
fn located(Location { host, offset }: Location) -> Slot {
    Slot { base: host.map_or(Base::Arena, |output| Base::Output(output as u32)), offset, bytes: 0 }
}

/// First and last wave that touches each buffer or a view of it.
fn lifetimes(program: &Program, waves: &[usize], bytes: &[usize]) -> Vec<Option<Interval>> {
    let mut lifetimes: Vec<Option<Interval>> = vec![None; bytes.len()];
    for (&step, action) in waves.iter().zip(&program.steps) {
        for (place, _) in action.accesses() {
            let Root::Buffer(owner) = program.owner(place.root) else { continue };
            let bytes = bytes[owner as usize];
            let fresh = Interval { bytes, first: step, last: step };
            lifetimes[owner as usize].get_or_insert(fresh).last = step;
        }
    }
    lifetimes
}

/// The outputs, and the step that first touches each: until then they hold intermediate values. A run of a GPU is given
/// the memory of all its outputs from the start.
fn hosts<T>(program: &Program, outputs: &[(T, usize)]) -> Vec<Host> {
    let never = program.steps.len();
    let mut hosts: Vec<Host> = outputs.iter().map(|(_, bytes)| Host { bytes: *bytes, first: never }).collect();
    for (step, action) in program.steps.iter().enumerate().rev() {
        for (place, _) in action.accesses() {
            if let Root::Output(output) = program.owner(place.root) {
                hosts[output as usize].first = step;
            }
        }
    }
    hosts
}

struct Resolver<'a> {
    program: &'a Program,
    functions: Functions<'a>,
    cut: Cut,
    values: Values<'a>,
    threads: usize,
    input_bytes: Vec<usize>,
    parameter_bytes: Vec<usize>,
    constant_bytes: Vec<usize>,
    output_bytes: Vec<usize>,
    buffers: Vec<Slot>,
    slots: Vec<Slot>,
    numbers: Vec<i64>,
}

impl Resolver<'_> {
    fn place_buffers(&mut self, bytes: &[usize], places: &[Location]) -> Result {
        for (i, buffer) in self.program.buffers.iter().enumerate() {
            let slot = match buffer.alias {
                None => Slot { bytes: bytes[i], ..located(places[i]) },
                Some(place) => {
                    let what = || format!("buffer {i}, a view,");
                    let slot = self.slot(place, &what)?;
                    if bytes[i] > slot.bytes {
                        let end = bytes[i] as u128;
                        return Err(PlanError::OutOfBounds { what: what(), end, bytes: slot.bytes });
                    }
                    Slot { bytes: bytes[i], ..slot }
                }
            };
            self.buffers.push(slot);
        }
        Ok(())
    }

    fn slot(&self, place: Place, what: &dyn Fn() -> String) -> Result<Slot> {
        let whole = |base, bytes: &[usize], i: u32| Slot { base, offset: 0, bytes: bytes[i as usize] };
        let slot = match place.root {
            Root::Input(i) => whole(Base::Input(i), &self.input_bytes, i),
            Root::Parameter(i) => whole(Base::Parameter(i), &self.parameter_bytes, i),
            Root::Constant(i) => whole(Base::Constant(i), &self.constant_bytes, i),
            Root::Output(i) => whole(Base::Output(i), &self.output_bytes, i),
            Root::Buffer(i) => self.buffers[i as usize],
        };
        // Views have been resolved: their base says it already.
        let slot = match self.program.state(place.root) {
            Some(state) => Slot { base: Base::State(state as u32), ..slot },
            None => slot,
        };
        let Some(offset) = place.offset else { return Ok(slot) };
        let offset = self.values.size(offset, &|| format!("the offset of {}", what()))?;
        // A view of nothing begins anywhere: that nothing is touched is checked with the step.
        let offset = if slot.bytes == 0 { 0 } else { offset };
        if offset > slot.bytes {
            let end = offset as u128;
            let what = format!("{}, {},", what(), root_name(self.program, place.root));
            return Err(PlanError::OutOfBounds { what, end, bytes: slot.bytes });
        }
        Ok(Slot { offset: slot.offset + offset, bytes: slot.bytes - offset, ..slot })
    }

    fn step(&mut self, index: usize) -> Result<PlannedStep> {
        let first = self.slots.len();
        let step = &self.program.steps[index];
        for (i, (place, _)) in step.accesses().enumerate() {
            let slot = self.slot(place, &|| format!("step {index}, argument {i}"))?;
            self.slots.push(slot);
        }
        let slots = first..self.slots.len();
        match step {
            Step::Launch(launch) => {
                let numbers = self.push_numbers(&launch.dims);
                let (mut split, mut grid) = (None, None);
                match &launch.spread {
                    Spread::Whole => {}
                    Spread::Slices(parallel) => split = Some(self.split(index, launch, parallel, first)?),
                    Spread::Grid(spread) => grid = Some(self.grid(index, spread)?),
                }
                let kernel = launch.kernel.0 as usize;
                Ok(PlannedStep::Launch(PlannedLaunch { kernel, slots, numbers, split, grid }))
            }
            Step::Call(call) => {
                let mut epilogue = None;
                match &call.op {
                    LibraryOp::Matmul(op) => {
                        self.check_matmul(index, op, first)?;
                        if let Some(e) = &op.epilogue {
                            epilogue = Some(self.epilogue(index, op, e)?);
                        }
                    }
                    LibraryOp::ScaledMatmul(op) => self.check_scaled(index, op, first)?,
                    LibraryOp::Attention(op) => {
                        let mut operands = self.attention(index, op)?;
                        if op.logsums {
                            operands.push(self.logsums(index, op)?);
                        }
                        self.check_operands(index, first, &operands, 1 + usize::from(op.logsums))?;
                    }
                    LibraryOp::AttentionBackward(op) => {
                        let mut operands = self.attention(index, &op.forward)?;
                        if let Some(strides) = op.saved {
                            let Attention { heads, queries, value_width, .. } = op.forward;
                            operands.push(self.heads(index, &op.forward, strides, [heads, queries, value_width])?);
                            operands.push(self.logsums(index, &op.forward)?);
                        }
                        operands.extend(self.gradients(index, op)?);
                        self.check_operands(index, first, &operands, 3)?;
                    }
                    LibraryOp::Convolution(op) => {
                        let operands = self.convolution(index, op)?;
                        self.check_operands(index, first, &operands, 1)?;
                    }
                    LibraryOp::UpdateSlice(op) => self.check_update_slice(index, op, first)?,
                    LibraryOp::Fused(op) => self.check_fused(index, op, first)?,
                }
                Ok(PlannedStep::Call { call: index, slots, epilogue, unused: None })
            }
            Step::Copy { bytes, .. } => {
                let bytes = self.values.size(*bytes, &|| format!("step {index}: bytes to copy"))?;
                let (from, to) = (self.slots[first], self.slots[first + 1]);
                let range = Strided { dims: vec![(bytes, 1)], element: 1 };
                let what = |i: usize| move || format!("step {index}, argument {i},");
                range.check(from, &what(0))?;
                range.check(to, &what(1))?;
                range.check_apart(to, (&range, from), &what(1), &what(0))?;
                Ok(PlannedStep::Copy { slots, bytes })
            }
            Step::While(rounds) => self.rounds(index, rounds, slots).map(PlannedStep::While),
        }
    }

    /// A loop with plans of its functions.
    fn rounds(&self, index: usize, rounds: &While, slots: std::ops::Range<usize>) -> Result<PlannedLoop> {
        let plan = |function: usize, symbols: &[DimId]| {
            let program = self.functions.get(function).ok_or(PlanError::NoFunctions { step: index })?;
            let symbols = symbols.iter().map(|&dim| self.values.get(dim)).collect();
            let plan = Plan::new(program, &self.functions[..function], symbols, self.cut)?;
            for constraint in &program.constraints {
                let (left, right) =
                    (Values(&plan.values).get(constraint.left), Values(&plan.values).get(constraint.right));
                if left != right {
                    return Err(PlanError::Constraint { message: constraint.message.clone(), left, right });
                }
            }
            Ok(plan)
        };
        let (condition, body) = (rounds.condition.0 as usize, rounds.body.0 as usize);
        let plans = [plan(condition, &rounds.condition_symbols)?, plan(body, &rounds.body_symbols)?];
        let bytes = |shapes: &[super::Shape]| -> Vec<usize> {
            shapes.iter().map(|(dtype, extents)| extents.iter().product::<usize>() * dtype.size()).collect()
        };
        let (asked, given, made) = (bytes(&plans[0].inputs), bytes(&plans[1].inputs), bytes(&plans[1].outputs));
        let what = |i: usize| move || format!("step {index}, argument {i},");
        for (i, (&given, &made)) in given.iter().zip(&made).enumerate() {
            if given != made {
                return Err(PlanError::Carried { what: what(i)(), given, made });
            }
        }
        let largest = given.iter().zip(&asked).map(|(given, asked)| *given.max(asked));
        let sizes: Vec<usize> = largest.chain(made.iter().chain(&made).copied()).chain([1]).collect();
        let operands: Vec<Strided> =
            sizes.into_iter().map(|bytes| Strided { dims: vec![(bytes, 1)], element: 1 }).collect();
        self.check_operands(index, slots.start, &operands, 2 * made.len() + 1)?;
        Ok(PlannedLoop { condition, body, plans: Box::new(plans), slots, inputs: given.len(), carried: made })
    }

    fn push_numbers(&mut self, dims: &[DimId]) -> std::ops::Range<usize> {
        let first = self.numbers.len();
        let values = self.values;
        self.numbers.extend(dims.iter().map(|&dim| values.get(dim)));
        first..self.numbers.len()
    }

    fn split(&self, index: usize, launch: &Launch, parallel: &Parallel, first: usize) -> Result<Split> {
        let dim = parallel.dim as usize;
        let extent = self.values.size(launch.dims[dim], &|| format!("step {index}: the parallel extent"))?;
        let grain = self.values.size(parallel.grain, &|| format!("step {index}: the grain"))?.max(1);
        let mut advance = Vec::with_capacity(parallel.advance.len());
        for (i, &dim) in parallel.advance.iter().enumerate() {
            let what = || format!("step {index}, argument {i}: the advance");
            let bytes = dim.map_or(Ok(0), |dim| self.values.size(dim, &what))?;
            // The start of the last unit; what the kernel touches from there is its own affair.
            let last = (extent.saturating_sub(1) as u128) * bytes as u128;
            let slot = self.slots[first + i];
            if last > slot.bytes as u128 {
                let what = format!("step {index}, argument {i},");
                return Err(PlanError::OutOfBounds { what, end: last, bytes: slot.bytes });
            }
            advance.push(bytes);
        }
        // A start that the kernel sees stays in range: it is below the extent.
        if let Some(start) = parallel.start {
            let base = self.values.get(launch.dims[start as usize]);
            if base.checked_add(extent as i64).is_none() {
                return Err(PlanError::TooLarge { what: format!("step {index}: the start") });
            }
        }
        let wanted = if self.threads == 1 { 1 } else { self.threads * CHUNKS_PER_THREAD };
        let chunk = extent.div_ceil(wanted).max(grain);
        let chunk = chunk.checked_next_multiple_of(grain).unwrap_or(extent.max(1));
        let chunks = extent.div_ceil(chunk);
        let start = parallel.start.map(|start| start as usize);
        Ok(Split { dim, start, extent, grain, chunk, chunks, advance })
    }

    fn grid(&self, index: usize, grid: &Grid) -> Result<PlannedGrid> {
        let mut blocks = [0; 3];
        for (axis, (to, &dim)) in blocks.iter_mut().zip(&grid.blocks).enumerate() {
            let what = || format!("step {index}: the number of blocks along axis {axis}");
            let count = self.values.size(dim, &what)?;
            *to = u32::try_from(count)
                .ok()
                .filter(|&count| count <= MOST_BLOCKS[axis])
                .ok_or_else(|| PlanError::Blocks { what: what(), count, most: MOST_BLOCKS[axis] })?;
        }
        Ok(PlannedGrid { blocks, threads: grid.threads, shared: grid.shared, overlaps: grid.overlaps })
    }

    fn epilogue(&mut self, index: usize, op: &Matmul, epilogue: &Epilogue) -> Result<PlannedEpilogue> {
        let what = || format!("step {index}: an epilogue");
        let (rows, columns) = (self.values.size(op.m, &what)?, self.values.size(op.n, &what)?);
        let mut all = rows;
        for b in &op.batch {
            all = all.saturating_mul(self.values.size(b.extent, &what)?);
        }
        if all.checked_mul(columns).is_none_or(|all| i64::try_from(all).is_err()) {
            return Err(PlanError::TooLarge { what: what() });
        }
        let numbers = self.push_numbers(&epilogue.dims);
        let (kernel, args) = (epilogue.kernel.0 as usize, epilogue.args.iter().map(|&arg| arg as usize).collect());
        let (start, length) = (epilogue.start as usize, epilogue.length as usize);
        Ok(PlannedEpilogue { kernel, args, numbers, start, length, rows, columns, elements: epilogue.elements })
    }
}
