//! Rust types that stand for attributes, with their spelling in assembly.
//!
//! | Rust | MLIR | in assembly |
//! |---|---|---|
//! | `i8`, `i16`, `i32`, `i64` | an integer of this width | `-3` |
//! | `u8`, `u16`, `u32`, `u64` | an unsigned integer of this width | `3` |
//! | `isize` | an `index` | `3` |
//! | `f32`, `f64` | a float of this width | `0.5` |
//! | `bool` | a bool | `true` |
//! | `String` | a string | `"text"` |
//! | `Vec<K>` | a dense array of numbers, or an array of anything else | `[1, 2]` |
//! | [`Type`] | a type | `tensor<4xf32>` |
//! | [`SymbolRef`], [`SymbolPath`] | a reference to a symbol, or to one inside of others | `@f`, `@m::@f` |
//! | [`SymbolName`] | the name that a symbol defines | `@f` |
//! | [`Dense`] | dense elements | `dense<0> : tensor<4xi8>` |
//! | [`Unit`] | `unit`, which is there or not | nothing but its name |
//! | an enum with `#[derive(AttrKind)]` | a string | `snake_case` |
//! | a struct with `#[derive(AttrKind)]` | a dictionary | `{low = 0, high = 1}` |
//! | a struct with [`attr`](macro@crate::attr) or [`ty`](macro@crate::ty) | an attribute or type of a dialect | `<low = 0>`, `!my.box<f32>` |
//! | [`Attribute`] | any attribute | as MLIR spells it |

mod number;

use crate::diagnostic::{Error, Result};
use crate::raw::assembly::{Parsed, Parser, Printer};
use crate::raw::attribute::Attribute;
use crate::raw::context::ContextRef;
use crate::raw::types::Type;

/// A Rust type that the fields of an op name as `Attr<K>`.
pub trait AttrKind: 'static {
    /// What accessors return and builders take.
    type Value<'c>;
    /// How a value stands beside its name.
    const SPELLING: Spelling = Spelling::Named;
    /// The attribute that stores `value`; an error where the kind does not allow it.
    fn to_attribute<'c>(cx: ContextRef<'c>, value: Self::Value<'c>) -> Result<Attribute<'c>>;
    /// The value, if `attribute` is of this kind.
    fn from_attribute(attribute: Attribute<'_>) -> Option<Self::Value<'_>>;
    /// The kind in words, as they follow "must be".
    fn description() -> String;
    /// Writes the value as it stands after `name = `.
    fn print(attribute: Attribute<'_>, p: &Printer<'_>) {
        p.attribute(attribute);
    }
    /// Reads what `print` writes. Whoever calls it checks the kind of what was read.
    fn parse<'c>(p: &Parser<'c>) -> Parsed<Attribute<'c>> {
        p.attribute()
    }
    /// The attribute that stores a `Vec` of this kind.
    fn list_to_attribute<'c>(cx: ContextRef<'c>, values: Vec<Self::Value<'c>>) -> Result<Attribute<'c>> {
        let elements = values.into_iter().map(|value| Self::to_attribute(cx, value)).collect::<Result<Vec<_>>>()?;
        Ok(Attribute::array(cx, &elements))
    }
    /// The values, if `attribute` stores a `Vec` of this kind.
    fn list_from_attribute(attribute: Attribute<'_>) -> Option<Vec<Self::Value<'_>>> {
        attribute.as_array()?.into_iter().map(Self::from_attribute).collect()
    }
}

/// How a value stands beside its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// `name = value`.
    Named,
    /// `name`: that it is there says all.
    Flag,
    /// `name = value` among an op's attributes, but alone among the parameters of a type or attribute.
    Bare,
    /// `name = value`, or `{name = value}` where a colon that follows would be read as that of the value's type.
    Open,
}

