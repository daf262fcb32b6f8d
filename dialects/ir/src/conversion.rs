//! Dialect conversion: what is illegal for a target is rewritten into what is legal, types included.
//!
//! A [`Conversion`] holds a [`ConversionTarget`], which says what is legal, and groups of [`ConversionPatterns`], each
//! with the [`TypeConverter`] that its patterns see values through. MLIR runs a conversion as one transaction: where it
//! fails, the IR is what it was before.
//!
//! ```
//! use thunder_ir::conversion::*;
//! use thunder_ir::prelude::*;
//! # let context = Context::new(&Registry::upstream());
//! # let source = "func.func @f(%x: i32) -> i32 { %0 = arith.addi %x, %x : i32  return %0 : i32 }";
//! # let module = Module::parse(&context, "doc", source.as_bytes())?;
//! // Every i32 becomes an i64, through functions, calls and branches.
//! let wide = TypeConverter::new().one(|ty| Ok(Some(ty))).one(|ty| {
//!     Ok((ty == Type::int(ty.context(), 32)).then(|| Type::int(ty.context(), 64)))
//! });
//! let add = ConversionPattern::roots("widen-add", &["arith.addi"], |op, operands, rw| {
//!     let blueprint = thunder_ir::Blueprint::new("arith.addi")
//!         .operands(operands.ones()?)
//!         .results([rw.convert_type(op.result(0).ty())?]);
//!     rw.replace_op(op, rw.insert(&blueprint)?)?;
//!     Ok(())
//! });
//! let target = ConversionTarget::new().functions(&wide).dynamic_dialect("arith", {
//!     let wide = wide.clone();
//!     move |op| wide.accepts(op)
//! });
//! let conversion = Conversion::new(target).with(ConversionPatterns::of(wide).functions().with(add));
//! let op = conversion.full(module.operation())?;
//! assert!(op.to_string().contains("func.func @f(%arg0: i64) -> i64"));
//! # Ok::<(), Error>(())
//! ```

use crate::diagnostic::Result;
use crate::op::Op;
use crate::raw::block::{Block, Region};
use crate::raw::builder::Builder;
use crate::raw::conversion::{self as raw, Mode};
use crate::raw::operation::Operation;
use crate::raw::types::Type;
use crate::raw::value::Value;
use crate::rewrite::{Mismatch, Patterns, Rewritten};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

pub use crate::raw::conversion::ConversionRewriter;

/// Decides about one operation.
pub type LegalFn = dyn for<'c> Fn(Operation<'c>) -> Result<bool> + Send + Sync;

#[derive(Clone)]
enum Rule {
    Fixed(bool),
    Dynamic(Arc<LegalFn>),
}

impl Rule {
    fn answer(&self, op: Operation<'_>) -> Result<bool> {
        match self {
            Self::Fixed(legal) => Ok(*legal),
            Self::Dynamic(legal) => legal(op),
        }
    }
}

/// Says which operations a conversion must get rid of. What is said of an op counts before what is said of its
/// dialect; the last word on each counts.
///
/// An operation that nothing is said of must be converted by a full conversion, and may stay after a partial one.
#[derive(Clone, Default)]
pub struct ConversionTarget {
    ops: BTreeMap<String, Rule>,
    dialects: BTreeMap<String, Rule>,
    unknown: Option<Rule>,
    pub(crate) kept: Vec<String>,
}

impl ConversionTarget {
    /// A target of which nothing is said.
    pub fn new() -> Self {
        Self::default()
    }

    fn op(mut self, name: &str, rule: Rule) -> Self {
        self.ops.insert(name.to_owned(), rule);
        self
    }

    fn dialect(mut self, name: &str, rule: Rule) -> Self {
        self.dialects.insert(name.to_owned(), rule);
        self
    }

    /// Operations of this name are legal.
    pub fn legal_op(self, name: &str) -> Self {
        self.op(name, Rule::Fixed(true))
    }

    /// Operations of this name are legal with everything in their regions, which is left alone.
    pub fn legal_with_contents(mut self, name: &str) -> Self {
        self.kept.push(name.to_owned());
        self
    }

    /// Operations of this name are illegal.
    pub fn illegal_op(self, name: &str) -> Self {
        self.op(name, Rule::Fixed(false))
    }

