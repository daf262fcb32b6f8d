//! Normalizations to mean 0 and variance 1, or to mean square 1.

mod gradient;

use super::linear::one_element_type;
use crate::axes::host_shapes;
use crate::build::*;
use crate::compose::{Extent, broadcast, converted, extents, full, reshape, widened};
use std::ops::Range;
use thunder_interface::{
    Cost, Decompose, Differentiate, Dim, Dtypes, EvalError, Precision, PrecisionClass, Reference, Sample, SampleSet,
    Samples, ShapeInputs, ShapeRule,
};
use thunder_ir::op::Op;
use thunder_ir::prelude::*;
use thunder_tensor::Tensor as HostTensor;

/// `(x - mean) / sqrt(variance + eps) * weight + bias` over the innermost dimensions.
///
/// The variance is the mean of squared differences, without correction. Half precision is computed
/// in single precision and rounded once.
///
/// - (C1) all operands are tensors of floats with one element type
/// - (C2) `trailing_dims` is at least 1 and at most the rank of `x`
/// - (C3) `weight` and `bias` have the dimensions that are normalized
///
/// ```mlir
/// %y = thunder.layer_norm %x weight(%w) bias(%b) eps = 1.0e-12
///   : (tensor<2x7x16xf32>, tensor<16xf32>, tensor<16xf32>) -> tensor<2x7x16xf32>
/// ```
#[op("thunder.layer_norm", pure, infer, interfaces(Reference, ShapeRule, Decompose, Differentiate, Cost, Precision))]
pub struct LayerNorm {
    /// What is normalized.
    #[c(1)]
    x: Operand<Tensor<Float>>,
    /// The factor of each normalized element.
    #[c(1)]
    weight: OptionalOperand<Tensor<Float>>,
    /// What is added to each normalized element.
    #[c(1)]
    bias: OptionalOperand<Tensor<Float>>,
    /// How many of the innermost dimensions are normalized together.
    #[default(1)]
    trailing_dims: Attr<i64>,
    /// What keeps the divisor from zero.
    #[default(1e-5)]
    eps: Attr<f64>,
    out: Produces<Tensor<Float>>,
}

/// `x / sqrt(mean(x * x) + eps) * weight` over the innermost dimensions.
///
/// Half precision is computed in single precision and rounded once.
///
/// - (C1) all operands are tensors of floats with one element type
/// - (C2) `trailing_dims` is at least 1 and at most the rank of `x`
/// - (C3) `weight` has the dimensions that are normalized
///
/// ```mlir
/// %y = thunder.rms_norm %x weight(%w) eps = 1.0e-6 : (tensor<2x7x16xf32>, tensor<16xf32>) -> tensor<2x7x16xf32>
/// ```
#[op("thunder.rms_norm", pure, infer, interfaces(Reference, ShapeRule, Decompose, Differentiate, Cost, Precision))]
pub struct RmsNorm {
    /// What is normalized.
    #[c(1)]
    x: Operand<Tensor<Float>>,
    /// The factor of each normalized element.
    #[c(1)]
    weight: OptionalOperand<Tensor<Float>>,
    /// How many of the innermost dimensions are normalized together.
    #[default(1)]
    trailing_dims: Attr<i64>,
    /// What keeps the divisor from zero.
    eps: Attr<f64>,
    out: Produces<Tensor<Float>>,
}

/// `(x - mean) / sqrt(variance + eps) * weight + bias` of `[batch, channels, ...]`, over groups of
/// neighbouring channels.
///
/// The variance is the mean of squared differences, without correction. Half precision is computed
/// in single precision and rounded once.
///
/// - (C1) all operands are tensors of floats with one element type
/// - (C2) `x` has rank >= 2
/// - (C3) `groups` is positive and divides the channels
/// - (C4) `weight` and `bias` have rank 1 and one element per channel
///
/// ```mlir
/// %y = thunder.group_norm %x weight(%w) bias(%b) groups = 4
///   : (tensor<2x8x5x5xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<2x8x5x5xf32>
/// ```
#[op("thunder.group_norm", pure, infer, interfaces(Reference, ShapeRule, Decompose, Differentiate, Cost, Precision))]
pub struct GroupNorm {
    /// What is normalized.
    #[c(1)]
    x: Operand<Tensor<Float>>,
    /// The factor of each channel.
    #[c(1)]
    weight: OptionalOperand<Tensor<Float>>,
    /// What is added to each channel.
    #[c(1)]
    bias: OptionalOperand<Tensor<Float>>,
    /// Into how many groups the channels are divided.
    #[c(3)]
    groups: Attr<i64>,
    /// What keeps the divisor from zero.
    #[default(1e-5)]
    eps: Attr<f64>,
    out: Produces<Tensor<Float>>,
}

