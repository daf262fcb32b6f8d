//! Types and attributes that a dialect defines: Rust structs whose fields are their parameters.
//!
//! [`ty`](macro@crate::ty) and [`attr`](macro@crate::attr) implement the traits of this module. The assembly that
//! follows from the fields is `!my.box<f32, size = 4>`: types without a default stand alone and in order, everything
//! else is `name = value` in any order, and what has its default is left out. Where an attribute's name is known,
//! as an op's attribute or a parameter, it is left out as well: `range = <low = 0, high = 8>`.

use crate::attr::{AttributeSpec, Spelling};
use crate::diagnostic::{Error, Result};
use crate::raw::assembly::{Parsed, Parser, Printer};
use crate::raw::attribute::Attribute;
use crate::raw::context::{ContextRef, Location};
use crate::raw::types::Type;

/// Reads parameters.
pub type ParseFn = for<'c> fn(&Parser<'c>) -> Parsed<Vec<Attribute<'c>>>;

/// The complete description of a type or attribute that is written in Rust; its parameters are attributes.
pub struct ParametricDef {
    /// The full name, dialect included.
    pub name: &'static str,
    /// The documentation of the struct.
    pub doc: &'static str,
    /// The parameters in order.
    pub parameters: Vec<AttributeSpec>,
    /// Checks what the kinds of the parameters cannot say; they are right by then.
    pub verify: Option<for<'c> fn(&[Attribute<'c>]) -> Result>,
    /// Reads what stands between `<` and `>`, in a format of its own.
    pub parse: Option<ParseFn>,
    /// Writes what stands between `<` and `>`, in a format of its own.
    pub print: Option<fn(&[Attribute<'_>], &Printer<'_>)>,
}

impl ParametricDef {
    /// A type or attribute with nothing but a name and its documentation.
    pub fn new(name: &'static str, doc: &'static str) -> Self {
        Self { name, doc, parameters: Vec::new(), verify: None, parse: None, print: None }
    }

    /// The name of its dialect.
    pub fn dialect(&self) -> &'static str {
        self.name.split_once('.').map_or("", |(dialect, _)| dialect)
    }

    /// The name without its dialect.
    pub fn mnemonic(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, mnemonic)| mnemonic)
    }

    /// Whether these are parameters that it may have.
    pub fn check(&self, parameters: &[Attribute<'_>]) -> Result {
        if parameters.len() != self.parameters.len() {
            let (expected, actual) = (self.parameters.len(), parameters.len());
            return Err(Error::new(format!("'{}' has {expected} parameters, not {actual}", self.name)));
        }
        for (spec, value) in self.parameters.iter().zip(parameters) {
            if !(spec.accepts)(*value) {
                return Err(Error::new(spec.refusal("parameter", *value)));
            }
        }
        self.verify.map_or(Ok(()), |verify| verify(parameters))
    }

    /// Writes what follows the name.
    pub(crate) fn print_tail(&self, parameters: &[Attribute<'_>], p: &Printer<'_>) {
        if self.print.is_some() || self.shown(parameters).next().is_some() {
            self.print_body(parameters, p);
        }
    }

    /// Reads what follows the name.
    pub(crate) fn parse_tail<'c>(&self, p: &Parser<'c>) -> Parsed<Vec<Attribute<'c>>> {
        if self.parse.is_some() { self.parse_body(p) } else { self.parse_parameters(p, p.try_token("<")) }
    }

    /// Writes the parameters where their name is known: nothing to write is `<>`.
    fn print_body(&self, parameters: &[Attribute<'_>], p: &Printer<'_>) {
        p.text("<");
        match self.print {
            Some(print) => print(parameters, p),
            None => _ = p.separated(self.shown(parameters), Self::print_parameter),
        }
        p.text(">");
    }

    fn print_parameter(p: &Printer<'_>, (spec, value): (&AttributeSpec, &Attribute<'_>)) {
        if is_bare(spec) { (spec.print)(*value, p) } else { spec.print_named(*value, p) }
    }

    /// Reads what [`ParametricDef::print_body`] writes.
    fn parse_body<'c>(&self, p: &Parser<'c>) -> Parsed<Vec<Attribute<'c>>> {
        p.token("<")?;
        if let Some(parse) = self.parse {
            let parameters = parse(p)?;
            p.token(">")?;
            return Ok(parameters);
        }
        let is_empty = p.try_token(">");
        self.parse_parameters(p, !is_empty)
    }

    /// The parameters that have not their default.
    fn shown<'a, 'c>(
        &'a self,
        parameters: &'a [Attribute<'c>],
    ) -> impl Iterator<Item = (&'a AttributeSpec, &'a Attribute<'c>)> {
        self.parameters.iter().zip(parameters).filter(|(spec, value)| {
            let default = spec.default.map(|default| default(value.context()));
            default != Some(**value)
        })
    }

    fn parse_parameters<'c>(&self, p: &Parser<'c>, are_there: bool) -> Parsed<Vec<Attribute<'c>>> {
        let mut values: Vec<Option<Attribute<'c>>> = vec![None; self.parameters.len()];
        if are_there {
            loop {
                self.parse_one(p, &mut values)?;
                if !p.try_token(",") {
                    break;
                }
            }
            p.token(">")?;
        }
        let value = |(spec, value): (&AttributeSpec, Option<Attribute<'c>>)| {
            let value = value.or_else(|| Some(spec.default?(p.context())));
            value.ok_or_else(|| p.error(&format!("'{}' requires parameter '{}'", self.name, spec.name)))
        };
        self.parameters.iter().zip(values).map(value).collect()
    }

    /// Reads a named parameter, or else the first type that is still missing.
    fn parse_one<'c>(&self, p: &Parser<'c>, values: &mut [Option<Attribute<'c>>]) -> Parsed {
        let here = p.here();
        let missing: Vec<_> = (0..values.len()).filter(|i| values[*i].is_none()).collect();
        for index in missing.iter().copied().filter(|i| !is_bare(&self.parameters[*i])) {
            let spec = &self.parameters[index];
            if p.try_keyword(spec.name) {
                values[index] = Some(spec.parse_named(p, "parameter")?);
                return Ok(());
            }
        }
        let Some(index) = missing.iter().copied().find(|i| is_bare(&self.parameters[*i])) else {
            let names: Vec<_> = missing.iter().map(|i| format!("'{}'", self.parameters[*i].name)).collect();
            let expected = if names.is_empty() { "no more parameters".to_owned() } else { names.join(" or ") };
            return Err(p.error_at(here, &format!("expected {expected}")));
        };
        values[index] = Some(self.parameters[index].parse_value(p, "parameter")?);
        Ok(())
    }
}

