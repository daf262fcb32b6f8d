//! From a StableHLO program to the function `@main` of a module.
//!
//! Functions are written where they are called, loops as often as they go round, and the branches of a condition that
//! only the program knows both. What the importer does not have is noted, as is what it is missed by, so that one run
//! finds all of it. Each result is compared with what the file says of it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::Path;

use thunder_ir::{Context, Module, Rewriter};
use thunder_trace::{Dim, Path as Branch, Scope, Spec, Tensor, TraceError, Tracer, Tree};

use super::call::Call;
use super::ops::{self, Build};
use super::program::{Function, Location, Op, Place, Program, Region, TensorType, Type};
use super::value::Value;
use crate::ImportError;
use crate::arguments::{Answer, Reason, gap, malformed};
use crate::gaps::Gaps;

/// How many ops a program may have, once calls and loops are written out.
const OPS: usize = 200_000;
/// How deep calls and regions may nest.
const DEPTH: usize = 64;

/// Writes a program as a module.
pub(crate) fn write<'x>(program: &Program, path: &Path, context: &'x Context) -> Result<Module<'x>, ImportError> {
    let gaps = RefCell::new(Gaps::default());
    let at = RefCell::new((String::new(), Place::default()));
    let file = path.display().to_string();
    let refused = |message: String| {
        let (value, place) = &*at.borrow();
        let value = if value.is_empty() { "main" } else { value };
        ImportError::Graph { path: path.to_owned(), value: value.to_owned(), place: place.to_string(), message }
    };
    let entry = entry(program).map_err(&refused)?;
    let inputs = inputs(program, entry);
    let mut tracer = Tracer::new(context).of_file(&file);
    for dim in inputs.iter().flat_map(|(_, ty)| &ty.1).filter_map(Dim::symbol) {
        // Sizes that JAX leaves open are from 1 on.
        tracer = tracer.with_range(dim, [1, -1]);
    }
    let specs: Result<Vec<_>, String> = inputs
        .iter()
        .map(|(name, (ty, dims))| match ty.element.dtype() {
            Some(dtype) => Ok((name.clone(), Spec::new(dtype, dims.clone()))),
            None => Err(format!("input '{name}' has elements of {}", ty.element)),
        })
        .collect();
    let specs = match specs {
        Ok(specs) => specs,
        Err(what) => {
            gaps.borrow_mut().note(what, || "the signature".to_owned());
            return Err(ImportError::Unsupported { path: path.to_owned(), gaps: gaps.into_inner().sorted() });
        }
    };
    let mut fault = None;
    let outcome = tracer.function("main", Named(specs), |cx, tensors| {
        let left = Cell::new(OPS);
        let writer = Writer { cx, program, file: &file, gaps: &gaps, at: &at, left: &left, depth: Cell::new(0) };
        let given = inputs.iter().zip(tensors).map(|((_, (ty, _)), tensor)| Value::of(ty.element.clone(), tensor));
        let given: Vec<_> = given.collect();
        writer.function(entry, &given).map(|values| outputs(cx, entry, values)).unwrap_or_else(|reason| {
            fault = Some(reason);
            Named(Vec::new())
        })
    });
    let gaps = gaps.into_inner();
    if !gaps.is_empty() {
        return Err(ImportError::Unsupported { path: path.to_owned(), gaps: gaps.sorted() });
    }
    if let Some(Reason::Gap(message) | Reason::Malformed(message)) = fault {
        return Err(refused(message));
    }
    match outcome {
        Ok(()) => {
            let module = tracer.finish();
            sweep(&module)?;
            Ok(module)
        }
        Err(TraceError::Model(mistake)) => Err(refused(mistake.message)),
        Err(TraceError::Invalid(error)) => Err(ImportError::Internal(error)),
        Err(TraceError::Function { reason, .. }) => Err(refused(reason.to_owned())),
    }
}