/// `(x - mean) / sqrt(variance + eps) * weight + bias` of `[batch, channels, ...]`, with a given mean
/// and variance of each channel, as in inference.
///
/// Half precision is computed in single precision and rounded once.
///
/// - (C1) all operands are tensors of floats with one element type
/// - (C2) `x` has rank >= 2
/// - (C3) `mean`, `variance`, `weight` and `bias` have rank 1 and one element per channel
///
/// ```mlir
/// %y = thunder.batch_norm %x, %m, %v : (tensor<2x8x5x5xf32>, tensor<8xf32>, tensor<8xf32>) -> tensor<2x8x5x5xf32>
/// ```
#[op("thunder.batch_norm", pure, infer, interfaces(Reference, ShapeRule, Decompose, Differentiate, Cost, Precision))]
pub struct BatchNorm {
    /// What is normalized.
    #[c(1)]
    x: Operand<Tensor<Float>>,
    /// The mean of each channel.
    #[c(1)]
    mean: Operand<Tensor<Float>>,
    /// The variance of each channel.
    #[c(1)]
    variance: Operand<Tensor<Float>>,
    /// The factor of each channel.
    #[c(1)]
    weight: OptionalOperand<Tensor<Float>>,
    /// What is added to each channel.
    #[c(1)]
    bias: OptionalOperand<Tensor<Float>>,
    /// What keeps the divisor from zero.
    #[default(1e-5)]
    eps: Attr<f64>,
    out: Produces<Tensor<Float>>,
}

/// What all normalizations share: the type of the result is that of `x`.
macro_rules! norms {
    ($($op:ident $flops:literal),*) => {$(
        impl<'c> Infer<'c> for $op<'c> {
            fn infer(&self) -> Result<Vec<Type<'c>>> {
                crate::infer_like(self)
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
    )*};
}

norms!(LayerNorm 8.0, RmsNorm 4.0, GroupNorm 8.0, BatchNorm 4.0);

impl ShapeRule for LayerNorm<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        innermost(self, self.trailing_dims(), inputs)
    }
}

impl ShapeRule for RmsNorm<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        innermost(self, self.trailing_dims(), inputs)
    }
}

/// The shape of the first operand, whose innermost dimensions all other operands have.
fn innermost<'c>(op: &impl Op<'c>, trailing: i64, inputs: &ShapeInputs<'_, '_>) -> Result<Vec<Vec<Dim>>> {
    one_element_type(op, "(C1)")?;
    let mut shape = inputs.operands[0].clone();
    let rank = shape.len();
    let Some(first) = usize::try_from(trailing).ok().filter(|n| *n > 0).and_then(|n| rank.checked_sub(n)) else {
        return Err(op.error(format!("(C2) {trailing} of {rank} dimensions cannot be normalized")));
    };
    for other in &inputs.operands[1..] {
        if other.len() != rank - first {
            let message = format!("(C3) an operand of rank {} for {trailing} normalized dimensions", other.len());
            return Err(op.error(message));
        }
        for (dim, other) in shape[first..].iter_mut().zip(other) {
            *dim = dim.unify(other).map_err(|e| op.error(format!("(C3) normalized dimensions differ: {e}")))?;
        }
    }
    Ok(vec![shape])
}

impl ShapeRule for GroupNorm<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        let shape = per_channel(self, inputs, "(C4)")?;
        let groups = self.groups();
        if groups < 1 || shape[1].known().is_some_and(|channels| channels % groups != 0) {
            return Err(self.error(format!("(C3) {groups} groups do not divide {} channels", shape[1])));
        }
        Ok(vec![shape])
    }
}

impl ShapeRule for BatchNorm<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        Ok(vec![per_channel(self, inputs, "(C3)")?])
    }
}

/// The shape of the first operand, for each channel of which all other operands have an element.
fn per_channel<'c>(op: &impl Op<'c>, inputs: &ShapeInputs<'_, '_>, label: &str) -> Result<Vec<Dim>> {
    one_element_type(op, "(C1)")?;
    let mut shape = inputs.operands[0].clone();
    if shape.len() < 2 {
        return Err(op.error(format!("(C2) the operand has rank {}", shape.len())));
    }
    for other in &inputs.operands[1..] {
        if other.len() != 1 {
            return Err(op.error(format!("{label} an operand for channels has rank {}", other.len())));
        }
        let one = shape[1].unify(&other[0]);
        shape[1] = one.map_err(|e| op.error(format!("{label} channels and elements for channels differ: {e}")))?;
    }
    Ok(shape)
}

