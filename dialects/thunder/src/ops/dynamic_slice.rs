//! Parts of tensors at a place that is known when the program runs.

use crate::axes::host_shapes;
use crate::build::*;
use crate::compose::{Extent, broadcast, converted, extents, zeros};
use crate::cotangent::{counted, only};
use crate::{checked_axis, infer_like};
use thunder_interface::{
    Alias, Cost, Decompose, Differentiate, Dim, Dtypes, EvalError, Library, LibraryCall, Parts, Precision, Reference,
    SampleSet, Samples, ShapeInputs, ShapeRule,
};
use thunder_ir::op::Op;
use thunder_ir::prelude::*;
use thunder_tensor::Tensor as HostTensor;

/// `size` neighbours along `axis`, from the position that `start` holds.
///
/// A part that is not within the operand is an error when the program runs.
///
/// - (C1) `start` is a tensor of integers, of rank 0
/// - (C2) `axis` is a dimension of the operand
/// - (C3) `size` is at least 0, and at most the size of that dimension
///
/// ```mlir
/// %y = thunder.dynamic_slice %x, %i axis = 1 size = 2 : (tensor<4x?xf32>, tensor<i64>) -> tensor<4x2xf32>
/// ```
#[op("thunder.dynamic_slice", pure, infer, interfaces(Reference, Decompose, ShapeRule, Alias, Cost, Precision, Parts))]
pub struct DynamicSlice {
    operand: Operand<Tensor>,
    /// The first position along `axis`.
    #[c(1)]
    start: Operand<Tensor<Integer>>,
    /// The dimension of which a part is taken.
    axis: Attr<i64>,
    /// How many positions are taken.
    size: Attr<i64>,
    out: Produces<Tensor>,
}

/// The operand with those of its elements along `axis`, from the position that `start` holds, replaced by `update`.
///
/// An update that is not within the operand is an error when the program runs. A program that updates the memory of an
/// argument so, and reads it only before, writes no more than the update.
///
/// - (C1) `start` is a tensor of integers, of rank 0
/// - (C2) `axis` is a dimension of the operand
/// - (C3) the operand and `update` have one element type
/// - (C4) `update` has the sizes of the operand, but at most its size along `axis`
///
/// ```mlir
/// %y = thunder.dynamic_update_slice %x, %u, %i axis = 0
///   : (tensor<8x3xf32>, tensor<2x3xf32>, tensor<i64>) -> tensor<8x3xf32>
/// ```
#[op(
    "thunder.dynamic_update_slice",
    pure,
    infer,
    interfaces(Reference, ShapeRule, Differentiate, Library, Cost, Precision, Parts)
)]
pub struct DynamicUpdateSlice {
    operand: Operand<Tensor>,
    /// What stands there instead.
    update: Operand<Tensor>,
    /// The first position along `axis`.
    #[c(1)]
    start: Operand<Tensor<Integer>>,
    /// The dimension of which a part is replaced.
    axis: Attr<i64>,
    out: Produces<Tensor>,
}

/// Checks the position; with (C1).
fn check_start<'c>(op: &impl Op<'c>, start: &[Dim]) -> Result {
    if start.is_empty() { Ok(()) } else { Err(op.error(format!("(C1) 'start' has rank {}", start.len()))) }
}

impl<'c> Infer<'c> for DynamicSlice<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_like(self)
    }
}

impl ShapeRule for DynamicSlice<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        check_start(self, &inputs.operands[1])?;
        let mut sizes = inputs.operands[0].clone();
        let axis = checked_axis(self, self.axis(), sizes.len(), "(C2)")?;
        if self.size() < 0 || sizes[axis].known().is_some_and(|extent| self.size() > extent) {
            return Err(self.error(format!("(C3) {} positions of a dimension of size {}", self.size(), sizes[axis])));
        }
        sizes[axis] = Dim::Known(self.size());
        Ok(vec![sizes])
    }
}