/// An attribute of an op, or a parameter of a type or attribute.
#[derive(Clone)]
pub struct AttributeSpec {
    /// The field's and the attribute's name.
    pub name: &'static str,
    /// The documentation of the field.
    pub doc: &'static str,
    /// Whether it must be present.
    pub required: bool,
    /// What an absent one means.
    pub default: Option<for<'c> fn(ContextRef<'c>) -> Attribute<'c>>,
    /// Whether an attribute is of its kind.
    pub accepts: fn(Attribute<'_>) -> bool,
    /// The kind in words.
    pub description: fn() -> String,
    /// How it stands beside its name.
    pub spelling: Spelling,
    /// Writes the value.
    pub print: fn(Attribute<'_>, &Printer<'_>),
    /// Reads the value.
    pub parse: for<'c> fn(&Parser<'c>) -> Parsed<Attribute<'c>>,
    /// The labelled constraint that its kind is part of, such as `(C2)`, or nothing.
    pub label: &'static str,
}

impl AttributeSpec {
    /// A required attribute of kind `K`.
    pub fn new<K: AttrKind>(name: &'static str) -> Self {
        Self {
            name,
            doc: "",
            required: true,
            default: None,
            accepts: |a| K::from_attribute(a).is_some(),
            description: K::description,
            spelling: K::SPELLING,
            print: K::print,
            parse: K::parse,
            label: "",
        }
    }

    /// Writes `name = value`, or what its kind has in place of it.
    pub(crate) fn print_named(&self, value: Attribute<'_>, p: &Printer<'_>) {
        p.text(self.name);
        if self.spelling != Spelling::Flag {
            p.text(" = ");
            (self.print)(value, p);
        }
    }

    /// Reads what follows the name; an attribute of another kind is an error at its first token.
    pub(crate) fn parse_named<'c>(&self, p: &Parser<'c>, what: &str) -> Parsed<Attribute<'c>> {
        if self.spelling == Spelling::Flag {
            return Ok(Attribute::unit(p.context()));
        }
        p.token("=")?;
        self.parse_value(p, what)
    }

    /// Reads the value; an attribute of another kind is an error at its first token.
    pub(crate) fn parse_value<'c>(&self, p: &Parser<'c>, what: &str) -> Parsed<Attribute<'c>> {
        let here = p.here();
        let value = (self.parse)(p)?;
        if (self.accepts)(value) { Ok(value) } else { Err(p.error_at(here, &self.refusal(what, value))) }
    }

    /// The sentence that says why `value` is not of its kind.
    pub(crate) fn refusal(&self, what: &str, value: Attribute<'_>) -> String {
        let label = if self.label.is_empty() { String::new() } else { format!("{} ", self.label) };
        format!("{label}{what} '{}' must be {}, but is {value}", self.name, (self.description)())
    }
}

/// What derived code for a struct stored as a dictionary needs.
pub mod dictionary {
    use super::*;

    /// The value of entry `name`, if it is of kind `K`.
    pub fn entry<'c, K: AttrKind>(attribute: Attribute<'c>, name: &str) -> Option<K::Value<'c>> {
        K::from_attribute(attribute.entry(name)?)
    }

    /// The kind in words.
    pub fn description(specs: &[AttributeSpec]) -> String {
        let entries: Vec<_> = specs.iter().map(|spec| format!("'{}', {}", spec.name, (spec.description)())).collect();
        format!("a dictionary of {}", entries.join(", and "))
    }

    /// Writes `{name = value, ...}`.
    pub fn print(specs: &[AttributeSpec], attribute: Attribute<'_>, p: &Printer<'_>) {
        let entries = specs.iter().filter_map(|spec| Some((spec, attribute.entry(spec.name)?)));
        p.text("{").separated(entries, |p, (spec, value)| spec.print_named(value, p)).text("}");
    }

    /// Reads what [`print()`] writes, in any order.
    pub fn parse<'c>(specs: &[AttributeSpec], p: &Parser<'c>) -> Parsed<Attribute<'c>> {
        let here = p.here();
        let mut entries: Vec<(&str, Attribute<'c>)> = Vec::new();
        p.list("{", "}", |p| {
            let place = p.here();
            let next = specs.iter().find(|s| entries.iter().all(|(name, _)| *name != s.name) && p.try_keyword(s.name));
            let Some(spec) = next else { return Err(p.error_at(place, &expected(specs))) };
            entries.push((spec.name, spec.parse_named(p, "entry")?));
            Ok(())
        })?;
        match specs.iter().find(|spec| entries.iter().all(|(name, _)| *name != spec.name)) {
            Some(missing) => Err(p.error_at(here, &format!("'{}' is missing", missing.name))),
            None => Ok(Attribute::dictionary(p.context(), &entries)),
        }
    }

    fn expected(specs: &[AttributeSpec]) -> String {
        let names: Vec<_> = specs.iter().map(|spec| format!("'{}'", spec.name)).collect();
        format!("expected each of {} once", names.join(", "))
    }
}