impl Reference for LayerNorm<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        host_shapes(self, inputs)?;
        let x = &inputs[0];
        let row: usize = x.shape()[x.rank() - self.trailing_dims() as usize..].iter().product();
        let mut values = x.to_vec::<f64>();
        normalize_rows(&mut values, row, self.eps(), true);
        let has_weight = self.weight().is_some();
        affine(&mut values, inputs, 1, has_weight, self.bias().is_some(), |i| i % row);
        Ok(vec![HostTensor::from_values(x.dtype(), x.shape(), values)?])
    }
}

impl Reference for RmsNorm<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        host_shapes(self, inputs)?;
        let x = &inputs[0];
        let row: usize = x.shape()[x.rank() - self.trailing_dims() as usize..].iter().product();
        let mut values = x.to_vec::<f64>();
        normalize_rows(&mut values, row, self.eps(), false);
        affine(&mut values, inputs, 1, self.weight().is_some(), false, |i| i % row);
        Ok(vec![HostTensor::from_values(x.dtype(), x.shape(), values)?])
    }
}

impl Reference for GroupNorm<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        host_shapes(self, inputs)?;
        let x = &inputs[0];
        let (channels, area) = (x.shape()[1], x.shape()[2..].iter().product::<usize>());
        let mut values = x.to_vec::<f64>();
        normalize_rows(&mut values, channels / self.groups() as usize * area, self.eps(), true);
        let channel = |i| i / area % channels;
        affine(&mut values, inputs, 1, self.weight().is_some(), self.bias().is_some(), channel);
        Ok(vec![HostTensor::from_values(x.dtype(), x.shape(), values)?])
    }
}

impl Reference for BatchNorm<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        host_shapes(self, inputs)?;
        let x = &inputs[0];
        let (channels, area) = (x.shape()[1], x.shape()[2..].iter().product::<usize>());
        let channel = |i| i / area % channels;
        let (mean, variance) = (inputs[1].to_vec::<f64>(), inputs[2].to_vec::<f64>());
        let mut values = x.to_vec::<f64>();
        for (i, value) in values.iter_mut().enumerate() {
            *value = (*value - mean[channel(i)]) / (variance[channel(i)] + self.eps()).sqrt();
        }
        affine(&mut values, inputs, 3, self.weight().is_some(), self.bias().is_some(), channel);
        Ok(vec![HostTensor::from_values(x.dtype(), x.shape(), values)?])
    }
}

fn normalize_rows(values: &mut [f64], row: usize, eps: f64, centered: bool) {
    for row in values.chunks_mut(row.max(1)) {
        let count = row.len() as f64;
        let mean = if centered { row.iter().sum::<f64>() / count } else { 0.0 };
        let square = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
        row.iter_mut().for_each(|x| *x = (*x - mean) / (square + eps).sqrt());
    }
}

/// Multiplies by the weight and adds the bias, which are among the inputs from `first` on.
fn affine(
    values: &mut [f64],
    inputs: &[HostTensor],
    first: usize,
    has_weight: bool,
    has_bias: bool,
    element: impl Fn(usize) -> usize,
) {
    let weight = has_weight.then(|| inputs[first].to_vec::<f64>());
    let bias = has_bias.then(|| inputs[first + usize::from(has_weight)].to_vec::<f64>());
    for (i, value) in values.iter_mut().enumerate() {
        *value *= weight.as_ref().map_or(1.0, |weight| weight[element(i)]);
        *value += bias.as_ref().map_or(0.0, |bias| bias[element(i)]);
    }
}

impl Decompose for LayerNorm<'_> {
    fn decompose<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        let x = widened(b, self.x())?;
        let sizes = extents(b, x)?;
        let inner = sizes.len() - self.trailing_dims() as usize..sizes.len();
        let y = normalized(b, x, &sizes, inner.clone(), self.eps(), true)?.value;
        let y = scaled(b, y, self.weight(), self.bias(), inner, &sizes)?;
        Ok(vec![converted(b, y, self.x().ty().element())?])
    }
}

