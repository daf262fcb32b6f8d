//! Turns a program's steps into slots and numbers.

use crate::program::{
    Attention, AttentionBackward, AttentionStrides, Convolution, ConvolutionAxis, DimId, Epilogue, Functions, Fused,
    Grid, Launch, LibraryOp, MAX_ARGS, Matmul, MatrixStrides, Parallel, Place, Program, Root, ScaledMatmul, Spread,
    Step, UpdateSlice, While,
};

use thunder_tensor::DType;

use super::arena::{CACHE_LINE, GPU_LINE, Host, Interval, Location, place};
use super::extents::Strided;
use super::wave::{self, CHUNKS_PER_THREAD};
use super::{
    Base, Cut, Plan, PlanError, PlannedEpilogue, PlannedGrid, PlannedLaunch, PlannedLoop, PlannedStep, Result, Slot,
    Split, Values, fits_memory, root_name,
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
                None => {
                    let Location { host, offset } = places[i];
                    let base = host.map_or(Base::Arena, |output| Base::Output(output as u32));
                    Slot { base, offset, bytes: bytes[i] }
                }
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
                Ok(PlannedStep::Call { call: index, slots, epilogue })
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

    fn strided(&self, index: usize, element: usize, dims: &[(DimId, DimId)]) -> Result<Strided> {
        let what = || format!("step {index}: an extent or stride");
        let dims = dims
            .iter()
            .map(|&(extent, stride)| Ok((self.values.size(extent, &what)?, self.values.size(stride, &what)?)))
            .collect::<Result<_>>()?;
        Ok(Strided { dims, element })
    }

    /// Checks operands, the last of which are results.
    fn check_operands(&self, index: usize, first: usize, operands: &[Strided], results: usize) -> Result {
        let what = |i: usize| move || format!("step {index}, argument {i},");
        for (i, operand) in operands.iter().enumerate() {
            operand.check(self.slots[first + i], &what(i))?;
        }
        for (at, out) in operands.iter().enumerate().skip(operands.len() - results) {
            out.check_distinct(&what(at))?;
            for (i, operand) in operands[..at].iter().enumerate() {
                let other = (operand, self.slots[first + i]);
                out.check_apart(self.slots[first + at], other, &what(at), &what(i))?;
            }
        }
        Ok(())
    }

    fn check_matmul(&self, index: usize, op: &Matmul, first: usize) -> Result {
        self.check_products(index, op, &[op.rhs], 1, first)
    }

    /// The operands of a product of floats of 8 bits.
    fn check_scaled(&self, index: usize, op: &ScaledMatmul, first: usize) -> Result {
        let ScaledMatmul { product, rhs, out } = op;
        let Matmul { m, n, k, .. } = *product;
        let matrix = |dtype: DType, rows: (DimId, DimId), columns: (DimId, DimId)| {
            self.strided(index, dtype.size(), &[rows, columns])
        };
        let scale = || Strided { dims: Vec::new(), element: DType::F32.size() };
        let mut operands = vec![
            matrix(product.dtype, (m, product.lhs.row), (k, product.lhs.column))?,
            matrix(*rhs, (k, product.rhs.row), (n, product.rhs.column))?,
            scale(),
            scale(),
        ];
        if product.bias {
            let n = self.values.size(n, &|| format!("step {index}: n"))?;
            operands.push(Strided { dims: vec![(n, 1)], element: out.size() });
        }
        operands.push(matrix(*out, (m, product.out.row), (n, product.out.column))?);
        self.check_operands(index, first, &operands, 1)
    }

    /// The operands and results of products that share all but rhs; what is kernels' is trusted.
    fn check_fused(&self, index: usize, op: &Fused, first: usize) -> Result {
        let sides: Vec<MatrixStrides> = std::iter::once(op.product.rhs).chain(op.second).collect();
        self.check_products(index, &op.product, &sides, op.kept.iter().filter(|kept| **kept).count(), first)
    }

    /// Products of the same lhs with each of these rhs, of which so many are results.
    fn check_products(
        &self,
        index: usize,
        op: &Matmul,
        sides: &[MatrixStrides],
        results: usize,
        first: usize,
    ) -> Result {
        let element = op.dtype.size();
        let mut lhs = vec![(op.m, op.lhs.row), (op.k, op.lhs.column)];
        let mut out = vec![(op.m, op.out.row), (op.n, op.out.column)];
        for b in &op.batch {
            lhs.push((b.extent, b.lhs));
            out.push((b.extent, b.out));
        }
        let mut operands = Vec::with_capacity(4);
        operands.push(self.strided(index, element, &lhs)?);
        for strides in sides {
            let mut rhs = vec![(op.k, strides.row), (op.n, strides.column)];
            rhs.extend(op.batch.iter().map(|b| (b.extent, b.rhs)));
            operands.push(self.strided(index, element, &rhs)?);
        }
        if op.bias {
            let n = self.values.size(op.n, &|| format!("step {index}: n"))?;
            operands.extend(sides.iter().map(|_| Strided { dims: vec![(n, 1)], element }));
        }
        for _ in 0..results {
            operands.push(self.strided(index, element, &out)?);
        }
        // Executors copy operands into layouts of their own.
        let what = || format!("step {index}: an extent");
        let [m, n, k] = [op.m, op.n, op.k].map(|dim| self.values.size(dim, &what));
        let (m, n, k) = (m?, n?, k?);
        let mut copies = 1_usize;
        for b in &op.batch {
            copies = copies.saturating_mul(self.values.size(b.extent, &what)?);
        }
        if m > 0 && n > 0 && !(fits_memory(k, n, copies) && fits_memory(m, k, 1)) {
            return Err(PlanError::TooLarge { what: format!("step {index}: an operand") });
        }
        self.check_operands(index, first, &operands, results)
    }

    /// The operands of an attention and its result.
    fn attention(&self, index: usize, op: &Attention) -> Result<Vec<Strided>> {
        let what = || format!("step {index}: heads");
        let (heads, kv_heads) = (self.values.size(op.heads, &what)?, self.values.size(op.kv_heads, &what)?);
        if heads > 0 && (kv_heads == 0 || heads % kv_heads != 0) {
            let what = format!("step {index}: {kv_heads} key heads for {heads} query heads");
            return Err(PlanError::Heads { what });
        }
        let sizes = [op.keys, op.width, op.value_width].map(|dim| self.values.size(dim, &what));
        let [keys, width, value_width] = sizes;
        let (keys, width, value_width) = (keys?, width?, value_width?);
        if !fits_memory(keys, width, 1) || !fits_memory(keys, value_width, 1) {
            return Err(PlanError::TooLarge { what: format!("step {index}: an operand") });
        }
        let operand = |s, heads, positions, width| self.heads(index, op, s, [heads, positions, width]);
        let mut operands = Vec::with_capacity(5);
        operands.push(operand(op.q, op.heads, op.queries, op.width)?);
        operands.push(operand(op.k, op.kv_heads, op.keys, op.width)?);
        operands.push(operand(op.v, op.kv_heads, op.keys, op.value_width)?);
        if let Some(m) = op.mask {
            let dims = [(op.batch, m.batch), (op.heads, m.head), (op.queries, m.query), (op.keys, m.key)];
            operands.push(self.strided(index, op.dtype.size(), &dims)?);
        }
        operands.push(operand(op.out, op.heads, op.queries, op.value_width)?);
        Ok(operands)
    }

    fn check_update_slice(&self, index: usize, op: &UpdateSlice, first: usize) -> Result {
        let what = || format!("step {index}: the part");
        let size = |dim| self.values.size(dim, &what);
        let (outer, extent, length, inner) = (size(op.outer)?, size(op.extent)?, size(op.length)?, size(op.inner)?);
        if length > extent {
            let what = format!("{}, of {length} positions,", what());
            return Err(PlanError::OutOfBounds { what, end: length as u128, bytes: extent });
        }
        let dense = |axis: usize| vec![(outer, axis.saturating_mul(inner)), (axis, inner), (inner, 1)];
        let operands = [
            Strided { dims: dense(length), element: op.dtype.size() },
            Strided { dims: Vec::new(), element: op.start.size() },
            Strided { dims: dense(extent), element: op.dtype.size() },
        ];
        self.check_operands(index, first, &operands, 1)
    }

    /// One number for each row of an attention's scores.
    fn logsums(&self, index: usize, op: &Attention) -> Result<Strided> {
        let what = || format!("step {index}: the rows");
        let sizes = [op.batch, op.heads, op.queries].map(|dim| self.values.size(dim, &what));
        let [batch, heads, queries] = sizes;
        let (heads, queries) = (heads?, queries?);
        let dims = vec![(batch?, heads.saturating_mul(queries)), (heads, queries), (queries, 1)];
        Ok(Strided { dims, element: size_of::<f32>() })
    }

    /// The gradients of an attention's operands.
    fn gradients(&self, index: usize, op: &AttentionBackward) -> Result<Vec<Strided>> {
        let forward = &op.forward;
        [
            (op.d_q, forward.heads, forward.queries, forward.width),
            (op.d_k, forward.kv_heads, forward.keys, forward.width),
            (op.d_v, forward.kv_heads, forward.keys, forward.value_width),
        ]
        .map(|(strides, heads, positions, width)| self.heads(index, forward, strides, [heads, positions, width]))
        .into_iter()
        .collect()
    }

    /// The operands of a convolution and its result, which are contiguous.
    fn convolution(&self, index: usize, op: &Convolution) -> Result<Vec<Strided>> {
        let what = || format!("step {index}: the size of a convolution");
        let too_large = || PlanError::TooLarge { what: what() };
        let dense = |sizes: &[DimId], axes: fn(&ConvolutionAxis) -> DimId| {
            let mut count = 1_usize;
            for &dim in sizes.iter().chain(&op.axes.iter().map(axes).collect::<Vec<_>>()) {
                count = count.checked_mul(self.values.size(dim, &what)?).ok_or_else(too_large)?;
            }
            Ok::<_, PlanError>(Strided { dims: vec![(count, 1)], element: op.dtype.size() })
        };
        // Where a window reads is counted from the start of the padding.
        for axis in &op.axes {
            let sizes = [axis.positions, axis.stride, axis.window, axis.dilation, axis.low, axis.extent];
            let sizes: Vec<usize> = sizes.iter().map(|&dim| self.values.size(dim, &what)).collect::<Result<_>>()?;
            let reach = sizes[0].checked_mul(sizes[1]).zip(sizes[2].checked_mul(sizes[3]));
            let reach = reach.and_then(|(a, b)| a.checked_add(b)?.checked_add(sizes[4])?.checked_add(sizes[5]));
            reach.filter(|reach| *reach < isize::MAX as usize).ok_or_else(too_large)?;
        }
        let mut operands = vec![
            dense(&[op.batch, op.groups, op.channels], |axis| axis.extent)?,
            dense(&[op.groups, op.features, op.channels], |axis| axis.window)?,
        ];
        if op.bias {
            let [groups, features] = [op.groups, op.features].map(|dim| self.values.size(dim, &what));
            let count = groups?.checked_mul(features?).ok_or_else(too_large)?;
            operands.push(Strided { dims: vec![(count, 1)], element: op.dtype.size() });
        }
        operands.push(dense(&[op.batch, op.groups, op.features], |axis| axis.positions)?);
        Ok(operands)
    }

    /// An operand of an attention.
    fn heads(
        &self,
        index: usize,
        op: &Attention,
        s: AttentionStrides,
        [heads, positions, width]: [DimId; 3],
    ) -> Result<Strided> {
        let dims = [(op.batch, s.batch), (heads, s.head), (positions, s.position)];
        let mut strided = self.strided(index, op.dtype.size(), &dims)?;
        strided.dims.push((self.values.size(width, &|| format!("step {index}: a width"))?, 1));
        Ok(strided)
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