    /// Operations of this name are legal where `legal` says so.
    pub fn dynamic_op(
        self,
        name: &str,
        legal: impl for<'c> Fn(Operation<'c>) -> Result<bool> + Send + Sync + 'static,
    ) -> Self {
        self.op(name, Rule::Dynamic(Arc::new(legal)))
    }

    /// Operations of this dialect are legal.
    pub fn legal_dialect(self, name: &str) -> Self {
        self.dialect(name, Rule::Fixed(true))
    }

    /// Operations of this dialect are illegal.
    pub fn illegal_dialect(self, name: &str) -> Self {
        self.dialect(name, Rule::Fixed(false))
    }

    /// Operations of this dialect are legal where `legal` says so.
    pub fn dynamic_dialect(
        self,
        name: &str,
        legal: impl for<'c> Fn(Operation<'c>) -> Result<bool> + Send + Sync + 'static,
    ) -> Self {
        self.dialect(name, Rule::Dynamic(Arc::new(legal)))
    }

    /// Operations that nothing else is said of are legal where `legal` says so.
    pub fn unknown(mut self, legal: impl for<'c> Fn(Operation<'c>) -> Result<bool> + Send + Sync + 'static) -> Self {
        self.unknown = Some(Rule::Dynamic(Arc::new(legal)));
        self
    }

    /// Functions, calls, returns and branches are legal once all their types are; see
    /// [`ConversionPatterns::functions`].
    pub fn functions(self, types: &TypeConverter) -> Self {
        const NAMES: [&str; 6] = ["func.func", "func.call", "func.return", "cf.br", "cf.cond_br", "cf.switch"];
        NAMES.iter().fold(self, |target, name| {
            let types = types.clone();
            target.dynamic_op(name, move |op| types.accepts(op))
        })
    }

    /// What the target says of `op`, if anything.
    pub(crate) fn answer(&self, op: Operation<'_>) -> Option<Result<bool>> {
        let name = op.name();
        let dialect = name.split_once('.').map_or("builtin", |(dialect, _)| dialect);
        let rule = self.ops.get(name).or_else(|| self.dialects.get(dialect)).or(self.unknown.as_ref())?;
        Some(rule.answer(op))
    }
}

/// Converts a type: to any number of types, or not because another rule shall.
pub type ConvertFn = dyn for<'c> Fn(Type<'c>) -> Result<Option<Vec<Type<'c>>>> + Send + Sync;

/// Makes values of the given types from inputs, or does not because another rule shall; the last argument is the type
/// that the values had before the conversion, where it is known.
pub type CastFn = dyn for<'c> Fn(&Builder<'c>, &[Type<'c>], &[Value<'c>], Option<Type<'c>>) -> Result<Option<Vec<Value<'c>>>>
    + Send
    + Sync;

/// Says what types become, and how values get from one type to the other where both are in use.
///
/// Rules added later are asked first. A type that no rule converts cannot be converted; `.one(|ty| Ok(Some(ty)))` as
/// the first rule keeps all others as they are.
#[derive(Clone, Default)]
pub struct TypeConverter {
    rules: Vec<Arc<ConvertFn>>,
    sources: Vec<Arc<CastFn>>,
    targets: Vec<Arc<CastFn>>,
}

