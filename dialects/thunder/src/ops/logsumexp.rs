//! Logarithms of sums of exponentials.

use crate::axes::{checked_axes, host_shapes, reduced};
use crate::build::*;
use crate::compose::{Extent, broadcast, converted, extents, full, reshape, widened};
use crate::cotangent::{only, spread};
use crate::infer_like;
use thunder_interface::{
    Cost, Decompose, Differentiate, Dim, Dtypes, EvalError, Precision, PrecisionClass, Reference, SampleSet, Samples,
    ShapeInputs, ShapeRule,
};
use thunder_ir::prelude::*;
use thunder_tensor::{Tensor as HostTensor, reduce};

/// Logarithm of the sum of exponentials over `axes`, `log(sum(e^x))`, computed without overflow.
///
/// Half precision is computed in single precision and rounded once. Of nothing, as of negative infinities, it is
/// negative infinity.
///
/// - (C1) the operand is a tensor of floats
/// - (C2) `axes` are dimensions of the operand, each once and in ascending order
///
/// ```mlir
/// %y = thunder.logsumexp %x axes = [1] : tensor<2x3xf32> -> tensor<2xf32>
/// ```
#[op("thunder.logsumexp", pure, infer, interfaces(Reference, ShapeRule, Decompose, Differentiate, Cost, Precision))]
pub struct Logsumexp {
    /// What is reduced.
    #[c(1)]
    operand: Operand<Tensor<Float>>,
    /// The dimensions that vanish.
    axes: Attr<Vec<i64>>,
    /// Whether they stay, with size 1.
    #[default(false)]
    keep_dims: Attr<bool>,
    out: Produces<Tensor<Float>>,
}

impl<'c> Infer<'c> for Logsumexp<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_like(self)
    }
}

impl ShapeRule for Logsumexp<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        let dims = &inputs.operands[0];
        let axes = checked_axes(self, &self.axes(), dims.len(), "(C2)")?;
        Ok(vec![reduced(dims, &axes, self.keep_dims())])
    }
}

impl Reference for Logsumexp<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let shape = host_shapes(self, inputs)?.remove(0);
        let axes: Vec<usize> = self.axes().into_iter().map(|axis| axis as usize).collect();
        let value = reduce(&inputs[0], &axes, inputs[0].dtype(), f64::NEG_INFINITY, log_add_exp)?;
        Ok(vec![value.reshape(shape)?])
    }
}

/// `log(e^x + e^y)`: with the larger one outside, the exponential is at most 1.
fn log_add_exp(x: f64, y: f64) -> f64 {
    if x == y && x.is_infinite() {
        return x;
    }
    let (larger, smaller) = if x > y { (x, y) } else { (y, x) };
    larger + libm::log1p(libm::exp(smaller - larger))
}

impl Decompose for Logsumexp<'_> {
    fn decompose<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        let x = widened(b, self.operand())?;
        let (element, sizes, axes) = (x.ty().element(), extents(b, x)?, self.axes());
        let is_reduced = |dim: usize| axes.contains(&(dim as i64));
        let kept: Vec<usize> = (0..sizes.len()).filter(|dim| !is_reduced(*dim)).collect();
        let rest: Vec<Extent<'b>> = kept.iter().map(|dim| sizes[*dim]).collect();
        // A difference of infinities would be NaN: where the largest is infinite, nothing is subtracted.
        let largest = b.amax(x, axes.clone(), false)?;
        let shift = b.where_(b.isfinite(largest)?, largest, full(b, element, 0.0, &rest)?)?;
        let powers = b.exp(b.sub(x, broadcast(b, shift, &kept, &sizes)?)?)?;
        let value = b.add(b.log(b.sum(powers, axes.clone(), false)?)?, shift)?;
        let value = converted(b, value, self.operand().ty().element())?;
        if !self.keep_dims() {
            return Ok(vec![value]);
        }
        let ones = |(dim, size): (usize, &Extent<'b>)| if is_reduced(dim) { Extent::Known(1) } else { *size };
        Ok(vec![reshape(b, value, &sizes.iter().enumerate().map(ones).collect::<Vec<_>>())?])
    }
}

impl<'c> Differentiate<'c> for Logsumexp<'c> {
    /// `dy e^(x - y)`; where `y` is infinite, nothing is subtracted.
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let [x, y, dy] = [widened(b, self.operand())?, widened(b, self.out())?, widened(b, only(cotangents)?)?];
        let (sizes, axes) = (extents(b, x)?, self.axes());
        let repeated = |row| spread(b, row, &axes, self.keep_dims(), &sizes);
        let shift = b.where_(b.isfinite(y)?, y, full(b, y.ty().element(), 0.0, &extents(b, y)?)?)?;
        let dx = b.mul(repeated(dy)?, b.exp(b.sub(x, repeated(shift)?)?)?)?;
        Ok(vec![Some(converted(b, dx, self.operand().ty().element())?)])
    }
}

impl Cost for Logsumexp<'_> {
    fn flops(&self, operands: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        14.0 * operands[0].iter().product::<i64>() as f64
    }
}

impl Precision for Logsumexp<'_> {
    fn precision(&self) -> PrecisionClass {
        PrecisionClass::Widen
    }
}

impl Samples for Logsumexp<'_> {
    fn samples(s: &mut SampleSet) {
        for (operand, attributes, result, shape, specials) in [
            ("3x37x", "axes = [1]", "3x", &[3, 37][..], false),
            ("37x3x", "axes = [0] keep_dims = true", "1x3x", &[37, 3], false),
            ("2x5x7x3x", "axes = [0, 2]", "5x3x", &[2, 5, 7, 3], false),
            ("17x", "axes = [0]", "", &[17], false),
            ("2x3x", "axes = []", "2x3x", &[2, 3], false),
            ("?x?x4x", "axes = [1, 2]", "?x", &[3, 5, 4], false),
            ("?x6x", "axes = [1] keep_dims = true", "?x1x", &[4, 6], false),
            ("0x4x", "axes = [1]", "0x", &[0, 4], false),
            ("2x0x", "axes = [1]", "2x", &[2, 0], true),
            ("11x3x", "axes = [1]", "11x", &[11, 3], true),
        ] {
            let result = format!("tensor<{result}$T>");
            let body = format!(
                "%r = thunder.logsumexp %x {attributes} : tensor<{operand}$T> -> {result}\n  return %r : {result}"
            );
            let signature = format!("(%x: tensor<{operand}$T>) -> {result}");
            let sample = s.add(Dtypes::FLOATS, &signature, &body, &[shape]).domains(-8.0, 8.0).ulps(32.0);
            if specials {
                sample.specials();
            }
        }
    }
}