fn is_bare(spec: &AttributeSpec) -> bool {
    spec.spelling == Spelling::Bare && spec.default.is_none()
}

/// A struct that [`ty`](macro@crate::ty) or [`attr`](macro@crate::attr) made the parameters of a type or attribute.
pub trait Parametric<'c>: Sized {
    /// The table of the type or attribute.
    fn definition() -> &'static ParametricDef;
    /// The struct, if the parameters are of its fields' kinds.
    fn from_parameters(parameters: &[Attribute<'c>]) -> Option<Self>;
    /// The parameters; an error where a field's kind does not allow its value.
    fn into_parameters(self, cx: ContextRef<'c>) -> Result<Vec<Attribute<'c>>>;
}

/// A struct that is a type of a dialect.
pub trait TypeDef<'c>: Parametric<'c> {
    /// The parameters of `ty`, if it is of this kind.
    fn of(ty: Type<'c>) -> Option<Self> {
        let def = Self::definition();
        Self::from_parameters(&ty.parameters(def.dialect(), def.mnemonic())?)
    }

    /// The type with these parameters; an error where its verifier refuses them.
    fn into_type(self, cx: ContextRef<'c>) -> Result<Type<'c>> {
        let (def, parameters) = checked(self, cx)?;
        Type::parametric(Location::unknown(cx), def.dialect(), def.mnemonic(), &parameters)
            .ok_or_else(|| not_loaded(def))
    }
}

/// A struct that is an attribute of a dialect.
pub trait AttrDef<'c>: Parametric<'c> {
    /// The parameters of `attribute`, if it is of this kind.
    fn of(attribute: Attribute<'c>) -> Option<Self> {
        let def = Self::definition();
        Self::from_parameters(&attribute.parameters(def.dialect(), def.mnemonic())?)
    }

    /// The attribute with these parameters; an error where its verifier refuses them.
    fn into_attribute(self, cx: ContextRef<'c>) -> Result<Attribute<'c>> {
        let (def, parameters) = checked(self, cx)?;
        Attribute::parametric(Location::unknown(cx), def.dialect(), def.mnemonic(), &parameters)
            .ok_or_else(|| not_loaded(def))
    }
}

/// Checked here first, so that the error comes back as a value.
fn checked<'c, P: Parametric<'c>>(
    value: P,
    cx: ContextRef<'c>,
) -> Result<(&'static ParametricDef, Vec<Attribute<'c>>)> {
    let def = P::definition();
    let parameters = value.into_parameters(cx)?;
    def.check(&parameters)?;
    Ok((def, parameters))
}

fn not_loaded(def: &ParametricDef) -> Error {
    Error::new(format!("'{}' is of a dialect that the context does not have", def.name))
}

/// How derived code spells an attribute where its name is known, such as after `name = `.
pub mod body {
    use super::*;

    /// Writes the parameters alone.
    pub fn print<'c, A: AttrDef<'c>>(attribute: Attribute<'c>, p: &Printer<'_>) {
        let def = A::definition();
        let parameters = attribute.parameters(def.dialect(), def.mnemonic()).unwrap_or_default();
        def.print_body(&parameters, p);
    }

    /// Reads what [`print()`] writes.
    pub fn parse<'c, A: AttrDef<'c>>(p: &Parser<'c>) -> Parsed<Attribute<'c>> {
        let (def, here) = (A::definition(), p.here());
        let parameters = def.parse_body(p)?;
        let attribute = def.check(&parameters).and_then(|()| {
            Attribute::parametric(p.location(), def.dialect(), def.mnemonic(), &parameters)
                .ok_or_else(|| not_loaded(def))
        });
        attribute.map_err(|error| p.error_at(here, &error.message()))
    }
}

/// Gives a type or attribute a syntax of its own in place of the derived one.
pub trait ParameterAssembly<'c>: Parametric<'c> {
    /// Reads what stands between `<` and `>`.
    fn parse(p: &Parser<'c>) -> Parsed<Self>;
    /// Writes what stands between `<` and `>`.
    fn print(&self, p: &Printer<'_>);
}