impl TypeConverter {
    /// A converter without rules.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a rule from one type to one type.
    pub fn one(self, rule: impl for<'c> Fn(Type<'c>) -> Result<Option<Type<'c>>> + Send + Sync + 'static) -> Self {
        self.many(move |ty| Ok(rule(ty)?.map(|ty| vec![ty])))
    }

    /// Adds a rule from one type to any number: each value is replaced by that many, of none it disappears.
    pub fn many(
        mut self,
        rule: impl for<'c> Fn(Type<'c>) -> Result<Option<Vec<Type<'c>>>> + Send + Sync + 'static,
    ) -> Self {
        self.rules.push(Arc::new(rule));
        self
    }

    /// Adds a source materialization: makes a value of the original type from the converted ones, for users that
    /// are not converted.
    pub fn source(
        mut self,
        cast: impl for<'c> Fn(&Builder<'c>, Type<'c>, &[Value<'c>]) -> Result<Option<Value<'c>>> + Send + Sync + 'static,
    ) -> Self {
        self.sources.push(Arc::new(move |b, types, inputs, _| Ok(cast(b, types[0], inputs)?.map(|value| vec![value]))));
        self
    }

    /// Adds a target materialization: makes values of the converted types from what there is, for users that are
    /// converted already.
    pub fn target(
        mut self,
        cast: impl for<'c> Fn(&Builder<'c>, &[Type<'c>], &[Value<'c>], Option<Type<'c>>) -> Result<Option<Vec<Value<'c>>>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.targets.push(Arc::new(cast));
        self
    }

    /// What a type becomes; `None` where no rule converts it.
    pub fn convert<'c>(&self, ty: Type<'c>) -> Result<Option<Vec<Type<'c>>>> {
        self.rules.iter().rev().find_map(|rule| rule(ty).transpose()).transpose()
    }

    /// Whether a type stays what it is.
    pub fn keeps(&self, ty: Type<'_>) -> Result<bool> {
        Ok(self.convert(ty)?.is_some_and(|types| types == [ty]))
    }

    /// Whether all types of `op` stay what they are: operands, results, arguments of entry blocks, and where it is a
    /// function its signature. The arguments of other blocks are the business of the operations that branch to them.
    pub fn accepts(&self, op: Operation<'_>) -> Result<bool> {
        let signature = op.attribute("function_type").and_then(|ty| ty.as_type()?.as_function());
        let (inputs, outputs) = signature.unwrap_or_default();
        let arguments = op.regions().filter_map(Region::entry).flat_map(Block::arguments);
        let values = op.operands().chain(op.results()).chain(arguments).map(Value::ty);
        for ty in inputs.into_iter().chain(outputs).chain(values) {
            if !self.keeps(ty)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The values that the first willing materialization makes.
    pub(crate) fn cast<'c>(
        &self,
        to_target: bool,
        b: &Builder<'c>,
        types: &[Type<'c>],
        inputs: &[Value<'c>],
        original: Option<Type<'c>>,
    ) -> Result<Option<Vec<Value<'c>>>> {
        let casts = if to_target { &self.targets } else { &self.sources };
        casts.iter().rev().find_map(|cast| cast(b, types, inputs, original).transpose()).transpose()
    }
}

/// The operands of an operation as the type converter of its pattern sees them: for each, the values it became.
pub struct Adapted<'c>(pub(crate) Vec<Vec<Value<'c>>>);

impl<'c> Adapted<'c> {
    /// The operands where each became one value; else the pattern does not match.
    pub fn ones(&self) -> Result<Vec<Value<'c>>, Mismatch> {
        let one = |group: &Vec<Value<'c>>| match group[..] {
            [value] => Ok(value),
            _ => Err(Mismatch::NoMatch("every operand is one value")),
        };
        self.0.iter().map(one).collect()
    }
}

impl<'c> Deref for Adapted<'c> {
    type Target = [Vec<Value<'c>>];
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// What a conversion pattern does with an operation and its converted operands.
pub type ConversionFn = dyn for<'c> Fn(Operation<'c>, &Adapted<'c>, &ConversionRewriter<'c>) -> Rewritten + Send + Sync;

/// A pattern that sees the operands of its operation converted, and replaces, erases or modifies it.
///
/// What it replaces is deleted at the end of the conversion only, yet its handles are dead at once. Until then the
/// operands that [`Operation::operands`] tells are the original ones, some of which belong to replaced operations.
#[derive(Clone)]
pub struct ConversionPattern {
    pub(crate) name: &'static str,
    pub(crate) roots: Vec<String>,
    pub(crate) benefit: u16,
    pub(crate) rewrite: Arc<ConversionFn>,
}

impl ConversionPattern {
    /// A pattern over every operation.
    pub fn any(
        name: &'static str,
        rewrite: impl for<'c> Fn(Operation<'c>, &Adapted<'c>, &ConversionRewriter<'c>) -> Rewritten + Send + Sync + 'static,
    ) -> Self {
        Self { name, roots: Vec::new(), benefit: 1, rewrite: Arc::new(rewrite) }
    }

