//! Folding by value: ops over constants become constants.
//!
//! One function serves every op with a `Scalar` body or a `Reference`. It refuses what would make
//! the program large: tensors beyond [`LIMIT`] are computed only where one element says all.

use crate::literal::literal_tensor;
use thunder_interface::{Scalar, attribute_to_tensor, compute, dtype_of, tensor_to_attribute, tensor_type};
use thunder_ir::op::Op;
use thunder_ir::{Attribute, Type, Value, prelude::*};
use thunder_tensor::{DType, Tensor as HostTensor};

/// The bytes that a tensor may have to take part in folding, unless it is one element repeated.
pub const LIMIT: i64 = 64 << 10;

/// The op's value, if all operands are constants and it is cheap to have.
pub fn fold_constants<'c>(op: &impl Op<'c>, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
    if constants.is_empty() || constants.iter().any(Option::is_none) {
        return None;
    }
    let constants: Vec<Attribute<'c>> = constants.iter().flatten().copied().collect();
    let operation = op.operation();
    if let Some(folded) = fold_splats(operation, &constants) {
        return Some(folded);
    }
    let mut types = operation.operands().chain(operation.results()).map(Value::ty);
    if !types.all(|ty| bytes(ty).is_some_and(|bytes| bytes <= LIMIT)) {
        return None;
    }
    let inputs = constants.into_iter().map(value_of).collect::<Option<Vec<_>>>()?;
    let values = compute(operation, &inputs)?.ok()?;
    let folded = operation.results().zip(values).map(|(result, value)| {
        let fits = tensor_type(operation.context(), &value) == result.ty();
        fits.then(|| Folded::Constant(compact(operation.context(), &value)))
    });
    Some(FoldOutcome::Replaced(folded.collect::<Option<_>>()?))
}

/// An elementwise op over constants of one repeated element each, whatever their size.
fn fold_splats<'c>(operation: Operation<'c>, constants: &[Attribute<'c>]) -> Option<FoldOutcome<'c>> {
    <dyn Scalar>::of(operation)?;
    let elements = constants
        .iter()
        .map(|c| has_elements(c.ty()?).then(|| c.splat_value()).flatten().and_then(literal_tensor))
        .collect::<Option<Vec<_>>>()?;
    let values = compute(operation, &elements)?.ok()?;
    let ty = operation.result(0).ty();
    let element = tensor_to_attribute(operation.context(), values.first()?).splat_value()?;
    Some(replaced(Folded::Constant(Attribute::splat(ty, element)?)))
}

/// For ops that only move elements: the repeated element of the operand, in the result's shape.
pub fn fold_moved_splat<'c>(op: &impl Op<'c>, constant: Option<Attribute<'c>>) -> Option<FoldOutcome<'c>> {
    let constant = constant?;
    if !has_elements(constant.ty()?) {
        return None;
    }
    let value = constant.splat_value()?;
    Some(replaced(Folded::Constant(Attribute::splat(op.operation().result(0).ty(), value)?)))
}

/// The op's only result is `value`, if that has the result's type.
pub fn fold_to<'c>(op: &impl Op<'c>, value: Value<'c>) -> Option<FoldOutcome<'c>> {
    (op.operation().result(0).ty() == value.ty()).then(|| replaced(Folded::Value(value)))
}

/// The op that makes `value`, if it is an `O`.
pub fn producer<'c, O: Op<'c>>(value: Value<'c>) -> Option<O> {
    O::of(value.defining_op()?)
}

/// One result's replacement.
pub fn replaced(value: Folded<'_>) -> FoldOutcome<'_> {
    FoldOutcome::Replaced(vec![value])
}

fn has_elements(ty: Type<'_>) -> bool {
    ty.as_tensor().and_then(|t| t.static_dims()).is_some_and(|sizes| !sizes.contains(&0))
}

/// The bytes of a static tensor; those of a scalar are nothing.
fn bytes(ty: Type<'_>) -> Option<i64> {
    let Some(tensor) = ty.as_tensor() else { return Some(0) };
    let size = dtype_of(tensor.element())?.size() as i64;
    let sizes = tensor.static_dims()?;
    if sizes.contains(&0) {
        return Some(0);
    }
    sizes.iter().try_fold(size, |bytes, size| bytes.checked_mul(*size))
}

fn value_of(constant: Attribute<'_>) -> Option<HostTensor> {
    if constant.is_dense() {
        return attribute_to_tensor(constant);
    }
    constant.as_integer().map(HostTensor::scalar)
}

/// Dense elements, stored once if they are all the same bits.
fn compact<'c>(cx: ContextRef<'c>, value: &HostTensor) -> Attribute<'c> {
    let (bytes, size) = (value.bytes(), value.dtype().size());
    let same = value.len() > 1 && bytes.chunks_exact(size).all(|element| element == &bytes[..size]);
    let splat = (same && value.dtype() != DType::Bool)
        .then(|| Attribute::dense(tensor_type(cx, value), &bytes[..size]))
        .flatten();
    splat.unwrap_or_else(|| tensor_to_attribute(cx, value))
}