/// Leaves out what nothing uses: sizes that turned out to be known, conditions of loops, results that no one asks for.
fn sweep(module: &Module<'_>) -> Result<(), ImportError> {
    for function in module.body().operations() {
        let Some(block) = function.region(0).blocks().into_iter().next() else { continue };
        for op in block.operations().into_iter().rev() {
            let is_used = op.results().any(|value| !value.uses().is_empty());
            if op.result_count() > 0 && !is_used {
                Rewriter::at(op).erase(op)?;
            }
        }
    }
    Ok(())
}

/// The function that a user calls: `@main`, or the only one.
fn entry(program: &Program) -> Result<&Function, String> {
    let only = || program.functions.values().next().filter(|_| program.functions.len() == 1);
    program.functions.get("main").or_else(only).ok_or_else(|| "there is no function '@main'".to_owned())
}

/// Leaves with their names.
struct Named<T>(Vec<(String, T)>);

impl<T, U> Tree<T, U> for Named<T> {
    type Mapped = Vec<U>;
    fn map(self, path: &Branch<'_>, f: &mut dyn FnMut(&Branch<'_>, T) -> U) -> Vec<U> {
        self.0.into_iter().map(|(name, leaf)| f(&path.field(&name), leaf)).collect()
    }
}

/// The inputs by name, with their types and sizes.
fn inputs(program: &Program, entry: &Function) -> Vec<(String, (TensorType, Vec<Dim>))> {
    let arguments = &entry.body.arguments;
    let named = |index: usize| {
        let argument = &arguments[index];
        own_name(&argument.location).or_else(|| {
            // A wrapper that checks sizes passes its arguments on.
            let call =
                entry.body.ops.iter().find(|op| op.operands.contains(&argument.value) && op.name == "func.call")?;
            let callee = callee(program, call)?;
            let place = call.operands.iter().position(|value| *value == argument.value)?;
            own_name(&callee.body.arguments.get(place)?.location)
        })
    };
    let names: Option<Vec<String>> =
        (0..arguments.len()).map(|index| named(index).map(|name| path_of(&name))).collect();
    let names = names.filter(|names| are_names(names));
    let types = arguments.iter().enumerate().filter_map(|(index, argument)| {
        let Type::Tensor(ty) = &argument.ty else { return None };
        let name = names.as_ref().map_or_else(|| format!("arg{index}"), |names| names[index].clone());
        let dims = ty.dims.iter().enumerate().map(|(axis, dim)| match dim {
            Some(size) => Dim::from(*size),
            None => Dim::new(&format!("{name}.{axis}")),
        });
        let dims = dims.collect();
        Some((name, (ty.clone(), dims)))
    });
    types.collect()
}

fn callee<'p>(program: &'p Program, call: &Op) -> Option<&'p Function> {
    match call.attribute("callee")? {
        super::program::Attribute::Symbol(name) | super::program::Attribute::Text(name) => program.functions.get(name),
        _ => None,
    }
}

/// What JAX calls an argument: the name of a location that leads nowhere else.
fn own_name(location: &Location) -> Option<String> {
    match location {
        Location::Named(name, inner) if **inner == Location::Unknown => Some(name.to_string()),
        _ => None,
    }
}

/// `params.0.w` for `params[0]['w']`.
fn path_of(name: &str) -> String {
    let plain: String = name.chars().filter(|c| !matches!(c, ']' | '\'' | '"')).collect();
    plain.replace('[', ".").trim_matches('.').to_owned()
}

fn are_names(names: &[String]) -> bool {
    names.iter().collect::<BTreeSet<_>>().len() == names.len() && names.iter().all(|name| !name.is_empty())
}

/// The outputs by what JAX calls them, or by number.
fn outputs<'t>(cx: Scope<'t>, entry: &Function, values: Vec<Value<'t>>) -> Named<Tensor<'t>> {
    let named = |info: &Option<String>| {
        let path = path_of(info.as_ref()?.strip_prefix("result").unwrap_or(info.as_ref()?));
        Some(if path.is_empty() { "output".to_owned() } else { path })
    };
    let names: Option<Vec<String>> = entry.results.iter().map(named).collect();
    let count = values.len();
    let names = names.filter(|names| names.len() == count && are_names(names));
    let numbers = || if count == 1 { vec!["output".to_owned()] } else { (0..count).map(|i| i.to_string()).collect() };
    let tensors = values.into_iter().map(|value| value.tensor(cx));
    Named(names.unwrap_or_else(numbers).into_iter().zip(tensors).collect())
}

