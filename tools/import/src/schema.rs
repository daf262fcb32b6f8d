//! The schema of exported programs, as far as the importer reads it; fields that it does not know are no error.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use thunder_tensor::DType;

use crate::ImportError;
use crate::archive::Archive;

/// The major versions of the schema that are known: those of torch 2.7 and later.
const MAJORS: std::ops::RangeInclusive<u64> = 8..=8;
/// Where archives have the graph, newest layout first.
const PLACES: [&str; 2] = ["models/model.json", "serialized_exported_program.json"];

#[derive(Deserialize)]
pub(crate) struct ExportedProgram {
    pub(crate) graph_module: GraphModule,
    #[serde(default)]
    pub(crate) torch_version: Option<String>,
    #[serde(default)]
    pub(crate) range_constraints: BTreeMap<String, RangeConstraint>,
}

/// What a symbol may be; a bound that is none sets no limit.
#[derive(Deserialize)]
pub(crate) struct RangeConstraint {
    #[serde(default)]
    min_val: serde_json::Value,
    #[serde(default)]
    max_val: serde_json::Value,
}

impl ExportedProgram {
    /// The graph of an archive; of one with several models, that named `model`.
    pub(crate) fn read(archive: &Archive) -> Result<Self, ImportError> {
        let Some(place) = PLACES.into_iter().find(|place| archive.range(place).is_some()) else {
            return Err(archive.corrupt(format!("it has none of '{}'", PLACES.join("', '"))));
        };
        let bytes = archive.bytes(place).ok_or_else(|| archive.corrupt(format!("it has no '{place}'")))?;
        Self::parse(archive.path(), format_args!("'{place}'"), bytes)
    }

    /// The graph that JSON says, which errors call `what`.
    pub(crate) fn parse(path: &Path, what: impl fmt::Display, json: &[u8]) -> Result<Self, ImportError> {
        let corrupt = |error| ImportError::Archive { path: path.to_owned(), reason: format!("{what}: {error}") };
        let version: Versioned = serde_json::from_slice(json).map_err(corrupt)?;
        let major = version.schema_version.major;
        if !MAJORS.contains(&major) {
            let what = format!("version {major} of torch.export's schema is not known, only {}", MAJORS.start());
            return Err(ImportError::Version { path: path.to_owned(), what });
        }
        serde_json::from_slice(json).map_err(corrupt)
    }
}

/// What is read before anything else.
#[derive(Deserialize)]
struct Versioned {
    schema_version: SchemaVersion,
}

#[derive(Deserialize)]
struct SchemaVersion {
    major: u64,
}

impl RangeConstraint {
    /// The least and the greatest size, below zero where there is no limit: what fits in no `i64` is none.
    pub(crate) fn bounds(&self) -> [i64; 2] {
        [&self.min_val, &self.max_val].map(|bound| bound.as_i64().unwrap_or(-1))
    }
}

#[derive(Deserialize)]
pub(crate) struct GraphModule {
    pub(crate) graph: Graph,
    pub(crate) signature: Signature,
    #[serde(default)]
    pub(crate) module_call_graph: Vec<ModuleCall>,
}

#[derive(Deserialize)]
pub(crate) struct Graph {
    #[serde(default)]
    pub(crate) inputs: Vec<Argument>,
    #[serde(default)]
    pub(crate) outputs: Vec<Argument>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) tensor_values: BTreeMap<String, TensorMeta>,
    #[serde(default)]
    pub(crate) sym_int_values: BTreeMap<String, SymInt>,
}

#[derive(Deserialize)]
pub(crate) struct Node {
    pub(crate) target: String,
    pub(crate) inputs: Vec<NamedArgument>,
    pub(crate) outputs: Vec<Argument>,
    #[serde(default)]
    pub(crate) metadata: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
pub(crate) struct NamedArgument {
    pub(crate) name: String,
    pub(crate) arg: Argument,
}

/// What a node is given or gives. Kinds that no op of ours takes are all [`Argument::Other`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Argument {
    None,
    Tensor(String),
    Tensors(Vec<String>),
    OptionalTensors(Vec<Option<String>>),
    Bool(bool),
    Bools(Vec<bool>),
    Int(i64),
    Ints(Vec<i64>),
    Float(f64),
    Complex(f64, f64),
    Floats(Vec<f64>),
    String(String),
    SymInt(SymIntArgument),
    SymInts(Vec<SymIntArgument>),
    SymFloat(SymFloatArgument),
    SymBool(String),
    DType(i64),
    /// A layout, memory format or device: places, which mean nothing to a program's values.
    Place,
    Graph(Subgraph),
    /// Something else, by the name of its kind.
    Other(String),
}

