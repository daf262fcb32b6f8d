//! What an operation is: its shape as a table, its meaning as hooks, its handle as a struct.
//!
//! `#[op]` writes the table and the struct; the traits of this module are the hooks that an op's
//! author implements, each named in `#[op(...)]` so that the table knows of it.

mod view;

pub use view::View;

use crate::attr::AttributeSpec;
use crate::constraint::{Constraint, compatible};
use crate::diagnostic::{Error, Result};
use crate::dialect::Dialect;
use crate::raw::assembly::{Parsed, Parser, Printer};
use crate::raw::attribute::Attribute;
use crate::raw::block::Block;
use crate::raw::builder::{Blueprint, Builder};
use crate::raw::context::ContextRef;
use crate::raw::operation::Operation;
use crate::raw::types::Type;
use crate::raw::value::Value;
use crate::rewrite::Patterns;
use std::any::Any;
use std::sync::OnceLock;

/// How many values one operand or result field stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arity {
    /// Exactly one.
    One,
    /// None or one.
    Optional,
    /// Any number.
    Variadic,
}

/// One operand or result field.
pub struct ValueSpec {
    /// The field's name.
    pub name: &'static str,
    /// The documentation of the field.
    pub doc: &'static str,
    /// How many values it stands for.
    pub arity: Arity,
    /// What types they may have.
    pub constraint: Constraint,
    /// The labelled constraint that the type is part of, such as `(C1)`, or nothing.
    pub label: &'static str,
}

/// One region or successor field.
pub struct PartSpec {
    /// The field's name.
    pub name: &'static str,
    /// Whether it stands for all the remaining ones.
    pub variadic: bool,
}

/// What MLIR may assume of an operation's effects on memory.
#[derive(Clone, Copy)]
pub enum EffectSpec {
    /// Nothing is known.
    Unknown,
    /// None, and it may be speculated.
    Pure,
    /// Those that a function tells.
    Custom(for<'c> fn(&View<'c>) -> Vec<Effect<'c>>),
}

/// An effect on memory.
#[derive(Debug, Clone, Copy)]
pub struct Effect<'c> {
    /// What is done.
    pub kind: EffectKind,
    /// To which operand or result; to anything where it is not known.
    pub value: Option<Value<'c>>,
}

/// What an effect does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffectKind {
    /// Reads memory.
    Read = 0,
    /// Writes memory.
    Write = 1,
    /// Allocates memory.
    Allocate = 2,
    /// Frees memory.
    Free = 3,
}

/// What one result folds to.
#[derive(Debug, Clone, Copy)]
pub enum Folded<'c> {
    /// A constant of the result's type.
    Constant(Attribute<'c>),
    /// A value that exists already.
    Value(Value<'c>),
}

/// What folding did.
pub enum FoldOutcome<'c> {
    /// Every result is replaced.
    Replaced(Vec<Folded<'c>>),
    /// The operation itself was changed.
    InPlace,
}

/// Computes result types.
pub type InferFn = for<'c> fn(&View<'c>) -> Result<Vec<Type<'c>>>;

/// Folds, given the operands that are constants.
pub type FoldFn = for<'c> fn(&View<'c>, &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>>;

/// The optional parts of an op's meaning, as functions over its view.
#[derive(Default)]
pub struct Hooks {
    /// Checks what the table cannot say.
    pub verify: Option<for<'c> fn(&View<'c>) -> Result>,
    /// Checks what concerns the operations inside its regions.
    pub verify_regions: Option<for<'c> fn(&View<'c>) -> Result>,
    /// The types of its results, from operands and attributes.
    pub infer: Option<InferFn>,
    /// Simplifies it without creating operations.
    pub fold: Option<FoldFn>,
    /// Adds its canonicalization patterns.
    pub canonicalize: Option<fn(&mut Patterns)>,
    /// Reads a custom format.
    pub parse: Option<for<'c> fn(&Parser<'c>) -> Parsed>,
    /// Writes a custom format.
    pub print: Option<for<'c> fn(&View<'c>, &Printer<'_>)>,
}

