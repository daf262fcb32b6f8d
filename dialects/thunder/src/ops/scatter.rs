//! Elements added at places chosen by indices.

use super::gather::place;
use crate::axes::host_shapes;
use crate::build::*;
use crate::cotangent::only;
use crate::{checked_axis, infer_like};
use thunder_interface::{
    Cost, Differentiate, Dim, Dtypes, EvalError, Parts, Precision, PrecisionClass, Reference, SampleSet, Samples,
    ShapeInputs, ShapeRule,
};
use thunder_ir::op::Op;
use thunder_ir::prelude::*;
use thunder_tensor::Tensor as HostTensor;

/// The operand with slices of `updates` added to its own along `axis`, each at the position that
/// `indices` holds.
///
/// Several slices at one position are all added. The dimensions of `indices` stand in `updates` in
/// place of dimension `axis`, as in the result of `thunder.take`, of which this is the transpose.
/// Floating-point sums are accumulated in at least single precision; integers wrap. An index below 0,
/// or not below the size of that dimension, is an error when the program runs.
///
/// - (C1) the operand and `updates` are tensors of numbers with one element type
/// - (C2) `indices` is a tensor of integers
/// - (C3) `axis` is a dimension of the operand
/// - (C4) `updates` has the dimensions of the operand, with those of `indices` in place of `axis`
///
/// ```mlir
/// %y = thunder.index_add %x, %i, %u axis = 0 : (tensor<5x3xf32>, tensor<4xi64>, tensor<4x3xf32>) -> tensor<5x3xf32>
/// ```
#[op("thunder.index_add", pure, infer, interfaces(Reference, ShapeRule, Differentiate, Cost, Precision, Parts))]
pub struct IndexAdd {
    /// What is added to.
    #[c(1)]
    operand: Operand<Tensor<AnyNumber>>,
    /// Positions along `axis`.
    #[c(2)]
    indices: Operand<Tensor<Integer>>,
    /// What is added, a slice for each index.
    #[c(1)]
    updates: Operand<Tensor<AnyNumber>>,
    /// The dimension that is indexed.
    axis: Attr<i64>,
    out: Produces<Tensor<AnyNumber>>,
}

/// The operand with elements of `updates` added to its own along `axis`, each at the position that
/// `indices` holds in its place.
///
/// Several elements at one position are all added; this is the transpose of
/// `thunder.take_along_axis`. Floating-point sums are accumulated in at least single precision;
/// integers wrap. An index below 0, or not below the size of that dimension, is an error when the
/// program runs.
///
/// - (C1) the operand and `updates` are tensors of numbers with one element type
/// - (C2) `indices` is a tensor of integers
/// - (C3) the operand and `indices` have one rank, and `axis` is one of their dimensions
/// - (C4) `updates` has the dimensions of `indices`, all of which but `axis` are those of the operand
///
/// ```mlir
/// %y = thunder.scatter_add %x, %i, %u axis = 1
///   : (tensor<2x5xf32>, tensor<2x3xi64>, tensor<2x3xf32>) -> tensor<2x5xf32>
/// ```
#[op("thunder.scatter_add", pure, infer, interfaces(Reference, ShapeRule, Differentiate, Cost, Precision, Parts))]
pub struct ScatterAdd {
    /// What is added to.
    #[c(1)]
    operand: Operand<Tensor<AnyNumber>>,
    /// Positions along `axis`.
    #[c(2)]
    indices: Operand<Tensor<Integer>>,
    /// What is added, an element for each index.
    #[c(1)]
    updates: Operand<Tensor<AnyNumber>>,
    /// The dimension that is indexed.
    axis: Attr<i64>,
    out: Produces<Tensor<AnyNumber>>,
}

