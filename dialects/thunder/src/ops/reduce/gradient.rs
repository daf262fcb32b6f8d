//! Gradients of reductions.

use crate::build::*;
use crate::compose::{Extent, broadcast, converted, float_count, full, widened};
use crate::cotangent::{scaled, spread};
use thunder_ir::{Builder, Result, Value};

/// Builds the cotangent of the operand of a reduction.
pub type GradientRule = for<'c> fn(&Reduced<'_, 'c>) -> Result<Value<'c>>;

/// A reduction and the cotangent of its result.
pub struct Reduced<'a, 'c> {
    pub b: &'a Builder<'c>,
    pub x: Value<'c>,
    pub axes: &'a [i64],
    pub sizes: &'a [Extent<'c>],
    /// The cotangent of the result, repeated along the axes.
    pub dy: Value<'c>,
    /// Builds the result, repeated along the axes.
    pub y: &'a dyn Fn() -> Result<Value<'c>>,
}

impl<'c> Reduced<'_, 'c> {
    /// The sum over the axes, repeated along them.
    fn total(&self, x: Value<'c>) -> Result<Value<'c>> {
        spread(self.b, self.b.sum(x, self.axes.to_vec(), false)?, self.axes, false, self.sizes)
    }

    /// The cotangent of a mean: that of the sum over the number of elements.
    pub fn over_count(&self) -> Result<Value<'c>> {
        let b = self.b;
        let counted: Vec<_> = self.axes.iter().map(|axis| self.sizes[*axis as usize]).collect();
        let stated: Option<Vec<i64>> = counted.iter().map(|size| size.stated()).collect();
        if let Some(sizes) = stated {
            return scaled(b, self.dy, 1.0 / sizes.iter().product::<i64>() as f64);
        }
        let dy = widened(b, self.dy)?;
        let count = float_count(b, dy.ty().element(), &counted)?;
        let dx = b.div(dy, broadcast(b, count, &[], self.sizes)?)?;
        converted(b, dx, self.x.ty().element())
    }

    /// Equally to all elements that are the extreme one.
    pub fn shared_by_extremes(&self) -> Result<Value<'c>> {
        let b = self.b;
        let is_extreme = b.eq(self.x, (self.y)()?)?;
        let dy = widened(b, self.dy)?;
        let (one, zero) = (self.number(dy, 1.0)?, self.number(dy, 0.0)?);
        let count = self.total(b.where_(is_extreme, one, zero)?)?;
        let dx = b.where_(is_extreme, b.div(dy, count)?, zero)?;
        converted(b, dx, self.x.ty().element())
    }

    /// The product of all other elements, without a quotient where one of them is zero.
    pub fn times_others(&self) -> Result<Value<'c>> {
        let b = self.b;
        let (x, dy) = (widened(b, self.x)?, widened(b, self.dy)?);
        let (one, zero) = (self.number(x, 1.0)?, self.number(x, 0.0)?);
        let is_zero = b.eq(x, zero)?;
        let zeros = self.total(b.where_(is_zero, one, zero)?)?;
        let nonzero = b.where_(is_zero, one, x)?;
        let product = spread(b, b.prod(nonzero, self.axes.to_vec(), false)?, self.axes, false, self.sizes)?;
        // With one zero only its own cofactor is left, with more there is none.
        let cofactor = b.div(product, nonzero)?;
        let is_alone = b.eq(zeros, b.where_(is_zero, one, zero)?)?;
        let dx = b.where_(is_alone, b.mul(dy, cofactor)?, zero)?;
        converted(b, dx, self.x.ty().element())
    }

    fn number(&self, like: Value<'c>, value: f64) -> Result<Value<'c>> {
        full(self.b, like.ty().element(), value, self.sizes)
    }
}
