//! From a Rust function over proxies to a function of a module.
//!
//! Every op stands at the line of the model that asked for it: the first call into this crate on the
//! way. A mistake unwinds to [`Tracer::function`], which returns it; other panics pass through.

mod loops;
mod site;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, Location as Line, catch_unwind, resume_unwind};
use std::rc::Rc;

use thunder_interface::{DIM_NAMES, Dim as Size, INITIAL, NAME, RANGES};
use thunder_ir::{
    Attribute, Block, Blueprint, Context, ContextRef, Location, Module, Operation, Rewriter, Type, Value,
};

pub(crate) use self::site::{At, Entered, Site};
use crate::{Dim, ModelError, Path, Scope, Spec, Tensor, TraceError, Tree};

/// Traces functions into one module.
///
/// ```
/// use thunder_trace::{Dim, Spec, Tracer, DType};
/// let context = thunder_trace::context();
/// let tracer = Tracer::new(&context);
/// let rows = Spec::new(DType::F32, (Dim::new("rows"), 8));
/// tracer.function("main", rows, |cx, x| {
///     let weight = cx.parameter("weight", DType::F32, [4, 8]);
///     x.linear(weight, None).relu()
/// })?;
/// let module = tracer.finish();
/// assert!(module.to_string().contains("thunder.linear"));
/// # Ok::<(), thunder_trace::TraceError>(())
/// ```
pub struct Tracer<'x> {
    module: Module<'x>,
    state: State,
}

/// What is known about the function that is being traced.
#[derive(Default)]
struct State {
    /// The call that traces it; none between functions.
    home: Cell<Option<&'static Line<'static>>>,
    /// The line of the model that is being carried out; none in the model's own code.
    line: Cell<Option<&'static Line<'static>>>,
    frames: RefCell<Vec<Frame>>,
    quoted: RefCell<Option<Quoted>>,
    file: RefCell<Option<String>>,
    ranges: RefCell<HashMap<String, [i64; 2]>>,
    paths: RefCell<Vec<Rc<str>>>,
    sizes: RefCell<Vec<Rc<[Size]>>>,
    symbols: RefCell<Vec<Symbol>>,
    arguments: RefCell<Vec<Argument>>,
    parameters: RefCell<HashMap<String, usize>>,
    checkpoints: Cell<i64>,
    /// The regions that ops are added to, from the outside in: each is one of the last op of the block around.
    regions: RefCell<Vec<usize>>,
}

/// A layer that is being carried out.
struct Frame {
    path: u32,
    call: Option<&'static Line<'static>>,
}

/// What stands in a file that a front end reads, in place of a line of Rust.
struct Quoted {
    name: String,
    file: String,
    line: u32,
}

/// A named size, and the dimension of an argument that is it.
struct Symbol {
    name: Rc<str>,
    argument: usize,
    axis: usize,
}

/// What the attributes of an argument say.
struct Argument {
    attribute: &'static str,
    name: String,
    dims: Vec<Dim>,
    shape: u32,
    initial: Option<f64>,
}

/// How a mistake leaves the model's code.
struct Abort(ModelError);

impl<'x> Tracer<'x> {
    /// A tracer with an empty module; the context has the dialects of [`crate::context`].
    pub fn new(context: &'x Context) -> Self {
        let module = Module::new(context, Location::unknown(context.as_ref()));
        Self { module, state: State::default() }
    }

    /// The same tracer for a front end that reads a model from `file`: what it makes stands there, and not at a line of
    /// Rust.
    pub fn of_file(self, file: &str) -> Self {
        self.state.file.replace(Some(file.to_owned()));
        self
    }

    /// The same tracer, whose programs take sizes of the symbol `name` from `range[0]` to `range[1]` only; a bound below zero
    /// sets no limit.
    pub fn with_range(self, name: &str, range: [i64; 2]) -> Self {
        self.state.ranges.borrow_mut().insert(name.to_owned(), range);
        self
    }

