//! The questions that passes ask of ops, below every dialect.
//!
//! An interface is a trait that the struct of an op implements and names in
//! `#[op(..., interfaces(...))]`; a pass asks `<dyn Interface>::of(op)`. A missing implementation is
//! never a panic: the pass has a default, or reports the op by its location.

mod adjoint;
mod checkpoint;
mod control;
mod cost;
mod decompose;
mod differentiate;
mod dim;
mod eval;
mod expr;
mod interpreter;
mod library;
mod memory;
mod names;
mod numerics;
mod panels;
mod parts;
mod precision;
mod quantize;
mod recompute;
mod reference;
mod restate;
mod rules;
mod samples;
mod scalar;
mod shape;
mod shard;
mod size;
mod strided;
mod table;
mod types;
mod uniform;

pub use adjoint::{adjoint, is_compound};
pub use checkpoint::{CHECKPOINT, inherit_checkpoint};
pub use control::{Control, Flow};
pub use cost::{Cost, Work};
pub use decompose::Decompose;
pub use differentiate::Differentiate;
pub use dim::{Dim, DimExpr, collect_equalities};
pub use eval::evaluate;
pub use expr::{BinaryFn, Compare, Expr, ExprKind, UnaryFn};
pub use interpreter::{compute, interpret, interpret_in_place};
pub use library::{Library, LibraryCall};
pub use memory::{Alias, Memory, MemoryAccess, memory_of};
pub use names::{COMPLEX, DIM_NAMES, INITIAL, NAME, PARAMETER, RANGES, UPDATES};
pub use numerics::agree;
pub use panels::{Panels, Steps};
pub use parts::{Parts, is_complex, on_complex, simpler};
pub use precision::{Precision, PrecisionClass};
pub use quantize::Quantize;
pub use recompute::{Recompute, RecomputeClass};
pub use reference::{EvalError, Reference};
pub use restate::Restate;
pub use rules::{
    AttributeTerm, Condition, Facts, Head, Match, Merge, Named, Names, Numerics, OpTerm, OperandTerm, Rule, Rules, Term,
};
pub use samples::{Dtypes, Sample, SampleSet, Samples};
pub use scalar::Scalar;
pub use shape::{ShapeInputs, ShapeRule};
pub use shard::{Factor, Shard, ShardRule};
pub use size::SizeRule;
pub use strided::{Strided, StridedView};
pub use types::{attribute_to_tensor, dtype_of, tensor_to_attribute, tensor_type, type_of};
pub use uniform::Uniform;

/// Makes a trait an interface: `<dyn Trait>::of(op)` finds the implementation of an operation.
///
/// ```ignore
/// pub trait Pretty { fn pretty(&self) -> String; }
/// thunder_interface::interface!(Pretty);
/// ```
#[macro_export]
macro_rules! interface {
    ($name:ident) => {
        impl dyn $name {
            $crate::interface!(@lookup $name, dyn $name + 'c);
        }
    };
    ($name:ident<'c>) => {
        impl dyn $name<'_> {
            $crate::interface!(@lookup $name, dyn $name<'c> + 'c);
        }
    };
    (@lookup $name:ident, $object:ty) => {
        /// The entry of an implementation in the table of an op; `#[op]` calls it.
        pub fn entry(
            cast: for<'c> fn(::thunder_ir::op::View<'c>) -> Box<$object>,
        ) -> Box<dyn ::std::any::Any + Send + Sync> {
            Box::new(cast)
        }

        /// The implementation of `op`, if its dialect has one.
        pub fn of<'c>(op: ::thunder_ir::Operation<'c>) -> Option<Box<$object>> {
            type Cast = for<'c> fn(::thunder_ir::op::View<'c>) -> Box<$object>;
            let definition = op.definition()?;
            let cast = definition.interface::<Cast>()?;
            Some(cast(::thunder_ir::op::View::of(op, definition)?))
        }
    };
}
