//! Gradients of scans: what each element does to the results from its own place on.

use super::*;
use crate::build::*;
use crate::compose::{broadcast, converted, extents, full, widened};
use crate::cotangent::{counted, integers, ones_like, only, zeros_like};

type Cotangents<'a, 'c> = &'a [Option<Value<'c>>];

/// The cotangent of the operand in the precision of its elements.
fn narrowed<'c>(b: &Builder<'c>, dx: Value<'c>, x: Value<'c>) -> Result<Vec<Option<Value<'c>>>> {
    Ok(vec![Some(converted(b, dx, x.ty().element())?)])
}

/// The sum of all elements from each one on.
fn summed_back<'c>(b: &Builder<'c>, x: Value<'c>, axis: i64) -> Result<Value<'c>> {
    b.reverse(b.cumsum(b.reverse(x, vec![axis])?, axis)?, vec![axis])
}

impl<'c> Differentiate<'c> for Cumsum<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: Cotangents<'_, 'c>) -> Result<Vec<Option<Value<'c>>>> {
        Ok(vec![Some(summed_back(b, only(cotangents)?, self.axis())?)])
    }
}

impl<'c> Differentiate<'c> for Cumprod<'c> {
    /// The sum of `y dy` from the element on, over the element, up to the first zero: that has the products without it
    /// for derivatives, and what comes after has none.
    fn vjp(&self, b: &Builder<'c>, cotangents: Cotangents<'_, 'c>) -> Result<Vec<Option<Value<'c>>>> {
        let (x, y, dy) = (widened(b, self.operand())?, widened(b, self.out())?, widened(b, only(cotangents)?)?);
        let (axis, zero, one) = (self.axis(), zeros_like(b, x)?, ones_like(b, x)?);
        let is_zero = b.eq(x, zero)?;
        let zeros = b.cumsum(converted(b, is_zero, x.ty().element())?, axis)?;
        let is_first = b.and(is_zero, b.eq(zeros, one)?)?;
        let without = b.cumprod(b.where_(is_first, one, x)?, axis)?;
        let before = b.div(summed_back(b, b.mul(y, dy)?, axis)?, b.where_(is_zero, one, x)?)?;
        let at = b.where_(is_first, summed_back(b, b.mul(without, dy)?, axis)?, zero)?;
        narrowed(b, b.where_(b.eq(zeros, zero)?, before, at)?, self.operand())
    }
}

/// Each cotangent belongs to the last element that was the largest, or smallest, of all up to there.
macro_rules! extremes {
    ($($op:ident),*) => {$(
        impl<'c> Differentiate<'c> for $op<'c> {
            fn vjp(&self, b: &Builder<'c>, cotangents: Cotangents<'_, 'c>) -> Result<Vec<Option<Value<'c>>>> {
                let (x, y, axis) = (self.operand(), self.out(), self.axis() as usize);
                let sizes = extents(b, x)?;
                let number = broadcast(b, counted(b, sizes[axis])?, &[axis], &sizes)?;
                let is_new = b.or(b.eq(x, y)?, b.isnan(x)?)?;
                let place = b.where_(is_new, number, integers(b, 0, &sizes)?)?;
                let place = b.cummax(place, axis as i64)?;
                Ok(vec![Some(b.scatter_add(zeros_like(b, x)?, place, only(cotangents)?, axis as i64)?)])
            }
        }
    )*};
}

extremes!(Cummax, Cummin);

impl<'c> Differentiate<'c> for Logcumsumexp<'c> {
    /// The sum over all results from the element on of `e^(x - y) dy`, pair by pair: no exponent is positive.
    fn vjp(&self, b: &Builder<'c>, cotangents: Cotangents<'_, 'c>) -> Result<Vec<Option<Value<'c>>>> {
        let (x, y, dy) = (widened(b, self.operand())?, widened(b, self.out())?, widened(b, only(cotangents)?)?);
        let (axis, mut sizes) = (self.axis() as usize, extents(b, x)?);
        let rank = sizes.len();
        sizes.push(sizes[axis]);
        let own: Vec<usize> = (0..rank).collect();
        let later: Vec<usize> = (0..rank).map(|dim| if dim == axis { rank } else { dim }).collect();
        let number = counted(b, sizes[axis])?;
        let is_later = b.ge(broadcast(b, number, &[rank], &sizes)?, broadcast(b, number, &[axis], &sizes)?)?;
        let exponent = b.sub(broadcast(b, x, &own, &sizes)?, broadcast(b, y, &later, &sizes)?)?;
        let share = b.exp(b.where_(is_later, exponent, full(b, x.ty().element(), f64::NEG_INFINITY, &sizes)?)?)?;
        let dx = b.sum(b.mul(share, broadcast(b, dy, &later, &sizes)?)?, vec![rank as i64], false)?;
        narrowed(b, dx, self.operand())
    }
}