/// The values of a function that is being written; none where they are missed.
pub(crate) type Frame<'t> = RefCell<Vec<Option<Value<'t>>>>;

/// Writes ops.
pub(crate) struct Writer<'a, 't> {
    cx: Scope<'t>,
    program: &'a Program,
    file: &'a str,
    gaps: &'a RefCell<Gaps>,
    /// The op that is being written, and where it stands.
    at: &'a RefCell<(String, Place)>,
    /// How many more ops there may be.
    left: &'a Cell<usize>,
    depth: Cell<usize>,
}

impl<'t> Writer<'_, 't> {
    /// What a function of this name makes of values.
    pub(crate) fn call(&self, name: &str, given: &[Value<'t>]) -> Answer<Vec<Value<'t>>> {
        match self.program.functions.get(name) {
            Some(function) => self.function(function, given),
            None => malformed(format!("there is no function '@{name}'")),
        }
    }

    fn function(&self, function: &Function, given: &[Value<'t>]) -> Answer<Vec<Value<'t>>> {
        let frame = RefCell::new(vec![None; function.values]);
        self.region(&function.body, given, &frame, None)
    }

    /// What a region makes of values, element by element where `lift` says for which sizes.
    pub(crate) fn region(
        &self,
        region: &Region,
        given: &[Value<'t>],
        frame: &Frame<'t>,
        lift: Option<&[Dim]>,
    ) -> Answer<Vec<Value<'t>>> {
        if region.arguments.len() != given.len() {
            return malformed(format!("{} values for a region of {}", given.len(), region.arguments.len()));
        }
        if self.depth.get() == DEPTH {
            return malformed(format!("calls nest deeper than {DEPTH}, or never end"));
        }
        self.depth.set(self.depth.get() + 1);
        for (argument, value) in region.arguments.iter().zip(given) {
            if let (Type::Tensor(ty), None) = (&argument.ty, lift) {
                self.check(value, ty)?;
            }
            frame.borrow_mut()[argument.value] = Some(value.clone());
        }
        let Some((end, ops)) = region.ops.split_last().filter(|(end, _)| end.name == "return") else {
            return malformed("a region does not end with what it returns");
        };
        for op in ops {
            self.noted(op, frame, lift)?;
        }
        self.depth.set(self.depth.get() - 1);
        let results: Option<Vec<_>> = {
            let frame = frame.borrow();
            end.operands.iter().map(|value| frame.get(*value).cloned().flatten()).collect()
        };
        match results {
            Some(results) => Ok(results),
            // What is missed is noted already.
            None if !self.gaps.borrow().is_empty() => gap(""),
            None => malformed("it returns a value that nothing makes"),
        }
    }

    /// Writes an op; what is missing for it is noted.
    fn noted(&self, op: &Op, frame: &Frame<'t>, lift: Option<&[Dim]>) -> Answer<()> {
        match self.op(op, frame, lift) {
            Err(Reason::Gap(what)) => {
                // Without words it is what an op inside has noted.
                if !what.is_empty() {
                    self.gaps.borrow_mut().note(what, || self.program.place(&op.location).to_string());
                }
                Ok(())
            }
            other => other,
        }
    }

    fn op(&self, op: &Op, frame: &Frame<'t>, lift: Option<&[Dim]>) -> Answer<()> {
        let place = self.program.place(&op.location);
        let before = self.at.replace((op.name.clone(), place.clone()));
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => return malformed(format!("with calls and loops written out, there are more than {OPS} ops")),
        }
        let Some(entry) = ops::find(&op.name) else { return gap(op.name.as_str()) };
        let wanted = |what: String| Reason::Gap(format!("{} with {what}", op.name));
        if lift.is_some() && !entry.is_elementwise {
            return Err(wanted("a function of single elements around it".to_owned()));
        }
        let operands = self.operands(op, frame, lift)?;
        let Some(operands) = operands else { return Ok(()) };
        let foreign = op.results.iter().find_map(|(_, ty)| match ty {
            Type::Tensor(ty) if ty.element.dtype().is_none() => Some(ty.element.to_string()),
            Type::Tensor(_) | Type::Token => None,
            other => Some(format!("{other} for a result")),
        });
        if let Some(what) = foreign {
            return Err(wanted(what));
        }
        let call = Call { cx: self.cx, op, operands: &operands, writer: self, frame, lift };
        let named = |reason: Reason| match reason {
            Reason::Gap(what) if !what.is_empty() => wanted(what),
            other => other,
        };
        let results = match entry.known.and_then(|known| known(&call)) {
            Some(known) => vec![known],
            None => {
                let name = if place.name.is_empty() { &*op.name } else { &*place.name };
                let (file, line) = if place.file.is_empty() { (self.file, 0) } else { (&*place.file, place.line) };
                self.cx.quote(name, file, line, || self.build(&call, entry.build)).map_err(named)?
            }
        };
        self.define(op, results, frame, lift)?;
        self.at.replace(before);
        Ok(())
    }

    fn build(&self, call: &Call<'_, 't>, build: Build) -> Answer<Vec<Value<'t>>> {
        match build {
            Build::Tensor(build) => {
                let (element, tensor) = (call.result(0)?.element.clone(), build(call)?);
                if Some(tensor.dtype()) != element.dtype() {
                    return malformed(format!(
                        "it is {tensor} by its operands, but has elements of {element} in the file"
                    ));
                }
                Ok(vec![Value::of(element, tensor)])
            }
            Build::Value(build) => Ok(vec![build(call)?]),
            Build::Values(build) => build(call),
            Build::Nothing => Ok(Vec::new()),
        }
    }

    /// The operands, of one size in a function of single elements; none where one is missed.
    fn operands(&self, op: &Op, frame: &Frame<'t>, lift: Option<&[Dim]>) -> Answer<Option<Vec<Value<'t>>>> {
        let mut operands = Vec::new();
        for number in &op.operands {
            let value = frame.borrow().get(*number).cloned().flatten();
            let Some(value) = value else {
                let is_missed = !self.gaps.borrow().is_empty();
                return if is_missed { Ok(None) } else { malformed("it uses a value that nothing makes") };
            };
            operands.push(match lift {
                Some(dims) if value.rank() == 0 => value.broadcast(self.cx, &[], dims.to_vec()),
                _ => value,
            });
        }
        Ok(Some(operands))
    }

    fn define(&self, op: &Op, values: Vec<Value<'t>>, frame: &Frame<'t>, lift: Option<&[Dim]>) -> Answer<()> {
        let tensors: Vec<_> = op.results.iter().filter(|(_, ty)| matches!(ty, Type::Tensor(_))).collect();
        if values.len() != tensors.len() {
            return malformed(format!("it has {} results, but {} in the file", values.len(), tensors.len()));
        }
        for ((number, ty), value) in tensors.into_iter().zip(values) {
            if let (Type::Tensor(ty), None) = (ty, lift) {
                self.check(&value, ty)?;
            }
            frame.borrow_mut()[*number] = Some(value);
        }
        Ok(())
    }

    /// Checks a value against what the file says of it.
    fn check(&self, value: &Value<'t>, ty: &TensorType) -> Answer<()> {
        let differ = |(dim, size): (&Dim, &Option<i64>)| dim.known().zip(*size).is_some_and(|(a, b)| a != b);
        let dims = value.dims();
        if *value.element() != ty.element || dims.len() != ty.dims.len() || dims.iter().zip(&ty.dims).any(differ) {
            let element = value.element();
            return malformed(format!("it is {element}{dims:?} by its operands, but '{ty}' in the file"));
        }
        Ok(())
    }
}
