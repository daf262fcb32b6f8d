//! A node with what it is given, as the builders of ops ask for it: by name, with the default of its schema.

use thunder_tensor::DType;
use thunder_trace::{Dim, Operand, Scalar, Scope, Spec, Tensor};

use crate::schema::{self, Argument, Graph, Node, SymFloatArgument, SymInt, SymIntArgument, TensorMeta};
use crate::size::{self, Symbols};

/// Why a node cannot be written.
#[derive(Debug)]
pub(crate) enum Reason {
    /// The importer does not have it.
    Gap(String),
    /// The file contradicts itself.
    Malformed(String),
}

/// What a builder returns.
pub(crate) type Answer<T> = Result<T, Reason>;

/// An answer that the importer lacks something.
pub(crate) fn gap<T>(what: impl Into<String>) -> Answer<T> {
    Err(Reason::Gap(what.into()))
}

/// An answer that the file is wrong.
pub(crate) fn malformed<T>(what: impl Into<String>) -> Answer<T> {
    Err(Reason::Malformed(what.into()))
}

/// An answer that the file is wrong, unless something holds.
pub(crate) fn ensure(holds: bool, otherwise: impl Into<String>) -> Answer<()> {
    if holds { Ok(()) } else { malformed(otherwise) }
}

/// A node of the graph where it is written.
pub(crate) struct Call<'a, 't> {
    pub(crate) cx: Scope<'t>,
    pub(crate) node: &'a Node,
    /// The tensors among its inputs, as they are now.
    pub(crate) given: &'a [(&'a str, Tensor<'t>)],
    pub(crate) graph: &'a Graph,
    pub(crate) symbols: &'a Symbols,
    /// What the file says of its results.
    pub(crate) results: &'a [Spec],
}

