//! Elements in order.
//!
//! NaN is greater than every number, and equal elements keep their order.

use crate::axes::host_shapes;
use crate::build::*;
use crate::compose::Extent;
use crate::cotangent::{counted, cropped};
use crate::{checked_axis, declared, infer_elements};
use std::cmp::Ordering;
use thunder_interface::{
    Cost, Decompose, Dim, Dtypes, EvalError, Precision, Reference, SampleSet, Samples, ShapeInputs, ShapeRule,
};
use thunder_ir::prelude::*;
use thunder_tensor::{DType, Tensor as HostTensor, TensorError, lanes};

/// The positions that the elements along `axis` have, in the order of the elements.
///
/// Equal elements, zeros of different signs among them, keep their order. NaN is greater than every number: it comes
/// last, or with `descending` first.
///
/// - (C1) `axis` is a dimension of the operand
///
/// ```mlir
/// %i = thunder.argsort %x axis = 1 descending = true : tensor<2x5xf32> -> tensor<2x5xi64>
/// ```
#[op("thunder.argsort", pure, infer, interfaces(Reference, ShapeRule, Cost, Precision))]
pub struct Argsort {
    /// What is sorted.
    operand: Operand<Tensor<Ordered>>,
    /// The dimension to sort along.
    axis: Attr<i64>,
    /// Whether the greatest element comes first.
    #[default(false)]
    descending: Attr<bool>,
    out: Produces<Tensor<I64>>,
}

/// The elements in order along `axis`, and the positions that they had.
///
/// The order is that of `thunder.argsort`.
///
/// - (C1) `axis` is a dimension of the operand
///
/// ```mlir
/// %y, %i = thunder.sort %x axis = 1 : tensor<2x5xf32> -> (tensor<2x5xf32>, tensor<2x5xi64>)
/// ```
#[op("thunder.sort", pure, infer, interfaces(Reference, ShapeRule, Decompose, Cost, Precision))]
pub struct Sort {
    /// What is sorted.
    operand: Operand<Tensor<Ordered>>,
    /// The dimension to sort along.
    axis: Attr<i64>,
    /// Whether the greatest element comes first.
    #[default(false)]
    descending: Attr<bool>,
    values: Produces<Tensor<Ordered>>,
    indices: Produces<Tensor<I64>>,
}

/// The `count` greatest elements along `axis`, from the greatest down, and the positions that they had; with
/// `largest = false` the least elements, from the least up.
///
/// The order is that of `thunder.argsort`.
///
/// - (C1) `axis` is a dimension of the operand
/// - (C2) `count` is at least 0 and at most the size of that dimension
///
/// ```mlir
/// %y, %i = thunder.topk %x axis = 1 count = 2 : tensor<3x5xf32> -> (tensor<3x2xf32>, tensor<3x2xi64>)
/// ```
#[op("thunder.topk", pure, infer, interfaces(Reference, ShapeRule, Decompose, Cost, Precision))]
pub struct Topk {
    /// What is searched.
    operand: Operand<Tensor<Ordered>>,
    /// The dimension to search along.
    axis: Attr<i64>,
    /// How many elements are found.
    count: Attr<i64>,
    /// Whether these are the greatest, not the least.
    #[default(true)]
    largest: Attr<bool>,
    values: Produces<Tensor<Ordered>>,
    indices: Produces<Tensor<I64>>,
}

impl<'c> Infer<'c> for Argsort<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_elements(self, &[Type::int(self.context(), 64)])
    }
}

impl ShapeRule for Argsort<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        checked_axis(self, self.axis(), inputs.operands[0].len(), "(C1)")?;
        Ok(vec![inputs.operands[0].clone()])
    }
}

impl ShapeRule for Sort<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        checked_axis(self, self.axis(), inputs.operands[0].len(), "(C1)")?;
        Ok(vec![inputs.operands[0].clone(); 2])
    }
}

impl ShapeRule for Topk<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        let (mut dims, count) = (inputs.operands[0].clone(), self.count());
        let axis = checked_axis(self, self.axis(), dims.len(), "(C1)")?;
        if count < 0 || dims[axis].known().is_some_and(|size| count > size) {
            return Err(self.error(format!("(C2) {count} elements of {} along axis {axis}", dims[axis])));
        }
        dims[axis] = Dim::Known(count);
        Ok(vec![dims; 2])
    }
}