/// A graph that a node carries out.
#[derive(Clone)]
pub(crate) struct Subgraph(pub(crate) Arc<Graph>);

impl fmt::Debug for Subgraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a graph of {} nodes", self.0.nodes.len())
    }
}

impl PartialEq for Subgraph {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A size, by number or by the name of a value.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) enum SymIntArgument {
    #[serde(rename = "as_name")]
    Name(String),
    #[serde(rename = "as_int")]
    Int(i64),
}

/// A number, or the name of a value.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) enum SymFloatArgument {
    #[serde(rename = "as_name")]
    Name(String),
    #[serde(rename = "as_float")]
    Float(f64),
}

/// A graph with its name.
#[derive(Deserialize)]
struct Inner {
    graph: Graph,
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

/// A tensor or none.
#[derive(Deserialize)]
enum OptionalTensor {
    #[serde(rename = "as_tensor")]
    Tensor(Name),
    #[serde(rename = "as_none")]
    None(IgnoredAny),
}

/// A float; JSON has no infinities, so that torch writes them as text.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Number {
    Float(f64),
    Text(String),
}

impl Number {
    fn value(self) -> Result<f64, String> {
        match self {
            Self::Float(value) => Ok(value),
            Self::Text(text) => match text.as_str() {
                "Infinity" | "inf" => Ok(f64::INFINITY),
                "-Infinity" | "-inf" => Ok(f64::NEG_INFINITY),
                "NaN" | "nan" => Ok(f64::NAN),
                _ => Err(format!("'{text}' is no number")),
            },
        }
    }
}

impl<'de> Deserialize<'de> for Argument {
    /// An object with one entry, whose key says what its value is.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut entries = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
        let (Some((kind, value)), None) = (entries.pop_first(), entries.pop_first()) else {
            return Err(D::Error::custom("an argument has one kind"));
        };
        argument(&kind, value).map_err(|reason| D::Error::custom(format!("'{kind}': {reason}")))
    }
}

fn argument(kind: &str, value: serde_json::Value) -> Result<Argument, String> {
    fn read<T: for<'a> Deserialize<'a>>(value: serde_json::Value) -> Result<T, String> {
        T::deserialize(value).map_err(|error| error.to_string())
    }
    Ok(match kind {
        "as_none" => Argument::None,
        "as_tensor" => Argument::Tensor(read::<Name>(value)?.name),
        "as_tensors" => Argument::Tensors(read::<Vec<Name>>(value)?.into_iter().map(|n| n.name).collect()),
        "as_optional_tensor" => match read(value)? {
            OptionalTensor::Tensor(name) => Argument::Tensor(name.name),
            OptionalTensor::None(_) => Argument::None,
        },
        "as_optional_tensors" => {
            let name = |tensor| match tensor {
                OptionalTensor::Tensor(name) => Some(name.name),
                OptionalTensor::None(_) => None,
            };
            Argument::OptionalTensors(read::<Vec<_>>(value)?.into_iter().map(name).collect())
        }
        "as_bool" => Argument::Bool(read(value)?),
        "as_bools" => Argument::Bools(read(value)?),
        "as_int" => Argument::Int(read(value)?),
        "as_ints" => Argument::Ints(read(value)?),
        "as_float" => Argument::Float(read::<Number>(value)?.value()?),
        "as_complex" => {
            let parts: BTreeMap<String, Number> = read(value)?;
            let part = |name: &str| parts.get(name).cloned().ok_or("a complex number has two parts")?.value();
            Argument::Complex(part("real")?, part("imag")?)
        }
        "as_floats" => {
            Argument::Floats(read::<Vec<Number>>(value)?.into_iter().map(Number::value).collect::<Result<_, _>>()?)
        }
        "as_string" => Argument::String(read(value)?),
        "as_sym_int" => Argument::SymInt(read(value)?),
        "as_sym_ints" => Argument::SymInts(read(value)?),
        "as_sym_float" => Argument::SymFloat(read(value)?),
        "as_sym_bool" => match read::<BTreeMap<String, serde_json::Value>>(value)?.pop_first() {
            Some((key, value)) if key == "as_bool" => Argument::Bool(read(value)?),
            Some((_, value)) => Argument::SymBool(read(value)?),
            None => return Err("a truth value has a name or is known".to_owned()),
        },
        "as_scalar_type" => Argument::DType(read(value)?),
        "as_graph" => Argument::Graph(Subgraph(Arc::new(read::<Inner>(value)?.graph))),
        "as_memory_format" | "as_layout" | "as_device" => Argument::Place,
        other => Argument::Other(other.to_owned()),
    })
}

