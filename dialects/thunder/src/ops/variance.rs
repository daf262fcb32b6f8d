//! Variance, alone and with the mean.

use crate::axes::{checked_axes, host_shapes, reduced};
use crate::build::*;
use crate::compose::{Extent, broadcast, converted, extents, float_count, full, widened};
use crate::cotangent::{others, spread};
use crate::{infer_elements, infer_like};
use thunder_interface::{
    Cost, Decompose, Differentiate, Dim, Dtypes, EvalError, Precision, PrecisionClass, Reference, SampleSet, Samples,
    ShapeInputs, ShapeRule,
};
use thunder_ir::prelude::*;
use thunder_tensor::{DType, Tensor as HostTensor, map1, map2, reduce};

/// Variance over `axes`: the sum of squared differences to the mean, over the number of elements
/// less `correction`, or over 0 if that is negative.
///
/// Half precision is computed in single precision and rounded once.
///
/// - (C1) the operand is a tensor of floats
/// - (C2) `axes` are dimensions of the operand, each once and in ascending order
///
/// ```mlir
/// %v = thunder.var %x axes = [1] correction = 0.0 : tensor<2x8xf32> -> tensor<2xf32>
/// ```
#[op("thunder.var", pure, infer, interfaces(Reference, ShapeRule, Decompose, Differentiate, Cost, Precision))]
pub struct Var {
    /// What is reduced.
    #[c(1)]
    operand: Operand<Tensor<Float>>,
    /// The dimensions that vanish.
    axes: Attr<Vec<i64>>,
    /// What is taken from the number of elements: 1 for an unbiased estimate, 0 for the population.
    #[default(1.0)]
    correction: Attr<f64>,
    /// Whether the dimensions stay, with size 1.
    #[default(false)]
    keep_dims: Attr<bool>,
    out: Produces<Tensor<Float>>,
}

/// Variance and mean over `axes`, as by `thunder.var` and `thunder.mean`.
///
/// - (C1) the operand is a tensor of floats
/// - (C2) `axes` are dimensions of the operand, each once and in ascending order
///
/// ```mlir
/// %v, %m = thunder.var_mean %x axes = [1] : tensor<2x8xf32> -> (tensor<2xf32>, tensor<2xf32>)
/// ```
#[op("thunder.var_mean", pure, infer, interfaces(Reference, ShapeRule, Decompose, Differentiate, Cost, Precision))]
pub struct VarMean {
    /// What is reduced.
    #[c(1)]
    operand: Operand<Tensor<Float>>,
    /// The dimensions that vanish.
    axes: Attr<Vec<i64>>,
    /// What is taken from the number of elements: 1 for an unbiased estimate, 0 for the population.
    #[default(1.0)]
    correction: Attr<f64>,
    /// Whether the dimensions stay, with size 1.
    #[default(false)]
    keep_dims: Attr<bool>,
    variance: Produces<Tensor<Float>>,
    mean: Produces<Tensor<Float>>,
}

impl<'c> Infer<'c> for Var<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_like(self)
    }
}

impl<'c> Infer<'c> for VarMean<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        let element = self.operand().ty().element();
        infer_elements(self, &[element, element])
    }
}

impl ShapeRule for Var<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        let dims = &inputs.operands[0];
        let axes = checked_axes(self, &self.axes(), dims.len(), "(C2)")?;
        Ok(vec![reduced(dims, &axes, self.keep_dims())])
    }
}

impl ShapeRule for VarMean<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        let dims = &inputs.operands[0];
        let axes = checked_axes(self, &self.axes(), dims.len(), "(C2)")?;
        Ok(vec![reduced(dims, &axes, self.keep_dims()); 2])
    }
}

impl Reference for Var<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let shape = host_shapes(self, inputs)?.remove(0);
        let (variance, _) = moments(&inputs[0], &self.axes(), self.correction())?;
        Ok(vec![variance.reshape(shape)?])
    }
}

impl Reference for VarMean<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let shape = host_shapes(self, inputs)?.remove(0);
        let (variance, mean) = moments(&inputs[0], &self.axes(), self.correction())?;
        Ok(vec![variance.reshape(shape.as_slice())?, mean.reshape(shape)?])
    }
}

fn moments(x: &HostTensor, axes: &[i64], correction: f64) -> Result<(HostTensor, HostTensor), EvalError> {
    let axes: Vec<usize> = axes.iter().map(|axis| *axis as usize).collect();
    let kept: Vec<usize> = (0..x.rank()).filter(|axis| !axes.contains(axis)).collect();
    let count = axes.iter().map(|axis| x.shape()[*axis]).product::<usize>() as f64;
    let total = reduce(x, &axes, DType::F64, 0.0, |total: f64, x: f64| total + x)?;
    let mean = map1(&total, DType::F64, |total: f64| total / count);
    let centers = mean.view().broadcast_in_dim(x.shape(), &kept)?;
    let squares = map2(x, centers, DType::F64, |x: f64, mean: f64| (x - mean) * (x - mean))?;
    let total = reduce(&squares, &axes, DType::F64, 0.0, |total: f64, x: f64| total + x)?;
    let variance = map1(&total, x.dtype(), |total: f64| total / (count - correction).max(0.0));
    Ok((variance, mean.cast(x.dtype())))
}

impl Decompose for Var<'_> {
    fn decompose<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        let (variance, _) = decomposed(b, self.operand(), self.axes(), self.correction(), self.keep_dims())?;
        Ok(vec![variance])
    }
}

