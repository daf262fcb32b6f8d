//! What the accessors of an op read.

use super::{Arity, OPERAND_SEGMENTS, OpDef};
use crate::attr::AttrKind;
use crate::diagnostic::Error;
use crate::raw::attribute::Attribute;
use crate::raw::block::{Block, Region};
use crate::raw::context::{ContextRef, Location};
use crate::raw::operation::Operation;
use crate::raw::value::Value;
use std::ops::Range;
use std::rc::Rc;

/// An operation as its definition sees it: one that exists, or one about to be made, of which
/// operands and attributes are known. Accessors of both work the same.
#[derive(Clone)]
pub struct View<'c> {
    def: &'static OpDef,
    source: Source<'c>,
}

#[derive(Clone)]
enum Source<'c> {
    Live(Operation<'c>),
    Planned(Rc<Plan<'c>>),
}

struct Plan<'c> {
    location: Location<'c>,
    operands: Vec<Value<'c>>,
    attributes: Attribute<'c>,
}

impl<'c> View<'c> {
    /// The view of an operation that exists; `None` where another definition made it.
    #[track_caller]
    pub fn of(op: Operation<'c>, def: &'static OpDef) -> Option<Self> {
        op.definition()
            .is_some_and(|actual| std::ptr::eq(actual, def))
            .then_some(Self { def, source: Source::Live(op) })
    }

    pub(crate) fn live(op: Operation<'c>, def: &'static OpDef) -> Self {
        Self { def, source: Source::Live(op) }
    }

    pub(crate) fn planned(
        def: &'static OpDef,
        location: Location<'c>,
        operands: Vec<Value<'c>>,
        attributes: Attribute<'c>,
    ) -> Self {
        Self { def, source: Source::Planned(Rc::new(Plan { location, operands, attributes })) }
    }

    /// The definition.
    pub fn definition(&self) -> &'static OpDef {
        self.def
    }

    /// The operation; panics while it does not exist yet, in result-type inference.
    #[track_caller]
    pub fn operation(&self) -> Operation<'c> {
        match &self.source {
            Source::Live(op) => *op,
            Source::Planned(_) => panic!("'{}' does not exist while its types are inferred", self.def.name),
        }
    }

    /// Where it is.
    pub fn location(&self) -> Location<'c> {
        match &self.source {
            Source::Live(op) => op.location(),
            Source::Planned(plan) => plan.location,
        }
    }

    /// The owning context.
    pub fn context(&self) -> ContextRef<'c> {
        self.location().context()
    }

    pub(super) fn error(&self, message: impl std::fmt::Display) -> Error {
        match &self.source {
            Source::Live(op) => op.error(message),
            Source::Planned(plan) => Error::at(plan.location, format!("'{}' op {message}", self.def.name)),
        }
    }

    /// All operands.
    pub fn operands(&self) -> Vec<Value<'c>> {
        match &self.source {
            Source::Live(op) => op.operands().collect(),
            Source::Planned(plan) => plan.operands.clone(),
        }
    }

    /// An attribute by name, without its default.
    pub fn attribute(&self, name: &str) -> Option<Attribute<'c>> {
        match &self.source {
            Source::Live(op) => op.attribute(name),
            Source::Planned(plan) => plan.attributes.entry(name),
        }
    }

    fn operand_range(&self, field: usize, count: usize) -> Range<usize> {
        let segments = || self.attribute(OPERAND_SEGMENTS).and_then(Attribute::as_i64_array);
        let sizes = OpDef::sizes(
            &self.def.operands,
            count,
            if self.def.needs_segments() { segments() } else { None },
            "operand",
        )
        .expect("accessors are used on verified operations");
        let start = sizes[..field].iter().sum();
        start..start + sizes[field]
    }

    /// The values of operand field `field`.
    #[track_caller]
    pub fn operand_group(&self, field: usize) -> Vec<Value<'c>> {
        let operands = self.operands();
        operands[self.operand_range(field, operands.len())].to_vec()
    }

    /// The one value of operand field `field`.
    #[track_caller]
    pub fn operand(&self, field: usize) -> Value<'c> {
        if let Source::Live(op) = &self.source
            && self.def.operands[..=field].iter().all(|o| o.arity == Arity::One)
        {
            return op.operand(field);
        }
        self.operand_group(field)[0]
    }

    /// The values of result field `field`.
    #[track_caller]
    pub fn result_group(&self, field: usize) -> Vec<Value<'c>> {
        let op = self.operation();
        let sizes = OpDef::sizes(&self.def.results, op.result_count(), None, "result")
            .expect("accessors are used on verified operations");
        let start: usize = sizes[..field].iter().sum();
        (start..start + sizes[field]).map(|i| op.result(i)).collect()
    }

    /// The one value of result field `field`.
    #[track_caller]
    pub fn result(&self, field: usize) -> Value<'c> {
        self.result_group(field)[0]
    }

    /// Region field `field`.
    #[track_caller]
    pub fn region(&self, field: usize) -> Region<'c> {
        self.operation().region(field)
    }

    /// Successor field `field`.
    #[track_caller]
    pub fn successor(&self, field: usize) -> Block<'c> {
        self.operation().successors()[field]
    }

    /// The value of a required attribute, or its default.
    #[track_caller]
    pub fn attr<K: AttrKind>(&self, field: usize) -> K::Value<'c> {
        let spec = &self.def.attributes[field];
        self.optional_attr::<K>(field)
            .or_else(|| K::from_attribute(spec.default?(self.context())))
            .unwrap_or_else(|| panic!("'{}' has no attribute '{}'", self.def.name, spec.name))
    }

    /// The value of an attribute that may be absent.
    pub fn optional_attr<K: AttrKind>(&self, field: usize) -> Option<K::Value<'c>> {
        self.attribute(self.def.attributes[field].name).and_then(K::from_attribute)
    }
}