/// A tensor as the exporter saw it.
#[derive(Deserialize)]
pub(crate) struct TensorMeta {
    dtype: i64,
    pub(crate) sizes: Vec<SymInt>,
    #[serde(default)]
    pub(crate) strides: Vec<SymInt>,
    #[serde(default)]
    pub(crate) storage_offset: Option<SymInt>,
}

impl TensorMeta {
    /// Whether its memory is its elements in row-major order, as far as numbers say it.
    pub(crate) fn is_contiguous(&self) -> bool {
        let known = |size: &SymInt| if let SymInt::Int(value) = size { Some(*value) } else { None };
        let starts = self.storage_offset.as_ref().is_none_or(|offset| known(offset) == Some(0));
        let mut next = 1i64;
        let follows = self.sizes.iter().zip(&self.strides).rev().all(|(size, stride)| {
            let (Some(size), Some(stride)) = (known(size), known(stride)) else { return false };
            let fits = size == 1 || stride == next;
            next = next.saturating_mul(size);
            fits
        });
        starts && follows && self.sizes.len() == self.strides.len()
    }

    /// The dtype; the name of one that Thunder lacks is the error.
    pub(crate) fn dtype(&self) -> Result<DType, String> {
        dtype(self.dtype)
    }
}

/// The dtype of a number of the schema; the name of one that Thunder lacks is the error.
pub(crate) fn dtype(number: i64) -> Result<DType, String> {
    Ok(match number {
        1 => DType::U8,
        2 => DType::I8,
        3 => DType::I16,
        4 => DType::I32,
        5 => DType::I64,
        6 => DType::F16,
        7 => DType::F32,
        8 => DType::F64,
        12 => DType::Bool,
        13 => DType::BF16,
        10 => DType::C64,
        11 => DType::C128,
        9 => return Err("complex32".to_owned()),
        28 => return Err("uint16".to_owned()),
        29 => DType::F8E4M3FN,
        30 => DType::F8E5M2,
        31 => DType::F8E4M3FNUZ,
        32 => DType::F8E5M2FNUZ,
        33 => return Err("float8_e8m0fnu".to_owned()),
        other => return Err(format!("dtype number {other}")),
    })
}

/// A size: a number, or an expression over symbols.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) enum SymInt {
    #[serde(rename = "as_int")]
    Int(i64),
    #[serde(rename = "as_expr")]
    Expr(SymExpr),
}

impl SymInt {
    /// The number, if it is one.
    pub(crate) fn known(&self) -> Option<i64> {
        match self {
            Self::Int(size) => Some(*size),
            Self::Expr(_) => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct SymExpr {
    pub(crate) expr_str: String,
}

#[derive(Deserialize)]
pub(crate) struct Signature {
    pub(crate) input_specs: Vec<InputSpec>,
    pub(crate) output_specs: Vec<OutputSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InputSpec {
    UserInput { arg: Argument },
    Parameter { arg: Named, parameter_name: String },
    Buffer { arg: Named, buffer_name: String },
    TensorConstant { arg: Named, tensor_constant_name: String },
    ConstantInput(IgnoredAny),
    CustomObj(IgnoredAny),
    Token(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OutputSpec {
    UserOutput { arg: Argument },
    LossOutput { arg: Named },
    BufferMutation { arg: Named, buffer_name: String },
    ParameterMutation { arg: Named, parameter_name: String },
    UserInputMutation { arg: Named, user_input_name: String },
    GradientToParameter(IgnoredAny),
    GradientToUserInput(IgnoredAny),
    Token(IgnoredAny),
}

#[derive(Deserialize)]
pub(crate) struct Named {
    pub(crate) name: String,
}

#[derive(Deserialize)]
pub(crate) struct ModuleCall {
    #[serde(default)]
    pub(crate) fqn: String,
    #[serde(default)]
    pub(crate) signature: Option<CallSignature>,
}

#[derive(Deserialize)]
pub(crate) struct CallSignature {
    #[serde(default)]
    pub(crate) in_spec: String,
    #[serde(default)]
    pub(crate) out_spec: String,
    #[serde(default)]
    pub(crate) forward_arg_names: Option<Vec<String>>,
}