impl Reference for Argsort<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        host_shapes(self, inputs)?;
        let length = inputs[0].shape()[self.axis() as usize];
        Ok(vec![first(&inputs[0], self.axis() as usize, self.descending(), length)?])
    }
}

impl Reference for Sort<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        host_shapes(self, inputs)?;
        let (axis, length) = (self.axis() as usize, inputs[0].shape()[self.axis() as usize]);
        Ok(vec![
            elements(&inputs[0], axis, self.descending(), length)?,
            first(&inputs[0], axis, self.descending(), length)?,
        ])
    }
}

impl Reference for Topk<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        host_shapes(self, inputs)?;
        let (axis, count) = (self.axis() as usize, self.count() as usize);
        Ok(vec![elements(&inputs[0], axis, self.largest(), count)?, first(&inputs[0], axis, self.largest(), count)?])
    }
}

/// The first `count` elements in order.
fn elements(operand: &HostTensor, axis: usize, descending: bool, count: usize) -> Result<HostTensor, TensorError> {
    if operand.dtype().is_float() {
        lanes(operand, axis, operand.dtype(), count, |lane: &[f64], out: &mut [f64]| {
            out.iter_mut().zip(order(lane.len(), descending, floats(lane))).for_each(|(x, place)| *x = lane[place]);
        })
    } else {
        lanes(operand, axis, operand.dtype(), count, |lane: &[i64], out: &mut [i64]| {
            out.iter_mut().zip(order(lane.len(), descending, integers(lane))).for_each(|(x, place)| *x = lane[place]);
        })
    }
}

/// The positions of the first `count` elements in order.
fn first(operand: &HostTensor, axis: usize, descending: bool, count: usize) -> Result<HostTensor, TensorError> {
    let put = |out: &mut [i64], order: Vec<usize>| out.iter_mut().zip(order).for_each(|(x, place)| *x = place as i64);
    if operand.dtype().is_float() {
        lanes(operand, axis, DType::I64, count, |lane: &[f64], out: &mut [i64]| {
            put(out, order(lane.len(), descending, floats(lane)));
        })
    } else {
        lanes(operand, axis, DType::I64, count, |lane: &[i64], out: &mut [i64]| {
            put(out, order(lane.len(), descending, integers(lane)));
        })
    }
}

fn floats(lane: &[f64]) -> impl Fn(usize, usize) -> Ordering {
    |i, j| lane[i].partial_cmp(&lane[j]).unwrap_or_else(|| lane[i].is_nan().cmp(&lane[j].is_nan()))
}

fn integers(lane: &[i64]) -> impl Fn(usize, usize) -> Ordering {
    |i, j| lane[i].cmp(&lane[j])
}

/// The order of `length` elements.
fn order(length: usize, descending: bool, compare: impl Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..length).collect();
    places.sort_by(|i, j| if descending { compare(*i, *j).reverse() } else { compare(*i, *j) });
    places
}

impl<'c> Infer<'c> for Sort<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_elements(self, &[self.operand().ty().element(), Type::int(self.context(), 64)])
    }
}

impl<'c> Infer<'c> for Topk<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_elements(self, &[self.operand().ty().element(), Type::int(self.context(), 64)])
    }
}

impl Decompose for Sort<'_> {
    fn decompose<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        let (x, axis) = (self.operand(), self.axis());
        let order = b.argsort(x, axis, self.descending())?;
        Ok(vec![b.take_along_axis(x, order, axis)?, order])
    }
}

impl Decompose for Topk<'_> {
    fn decompose<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        let (x, axis, count) = (self.operand(), self.axis(), self.count());
        let order = b.argsort(x, axis, self.largest())?;
        let sizes = declared(x.ty());
        let first = match sizes[axis as usize].known() {
            Some(size) => {
                let mut high = vec![0; sizes.len()];
                high[axis as usize] = size - count;
                cropped(b, order, &vec![0; sizes.len()], &high, &vec![1; sizes.len()])?
            }
            // Whatever the size turns out to be, so many there are.
            None => b.take(order, counted(b, Extent::Known(count))?, axis)?,
        };
        Ok(vec![b.take_along_axis(x, first, axis)?, first])
    }
}

