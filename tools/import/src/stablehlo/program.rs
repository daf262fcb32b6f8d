//! A StableHLO program as both readers make it: functions of ops, with attributes by the names of the specification.
//!
//! Text and bytecode differ in how they spell ops; here `vhlo.add_v1` is `stablehlo.add`, every terminator is `return`,
//! and what text gathers in one attribute, such as the dimension numbers of a convolution, are attributes of their own.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use thunder_trace::DType;

/// The type of elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Element {
    Bool,
    Int {
        bits: u32,
        signed: bool,
    },
    Float(DType),
    Complex(DType),
    /// What Thunder has no dtype for, by its name.
    Other(String),
}

impl Element {
    /// The type of this name in text.
    pub(crate) fn of(name: &str) -> Self {
        let int = |prefix: &str, signed| {
            let bits = name.strip_prefix(prefix)?.parse().ok()?;
            matches!(bits, 8 | 16 | 32 | 64).then_some(Self::Int { bits, signed })
        };
        match name {
            "i1" => Self::Bool,
            "f16" => Self::Float(DType::F16),
            "bf16" => Self::Float(DType::BF16),
            "f32" => Self::Float(DType::F32),
            "f64" => Self::Float(DType::F64),
            "complex<f32>" => Self::Complex(DType::C64),
            "complex<f64>" => Self::Complex(DType::C128),
            _ => int("ui", false).or_else(|| int("i", true)).unwrap_or_else(|| Self::Other(name.to_owned())),
        }
    }

    /// The dtype that carries such elements: unsigned integers that Thunder lacks are the signed ones of the same bits.
    pub(crate) fn dtype(&self) -> Option<DType> {
        Some(match self {
            Self::Bool => DType::Bool,
            Self::Int { bits: 8, signed: false } => DType::U8,
            Self::Int { bits: 8, .. } => DType::I8,
            Self::Int { bits: 16, .. } => DType::I16,
            Self::Int { bits: 32, .. } => DType::I32,
            Self::Int { .. } => DType::I64,
            Self::Float(dtype) | Self::Complex(dtype) => *dtype,
            Self::Other(_) => return None,
        })
    }

    /// Whether these are unsigned integers in the bits of signed ones.
    pub(crate) fn is_carried(&self) -> bool {
        matches!(self, Self::Int { bits: 16.., signed: false })
    }

