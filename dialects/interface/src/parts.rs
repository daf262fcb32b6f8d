//! Ops on complex numbers in terms of ops on real ones.

use crate::{Decompose, dtype_of};
use thunder_ir::{Builder, Operation, Result, Type, Value};

/// Rewrites an op by the real and imaginary parts of the complex numbers that it takes or makes.
///
/// It is asked where an operand or a result is complex only, and takes precedence over the op's `Decompose`, `Scalar` and
/// `Reference` there. What it builds may contain simpler ops on complex numbers.
pub trait Parts {
    /// Builds the results at the builder's insertion point.
    fn by_parts<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>>;
}

crate::interface!(Parts);

/// Whether a type is a tensor of complex numbers.
pub fn is_complex(ty: Type<'_>) -> bool {
    ty.as_tensor().and_then(|tensor| dtype_of(tensor.element())).is_some_and(|dtype| dtype.is_complex())
}

/// Whether an op takes or makes complex numbers.
pub fn on_complex(op: Operation<'_>) -> bool {
    op.operands().chain(op.results()).any(|value| is_complex(value.ty()))
}

/// The rule for an op's parts, where it is on complex numbers.
pub(crate) fn parts(op: Operation<'_>) -> Option<Box<dyn Parts + '_>> {
    on_complex(op).then(|| <dyn Parts>::of(op)).flatten()
}

/// How an op is made of simpler ones: by its parts, where it is on complex numbers, else by its `Decompose`.
pub fn simpler<'c>(op: Operation<'c>) -> Option<Box<dyn Decompose + 'c>> {
    match parts(op) {
        Some(parts) => Some(Box::new(ByParts(parts))),
        None => <dyn Decompose>::of(op),
    }
}

struct ByParts<'c>(Box<dyn Parts + 'c>);

impl Decompose for ByParts<'_> {
    fn decompose<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        self.0.by_parts(b)
    }
}
