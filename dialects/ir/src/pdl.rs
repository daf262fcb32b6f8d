//! Patterns written in the PDL dialect, with constraints and rewrites in Rust.
//!
//! MLIR matches them with its own interpreter, all patterns of a set at once. What a pattern does on a match is
//! interpreted here: MLIR trusts that a rewrite creates what is valid and that native code never fails, and ends the
//! process or worse where that is not so; here both are errors.
//!
//! ```
//! use thunder_ir::pdl::{PdlPatterns, PdlValue};
//! use thunder_ir::prelude::*;
//! # let context = Context::new(&Registry::upstream());
//! # let source = "func.func @f(%x: i32) -> i32 { %c = arith.constant 8 : i32  %0 = arith.muli %x, %c : i32  return %0 : i32 }";
//! # let module = Module::parse(&context, "doc", source.as_bytes())?;
//! // x * 2^n == x << n
//! let shifts = PdlPatterns::parse(
//!     context.as_ref(),
//!     r#"pdl.pattern : benefit(1) {
//!         %x = pdl.operand
//!         %type = pdl.type
//!         %value = pdl.attribute : %type
//!         %constant = pdl.operation "arith.constant" {"value" = %value} -> (%type : !pdl.type)
//!         %c = pdl.result 0 of %constant
//!         pdl.apply_native_constraint "power of two"(%value : !pdl.attribute)
//!         %mul = pdl.operation "arith.muli"(%x, %c : !pdl.value, !pdl.value) -> (%type : !pdl.type)
//!         pdl.rewrite %mul {
//!             %log = pdl.apply_native_rewrite "log"(%value : !pdl.attribute) : !pdl.attribute
//!             %shift = pdl.operation "arith.constant" {"value" = %log} -> (%type : !pdl.type)
//!             %n = pdl.result 0 of %shift
//!             %new = pdl.operation "arith.shli"(%x, %n : !pdl.value, !pdl.value) -> (%type : !pdl.type)
//!             pdl.replace %mul with %new
//!         }
//!     }"#,
//! )?
//! .constraint("power of two", |args| {
//!     Ok(args[0].attribute()?.as_integer().is_some_and(|value| value > 0 && value & (value - 1) == 0))
//! })
//! .rewrite("log", |args, _| {
//!     let value = args[0].attribute()?;
//!     let log = value.as_integer().unwrap_or(1).ilog2();
//!     let ty = value.ty().ok_or("an integer has a type")?;
//!     Ok(vec![PdlValue::Attribute(Attribute::integer(ty, log.into()))])
//! });
//! let (op, _) = thunder_ir::rewrite::apply_greedily(module.operation(), Patterns::new().pdl(shifts), Default::default())?;
//! assert!(op.to_string().contains("arith.shli"));
//! # Ok::<(), Error>(())
//! ```

mod program;

use crate::diagnostic::{Error, Result};
use crate::raw::attribute::Attribute;
use crate::raw::builder::Rewriter;
use crate::raw::context::ContextRef;
use crate::raw::operation::Operation;
use crate::raw::types::Type;
use crate::raw::value::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use program::{Program, prepare};

