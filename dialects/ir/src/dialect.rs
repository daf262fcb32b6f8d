//! A dialect as a value: its operations, types and attributes in tables.

use crate::op::{Op, OpDef};
use crate::raw::assembly::{Parsed, Parser, Printer};
use crate::raw::attribute::Attribute;
use crate::raw::callback::Table;
use crate::raw::types::Type;
use std::sync::OnceLock;

/// A type or attribute that a dialect defines; its parameters are attributes.
pub struct ParametricDef {
    /// The name without the dialect.
    pub name: &'static str,
    /// What it stands for.
    pub doc: &'static str,
    /// The sentence that says what is wrong with parameters, if something is.
    pub verify: fn(&[Attribute<'_>]) -> Result<(), String>,
    /// Reads what follows the name.
    pub parse: for<'c> fn(&Parser<'c>) -> Parsed<Vec<Attribute<'c>>>,
    /// Writes what follows the name.
    pub print: fn(&[Attribute<'_>], &Printer<'_>),
}

/// A type or attribute of a dialect, as a Rust type. Derived from a struct or written by hand.
pub trait Parametric {
    /// The name without the dialect.
    const NAME: &'static str;
    /// What it stands for.
    const DOC: &'static str;
    /// The sentence that says what is wrong with parameters, if something is.
    fn verify(params: &[Attribute<'_>]) -> Result<(), String>;
    /// Reads what follows the name; `<a, b>` unless overridden.
    fn parse<'c>(p: &Parser<'c>) -> Parsed<Vec<Attribute<'c>>> {
        if !p.try_token("<") {
            return Ok(Vec::new());
        }
        let mut params = vec![p.attribute()?];
        while p.try_token(",") {
            params.push(p.attribute()?);
        }
        p.token(">")?;
        Ok(params)
    }
    /// Writes what follows the name.
    fn print(params: &[Attribute<'_>], p: &Printer<'_>) {
        if !params.is_empty() {
            p.text("<").separated(params, |p, param| _ = p.attribute(*param)).text(">");
        }
    }
}

/// Chooses the operation that holds a constant, given its value and type.
pub type Materialize = fn(Attribute<'_>, Type<'_>) -> Option<&'static OpDef>;

/// A dialect written in Rust. It lives as long as the process: keep it in a `static LazyLock`.
pub struct Dialect {
    /// The namespace of its names.
    pub name: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// Its operations, in the order of documentation.
    pub ops: Vec<&'static OpDef>,
    /// Its types.
    pub types: Vec<ParametricDef>,
    /// Its attributes.
    pub attributes: Vec<ParametricDef>,
    /// Dialects to be loaded before it.
    pub dependent: Vec<&'static str>,
    /// The operation, with an attribute `value`, that folding turns constants into.
    pub materialize: Option<Materialize>,
    pub(crate) table: OnceLock<Table>,
}

impl Dialect {
    /// A dialect with nothing in it.
    pub fn new(name: &'static str, doc: &'static str) -> Self {
        Self {
            name,
            doc,
            ops: Vec::new(),
            types: Vec::new(),
            attributes: Vec::new(),
            dependent: Vec::new(),
            materialize: None,
            table: OnceLock::new(),
        }
    }

    /// Adds an operation.
    pub fn op<O: Op<'static>>(mut self) -> Self {
        let def = O::definition();
        assert_eq!(def.dialect(), self.name, "'{}' is not of dialect '{}'", def.name, self.name);
        self.ops.push(def);
        self
    }

    /// Adds a type.
    pub fn ty<T: Parametric>(mut self) -> Self {
        self.types.push(parametric::<T>());
        self
    }

    /// Adds an attribute.
    pub fn attribute<A: Parametric>(mut self) -> Self {
        self.attributes.push(parametric::<A>());
        self
    }

    /// Loads another dialect before this one.
    pub fn depends_on(mut self, dialect: &'static str) -> Self {
        self.dependent.push(dialect);
        self
    }

    /// Says which operation holds constants.
    pub fn constants(mut self, materialize: Materialize) -> Self {
        self.materialize = Some(materialize);
        self
    }
}

fn parametric<T: Parametric>() -> ParametricDef {
    ParametricDef { name: T::NAME, doc: T::DOC, verify: T::verify, parse: T::parse, print: T::print }
}