impl AttrKind for bool {
    type Value<'c> = bool;
    fn to_attribute<'c>(cx: ContextRef<'c>, value: bool) -> Result<Attribute<'c>> {
        Ok(Attribute::bool(cx, value))
    }
    fn from_attribute(attribute: Attribute<'_>) -> Option<bool> {
        attribute.as_bool()
    }
    fn description() -> String {
        "a bool".to_owned()
    }
}

impl AttrKind for String {
    type Value<'c> = String;
    fn to_attribute<'c>(cx: ContextRef<'c>, value: String) -> Result<Attribute<'c>> {
        Ok(Attribute::string(cx, &value))
    }
    fn from_attribute(attribute: Attribute<'_>) -> Option<String> {
        attribute.as_string().map(str::to_owned)
    }
    fn description() -> String {
        "a string".to_owned()
    }
    // MLIR's own parser would take the colon before an op's types for one before a string's type.
    fn parse<'c>(p: &Parser<'c>) -> Parsed<Attribute<'c>> {
        Ok(Attribute::string(p.context(), &p.string()?))
    }
}

impl<K: AttrKind> AttrKind for Vec<K> {
    type Value<'c> = Vec<K::Value<'c>>;
    fn to_attribute<'c>(cx: ContextRef<'c>, value: Self::Value<'c>) -> Result<Attribute<'c>> {
        K::list_to_attribute(cx, value)
    }
    fn from_attribute(attribute: Attribute<'_>) -> Option<Self::Value<'_>> {
        K::list_from_attribute(attribute)
    }
    fn description() -> String {
        format!("an array, each element {}", K::description())
    }
    fn print(attribute: Attribute<'_>, p: &Printer<'_>) {
        let cx = attribute.context();
        let values = K::list_from_attribute(attribute).unwrap_or_default();
        let elements = values.into_iter().filter_map(|value| K::to_attribute(cx, value).ok());
        p.text("[").separated(elements, |p, element| K::print(element, p)).text("]");
    }
    fn parse<'c>(p: &Parser<'c>) -> Parsed<Attribute<'c>> {
        let here = p.here();
        let values = p.list("[", "]", |p| {
            let here = p.here();
            let element = K::parse(p)?;
            K::from_attribute(element)
                .ok_or_else(|| p.error_at(here, &format!("an element must be {}, but is {element}", K::description())))
        })?;
        K::list_to_attribute(p.context(), values).map_err(|e| p.error_at(here, &e.message()))
    }
}

impl AttrKind for Type<'static> {
    type Value<'c> = Type<'c>;
    const SPELLING: Spelling = Spelling::Bare;
    fn to_attribute<'c>(_: ContextRef<'c>, value: Type<'c>) -> Result<Attribute<'c>> {
        Ok(Attribute::of_type(value))
    }
    fn from_attribute(attribute: Attribute<'_>) -> Option<Type<'_>> {
        attribute.as_type()
    }
    fn description() -> String {
        "a type".to_owned()
    }
    fn parse<'c>(p: &Parser<'c>) -> Parsed<Attribute<'c>> {
        Ok(Attribute::of_type(p.ty()?))
    }
}

