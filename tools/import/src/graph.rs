//! From the graph of an archive to the function `@main`.
//!
//! Nodes are written in order. What cannot be written is noted, as is what it is missed by, so that one run finds all of
//! it. Each result is compared with what the file says of it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use thunder_ir::{Context, Module};
use thunder_tensor::Tensor as HostTensor;
use thunder_trace::{Dim, Path as Place, Scope, Spec, Tensor, TraceError, Tracer, Tree};

use crate::arguments::{Answer, Call, Reason, dim, malformed, named_size, number};
use crate::aten::{self, Build, Entry};
use crate::gaps::Gaps;
use crate::memory::{Memory, Origin, Views};
use crate::node::{functional, line, operation, place, results, tensors, value_name};
use crate::schema::{Argument, ExportedProgram, Graph, InputSpec, Node, OutputSpec, TensorMeta};
use crate::size::{self, Symbols};
use crate::weights::Weights;
use crate::{ImportError, names};

/// Writes a program as a module.
pub(crate) fn write<'x>(
    program: &ExportedProgram,
    weights: &Weights,
    path: &Path,
    context: &'x Context,
) -> Result<Module<'x>, ImportError> {
    let at = Cell::new(None);
    let refused = |reason: &Reason| {
        let (Reason::Gap(message) | Reason::Malformed(message)) = reason;
        error(program, path, at.get(), message.clone())
    };
    let inputs = Inputs::of(program).map_err(|reason| refused(&reason))?;
    let gaps = RefCell::new(Gaps::default());
    let mut fault = None;
    let mut tracer = Tracer::new(context).of_file(&path.display().to_string());
    for (symbol, range) in &program.range_constraints {
        // Sizes of 0 and 1 are set apart when a model is exported, and taken all the same.
        let [least, most] = range.bounds();
        tracer = tracer.with_range(symbol, [if least > 2 { least } else { -1 }, most]);
    }
    let outcome = tracer.function("main", Named(inputs.named.clone()), |cx, tensors| {
        let writer = Writer { cx, program, graph: &program.graph_module.graph, inputs: &inputs, gaps: &gaps, at: &at };
        writer.run(weights, tensors).map(Named).unwrap_or_else(|reason| {
            fault = Some(reason);
            Named(Vec::new())
        })
    });
    let gaps = gaps.into_inner().sorted();
    if !gaps.is_empty() {
        return Err(ImportError::Unsupported { path: path.to_owned(), gaps });
    }
    if let Some(reason) = fault {
        return Err(refused(&reason));
    }
    match outcome {
        Ok(()) => Ok(tracer.finish()),
        Err(TraceError::Model(mistake)) => Err(error(program, path, at.get(), mistake.message)),
        Err(TraceError::Invalid(error)) => Err(ImportError::Internal(error)),
        Err(TraceError::Function { reason, .. }) => Err(error(program, path, at.get(), reason.to_owned())),
    }
}

fn error(program: &ExportedProgram, path: &Path, node: Option<usize>, message: String) -> ImportError {
    let node = node.map(|index| &program.graph_module.graph.nodes[index]);
    let value = node.and_then(|node| node.outputs.iter().find_map(value_name)).unwrap_or("main");
    let place = node.map_or_else(|| "the graph's signature".to_owned(), place);
    ImportError::Graph { path: path.to_owned(), value: value.to_owned(), place, message }
}

/// Leaves with their names.
struct Named<T>(Vec<(String, T)>);

impl<T, U> Tree<T, U> for Named<T> {
    type Mapped = Vec<U>;
    fn map(self, path: &Place<'_>, f: &mut dyn FnMut(&Place<'_>, T) -> U) -> Vec<U> {
        self.0.into_iter().map(|(name, leaf)| f(&path.field(&name), leaf)).collect()
    }
}

/// What the program is called with.
struct Inputs {
    /// The inputs of `@main` by the names that users see.
    named: Vec<(String, Spec)>,
    /// The values of the graph that they are.
    values: Vec<String>,
    symbols: Symbols,
}

