//! Sets of axes, as reductions and normalizations name them, and what is left of a shape without.

use thunder_interface::{Dim, EvalError, Factor, ShapeInputs, ShapeRule, ShardRule};
use thunder_ir::Result;
use thunder_ir::op::Op;
use thunder_tensor::Tensor;

/// `axes` as indices below `rank`; an error with `label` unless they are in range and ascending.
pub fn checked_axes<'c>(op: &impl Op<'c>, axes: &[i64], rank: usize, label: &str) -> Result<Vec<usize>> {
    if let Some(pair) = axes.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(op.error(format!("{label} axes {axes:?} are not ascending: {} before {}", pair[0], pair[1])));
    }
    axes.iter().map(|axis| crate::checked_axis(op, *axis, rank, label)).collect()
}

/// The dimensions without `axes`, or with 1 in their place.
pub fn reduced(dims: &[Dim], axes: &[usize], keep_dims: bool) -> Vec<Dim> {
    let kept = dims.iter().enumerate().filter_map(|(axis, dim)| match axes.contains(&axis) {
        false => Some(dim.clone()),
        true => keep_dims.then_some(Dim::Known(1)),
    });
    kept.collect()
}

/// The rule of an op whose operands and result have one rank, and the same sizes and positions but in dimensions that it
/// `touches`.
pub fn untouched(operands: usize, rank: usize, touches: impl Fn(usize) -> bool) -> ShardRule {
    let factors: Vec<_> = (0..rank).map(|axis| (!touches(axis)).then_some(Factor(axis as u32))).collect();
    ShardRule { operands: vec![factors.clone(); operands], results: vec![factors], reduced: Vec::new() }
}

/// Checks the shape rule of an op on the sizes that its inputs have now, and computes its results'.
pub fn host_shapes<'c>(op: &(impl Op<'c> + ShapeRule), inputs: &[Tensor]) -> Result<Vec<Vec<usize>>, EvalError> {
    let operands = inputs.iter().map(|t| t.shape().iter().map(|size| Dim::Known(*size as i64)).collect()).collect();
    let shapes = op.shapes(&ShapeInputs { operands, size: &|_| Dim::Unknown }).map_err(|error| {
        let message = error.message();
        let prefix = format!("'{}' op ", op.view().definition().name);
        EvalError::Input(message.strip_prefix(&prefix).unwrap_or(&message).to_owned())
    })?;
    let size = |dim: &Dim| {
        let size = dim.known().and_then(|size| usize::try_from(size).ok());
        size.ok_or_else(|| EvalError::Input("the sizes of its result are out of range".to_owned()))
    };
    shapes.iter().map(|dims| dims.iter().map(size).collect()).collect()
}
