//! Result types from shape rules, and the pieces that shape rules share.

use thunder_interface::{Dim, EvalError, ShapeInputs, ShapeRule};
use thunder_ir::op::Op;
use thunder_ir::{Result, Type, Value};
use thunder_tensor::Tensor;

/// The result types of an op by its shape rule, with the given element type of each result.
pub fn infer_elements<'c>(op: &(impl Op<'c> + ShapeRule), elements: &[Type<'c>]) -> Result<Vec<Type<'c>>> {
    let operands = op.view().operands().into_iter().map(|v| declared(v.ty())).collect();
    let shapes = op.shapes(&ShapeInputs { operands, size: &|_| Dim::Unknown })?;
    Ok(shapes
        .iter()
        .zip(elements)
        .map(|(dims, element)| {
            let dims: Vec<_> = dims.iter().map(Dim::known).collect();
            Type::tensor(*element, &dims)
        })
        .collect())
}

/// Like [`infer_elements`], where all results have the element type of the first operand.
pub fn infer_like<'c>(op: &(impl Op<'c> + ShapeRule)) -> Result<Vec<Type<'c>>> {
    let element = op.view().operand(0).ty().element();
    infer_elements(op, &vec![element; Op::view(op).definition().results.len()])
}

/// The sizes that a type states.
pub fn declared(ty: Type<'_>) -> Vec<Dim> {
    ty.as_tensor().map_or_else(Vec::new, |t| t.dims().into_iter().map(Dim::of).collect())
}

/// The one shape that all operands have; an error with `label` where they are known to differ.
pub fn one_shape<'c>(op: &impl Op<'c>, inputs: &ShapeInputs<'_, '_>, label: &str) -> Result<Vec<Dim>> {
    let mut shape = inputs.operands[0].clone();
    for other in &inputs.operands[1..] {
        if other.len() != shape.len() {
            return Err(op.error(format!("{label} ranks differ: {} and {}", shape.len(), other.len())));
        }
        for (axis, (dim, other)) in shape.iter_mut().zip(other).enumerate() {
            *dim = dim.unify(other).map_err(|e| op.error(format!("{label} sizes of dimension {axis} differ: {e}")))?;
        }
    }
    Ok(shape)
}

/// `axis` as an index below `rank`; an error with `label` where it is not one.
pub fn checked_axis<'c>(op: &impl Op<'c>, axis: i64, rank: usize, label: &str) -> Result<usize> {
    usize::try_from(axis)
        .ok()
        .filter(|axis| *axis < rank)
        .ok_or_else(|| op.error(format!("{label} axis {axis} is not one of {rank} dimensions")))
}

/// The sizes of a result whose type is written out: those that the type leaves open come from
/// operands of type `index`, in order.
pub fn stated_dims<'b>(result: Type<'_>, sizes: &[Value<'b>], inputs: &ShapeInputs<'_, 'b>) -> Vec<Dim> {
    let mut sizes = sizes.iter();
    let mut next = || sizes.next().map_or(Dim::Unknown, |size| (inputs.size)(*size));
    declared(result).into_iter().map(|dim| if dim == Dim::Unknown { next() } else { dim }).collect()
}

/// [`stated_dims`] as numbers.
pub fn stated_shape(result: Type<'_>, sizes: &[Tensor]) -> Result<Vec<usize>, EvalError> {
    let mut sizes = sizes.iter();
    let mut next = || -> Result<i64, EvalError> {
        let size = sizes.next().ok_or_else(|| EvalError::Input("has no operand for a dynamic size".to_owned()))?;
        size.item::<i64>().map_err(|e| EvalError::Input(e.to_string()))
    };
    let shape = declared(result)
        .iter()
        .map(|dim| {
            let size = dim.known().map_or_else(&mut next, Ok)?;
            usize::try_from(size).map_err(|_| EvalError::Input(format!("a dimension has the size {size}")))
        })
        .collect::<Result<Vec<usize>, EvalError>>()?;
    let elements = shape.iter().try_fold(1usize, |count, size| count.checked_mul(*size));
    if !shape.contains(&0) && elements.is_none_or(|count| count > isize::MAX as usize / 8) {
        return Err(EvalError::Input(format!("a tensor of shape {shape:?} fits in no memory")));
    }
    Ok(shape)
}

/// Checks that a written-out result has one size operand for each dynamic dimension.
pub fn check_sizes<'c>(op: &impl Op<'c>, result: Type<'c>, sizes: usize, label: &str) -> Result {
    let dynamic = declared(result).iter().filter(|d| **d == Dim::Unknown).count();
    if dynamic == sizes {
        return Ok(());
    }
    Err(op.error(format!("{label} '{result}' has {dynamic} dynamic dimensions, but {sizes} sizes are given")))
}