    /// The least and the greatest integer, as far as 64 bits with a sign hold them.
    pub(crate) fn range(&self) -> Option<(i64, i64)> {
        match *self {
            Self::Bool => Some((0, 1)),
            Self::Int { bits: 64, signed: true } => Some((i64::MIN, i64::MAX)),
            Self::Int { bits: 64, signed: false } => Some((0, i64::MAX)),
            Self::Int { bits, signed: true } => Some((-(1 << (bits - 1)), (1 << (bits - 1)) - 1)),
            Self::Int { bits, signed: false } => Some((0, (1 << bits) - 1)),
            Self::Float(_) | Self::Complex(_) | Self::Other(_) => None,
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("i1"),
            Self::Int { bits, signed } => write!(f, "{}i{bits}", if *signed { "" } else { "u" }),
            Self::Float(dtype) | Self::Complex(dtype) => dtype.fmt(f),
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// Element type and sizes, of which the file may leave some open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TensorType {
    pub(crate) element: Element,
    pub(crate) dims: Vec<Option<i64>>,
}

impl TensorType {
    /// How many elements it has, where that is known and a number.
    pub(crate) fn count(&self) -> Option<usize> {
        self.dims.iter().try_fold(1usize, |count, dim| count.checked_mul(usize::try_from((*dim)?).ok()?))
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tensor<")?;
        for dim in &self.dims {
            match dim {
                Some(size) => write!(f, "{size}x")?,
                None => f.write_str("?x")?,
            }
        }
        write!(f, "{}>", self.element)
    }
}

/// The type of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Type {
    Tensor(TensorType),
    /// What orders effects, of which programs here have none.
    Token,
    /// An element type by itself, as attributes have it.
    Element(Element),
    /// Anything else, as it is spelled.
    Other(String),
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tensor(ty) => ty.fmt(f),
            Self::Token => f.write_str("token"),
            Self::Element(element) => element.fmt(f),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// The elements of a constant, in row-major order and little endian; of a splat there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Elements {
    pub(crate) ty: TensorType,
    pub(crate) bytes: Rc<[u8]>,
    pub(crate) is_splat: bool,
}

impl Elements {
    /// A constant of these bytes, which are one element, all of them, or, of truth values, eight to a byte.
    pub(crate) fn of_bytes(bytes: Vec<u8>, ty: TensorType) -> Result<Self, String> {
        let Some(dtype) = ty.element.dtype() else {
            return Ok(Self { ty, bytes: Vec::new().into(), is_splat: false });
        };
        let count = ty.count().ok_or_else(|| format!("a constant of type '{ty}'"))?;
        let wrong = || format!("{} bytes for a constant of type '{ty}'", bytes.len());
        if dtype != DType::Bool {
            let all = count.checked_mul(dtype.size()).ok_or_else(wrong)?;
            let is_splat = bytes.len() == dtype.size() && count > 1;
            if bytes.len() != all && !is_splat {
                return Err(wrong());
            }
            return Ok(Self { ty, bytes: bytes.into(), is_splat });
        }
        let bytes: Vec<u8> = match bytes[..] {
            [0xff] => vec![1],
            [0] => vec![0],
            _ if bytes.len() == count.div_ceil(8) && bytes.len() != count => {
                (0..count).map(|i| bytes[i / 8] >> (i % 8) & 1).collect()
            }
            _ if bytes.len() == count => bytes.iter().map(|byte| u8::from(*byte != 0)).collect(),
            _ => return Err(wrong()),
        };
        let is_splat = bytes.len() == 1 && count > 1;
        Ok(Self { ty, bytes: bytes.into(), is_splat })
    }

    /// The integers that they are.
    pub(crate) fn ints(&self) -> Option<Vec<i64>> {
        let (size, signed) = match self.ty.element {
            Element::Bool => (1, false),
            Element::Int { bits, signed } => (bits as usize / 8, signed),
            Element::Float(_) | Element::Complex(_) | Element::Other(_) => return None,
        };
        let mut values = Vec::new();
        for bytes in self.bytes.chunks_exact(size) {
            let fill = if signed && bytes[size - 1] >= 0x80 { 0xff } else { 0 };
            let mut wide = [fill; 8];
            wide[..size].copy_from_slice(bytes);
            values.push(i64::from_le_bytes(wide));
        }
        let count = self.ty.count()?;
        match values[..] {
            // Lists of a million numbers are no attributes of any op.
            [value] if self.is_splat && count <= 1 << 20 => Some(vec![value; count]),
            _ if self.is_splat => None,
            _ => Some(values),
        }
    }
}

/// What an op is told beside its operands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Attribute {
    Unit,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// The name of a function.
    Symbol(String),
    /// One of several words, such as `LT`.
    Word(String),
    Type(Type),
    List(Vec<Attribute>),
    Table(Vec<(String, Attribute)>),
    Elements(Elements),
    /// What no op here asks for.
    Opaque,
}

/// Where something stands in the program that the file was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    Unknown,
    /// One that text defines elsewhere.
    Alias(String),
    Line {
        file: Rc<str>,
        line: u32,
    },
    Named(Rc<str>, Rc<Location>),
    /// One of several, the first of which is the innermost.
    Several(Vec<Rc<Location>>),
}

/// A location as users see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// What JAX calls the op, such as `jit(f)/mul`; empty where the file does not say.
    pub(crate) name: Rc<str>,
    pub(crate) file: Rc<str>,
    pub(crate) line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.file, &*self.name) {
            ("", "") => f.write_str("an unknown line"),
            ("", name) => f.write_str(name),
            (file, _) => write!(f, "{file}:{}", self.line),
        }
    }
}