impl<'t> Call<'_, 't> {
    /// An input, unless it is left out or `None`.
    fn get(&self, name: &str) -> Option<&Argument> {
        let input = self.node.inputs.iter().find(|input| input.name == name)?;
        (input.arg != Argument::None).then_some(&input.arg)
    }

    fn required(&self, name: &str) -> Answer<&Argument> {
        self.get(name).ok_or_else(|| Reason::Malformed(format!("'{name}' is missing")))
    }

    fn wrong<T>(&self, name: &str, argument: &Argument) -> Answer<T> {
        match argument {
            Argument::Other(kind) => gap(format!("'{name}' as '{kind}'")),
            Argument::SymFloat(_) | Argument::SymBool(_) | Argument::SymInt(_) | Argument::SymInts(_) => {
                gap(format!("'{name}' that is known only when the program runs"))
            }
            _ => malformed(format!("'{name}' is of another kind: {argument:?}")),
        }
    }

    fn value(&self, name: &str) -> Answer<Tensor<'t>> {
        let found = self.given.iter().find(|(given, _)| *given == name);
        found.map(|(_, tensor)| *tensor).ok_or_else(|| Reason::Malformed(format!("nothing makes the value '{name}'")))
    }

    /// A tensor.
    pub(crate) fn tensor(&self, name: &str) -> Answer<Tensor<'t>> {
        match self.required(name)? {
            Argument::Tensor(value) => self.value(value),
            other => self.wrong(name, other),
        }
    }

    /// Whether the file says that a tensor's memory is its elements in row-major order, and nothing else.
    pub(crate) fn is_contiguous(&self, name: &str) -> Answer<bool> {
        let Argument::Tensor(value) = self.required(name)? else { return Ok(false) };
        Ok(self.graph.tensor_values.get(value).is_some_and(TensorMeta::is_contiguous))
    }

    /// A tensor, or none.
    pub(crate) fn optional(&self, name: &str) -> Answer<Option<Tensor<'t>>> {
        if self.get(name).is_none() { Ok(None) } else { self.tensor(name).map(Some) }
    }

    /// A list of tensors.
    pub(crate) fn tensors(&self, name: &str) -> Answer<Vec<Tensor<'t>>> {
        match self.required(name)? {
            Argument::Tensors(values) => values.iter().map(|value| self.value(value)).collect(),
            other => self.wrong(name, other),
        }
    }

    /// A list of tensors, of which some may be missing.
    pub(crate) fn optionals(&self, name: &str) -> Answer<Vec<Option<Tensor<'t>>>> {
        match self.required(name)? {
            Argument::Tensors(values) => values.iter().map(|value| self.value(value).map(Some)).collect(),
            Argument::OptionalTensors(values) => {
                values.iter().map(|value| value.as_ref().map(|value| self.value(value)).transpose()).collect()
            }
            other => self.wrong(name, other),
        }
    }

    /// The place among all inputs of the first graph from `place` on.
    pub(crate) fn graph_from(&self, place: usize) -> Option<usize> {
        let is_graph = |input: &schema::NamedArgument| matches!(input.arg, Argument::Graph(_));
        Some(place + self.node.inputs.get(place..)?.iter().position(is_graph)?)
    }

    /// The graph at a place.
    pub(crate) fn graph_at(&self, place: usize) -> Answer<&Graph> {
        match self.node.inputs.get(place).map(|input| &input.arg) {
            Some(Argument::Graph(graph)) => Ok(&graph.0),
            _ => malformed(format!("input {place} is no graph")),
        }
    }

    /// All tensors among the inputs from a place on; other inputs are known to graphs that they are given to.
    pub(crate) fn tensors_from(&self, place: usize) -> Answer<Vec<Tensor<'t>>> {
        self.all(self.node.inputs.get(place..).unwrap_or_default())
    }

    /// The list of tensors at a place, of which none may be another value.
    pub(crate) fn tensors_at(&self, place: usize) -> Answer<Vec<Tensor<'t>>> {
        match self.node.inputs.get(place).map(|input| &input.arg) {
            Some(Argument::Tensor(_) | Argument::Tensors(_)) => self.all(&self.node.inputs[place..=place]),
            // A list without elements has lost what it is a list of.
            Some(Argument::None) | None => Ok(Vec::new()),
            Some(Argument::Ints(values)) if values.is_empty() => Ok(Vec::new()),
            Some(_) => gap("a value that is no tensor"),
        }
    }

    /// All tensors among the inputs before a place.
    pub(crate) fn tensors_until(&self, place: usize) -> Answer<Vec<Tensor<'t>>> {
        self.all(self.node.inputs.get(..place).unwrap_or_default())
    }

    fn all(&self, inputs: &[schema::NamedArgument]) -> Answer<Vec<Tensor<'t>>> {
        let mut all = Vec::new();
        for input in inputs {
            match &input.arg {
                Argument::Tensor(name) => all.push(self.value(name)?),
                Argument::Tensors(names) => {
                    for name in names {
                        all.push(self.value(name)?);
                    }
                }
                _ => {}
            }
        }
        Ok(all)
    }

    /// A tensor or a number.
    pub(crate) fn operand(&self, name: &str) -> Answer<Operand<'t>> {
        Ok(match self.required(name)? {
            Argument::Tensor(value) => self.value(value)?.into(),
            Argument::SymInt(_) => match self.size(name)?.known() {
                Some(size) => size.into(),
                None => number(self.cx, self.size(name)?).into(),
            },
            _ => Operand::Scalar(self.scalar(name)?),
        })
    }

    /// The first operand of an op of two, which is a tensor even where the file has a number: that takes the dtype of
    /// the other, unless it is of a lesser kind.
    pub(crate) fn left(&self, name: &str, other: Operand<'t>) -> Answer<Tensor<'t>> {
        let scalar = match self.operand(name)? {
            Operand::Tensor(tensor) => return Ok(tensor),
            Operand::Scalar(scalar) => scalar,
        };
        let own = match scalar {
            Scalar::Bool(_) => DType::Bool,
            Scalar::Int(_) => DType::I64,
            Scalar::Float(_) => DType::F32,
            Scalar::Complex(..) => return Ok(self.cx.full((), scalar, self.result()?.dtype)),
        };
        let dtype = match other {
            Operand::Tensor(other) if other.dtype().part().is_float() => other.dtype(),
            Operand::Tensor(other) if other.dtype().is_integer() && !own.is_float() => other.dtype(),
            _ => own,
        };
        Ok(self.cx.full((), scalar, dtype))
    }

    /// A number or truth value.
    pub(crate) fn scalar(&self, name: &str) -> Answer<Scalar> {
        Ok(match self.required(name)? {
            Argument::Bool(value) => (*value).into(),
            Argument::Int(value) => (*value).into(),
            Argument::Float(value) | Argument::SymFloat(SymFloatArgument::Float(value)) => (*value).into(),
            Argument::Complex(re, im) => Scalar::Complex(*re, *im),
            other => return self.wrong(name, other),
        })
    }

    /// A number or truth value, or none.
    pub(crate) fn optional_scalar(&self, name: &str) -> Answer<Option<Scalar>> {
        if self.get(name).is_none() { Ok(None) } else { self.scalar(name).map(Some) }
    }

    /// An integer.
    pub(crate) fn int(&self, name: &str) -> Answer<i64> {
        match self.required(name)? {
            Argument::Int(value) => Ok(*value),
            other @ Argument::SymInt(_) => match self.size(name)?.known() {
                Some(size) => Ok(size),
                None => self.wrong(name, other),
            },
            other => self.wrong(name, other),
        }
    }

    /// An integer, `default` where it is left out.
    pub(crate) fn int_or(&self, name: &str, default: i64) -> Answer<i64> {
        if self.get(name).is_none() { Ok(default) } else { self.int(name) }
    }

    /// A list of integers, or one.
    pub(crate) fn ints(&self, name: &str) -> Answer<Vec<i64>> {
        match self.required(name)? {
            Argument::Ints(values) => Ok(values.clone()),
            Argument::Int(value) => Ok(vec![*value]),
            // A list without elements has lost what it is a list of.
            Argument::Tensors(values) if values.is_empty() => Ok(Vec::new()),
            other @ Argument::SymInts(_) => {
                let known: Option<Vec<i64>> = self.sizes(name)?.iter().map(Dim::known).collect();
                known.map_or_else(|| self.wrong(name, other), Ok)
            }
            other => self.wrong(name, other),
        }
    }

    /// A list of integers, none where it is left out.
    pub(crate) fn optional_ints(&self, name: &str) -> Answer<Option<Vec<i64>>> {
        if self.get(name).is_none() { Ok(None) } else { self.ints(name).map(Some) }
    }

    /// A number, `default` where it is left out.
    pub(crate) fn float_or(&self, name: &str, default: f64) -> Answer<f64> {
        match self.get(name) {
            None => Ok(default),
            Some(Argument::Float(value) | Argument::SymFloat(SymFloatArgument::Float(value))) => Ok(*value),
            Some(Argument::Int(value)) => Ok(*value as f64),
            Some(other) => self.wrong(name, other),
        }
    }

    /// A list of numbers.
    pub(crate) fn floats(&self, name: &str) -> Answer<Vec<f64>> {
        match self.required(name)? {
            Argument::Floats(values) => Ok(values.clone()),
            Argument::Ints(values) => Ok(values.iter().map(|value| *value as f64).collect()),
            other => self.wrong(name, other),
        }
    }

    /// Whether a number is given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// A truth value, `default` where it is left out.
    pub(crate) fn bool_or(&self, name: &str, default: bool) -> Answer<bool> {
        match self.get(name) {
            None => Ok(default),
            Some(Argument::Bool(value)) => Ok(*value),
            Some(other) => self.wrong(name, other),
        }
    }

    /// A word, `default` where it is left out.
    pub(crate) fn word_or(&self, name: &str, default: &'static str) -> Answer<&str> {
        match self.get(name) {
            None => Ok(default),
            Some(Argument::String(value)) => Ok(value),
            Some(other) => self.wrong(name, other),
        }
    }

    /// A dtype, or none.
    pub(crate) fn dtype(&self, name: &str) -> Answer<Option<DType>> {
        match self.get(name) {
            None => Ok(None),
            Some(Argument::DType(number)) => {
                schema::dtype(*number).map(Some).or_else(|name| gap(format!("elements of {name}")))
            }
            Some(other) => self.wrong(name, other),
        }
    }

    /// A size.
    pub(crate) fn size(&self, name: &str) -> Answer<Dim> {
        match self.required(name)? {
            Argument::Int(value) => Ok(Dim::from(*value)),
            Argument::SymInt(size) => self.sized(size),
            other => self.wrong(name, other),
        }
    }

    /// A list of sizes, or those that the file says a tensor has.
    pub(crate) fn sizes(&self, name: &str) -> Answer<Vec<Dim>> {
        match self.required(name)? {
            Argument::Tensor(value) => {
                let meta = self.graph.tensor_values.get(value);
                meta.into_iter().flat_map(|meta| &meta.sizes).map(|size| dim(size, self.symbols)).collect()
            }
            Argument::SymInts(sizes) => sizes.iter().map(|size| self.sized(size)).collect(),
            _ => Ok(self.ints(name)?.into_iter().map(Dim::from).collect()),
        }
    }

    fn sized(&self, size: &SymIntArgument) -> Answer<Dim> {
        named_size(size, self.graph, self.symbols)
    }

    /// The sizes that the file says its first result has.
    pub(crate) fn dims(&self) -> Answer<Vec<Dim>> {
        Ok(self.result()?.dims.clone())
    }

    /// What the file says of its first result.
    pub(crate) fn result(&self) -> Answer<&Spec> {
        self.results.first().ok_or_else(|| Reason::Malformed("it has no tensor for a result".to_owned()))
    }
}

/// A size that an argument states.
pub(crate) fn named_size(size: &SymIntArgument, graph: &Graph, symbols: &Symbols) -> Answer<Dim> {
    match size {
        SymIntArgument::Int(value) => Ok(Dim::from(*value)),
        SymIntArgument::Name(name) => match graph.sym_int_values.get(name) {
            Some(size) => dim(size, symbols),
            None => malformed(format!("nothing says what the size '{name}' is")),
        },
    }
}

/// A size of the file as one of the program.
pub(crate) fn dim(size: &SymInt, symbols: &Symbols) -> Answer<Dim> {
    match size {
        SymInt::Int(value) => Ok(Dim::from(*value)),
        SymInt::Expr(expr) => size::parse(&expr.expr_str, &|name| symbols.get(name)).map_err(Reason::Gap),
    }
}

/// A size as a number of the program: as many ones as it says, summed up.
pub(crate) fn number(cx: Scope<'_>, size: Dim) -> Tensor<'_> {
    cx.ones([size], DType::I64).sum(0)
}