/// The complete description of an operation that is written in Rust.
pub struct OpDef {
    /// The full name, dialect included.
    pub name: &'static str,
    /// The documentation of the struct.
    pub doc: &'static str,
    /// The operand fields in order.
    pub operands: Vec<ValueSpec>,
    /// The result fields in order.
    pub results: Vec<ValueSpec>,
    /// The attribute fields in order.
    pub attributes: Vec<AttributeSpec>,
    /// The region fields in order.
    pub regions: Vec<PartSpec>,
    /// The successor fields in order.
    pub successors: Vec<PartSpec>,
    /// MLIR's traits by the names of `#[op]`.
    pub traits: Vec<&'static str>,
    /// Whether it defines a symbol.
    pub is_symbol: bool,
    /// Whether its regions have no order of execution.
    pub is_graph_region: bool,
    /// Its effects on memory.
    pub effects: EffectSpec,
    /// The optional parts of its meaning.
    pub hooks: Hooks,
    /// Implementations of interfaces, with the interfaces' names.
    pub interfaces: Vec<(&'static str, Box<dyn Any + Send + Sync>)>,
    pub(crate) home: OnceLock<&'static Dialect>,
}

/// The attribute that holds the sizes of operand fields where their number is not plain.
pub const OPERAND_SEGMENTS: &str = "operand_segments";

impl OpDef {
    /// An operation with nothing but a name and its documentation.
    pub fn new(name: &'static str, doc: &'static str) -> Self {
        Self {
            name,
            doc,
            operands: Vec::new(),
            results: Vec::new(),
            attributes: Vec::new(),
            regions: Vec::new(),
            successors: Vec::new(),
            traits: Vec::new(),
            is_symbol: false,
            is_graph_region: false,
            effects: EffectSpec::Unknown,
            hooks: Hooks::default(),
            interfaces: Vec::new(),
            home: OnceLock::new(),
        }
    }

    /// The name without its dialect.
    pub fn mnemonic(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, mnemonic)| mnemonic)
    }

    /// Its dialect, once that is registered.
    pub fn home(&self) -> Option<&'static Dialect> {
        self.home.get().copied()
    }

    /// The name of its dialect.
    pub fn dialect(&self) -> &'static str {
        self.name.split_once('.').map_or("", |(dialect, _)| dialect)
    }

    /// Whether an attribute of this name is part of the operation, not an annotation on it.
    pub fn declares_attribute(&self, name: &str) -> bool {
        (name == OPERAND_SEGMENTS && self.needs_segments()) || self.attributes.iter().any(|a| a.name == name)
    }

    /// Whether it has a trait, by the names of `#[op]`.
    pub fn has_trait(&self, name: &str) -> bool {
        self.traits.contains(&name)
    }

    /// The implementation of an interface, by the type of its entry.
    pub fn interface<I: 'static>(&self) -> Option<&I> {
        self.interfaces.iter().find_map(|(_, entry)| entry.downcast_ref())
    }

    /// Whether it implements the interface of this name.
    pub fn implements(&self, name: &str) -> bool {
        self.interfaces.iter().any(|(known, _)| *known == name)
    }

    /// Whether more than one operand field has no fixed size.
    pub fn needs_segments(&self) -> bool {
        self.operands.iter().filter(|o| o.arity != Arity::One).count() > 1
    }

    /// What an error of this operation says, for a report that begins with its name.
    pub(crate) fn without_name(&self, error: &Error) -> String {
        let message = error.message();
        message.strip_prefix(&format!("'{}' op ", self.name)).map(str::to_owned).unwrap_or(message)
    }

    /// The sizes of the fields among `count` values, or the sentence that says why not.
    fn sizes(specs: &[ValueSpec], count: usize, segments: Option<Vec<i64>>, what: &str) -> Result<Vec<usize>, String> {
        let loose = specs.iter().filter(|s| s.arity != Arity::One).count();
        if loose == 0 {
            return if count == specs.len() {
                Ok(vec![1; count])
            } else {
                Err(format!("expects {} {what}s, but has {count}", specs.len()))
            };
        }
        let sizes: Vec<usize> = if loose == 1 {
            let fixed = specs.len() - 1;
            let rest =
                count.checked_sub(fixed).ok_or_else(|| format!("expects at least {fixed} {what}s, but has {count}"))?;
            specs.iter().map(|s| if s.arity == Arity::One { 1 } else { rest }).collect()
        } else {
            let segments = segments
                .ok_or_else(|| format!("needs the attribute '{OPERAND_SEGMENTS}' with the sizes of its fields"))?;
            let sizes: Vec<usize> = segments.iter().map(|s| usize::try_from(*s).unwrap_or(usize::MAX)).collect();
            let total = sizes.iter().try_fold(0usize, |sum, s| sum.checked_add(*s));
            if sizes.len() != specs.len() || total != Some(count) {
                return Err(format!(
                    "has '{OPERAND_SEGMENTS}' {segments:?}, which do not describe {count} {what}s \
                     in {} fields",
                    specs.len()
                ));
            }
            sizes
        };
        for (spec, size) in specs.iter().zip(&sizes) {
            let fits = match spec.arity {
                Arity::One => *size == 1,
                Arity::Optional => *size <= 1,
                Arity::Variadic => true,
            };
            if !fits {
                return Err(format!("expects one {what} '{}', but has {size}", spec.name));
            }
        }
        Ok(sizes)
    }

    /// Checks everything that the table says, and the inferred types.
    pub(crate) fn check(&self, view: &View<'_>) -> Result {
        let op = view.operation();
        let error = |message: String| Err(op.error(message));
        let segments = op.attribute(OPERAND_SEGMENTS).and_then(Attribute::as_i64_array);
        let operands = Self::sizes(&self.operands, op.operand_count(), segments, "operand").or_else(error)?;
        let results = Self::sizes(&self.results, op.result_count(), None, "result").or_else(error)?;
        check_types(op, &self.operands, &operands, op.operands(), "operand")?;
        check_types(op, &self.results, &results, op.results(), "result")?;
        if self.has_trait("same_type")
            && let Some(first) = op.operands().next()
            && let Some(other) = op.operands().chain(op.results()).find(|v| !compatible(first.ty(), v.ty()))
        {
            return Err(op.error(format!(
                "requires the same type for all operands and results, but has '{}' and '{}'",
                first.ty(),
                other.ty()
            )));
        }
        for spec in &self.attributes {
            match op.attribute(spec.name) {
                None if spec.required && spec.default.is_none() => {
                    return Err(op.error(format!("requires attribute '{}'", spec.name)));
                }
                Some(value) if !(spec.accepts)(value) => {
                    return Err(op.error(spec.refusal("attribute", value)));
                }
                _ => {}
            }
        }
        check_count(op, &self.regions, op.region_count(), "region")?;
        check_count(op, &self.successors, op.successors().len(), "successor")?;
        if let Some(infer) = self.hooks.infer {
            let inferred = infer(view).map_err(|e| op.error(self.without_name(&e)))?;
            for (index, (inferred, actual)) in inferred.iter().zip(op.results()).enumerate() {
                if !compatible(*inferred, actual.ty()) {
                    return Err(op.error(format!(
                        "result #{index} is of type '{}', but its operands make it '{inferred}'",
                        actual.ty()
                    )));
                }
            }
        }
        Ok(())
    }
}