impl Inputs {
    fn of(program: &ExportedProgram) -> Answer<Self> {
        let module = &program.graph_module;
        let given: Vec<&Argument> = module.signature.input_specs.iter().filter_map(user_input).collect();
        let call =
            module.module_call_graph.iter().find(|call| call.fqn.is_empty()).and_then(|call| call.signature.as_ref());
        let paths = call.and_then(|call| names::inputs(&call.in_spec, call.forward_arg_names.as_deref()?));
        let paths = paths.filter(|paths| paths.len() == given.len() && are_unique(paths));
        let mut inputs = Self { named: Vec::new(), values: Vec::new(), symbols: Symbols::default() };
        let mut metas = Vec::new();
        for (index, argument) in given.into_iter().enumerate() {
            match argument {
                Argument::Tensor(value) => {
                    let meta = meta(&module.graph, value)?;
                    let name = paths.as_ref().map_or(value, |paths| &paths[index]);
                    inputs.values.push(value.clone());
                    metas.push((name.clone(), meta));
                }
                Argument::None | Argument::Bool(_) | Argument::Int(_) | Argument::Float(_) | Argument::String(_) => {}
                other => return malformed(format!("an input that is no tensor: {other:?}")),
            }
        }
        for (name, meta) in &metas {
            let dims = meta.sizes.iter().enumerate().map(|(axis, size)| inputs.symbols.argument(name, axis, size));
            let dims: Vec<Dim> = dims.collect::<Answer<_>>()?;
            let dtype = meta.dtype().map_err(|dtype| Reason::Gap(format!("input '{name}' has elements of {dtype}")))?;
            inputs.named.push((name.clone(), Spec::new(dtype, dims)));
        }
        Ok(inputs)
    }
}

fn user_input(spec: &InputSpec) -> Option<&Argument> {
    match spec {
        InputSpec::UserInput { arg } => Some(arg),
        _ => None,
    }
}

fn are_unique(names: &[String]) -> bool {
    names.iter().collect::<BTreeSet<_>>().len() == names.len()
}

fn meta<'a>(graph: &'a Graph, value: &str) -> Answer<&'a TensorMeta> {
    graph.tensor_values.get(value).ok_or_else(|| Reason::Malformed(format!("nothing says what the value '{value}' is")))
}

/// Writes the nodes of a graph.
#[derive(Clone, Copy)]
struct Writer<'a, 't> {
    cx: Scope<'t>,
    program: &'a ExportedProgram,
    graph: &'a Graph,
    inputs: &'a Inputs,
    gaps: &'a RefCell<Gaps>,
    /// The node that is being written.
    at: &'a Cell<Option<usize>>,
}