    /// Traces `model` as the function `name`, whose inputs are the leaves of `inputs`.
    ///
    /// Its outputs are the leaves of what `model` returns. Inputs and outputs are named by their
    /// paths, `input` and `output` where there is no structure.
    #[track_caller]
    pub fn function<'t, I, O>(
        &'t self,
        name: &str,
        inputs: I,
        model: impl FnOnce(Scope<'t>, I::Mapped) -> O,
    ) -> Result<(), TraceError>
    where
        I: Tree<Spec, Tensor<'t>>,
        O: Tree<Tensor<'t>, ()>,
    {
        let home = Line::caller();
        let refuse = |reason| Err(TraceError::Function { location: home, name: name.to_owned(), reason });
        if self.state.home.get().is_some() {
            return refuse("is traced inside another one");
        }
        let is_taken = |op: Operation<'t>| op.attribute("sym_name").and_then(|a| a.as_string()) == Some(name);
        if self.module.body().operations().into_iter().any(is_taken) {
            return refuse("exists already");
        }
        self.state.start(home);
        let function = self.declare(name)?;
        let block = function.region(0).append_block(&[]);
        let site = Site { tracer: self, block };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let traced = inputs.map(&Path::ROOT, &mut |path, spec| site.input(path, &spec));
            let outputs = crate::leaves(model(Scope::root(site), traced));
            site.check(&outputs.iter().map(|(_, tensor)| *tensor).collect::<Vec<_>>());
            outputs
        }));
        self.state.home.set(None);
        let outcome = outcome.map(|outputs| self.complete(function, block, &outputs));
        if !matches!(outcome, Ok(Ok(()))) {
            Rewriter::at(function).erase(function)?;
        }
        outcome.unwrap_or_else(|payload| Err(mistake(payload)))
    }

    /// The module with the functions so far, for what works on modules: to differentiate one of them, say.
    pub fn module(&self) -> &Module<'x> {
        &self.module
    }

    /// The module with all functions.
    pub fn finish(self) -> Module<'x> {
        self.module
    }

    fn context(&self) -> ContextRef<'_> {
        self.module.context().as_ref()
    }

    fn declare(&self, name: &str) -> Result<Operation<'_>, TraceError> {
        let cx = self.context();
        let blueprint = Blueprint::new("func.func")
            .attribute("sym_name", Attribute::string(cx, name))
            .attribute("function_type", Attribute::of_type(Type::function(cx, &[], &[])))
            .regions(1);
        Ok(Rewriter::at_end_of(self.module.body(), self.location()).insert(&blueprint)?)
    }

    fn complete<'t>(
        &'t self,
        function: Operation<'t>,
        block: Block<'t>,
        outputs: &[(String, Tensor<'t>)],
    ) -> Result<(), TraceError> {
        let cx = self.context();
        let values: Vec<Value<'t>> = outputs.iter().map(|(_, tensor)| tensor.value).collect();
        let builder = Rewriter::at_end_of(block, function.location());
        builder.insert(&Blueprint::new("func.return").operands(values.iter().copied()))?;
        let inputs: Vec<_> = block.arguments().map(Value::ty).collect();
        let results: Vec<_> = values.iter().map(|v| v.ty()).collect();
        function.set_attribute("function_type", Attribute::of_type(Type::function(cx, &inputs, &results)));
        let arguments = self.state.arguments.borrow();
        let ranges = self.state.ranges.borrow();
        let arguments: Vec<_> = arguments.iter().map(|argument| argument.attributes(cx, &ranges)).collect();
        function.set_attribute("arg_attrs", Attribute::array(cx, &arguments));
        let named = |(path, _): &(String, Tensor<'t>)| {
            let name = if path.is_empty() { "output" } else { path };
            Attribute::dictionary(cx, &[(NAME, Attribute::string(cx, name))])
        };
        let results: Vec<_> = outputs.iter().map(named).collect();
        function.set_attribute("res_attrs", Attribute::array(cx, &results));
        self.module.verify()?;
        Ok(())
    }

    /// Where an op that is made now stands: at the model's line, as reached through its layers, under
    /// the path of the innermost one.
    fn location(&self) -> Location<'_> {
        let cx = self.context();
        let state = &self.state;
        if let Some(quoted) = &*state.quoted.borrow() {
            return Location::named(cx, &quoted.name, Location::file(cx, &quoted.file, quoted.line, 1));
        }
        if let Some(file) = &*state.file.borrow() {
            return Location::file(cx, file, 1, 1);
        }
        let frames = state.frames.borrow();
        let line = state.line().map_or(Location::unknown(cx), |line| Location::rust(cx, line));
        let calls = frames.iter().rev().filter_map(|frame| frame.call);
        let site = calls.fold(line, |callee, call| Location::call_site(callee, Location::rust(cx, call)));
        let path = state.path();
        if path.is_empty() { site } else { Location::named(cx, &path, site) }
    }
}

