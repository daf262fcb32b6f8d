//! Regular parts of tensors.

use crate::axes::untouched;
use crate::build::*;
use crate::compose::{extents, truths};
use crate::cotangent::{only, restated, unsliced};
use crate::{declared, fold_constants, fold_moved_splat, fold_to, infer_like};
use thunder_interface::{
    Alias, Cost, Differentiate, Dim, Dtypes, EvalError, Parts, Precision, Reference, SampleSet, Samples, ShapeInputs,
    ShapeRule, Shard, ShardRule, Strided, StridedView,
};
use thunder_ir::prelude::*;
use thunder_tensor::Tensor as HostTensor;

/// The limit that stands for the end of a dimension, whatever its size.
pub const END: i64 = i64::MAX;

/// Every `stride`-th element from `start` up to but excluding `limit`, in each dimension.
///
/// As in Python, a negative `start` or `limit` counts from the end, and both are moved to the
/// nearest position that the dimension has; a slice may be empty. The limit 9223372036854775807 is
/// the end of the dimension.
///
/// - (C1) `start`, `limit` and `stride` have one entry for each dimension of the operand
/// - (C2) strides are at least 1
///
/// ```mlir
/// %last = thunder.slice %x start = [0, -1] limit = [8, 9223372036854775807] stride = [1, 1]
///   : tensor<8x?xf32> -> tensor<8x?xf32>
/// ```
#[op(
    "thunder.slice",
    pure,
    infer,
    fold,
    interfaces(Reference, ShapeRule, Differentiate, Shard, Strided, Alias, Cost, Precision, Parts)
)]
pub struct Slice {
    operand: Operand<Tensor>,
    /// The first position in each dimension.
    start: Attr<Vec<i64>>,
    /// The position in each dimension before which the slice ends.
    limit: Attr<Vec<i64>>,
    /// The distance between neighbours in each dimension.
    stride: Attr<Vec<i64>>,
    out: Produces<Tensor>,
}

impl Slice<'_> {
    /// The first position in each dimension, counted from the beginning; that of an empty slice may
    /// lie beyond the end.
    pub fn starts(&self, sizes: &[Dim]) -> Vec<Dim> {
        sizes.iter().zip(self.start()).map(|(size, start)| first(size, start)).collect()
    }
}

impl Slice<'_> {
    /// The one dimension of which neighbours are left out, and the first that is not, where the sizes tell.
    fn contiguous(&self) -> Option<(usize, i64)> {
        let (from, to) = (declared(self.operand().ty()), declared(self.out().ty()));
        let is_whole = |axis: usize| self.start()[axis] == 0 && self.limit()[axis] == END;
        let cut: Vec<usize> =
            (0..from.len()).filter(|i| !(is_whole(*i) || from[*i].known().is_some() && from[*i] == to[*i])).collect();
        let [axis] = cut[..] else { return None };
        let (size, length) = (from[axis].known()?, to[axis].known()?);
        let start = first(&from[axis], self.start()[axis]).known()?;
        let is_dense = self.stride().iter().all(|stride| *stride == 1);
        (is_dense && length > 0 && start + length <= size).then_some((axis, start))
    }
}

fn first(size: &Dim, start: i64) -> Dim {
    if start < 0 { size.add(&Dim::Known(start)).max(&Dim::Known(0)) } else { Dim::Known(start) }
}

/// Whether nothing comes after `limit`, whatever the size or because of it.
fn is_end(limit: i64, size: Option<i64>) -> bool {
    limit == END || size.is_some_and(|size| limit >= size)
}

/// How many elements of a dimension are in the slice.
fn length(size: &Dim, start: i64, limit: i64, stride: i64) -> Dim {
    let is_whole = is_end(limit, size.known());
    let end = match limit {
        _ if is_whole => size.clone(),
        ..0 => size.add(&Dim::Known(limit)),
        _ => Dim::Known(limit).min(size),
    };
    let length = match start {
        0 if is_whole => end,
        0 if limit >= 0 => end,
        _ => end.sub(&first(size, start)).max(&Dim::Known(0)),
    };
    if stride == 1 { length } else { length.ceil_div(stride) }
}

impl<'c> Infer<'c> for Slice<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_like(self)
    }
}

impl ShapeRule for Slice<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        let sizes = &inputs.operands[0];
        let (start, limit, stride) = (self.start(), self.limit(), self.stride());
        for (name, list) in [("start", &start), ("limit", &limit), ("stride", &stride)] {
            if list.len() != sizes.len() {
                let message = format!("(C1) '{name}' has {} entries for {} dimensions", list.len(), sizes.len());
                return Err(self.error(message));
            }
        }
        if let Some(stride) = stride.iter().find(|s| **s < 1) {
            return Err(self.error(format!("(C2) a stride is {stride}")));
        }
        let length = |i: usize| length(&sizes[i], start[i], limit[i], stride[i]);
        Ok(vec![(0..sizes.len()).map(length).collect()])
    }
}

impl Shard for Slice<'_> {
    fn rule(&self) -> ShardRule {
        let from = declared(self.operand().ty());
        let (start, limit, stride) = (self.start(), self.limit(), self.stride());
        untouched(1, from.len(), |i| start[i] != 0 || stride[i] != 1 || !is_end(limit[i], from[i].known()))
    }
}