impl<'t> Writer<'_, 't> {
    /// The outputs by name.
    fn run(self, weights: &Weights, inputs: Vec<Tensor<'t>>) -> Answer<Vec<(String, Tensor<'t>)>> {
        let mut memory = Memory::default();
        for (value, tensor) in self.inputs.values.iter().zip(inputs) {
            memory.add(value, tensor);
        }
        let mut arguments = self.inputs.values.clone();
        for spec in &self.program.graph_module.signature.input_specs {
            let (value, name) = match spec {
                InputSpec::Parameter { arg, parameter_name: name }
                | InputSpec::Buffer { arg, buffer_name: name }
                | InputSpec::TensorConstant { arg, tensor_constant_name: name } => (&arg.name, name),
                InputSpec::CustomObj(_) => {
                    self.gaps
                        .borrow_mut()
                        .note("a custom object as an input".to_owned(), || "the signature".to_owned());
                    continue;
                }
                InputSpec::UserInput { .. } | InputSpec::ConstantInput(_) | InputSpec::Token(_) => continue,
            };
            if let Some(first) = weights.aliases.get(name) {
                let Some(first) = self.argument(first) else { return malformed(format!("there is no '{first}'")) };
                let tensor = memory.read(&first, &self)?;
                memory.share(value, tensor, Origin::Same(first.clone()), &first);
                continue;
            }
            memory.add(value, self.parameter(value, name, &weights.tensors)?);
            arguments.push(value.clone());
        }
        let before: Vec<_> =
            arguments.into_iter().map(|name| Ok((memory.read(&name, &self)?, name))).collect::<Answer<_>>()?;
        for index in 0..self.graph.nodes.len() {
            self.at.set(Some(index));
            self.noted(index, &mut memory)?;
        }
        self.at.set(None);
        if !self.gaps.borrow().is_empty() {
            return Ok(Vec::new());
        }
        let outputs = self.outputs(&mut memory)?;
        for (argument, name) in before {
            let now = memory.read(&name, &self)?;
            if now.value() != argument.value() {
                argument.copy_(now);
            }
        }
        Ok(outputs)
    }

    /// Writes a node; what is missing for it is noted.
    fn noted(self, index: usize, memory: &mut Memory<'t>) -> Answer<()> {
        let node = &self.graph.nodes[index];
        match self.node(index, node, memory) {
            Err(Reason::Gap(what)) => {
                let target = operation(node);
                let what = if what.is_empty() { target.to_owned() } else { format!("{target} with {what}") };
                self.gaps.borrow_mut().note(what, || place(node));
                Ok(())
            }
            other => other,
        }
    }

    /// What a graph that a node carries out makes of tensors.
    fn inner(self, graph: &Graph, given: &[Tensor<'t>]) -> Answer<Vec<Tensor<'t>>> {
        let writer = Writer { graph, ..self };
        let mut memory = Memory::default();
        let names: Vec<&str> = graph.inputs.iter().flat_map(results).collect();
        if names.len() != given.len() {
            return malformed(format!("{} tensors for a graph of {}", given.len(), names.len()));
        }
        for (name, tensor) in names.iter().zip(given) {
            memory.add(name, *tensor);
        }
        for index in 0..graph.nodes.len() {
            writer.noted(index, &mut memory)?;
        }
        if !self.gaps.borrow().is_empty() {
            // What is missed is noted already; nothing of the program will be used.
            let outputs = graph.outputs.iter().flat_map(results);
            let specs = outputs.map(|name| writer.spec(name)).collect::<Answer<Vec<_>>>()?;
            return Ok(specs.into_iter().map(|spec| self.cx.full(spec.dims, 0, spec.dtype)).collect());
        }
        for (name, tensor) in names.iter().zip(given) {
            if memory.read(name, &writer)?.value() != tensor.value() {
                return Err(Reason::Gap("an update in place of what its graph is given".to_owned()));
            }
        }
        graph.outputs.iter().flat_map(results).map(|name| memory.read(name, &writer)).collect()
    }

    fn parameter(self, value: &str, name: &str, weights: &BTreeMap<String, HostTensor>) -> Answer<Tensor<'t>> {
        let spec = self.spec(value)?;
        let Some(weight) = weights.get(name) else { return malformed(format!("there is no tensor '{name}'")) };
        let stored = Spec::new(weight.dtype(), weight.shape().to_vec());
        if stored != spec {
            return malformed(format!("the tensor '{name}' is {stored}, but the graph takes {spec}"));
        }
        Ok(self.cx.parameter(name, spec.dtype, spec.dims))
    }

    /// What the file says of a value.
    fn spec(self, value: &str) -> Answer<Spec> {
        let meta = meta(self.graph, value)?;
        let dims = meta.sizes.iter().map(|size| dim(size, &self.inputs.symbols)).collect::<Answer<Vec<_>>>()?;
        let dtype = meta.dtype().map_err(|dtype| Reason::Gap(format!("elements of {dtype}")))?;
        Ok(Spec::new(dtype, dims))
    }

    fn node(self, index: usize, node: &Node, memory: &mut Memory<'t>) -> Answer<()> {
        // What sizes are, the file says where they are used.
        let is_size = |output: &Argument| matches!(output, Argument::SymInt(_) | Argument::SymBool(_));
        if !node.outputs.is_empty() && node.outputs.iter().all(is_size) {
            return Ok(());
        }
        let target = operation(node);
        let (entry, updates) = match (aten::find(target), functional(target)) {
            (Some(entry), _) => (entry, false),
            (None, Some(functional)) => (aten::find(&functional).ok_or_else(|| Reason::Gap(String::new()))?, true),
            (None, None) => return Err(Reason::Gap(String::new())),
        };
        if matches!(entry.build, Build::Nothing) {
            return Ok(());
        }
        if let Some(what) = tensors(node).iter().find_map(|name| memory.lacked(name)) {
            return Err(Reason::Gap(what.to_owned()));
        }
        // What is missed by a gap is no gap of its own.
        if !tensors(node).iter().all(|name| memory.has(name)) {
            let is_made = |name: &&str| memory.has(name) || self.graph.tensor_values.contains_key(*name);
            return match tensors(node).iter().find(|name| !is_made(name)) {
                Some(name) => malformed(format!("nothing makes the value '{name}'")),
                None if self.gaps.borrow().is_empty() => malformed("it uses a value before that is made"),
                None => Ok(()),
            };
        }
        let mut given = Vec::new();
        for name in tensors(node) {
            given.push((name, memory.read(name, &self)?));
        }
        let names: Vec<&str> = node.outputs.iter().flat_map(results).collect();
        let specs = names.iter().map(|name| self.spec(name)).collect::<Answer<Vec<_>>>()?;
        let mut made = self.build(entry, node, &given, &specs)?;
        let held = made.split_off(names.len().min(made.len()));
        if let Build::Updates(_, arguments) = entry.build {
            for (argument, value) in arguments.iter().zip(held) {
                let input = node.inputs.iter().find(|input| input.name == *argument);
                let Some(target) = input.and_then(|input| value_name(&input.arg)) else {
                    return malformed(format!("'{argument}' is missing"));
                };
                let value = in_place(memory.read(target, &self)?, value);
                memory.write(target, value, &self)?;
            }
        }
        for (number, name) in names.iter().enumerate().skip(made.len()) {
            memory.lack(name, format!("result {number} of {target}"));
        }
        let first = tensors(node).first().copied();
        for ((name, spec), tensor) in names.iter().zip(&specs).zip(made) {
            if updates {
                let Some(target) = first else { return malformed("it updates nothing") };
                let before = given[0].1;
                let tensor = in_place(before, tensor);
                check(tensor, spec)?;
                memory.write(target, tensor, &self)?;
                let now = memory.read(target, &self)?;
                memory.share(name, now, Origin::Same(target.to_owned()), target);
                continue;
            }
            check(tensor, spec)?;
            let origin = match (&entry.build, first) {
                (Build::Copy(_) | Build::Many(_) | Build::Updates(..) | Build::Graphs(_) | Build::Nothing, _)
                | (_, None) => Origin::Whole,
                (Build::View(..), Some(whole)) => Origin::View(index, whole.to_owned()),
                (Build::Parts(_), Some(_)) => Origin::Part,
                (Build::One(_), Some(other)) if tensor.value() == given[0].1.value() => Origin::Same(other.to_owned()),
                (Build::One(_), Some(_)) => Origin::Whole,
            };
            match (origin, first) {
                (Origin::Whole, _) | (_, None) => memory.add(name, tensor),
                (origin, Some(other)) => memory.share(name, tensor, origin, other),
            }
        }
        Ok(())
    }

    /// The results of a node on these tensors.
    fn build(
        self,
        entry: &Entry,
        node: &Node,
        given: &[(&str, Tensor<'t>)],
        results: &[Spec],
    ) -> Answer<Vec<Tensor<'t>>> {
        let call = self.call(node, given, results);
        quoted(self.cx, node, || match entry.build {
            Build::One(build) | Build::Copy(build) | Build::View(build, _) => build(&call).map(|tensor| vec![tensor]),
            Build::Many(build) | Build::Parts(build) | Build::Updates(build, _) => build(&call),
            Build::Graphs(build) => build(&call, &|graph, given| self.inner(graph, given)),
            Build::Nothing => Ok(Vec::new()),
        })
    }

    fn call<'a>(self, node: &'a Node, given: &'a [(&'a str, Tensor<'t>)], results: &'a [Spec]) -> Call<'a, 't>
    where
        Self: 'a,
    {
        let (graph, symbols) = (self.graph, &self.inputs.symbols);
        Call { cx: self.cx, node, given, graph, symbols, results }
    }

    /// The values that the model returns, and the last of those that it updates.
    fn outputs(self, memory: &mut Memory<'t>) -> Answer<Vec<(String, Tensor<'t>)>> {
        let module = &self.program.graph_module;
        let call =
            module.module_call_graph.iter().find(|call| call.fqn.is_empty()).and_then(|call| call.signature.as_ref());
        let is_returned =
            |spec: &&OutputSpec| matches!(spec, OutputSpec::UserOutput { .. } | OutputSpec::LossOutput { .. });
        let count = module.signature.output_specs.iter().filter(is_returned).count();
        let paths = call.and_then(|call| names::outputs(&call.out_spec));
        let paths = paths.filter(|paths| paths.len() == count && are_unique(paths));
        let numbers =
            || if count == 1 { vec!["output".to_owned()] } else { (0..count).map(|i| i.to_string()).collect() };
        let mut paths = paths.unwrap_or_else(numbers).into_iter();
        let mut outputs = Vec::new();
        for spec in &module.signature.output_specs {
            let updated = match spec {
                OutputSpec::LossOutput { arg } => {
                    outputs.extend(paths.next().map(|path| Ok((path, memory.read(&arg.name, &self)?))).transpose()?);
                    continue;
                }
                OutputSpec::UserOutput { arg } => {
                    let path = paths.next().unwrap_or_default();
                    outputs.extend(self.output(arg, memory)?.map(|tensor| (path, tensor)));
                    continue;
                }
                OutputSpec::UserInputMutation { arg, user_input_name } => (arg, Some(user_input_name.clone())),
                OutputSpec::BufferMutation { arg, buffer_name: name }
                | OutputSpec::ParameterMutation { arg, parameter_name: name } => (arg, self.argument(name)),
                OutputSpec::Token(_) => continue,
                OutputSpec::GradientToParameter(_) | OutputSpec::GradientToUserInput(_) => {
                    return malformed("it returns gradients: export the forward part, and ask the compiler for them");
                }
            };
            let (arg, Some(target)) = updated else { return malformed("it updates what it does not take") };
            let value = memory.read(&arg.name, &self)?;
            let before = memory.read(&target, &self)?;
            memory.write(&target, in_place(before, value), &self)?;
        }
        Ok(outputs)
    }

    /// The value of the graph that a parameter or buffer is.
    fn argument(self, wanted: &str) -> Option<String> {
        self.program.graph_module.signature.input_specs.iter().find_map(|spec| match spec {
            InputSpec::Parameter { arg, parameter_name: name }
            | InputSpec::Buffer { arg, buffer_name: name }
            | InputSpec::TensorConstant { arg, tensor_constant_name: name } => {
                (name == wanted).then(|| arg.name.clone())
            }
            _ => None,
        })
    }

    fn output(self, argument: &Argument, memory: &mut Memory<'t>) -> Answer<Option<Tensor<'t>>> {
        Ok(Some(match argument {
            Argument::Tensor(name) => memory.read(name, &self)?,
            Argument::SymInt(size) => number(self.cx, named_size(size, self.graph, &self.inputs.symbols)?),
            Argument::Int(value) => self.cx.full((), *value, thunder_tensor::DType::I64),
            Argument::Float(value) => self.cx.full((), *value, thunder_tensor::DType::F64),
            Argument::Bool(value) => self.cx.full((), *value, thunder_tensor::DType::Bool),
            Argument::None => return Ok(None),
            other => return malformed(format!("it returns {other:?}, which is no tensor")),
        }))
    }
}

impl<'t> Views<'t> for Writer<'_, 't> {
    fn part(&self, node: usize, whole: Tensor<'t>) -> Answer<Tensor<'t>> {
        let node = &self.graph.nodes[node];
        let (Some(entry), Some(first)) = (aten::find(operation(node)), tensors(node).first().copied()) else {
            return malformed("a view of nothing");
        };
        let specs = node.outputs.iter().flat_map(results).map(|name| self.spec(name)).collect::<Answer<Vec<_>>>()?;
        Ok(self.build(entry, node, &[(first, whole)], &specs)?.swap_remove(0))
    }

    fn replaced(&self, node: usize, whole: Tensor<'t>, part: Tensor<'t>) -> Answer<Tensor<'t>> {
        let node = &self.graph.nodes[node];
        let (Some(entry), Some(first)) = (aten::find(operation(node)), tensors(node).first().copied()) else {
            return malformed("a view of nothing");
        };
        let Build::View(_, Some(inverse)) = entry.build else {
            return Err(Reason::Gap(format!("an update in place through {}", operation(node))));
        };
        let given = [(first, whole)];
        quoted(self.cx, node, || inverse(&self.call(node, &given, &[]), part))
    }
}

/// Carries out `body` at the line of the model that a node comes from.
fn quoted<T>(cx: Scope<'_>, node: &Node, body: impl FnOnce() -> T) -> T {
    let (file, line) = line(node).unwrap_or(("", 0));
    let text = |key: &str| node.metadata.get(key).and_then(serde_json::Value::as_str);
    // `instance,path.of.module,class;...`, innermost last.
    let layer = text("nn_module_stack").and_then(|stack| stack.rsplit(';').next()?.split(',').nth(1));
    let value = node.outputs.iter().find_map(value_name).unwrap_or_default();
    cx.quote(layer.filter(|layer| !layer.is_empty()).unwrap_or(value), file, line, body)
}

/// What an update in place makes of `value`: the memory keeps its dtype and sizes.
fn in_place<'t>(memory: Tensor<'t>, value: Tensor<'t>) -> Tensor<'t> {
    let value = value.to(memory.dtype());
    if value.shape() == memory.shape() { value } else { value.expand(memory.shape()) }
}

/// Checks a result against what the file says of it.
fn check(tensor: Tensor<'_>, spec: &Spec) -> Answer<()> {
    let dims = tensor.shape();
    let differ = |(a, b): (&Dim, &Dim)| a.known().zip(b.known()).is_some_and(|(a, b)| a != b);
    if tensor.dtype() != spec.dtype || dims.len() != spec.dims.len() || dims.iter().zip(&spec.dims).any(differ) {
        return malformed(format!("it is {tensor} by its operands, but {spec} in the file"));
    }
    Ok(())
}

impl Symbols {
    /// A size of an input as one of the program's function, whose symbol it says if it has one.
    fn argument(&mut self, name: &str, axis: usize, size: &crate::schema::SymInt) -> Answer<Dim> {
        let crate::schema::SymInt::Expr(expr) = size else { return dim(size, self) };
        if let Some(symbol) = size::symbol(&expr.expr_str) {
            self.define(symbol.clone(), Dim::new(&symbol));
            return Ok(Dim::new(&symbol));
        }
        // `2*s0` has a name of its own, by which `s0` is known unless an input has that for a size.
        let own = Dim::new(&format!("{name}.{axis}"));
        if let Some((symbol, dim)) = size::solve(&expr.expr_str, own.clone()) {
            self.define(symbol, dim);
        }
        Ok(own)
    }
}