fn spaced(label: &str) -> String {
    if label.is_empty() { String::new() } else { format!("{label} ") }
}

fn check_types<'c>(
    op: Operation<'c>,
    specs: &[ValueSpec],
    sizes: &[usize],
    mut values: impl Iterator<Item = Value<'c>>,
    what: &str,
) -> Result {
    let mut index = 0;
    for (spec, size) in specs.iter().zip(sizes) {
        for value in values.by_ref().take(*size) {
            if !(spec.constraint.accepts)(value.ty()) {
                return Err(op.error(format!(
                    "{}{what} #{index} '{}' must be {}, but is '{}'",
                    spaced(spec.label),
                    spec.name,
                    (spec.constraint.description)(),
                    value.ty()
                )));
            }
            index += 1;
        }
    }
    Ok(())
}

fn check_count(op: Operation<'_>, specs: &[PartSpec], count: usize, what: &str) -> Result {
    let variadic = specs.last().is_some_and(|s| s.variadic);
    let fixed = specs.len() - usize::from(variadic);
    if count == fixed || (variadic && count > fixed) {
        return Ok(());
    }
    let at_least = if variadic { "at least " } else { "" };
    Err(op.error(format!("expects {at_least}{fixed} {what}s, but has {count}")))
}

/// A struct that `#[op]` made: a typed handle of one kind of operation.
pub trait Op<'c>: Sized + Clone {
    /// The table of the operation.
    fn definition() -> &'static OpDef;

    /// The handle of a view of the right definition.
    fn from_view(view: View<'c>) -> Self;

    /// The view behind the handle.
    fn view(&self) -> &View<'c>;

    /// The typed handle, if `op` is of this kind.
    #[track_caller]
    fn of(op: Operation<'c>) -> Option<Self> {
        View::of(op, Self::definition()).map(Self::from_view)
    }

    /// The operation.
    #[track_caller]
    fn operation(&self) -> Operation<'c> {
        self.view().operation()
    }

    /// The owning context.
    fn context(&self) -> ContextRef<'c> {
        self.view().context()
    }

    /// An error at the operation; also while its types are inferred.
    fn error(&self, message: impl std::fmt::Display) -> Error {
        self.view().error(message)
    }
}