/// What both ops share.
macro_rules! additions {
    ($($op:ident $name:literal $take:ident),*) => {$(
        impl<'c> Infer<'c> for $op<'c> {
            fn infer(&self) -> Result<Vec<Type<'c>>> {
                infer_like(self)
            }
        }

        impl<'c> Differentiate<'c> for $op<'c> {
            fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
                let dy = only(cotangents)?;
                Ok(vec![Some(dy), None, Some(b.$take(dy, self.indices(), self.axis())?)])
            }
        }

        impl Cost for $op<'_> {
            fn flops(&self, operands: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
                operands[2].iter().product::<i64>() as f64
            }
        }

        impl Precision for $op<'_> {
            fn precision(&self) -> PrecisionClass {
                PrecisionClass::Widen
            }
        }
    )*};
}

additions!(IndexAdd "thunder.index_add" take, ScatterAdd "thunder.scatter_add" take_along_axis);

pub(super) fn same_elements<'c>(op: &impl Op<'c>, operand: Value<'c>, updates: Value<'c>) -> Result {
    let (x, u) = (operand.ty().element(), updates.ty().element());
    if x == u { Ok(()) } else { Err(op.error(format!("(C1) element types differ: '{x}' and '{u}'"))) }
}

/// Checks the sizes of updates; with (C4).
pub(super) fn check_updates<'c>(op: &impl Op<'c>, expected: &[Dim], updates: &[Dim]) -> Result {
    if updates.len() != expected.len() {
        return Err(op.error(format!("(C4) updates of rank {} instead of {}", updates.len(), expected.len())));
    }
    for (axis, (expected, size)) in expected.iter().zip(updates).enumerate() {
        let one = expected.unify(size);
        one.map_err(|e| op.error(format!("(C4) sizes of dimension {axis} of the updates differ: {e}")))?;
    }
    Ok(())
}

impl ShapeRule for IndexAdd<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        same_elements(self, self.operand(), self.updates())?;
        let (operand, indices) = (&inputs.operands[0], &inputs.operands[1]);
        let axis = checked_axis(self, self.axis(), operand.len(), "(C3)")?;
        let expected = [&operand[..axis], indices, &operand[axis + 1..]].concat();
        check_updates(self, &expected, &inputs.operands[2])?;
        Ok(vec![operand.clone()])
    }
}

impl ShapeRule for ScatterAdd<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        same_elements(self, self.operand(), self.updates())?;
        let (operand, indices) = (&inputs.operands[0], &inputs.operands[1]);
        if operand.len() != indices.len() {
            return Err(self.error(format!("(C3) ranks differ: {} and {}", operand.len(), indices.len())));
        }
        let axis = checked_axis(self, self.axis(), operand.len(), "(C3)")?;
        for (dim, (x, i)) in operand.iter().zip(indices).enumerate().filter(|(dim, _)| *dim != axis) {
            x.unify(i).map_err(|e| self.error(format!("(C4) sizes of dimension {dim} differ: {e}")))?;
        }
        check_updates(self, indices, &inputs.operands[2])?;
        Ok(vec![operand.clone()])
    }
}

impl Reference for IndexAdd<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let shape = host_shapes(self, inputs)?.remove(0);
        let axis = self.axis() as usize;
        let (extent, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
        let places = inputs[1].to_vec::<i64>().into_iter().map(|index| place(index, extent));
        let places = places.collect::<Result<Vec<_>, _>>()?;
        // Element `at` of the updates is in block `at / inner`, one for each index of each outer position.
        added(&inputs[0], &inputs[2], |at| {
            let (block, column) = (at / inner, at % inner);
            (block / places.len() * extent + places[block % places.len()]) * inner + column
        })
    }
}

impl Reference for ScatterAdd<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let shape = host_shapes(self, inputs)?.remove(0);
        let axis = self.axis() as usize;
        let (extent, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
        let places = inputs[1].to_vec::<i64>().into_iter().map(|index| place(index, extent));
        let places = places.collect::<Result<Vec<_>, _>>()?;
        let block = inputs[1].shape()[axis] * inner;
        added(&inputs[0], &inputs[2], |at| ((at / block) * extent + places[at]) * inner + at % inner)
    }
}