impl Strided for Slice<'_> {
    fn view(&self, operand: &StridedView, sizes: &[Dim]) -> Option<StridedView> {
        let mut offset = operand.offset.clone();
        for (start, stride) in self.starts(&operand.sizes).iter().zip(&operand.strides) {
            offset = offset.add(&start.mul(stride));
        }
        let steps = operand.strides.iter().zip(self.stride());
        let strides = steps.map(|(stride, step)| stride.mul(&Dim::Known(step))).collect();
        Some(StridedView { sizes: sizes.to_vec(), strides, offset })
    }
}

impl<'c> Alias<'c> for Slice<'c> {
    fn scatter(&self, b: &Builder<'c>, whole: Value<'c>, part: Value<'c>) -> Result<Value<'c>> {
        if let Some((axis, start)) = self.contiguous() {
            let start =
                b.full(&[], Attribute::i64(b.context(), start), Type::tensor(Type::int(b.context(), 64), &[]))?;
            return b.dynamic_update_slice(whole, part, start, axis as i64);
        }
        let (sizes, limits) = (extents(b, whole)?, [&self.start()[..], &self.limit(), &self.stride()]);
        let is_part = unsliced(b, truths(b, &extents(b, part)?)?, &sizes, limits)?;
        let part = unsliced(b, part, &sizes, limits)?;
        b.where_(is_part, restated(b, part, whole)?, whole)
    }
}

impl Reference for Slice<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let clamp = |position: i64, size: usize| {
            let size = size as i64;
            let position = if position < 0 { position.saturating_add(size) } else { position };
            position.clamp(0, size) as usize
        };
        let sizes = inputs[0].shape();
        let limit: Vec<usize> = self.limit().iter().zip(sizes).map(|(l, size)| clamp(*l, *size)).collect();
        let starts = self.start().into_iter().zip(sizes).zip(&limit);
        let start: Vec<usize> = starts.map(|((s, size), limit)| clamp(s, *size).min(*limit)).collect();
        let stride: Vec<usize> = self.stride().iter().map(|s| *s as usize).collect();
        inputs[0].slice(&start, &limit, &stride).map(|t| vec![t]).map_err(|e| EvalError::Input(e.to_string()))
    }
}

impl<'c> Differentiate<'c> for Slice<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let sizes = extents(b, self.operand())?;
        let dx = unsliced(b, only(cotangents)?, &sizes, [&self.start(), &self.limit(), &self.stride()])?;
        Ok(vec![Some(restated(b, dx, self.operand())?)])
    }
}

impl<'c> Fold<'c> for Slice<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        let sizes = self.operand().ty().as_tensor()?.dims();
        // slice(x) == x where it leaves out nothing
        if self.start().iter().all(|s| *s == 0)
            && self.stride().iter().all(|s| *s == 1)
            && self.limit().iter().zip(&sizes).all(|(limit, size)| is_end(*limit, *size))
        {
            return fold_to(self, self.operand());
        }
        fold_moved_splat(self, constants[0]).or_else(|| fold_constants(self, constants))
    }
}

impl Cost for Slice<'_> {
    fn flops(&self, _: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        0.0
    }
}

impl Precision for Slice<'_> {}

crate::complex::parts_apart!(Slice);

impl Samples for Slice<'_> {
    fn samples(s: &mut SampleSet) {
        for (from, [start, limit, stride], to, shape) in [
            ("17x", ["[2]", "[15]", "[3]"], "5x", &[17][..]),
            ("3x17x", ["[1, 0]", "[3, 8]", "[1, 2]"], "2x4x", &[3, 17]),
            ("3x17x", ["[-2, -5]", "[-1, 9223372036854775807]", "[1, 1]"], "1x5x", &[3, 17]),
            ("?x5x", ["[1, 1]", "[9223372036854775807, -1]", "[2, 1]"], "?x3x", &[7, 5]),
            ("?x5x", ["[-9, 0]", "[4, 0]", "[1, 1]"], "?x0x", &[7, 5]),
            ("?x5x", ["[3, 4]", "[100, 2]", "[1, 1]"], "?x0x", &[2, 5]),
            ("0x4x", ["[0, 1]", "[0, 3]", "[1, 1]"], "0x2x", &[0, 4]),
            ("", ["[]", "[]", "[]"], "", &[]),
        ] {
            let (from, to) = (format!("tensor<{from}$T>"), format!("tensor<{to}$T>"));
            let body = format!(
                "%r = thunder.slice %x start = {start} limit = {limit} stride = {stride} : {from} -> {to}
                 return %r : {to}"
            );
            s.add(Dtypes::MOVED, &format!("(%x: {from}) -> {to}"), &body, &[shape]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python's `len(range(size)[start:limit:stride])` is.
    fn counted(size: i64, start: i64, limit: i64, stride: i64) -> i64 {
        let clamp = |position: i64| if position < 0 { (position + size).max(0) } else { position.min(size) };
        (clamp(start)..clamp(limit)).step_by(stride as usize).count() as i64
    }

    #[test]
    fn lengths_are_those_of_python_known_or_not() {
        let symbol = Dim::symbol(0);
        for size in 0..5 {
            for start in -6..6 {
                for limit in (-6..6).chain([END]) {
                    for stride in 1..4 {
                        let expected = Some(counted(size, start, limit, stride));
                        assert_eq!(length(&Dim::Known(size), start, limit, stride).known(), expected);
                        let symbolic = length(&symbol, start, limit, stride).evaluate(&|_| Some(size));
                        assert_eq!(symbolic, expected, "{size} {start} {limit} {stride}");
                    }
                }
            }
        }
    }

    #[test]
    fn whole_dimensions_keep_their_symbol() {
        assert_eq!(length(&Dim::symbol(3), 0, END, 1), Dim::symbol(3));
    }
}
