//! Where a function is being traced: what adds its arguments and its ops.

use std::cell::{Cell, RefCell};
use std::panic::{Location as Line, resume_unwind};
use std::rc::Rc;

use thunder_dialect::build::{BuildDim as _, BuildRead as _, BuildWhere as _};
use thunder_dialect::compose::{broadcast, extents};
use thunder_dialect::ops::dim::Dim as DimOp;
use thunder_interface::{
    CHECKPOINT, Dim as Size, DimExpr, INITIAL, Memory, MemoryAccess, NAME, PARAMETER, ShapeInputs, ShapeRule, dtype_of,
    type_of,
};
use thunder_ir::op::Op as _;
use thunder_ir::{Attribute, Block, Blueprint, Builder, ContextRef, Operation, Rewriter, Type, Value};
use thunder_tensor::DType;

use super::{Abort, Argument, Frame, Quoted, Symbol, Tracer};
use crate::{Dim, ModelError, Path, Spec, Tensor};

/// The function that ops are added to.
#[derive(Clone, Copy)]
pub(crate) struct Site<'t> {
    pub(super) tracer: &'t Tracer<'t>,
    pub(super) block: Block<'t>,
}

/// Until it is dropped, ops stand at the line that first entered this crate.
pub(crate) struct At<'t>(&'t Cell<Option<&'static Line<'static>>>, Option<&'static Line<'static>>);

impl At<'_> {
    /// Carries out `body`, which is whose code called into this crate: its ops stand at its own lines.
    pub(crate) fn outside<T>(&self, body: impl FnOnce() -> T) -> T {
        let line = self.0.replace(self.1);
        let value = body();
        self.0.set(line);
        value
    }
}

impl Drop for At<'_> {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}

/// Until it is dropped, ops are those of a layer: they are under its path.
pub(crate) struct Entered<'t>(&'t RefCell<Vec<Frame>>);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().pop();
    }
}