    /// A pattern over operations of any of these names.
    pub fn roots(
        name: &'static str,
        roots: &[&str],
        rewrite: impl for<'c> Fn(Operation<'c>, &Adapted<'c>, &ConversionRewriter<'c>) -> Rewritten + Send + Sync + 'static,
    ) -> Self {
        Self { roots: roots.iter().map(|root| (*root).to_owned()).collect(), ..Self::any(name, rewrite) }
    }

    /// A pattern over one op of a Rust dialect, written as for [`Pattern::on`](crate::rewrite::Pattern::on).
    pub fn on<O: Op<'static>>(
        name: &'static str,
        rewrite: impl for<'c> Fn(Operation<'c>, &Adapted<'c>, &ConversionRewriter<'c>) -> Rewritten + Send + Sync + 'static,
    ) -> Self {
        Self::roots(name, &[O::definition().name], rewrite)
    }

    /// Sets the priority: of several patterns that match, higher ones are tried first.
    pub fn benefit(mut self, benefit: u16) -> Self {
        self.benefit = benefit;
        self
    }
}

/// Patterns that share a type converter.
#[derive(Clone, Default)]
pub struct ConversionPatterns {
    pub(crate) types: Option<TypeConverter>,
    pub(crate) patterns: Vec<ConversionPattern>,
    pub(crate) rewrites: Patterns,
    pub(crate) upstream: Vec<raw::Upstream>,
}

impl ConversionPatterns {
    /// Patterns that change no types.
    pub fn new() -> Self {
        Self::default()
    }

    /// Patterns that see operands through a type converter.
    pub fn of(types: TypeConverter) -> Self {
        Self { types: Some(types), ..Self::default() }
    }

    /// Adds a pattern.
    pub fn with(mut self, pattern: ConversionPattern) -> Self {
        self.patterns.push(pattern);
        self
    }

    /// Adds patterns of the greedy driver, PDL included; they see operands unconverted.
    pub fn rewrites(mut self, patterns: Patterns) -> Self {
        self.rewrites.extend(patterns);
        self
    }

    /// Adds MLIR's patterns that convert signatures of functions, calls, returns and branches.
    /// [`ConversionTarget::functions`] makes those illegal that they are for.
    pub fn functions(self) -> Self {
        self.upstream(raw::Upstream::Functions)
    }

    /// Adds MLIR's patterns that convert what flows through `scf.if`, `scf.for`, `scf.while` and their like, and
    /// makes those operations legal once their types are, whatever the target says of them.
    pub fn control_flow(self) -> Self {
        self.upstream(raw::Upstream::ControlFlow)
    }

    fn upstream(mut self, which: raw::Upstream) -> Self {
        assert!(self.types.is_some(), "patterns of MLIR that convert types need a type converter");
        self.upstream.push(which);
        self
    }
}

/// A conversion as a value, to be run any number of times, on any thread.
#[derive(Clone, Default)]
pub struct Conversion {
    pub(crate) target: ConversionTarget,
    pub(crate) groups: Vec<ConversionPatterns>,
}

impl Conversion {
    /// A conversion without patterns.
    pub fn new(target: ConversionTarget) -> Self {
        Self { target, groups: Vec::new() }
    }

    /// Adds patterns.
    pub fn with(mut self, patterns: ConversionPatterns) -> Self {
        self.groups.push(patterns);
        self
    }

    /// Converts everything below `op` that is illegal; what nothing is said of is converted where patterns can.
    ///
    /// `op` itself stays. Handles made before are dead afterwards, but for the one returned.
    #[track_caller]
    pub fn partial<'c>(&self, op: Operation<'c>) -> Result<Operation<'c>> {
        raw::apply(self, op, Mode::Partial)
    }

    /// Like [`partial`](Self::partial), but what nothing is said of must be converted as well.
    #[track_caller]
    pub fn full<'c>(&self, op: Operation<'c>) -> Result<Operation<'c>> {
        raw::apply(self, op, Mode::Full)
    }

    /// Which operations below `op` are legal or could be converted, in order; nothing is changed.
    #[track_caller]
    pub fn analyze<'c>(&self, op: Operation<'c>) -> Result<Vec<Operation<'c>>> {
        raw::run(self, op, Mode::Analysis)
    }
}