/// An op.
#[derive(Debug, Clone)]
pub(crate) struct Op {
    pub(crate) name: String,
    /// The numbers of values of the function.
    pub(crate) operands: Vec<usize>,
    pub(crate) results: Vec<(usize, Type)>,
    pub(crate) attributes: Vec<(String, Attribute)>,
    pub(crate) regions: Vec<Region>,
    pub(crate) location: Rc<Location>,
}

impl Op {
    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// Ops in order, the last of which returns.
#[derive(Debug, Clone, Default)]
pub(crate) struct Region {
    pub(crate) arguments: Vec<Argument>,
    pub(crate) ops: Vec<Op>,
}

/// What a region is given.
#[derive(Debug, Clone)]
pub(crate) struct Argument {
    pub(crate) value: usize,
    pub(crate) ty: Type,
    pub(crate) location: Rc<Location>,
}

/// A function.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) body: Region,
    /// One for each result: what JAX says of it.
    pub(crate) results: Vec<Option<String>>,
    /// How many values it and its regions have.
    pub(crate) values: usize,
}

/// The functions of a file.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) functions: BTreeMap<String, Function>,
    /// What locations of text are called.
    pub(crate) aliases: BTreeMap<String, Rc<Location>>,
}

impl Program {
    /// The program of a module, as a reader makes it; each function numbers its values by itself.
    pub(crate) fn of(module: Op, aliases: BTreeMap<String, Rc<Location>>) -> Result<Self, String> {
        let mut functions = BTreeMap::new();
        for op in module.regions.into_iter().flat_map(|region| region.ops) {
            if op.name != "func.func" {
                continue;
            }
            let Some(Attribute::Text(name)) = op.attribute("sym_name").cloned() else {
                return Err("a function has no name".to_owned());
            };
            let results = match op.attribute("res_attrs") {
                Some(Attribute::List(results)) => results.iter().map(result_name).collect(),
                _ => Vec::new(),
            };
            // A function without a body is only declared.
            let Some(body) = op.regions.into_iter().next().filter(|body| !body.ops.is_empty()) else { continue };
            let function = Function { values: values(&body), body, results };
            if functions.insert(name.clone(), function).is_some() {
                return Err(format!("there are two functions '@{name}'"));
            }
        }
        Ok(Self { functions, aliases })
    }

    /// What users see of a location.
    pub(crate) fn place(&self, location: &Rc<Location>) -> Place {
        let mut place = Place::default();
        let mut at = Rc::clone(location);
        // A location that leads to itself ends the search, as does one that nests without end.
        for _ in 0..100 {
            let next = match &*at {
                Location::Unknown => break,
                Location::Alias(name) => self.aliases.get(name).cloned(),
                Location::Line { file, line } => {
                    (place.file, place.line) = (Rc::clone(file), *line);
                    break;
                }
                Location::Named(name, inner) => {
                    if place.name.is_empty() {
                        place.name = Rc::clone(name);
                    }
                    Some(Rc::clone(inner))
                }
                Location::Several(parts) => parts.first().cloned(),
            };
            let Some(next) = next else { break };
            at = next;
        }
        place
    }
}

fn result_name(attributes: &Attribute) -> Option<String> {
    let Attribute::Table(entries) = attributes else { return None };
    entries.iter().find_map(|(key, value)| match value {
        Attribute::Text(text) if key == "jax.result_info" => Some(text.clone()),
        _ => None,
    })
}

/// One more than the greatest number of a value.
fn values(region: &Region) -> usize {
    let own = region.arguments.iter().map(|argument| argument.value + 1);
    let made = region.ops.iter().flat_map(|op| {
        op.results.iter().map(|(value, _)| value + 1).chain(op.regions.iter().map(values)).collect::<Vec<_>>()
    });
    own.chain(made).max().unwrap_or(0)
}
