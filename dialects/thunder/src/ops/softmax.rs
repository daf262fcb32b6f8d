//! Softmax and its logarithm.

use crate::build::*;
use crate::checked_axis;
use crate::compose::{Extent, broadcast, converted, extents, widened};
use crate::cotangent::{only, spread};
use thunder_interface::{
    Cost, Decompose, Differentiate, Dim, Dtypes, EvalError, Precision, PrecisionClass, Reference, SampleSet, Samples,
    ShapeInputs, ShapeRule,
};
use thunder_ir::prelude::*;
use thunder_tensor::{Tensor as HostTensor, lanes};

/// Defines normalizations of exponentials. Each line: docs, struct, name, an example, how many
/// operations an element takes, the value of one element from its difference to the largest and the
/// sum of exponentials, the same as operations, and the gradient from the result, its cotangent and
/// sums over the axis.
macro_rules! exponentials {
    ($($(#[$doc:meta])* $op:ident $name:literal $example:tt $flops:literal, $value:expr, $build:expr,
        $gradient:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// Half precision is computed in single precision and rounded once.
        ///
        /// - (C1) the operand is a tensor of floats
        /// - (C2) `axis` is a dimension of the operand
        ///
        /// ```mlir
        #[doc = $example]
        /// ```
        #[op($name, pure, same_type, verify,
            interfaces(Reference, ShapeRule, Decompose, Differentiate, Cost, Precision))]
        pub struct $op {
            /// What is normalized.
            #[c(1)]
            operand: Operand<Tensor<Float>>,
            /// The dimension to normalize over.
            axis: Attr<i64>,
            out: Produces<Tensor<Float>>,
        }

        impl Verify for $op<'_> {
            fn verify(&self) -> Result {
                let rank = self.operand().ty().as_tensor().map_or(0, |ty| ty.rank());
                checked_axis(self, self.axis(), rank, "(C2)").map(drop)
            }
        }

        impl ShapeRule for $op<'_> {
            fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
                Ok(vec![inputs.operands[0].clone()])
            }
        }

        impl Reference for $op<'_> {
            fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
                let value: fn(f64, f64) -> f64 = $value;
                let (operand, axis) = (&inputs[0], self.axis() as usize);
                let length = operand.shape()[axis];
                let out = lanes(operand, axis, operand.dtype(), length, |lane: &[f64], out: &mut [f64]| {
                    let largest = lane.iter().fold(f64::NEG_INFINITY, |best, x| best.max(*x));
                    let total: f64 = lane.iter().map(|x| libm::exp(x - largest)).sum();
                    lane.iter().zip(out).for_each(|(x, out)| *out = value(x - largest, total));
                });
                Ok(vec![out?])
            }
        }

        impl Decompose for $op<'_> {
            fn decompose<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
                let parts = Exponentials::of(b, self.operand(), self.axis())?;
                let build: for<'x> fn(&Builder<'x>, &Exponentials<'x>) -> Result<Value<'x>> = $build;
                Ok(vec![converted(b, build(b, &parts)?, self.operand().ty().element())?])
            }
        }

        impl<'c> Differentiate<'c> for $op<'c> {
            fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
                let (y, dy) = (widened(b, self.out())?, widened(b, only(cotangents)?)?);
                let (axes, sizes) = ([self.axis()], extents(b, y)?);
                let total = |x| spread(b, b.sum(x, axes.to_vec(), false)?, &axes, false, &sizes);
                let gradient: for<'x> fn(&Builder<'x>, [Value<'x>; 2], Total<'_, 'x>) -> Result<Value<'x>> = $gradient;
                Ok(vec![Some(converted(b, gradient(b, [y, dy], &total)?, self.operand().ty().element())?)])
            }
        }

        impl Cost for $op<'_> {
            fn flops(&self, _: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
                $flops * results[0].iter().product::<i64>() as f64
            }
        }

        impl Precision for $op<'_> {
            fn precision(&self) -> PrecisionClass {
                PrecisionClass::Widen
            }
        }

        impl Samples for $op<'_> {
            fn samples(s: &mut SampleSet) {
                samples(s, $name);
            }
        }
    )*};
}