/// What PDL passes to native code, and gets back.
#[derive(Clone, Debug)]
pub enum PdlValue<'c> {
    /// `!pdl.attribute`
    Attribute(Attribute<'c>),
    /// `!pdl.operation`
    Operation(Operation<'c>),
    /// `!pdl.type`
    Type(Type<'c>),
    /// `!pdl.range<type>`
    Types(Vec<Type<'c>>),
    /// `!pdl.value`
    Value(Value<'c>),
    /// `!pdl.range<value>`
    Values(Vec<Value<'c>>),
}

impl<'c> PdlValue<'c> {
    /// PDL's spelling of its type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Attribute(_) => "!pdl.attribute",
            Self::Operation(_) => "!pdl.operation",
            Self::Type(_) => "!pdl.type",
            Self::Types(_) => "!pdl.range<type>",
            Self::Value(_) => "!pdl.value",
            Self::Values(_) => "!pdl.range<value>",
        }
    }

    fn wrong<T>(&self, expected: &str) -> Result<T> {
        Err(Error::new(format!("expected a {expected}, but this is a {}", self.kind())))
    }

    /// The attribute that it is.
    pub fn attribute(&self) -> Result<Attribute<'c>> {
        if let Self::Attribute(attribute) = self { Ok(*attribute) } else { self.wrong("!pdl.attribute") }
    }

    /// The operation that it is.
    pub fn operation(&self) -> Result<Operation<'c>> {
        if let Self::Operation(op) = self { Ok(*op) } else { self.wrong("!pdl.operation") }
    }

    /// The types that it is, one or many.
    pub fn types(&self) -> Result<Vec<Type<'c>>> {
        match self {
            Self::Type(ty) => Ok(vec![*ty]),
            Self::Types(types) => Ok(types.clone()),
            _ => self.wrong("!pdl.range<type>"),
        }
    }

    /// The values that it is, one or many.
    pub fn values(&self) -> Result<Vec<Value<'c>>> {
        match self {
            Self::Value(value) => Ok(vec![*value]),
            Self::Values(values) => Ok(values.clone()),
            _ => self.wrong("!pdl.range<value>"),
        }
    }

    /// The one type that it is.
    pub fn ty(&self) -> Result<Type<'c>> {
        if let Self::Type(ty) = self { Ok(*ty) } else { self.wrong("!pdl.type") }
    }

    /// The one value that it is.
    pub fn value(&self) -> Result<Value<'c>> {
        if let Self::Value(value) = self { Ok(*value) } else { self.wrong("!pdl.value") }
    }
}

/// Decides whether a match goes on.
pub type ConstraintFn = dyn for<'c> Fn(&[PdlValue<'c>]) -> Result<bool> + Send + Sync;

/// Does a part of a rewrite.
pub type NativeFn = dyn for<'c> Fn(&[PdlValue<'c>], &Rewriter<'c>) -> Result<Vec<PdlValue<'c>>> + Send + Sync;

/// A module of PDL patterns with its native code; belongs to no context.
///
/// Two names of native code never meet: each value of this type has its own. Constraints have no results.
#[derive(Clone)]
pub struct PdlPatterns {
    pub(crate) bytecode: Arc<[u8]>,
    pub(crate) constraints: BTreeMap<String, Arc<ConstraintFn>>,
    pub(crate) rewrites: BTreeMap<String, Arc<NativeFn>>,
}

impl PdlPatterns {
    /// Reads patterns in MLIR's text, or bytecode of such, and checks that MLIR can compile them.
    pub fn parse(cx: ContextRef<'_>, source: impl AsRef<[u8]>) -> Result<Self> {
        let bytecode = crate::raw::pdl::check(cx, source.as_ref())?.into();
        Ok(Self { bytecode, constraints: BTreeMap::new(), rewrites: BTreeMap::new() })
    }

    /// Takes the patterns in a module, which stays what it is.
    pub fn from_module(module: Operation<'_>) -> Result<Self> {
        Self::parse(module.context(), module.to_bytecode())
    }

    /// Defines what `pdl.apply_native_constraint` asks for by this name.
    pub fn constraint(
        mut self,
        name: &str,
        holds: impl for<'c> Fn(&[PdlValue<'c>]) -> Result<bool> + Send + Sync + 'static,
    ) -> Self {
        self.constraints.insert(name.to_owned(), Arc::new(holds));
        self
    }

    /// Defines what `pdl.apply_native_rewrite`, or `pdl.rewrite ... with`, calls by this name. The latter gets the
    /// root before its other arguments.
    pub fn rewrite(
        mut self,
        name: &str,
        rewrite: impl for<'c> Fn(&[PdlValue<'c>], &Rewriter<'c>) -> Result<Vec<PdlValue<'c>>> + Send + Sync + 'static,
    ) -> Self {
        self.rewrites.insert(name.to_owned(), Arc::new(rewrite));
        self
    }
}
