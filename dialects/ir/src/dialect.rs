//! A dialect as a value: its operations, types and attributes in tables.

use crate::op::{Op, OpDef};
use crate::parametric::{AttrDef, ParametricDef, TypeDef};
use crate::raw::attribute::Attribute;
use crate::raw::callback::Table;
use crate::raw::types::Type;
use std::any::Any;
use std::sync::OnceLock;

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
    pub types: Vec<&'static ParametricDef>,
    /// Its attributes.
    pub attributes: Vec<&'static ParametricDef>,
    /// Dialects to be loaded before it.
    pub dependent: Vec<&'static str>,
    /// The operation, with an attribute `value`, that folding turns constants into.
    pub materialize: Option<Materialize>,
    extensions: Vec<Box<dyn Any + Send + Sync>>,
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
            extensions: Vec::new(),
            table: OnceLock::new(),
        }
    }

    /// Adds an operation.
    pub fn op<O: Op<'static>>(mut self) -> Self {
        let def = O::definition();
        self.ops.push(self.own(def.name, def));
        self
    }

    /// Adds a type.
    pub fn ty<T: TypeDef<'static>>(mut self) -> Self {
        self.types.push(self.own(T::definition().name, T::definition()));
        self
    }

    /// Adds an attribute.
    pub fn attribute<A: AttrDef<'static>>(mut self) -> Self {
        self.attributes.push(self.own(A::definition().name, A::definition()));
        self
    }

    fn own<T>(&self, name: &str, def: T) -> T {
        let dialect = name.split_once('.').map(|(dialect, _)| dialect);
        assert_eq!(dialect, Some(self.name), "'{name}' is not of dialect '{}'", self.name);
        def
    }

    /// Loads another dialect before this one.
    pub fn depends_on(mut self, dialect: &'static str) -> Self {
        self.dependent.push(dialect);
        self
    }

    /// Adds something that passes above this crate look for, by its type.
    pub fn extend<T: Any + Send + Sync>(mut self, extension: T) -> Self {
        self.extensions.push(Box::new(extension));
        self
    }

    /// What was added with this type, in that order.
    pub fn extensions<T: Any>(&self) -> impl Iterator<Item = &T> {
        self.extensions.iter().filter_map(|extension| extension.downcast_ref())
    }

    /// Says which operation holds constants.
    pub fn constants(mut self, materialize: Materialize) -> Self {
        self.materialize = Some(materialize);
        self
    }
}
