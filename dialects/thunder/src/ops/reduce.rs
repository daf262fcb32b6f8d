//! Reductions: many elements become one.

mod complex;
pub(crate) use complex::FEW;
mod gradient;
mod panels;
mod steps;

use self::gradient::{GradientRule, Reduced};
use crate::axes::{checked_axes, host_shapes, reduced};
use crate::complex::apart;
use crate::compose::extents;
use crate::cotangent::{only, spread};
use crate::{fold_constants, infer_like};
use thunder_interface::{
    Cost, Differentiate, Dim, Dtypes, EvalError, Factor, Panels, Parts, Precision, PrecisionClass, Reference,
    SampleSet, Samples, ShapeInputs, ShapeRule, Shard, ShardRule, Steps,
};
use thunder_ir::op::FoldOutcome;
use thunder_ir::prelude::*;
use thunder_tensor::{DType, Tensor as HostTensor, reduce};

/// Defines reductions of a tensor over axes. Each line: docs, struct, name, an example, autocast
/// class, flops per element, the fold: its start and its step in `f64` and in `i64`, and the rule of
/// its gradient.
macro_rules! reductions {
    ($elements:ident $dtypes:ident $c1:tt: $($(#[$doc:meta])* $op:ident $name:literal $example:tt $class:ident
        $flops:literal, $fold:expr $(, $differentiate:ident by $rule:expr)? $(=> $parts:ident by $apart:expr)?;)*) => {$(
        $(#[$doc])*
        ///
        #[doc = $c1]
        /// - (C2) `axes` are dimensions of the operand, each once and in ascending order
        ///
        /// ```mlir
        #[doc = $example]
        /// ```
        #[op($name, pure, infer, fold,
            interfaces(Reference, ShapeRule, Shard, Panels, Cost, Precision $(, $differentiate)? $(, $parts)?))]
        pub struct $op {
            /// What is reduced.
            #[c(1)]
            operand: Operand<Tensor<$elements>>,
            /// The dimensions that vanish.
            axes: Attr<Vec<i64>>,
            /// Whether they stay, with size 1.
            #[default(false)]
            keep_dims: Attr<bool>,
            out: Produces<Tensor<$elements>>,
        }

        impl<'c> Infer<'c> for $op<'c> {
            fn infer(&self) -> Result<Vec<Type<'c>>> {
                infer_like(self)
            }
        }

        impl<'c> Fold<'c> for $op<'c> {
            fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
                fold_constants(self, constants)
            }
        }

        impl ShapeRule for $op<'_> {
            fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
                let dims = &inputs.operands[0];
                let axes = checked_axes(self, &self.axes(), dims.len(), "(C2)")?;
                Ok(vec![reduced(dims, &axes, self.keep_dims())])
            }
        }

        impl Reference for $op<'_> {
            fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
                let shape = host_shapes(self, inputs)?.remove(0);
                let axes: Vec<usize> = self.axes().into_iter().map(|axis| axis as usize).collect();
                let fold: Folding = $fold;
                Ok(vec![fold.over(&inputs[0], &axes)?.reshape(shape)?])
            }
        }

        $(impl<'c> $differentiate<'c> for $op<'c> {
            fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
                let (x, axes) = (self.operand(), self.axes());
                let sizes = extents(b, x)?;
                let dy = spread(b, only(cotangents)?, &axes, self.keep_dims(), &sizes)?;
                let y = || spread(b, self.out(), &axes, self.keep_dims(), &sizes);
                let rule: GradientRule = $rule;
                Ok(vec![Some(rule(&Reduced { b, x, axes: &axes, sizes: &sizes, dy, y: &y })?)])
            }
        })?

        $(impl $parts for $op<'_> {
            fn by_parts<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
                let rule: for<'o> fn(&Builder<'o>, &$op<'o>) -> Result<Vec<Value<'o>>> = $apart;
                rule(b, self)
            }
        })?

        impl Shard for $op<'_> {
            fn rule(&self) -> ShardRule {
                reduction_rule(self.operand().ty(), &self.axes(), self.keep_dims())
            }
        }

        impl<'c> Panels<'c> for $op<'c> {
            fn in_panels(&self, b: &Builder<'c>, panels: i64) -> Result<(Value<'c>, Value<'c>)> {
                panels::in_panels(self, b, &self.axes(), panels)
            }

            fn in_steps(&self, b: &Builder<'c>, steps: &Steps) -> Result<(Value<'c>, Value<'c>)> {
                steps::in_steps(self, b, steps)
            }
        }

        impl Cost for $op<'_> {
            fn flops(&self, operands: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
                $flops * operands[0].iter().product::<i64>() as f64
            }
        }

        impl Precision for $op<'_> {
            fn precision(&self) -> PrecisionClass {
                PrecisionClass::$class
            }
        }

        impl Samples for $op<'_> {
            fn samples(s: &mut SampleSet) {
                reduction_samples(s, $name, Dtypes::$dtypes);
                $({
                    let _: Option<&dyn $parts> = None;
                    let ty = |dims: &str| format!("tensor<{dims}x$T>");
                    for (operand, shape) in [("3x5", [3, 5]), ("3x17", [3, 17]), ("?x?", [2, 9]), ("2x0", [2, 0])] {
                        let (x, y) = (ty(operand), ty(&operand[..1]));
                        let body = format!("%r = {} %x axes = [1] : {x} -> {y}\n  return %r : {y}", $name);
                        s.add(Dtypes::COMPLEX, &format!("(%x: {x}) -> {y}"), &body, &[&shape]).ulps(1024.0);
                    }
                })?
            }
        }
    )*};
}

