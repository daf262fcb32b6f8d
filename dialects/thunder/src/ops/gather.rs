//! Elements chosen by indices.

use crate::axes::host_shapes;
use crate::build::*;
use crate::cotangent::{only, zeros_like};
use crate::{checked_axis, infer_like};
use thunder_interface::{
    Cost, Decompose, Differentiate, Dim, Dtypes, EvalError, Factor, Parts, Precision, Reference, SampleSet, Samples,
    ShapeInputs, ShapeRule, Shard, ShardRule,
};
use thunder_ir::prelude::*;
use thunder_tensor::Tensor as HostTensor;

/// Slices of the operand along `axis`, one for each element of `indices`.
///
/// The dimensions of `indices` take the place of dimension `axis`. An index below 0, or not below
/// the size of that dimension, is an error when the program runs.
///
/// - (C1) `indices` is a tensor of integers
/// - (C2) `axis` is a dimension of the operand
///
/// ```mlir
/// %y = thunder.take %x, %i axis = 1 : (tensor<2x5x3xf32>, tensor<4xi64>) -> tensor<2x4x3xf32>
/// ```
#[op("thunder.take", pure, infer, interfaces(Reference, ShapeRule, Differentiate, Shard, Cost, Precision, Parts))]
pub struct Take {
    /// Where elements are taken from.
    operand: Operand<Tensor>,
    /// Positions along `axis`.
    #[c(1)]
    indices: Operand<Tensor<Integer>>,
    /// The dimension that is indexed.
    axis: Attr<i64>,
    out: Produces<Tensor>,
}

impl<'c> Infer<'c> for Take<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_like(self)
    }
}

impl ShapeRule for Take<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        let (operand, indices) = (&inputs.operands[0], &inputs.operands[1]);
        let axis = checked_axis(self, self.axis(), operand.len(), "(C2)")?;
        Ok(vec![[&operand[..axis], indices, &operand[axis + 1..]].concat()])
    }
}

impl Shard for Take<'_> {
    fn rule(&self) -> ShardRule {
        let rank = |v: Value<'_>| v.ty().as_tensor().map_or(0, |t| t.rank());
        let (operand, indices, axis) = (rank(self.operand()), rank(self.indices()), self.axis() as usize);
        let factor = |i: usize| Some(Factor(i as u32));
        // What follows the axis comes after the dimensions of the indices.
        let mapped = |i: usize| if i == axis { None } else { factor(if i < axis { i } else { i + indices - 1 }) };
        ShardRule {
            operands: vec![(0..operand).map(mapped).collect(), (axis..axis + indices).map(factor).collect()],
            results: vec![(0..operand + indices - 1).map(factor).collect()],
            reduced: Vec::new(),
        }
    }
}

impl Reference for Take<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let shape = host_shapes(self, inputs)?.remove(0);
        Ok(vec![take(&inputs[0], &inputs[1], self.axis() as usize, shape)?])
    }
}

fn take(operand: &HostTensor, indices: &HostTensor, axis: usize, shape: Vec<usize>) -> Result<HostTensor, EvalError> {
    let extent = operand.shape()[axis];
    let outer: usize = operand.shape()[..axis].iter().product();
    let slice = operand.shape()[axis + 1..].iter().product::<usize>() * operand.dtype().size();
    let places = indices.to_vec::<i64>().into_iter().map(|index| place(index, extent));
    let places = places.collect::<Result<Vec<_>, _>>()?;
    let mut bytes = Vec::new();
    for block in 0..outer {
        for place in &places {
            let start = (block * extent + place) * slice;
            bytes.extend_from_slice(&operand.bytes()[start..start + slice]);
        }
    }
    Ok(HostTensor::from_bytes(operand.dtype(), shape, &bytes)?)
}

pub(super) fn place(index: i64, extent: usize) -> Result<usize, EvalError> {
    let place = usize::try_from(index).ok().filter(|place| *place < extent);
    place.ok_or_else(|| EvalError::Input(format!("index {index} is out of range for a dimension of size {extent}")))
}

impl<'c> Differentiate<'c> for Take<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let dx = b.index_add(zeros_like(b, self.operand())?, self.indices(), only(cotangents)?, self.axis())?;
        Ok(vec![Some(dx), None])
    }
}