/// The first position of a part of `length` of `extent` positions.
fn place(start: &HostTensor, length: usize, extent: usize) -> Result<usize, EvalError> {
    let start: i64 = start.item()?;
    let first = usize::try_from(start).ok().filter(|first| first.checked_add(length).is_some_and(|end| end <= extent));
    let message = || format!("{length} positions from {start} on are not within a dimension of size {extent}");
    first.ok_or_else(|| EvalError::Input(message()))
}

impl Reference for DynamicSlice<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let (operand, axis) = (&inputs[0], self.axis() as usize);
        let shape = host_shapes(self, inputs)?.remove(0);
        let (mut first, mut limit) = (vec![0; shape.len()], operand.shape().to_vec());
        first[axis] = place(&inputs[1], shape[axis], limit[axis])?;
        limit[axis] = first[axis] + shape[axis];
        Ok(vec![operand.slice(&first, &limit, &vec![1; shape.len()])?])
    }
}

/// The positions of a part of `length` positions: `start`, `start + 1`, ...
fn positions<'c>(b: &Builder<'c>, length: Extent<'c>, start: Value<'c>) -> Result<Value<'c>> {
    let start = converted(b, start, Type::int(b.context(), 64))?;
    b.add(counted(b, length)?, broadcast(b, start, &[], &[length])?)
}

impl Decompose for DynamicSlice<'_> {
    fn decompose<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        Ok(vec![b.take(self.operand(), positions(b, Extent::Known(self.size()), self.start())?, self.axis())?])
    }
}

impl<'c> Alias<'c> for DynamicSlice<'c> {
    fn scatter(&self, b: &Builder<'c>, whole: Value<'c>, part: Value<'c>) -> Result<Value<'c>> {
        b.dynamic_update_slice(whole, part, self.start(), self.axis())
    }
}

impl Cost for DynamicSlice<'_> {
    fn flops(&self, _: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        0.0
    }
}

impl Precision for DynamicSlice<'_> {}

crate::complex::parts_apart!(DynamicSlice, DynamicUpdateSlice);

impl Samples for DynamicSlice<'_> {
    fn samples(s: &mut SampleSet) {
        for (from, index, axis, to, shape) in [
            ("17x", "i64", 0, "5x", &[17][..]),
            ("3x?x", "i32", 1, "3x4x", &[3, 9]),
            ("?x5x3x", "ui8", 0, "2x5x3x", &[7, 5, 3]),
            ("0x5x", "i64", 1, "0x1x", &[0, 5]),
            ("4x", "i16", 0, "0x", &[4]),
        ] {
            let (from, start, to) =
                (format!("tensor<{from}$T>"), format!("tensor<{index}>"), format!("tensor<{to}$T>"));
            let size = to.trim_start_matches("tensor<").split('x').nth(axis).unwrap_or_default();
            let body = format!(
                "%r = thunder.dynamic_slice %x, %i axis = {axis} size = {size} : ({from}, {start}) -> {to}
                 return %r : {to}"
            );
            let signature = format!("(%x: {from}, %i: {start}) -> {to}");
            s.add(Dtypes::MOVED, &signature, &body, &[shape, &[]]).domain(1, 0.0, 4.0);
        }
    }
}

impl<'c> Infer<'c> for DynamicUpdateSlice<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_like(self)
    }
}

