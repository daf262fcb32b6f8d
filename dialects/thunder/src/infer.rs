//! Result types from shape rules.

use thunder_interface::{Dim, ShapeInputs, ShapeRule};
use thunder_ir::op::Op;
use thunder_ir::{Result, Type};

/// The result types of an op by its shape rule, with the given element type of each result.
pub fn infer_elements<'c>(op: &(impl Op<'c> + ShapeRule), elements: &[Type<'c>]) -> Result<Vec<Type<'c>>> {
    let operands = op
        .view()
        .operands()
        .into_iter()
        .map(|v| v.ty().as_tensor().map_or_else(Vec::new, |t| t.dims().into_iter().map(Dim::of).collect()))
        .collect();
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