impl Cost for Take<'_> {
    fn flops(&self, _: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        0.0
    }
}

impl Precision for Take<'_> {}

crate::complex::parts_apart!(Take, TakeAlongAxis);

impl Samples for Take<'_> {
    fn samples(s: &mut SampleSet) {
        for (operand, indices, axis, out, [xs, is]) in [
            ("2x5x3x", "4xi64", 1, "2x4x3x", [&[2, 5, 3][..], &[4]]),
            ("5x7x", "2x3xi32", 0, "2x3x7x", [&[5, 7], &[2, 3]]),
            ("3x5x", "i64", 1, "3x", [&[3, 5], &[]]),
            ("?x5x?x", "?xui8", 1, "?x?x?x", [&[2, 5, 4], &[3]]),
            ("5x3x", "0xi64", 0, "0x3x", [&[5, 3], &[0]]),
            ("0x5x", "2xi16", 1, "0x2x", [&[0, 5], &[2]]),
        ] {
            let (x, i, out) =
                (format!("tensor<{operand}$T>"), format!("tensor<{indices}>"), format!("tensor<{out}$T>"));
            let body = format!("%r = thunder.take %x, %i axis = {axis} : ({x}, {i}) -> {out}\n  return %r : {out}");
            s.add(Dtypes::MOVED, &format!("(%x: {x}, %i: {i}) -> {out}"), &body, &[xs, is]).domain(1, 0.0, 5.0);
        }
    }
}

/// Elements of the operand along `axis`, each at the position that `indices` holds in its place.
///
/// An index below 0, or not below the size of that dimension, is an error when the program runs.
///
/// - (C1) `indices` is a tensor of integers
/// - (C2) the operand and `indices` have one rank, and `axis` is one of their dimensions
/// - (C3) all other dimensions are equal
///
/// ```mlir
/// %y = thunder.take_along_axis %x, %i axis = 1 : (tensor<2x5xf32>, tensor<2x3xi64>) -> tensor<2x3xf32>
/// ```
#[op("thunder.take_along_axis", pure, infer, interfaces(Reference, ShapeRule, Differentiate, Cost, Precision, Parts))]
pub struct TakeAlongAxis {
    /// Where elements are taken from.
    operand: Operand<Tensor>,
    /// Positions along `axis`.
    #[c(1)]
    indices: Operand<Tensor<Integer>>,
    /// The dimension that is indexed.
    axis: Attr<i64>,
    out: Produces<Tensor>,
}

impl<'c> Infer<'c> for TakeAlongAxis<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_like(self)
    }
}

impl ShapeRule for TakeAlongAxis<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        let (operand, indices) = (&inputs.operands[0], &inputs.operands[1]);
        if operand.len() != indices.len() {
            return Err(self.error(format!("(C2) ranks differ: {} and {}", operand.len(), indices.len())));
        }
        let axis = checked_axis(self, self.axis(), operand.len(), "(C2)")?;
        let mut shape = Vec::new();
        for (dim, (x, i)) in operand.iter().zip(indices).enumerate() {
            let other = || x.unify(i).map_err(|e| self.error(format!("(C3) sizes of dimension {dim} differ: {e}")));
            shape.push(if dim == axis { i.clone() } else { other()? });
        }
        Ok(vec![shape])
    }
}

impl Reference for TakeAlongAxis<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let shape = host_shapes(self, inputs)?.remove(0);
        let (operand, axis) = (&inputs[0], self.axis() as usize);
        let size = operand.dtype().size();
        let (extent, inner) = (operand.shape()[axis], operand.shape()[axis + 1..].iter().product::<usize>());
        let block = shape[axis] * inner;
        let mut bytes = Vec::new();
        for (at, index) in inputs[1].to_vec::<i64>().into_iter().enumerate() {
            let from = ((at / block) * extent + place(index, extent)?) * inner + at % inner;
            bytes.extend_from_slice(&operand.bytes()[from * size..(from + 1) * size]);
        }
        Ok(vec![HostTensor::from_bytes(operand.dtype(), shape, &bytes)?])
    }
}

impl<'c> Differentiate<'c> for TakeAlongAxis<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let dx = b.scatter_add(zeros_like(b, self.operand())?, self.indices(), only(cotangents)?, self.axis())?;
        Ok(vec![Some(dx), None])
    }
}

