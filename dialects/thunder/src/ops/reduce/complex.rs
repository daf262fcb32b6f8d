//! Products of many complex numbers.

use crate::build::*;
use crate::compose::{extents, reshape};
use crate::ops::slice::END;
use thunder_ir::{Builder, Result, Value};

/// The most factors of which every product of two is written out.
pub const FEW: i64 = 8;

/// The product over axes: of few numbers, as a tree of products of two, else by absolute values and angles.
pub fn product<'c>(b: &Builder<'c>, z: Value<'c>, axes: &[i64], keep_dims: bool) -> Result<Value<'c>> {
    let sizes = extents(b, z)?;
    let rank = sizes.len();
    let count = axes.iter().try_fold(1i64, |count, axis| count.checked_mul(sizes[*axis as usize].stated()?));
    if count.is_none_or(|count| count > FEW) {
        let product = |moduli| b.prod(moduli, axes.to_vec(), keep_dims);
        return crate::complex::polar(b, z, product, |angles| b.sum(angles, axes.to_vec(), keep_dims));
    }
    let mut product = z;
    for axis in axes.iter().map(|axis| *axis as usize) {
        let part = |x: Value<'c>, from: i64, to: i64| {
            let (mut start, mut limit) = (vec![0; rank], vec![END; rank]);
            (start[axis], limit[axis]) = (from, to);
            b.slice(x, start, limit, vec![1; rank])
        };
        let mut size = sizes[axis].stated().unwrap_or_default();
        if size == 0 {
            // One, of as many sizes as there are.
            let (low, high) = (vec![0; rank], (0..rank).map(|i| i64::from(i == axis)).collect());
            let one = thunder_ir::Attribute::float(crate::complex::part_type(z.ty().element()), 1.0);
            product = b.pad(product, low, high, vec![0; rank], one)?;
        }
        while size > 1 {
            let half = size / 2;
            let mut pairs = b.mul(part(product, 0, half)?, part(product, half, 2 * half)?)?;
            if size % 2 == 1 {
                pairs = b.concat(&[pairs, part(product, 2 * half, size)?], axis as i64)?;
            }
            (product, size) = (pairs, size - half);
        }
    }
    let is_kept = |axis: &usize| keep_dims || !axes.contains(&(*axis as i64));
    let one = crate::compose::Extent::Known(1);
    let size = |axis: usize| if axes.contains(&(axis as i64)) { one } else { sizes[axis] };
    reshape(b, product, &(0..rank).filter(is_kept).map(size).collect::<Vec<_>>())
}
