//! Tensors put together from parts.

use super::slice::END;
use crate::axes::untouched;
use crate::build::*;
use crate::compose::{Extent, broadcast, extents};
use crate::cotangent::{counted, cropped, only, restated, size_tensor};
use crate::{checked_axis, declared, fold_constants, fold_to, infer_like};
use thunder_interface::{
    Cost, Differentiate, Dim, Dtypes, EvalError, Parts, Precision, Reference, SampleSet, Samples, ShapeInputs,
    ShapeRule, Shard, ShardRule,
};
use thunder_ir::prelude::*;
use thunder_tensor::Tensor as HostTensor;

/// The operands one after the other along one dimension.
///
/// - (C1) there is an operand, and all have one element type and rank
/// - (C2) `axis` is a dimension of the operands
/// - (C3) all other dimensions have equal sizes
///
/// ```mlir
/// %c = thunder.concat %a, %b axis = 0 : (tensor<2x3xf32>, tensor<4x3xf32>) -> tensor<6x3xf32>
/// ```
#[op(
    "thunder.concat",
    pure,
    infer,
    fold,
    interfaces(Reference, ShapeRule, Differentiate, Shard, Cost, Precision, Parts)
)]
pub struct Concat {
    parts: Variadic<Tensor>,
    /// The dimension along which sizes add up.
    axis: Attr<i64>,
    out: Produces<Tensor>,
}

impl<'c> Infer<'c> for Concat<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        if self.parts().is_empty() {
            return Err(self.error("(C1) there is nothing to concatenate"));
        }
        infer_like(self)
    }
}

impl ShapeRule for Concat<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        let mut elements = self.parts().into_iter().map(|v| v.ty().element());
        let first = elements.next();
        if let (Some(first), Some(other)) = (first, elements.find(|e| Some(*e) != first)) {
            return Err(self.error(format!("(C1) element types differ: '{first}' and '{other}'")));
        }
        let mut shape = inputs.operands[0].clone();
        let along = checked_axis(self, self.axis(), shape.len(), "(C2)")?;
        for part in &inputs.operands[1..] {
            if part.len() != shape.len() {
                return Err(self.error(format!("(C1) ranks differ: {} and {}", shape.len(), part.len())));
            }
            for (axis, (dim, size)) in shape.iter_mut().zip(part).enumerate() {
                *dim = if axis == along {
                    dim.add(size)
                } else {
                    dim.unify(size).map_err(|e| self.error(format!("(C3) sizes of dimension {axis} differ: {e}")))?
                };
            }
        }
        Ok(vec![shape])
    }
}

impl Shard for Concat<'_> {
    fn rule(&self) -> ShardRule {
        untouched(self.parts().len(), declared(self.out().ty()).len(), |axis| axis as i64 == self.axis())
    }
}

impl Reference for Concat<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let parts: Vec<&HostTensor> = inputs.iter().collect();
        let joined = thunder_tensor::concat(&parts, self.axis() as usize);
        joined.map(|t| vec![t]).map_err(|e| EvalError::Input(e.to_string()))
    }
}

impl<'c> Differentiate<'c> for Concat<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let (dy, axis, parts) = (only(cotangents)?, self.axis() as usize, self.parts());
        let lengths = parts.iter().map(|part| Ok(extents(b, *part)?[axis])).collect::<Result<Vec<_>>>()?;
        let mut operands = Vec::new();
        for (index, part) in parts.into_iter().enumerate() {
            let sum =
                |lengths: &[Extent<'c>]| lengths.iter().try_fold(Extent::Known(0), |sum, length| sum.add(b, *length));
            let (before, after) = (sum(&lengths[..index])?, sum(&lengths[index + 1..])?);
            let dx = segment(b, dy, axis, [before, lengths[index], after])?;
            operands.push(Some(restated(b, dx, part)?));
        }
        Ok(operands)
    }
}

/// The part of `x` along `axis` that has elements before it, in it, and after it.
fn segment<'c>(
    b: &Builder<'c>,
    x: Value<'c>,
    axis: usize,
    [before, length, after]: [Extent<'c>; 3],
) -> Result<Value<'c>> {
    let rank = extents(b, x)?.len();
    let along = |position: i64, elsewhere: i64| -> Vec<i64> {
        (0..rank).map(|dim| if dim == axis { position } else { elsewhere }).collect()
    };
    match (before, length, after) {
        (Extent::Known(before), _, Extent::Known(after)) => {
            cropped(b, x, &along(before, 0), &along(after, 0), &along(1, 1))
        }
        (Extent::Known(start), Extent::Known(length), _) => {
            b.slice(x, along(start, 0), along(start + length, END), along(1, 1))
        }
        (_, Extent::Known(length @ 1..), Extent::Known(after)) => {
            let limit = if after == 0 { END } else { -after };
            b.slice(x, along(-length - after, 0), along(limit, END), along(1, 1))
        }
        _ => {
            let first = broadcast(b, size_tensor(b, before)?, &[], &[length])?;
            b.take(x, b.add(counted(b, length)?, first)?, axis as i64)
        }
    }
}

impl<'c> Fold<'c> for Concat<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        // concat(x) == x
        if let [only] = self.parts()[..] {
            return fold_to(self, only);
        }
        fold_constants(self, constants)
    }
}

impl Cost for Concat<'_> {
    fn flops(&self, _: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        0.0
    }
}

impl Precision for Concat<'_> {}

crate::complex::parts_apart!(Concat);

impl Samples for Concat<'_> {
    fn samples(s: &mut SampleSet) {
        for (a, b, axis, out, shapes) in [
            ("3x17x", "3x5x", 1, "3x22x", [&[3, 17][..], &[3, 5]]),
            ("3x17x", "1x17x", 0, "4x17x", [&[3, 17], &[1, 17]]),
            ("?x5x", "?x5x", 0, "?x5x", [&[7, 5], &[2, 5]]),
            ("0x4x", "3x4x", 0, "3x4x", [&[0, 4], &[3, 4]]),
            ("0x4x", "0x3x", 1, "0x7x", [&[0, 4], &[0, 3]]),
            ("2x?x3x", "2x?x4x", 2, "2x?x7x", [&[2, 5, 3], &[2, 5, 4]]),
            ("2x?x3x", "2x?x1x", 2, "2x?x4x", [&[2, 0, 3], &[2, 0, 1]]),
        ] {
            let [a, b, out] = [a, b, out].map(|dims| format!("tensor<{dims}$T>"));
            let body = format!("%r = thunder.concat %a, %b axis = {axis} : ({a}, {b}) -> {out}\n  return %r : {out}");
            s.add(Dtypes::MOVED, &format!("(%a: {a}, %b: {b}) -> {out}"), &body, &shapes);
        }
    }
}
