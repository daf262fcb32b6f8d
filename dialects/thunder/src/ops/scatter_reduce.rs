//! Elements combined with others at places chosen by indices.

use super::gather::place;
use super::scatter::{check_updates, same_elements};
use crate::axes::host_shapes;
use crate::build::*;
use crate::compose::{broadcast, converted, extents};
use crate::cotangent::{counted, integers, ones_like, only, zeros_like};
use crate::{checked_axis, infer_like};
use thunder_interface::{
    Cost, Differentiate, Dim, Dtypes, EvalError, Parts, Precision, PrecisionClass, Reference, SampleSet, Samples,
    ShapeInputs, ShapeRule,
};
use thunder_ir::prelude::*;
use thunder_tensor::{DType, Tensor as HostTensor};

/// What becomes of an element and an update of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AttrKind)]
pub enum Reduction {
    /// The update.
    Replace,
    /// Their product.
    Prod,
    /// The larger one, or NaN.
    Amax,
    /// The smaller one, or NaN.
    Amin,
}

/// The operand with elements of `updates` combined with its own along `axis`, each at the position that `indices`
/// holds in its place.
///
/// Several updates of one element are taken in row-major order, so that the last one replaces it; sums are
/// `thunder.scatter_add`. Floating-point products are computed in at least single precision; integers wrap. An index
/// below 0, or not below the size of that dimension, is an error when the program runs.
///
/// - (C1) the operand and `updates` are tensors of numbers with one element type
/// - (C2) `indices` is a tensor of integers
/// - (C3) the operand and `indices` have one rank, and `axis` is one of their dimensions
/// - (C4) `updates` has the dimensions of `indices`, all of which but `axis` are those of the operand
///
/// ```mlir
/// %y = thunder.scatter_reduce %x, %i, %u axis = 1 reduce = amax
///   : (tensor<2x5xf32>, tensor<2x3xi64>, tensor<2x3xf32>) -> tensor<2x5xf32>
/// ```
#[op("thunder.scatter_reduce", pure, infer, interfaces(Reference, ShapeRule, Differentiate, Cost, Precision, Parts))]
pub struct ScatterReduce {
    /// What is combined with the updates.
    #[c(1)]
    operand: Operand<Tensor<AnyNumber>>,
    /// Positions along `axis`.
    #[c(2)]
    indices: Operand<Tensor<Integer>>,
    /// An element for each index.
    #[c(1)]
    updates: Operand<Tensor<AnyNumber>>,
    /// The dimension that is indexed.
    axis: Attr<i64>,
    /// What becomes of an element and an update.
    #[default(Reduction::Replace)]
    reduce: Attr<Reduction>,
    out: Produces<Tensor<AnyNumber>>,
}

impl<'c> Infer<'c> for ScatterReduce<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_like(self)
    }
}

impl ShapeRule for ScatterReduce<'_> {
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

impl Reference for ScatterReduce<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let shape = host_shapes(self, inputs)?.remove(0);
        let axis = self.axis() as usize;
        let (extent, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
        let block = inputs[1].shape()[axis] * inner;
        let indices = inputs[1].to_vec::<i64>();
        let target = |at: usize| -> Result<usize, EvalError> {
            Ok(((at / block) * extent + place(indices[at], extent)?) * inner + at % inner)
        };
        let dtype = inputs[0].dtype();
        let values = if dtype.is_float() {
            let mut values = inputs[0].to_vec::<f64>();
            for (at, x) in inputs[2].to_vec::<f64>().into_iter().enumerate() {
                let value = &mut values[target(at)?];
                *value = match self.reduce() {
                    Reduction::Replace => x,
                    Reduction::Prod => *value * x,
                    _ if value.is_nan() || x.is_nan() => f64::NAN,
                    Reduction::Amax => value.max(x),
                    Reduction::Amin => value.min(x),
                };
            }
            HostTensor::from_values(dtype, shape, values)?
        } else {
            let mut values = inputs[0].to_vec::<i64>();
            for (at, x) in inputs[2].to_vec::<i64>().into_iter().enumerate() {
                let value = &mut values[target(at)?];
                *value = match self.reduce() {
                    Reduction::Replace => x,
                    Reduction::Prod => value.wrapping_mul(x),
                    Reduction::Amax => x.max(*value),
                    Reduction::Amin => x.min(*value),
                };
            }
            // The conversion wraps to the dtype.
            HostTensor::from_values(DType::I64, shape, values)?.cast(dtype)
        };
        Ok(vec![values])
    }
}

impl<'c> ScatterReduce<'c> {
    fn scatter(&self, b: &Builder<'c>, x: Value<'c>, updates: Value<'c>, reduce: Reduction) -> Result<Value<'c>> {
        b.scatter_reduce(x, self.indices(), updates, self.axis(), reduce)
    }

    fn total(&self, b: &Builder<'c>, x: Value<'c>, updates: Value<'c>) -> Result<Value<'c>> {
        b.scatter_add(x, self.indices(), updates, self.axis())
    }

    fn gather(&self, b: &Builder<'c>, x: Value<'c>) -> Result<Value<'c>> {
        b.take_along_axis(x, self.indices(), self.axis())
    }
}

impl<'c> Differentiate<'c> for ScatterReduce<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let dy = only(cotangents)?;
        let [dx, du] = match self.reduce() {
            Reduction::Replace => self.replaced(b, dy)?,
            Reduction::Prod => self.multiplied(b, dy)?,
            Reduction::Amax | Reduction::Amin => self.selected(b, dy)?,
        };
        Ok(vec![Some(dx), None, Some(du)])
    }
}

