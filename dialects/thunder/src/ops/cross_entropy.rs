//! Cross-entropy: what classification and language models are trained to make small.

use super::gather::place;
use crate::axes::host_shapes;
use crate::build::*;
use crate::compose::{Extent, broadcast, converted, extents, float_count, full, widened};
use crate::cotangent::{integers, only, scaled, spread, zeros_like};
use crate::infer_like;
use thunder_interface::{
    Cost, Decompose, Differentiate, Dim, Dtypes, EvalError, Precision, PrecisionClass, Reference, SampleSet, Samples,
    ShapeInputs, ShapeRule,
};
use thunder_ir::prelude::*;
use thunder_tensor::Tensor as HostTensor;

/// Cross-entropy `log(sum(e^x)) - x[target]` of each row of logits, computed without overflow.
///
/// A row is what the last dimension holds: one logit for each class. With `label_smoothing` `s`, `x[target]` is replaced
/// by `(1 - s) x[target] + s mean(x)`. The value is zero where the target is `ignore_index`; any other target below 0,
/// or not below the number of classes, is an error when the program runs. Half precision is computed in single precision
/// and rounded once.
///
/// - (C1) `logits` is a tensor of floats with rank >= 1
/// - (C2) `targets` is a tensor of integers, whose dimensions are those of `logits` but for the last
/// - (C3) `label_smoothing` is at least 0 and at most 1
///
/// ```mlir
/// %y = thunder.cross_entropy %x, %t : (tensor<2x7x100xf32>, tensor<2x7xi64>) -> tensor<2x7xf32>
/// ```
#[op("thunder.cross_entropy", pure, infer, interfaces(Reference, ShapeRule, Decompose, Differentiate, Cost, Precision))]
pub struct CrossEntropy {
    /// A row for each target.
    #[c(1)]
    logits: Operand<Tensor<Float>>,
    /// Numbers of classes.
    #[c(2)]
    targets: Operand<Tensor<Integer>>,
    /// The target of rows that do not count.
    ignore_index: OptionalAttr<i64>,
    /// How much of the weight all classes share.
    #[default(0.0)]
    label_smoothing: Attr<f64>,
    out: Produces<Tensor<Float>>,
}

impl<'c> Infer<'c> for CrossEntropy<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_like(self)
    }
}

impl ShapeRule for CrossEntropy<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        let (logits, targets) = (&inputs.operands[0], &inputs.operands[1]);
        let Some((_, rows)) = logits.split_last() else {
            return Err(self.error("(C1) logits have rank 0, and so no classes"));
        };
        if rows.len() != targets.len() {
            let (logits, targets) = (logits.len(), targets.len());
            return Err(self.error(format!("(C2) logits of rank {logits} have no targets of rank {targets}")));
        }
        if !(0.0..=1.0).contains(&self.label_smoothing()) {
            return Err(self.error(format!("(C3) label_smoothing {} is not from 0 to 1", self.label_smoothing())));
        }
        let unify = |(axis, (row, target)): (usize, (&Dim, &Dim))| {
            row.unify(target).map_err(|e| self.error(format!("(C2) sizes of dimension {axis} differ: {e}")))
        };
        Ok(vec![rows.iter().zip(targets).enumerate().map(unify).collect::<Result<_>>()?])
    }
}

impl Reference for CrossEntropy<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let shape = host_shapes(self, inputs)?.remove(0);
        let logits = &inputs[0];
        let classes = logits.shape()[logits.rank() - 1];
        let (logits, smoothing) = (logits.to_vec::<f64>(), self.label_smoothing());
        let value = |(row, target): (usize, i64)| {
            if self.ignore_index() == Some(target) {
                return Ok(0.0);
            }
            let target = place(target, classes)?;
            let row = &logits[row * classes..][..classes];
            let largest = row.iter().fold(f64::NEG_INFINITY, |best, x| best.max(*x));
            // A difference of infinities would be NaN: where the largest is infinite, nothing is subtracted.
            let shift = if largest.is_finite() { largest } else { 0.0 };
            let total = libm::log(row.iter().map(|x| libm::exp(x - shift)).sum::<f64>()) + shift;
            if smoothing == 0.0 {
                return Ok(total - row[target]);
            }
            let mean = row.iter().sum::<f64>() / classes as f64;
            Ok(total - ((1.0 - smoothing) * row[target] + smoothing * mean))
        };
        let values =
            inputs[1].to_vec::<i64>().into_iter().enumerate().map(value).collect::<Result<Vec<_>, EvalError>>()?;
        Ok(vec![HostTensor::from_values(inputs[0].dtype(), shape, values)?])
    }
}

/// Classes are counted in `i32` where there are fewer, and known to be: that is less work.
const MANY: i64 = 1 << 31;

