//! Gradients of normalizations.
//!
//! The statistics are computed again, in the same way as by the decomposition: where both are in one
//! function they are one. Half precision is computed in single precision and rounded once.

use super::*;
use crate::cotangent::{gathered, only, spread};

/// Through a value with mean square 1, and mean 0 if `centered`, over the dimensions `inner`:
/// `(dy - mean(dy) - y mean(dy y)) factor`.
fn through<'c>(
    b: &Builder<'c>,
    y: &Normalized<'c>,
    dy: Value<'c>,
    sizes: &[Extent<'c>],
    inner: Range<usize>,
    centered: bool,
) -> Result<Value<'c>> {
    let axes: Vec<i64> = inner.map(|axis| axis as i64).collect();
    let mean = |x| spread(b, b.mean(x, axes.clone(), false)?, &axes, false, sizes);
    let mut dx = b.sub(dy, b.mul(y.value, mean(b.mul(dy, y.value)?)?)?)?;
    if centered {
        dx = b.sub(dx, mean(dy)?)?;
    }
    b.mul(dx, y.factor)
}

/// The cotangents of a weight and a bias whose dimensions are `dims` of the normalized value.
fn of_parameters<'c>(
    b: &Builder<'c>,
    y: Value<'c>,
    dy: Value<'c>,
    dims: Range<usize>,
    weight: Option<Value<'c>>,
    bias: Option<Value<'c>>,
) -> Result<Vec<Option<Value<'c>>>> {
    let dims: Vec<usize> = dims.collect();
    let mut cotangents = Vec::new();
    if let Some(weight) = weight {
        cotangents.push(Some(gathered(b, b.mul(dy, y)?, &dims, weight)?));
    }
    if let Some(bias) = bias {
        cotangents.push(Some(gathered(b, dy, &dims, bias)?));
    }
    Ok(cotangents)
}

/// The rule of what is normalized over its innermost dimensions.
fn innermost<'c>(
    b: &Builder<'c>,
    cotangents: &[Option<Value<'c>>],
    operands: (Value<'c>, Option<Value<'c>>, Option<Value<'c>>),
    (trailing, eps, centered): (i64, f64, bool),
) -> Result<Vec<Option<Value<'c>>>> {
    let (operand, weight, bias) = operands;
    let (x, dy) = (widened(b, operand)?, widened(b, only(cotangents)?)?);
    let sizes = extents(b, x)?;
    let inner = sizes.len() - trailing as usize..sizes.len();
    let y = normalized(b, x, &sizes, inner.clone(), eps, centered)?;
    let weighted = scaled(b, dy, weight, None, inner.clone(), &sizes)?;
    let dx = through(b, &y, weighted, &sizes, inner.clone(), centered)?;
    let mut all = vec![Some(converted(b, dx, operand.ty().element())?)];
    all.extend(of_parameters(b, y.value, dy, inner, weight, bias)?);
    Ok(all)
}

impl<'c> Differentiate<'c> for LayerNorm<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let operands = (self.x(), self.weight(), self.bias());
        innermost(b, cotangents, operands, (self.trailing_dims(), self.eps(), true))
    }
}

impl<'c> Differentiate<'c> for RmsNorm<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        innermost(b, cotangents, (self.x(), self.weight(), None), (self.trailing_dims(), self.eps(), false))
    }
}

impl<'c> Differentiate<'c> for GroupNorm<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let (x, dy) = (widened(b, self.x())?, widened(b, only(cotangents)?)?);
        let sizes = extents(b, x)?;
        let grouped = self.grouped(b, &sizes)?;
        let inner = 2..grouped.len();
        let y = normalized(b, reshape(b, x, &grouped)?, &grouped, inner.clone(), self.eps(), true)?;
        let weighted = reshape(b, scaled(b, dy, self.weight(), None, 1..2, &sizes)?, &grouped)?;
        let dx = reshape(b, through(b, &y, weighted, &grouped, inner, true)?, &sizes)?;
        let mut all = vec![Some(converted(b, dx, self.x().ty().element())?)];
        all.extend(of_parameters(b, reshape(b, y.value, &sizes)?, dy, 1..2, self.weight(), self.bias())?);
        Ok(all)
    }
}

impl<'c> Differentiate<'c> for BatchNorm<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let (x, dy) = (widened(b, self.x())?, widened(b, only(cotangents)?)?);
        let sizes = extents(b, x)?;
        let y = self.normalized(b, x, &sizes)?;
        let weighted = scaled(b, dy, self.weight(), None, 1..2, &sizes)?;
        let dx = b.mul(weighted, y.factor)?;
        // d(v + eps)^(-1/2) / dv == -1/2 (v + eps)^(-3/2)
        let half = full(b, dx.ty().element(), -0.5, &sizes)?;
        let dv = b.mul(b.mul(dx, half)?, b.mul(y.value, y.factor)?)?;
        let mut all = vec![
            Some(converted(b, dx, self.x().ty().element())?),
            Some(gathered(b, b.neg(dx)?, &[1], self.mean())?),
            Some(gathered(b, dv, &[1], self.variance())?),
        ];
        all.extend(of_parameters(b, y.value, dy, 1..2, self.weight(), self.bias())?);
        Ok(all)
    }
}