impl Decompose for RmsNorm<'_> {
    fn decompose<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        let x = widened(b, self.x())?;
        let sizes = extents(b, x)?;
        let inner = sizes.len() - self.trailing_dims() as usize..sizes.len();
        let y = normalized(b, x, &sizes, inner.clone(), self.eps(), false)?.value;
        let y = scaled(b, y, self.weight(), None, inner, &sizes)?;
        Ok(vec![converted(b, y, self.x().ty().element())?])
    }
}

impl Decompose for GroupNorm<'_> {
    fn decompose<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        let x = widened(b, self.x())?;
        let sizes = extents(b, x)?;
        let grouped = self.grouped(b, &sizes)?;
        let y = normalized(b, reshape(b, x, &grouped)?, &grouped, 2..grouped.len(), self.eps(), true)?.value;
        let y = scaled(b, reshape(b, y, &sizes)?, self.weight(), self.bias(), 1..2, &sizes)?;
        Ok(vec![converted(b, y, self.x().ty().element())?])
    }
}

impl Decompose for BatchNorm<'_> {
    fn decompose<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        let x = widened(b, self.x())?;
        let sizes = extents(b, x)?;
        let y = self.normalized(b, x, &sizes)?.value;
        let y = scaled(b, y, self.weight(), self.bias(), 1..2, &sizes)?;
        Ok(vec![converted(b, y, self.x().ty().element())?])
    }
}

impl<'c> GroupNorm<'c> {
    /// The sizes with the channels as groups of neighbours.
    fn grouped<'b>(&self, b: &Builder<'b>, sizes: &[Extent<'b>]) -> Result<Vec<Extent<'b>>> {
        let groups = Extent::Known(self.groups());
        let members = sizes[1].div(b, groups)?;
        Ok([&[sizes[0], groups, members], &sizes[2..]].concat())
    }
}

impl<'c> BatchNorm<'c> {
    fn normalized<'b>(&self, b: &Builder<'b>, x: Value<'b>, sizes: &[Extent<'b>]) -> Result<Normalized<'b>>
    where
        'c: 'b,
    {
        let (mean, variance) = (widened(b, self.mean())?, widened(b, self.variance())?);
        let eps = full(b, variance.ty().element(), self.eps(), &extents(b, variance)?)?;
        let factor = broadcast(b, b.rsqrt(b.add(variance, eps)?)?, &[1], sizes)?;
        let centered = b.sub(x, broadcast(b, mean, &[1], sizes)?)?;
        Ok(Normalized { value: b.mul(centered, factor)?, factor })
    }
}

/// A normalized value, and what it was multiplied by, in its sizes.
struct Normalized<'b> {
    value: Value<'b>,
    factor: Value<'b>,
}

/// `x`, or its difference to the mean, over the root of the mean square of that.
fn normalized<'b>(
    b: &Builder<'b>,
    x: Value<'b>,
    sizes: &[Extent<'b>],
    inner: Range<usize>,
    eps: f64,
    centered: bool,
) -> Result<Normalized<'b>> {
    let kept: Vec<usize> = (0..inner.start).collect();
    let axes = || inner.clone().map(|axis| axis as i64).collect();
    let mut x = x;
    if centered {
        let mean = b.mean(x, axes(), false)?;
        x = b.sub(x, broadcast(b, mean, &kept, sizes)?)?;
    }
    let square = b.mean(b.mul(x, x)?, axes(), false)?;
    let eps = full(b, x.ty().element(), eps, &sizes[..inner.start])?;
    let factor = broadcast(b, b.rsqrt(b.add(square, eps)?)?, &kept, sizes)?;
    Ok(Normalized { value: b.mul(x, factor)?, factor })
}

/// `x * weight + bias`, whose dimensions are `dims` of `x`.
fn scaled<'b>(
    b: &Builder<'b>,
    x: Value<'b>,
    weight: Option<Value<'b>>,
    bias: Option<Value<'b>>,
    dims: Range<usize>,
    sizes: &[Extent<'b>],
) -> Result<Value<'b>> {
    let dims: Vec<usize> = dims.collect();
    let repeated = |value| broadcast(b, widened(b, value)?, &dims, sizes);
    let mut y = x;
    if let Some(weight) = weight {
        y = b.mul(y, repeated(weight)?)?;
    }
    if let Some(bias) = bias {
        y = b.add(y, repeated(bias)?)?;
    }
    Ok(y)
}