/// Dimensions that stay move with those of the operand; the others are summed over.
pub(crate) fn reduction_rule(operand: Type<'_>, axes: &[i64], keep_dims: bool) -> ShardRule {
    let rank = operand.as_tensor().map_or(0, |t| t.rank()) as u32;
    let is_reduced = |i: u32| axes.contains(&i64::from(i));
    let result = (0..rank).filter(|i| keep_dims || !is_reduced(*i)).map(|i| (!is_reduced(i)).then_some(Factor(i)));
    ShardRule {
        operands: vec![(0..rank).map(|i| Some(Factor(i))).collect()],
        results: vec![result.collect()],
        reduced: (0..rank).filter(|i| is_reduced(*i)).map(Factor).collect(),
    }
}

/// The integer that a reduction of a dtype starts from.
type Start = fn(DType) -> i64;

/// A start and a step, for floats and for integers; a mean also divides by the number of elements.
struct Folding {
    float: (f64, fn(f64, f64) -> f64),
    integer: (Start, fn(i64, i64) -> i64),
    divides: bool,
}

impl Folding {
    fn over(&self, operand: &HostTensor, axes: &[usize]) -> Result<HostTensor, EvalError> {
        let dtype = operand.dtype();
        if !dtype.is_float() {
            let (start, step) = self.integer;
            return Ok(reduce(operand, axes, dtype, start(dtype), step)?);
        }
        let (start, step) = self.float;
        if !self.divides {
            return Ok(reduce(operand, axes, dtype, start, step)?);
        }
        let count: usize = axes.iter().map(|axis| operand.shape()[*axis]).product();
        let total = reduce(operand, axes, DType::F64, start, step)?;
        Ok(thunder_tensor::map1(&total, dtype, |total: f64| total / count as f64))
    }
}

const SUM: Folding =
    Folding { float: (0.0, |total, x| total + x), integer: (|_| 0, i64::wrapping_add), divides: false };
const PROD: Folding =
    Folding { float: (1.0, |total, x| total * x), integer: (|_| 1, i64::wrapping_mul), divides: false };
const AMAX: Folding = Folding {
    float: (f64::NEG_INFINITY, |best, x| if x.is_nan() || x > best { x } else { best }),
    integer: (|dtype| dtype.min_value() as i64, i64::max),
    divides: false,
};
const AMIN: Folding = Folding {
    float: (f64::INFINITY, |best, x| if x.is_nan() || x < best { x } else { best }),
    integer: (|dtype| dtype.max_value() as i64, i64::min),
    divides: false,
};

reductions! {
    AnyNumber NUMBERS "- (C1) the operand is a tensor of numbers":

    /// Sum over `axes`.
    ///
    /// Integers wrap in their own dtype. Half-precision sums are accumulated in at least single
    /// precision and rounded once. The sum of nothing is 0.
    Sum "thunder.sum" "%s = thunder.sum %x axes = [1] : tensor<2x3xf32> -> tensor<2xf32>" Widen 1.0, SUM,
        Differentiate by |r| Ok(r.dy) => Parts by |b, op| apart(b, op);

    /// Product over `axes`.
    ///
    /// Integers wrap in their own dtype. Half-precision products are accumulated in at least single
    /// precision and rounded once. The product of nothing is 1.
    Prod "thunder.prod" "%p = thunder.prod %x axes = [0, 1] : tensor<2x3xf32> -> tensor<f32>" Widen 1.0, PROD,
        Differentiate by |r| r.times_others()
        => Parts by |b, op| complex::product(b, op.operand(), &op.axes(), op.keep_dims()).map(|p| vec![p]);
}

