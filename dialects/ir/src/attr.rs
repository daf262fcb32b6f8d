//! Rust types that stand for attributes, with their spelling in assembly.

use crate::raw::assembly::{Parsed, Parser, Printer};
use crate::raw::attribute::Attribute;
use crate::raw::context::ContextRef;
use crate::raw::types::Type;

/// A Rust type that the fields of an op name as `Attr<K>`.
pub trait AttrKind: 'static {
    /// What accessors return and builders take.
    type Value<'c>;
    /// The attribute that stores `value`.
    fn to_attribute<'c>(cx: ContextRef<'c>, value: Self::Value<'c>) -> Attribute<'c>;
    /// The value, if `attribute` is of this kind.
    fn from_attribute(attribute: Attribute<'_>) -> Option<Self::Value<'_>>;
    /// The kind in words, as they follow "must be".
    fn description() -> String;
    /// Writes the value as it stands after `name = `.
    fn print(attribute: Attribute<'_>, p: &Printer<'_>) {
        p.attribute(attribute);
    }
    /// Reads what `print` writes.
    fn parse<'c>(p: &Parser<'c>) -> Parsed<Attribute<'c>> {
        p.attribute()
    }
}

impl AttrKind for i64 {
    type Value<'c> = i64;
    fn to_attribute<'c>(cx: ContextRef<'c>, value: i64) -> Attribute<'c> {
        Attribute::i64(cx, value)
    }
    fn from_attribute(attribute: Attribute<'_>) -> Option<i64> {
        attribute.ty().filter(|ty| *ty == Type::int(ty.context(), 64))?;
        attribute.as_integer()
    }
    fn description() -> String {
        "a 64-bit integer".to_owned()
    }
    fn print(attribute: Attribute<'_>, p: &Printer<'_>) {
        p.text(&attribute.as_integer().unwrap_or_default().to_string());
    }
    fn parse<'c>(p: &Parser<'c>) -> Parsed<Attribute<'c>> {
        Ok(Attribute::i64(p.context(), p.integer()?))
    }
}

impl AttrKind for f64 {
    type Value<'c> = f64;
    fn to_attribute<'c>(cx: ContextRef<'c>, value: f64) -> Attribute<'c> {
        Attribute::float(Type::f64(cx), value)
    }
    fn from_attribute(attribute: Attribute<'_>) -> Option<f64> {
        attribute.ty().filter(|ty| *ty == Type::f64(ty.context()))?;
        attribute.as_float()
    }
    fn description() -> String {
        "a 64-bit float".to_owned()
    }
    fn print(attribute: Attribute<'_>, p: &Printer<'_>) {
        p.text(&float_text(attribute.as_float().unwrap_or_default()));
    }
    // With its type given, MLIR leaves a colon that follows to the op's own types.
    fn parse<'c>(p: &Parser<'c>) -> Parsed<Attribute<'c>> {
        p.attribute_of(Some(Type::f64(p.context())))
    }
}

/// The shortest text that MLIR reads back as this number: digits around a point, or bits.
fn float_text(value: f64) -> String {
    if !value.is_finite() {
        return format!("0x{:016X}", value.to_bits());
    }
    let text = format!("{value:?}");
    match text.split_once('e') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0e{exponent}"),
        _ => text,
    }
}

impl AttrKind for bool {
    type Value<'c> = bool;
    fn to_attribute<'c>(cx: ContextRef<'c>, value: bool) -> Attribute<'c> {
        Attribute::bool(cx, value)
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
    fn to_attribute<'c>(cx: ContextRef<'c>, value: String) -> Attribute<'c> {
        Attribute::string(cx, &value)
    }
    fn from_attribute(attribute: Attribute<'_>) -> Option<String> {
        attribute.as_string().map(str::to_owned)
    }
    fn description() -> String {
        "a string".to_owned()
    }
}