impl<'t> Site<'t> {
    pub(crate) fn context(self) -> ContextRef<'t> {
        self.tracer.context()
    }

    /// Marks the entry into this crate, unless it has been entered already.
    pub(crate) fn at(self, line: &'static Line<'static>) -> At<'t> {
        let cell = &self.tracer.state.line;
        let before = cell.get();
        cell.set(before.or(Some(line)));
        At(cell, before)
    }

    /// Begins a layer.
    pub(crate) fn enter(self, path: u32, caller: &'static Line<'static>) -> Entered<'t> {
        let state = &self.tracer.state;
        let call = if state.line.get().is_none() { Some(caller) } else { None };
        state.frames.borrow_mut().push(Frame { path, call });
        Entered(&state.frames)
    }

    /// Gives the ops that `body` makes the place of what a front end reads.
    pub(crate) fn quote<T>(self, name: &str, file: &str, line: u32, body: impl FnOnce() -> T) -> T {
        let quoted = &self.tracer.state.quoted;
        let before = quoted.replace(Some(Quoted { name: name.to_owned(), file: file.to_owned(), line }));
        let value = body();
        quoted.replace(before);
        value
    }

    /// Puts the ops that `body` makes into a checkpoint region of their own, and out of regions inside of it.
    pub(crate) fn checkpoint<T>(self, body: impl FnOnce() -> T) -> T {
        let block = self.innermost();
        let before = block.operations().len();
        let value = body();
        let checkpoints = &self.tracer.state.checkpoints;
        let region = Attribute::i64(self.context(), checkpoints.get());
        checkpoints.set(checkpoints.get() + 1);
        block.operations().into_iter().skip(before).for_each(|op| op.set_attribute(CHECKPOINT, region));
        value
    }

    /// Lets writes of `body` leave what is in memory, unless `condition` holds.
    pub(crate) fn only_if<T>(self, condition: Tensor<'t>, body: impl FnOnce() -> T) -> T {
        self.check(&[condition]);
        if condition.dtype() != DType::Bool || condition.rank() != 0 {
            self.fail(format!("a condition is one truth value, not {condition}"));
        }
        let block = self.innermost();
        let before = block.operations().len();
        let value = body();
        for op in block.operations().into_iter().skip(before) {
            let Some(MemoryAccess::Write { value, into }) = <dyn Memory>::of(op).map(|memory| memory.access()) else {
                continue;
            };
            let b = Rewriter::at(op);
            let kept = b.read(op.operand(into)).and_then(|old| {
                let new = op.operand(value);
                let holds = broadcast(&b, condition.value, &[], &extents(&b, new)?)?;
                b.where_(holds, new, old)
            });
            op.set_operand(value, kept.unwrap_or_else(|error| self.fail(error.message())));
        }
        value
    }

    /// The block that ops are added to.
    fn innermost(self) -> Block<'t> {
        let mut block = self.block;
        for region in &*self.tracer.state.regions.borrow() {
            let inner = block.operations().last().and_then(|op| op.region(*region).entry());
            block = inner.unwrap_or_else(|| self.fail("internal: a loop that is being traced is not the last op"));
        }
        block
    }

    pub(super) fn insert(self, blueprint: &Blueprint<'t>) -> Operation<'t> {
        self.build(&[], |b| b.insert(blueprint))
    }

    /// The number of a path.
    pub(crate) fn add_path(self, path: &str) -> u32 {
        let mut paths = self.tracer.state.paths.borrow_mut();
        paths.push(path.into());
        paths.len() as u32 - 1
    }

    /// The path of a number.
    pub(crate) fn path(self, number: u32) -> Rc<str> {
        Rc::clone(&self.tracer.state.paths.borrow()[number as usize])
    }

    /// Ends the tracing with a mistake of the model's.
    pub(crate) fn fail(self, message: impl std::fmt::Display) -> ! {
        let state = &self.tracer.state;
        let Some(location) = state.line() else {
            panic!("a tensor is used after its function was traced: {message}");
        };
        let callers = state.frames.borrow().iter().rev().filter_map(|frame| frame.call).collect();
        let scope = state.path().to_string();
        resume_unwind(Box::new(Abort(ModelError { location, scope, callers, message: message.to_string() })))
    }

    /// Checks that tensors are values of the function that is being traced.
    pub(crate) fn check(self, tensors: &[Tensor<'t>]) {
        if self.tracer.state.home.get().is_none() || tensors.iter().any(|t| t.site.block != self.block) {
            self.fail("a tensor belongs to another function");
        }
    }

    /// A new argument of the function.
    fn argument(self, attribute: &'static str, name: String, spec: &Spec) -> Tensor<'t> {
        let state = &self.tracer.state;
        let argument = state.arguments.borrow().len();
        for (axis, dim) in spec.dims.iter().enumerate() {
            match (dim.known(), dim.symbol()) {
                (Some(size), _) if size < 0 => self.fail(format!("'{name}' cannot have the size {size}")),
                (None, None) => self.fail(format!("'{name}' has the size {dim}, which is neither a number nor a name")),
                (_, Some(symbol)) if state.number(symbol).is_none() => {
                    state.symbols.borrow_mut().push(Symbol { name: symbol.into(), argument, axis });
                }
                _ => {}
            }
        }
        let sizes = self.resolve(&spec.dims);
        let dims: Vec<_> = sizes.iter().map(Size::known).collect();
        let ty = Type::tensor(type_of(self.context(), spec.dtype), &dims);
        let value = self.block.add_argument(ty, self.tracer.location());
        let tensor = self.tensor(value, sizes);
        let shape = tensor.shape;
        state.arguments.borrow_mut().push(Argument { attribute, name, dims: spec.dims.clone(), shape, initial: None });
        tensor
    }

    pub(super) fn input(self, path: &Path<'_>, spec: &Spec) -> Tensor<'t> {
        let path = path.to_string();
        self.argument(NAME, if path.is_empty() { "input".to_owned() } else { path }, spec)
    }

    /// The parameter of this name, of which there is one however often it is asked for.
    pub(crate) fn parameter(self, name: String, spec: &Spec) -> Tensor<'t> {
        let state = &self.tracer.state;
        if let Some(tensor) = self.known_parameter(&name) {
            let declared = Spec { dtype: tensor.dtype(), dims: tensor.shape() };
            if declared != *spec {
                self.fail(format!("parameter '{name}' is {spec} here, but {declared} elsewhere"));
            }
            return tensor;
        }
        if let Some(dim) = spec.dims.iter().find(|dim| dim.known().is_none()) {
            self.fail(format!("parameter '{name}' has the size {dim}, which is no number"));
        }
        let argument = state.arguments.borrow().len();
        state.parameters.borrow_mut().insert(name.clone(), argument);
        self.argument(PARAMETER, name, spec)
    }

    pub(crate) fn known_parameter(self, name: &str) -> Option<Tensor<'t>> {
        let argument = self.tracer.state.parameters.borrow().get(name).copied()?;
        let shape = self.tracer.state.arguments.borrow()[argument].shape;
        Some(Tensor { site: self, value: self.block.argument(argument), shape })
    }

    /// As [`Self::parameter`], for one that is all `initial` where nobody provides it.
    pub(crate) fn state(self, name: String, spec: &Spec, initial: f64) -> Tensor<'t> {
        let tensor = self.parameter(name, spec);
        let argument = tensor.value.block_argument().map_or(0, |(_, index)| index);
        self.tracer.state.arguments.borrow_mut()[argument].initial = Some(initial);
        tensor
    }

    /// Calls a function of the module: on its own parameters, which become parameters here, and on `inputs`. The
    /// results with their names.
    pub(crate) fn call(self, name: &str, inputs: &[Tensor<'t>]) -> Vec<(String, Tensor<'t>)> {
        self.check(inputs);
        let is_named = |op: &Operation<'t>| op.attribute("sym_name").and_then(|a| a.as_string()) == Some(name);
        let functions = self.tracer.module.body().operations();
        let Some(callee) = functions.into_iter().find(is_named) else {
            self.fail(format!("calls '@{name}', which is not in the module"));
        };
        let list = |key: &str| callee.attribute(key).and_then(|a| a.as_array()).unwrap_or_default();
        let (arguments, results) = (list("arg_attrs"), list("res_attrs"));
        let ty = callee.attribute("function_type").and_then(|a| a.as_type()).and_then(|ty| ty.as_function());
        let (types, result_types) = ty.unwrap_or_default();
        let mut left = inputs.iter();
        let mut operands = Vec::new();
        for (index, ty) in types.iter().enumerate() {
            let entry = |key: &str| arguments.get(index).and_then(|a| a.entry(key));
            let operand = match entry(PARAMETER).and_then(|a| a.as_string()) {
                Some(parameter) => {
                    let spec = self.spec(*ty);
                    match entry(INITIAL).and_then(|a| a.as_float()) {
                        Some(initial) => self.state(parameter.to_owned(), &spec, initial),
                        None => self.parameter(parameter.to_owned(), &spec),
                    }
                }
                None => *left.next().unwrap_or_else(|| {
                    self.fail(format!("calls '@{name}' with {} inputs, but it takes more", inputs.len()))
                }),
            };
            if operand.value.ty() != *ty {
                self.fail(format!("calls '@{name}' with a '{}' where it takes '{ty}'", operand.value.ty()));
            }
            operands.push(operand.value);
        }
        if left.next().is_some() {
            self.fail(format!("calls '@{name}' with {} inputs, but it takes fewer", inputs.len()));
        }
        let call = Blueprint::new("func.call")
            .operands(operands)
            .results(result_types.iter().copied())
            .attribute("callee", Attribute::symbol(self.context(), name));
        let builder = Rewriter::at_end_of(self.innermost(), self.tracer.location());
        let call = builder.insert(&call).unwrap_or_else(|error| self.fail(error.message()));
        let named = |index: usize| results.get(index).and_then(|a| a.entry(NAME)).and_then(|a| a.as_string());
        let result = |(index, value): (usize, Value<'t>)| {
            let sizes = self.resolve(&self.spec(value.ty()).dims);
            (named(index).unwrap_or_default().to_owned(), self.tensor(value, sizes))
        };
        call.results().enumerate().map(result).collect()
    }

    /// What a type says, which must be all of the sizes.
    fn spec(self, ty: Type<'t>) -> Spec {
        let tensor = ty.as_tensor().and_then(|tensor| Some((dtype_of(tensor.element())?, tensor.static_dims()?)));
        let (dtype, dims) =
            tensor.unwrap_or_else(|| self.fail(format!("a call returns a '{ty}', whose sizes are not known")));
        Spec::new(dtype, dims)
    }

    /// Makes an op with one result; its sizes follow from those of its operands.
    pub(crate) fn op(
        self,
        operands: &[Tensor<'t>],
        build: impl FnOnce(&Builder<'t>) -> thunder_ir::Result<Value<'t>>,
    ) -> Tensor<'t> {
        let [result] = self.ops(operands, |b| build(b).map(|value| [value]));
        result
    }

    /// Makes an op with `N` results.
    pub(crate) fn ops<const N: usize>(
        self,
        operands: &[Tensor<'t>],
        build: impl FnOnce(&Builder<'t>) -> thunder_ir::Result<[Value<'t>; N]>,
    ) -> [Tensor<'t>; N] {
        let values = self.build(operands, build);
        let sizes = self.infer(values[0], operands);
        let mut results = sizes.into_iter();
        values.map(|value| self.tensor(value, results.next().unwrap_or_default()))
    }

    /// Makes an op whose result has these sizes; `build` gets those that only the program knows.
    pub(crate) fn sized_op(
        self,
        operands: &[Tensor<'t>],
        element: Type<'t>,
        sizes: Vec<Size>,
        build: impl FnOnce(&Builder<'t>, &[Value<'t>], Type<'t>) -> thunder_ir::Result<Value<'t>>,
    ) -> Tensor<'t> {
        let dims: Vec<_> = sizes.iter().map(Size::known).collect();
        let [value] = self.build(operands, |b| {
            let dynamic = sizes.iter().filter(|size| size.known().is_none());
            let dynamic = dynamic.map(|size| self.size(b, size)).collect::<thunder_ir::Result<Vec<_>>>()?;
            Ok([build(b, &dynamic, Type::tensor(element, &dims))?])
        });
        self.tensor(value, sizes)
    }

    /// Makes an op without a result.
    pub(crate) fn effect<T>(self, operands: &[Tensor<'t>], build: impl FnOnce(&Builder<'t>) -> thunder_ir::Result<T>) {
        self.build(operands, build);
    }

    pub(crate) fn build<T>(
        self,
        operands: &[Tensor<'t>],
        build: impl FnOnce(&Builder<'t>) -> thunder_ir::Result<T>,
    ) -> T {
        self.check(operands);
        let builder = Rewriter::at_end_of(self.innermost(), self.tracer.location());
        build(&builder).unwrap_or_else(|error| self.fail(error.message()))
    }

    /// The sizes of all results of the op that made `value`.
    fn infer(self, value: Value<'t>, operands: &[Tensor<'t>]) -> Vec<Vec<Size>> {
        let Some(op) = value.defining_op() else { return Vec::new() };
        let sizes: Vec<Vec<Size>> = operands.iter().map(|operand| operand.sizes().to_vec()).collect();
        let inferred = match <dyn ShapeRule>::of(op) {
            Some(rule) => rule
                .shapes(&ShapeInputs { operands: sizes, size: &|_| Size::Unknown })
                .unwrap_or_else(|error| self.fail(error.message())),
            // Ops without a rule are elementwise: all operands have one shape.
            None => vec![sizes.into_iter().next().unwrap_or_default(); op.result_count()],
        };
        let declared = |value: Value<'t>| value.ty().as_tensor().map_or_else(Vec::new, |ty| ty.dims());
        let known = |(size, dim): (Size, Option<i64>)| dim.map_or(size, Size::Known);
        op.results()
            .zip(inferred)
            .map(|(value, sizes)| sizes.into_iter().zip(declared(value)).map(known).collect())
            .collect()
    }

    pub(crate) fn tensor(self, value: Value<'t>, sizes: Vec<Size>) -> Tensor<'t> {
        if sizes.contains(&Size::Unknown) {
            self.fail(format!("a size of '{}' is out of range", value.ty()));
        }
        let mut shapes = self.tracer.state.sizes.borrow_mut();
        shapes.push(sizes.into());
        Tensor { site: self, value, shape: shapes.len() as u32 - 1 }
    }

    pub(crate) fn sizes(self, shape: u32) -> Rc<[Size]> {
        Rc::clone(&self.tracer.state.sizes.borrow()[shape as usize])
    }

    /// Sizes as the model names them.
    pub(crate) fn named(self, sizes: &[Size]) -> Vec<Dim> {
        sizes.iter().map(|size| Dim::named(size, &|number| self.tracer.state.name(number))).collect()
    }

    /// Sizes over the function's symbols.
    pub(crate) fn resolve(self, dims: &[Dim]) -> Vec<Size> {
        let resolve = |dim: &Dim| {
            dim.resolve(&|name| self.tracer.state.number(name))
                .unwrap_or_else(|name| self.fail(format!("no input has a dimension '{name}'")))
        };
        dims.iter().map(resolve).collect()
    }

    /// A size as a value of the program.
    fn size(self, b: &Builder<'t>, size: &Size) -> thunder_ir::Result<Value<'t>> {
        let index = Type::index(self.context());
        let expr = match size {
            Size::Known(size) => {
                let constant = Blueprint::new("arith.constant").results([index]);
                return Ok(b.insert(&constant.attribute("value", Attribute::integer(index, *size)))?.result(0));
            }
            Size::Unknown => return Err("has a size that is not known".into()),
            Size::Expr(expr) => expr,
        };
        let (name, operands) = match &**expr {
            DimExpr::Symbol(number) => {
                let symbols = self.tracer.state.symbols.borrow();
                let symbol = &symbols[*number as usize];
                let (argument, axis) = (self.block.argument(symbol.argument), symbol.axis as i64);
                // What exists in the function's own block comes before.
                let is_seen = |op: Operation<'t>| op.block() == Some(self.block);
                let mut dims = argument.uses().into_iter().filter(|(op, _)| is_seen(*op));
                let known = dims.find(|(op, _)| DimOp::of(*op).is_some_and(|d| d.axis() == axis));
                return known.map_or_else(|| b.dim(argument, axis), |(op, _)| Ok(op.result(0)));
            }
            DimExpr::Add(x, y) => ("arith.addi", [x, y]),
            DimExpr::Sub(x, y) => ("arith.subi", [x, y]),
            DimExpr::Mul(x, y) => ("arith.muli", [x, y]),
            DimExpr::FloorDiv(x, y) => ("arith.divsi", [x, y]),
            DimExpr::Max(x, y) => ("arith.maxsi", [x, y]),
        };
        let mut operands = [self.size(b, operands[0])?, self.size(b, operands[1])?];
        if name == "arith.divsi" {
            // A size that nothing divides is that of no elements.
            let least = [operands[1], self.size(b, &Size::Known(1))?];
            operands[1] = b.insert(&Blueprint::new("arith.maxsi").operands(least).results([index]))?.result(0);
        }
        Ok(b.insert(&Blueprint::new(name).operands(operands).results([index]))?.result(0))
    }

    /// The scalar type of a dtype.
    pub(crate) fn element(self, dtype: DType) -> Type<'t> {
        type_of(self.context(), dtype)
    }
}