/// Adds each element of `updates` to the one of `operand` that `target` says.
fn added(
    operand: &HostTensor,
    updates: &HostTensor,
    target: impl Fn(usize) -> usize,
) -> Result<Vec<HostTensor>, EvalError> {
    let (dtype, shape) = (operand.dtype(), operand.shape());
    let sums = if dtype.is_float() {
        let mut sums = operand.to_vec::<f64>();
        updates.to_vec::<f64>().into_iter().enumerate().for_each(|(at, x)| sums[target(at)] += x);
        HostTensor::from_values(dtype, shape, sums)?
    } else {
        let mut sums = operand.to_vec::<i64>();
        for (at, x) in updates.to_vec::<i64>().into_iter().enumerate() {
            let sum = &mut sums[target(at)];
            *sum = sum.wrapping_add(x);
        }
        // The conversion wraps to the dtype.
        HostTensor::from_values(thunder_tensor::DType::I64, shape, sums)?.cast(dtype)
    };
    Ok(vec![sums])
}

crate::complex::parts_apart!(IndexAdd, ScatterAdd);

impl Samples for IndexAdd<'_> {
    fn samples(s: &mut SampleSet) {
        for (operand, indices, updates, axis, shapes) in [
            ("2x5x3x", "4xi64", "2x4x3x", 1, [&[2, 5, 3][..], &[4], &[2, 4, 3]]),
            ("5x17x", "2x6xi32", "2x6x17x", 0, [&[5, 17], &[2, 6], &[2, 6, 17]]),
            ("3x5x", "i64", "3x", 1, [&[3, 5], &[], &[3]]),
            ("5x", "7xi64", "7x", 0, [&[5], &[7], &[7]]),
            ("?x5x?x", "?xui8", "?x?x?x", 1, [&[2, 5, 4], &[3], &[2, 3, 4]]),
            ("?x3x", "?xi64", "?x3x", 0, [&[5, 3], &[4], &[4, 3]]),
            ("5x3x", "0xi64", "0x3x", 0, [&[5, 3], &[0], &[0, 3]]),
            ("0x5x", "2xi16", "0x2x", 1, [&[0, 5], &[2], &[0, 2]]),
        ] {
            addition_sample(s, "thunder.index_add", [operand, indices, updates], axis, shapes);
        }
    }
}

impl Samples for ScatterAdd<'_> {
    fn samples(s: &mut SampleSet) {
        for (operand, indices, updates, axis, shapes) in [
            ("2x5x3x", "2x4x3xi64", "2x4x3x", 1, [&[2, 5, 3][..], &[2, 4, 3], &[2, 4, 3]]),
            ("5x7x", "9x7xi32", "9x7x", 0, [&[5, 7], &[9, 7], &[9, 7]]),
            ("5x", "8xi64", "8x", 0, [&[5], &[8], &[8]]),
            ("?x?x", "?x?xi64", "?x?x", 1, [&[2, 5], &[2, 3], &[2, 3]]),
            ("0x5x", "0x2xi64", "0x2x", 1, [&[0, 5], &[0, 2], &[0, 2]]),
            ("5x3x", "0x3xi64", "0x3x", 0, [&[5, 3], &[0, 3], &[0, 3]]),
        ] {
            addition_sample(s, "thunder.scatter_add", [operand, indices, updates], axis, shapes);
        }
    }
}

fn addition_sample(
    s: &mut SampleSet,
    name: &str,
    [operand, indices, updates]: [&str; 3],
    axis: i64,
    shapes: [&[usize]; 3],
) {
    let (x, i, u) = (format!("tensor<{operand}$T>"), format!("tensor<{indices}>"), format!("tensor<{updates}$T>"));
    let body = format!("%r = {name} %x, %i, %u axis = {axis} : ({x}, {i}, {u}) -> {x}\n  return %r : {x}");
    let signature = format!("(%x: {x}, %i: {i}, %u: {u}) -> {x}");
    s.add(Dtypes::NUMBERS, &signature, &body, &shapes).domain(1, 0.0, 5.0).ulps(16.0);
}