impl Decompose for VarMean<'_> {
    fn decompose<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        let x = self.operand();
        let (variance, wide) = decomposed(b, x, self.axes(), self.correction(), self.keep_dims())?;
        let mean = b.mean(wide, self.axes(), self.keep_dims())?;
        Ok(vec![variance, converted(b, mean, x.ty().element())?])
    }
}

/// The variance, and the operand in the precision to compute in.
fn decomposed<'b>(
    b: &Builder<'b>,
    operand: Value<'b>,
    axes: Vec<i64>,
    correction: f64,
    keep_dims: bool,
) -> Result<(Value<'b>, Value<'b>)> {
    let x = widened(b, operand)?;
    let (sizes, element) = (extents(b, x)?, x.ty().element());
    let kept = others(&axes, sizes.len());
    let freedom = freedom(b, element, &sizes, &axes, correction)?;
    let mean = b.mean(x, axes.clone(), false)?;
    let centered = b.sub(x, broadcast(b, mean, &kept, &sizes)?)?;
    let total = b.sum(b.mul(centered, centered)?, axes, keep_dims)?;
    let variance = b.div(total, broadcast(b, freedom, &[], &extents(b, total)?)?)?;
    Ok((converted(b, variance, operand.ty().element())?, x))
}

/// The number of elements along the axes less the correction, or 0 if that is negative.
fn freedom<'b>(
    b: &Builder<'b>,
    element: Type<'b>,
    sizes: &[Extent<'b>],
    axes: &[i64],
    correction: f64,
) -> Result<Value<'b>> {
    let reduced: Vec<_> = axes.iter().map(|axis| sizes[*axis as usize]).collect();
    let freedom = b.sub(float_count(b, element, &reduced)?, full(b, element, correction, &[])?)?;
    b.maximum(freedom, full(b, element, 0.0, &[])?)
}

impl<'c> Differentiate<'c> for Var<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        gradient(b, self.operand(), &self.axes(), self.correction(), self.keep_dims(), [cotangents[0], None])
    }
}

impl<'c> Differentiate<'c> for VarMean<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let (x, axes) = (self.operand(), self.axes());
        gradient(b, x, &axes, self.correction(), self.keep_dims(), [cotangents[0], cotangents[1]])
    }
}

/// `2 (x - mean) / freedom` times the cotangent of the variance, and that of the mean over the number
/// of elements.
fn gradient<'b>(
    b: &Builder<'b>,
    operand: Value<'b>,
    axes: &[i64],
    correction: f64,
    keep_dims: bool,
    cotangents: [Option<Value<'b>>; 2],
) -> Result<Vec<Option<Value<'b>>>> {
    let x = widened(b, operand)?;
    let (sizes, element) = (extents(b, x)?, x.ty().element());
    let repeated = |row| spread(b, widened(b, row)?, axes, keep_dims, &sizes);
    let over = |x, divisor| b.div(x, broadcast(b, divisor, &[], &sizes)?);
    let mut total = None;
    if let Some(variance) = cotangents[0] {
        let mean = spread(b, b.mean(x, axes.to_vec(), false)?, axes, false, &sizes)?;
        let centered = b.sub(x, mean)?;
        let half = b.mul(freedom(b, element, &sizes, axes, correction)?, full(b, element, 0.5, &[])?)?;
        total = Some(over(b.mul(repeated(variance)?, centered)?, half)?);
    }
    if let Some(mean) = cotangents[1] {
        let reduced: Vec<_> = axes.iter().map(|axis| sizes[*axis as usize]).collect();
        let share = over(repeated(mean)?, float_count(b, element, &reduced)?)?;
        total = Some(total.map_or(Ok(share), |total| b.add(total, share))?);
    }
    Ok(vec![total.map(|dx| converted(b, dx, operand.ty().element())).transpose()?])
}

/// What both ops share beyond their results.
macro_rules! variances {
    ($($op:ident $name:literal $results:literal),*) => {$(
        impl Cost for $op<'_> {
            fn flops(&self, operands: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
                4.0 * operands[0].iter().product::<i64>() as f64
            }
        }

        impl Precision for $op<'_> {
            fn precision(&self) -> PrecisionClass {
                PrecisionClass::Widen
            }
        }

        impl Samples for $op<'_> {
            fn samples(s: &mut SampleSet) {
                samples(s, $name, $results);
            }
        }
    )*};
}

variances!(Var "thunder.var" 1, VarMean "thunder.var_mean" 2);

fn samples(s: &mut SampleSet, name: &str, results: usize) {
    for (operand, attributes, result, shape) in [
        ("3x37x", "axes = [1]", "3x", &[3, 37][..]),
        ("5x3x4x", "axes = [0, 2] correction = 0.0 keep_dims = true", "1x3x1x", &[5, 3, 4]),
        ("9x", "axes = [0] correction = 2.5", "", &[9]),
        ("?x?x", "axes = [1]", "?x", &[3, 5]),
        ("?x6x", "axes = [0] keep_dims = true", "1x6x", &[4, 6]),
        ("0x4x", "axes = [1]", "0x", &[0, 4]),
    ] {
        let (operand, result) = (format!("tensor<{operand}$T>"), format!("tensor<{result}$T>"));
        let outs = ["%v", "%m"][..results].join(", ");
        let types = vec![result; results].join(", ");
        let body = format!("{outs} = {name} %x {attributes} : {operand} -> ({types})\n  return {outs} : {types}");
        s.add(Dtypes::FLOATS, &format!("(%x: {operand}) -> ({types})"), &body, &[shape]).ulps(32.0);
    }
}