/// The model's mistake that a panic carries; any other panic goes on.
fn mistake(payload: Box<dyn Any + Send>) -> TraceError {
    match payload.downcast::<Abort>() {
        Ok(abort) => TraceError::Model(abort.0),
        Err(panic) => resume_unwind(panic),
    }
}

/// Ends the tracing with a mistake that no tensor is part of.
pub(crate) fn fail_at(location: &'static Line<'static>, message: &str) -> ! {
    let (scope, callers) = (String::new(), Vec::new());
    resume_unwind(Box::new(Abort(ModelError { location, scope, callers, message: message.to_owned() })))
}

impl State {
    fn start(&self, home: &'static Line<'static>) {
        self.home.set(Some(home));
        self.line.set(None);
        self.frames.borrow_mut().clear();
        self.quoted.replace(None);
        self.paths.replace(vec!["".into()]);
        self.sizes.borrow_mut().clear();
        self.symbols.borrow_mut().clear();
        self.arguments.borrow_mut().clear();
        self.parameters.borrow_mut().clear();
        self.checkpoints.set(0);
        self.regions.borrow_mut().clear();
    }

    fn line(&self) -> Option<&'static Line<'static>> {
        self.line.get().or(self.home.get())
    }

    /// The path of the innermost layer.
    fn path(&self) -> Rc<str> {
        let innermost = self.frames.borrow().last().map_or(0, |frame| frame.path);
        Rc::clone(&self.paths.borrow()[innermost as usize])
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.symbols.borrow().iter().position(|symbol| *symbol.name == *name).map(|number| number as u32)
    }

    fn name(&self, number: u32) -> Rc<str> {
        Rc::clone(&self.symbols.borrow()[number as usize].name)
    }
}

impl Argument {
    fn attributes<'c>(&self, cx: ContextRef<'c>, ranges: &HashMap<String, [i64; 2]>) -> Attribute<'c> {
        let mut entries = vec![(self.attribute, Attribute::string(cx, &self.name))];
        if self.dims.iter().any(|dim| dim.known().is_none()) {
            let names: Vec<_> = self.dims.iter().map(|d| Attribute::string(cx, d.symbol().unwrap_or(""))).collect();
            entries.push((DIM_NAMES, Attribute::array(cx, &names)));
        }
        let range = |dim: &Dim| dim.symbol().and_then(|name| ranges.get(name)).copied();
        if self.dims.iter().any(|dim| range(dim).is_some()) {
            let bounds: Vec<i64> = self.dims.iter().flat_map(|dim| range(dim).unwrap_or([-1, -1])).collect();
            entries.push((RANGES, Attribute::i64_array(cx, &bounds)));
        }
        entries.extend(self.initial.map(|value| (INITIAL, Attribute::float(Type::f64(cx), value))));
        Attribute::dictionary(cx, &entries)
    }
}