impl<'c> ScatterReduce<'c> {
    /// The cotangent of an element that was replaced is that of the update which came last.
    fn replaced(&self, b: &Builder<'c>, dy: Value<'c>) -> Result<[Value<'c>; 2]> {
        let zeros = zeros_like(b, self.updates())?;
        let dx = self.scatter(b, dy, zeros, Reduction::Replace)?;
        let (sizes, axis) = (extents(b, self.indices())?, self.axis() as usize);
        let number = broadcast(b, counted(b, sizes[axis])?, &[axis], &sizes)?;
        let none = integers(b, 0, &extents(b, self.operand())?)?;
        let last = self.gather(b, self.scatter(b, none, number, Reduction::Replace)?)?;
        let du = b.where_(b.eq(last, number)?, self.gather(b, dy)?, zeros)?;
        Ok([dx, du])
    }

    /// That of a factor is the product of the others: of all that are not zero, where no other is.
    fn multiplied(&self, b: &Builder<'c>, dy: Value<'c>) -> Result<[Value<'c>; 2]> {
        let (x, u) = (self.operand(), self.updates());
        let (zero, one) = (zeros_like(b, u)?, ones_like(b, u)?);
        let dx = b.mul(dy, self.scatter(b, ones_like(b, x)?, u, Reduction::Prod)?)?;
        let is_zero = b.eq(u, zero)?;
        let factor = b.where_(is_zero, one, u)?;
        let rest = b.div(self.gather(b, self.scatter(b, x, factor, Reduction::Prod)?)?, factor)?;
        let own = converted(b, is_zero, u.ty().element())?;
        let others = b.sub(self.gather(b, self.total(b, zeros_like(b, x)?, own)?)?, own)?;
        let du = b.mul(b.where_(b.eq(others, zero)?, rest, zero)?, self.gather(b, dy)?)?;
        Ok([dx, du])
    }

    /// All that are equal to the result share its cotangent.
    fn selected(&self, b: &Builder<'c>, dy: Value<'c>) -> Result<[Value<'c>; 2]> {
        let (x, u, y) = (self.operand(), self.updates(), self.out());
        let wins_own = converted(b, b.eq(x, y)?, x.ty().element())?;
        let wins = converted(b, b.eq(u, self.gather(b, y)?)?, x.ty().element())?;
        let count = self.total(b, wins_own, wins)?;
        let share = b.div(dy, b.maximum(count, ones_like(b, count)?)?)?;
        Ok([b.mul(wins_own, share)?, b.mul(wins, self.gather(b, share)?)?])
    }
}

impl Cost for ScatterReduce<'_> {
    fn flops(&self, operands: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        operands[2].iter().product::<i64>() as f64
    }
}

impl Precision for ScatterReduce<'_> {
    fn precision(&self) -> PrecisionClass {
        PrecisionClass::Widen
    }
}

impl Parts for ScatterReduce<'_> {
    fn by_parts<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        match self.reduce() {
            Reduction::Replace => crate::complex::apart(b, self),
            other => Err(self.error(format!("has no meaning on complex numbers: {other:?}"))),
        }
    }
}

impl Samples for ScatterReduce<'_> {
    fn samples(s: &mut SampleSet) {
        for (operand, indices, updates, attributes, shapes) in [
            ("2x5x3x", "2x4x3xi64", "2x4x3x", "axis = 1", [&[2, 5, 3][..], &[2, 4, 3], &[2, 4, 3]]),
            ("5x7x", "9x7xi32", "9x7x", "axis = 0 reduce = prod", [&[5, 7], &[9, 7], &[9, 7]]),
            ("5x", "8xi64", "8x", "axis = 0 reduce = amax", [&[5], &[8], &[8]]),
            ("3x5x", "3x8xui8", "3x8x", "axis = 1 reduce = amin", [&[3, 5], &[3, 8], &[3, 8]]),
            ("?x?x", "?x?xi64", "?x?x", "axis = 1", [&[2, 5], &[2, 3], &[2, 3]]),
            ("?x?x", "?x?xi64", "?x?x", "axis = 0 reduce = amax", [&[5, 3], &[4, 3], &[4, 3]]),
            ("0x5x", "0x2xi64", "0x2x", "axis = 1 reduce = prod", [&[0, 5], &[0, 2], &[0, 2]]),
            ("5x3x", "0x3xi64", "0x3x", "axis = 0", [&[5, 3], &[0, 3], &[0, 3]]),
        ] {
            let (x, i, u) =
                (format!("tensor<{operand}$T>"), format!("tensor<{indices}>"), format!("tensor<{updates}$T>"));
            let body = format!(
                "%r = thunder.scatter_reduce %x, %i, %u {attributes} : ({x}, {i}, {u}) -> {x}\n  return %r : {x}"
            );
            let signature = format!("(%x: {x}, %i: {i}, %u: {u}) -> {x}");
            s.add(Dtypes::NUMBERS, &signature, &body, &shapes).domain(1, 0.0, 5.0).ulps(16.0);
        }
    }
}