/// Sums over the axis, repeated along it.
type Total<'a, 'c> = &'a dyn Fn(Value<'c>) -> Result<Value<'c>>;

/// What softmax and its logarithm are made of.
struct Exponentials<'b> {
    /// The differences to the largest element, none of which is positive.
    shifted: Value<'b>,
    /// Their exponentials.
    powers: Value<'b>,
    /// The sums of exponentials.
    totals: Value<'b>,
    kept: Vec<usize>,
    sizes: Vec<Extent<'b>>,
}

impl<'b> Exponentials<'b> {
    fn of(b: &Builder<'b>, operand: Value<'b>, axis: i64) -> Result<Self> {
        let x = widened(b, operand)?;
        let sizes = extents(b, x)?;
        let kept: Vec<usize> = (0..sizes.len()).filter(|dim| *dim as i64 != axis).collect();
        let largest = b.amax(x, vec![axis], false)?;
        let shifted = b.sub(x, broadcast(b, largest, &kept, &sizes)?)?;
        let powers = b.exp(shifted)?;
        let totals = b.sum(powers, vec![axis], false)?;
        Ok(Self { shifted, powers, totals, kept, sizes })
    }

    fn repeated(&self, b: &Builder<'b>, row: Value<'b>) -> Result<Value<'b>> {
        broadcast(b, row, &self.kept, &self.sizes)
    }
}

exponentials! {
    /// Exponentials over their sum, `e^x / sum(e^x)` along `axis`, computed without overflow.
    ///
    /// A lane of negative infinities gives NaN, as does one with a positive infinity or a NaN.
    Softmax "thunder.softmax" "%y = thunder.softmax %x axis = 1 : tensor<4x8xf32>" 14.0,
        |x, total| libm::exp(x) / total,
        // Totals are at least 1: their reciprocals cost an ulp, and a division per row instead of per element.
        |b, parts| b.mul(parts.powers, parts.repeated(b, b.reciprocal(parts.totals)?)?),
        |b, [y, dy], total| b.mul(y, b.sub(dy, total(b.mul(dy, y)?)?)?);

    /// Logarithm of softmax, `x - log(sum(e^x))` along `axis`, computed without overflow.
    ///
    /// A lane of negative infinities gives NaN, as does one with a positive infinity or a NaN.
    LogSoftmax "thunder.log_softmax" "%y = thunder.log_softmax %x axis = 1 : tensor<4x8xf32>" 14.0,
        |x, total| x - libm::log(total), |b, parts| b.sub(parts.shifted, parts.repeated(b, b.log(parts.totals)?)?),
        |b, [y, dy], total| b.sub(dy, b.mul(b.exp(y)?, total(dy)?)?);
}

fn samples(s: &mut SampleSet, name: &str) {
    for (ty, axis, shape) in [
        ("tensor<3x37x$T>", 1, &[3, 37][..]),
        ("tensor<5x2x3x$T>", 0, &[5, 2, 3]),
        ("tensor<2x5x3x$T>", 1, &[2, 5, 3]),
        ("tensor<?x?x$T>", 1, &[3, 9]),
        ("tensor<?x7x$T>", 0, &[4, 7]),
        ("tensor<1x$T>", 0, &[1]),
        ("tensor<0x4x$T>", 1, &[0, 4]),
        ("tensor<2x0x$T>", 1, &[2, 0]),
    ] {
        let body = format!("%r = {name} %x axis = {axis} : {ty}\n  return %r : {ty}");
        s.add(Dtypes::FLOATS, &format!("(%x: {ty}) -> {ty}"), &body, &[shape]).domains(-8.0, 8.0).ulps(16.0);
    }
    let body = format!("%r = {name} %x axis = 1 : tensor<11x3x$T>\n  return %r : tensor<11x3x$T>");
    s.add(Dtypes::FLOATS, "(%x: tensor<11x3x$T>) -> tensor<11x3x$T>", &body, &[&[11, 3]]).ulps(16.0).specials();
}