impl<'c> CrossEntropy<'c> {
    /// Which rows do not count, if any may not.
    fn ignored(&self, b: &Builder<'c>) -> Result<Option<Value<'c>>> {
        let Some(ignored) = self.ignore_index() else { return Ok(None) };
        let targets = converted(b, self.targets(), Type::int(b.context(), 64))?;
        Ok(Some(b.eq(targets, integers(b, ignored, &extents(b, targets)?)?)?))
    }

    /// Whether each logit, of which there are `sizes`, is that of the target. A row that computes with these needs no
    /// other access to find its target.
    fn is_target(&self, b: &Builder<'c>, sizes: &[Extent<'c>]) -> Result<Value<'c>> {
        let (rows, classes) = (sizes.len() - 1, sizes[sizes.len() - 1]);
        let bits = if classes.stated().is_some_and(|count| count < MANY) { 32 } else { 64 };
        let integer = Type::int(b.context(), bits);
        let dynamic: Vec<_> = sizes.iter().filter_map(|size| size.value()).collect();
        let stated: Vec<_> = sizes.iter().map(|size| size.stated()).collect();
        let class = b.iota(&dynamic, rows as i64, Type::tensor(integer, &stated))?;
        let targets = spread(b, converted(b, self.targets(), integer)?, &[rows as i64], false, sizes)?;
        b.eq(class, targets)
    }
}

impl Decompose for CrossEntropy<'_> {
    fn decompose<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        let x = widened(b, self.logits())?;
        let sizes = extents(b, x)?;
        let axis = sizes.len() as i64 - 1;
        let of_target = b.where_(self.is_target(b, &sizes)?, x, zeros_like(b, x)?)?;
        let mut mean = b.sum(of_target, vec![axis], false)?;
        let smoothing = self.label_smoothing();
        if smoothing != 0.0 {
            let all = scaled(b, b.mean(x, vec![axis], false)?, smoothing)?;
            mean = b.add(scaled(b, mean, 1.0 - smoothing)?, all)?;
        }
        let mut value = b.sub(b.logsumexp(x, vec![axis], false)?, mean)?;
        if let Some(ignored) = self.ignored(b)? {
            value = b.where_(ignored, zeros_like(b, value)?, value)?;
        }
        Ok(vec![converted(b, value, self.logits().ty().element())?])
    }
}

impl<'c> Differentiate<'c> for CrossEntropy<'c> {
    /// `(softmax(x) - (1 - s) [class == target] - s / classes) dy`: no more than the logits is kept of the forward part.
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let (x, mut dy) = (widened(b, self.logits())?, widened(b, only(cotangents)?)?);
        let sizes = extents(b, x)?;
        let (axis, element, smoothing) = (sizes.len() - 1, x.ty().element(), self.label_smoothing());
        if let Some(ignored) = self.ignored(b)? {
            dy = b.where_(ignored, zeros_like(b, dy)?, dy)?;
        }
        let repeated = |row| spread(b, row, &[axis as i64], false, &sizes);
        let share = b.exp(b.sub(x, repeated(b.logsumexp(x, vec![axis as i64], false)?)?)?)?;
        let is_target = self.is_target(b, &sizes)?;
        let mut wanted = b.where_(is_target, full(b, element, 1.0 - smoothing, &sizes)?, zeros_like(b, x)?)?;
        if smoothing != 0.0 {
            let share = b.div(full(b, element, smoothing, &[])?, float_count(b, element, &sizes[axis..])?)?;
            wanted = b.add(wanted, broadcast(b, share, &[], &sizes)?)?;
        }
        let dx = b.mul(b.sub(share, wanted)?, repeated(dy)?)?;
        Ok(vec![Some(converted(b, dx, self.logits().ty().element())?), None])
    }
}

impl Cost for CrossEntropy<'_> {
    fn flops(&self, operands: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        14.0 * operands[0].iter().product::<i64>() as f64
    }
}

impl Precision for CrossEntropy<'_> {
    fn precision(&self) -> PrecisionClass {
        PrecisionClass::Widen
    }
}

impl Samples for CrossEntropy<'_> {
    fn samples(s: &mut SampleSet) {
        for (logits, targets, attributes, out, [xs, ts]) in [
            ("3x37x", "3xi64", "", "3x", [&[3, 37][..], &[3]]),
            ("2x5x11x", "2x5xi32", "ignore_index = 3", "2x5x", [&[2, 5, 11], &[2, 5]]),
            ("7x11x", "7xi64", "label_smoothing = 0.1", "7x", [&[7, 11], &[7]]),
            ("?x?x?x", "?x?xi64", "ignore_index = 0 label_smoothing = 0.25", "?x?x", [&[2, 3, 11], &[2, 3]]),
            ("11x", "ui8", "", "", [&[11], &[]]),
            ("0x11x", "0xi64", "", "0x", [&[0, 11], &[0]]),
        ] {
            let (x, t, out) = (format!("tensor<{logits}$T>"), format!("tensor<{targets}>"), format!("tensor<{out}$T>"));
            let body =
                format!("%r = thunder.cross_entropy %x, %t {attributes} : ({x}, {t}) -> {out}\n  return %r : {out}");
            let signature = format!("(%x: {x}, %t: {t}) -> {out}");
            let sample = s.add(Dtypes::FLOATS, &signature, &body, &[xs, ts]);
            sample.domain(0, -8.0, 8.0).domain(1, 0.0, 11.0).ulps(32.0);
        }
    }
}
