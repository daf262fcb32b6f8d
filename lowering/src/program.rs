//! From a function of kernels, library calls and views to the runtime's program.
//!
//! Needs: `--thunder-kernels` has run. Every value is a place in memory: an input, a parameter, a
//! constant, an output, or a buffer whose lifetime the runtime plans.

mod functions;
mod library;
mod sizes;

use std::collections::{BTreeMap, HashMap};

use thunder_interface::{
    COMPLEX, Control, Dim, INITIAL, Library, NAME, PARAMETER, StridedView, UPDATES, attribute_to_tensor, dtype_of,
};
use thunder_ir::pass::Numerics;
use thunder_ir::{Operation, Result, Value};
use thunder_passes::shapes::{Shapes, find_function};
use thunder_passes::{
    Activation, Columns, IN_PLACE, INTO, KERNEL, ROWS, activation_of, epilogue_of, has_epilogue, layout, products_of,
};
use thunder_runtime::program::{
    self, Access, Arg, Buffer, Constant, Constraint, DimId, Fragment, KernelId, Launch, Parallel, Place, Port, Program,
    Root, Spread, State, Step, Symbol,
};
use thunder_tensor::DType;

use crate::cuda::{Grid, Part};
pub use functions::Functions;
use sizes::Sizes;

/// Elements that a thread should at least get of a kernel's work.
const GRAIN: i64 = 16 * 1024;

/// Columns that a thread should at least get: several lines of the cache, of which others then need no part.
const GRAIN_OF_COLUMNS: i64 = 64;

/// What runs a program's kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// Threads of a processor. Kernels take the range of rows to compute, and run on blocks of products.
    Cpu,
    /// A GPU. Kernels compute all, and are launched as [`spread`] says; its libraries may change values so far.
    Cuda(Numerics),
}

/// Emits the program of `function`; adds the bytes of its constants to those of others, and the functions that it runs.
pub fn emit(
    function: Operation<'_>,
    device: Device,
    constants: &mut Vec<u8>,
    functions: &mut Functions,
) -> Result<Program> {
    let shapes = Shapes::of(function)?;
    let mut emitter = Emitter {
        function,
        device,
        shapes: &shapes,
        sizes: Sizes::default(),
        program: Program::default(),
        constants,
        functions,
        roots: HashMap::new(),
        updates: Vec::new(),
        kernels: HashMap::new(),
    };
    emitter.signature()?;
    emitter.body()?;
    let Emitter { mut program, sizes, constants, .. } = emitter;
    program.dims = sizes.into_table();
    program
        .validate(constants.len() as u64)
        .map_err(|e| function.error(format!("internal: the emitted program is invalid: {e}")))?;
    Ok(program)
}

/// Says how each kernel of a program is launched on a GPU.
pub fn spread(program: &mut Program, grids: &BTreeMap<String, Grid>) -> Result {
    let Program { steps, kernels, dims, .. } = program;
    for step in steps {
        let Step::Launch(launch) = step else { continue };
        let Some(grid) = kernels.get(launch.kernel.0 as usize).and_then(|name| grids.get(name)) else { continue };
        let [x, y, z] = grid.blocks.each_ref().map(|dim| sizes::id_over(dims, dim, &launch.dims));
        let Grid { threads, shared, overlaps, .. } = *grid;
        launch.spread = Spread::Grid(program::Grid { blocks: [x?, y?, z?], threads, shared, overlaps });
    }
    Ok(())
}

/// The kernels of a program that may be parts of products, as its fragments say.
pub fn parts(program: &Program) -> impl Iterator<Item = Part> {
    let part = |fragment: &Fragment| Part {
        kernel: program.kernels[fragment.kernel.0 as usize].clone(),
        products: fragment.products.clone(),
    };
    program.fragments.iter().map(part)
}

/// Gives a program's fragments their code, by the names of parts; those that have none, and that no library knows, are
/// dropped.
pub fn fill(program: &mut Program, functions: &BTreeMap<String, String>) {
    let codes: Vec<_> = parts(program).map(|part| functions.get(&part.name()).cloned()).collect();
    let fragments = std::mem::take(&mut program.fragments).into_iter().zip(codes);
    let known = |(fragment, code): (Fragment, Option<String>)| {
        let is_known = code.is_some() || fragment.activation.is_some();
        is_known.then(|| Fragment { code: code.unwrap_or_default(), ..fragment })
    };
    program.fragments = fragments.filter_map(known).collect();
}