impl ShapeRule for DynamicUpdateSlice<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        let [operand, update, start] = &inputs.operands[..] else { return Err(self.error("internal: lacks operands")) };
        check_start(self, start)?;
        let axis = checked_axis(self, self.axis(), operand.len(), "(C2)")?;
        let (x, u) = (self.operand().ty().element(), self.update().ty().element());
        if x != u {
            return Err(self.error(format!("(C3) element types differ: '{x}' and '{u}'")));
        }
        if update.len() != operand.len() {
            let (expected, found) = (operand.len(), update.len());
            return Err(self.error(format!("(C4) an update of rank {found} instead of {expected}")));
        }
        let mut sizes = Vec::new();
        for (dim, (size, part)) in operand.iter().zip(update).enumerate() {
            if dim == axis {
                let is_larger = matches!((size.known(), part.known()), (Some(size), Some(part)) if part > size);
                if is_larger {
                    return Err(self.error(format!("(C4) an update of {part} positions of {size}")));
                }
                sizes.push(size.clone());
            } else {
                let one = size.unify(part);
                sizes.push(one.map_err(|e| self.error(format!("(C4) sizes of dimension {dim} differ: {e}")))?);
            }
        }
        Ok(vec![sizes])
    }
}

impl Library for DynamicUpdateSlice<'_> {
    fn library<'b>(&'b self) -> Option<LibraryCall<'b>> {
        Some(LibraryCall::UpdateSlice {
            operand: self.operand(),
            update: self.update(),
            start: self.start(),
            axis: self.axis() as usize,
        })
    }

    fn takes_views(&self) -> bool {
        false
    }

    fn in_place(&self) -> Option<usize> {
        Some(0)
    }
}

impl Reference for DynamicUpdateSlice<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        host_shapes(self, inputs)?;
        let (mut whole, update, axis) = (inputs[0].clone(), &inputs[1], self.axis() as usize);
        let (extent, length) = (whole.shape()[axis], update.shape()[axis]);
        let first = place(&inputs[2], length, extent)?;
        let inner = whole.shape()[axis + 1..].iter().product::<usize>() * whole.dtype().size();
        let outer: usize = whole.shape()[..axis].iter().product();
        let (block, bytes) = (length * inner, whole.bytes_mut());
        for i in 0..outer {
            let at = (i * extent + first) * inner;
            bytes[at..at + block].copy_from_slice(&update.bytes()[i * block..(i + 1) * block]);
        }
        Ok(vec![whole])
    }
}

impl<'c> Differentiate<'c> for DynamicUpdateSlice<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let (dy, axis) = (only(cotangents)?, self.axis());
        let sizes = extents(b, self.update())?;
        let nothing = zeros(b, dy.ty().element(), &sizes)?;
        let dx = b.dynamic_update_slice(dy, nothing, self.start(), axis)?;
        let du = b.take(dy, positions(b, sizes[axis as usize], self.start())?, axis)?;
        Ok(vec![Some(dx), Some(du), None])
    }
}

impl Cost for DynamicUpdateSlice<'_> {
    fn flops(&self, _: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        0.0
    }
}

impl Precision for DynamicUpdateSlice<'_> {}

impl Samples for DynamicUpdateSlice<'_> {
    fn samples(s: &mut SampleSet) {
        for (whole, part, index, axis, [xs, us]) in [
            ("17x", "5x", "i64", 0, [&[17][..], &[5]]),
            ("3x9x", "3x4x", "i32", 1, [&[3, 9], &[3, 4]]),
            ("?x7x3x", "?x2x3x", "ui8", 1, [&[5, 7, 3], &[5, 2, 3]]),
            ("?x3x", "?x3x", "i64", 0, [&[9, 3], &[2, 3]]),
            ("0x5x", "0x1x", "i16", 1, [&[0, 5], &[0, 1]]),
            ("5x3x", "0x3x", "i8", 0, [&[5, 3], &[0, 3]]),
        ] {
            let (whole, part) = (format!("tensor<{whole}$T>"), format!("tensor<{part}$T>"));
            let body = format!(
                "%r = thunder.dynamic_update_slice %x, %u, %i axis = {axis} : ({whole}, {part}, tensor<{index}>) -> {whole}
                 return %r : {whole}"
            );
            let signature = format!("(%x: {whole}, %u: {part}, %i: tensor<{index}>) -> {whole}");
            s.add(Dtypes::MOVED, &signature, &body, &[xs, us, &[]]).domain(2, 0.0, 5.0);
        }
    }
}