/// What the three ops share.
macro_rules! sorts {
    ($($op:ident),*) => {$(
        impl Cost for $op<'_> {
            fn flops(&self, operands: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
                let (count, length) = (operands[0].iter().product::<i64>(), operands[0][self.axis() as usize]);
                count as f64 * (length.max(2) as f64).log2()
            }
        }

        impl Precision for $op<'_> {}
    )*};
}

sorts!(Argsort, Sort, Topk);

const SHAPES: [(&str, i64, &[usize]); 8] = [
    ("3x37x", 1, &[3, 37]),
    ("5x3x4x", 0, &[5, 3, 4]),
    ("2x9x3x", 1, &[2, 9, 3]),
    ("1x", 0, &[1]),
    ("?x?x", 1, &[4, 17]),
    ("?x3x", 0, &[6, 3]),
    ("0x4x", 1, &[0, 4]),
    ("2x0x", 1, &[2, 0]),
];

impl Samples for Argsort<'_> {
    fn samples(s: &mut SampleSet) {
        for (index, (shape, axis, sizes)) in SHAPES.into_iter().enumerate() {
            let (ty, out) = (format!("tensor<{shape}$T>"), format!("tensor<{shape}i64>"));
            let descending = if index % 2 == 0 { "" } else { " descending = true" };
            let body =
                format!("%r = thunder.argsort %x axis = {axis}{descending} : {ty} -> {out}\n  return %r : {out}");
            s.add(Dtypes::ALL, &format!("(%x: {ty}) -> {out}"), &body, &[sizes]);
        }
        for descending in ["false", "true"] {
            let body = format!(
                "%r = thunder.argsort %x axis = 1 descending = {descending} : tensor<5x29x$T> -> tensor<5x29xi64>
                 return %r : tensor<5x29xi64>"
            );
            s.add(Dtypes::FLOATS, "(%x: tensor<5x29x$T>) -> tensor<5x29xi64>", &body, &[&[5, 29]]).specials();
        }
    }
}

impl Samples for Sort<'_> {
    fn samples(s: &mut SampleSet) {
        for (index, (shape, axis, sizes)) in SHAPES.into_iter().enumerate() {
            let (ty, at) = (format!("tensor<{shape}$T>"), format!("tensor<{shape}i64>"));
            let descending = if index % 2 == 0 { "" } else { " descending = true" };
            let body = format!(
                "%r, %i = thunder.sort %x axis = {axis}{descending} : {ty} -> ({ty}, {at})\n  return %r, %i : {ty}, {at}"
            );
            s.add(Dtypes::ALL, &format!("(%x: {ty}) -> ({ty}, {at})"), &body, &[sizes]);
        }
        values_sample(s, "%r, %i = thunder.sort %x axis = 1", "3x7x");
    }
}

/// A sample whose results are floats alone, so that it has derivatives of every order.
fn values_sample(s: &mut SampleSet, op: &str, shape: &str) {
    let (x, y, at) = ("tensor<3x7x$T>", format!("tensor<{shape}$T>"), format!("tensor<{shape}i64>"));
    let body = format!("{op} : {x} -> ({y}, {at})\n  return %r : {y}");
    s.add(Dtypes::FLOATS, &format!("(%x: {x}) -> {y}"), &body, &[&[3, 7]]);
}

impl Samples for Topk<'_> {
    fn samples(s: &mut SampleSet) {
        for (shape, attributes, out, sizes) in [
            ("3x37x", "axis = 1 count = 5", "3x5x", &[3, 37][..]),
            ("5x3x4x", "axis = 0 count = 2 largest = false", "2x3x4x", &[5, 3, 4]),
            ("9x", "axis = 0 count = 9", "9x", &[9]),
            ("9x", "axis = 0 count = 0", "0x", &[9]),
            ("?x?x", "axis = 1 count = 3", "?x3x", &[4, 7]),
            ("0x4x", "axis = 1 count = 1", "0x1x", &[0, 4]),
        ] {
            let (x, y, at) = (format!("tensor<{shape}$T>"), format!("tensor<{out}$T>"), format!("tensor<{out}i64>"));
            let body =
                format!("%r, %i = thunder.topk %x {attributes} : {x} -> ({y}, {at})\n  return %r, %i : {y}, {at}");
            s.add(Dtypes::ALL, &format!("(%x: {x}) -> ({y}, {at})"), &body, &[sizes]);
        }
        values_sample(s, "%r, %i = thunder.topk %x axis = 1 count = 2", "3x2x");
    }
}