struct Emitter<'a, 'c> {
    function: Operation<'c>,
    device: Device,
    shapes: &'a Shapes<'c>,
    sizes: Sizes,
    program: Program,
    constants: &'a mut Vec<u8>,
    functions: &'a mut Functions,
    roots: HashMap<Value<'c>, Root>,
    /// What the memory of arguments holds at the end, with the argument.
    updates: Vec<(Value<'c>, Value<'c>)>,
    kernels: HashMap<String, KernelId>,
}

impl<'c> Emitter<'_, 'c> {
    fn signature(&mut self) -> Result {
        let function = self.function;
        self.program.name = function.attribute("sym_name").and_then(|a| a.as_string()).unwrap_or_default().to_owned();
        let attributes = function.attribute("arg_attrs").and_then(|a| a.as_array()).unwrap_or_default();
        let block = function.region(0).entry().ok_or_else(|| function.error("has no body"))?;
        let mut input_of = HashMap::new();
        for (argument, value) in block.arguments().enumerate() {
            let attribute = |name: &str| {
                attributes.get(argument).and_then(|a| a.entry(name)).and_then(|a| a.as_string()).map(str::to_owned)
            };
            let is_complex = attributes.get(argument).is_some_and(|a| a.entry(COMPLEX).is_some());
            if value.ty().as_tensor().is_none() {
                return Err(function
                    .error(format!("argument #{argument} is '{}', but a program takes tensors only", value.ty())));
            }
            if let Some(name) = attribute(PARAMETER) {
                if self.shapes.dims(value).iter().any(|d| d.known().is_none()) {
                    return Err(function.error(format!("parameter '{name}' has a dynamic size")));
                }
                self.roots.insert(value, Root::Parameter(self.program.parameters.len() as u32));
                let port = self.port(name, value, is_complex)?;
                self.program.parameters.push(port);
            } else {
                let index = self.program.inputs.len() as u32;
                input_of.insert(argument, index);
                self.roots.insert(value, Root::Input(index));
                let port = self.port(attribute(NAME).unwrap_or_else(|| format!("input{index}")), value, is_complex)?;
                self.program.inputs.push(port);
            }
        }
        for symbol in &self.shapes.symbols {
            self.program.symbols.push(Symbol {
                name: symbol.name.clone(),
                input: input_of[&symbol.argument],
                axis: symbol.axis as u32,
            });
        }
        for (a, b, why) in &self.shapes.equalities {
            let (left, right) = (self.sizes.id(a)?, self.sizes.id(b)?);
            self.program.constraints.push(Constraint { left, right, message: why.clone() });
        }
        Ok(())
    }

    /// The port of a value; of complex numbers, if the value is their pairs.
    fn port(&mut self, name: String, value: Value<'c>, is_complex: bool) -> Result<Port> {
        let (mut dtype, mut shape) = (self.dtype(value)?, self.shape(value)?);
        if let Some(whole) = dtype.complex().filter(|_| is_complex) {
            dtype = whole;
            shape.pop();
        }
        Ok(Port { name, dtype, shape })
    }

    fn dtype(&self, value: Value<'c>) -> Result<DType> {
        dtype_of(value.ty().element())
            .ok_or_else(|| self.function.error(format!("'{}' has no dtype that the runtime knows", value.ty())))
    }

    fn shape(&mut self, value: Value<'c>) -> Result<Vec<DimId>> {
        self.shapes.dims(value).iter().map(|d| self.sizes.id(d)).collect()
    }

    fn body(&mut self) -> Result {
        let block = self.function.region(0).entry().ok_or_else(|| self.function.error("has no body"))?;
        let terminator = block.terminator().ok_or_else(|| self.function.error("does not return"))?;
        self.outputs(terminator)?;
        for op in block.operations() {
            self.step(op)?;
        }
        self.copies(terminator)
    }

    /// Gives each returned value that a step makes the memory of its output at once; notes what is updated.
    fn outputs(&mut self, terminator: Operation<'c>) -> Result {
        let attributes = self.function.attribute("res_attrs").and_then(|a| a.as_array()).unwrap_or_default();
        for (index, value) in terminator.operands().enumerate() {
            let attribute = |name: &str| attributes.get(index).and_then(|a| a.entry(name));
            if let Some(argument) = attribute(UPDATES) {
                self.update(argument.as_integer(), value)?;
                continue;
            }
            let index = self.program.outputs.len();
            let name = attribute(NAME).and_then(|a| a.as_string());
            let port = self.port(
                name.map_or_else(|| format!("output{index}"), str::to_owned),
                value,
                attribute(COMPLEX).is_some(),
            )?;
            self.program.outputs.push(port);
            let Some((root, view)) = layout(value, self.shapes) else { continue };
            let is_made = root.defining_op().is_some_and(|op| !op.has_trait("constant_like"));
            let is_whole = Dim::product(&view.sizes) == Dim::product(&self.shapes.dims(root));
            if is_made && is_whole && view.is_dense() && !self.roots.contains_key(&root) {
                self.roots.insert(root, Root::Output(index as u32));
            }
        }
        Ok(())
    }

    /// Notes that `value` is what the memory of an argument holds at the end.
    fn update(&mut self, argument: Option<i64>, value: Value<'c>) -> Result {
        let block = self.function.region(0).entry().ok_or_else(|| self.function.error("has no body"))?;
        let number = argument.and_then(|number| usize::try_from(number).ok());
        let argument = number
            .filter(|number| *number < block.argument_count())
            .map(|number| block.argument(number))
            .filter(|argument| argument.ty() == value.ty())
            .ok_or_else(|| self.function.error(format!("has a result with '{UPDATES}' that is no argument's")))?;
        let root = self.roots[&argument];
        if self.program.state(root).is_some() {
            return Err(self.function.error(format!("has two results with '{UPDATES}' of one argument")));
        }
        let attributes = self.function.attribute("arg_attrs").and_then(|a| a.as_array()).unwrap_or_default();
        let initial = number.and_then(|number| attributes.get(number)).and_then(|a| a.entry(INITIAL));
        let initial = initial.and_then(|a| a.as_float().or_else(|| a.as_integer().map(|value| value as f64)));
        let initial = initial.filter(|_| matches!(root, Root::Parameter(_)));
        self.program.states.push(State { root, initial });
        self.updates.push((argument, value));
        Ok(())
    }

    /// Copies to the outputs what is not made there: inputs, constants, and values returned twice. Then to memory that is
    /// updated: nobody needs any more what was there before, but for what goes to other such memory.
    fn copies(&mut self, terminator: Operation<'c>) -> Result {
        let attributes = self.function.attribute("res_attrs").and_then(|a| a.as_array()).unwrap_or_default();
        let is_update = |index: usize| attributes.get(index).is_some_and(|a| a.entry(UPDATES).is_some());
        let returned = terminator.operands().enumerate().filter(|(index, _)| !is_update(*index));
        for (output, (_, value)) in returned.enumerate() {
            let (from, to) = (self.dense(terminator, value)?, Root::Output(output as u32));
            self.copy(value, from, to)?;
        }
        let mut moves = Vec::new();
        for (argument, value) in self.updates.clone() {
            let (mut from, to) = (self.dense(terminator, value)?, self.roots[&argument]);
            let is_overwritten = from != to && self.program.state(from).is_some();
            if is_overwritten {
                let kept = self.buffer(value)?;
                self.copy(value, from, kept)?;
                from = kept;
            }
            moves.push((value, from, to));
        }
        moves.into_iter().try_for_each(|(value, from, to)| self.copy(value, from, to))
    }

    /// Where a value is that is returned.
    fn dense(&self, terminator: Operation<'c>, value: Value<'c>) -> Result<Root> {
        let (root, view) = self.place(terminator, value)?;
        if view.is_dense() {
            Ok(root)
        } else {
            Err(terminator.error("internal: returns a view that no kernel made dense"))
        }
    }

    fn copy(&mut self, value: Value<'c>, from: Root, to: Root) -> Result {
        if from != to {
            let bytes = self.bytes(value)?;
            self.program.steps.push(Step::Copy { from: Place::new(from), to: Place::new(to), bytes });
        }
        Ok(())
    }

    fn buffer(&mut self, value: Value<'c>) -> Result<Root> {
        let (dtype, shape) = (self.dtype(value)?, self.shape(value)?);
        self.program.buffers.push(Buffer { dtype, shape, alias: None });
        Ok(Root::Buffer(self.program.buffers.len() as u32 - 1))
    }

    fn bytes(&mut self, value: Value<'c>) -> Result<DimId> {
        let size = Dim::Known(self.dtype(value)?.size() as i64);
        let total = self.shapes.dims(value).iter().fold(size, |total, dim| total.mul(dim));
        self.sizes.id(&total)
    }

    fn step(&mut self, op: Operation<'c>) -> Result {
        self.take_memory(op)?;
        if op.name() == "func.call" {
            let launch = self.launch(op)?;
            let epilogue = epilogue_of(op, self.shapes).filter(|_| self.device == Device::Cpu);
            let step = match epilogue {
                Some(epilogue) => Step::Call(self.product_with(&epilogue, launch)?),
                None => Step::Launch(launch),
            };
            self.program.steps.push(step);
            return Ok(());
        }
        if op.has_trait("constant_like") && op.result(0).ty().as_tensor().is_some() {
            return self.constant(op);
        }
        if <dyn Library>::of(op).is_some_and(|l| l.library().is_some()) {
            // A product with an epilogue is a step where the epilogue is called: all that this reads is there by then.
            if self.device == Device::Cpu && has_epilogue(op, self.shapes) {
                self.make(op.result(0))?;
            } else {
                let call = self.library(op)?;
                self.program.steps.push(Step::Call(call));
            }
            return Ok(());
        }
        if let Some(control) = <dyn Control>::of(op) {
            let step = self.rounds(op, &control.flow())?;
            self.program.steps.push(Step::While(step));
            return Ok(());
        }
        let is_free = op.has_trait("terminator")
            || op.results().all(|v| v.ty().as_tensor().is_none())
            || layout(op.result(0), self.shapes).is_some_and(|(root, _)| root != op.result(0) || self.is_absorbed(op));
        if is_free { Ok(()) } else { Err(op.error("cannot be a step of a program: no kernel has it")) }
    }

    /// Gives the results of an op the memory of the arguments that they update.
    fn take_memory(&mut self, op: Operation<'c>) -> Result {
        let arguments = op.attribute(INTO).and_then(|a| a.as_i64_array()).unwrap_or_default();
        let block = self.function.region(0).entry().ok_or_else(|| self.function.error("has no body"))?;
        for (result, argument) in op.results().zip(arguments) {
            let Ok(argument) = usize::try_from(argument) else { continue };
            let (root, _) = layout(result, self.shapes).ok_or_else(|| op.error("internal: has no place"))?;
            self.roots.insert(root, self.roots[&block.argument(argument)]);
        }
        Ok(())
    }

    fn is_absorbed(&self, op: Operation<'c>) -> bool {
        thunder_passes::absorbed_permutation(op, self.shapes).is_some()
    }

    /// The memory of a value that a step makes.
    fn make(&mut self, value: Value<'c>) -> Result<Root> {
        let (root, _) = layout(value, self.shapes).unwrap_or((value, StridedView::dense(Vec::new())));
        if let Some(known) = self.roots.get(&root) {
            return Ok(*known);
        }
        let made = self.buffer(root)?;
        self.roots.insert(root, made);
        Ok(made)
    }

    /// Where a value is, and how it lies there.
    fn place(&self, user: Operation<'c>, value: Value<'c>) -> Result<(Root, StridedView)> {
        let (root, view) =
            layout(value, self.shapes).ok_or_else(|| user.error("internal: uses a view that strides cannot say"))?;
        let root = self.roots.get(&root).ok_or_else(|| user.error("internal: uses a value that no step makes"))?;
        Ok((*root, view))
    }

    fn constant(&mut self, op: Operation<'c>) -> Result {
        let value = op.result(0);
        let tensor = op
            .attribute("value")
            .and_then(attribute_to_tensor)
            .ok_or_else(|| op.error("has elements that the runtime does not know"))?;
        self.constants.resize(self.constants.len().next_multiple_of(64), 0);
        let offset = self.constants.len() as u64;
        self.constants.extend_from_slice(tensor.bytes());
        self.roots.insert(value, Root::Constant(self.program.constants.len() as u32));
        let shape = tensor.shape().iter().map(|d| *d as u64).collect();
        self.program.constants.push(Constant { dtype: tensor.dtype(), shape, offset });
        Ok(())
    }

    fn launch(&mut self, op: Operation<'c>) -> Result<Launch> {
        let name = op.attribute("callee").and_then(|a| a.as_symbol()).unwrap_or_default();
        let kernel = find_function(op, name)
            .filter(|f| f.attribute(KERNEL).is_some())
            .ok_or_else(|| op.error(format!("calls '@{name}', which is no kernel")))?;
        let next = KernelId(self.kernels.len() as u32);
        let id = *self.kernels.entry(name.to_owned()).or_insert(next);
        if id == next && self.program.kernels.len() == next.0 as usize {
            self.program.kernels.push(name.to_owned());
        }
        if let Device::Cuda(numerics) = self.device {
            self.fragments(op, id, numerics);
        }
        let mut args = Vec::new();
        for operand in op.operands().filter(|v| v.ty().as_tensor().is_some()) {
            let (root, view) = self.place(op, operand)?;
            if !view.is_dense() {
                return Err(op.error("internal: a kernel is given a view that is not dense"));
            }
            args.push(Arg::read(root));
        }
        let in_place = kernel.attribute(IN_PLACE).and_then(|a| a.as_i64_array()).unwrap_or_default();
        for (number, result) in op.results().enumerate() {
            let place = in_place.get(number).and_then(|input| usize::try_from(*input).ok());
            if let Some(input) = place {
                let (root, _) = self.place(op, op.operand(input))?;
                self.roots.entry(result).or_insert(root);
            }
            let made = self.make(result)?;
            match place {
                // The kernel takes one pointer for both.
                Some(input) => {
                    let before = op.operands().take(input).filter(|v| v.ty().as_tensor().is_some()).count();
                    args[before].access = Access::Update;
                }
                None => args.push(Arg::write(made)),
            }
        }
        let inner = Shapes::of(kernel)?;
        let mut dims = Vec::new();
        for symbol in &inner.symbols {
            dims.push(self.sizes.id(&self.shapes.symbol_value(op, symbol))?);
        }
        let spread = match self.device {
            Device::Cpu => self.rows(op, kernel, args.len(), &mut dims)?,
            Device::Cuda(_) => Spread::Whole,
        };
        Ok(Launch { kernel: id, args, dims, spread })
    }

    /// Notes that the kernel of a call may be a part of the products that it computes from.
    fn fragments(&mut self, op: Operation<'c>, kernel: KernelId, numerics: Numerics) {
        let is_tensor = |value: &Value<'c>| value.ty().as_tensor().is_some();
        let pointer = |number: usize| op.operands().take(number).filter(is_tensor).count() as u32;
        let columns = |columns: Columns| match columns {
            Columns::All => Some(program::Columns::All),
            Columns::Half { of, start } => {
                Some(program::Columns::Half { of: u32::try_from(of).ok()?, start: u32::try_from(start).ok()? })
            }
        };
        let piece = |piece: &thunder_passes::Piece| {
            Some(program::Piece { pointer: pointer(piece.operand), columns: columns(piece.columns)? })
        };
        for pieces in products_of(op, self.shapes) {
            let Some(products) = pieces.iter().map(piece).collect::<Option<Vec<_>>>() else { continue };
            let known = &mut self.program.fragments;
            if known.iter().any(|known| known.kernel == kernel && known.products == products) {
                continue;
            }
            let activation = match pieces[..] {
                [only] => activation_of(op, only.operand, numerics).map(|activation| match activation {
                    Activation::Relu => program::Activation::Relu,
                    Activation::Gelu => program::Activation::Gelu,
                    Activation::GeluGradient { operand } => {
                        program::Activation::GeluGradient { pointer: pointer(operand) }
                    }
                }),
                _ => None,
            };
            known.push(Fragment { kernel, products, code: String::new(), activation });
        }
    }

    /// Adds the range of all rows to a kernel's numbers; how it may be split over threads.
    fn rows(&mut self, op: Operation<'c>, kernel: Operation<'c>, args: usize, dims: &mut Vec<DimId>) -> Result<Spread> {
        let counts = kernel.attribute(ROWS).and_then(|a| a.as_i64_array()).unwrap_or_default();
        let rows = counts.last().copied().unwrap_or(0);
        let sizes = self.shapes.dims(op.result(0));
        let (leading, _) = sizes.split_at(rows as usize);
        let product = |dims: &[Dim]| dims.iter().fold(Dim::Known(1), |p, d| p.mul(d));
        let (start, length) = (dims.len() as u32, dims.len() as u32 + 1);
        dims.extend([self.sizes.id(&Dim::Known(0))?, self.sizes.id(&product(leading))?]);
        if rows == 0 {
            return Ok(Spread::Whole);
        }
        // The work of a row is as much as the most that it reads of a tensor, or makes.
        let mut elements = Dim::Known(1);
        let takes_columns = counts.iter().any(|count| *count < 0);
        for (value, count) in op.operands().chain(op.results()).zip(counts).filter(|(_, count)| *count != 0) {
            let sizes = self.shapes.dims(value);
            let row = match usize::try_from(count) {
                Ok(leading) => &sizes[leading..],
                Err(_) => &sizes[..sizes.len() - rows as usize],
            };
            elements = elements.max(&product(row));
        }
        let elements = self.sizes.id(&elements)?;
        let least = if takes_columns { GRAIN_OF_COLUMNS } else { 1 };
        let grain = self.sizes.ceil_div(GRAIN, elements);
        let grain = self.sizes.at_least(least, grain);
        Ok(Spread::Slices(Parallel { dim: length, start: Some(start), grain, advance: vec![None; args] }))
    }
}