reductions! {
    Number NUMBERS "- (C1) the operand is a tensor of integers or floats":

    /// Largest element over `axes`, NaN if any is.
    ///
    /// Of nothing it is negative infinity, or the least value of an integer dtype.
    Amax "thunder.amax" "%m = thunder.amax %x axes = [1] keep_dims = true : tensor<2x3xf32> -> tensor<2x1xf32>"
        Keep 1.0, AMAX, Differentiate by |r| r.shared_by_extremes();

    /// Smallest element over `axes`, NaN if any is.
    ///
    /// Of nothing it is infinity, or the greatest value of an integer dtype.
    Amin "thunder.amin" "%m = thunder.amin %x axes = [0] : tensor<2x3xf32> -> tensor<3xf32>" Keep 1.0, AMIN,
        Differentiate by |r| r.shared_by_extremes();
}

reductions! {
    FloatOrComplex FLOATS "- (C1) the operand is a tensor of floats or complex numbers":

    /// Arithmetic mean over `axes`.
    ///
    /// Half-precision sums are accumulated in at least single precision, and the mean is rounded
    /// once. The mean of nothing is NaN.
    Mean "thunder.mean" "%m = thunder.mean %x axes = [2, 3] : tensor<1x8x4x4xf32> -> tensor<1x8xf32>" Keep 1.0,
        Folding { divides: true, ..SUM }, Differentiate by |r| r.over_count() => Parts by |b, op| apart(b, op);
}

reductions! {
    Bool BOOL "- (C1) the operand is a tensor of truth values":

    /// Whether any element over `axes` is true; of nothing it is false.
    Any "thunder.any" "%b = thunder.any %x axes = [1] : tensor<2x3xi1> -> tensor<2xi1>" Keep 0.0,
        Folding { integer: (|_| 0, i64::max), ..SUM };

    /// Whether all elements over `axes` are true; of nothing it is true.
    All "thunder.all" "%b = thunder.all %x axes = [1] : tensor<2x3xi1> -> tensor<2xi1>" Keep 0.0,
        Folding { integer: (|_| 1, i64::min), ..SUM };
}

/// The inner axis at an odd size, outer and middle ones, all, none, a dynamic one, empty ones, and
/// NaN and infinities.
fn reduction_samples(s: &mut SampleSet, name: &str, dtypes: Dtypes) {
    for (operand, attributes, result, shape, specials) in [
        ("3x37x", "axes = [1]", "3x", &[3, 37][..], false),
        ("37x3x", "axes = [0] keep_dims = true", "1x3x", &[37, 3], false),
        ("2x5x7x3x", "axes = [0, 2]", "5x3x", &[2, 5, 7, 3], false),
        ("17x", "axes = [0]", "", &[17], false),
        ("2x3x", "axes = []", "2x3x", &[2, 3], false),
        ("", "axes = []", "", &[], false),
        ("?x?x4x", "axes = [1, 2]", "?x", &[3, 5, 4], false),
        ("?x6x", "axes = [0] keep_dims = true", "1x6x", &[4, 6], false),
        ("0x4x", "axes = [1]", "0x", &[0, 4], false),
        ("2x0x", "axes = [1]", "2x", &[2, 0], true),
        ("11x5x", "axes = [1]", "11x", &[11, 5], true),
    ] {
        let body = format!(
            "%r = {name} %x {attributes} : tensor<{operand}$T> -> tensor<{result}$T>
             return %r : tensor<{result}$T>"
        );
        let signature = format!("(%x: tensor<{operand}$T>) -> tensor<{result}$T>");
        let sample = s.add(dtypes, &signature, &body, &[shape]).ulps(16.0);
        // Sums in single precision overflow where those of the reference do not: no largest numbers for those.
        let accumulates = ["thunder.mean", "thunder.prod"].contains(&name);
        if specials && !(accumulates && shape.contains(&11)) {
            sample.specials();
        }
    }
}