impl AttrKind for Vec<i64> {
    type Value<'c> = Vec<i64>;
    fn to_attribute<'c>(cx: ContextRef<'c>, value: Vec<i64>) -> Attribute<'c> {
        Attribute::i64_array(cx, &value)
    }
    fn from_attribute(attribute: Attribute<'_>) -> Option<Vec<i64>> {
        attribute.as_i64_array()
    }
    fn description() -> String {
        "an array of 64-bit integers".to_owned()
    }
    fn print(attribute: Attribute<'_>, p: &Printer<'_>) {
        p.text(&format!("{:?}", attribute.as_i64_array().unwrap_or_default()));
    }
    fn parse<'c>(p: &Parser<'c>) -> Parsed<Attribute<'c>> {
        let values = p.list("[", "]", |p| p.integer())?;
        Ok(Attribute::i64_array(p.context(), &values))
    }
}

/// An array whose elements are of kind `K`, such as `ArrayOf<String>`.
pub struct ArrayOf<K>(std::marker::PhantomData<K>);

impl<K: AttrKind> AttrKind for ArrayOf<K> {
    type Value<'c> = Vec<K::Value<'c>>;
    fn to_attribute<'c>(cx: ContextRef<'c>, value: Self::Value<'c>) -> Attribute<'c> {
        let elements: Vec<_> = value.into_iter().map(|v| K::to_attribute(cx, v)).collect();
        Attribute::array(cx, &elements)
    }
    fn from_attribute(attribute: Attribute<'_>) -> Option<Self::Value<'_>> {
        attribute.as_array()?.into_iter().map(K::from_attribute).collect()
    }
    fn description() -> String {
        format!("an array, each element {}", K::description())
    }
    fn print(attribute: Attribute<'_>, p: &Printer<'_>) {
        p.text("[");
        p.separated(attribute.as_array().unwrap_or_default(), |p, a| K::print(a, p));
        p.text("]");
    }
    fn parse<'c>(p: &Parser<'c>) -> Parsed<Attribute<'c>> {
        let elements = p.list("[", "]", K::parse)?;
        Ok(Attribute::array(p.context(), &elements))
    }
}

/// A type, as an attribute.
pub struct TypeAttr;

impl AttrKind for TypeAttr {
    type Value<'c> = Type<'c>;
    fn to_attribute<'c>(_: ContextRef<'c>, value: Type<'c>) -> Attribute<'c> {
        Attribute::of_type(value)
    }
    fn from_attribute(attribute: Attribute<'_>) -> Option<Type<'_>> {
        attribute.as_type()
    }
    fn description() -> String {
        "a type".to_owned()
    }
}

/// A reference to a symbol by its name.
pub struct SymbolRef;

impl AttrKind for SymbolRef {
    type Value<'c> = String;
    fn to_attribute<'c>(cx: ContextRef<'c>, value: String) -> Attribute<'c> {
        Attribute::symbol(cx, &value)
    }
    fn from_attribute(attribute: Attribute<'_>) -> Option<String> {
        attribute.as_symbol().map(str::to_owned)
    }
    fn description() -> String {
        "a symbol reference".to_owned()
    }
}

/// The name of a symbol that the op itself defines.
pub struct SymbolName;

impl AttrKind for SymbolName {
    type Value<'c> = String;
    fn to_attribute<'c>(cx: ContextRef<'c>, value: String) -> Attribute<'c> {
        Attribute::string(cx, &value)
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

/// Dense elements of a tensor type, the payload of a constant.
pub struct Dense;

impl AttrKind for Dense {
    type Value<'c> = Attribute<'c>;
    fn to_attribute<'c>(_: ContextRef<'c>, value: Attribute<'c>) -> Attribute<'c> {
        value
    }
    fn from_attribute(attribute: Attribute<'_>) -> Option<Attribute<'_>> {
        attribute.is_dense().then_some(attribute)
    }
    fn description() -> String {
        "dense elements".to_owned()
    }
}

/// Any attribute.
pub struct AnyAttr;

impl AttrKind for AnyAttr {
    type Value<'c> = Attribute<'c>;
    fn to_attribute<'c>(_: ContextRef<'c>, value: Attribute<'c>) -> Attribute<'c> {
        value
    }
    fn from_attribute(attribute: Attribute<'_>) -> Option<Attribute<'_>> {
        Some(attribute)
    }
    fn description() -> String {
        "an attribute".to_owned()
    }
}
