//! The tables of attributes and types, whose entries are read when they are asked for.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::bytes::{Bytes, Read};
use super::vhlo;
use crate::stablehlo::program::{Attribute, Element, Elements, Location, TensorType, Type};
use thunder_trace::DType;

/// How deep entries may be parts of each other.
const DEPTH: usize = 200;
/// How many entries may be read in all: a list of lists of lists may be long beyond all measure.
const READS: usize = 1 << 22;

/// Both tables.
pub(super) struct Entries<'f> {
    attributes: Vec<Entry<'f>>,
    types: Vec<Entry<'f>>,
    strings: Vec<&'f str>,
    read_types: RefCell<HashMap<usize, Type>>,
    read_locations: RefCell<HashMap<usize, Rc<Location>>>,
    depth: Cell<usize>,
    left: Cell<usize>,
}

/// Bytes of an attribute or type in the encoding of its dialect; of no dialect, if it is text.
struct Entry<'f> {
    dialect: &'f str,
    bytes: Bytes<'f>,
}

impl<'f> Entries<'f> {
    pub(super) fn read(
        mut data: Bytes<'f>,
        mut offsets: Bytes<'f>,
        dialects: &[&'f str],
        strings: &[&'f str],
    ) -> Read<Self> {
        let counts = [offsets.count()?, offsets.count()?];
        let mut tables = [Vec::new(), Vec::new()];
        for (table, count) in tables.iter_mut().zip(counts) {
            while table.len() < count {
                let dialect = dialects[offsets.index(dialects.len())?];
                for _ in 0..offsets.count()? {
                    let (size, is_encoded) = offsets.flagged()?;
                    let size = data.checked(size)?;
                    let dialect = if is_encoded { dialect } else { "" };
                    table.push(Entry { dialect, bytes: data.part(size)? });
                }
            }
            if table.len() > count {
                return offsets.fail(format!("{} entries of {count}", table.len()));
            }
        }
        let [attributes, types] = tables;
        Ok(Self {
            attributes,
            types,
            strings: strings.to_vec(),
            read_types: RefCell::default(),
            read_locations: RefCell::default(),
            depth: Cell::new(0),
            left: Cell::new(READS),
        })
    }

    /// Reads an entry that may have others for parts.
    fn nested<T>(&self, bytes: &Bytes<'f>, read: impl FnOnce(&Self) -> Read<T>) -> Read<T> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return bytes.fail(format!("more than {READS} attributes"));
        };
        if self.depth.get() == DEPTH {
            return bytes.fail(format!("attributes nest deeper than {DEPTH}"));
        }
        self.left.set(left);
        self.depth.set(self.depth.get() + 1);
        let value = read(self);
        self.depth.set(self.depth.get() - 1);
        value
    }

    fn string(&self, bytes: &mut Bytes<'f>) -> Read<&'f str> {
        Ok(self.strings[bytes.index(self.strings.len())?])
    }

    /// The attribute whose number comes next.
    pub(super) fn attribute(&self, bytes: &mut Bytes<'f>) -> Read<Attribute> {
        let entry = &self.attributes[bytes.index(self.attributes.len())?];
        let mut inner = entry.bytes.clone();
        self.nested(bytes, |entries| match entry.dialect {
            "builtin" => entries.builtin(&mut inner),
            "vhlo" => entries.vhlo(&mut inner),
            _ => Ok(Attribute::Opaque),
        })
    }

    fn list(&self, bytes: &mut Bytes<'f>) -> Read<Vec<Attribute>> {
        (0..bytes.count()?).map(|_| self.attribute(bytes)).collect()
    }

    fn table(&self, bytes: &mut Bytes<'f>) -> Read<Vec<(String, Attribute)>> {
        let mut entries = Vec::new();
        for _ in 0..bytes.count()? {
            let (name, value) = (self.attribute(bytes)?, self.attribute(bytes)?);
            if let Attribute::Text(name) = name {
                entries.push((name, value));
            }
        }
        Ok(entries)
    }

    /// An attribute of MLIR's own.
    fn builtin(&self, bytes: &mut Bytes<'f>) -> Read<Attribute> {
        Ok(match bytes.varint()? {
            0 => Attribute::List(self.list(bytes)?),
            1 => Attribute::Table(self.table(bytes)?),
            2 | 3 => Attribute::Text(self.string(bytes)?.to_owned()),
            4 => match self.attribute(bytes)? {
                Attribute::Text(name) => Attribute::Symbol(name),
                other => other,
            },
            6 => Attribute::Type(self.ty(bytes)?),
            7 => Attribute::Unit,
            8 => match self.ty(bytes)? {
                Type::Element(Element::Bool) => Attribute::Bool(bytes.byte()? != 0),
                Type::Element(Element::Int { bits: 8, .. }) => Attribute::Int(i64::from(bytes.byte()? as i8)),
                _ => Attribute::Int(bytes.signed()?),
            },
            18 => match self.ty(bytes)? {
                Type::Tensor(ty) => self.elements(bytes, ty)?,
                _ => Attribute::Opaque,
            },
            _ => Attribute::Opaque,
        })
    }

    fn elements(&self, bytes: &mut Bytes<'f>, ty: TensorType) -> Read<Attribute> {
        let size = bytes.size()?;
        let data = bytes.part(size)?;
        match Elements::of_bytes(data.rest().to_vec(), ty) {
            Ok(elements) => Ok(Attribute::Elements(elements)),
            Err(message) => data.fail(message),
        }
    }

    /// An attribute of VHLO.
    fn vhlo(&self, bytes: &mut Bytes<'f>) -> Read<Attribute> {
        let code = bytes.varint()?;
        if let Some(words) = vhlo::words(code) {
            let number = bytes.varint()?;
            let word = usize::try_from(number).ok().and_then(|number| words.get(number));
            return match word {
                Some(word) => Ok(Attribute::Word((*word).to_owned())),
                None => bytes.fail(format!("there is no word {number} for an attribute of kind {code}")),
            };
        }
        Ok(match code {
            1 => Attribute::List(self.list(bytes)?),
            2 => Attribute::Bool(bytes.varint()? == 1),
            6 => Attribute::Table(self.table(bytes)?),
            8 => match self.ty(bytes)? {
                Type::Element(Element::Float(dtype)) => Attribute::Float(float(bytes, dtype)?),
                _ => Attribute::Opaque,
            },
            9 => match self.ty(bytes)? {
                Type::Element(Element::Int { bits: 8, .. }) => Attribute::Int(i64::from(bytes.byte()? as i8)),
                Type::Element(Element::Int { .. }) => Attribute::Int(bytes.signed()?),
                Type::Other(_) => Attribute::Int(bytes.signed()?),
                _ => Attribute::Opaque,
            },
            14 => Attribute::Text(self.string(bytes)?.to_owned()),
            15 => match self.ty(bytes)? {
                Type::Tensor(ty) => self.elements(bytes, ty)?,
                other => return bytes.fail(format!("a constant of type '{other}'")),
            },
            17 => Attribute::Type(self.ty(bytes)?),
            _ => Attribute::Opaque,
        })
    }

    /// The type whose number comes next.
    pub(super) fn ty(&self, bytes: &mut Bytes<'f>) -> Read<Type> {
        let index = bytes.varint()?;
        self.type_number(bytes, index)
    }

    /// The type of this number.
    pub(super) fn type_number(&self, bytes: &Bytes<'f>, index: u64) -> Read<Type> {
        let Some(index) = usize::try_from(index).ok().filter(|index| *index < self.types.len()) else {
            return bytes.fail(format!("number {index} of {}", self.types.len()));
        };
        if let Some(ty) = self.read_types.borrow().get(&index) {
            return Ok(ty.clone());
        }
        let entry = &self.types[index];
        let mut inner = entry.bytes.clone();
        let ty = self.nested(bytes, |entries| match entry.dialect {
            "builtin" => entries.builtin_type(&mut inner),
            "vhlo" => entries.vhlo_type(&mut inner),
            other => Ok(Type::Other(format!("a type of '{other}'"))),
        })?;
        self.read_types.borrow_mut().insert(index, ty.clone());
        Ok(ty)
    }

    fn builtin_type(&self, bytes: &mut Bytes<'f>) -> Read<Type> {
        Ok(match bytes.varint()? {
            0 => {
                let packed = bytes.varint()?;
                let prefix = if packed & 3 == 2 { "ui" } else { "i" };
                Type::Element(Element::of(&format!("{prefix}{}", packed >> 2)))
            }
            1 => Type::Other("index".to_owned()),
            3 => Type::Element(Element::Float(DType::BF16)),
            4 => Type::Element(Element::Float(DType::F16)),
            5 => Type::Element(Element::Float(DType::F32)),
            6 => Type::Element(Element::Float(DType::F64)),
            13 => self.tensor(bytes)?,
            code => Type::Other(format!("type {code} of MLIR")),
        })
    }

    fn vhlo_type(&self, bytes: &mut Bytes<'f>) -> Read<Type> {
        let code = bytes.varint()?;
        if let Some(name) = vhlo::element(code) {
            return Ok(Type::Element(Element::of(name)));
        }
        Ok(match code {
            1 => Type::Element(Element::of(&format!("complex<{}>", self.ty(bytes)?))),
            9 => Type::Other("index".to_owned()),
            20 => self.tensor(bytes)?,
            22 => Type::Token,
            _ => Type::Other(vhlo::type_name(code).to_owned()),
        })
    }

    fn tensor(&self, bytes: &mut Bytes<'f>) -> Read<Type> {
        let count = bytes.count()?;
        let sizes = (0..count).map(|_| bytes.signed()).collect::<Read<Vec<_>>>()?;
        // A size that is open is the least number.
        let dims = sizes.iter().map(|size| (*size != i64::MIN).then_some(*size)).collect::<Vec<_>>();
        if dims.iter().flatten().any(|size| *size < 0) {
            return bytes.fail(format!("a tensor of sizes {sizes:?}"));
        }
        Ok(match self.ty(bytes)? {
            Type::Element(element) => Type::Tensor(TensorType { element, dims }),
            other => Type::Tensor(TensorType { element: Element::Other(other.to_string()), dims }),
        })
    }

    /// The location whose number comes next.
    pub(super) fn location(&self, bytes: &mut Bytes<'f>) -> Read<Rc<Location>> {
        let index = bytes.index(self.attributes.len())?;
        if let Some(location) = self.read_locations.borrow().get(&index) {
            return Ok(Rc::clone(location));
        }
        let entry = &self.attributes[index];
        let mut inner = entry.bytes.clone();
        let location = Rc::new(match entry.dialect {
            "builtin" => self.nested(bytes, |entries| entries.inner_location(&mut inner))?,
            _ => Location::Unknown,
        });
        self.read_locations.borrow_mut().insert(index, Rc::clone(&location));
        Ok(location)
    }

    fn inner_location(&self, bytes: &mut Bytes<'f>) -> Read<Location> {
        let text = |bytes: &mut Bytes<'f>| match self.attribute(bytes)? {
            Attribute::Text(text) => Ok(Rc::from(text)),
            _ => bytes.fail("a location's name is no string"),
        };
        Ok(match bytes.varint()? {
            10 => Location::Several(vec![self.location(bytes)?, self.location(bytes)?]),
            11 => {
                let file = text(bytes)?;
                Location::Line { file, line: u32::try_from(bytes.varint()?).unwrap_or(0) }
            }
            12 | 13 => Location::Several((0..bytes.count()?).map(|_| self.location(bytes)).collect::<Read<_>>()?),
            14 => Location::Named(text(bytes)?, self.location(bytes)?),
            22 => {
                let file = text(bytes)?;
                // Up to four numbers, the first of which is a line.
                let line = if bytes.varint()? > 0 { bytes.varint()? } else { 0 };
                Location::Line { file, line: u32::try_from(line).unwrap_or(0) }
            }
            _ => Location::Unknown,
        })
    }
}

/// A float by its bits.
fn float(bytes: &mut Bytes<'_>, dtype: DType) -> Read<f64> {
    let bits = bytes.signed()?.to_le_bytes();
    let tensor = thunder_tensor::Tensor::from_bytes(dtype, Vec::new(), &bits[..dtype.size()]);
    Ok(tensor.ok().and_then(|tensor| tensor.item().ok()).unwrap_or(f64::NAN))
}