impl Samples for LayerNorm<'_> {
    fn samples(s: &mut SampleSet) {
        for (x, inner, attributes, shape, from) in [
            ("3x37x", "37x", "", &[3, 37][..], 1),
            ("2x5x7x", "5x7x", " trailing_dims = 2", &[2, 5, 7], 1),
            ("?x?x9x", "9x", " eps = 1.0e-12", &[2, 3, 9], 2),
            ("?x?x", "?x", "", &[4, 11], 1),
            ("0x5x", "5x", "", &[0, 5], 1),
        ] {
            let (weight, bias) = (("weight", inner, &shape[from..]), ("bias", inner, &shape[from..]));
            for parameters in [&[weight, bias][..], &[weight], &[bias], &[]] {
                norm_sample(s, "thunder.layer_norm", attributes, (x, shape), parameters);
            }
        }
    }
}

impl Samples for RmsNorm<'_> {
    fn samples(s: &mut SampleSet) {
        for (x, inner, attributes, shape, from) in [
            ("3x37x", "37x", " eps = 1.0e-6", &[3, 37][..], 1),
            ("2x5x7x", "5x7x", " trailing_dims = 2 eps = 1.0e-5", &[2, 5, 7], 1),
            ("?x?x9x", "9x", " eps = 1.0e-6", &[2, 3, 9], 2),
            ("?x?x", "?x", " eps = 1.0e-6", &[4, 11], 1),
            ("0x5x", "5x", " eps = 1.0e-6", &[0, 5], 1),
        ] {
            let weight = ("weight", inner, &shape[from..]);
            for parameters in [&[weight][..], &[]] {
                norm_sample(s, "thunder.rms_norm", attributes, (x, shape), parameters);
            }
        }
    }
}

impl Samples for GroupNorm<'_> {
    fn samples(s: &mut SampleSet) {
        for (x, channels, attributes, shape) in [
            ("2x6x5x7x", "6x", " groups = 3", &[2, 6, 5, 7][..]),
            ("3x4x", "4x", " groups = 2 eps = 0.001", &[3, 4]),
            ("?x6x?x", "6x", " groups = 2", &[2, 6, 5]),
            ("2x?x3x", "?x", " groups = 2", &[2, 4, 3]),
            ("0x4x3x", "4x", " groups = 1", &[0, 4, 3]),
        ] {
            let (weight, bias) = (("weight", channels, &shape[1..2]), ("bias", channels, &shape[1..2]));
            for parameters in [&[weight, bias][..], &[]] {
                norm_sample(s, "thunder.group_norm", attributes, (x, shape), parameters);
            }
        }
    }
}

impl Samples for BatchNorm<'_> {
    fn samples(s: &mut SampleSet) {
        for (x, channels, attributes, shape) in [
            ("2x3x5x7x", "3x", "", &[2, 3, 5, 7][..]),
            ("3x37x", "37x", " eps = 0.001", &[3, 37]),
            ("?x3x?x", "3x", "", &[2, 3, 5]),
            ("2x?x3x", "?x", "", &[2, 5, 3]),
            ("0x4x3x", "4x", "", &[0, 4, 3]),
        ] {
            let channels = |name| (name, channels, &shape[1..2]);
            let (mean, variance, weight, bias) = (channels(""), channels(""), channels("weight"), channels("bias"));
            for parameters in [&[mean, variance, weight, bias][..], &[mean, variance]] {
                norm_sample(s, "thunder.batch_norm", attributes, (x, shape), parameters).domain(2, 0.1, 2.0);
            }
        }
    }
}

/// A sample of `name` with these operands after `x`: the name of an optional one, dimensions, sizes.
fn norm_sample<'s>(
    s: &'s mut SampleSet,
    name: &str,
    attributes: &str,
    (x, shape): (&str, &[usize]),
    parameters: &[(&str, &str, &[usize])],
) -> &'s mut Sample {
    let ty = format!("tensor<{x}$T>");
    let (mut arguments, mut operands, mut types) = (format!("%x: {ty}"), "%x".to_owned(), ty.clone());
    for (number, (keyword, dims, _)) in parameters.iter().enumerate() {
        arguments += &format!(", %p{number}: tensor<{dims}$T>");
        operands += &if keyword.is_empty() { format!(", %p{number}") } else { format!(" {keyword}(%p{number})") };
        types += &format!(", tensor<{dims}$T>");
    }
    let body = format!("%r = {name} {operands}{attributes} : ({types}) -> {ty}\n  return %r : {ty}");
    let shapes: Vec<&[usize]> = std::iter::once(shape).chain(parameters.iter().map(|p| p.2)).collect();
    s.add(Dtypes::FLOATS, &format!("({arguments}) -> {ty}"), &body, &shapes).ulps(32.0)
}