/// A reference to a symbol by its name.
pub struct SymbolRef;

impl AttrKind for SymbolRef {
    type Value<'c> = String;
    fn to_attribute<'c>(cx: ContextRef<'c>, value: String) -> Result<Attribute<'c>> {
        Ok(Attribute::symbol(cx, &value))
    }
    fn from_attribute(attribute: Attribute<'_>) -> Option<String> {
        attribute.as_symbol().map(str::to_owned)
    }
    fn description() -> String {
        "a symbol reference".to_owned()
    }
}

/// A reference to a symbol inside of others: the names from the outermost on, at least one.
pub struct SymbolPath;

impl AttrKind for SymbolPath {
    type Value<'c> = Vec<String>;
    fn to_attribute<'c>(cx: ContextRef<'c>, value: Vec<String>) -> Result<Attribute<'c>> {
        Attribute::symbol_path(cx, &value).ok_or_else(|| Error::new("a symbol path has at least one name"))
    }
    fn from_attribute(attribute: Attribute<'_>) -> Option<Vec<String>> {
        Some(attribute.as_symbol_path()?.into_iter().map(str::to_owned).collect())
    }
    fn description() -> String {
        "a symbol reference, nested or not".to_owned()
    }
}

/// The name of a symbol that the op itself defines.
pub struct SymbolName;

impl AttrKind for SymbolName {
    type Value<'c> = String;
    fn to_attribute<'c>(cx: ContextRef<'c>, value: String) -> Result<Attribute<'c>> {
        Ok(Attribute::string(cx, &value))
    }
    fn from_attribute(attribute: Attribute<'_>) -> Option<String> {
        attribute.as_string().map(str::to_owned)
    }
    fn description() -> String {
        "a symbol name".to_owned()
    }
    fn print(attribute: Attribute<'_>, p: &Printer<'_>) {
        p.symbol_name(attribute.as_string().unwrap_or_default());
    }
    fn parse<'c>(p: &Parser<'c>) -> Parsed<Attribute<'c>> {
        Ok(Attribute::string(p.context(), &p.symbol_name()?))
    }
}

/// That something holds: `OptionalAttr<Unit>`, spelled as its name alone.
pub struct Unit;

impl AttrKind for Unit {
    type Value<'c> = ();
    const SPELLING: Spelling = Spelling::Flag;
    fn to_attribute<'c>(cx: ContextRef<'c>, (): ()) -> Result<Attribute<'c>> {
        Ok(Attribute::unit(cx))
    }
    fn from_attribute(attribute: Attribute<'_>) -> Option<()> {
        attribute.is_unit().then_some(())
    }
    fn description() -> String {
        "unit".to_owned()
    }
}

/// Dense elements of a tensor type, the payload of a constant.
pub struct Dense;

impl AttrKind for Dense {
    type Value<'c> = Attribute<'c>;
    fn to_attribute<'c>(_: ContextRef<'c>, value: Attribute<'c>) -> Result<Attribute<'c>> {
        Ok(value)
    }
    fn from_attribute(attribute: Attribute<'_>) -> Option<Attribute<'_>> {
        attribute.is_dense().then_some(attribute)
    }
    fn description() -> String {
        "dense elements".to_owned()
    }
}

impl AttrKind for Attribute<'static> {
    type Value<'c> = Attribute<'c>;
    const SPELLING: Spelling = Spelling::Open;
    fn to_attribute<'c>(_: ContextRef<'c>, value: Attribute<'c>) -> Result<Attribute<'c>> {
        Ok(value)
    }
    fn from_attribute(attribute: Attribute<'_>) -> Option<Attribute<'_>> {
        Some(attribute)
    }
    fn description() -> String {
        "an attribute".to_owned()
    }
}
