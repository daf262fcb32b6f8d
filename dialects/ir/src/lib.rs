//! Dialects, rewrites and passes on real MLIR, in safe Rust.
//!
//! A dialect is a list of structs with `#[op]`; MLIR's own parser, verifier, folder, CSE and
//! canonicalizer treat its operations as they treat those written in C++. Handles are sound: what
//! was erased panics with the place of the erasure, it never corrupts memory.
//!
//! [`tutorial`] is a whole dialect: a type, three ops, a rewrite, a pass and a lowering.

// The macros write `thunder_ir::...`, also inside this crate's tests.
extern crate self as thunder_ir;

pub mod attr;
pub mod codegen;
pub mod constraint;
pub mod conversion;
pub mod diagnostic;
pub mod dialect;
mod format;
pub mod op;
pub mod parametric;
pub mod pass;
pub mod pdl;
mod raw;
pub mod rewrite;
pub mod tools;
#[doc = concat!("```ignore\n", include_str!("../examples/tutorial.rs"), "```")]
pub mod tutorial {}

pub use diagnostic::{Diagnostic, Error, Result, Severity};
pub use dialect::Dialect;
pub use raw::assembly::{ParseFailure, Parsed, Parser, Printer, Unresolved};
pub use raw::attribute::Attribute;
pub use raw::block::{Block, Region};
pub use raw::builder::{Blueprint, Builder, Rewriter};
pub use raw::context::{Context, ContextRef, Location, Registry};
pub use raw::module::Module;
pub use raw::operation::Operation;
pub use raw::types::{Scalar, TensorType, Type};
pub use raw::value::Value;
pub use thunder_ir_macros::{AttrKind, attr, op, pass, ty};

/// What a file that defines ops, patterns or passes needs.
pub mod prelude {
    pub use crate::attr::{AttrKind, Dense, SymbolName, SymbolPath, SymbolRef, Unit};
    pub use crate::constraint::{
        Any, AnyNumber, AnyScalar, Bits, Bool, Comparable, ComplexNumber, Either, F32, F64, Float, Float8,
        FloatOrComplex, I32, I64, Index, Integer, IntegerOrBool, Number, Ordered, Ranked, Tensor,
    };
    pub use crate::op::{
        Assembly, Canonicalize, Effect, EffectKind, Fold, FoldOutcome, Folded, Infer, MemoryEffects, Op, Verify,
        VerifyRegions,
    };
    pub use crate::parametric::{AttrDef, ParameterAssembly, TypeDef};
    pub use crate::pass::{Pass, PassContext, Pipeline};
    pub use crate::rewrite::{Mismatch, OrNoMatch, Pattern, Patterns, Rewritten};
    pub use crate::{
        Attribute, Block, Builder, Context, ContextRef, Dialect, Error, Location, Module, Operation, Parsed, Parser,
        Printer, Region, Registry, Result, Rewriter, Severity, Type, Value, require,
    };
    pub use thunder_ir_macros::{AttrKind, attr, op, pass, ty};
}