/// Checks what the table of an op cannot say.
pub trait Verify {
    /// The error that is reported at the operation.
    fn verify(&self) -> Result;
}

/// Checks what concerns the operations inside an op's regions, after those are valid.
pub trait VerifyRegions {
    /// The error that is reported at the operation.
    fn verify_regions(&self) -> Result;
}

/// Computes the types of an op's results; used by builder, parser and verifier.
pub trait Infer<'c> {
    /// One type per result; results cannot be asked for, since there are none yet.
    fn infer(&self) -> Result<Vec<Type<'c>>>;
}

/// Simplifies an op without creating operations.
pub trait Fold<'c> {
    /// `constants` has the value of each operand that is known.
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>>;
}

/// Contributes patterns to `--canonicalize`.
pub trait Canonicalize {
    /// Adds the patterns.
    fn canonicalize(patterns: &mut Patterns);
}

/// Tells an op's effects on memory.
pub trait MemoryEffects<'c> {
    /// All of them.
    fn effects(&self) -> Vec<Effect<'c>>;
}

/// Gives an op a syntax of its own in place of the derived one.
pub trait Assembly {
    /// Reads what follows the op's name.
    fn parse(p: &Parser<'_>) -> Parsed;
    /// Writes what follows the op's name.
    fn print(&self, p: &Printer<'_>);
}

/// Makes an operation of `def`, inferring its result types where `results` is `None`.
///
/// The new operation is verified; on an error it is taken back.
#[track_caller]
pub fn build<'c>(
    b: &Builder<'c>,
    def: &'static OpDef,
    operands: &[Vec<Value<'c>>],
    mut attributes: Vec<(&'static str, Attribute<'c>)>,
    successors: Vec<Block<'c>>,
    results: Option<Vec<Type<'c>>>,
) -> Result<View<'c>> {
    let cx = b.context();
    if def.needs_segments() {
        let sizes: Vec<i64> = operands.iter().map(|group| group.len() as i64).collect();
        attributes.push((OPERAND_SEGMENTS, Attribute::i64_array(cx, &sizes)));
    }
    assemble(b, def, operands.concat(), attributes, successors, results)
}

/// Like [`build`], from operands in one list and a dictionary of attributes, sizes of operand fields included.
#[track_caller]
pub fn build_flat<'c>(
    b: &Builder<'c>,
    def: &'static OpDef,
    operands: Vec<Value<'c>>,
    attributes: Attribute<'c>,
    results: Option<Vec<Type<'c>>>,
) -> Result<View<'c>> {
    assemble(b, def, operands, attributes.as_dictionary().unwrap_or_default(), Vec::new(), results)
}

#[track_caller]
fn assemble<'c>(
    b: &Builder<'c>,
    def: &'static OpDef,
    operands: Vec<Value<'c>>,
    attributes: Vec<(&'c str, Attribute<'c>)>,
    successors: Vec<Block<'c>>,
    results: Option<Vec<Type<'c>>>,
) -> Result<View<'c>> {
    let results = match results {
        Some(results) => results,
        None => {
            let dictionary = Attribute::dictionary(b.context(), &attributes);
            let plan = View::planned(def, b.location(), operands.clone(), dictionary);
            infer_types(def, &plan)?
        }
    };
    let mut blueprint = Blueprint::new(def.name).operands(operands).results(results);
    blueprint.regions = def.regions.iter().filter(|r| !r.variadic).count();
    blueprint.successors = successors;
    blueprint.attributes = attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let op = b.insert(&blueprint)?;
    let view = View::live(op, def);
    let outcome = def.check(&view).and_then(|()| match def.hooks.verify {
        Some(verify) if def.regions.is_empty() => verify(&view),
        _ => Ok(()),
    });
    if let Err(error) = outcome {
        b.take_back(op);
        return Err(error);
    }
    Ok(view)
}

/// The result types of an operation about to be made.
pub(crate) fn infer_types<'c>(def: &'static OpDef, plan: &View<'c>) -> Result<Vec<Type<'c>>> {
    if let Some(infer) = def.hooks.infer {
        return infer(plan);
    }
    if def.has_trait("same_type")
        && let Some(first) = plan.operands().first()
    {
        return Ok(vec![first.ty(); def.results.len()]);
    }
    Err(Error::at(plan.location(), format!("'{}' op does not infer its result types", def.name)))
}