impl Cost for TakeAlongAxis<'_> {
    fn flops(&self, _: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        0.0
    }
}

impl Precision for TakeAlongAxis<'_> {}

impl Samples for TakeAlongAxis<'_> {
    fn samples(s: &mut SampleSet) {
        for (operand, indices, axis, [xs, is]) in [
            ("2x5x3x", "2x4x3x", 1, [&[2, 5, 3][..], &[2, 4, 3]]),
            ("5x7x", "9x7x", 0, [&[5, 7], &[9, 7]]),
            ("5x", "3x", 0, [&[5], &[3]]),
            ("?x?x", "?x?x", 1, [&[2, 5], &[2, 3]]),
            ("0x5x", "0x2x", 1, [&[0, 5], &[0, 2]]),
            ("5x3x", "0x3x", 0, [&[5, 3], &[0, 3]]),
        ] {
            let (x, i) = (format!("tensor<{operand}$T>"), format!("tensor<{indices}i64>"));
            let out = format!("tensor<{indices}$T>");
            let body =
                format!("%r = thunder.take_along_axis %x, %i axis = {axis} : ({x}, {i}) -> {out}\n  return %r : {out}");
            s.add(Dtypes::MOVED, &format!("(%x: {x}, %i: {i}) -> {out}"), &body, &[xs, is]).domain(1, 0.0, 5.0);
        }
    }
}

/// Rows of `weight`, one for each element of `indices`.
///
/// An index below 0, or not below the number of rows, is an error when the program runs.
///
/// - (C1) `weight` has rank 2
/// - (C2) `indices` is a tensor of integers
///
/// ```mlir
/// %y = thunder.embedding %w, %i : (tensor<100x16xf32>, tensor<2x7xi64>) -> tensor<2x7x16xf32>
/// ```
#[op("thunder.embedding", pure, infer, interfaces(Reference, ShapeRule, Decompose, Differentiate, Cost, Precision))]
pub struct Embedding {
    /// One row for each thing that has an index.
    #[c(1)]
    weight: Operand<Ranked<AnyScalar, 2>>,
    /// Numbers of rows.
    #[c(2)]
    indices: Operand<Tensor<Integer>>,
    out: Produces<Tensor>,
}

impl<'c> Infer<'c> for Embedding<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_like(self)
    }
}

impl ShapeRule for Embedding<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        let (weight, indices) = (&inputs.operands[0], &inputs.operands[1]);
        Ok(vec![[indices, &weight[1..]].concat()])
    }
}

impl Reference for Embedding<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let shape = host_shapes(self, inputs)?.remove(0);
        Ok(vec![take(&inputs[0], &inputs[1], 0, shape)?])
    }
}

impl Decompose for Embedding<'_> {
    fn decompose<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        Ok(vec![b.take(self.weight(), self.indices(), 0)?])
    }
}

impl<'c> Differentiate<'c> for Embedding<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let dw = b.index_add(zeros_like(b, self.weight())?, self.indices(), only(cotangents)?, 0)?;
        Ok(vec![Some(dw), None])
    }
}

impl Cost for Embedding<'_> {
    fn flops(&self, _: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        0.0
    }
}

impl Precision for Embedding<'_> {}

impl Samples for Embedding<'_> {
    fn samples(s: &mut SampleSet) {
        for (weight, indices, out, [ws, is]) in [
            ("11x5x", "2x3xi64", "2x3x5x", [&[11, 5][..], &[2, 3]]),
            ("11x17x", "7xi32", "7x17x", [&[11, 17], &[7]]),
            ("?x5x", "?x?xi64", "?x?x5x", [&[11, 5], &[2, 3]]),
            ("11x5x", "0x3xi64", "0x3x5x", [&[11, 5], &[0, 3]]),
        ] {
            let (w, i, out) = (format!("tensor<{weight}$T>"), format!("tensor<{indices}>"), format!("tensor<{out}$T>"));
            let body = format!("%r = thunder.embedding %w, %i : ({w}, {i}) -> {out}\n  return %r : {out}");
            s.add(Dtypes::MOVED, &format!("(%w: {w}, %i: {i}) -> {out}"), &body, &[ws, is]).domain(1, 0.0, 11.0);
        }
    }
}
