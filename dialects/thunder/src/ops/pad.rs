//! Tensors with more, or fewer, elements around.

use crate::axes::untouched;
use crate::build::*;
use crate::complex::{part_type, parts};
use crate::compose::{Extent, extents, zero};
use crate::cotangent::{cropped, only, restated, unsliced};
use crate::literal::{Literal, literal_tensor};
use crate::ops::slice::END;
use crate::window::FARTHEST;
use crate::{fold_constants, fold_to, infer_like};
use thunder_interface::{
    Cost, Differentiate, Dim, Dtypes, EvalError, Parts, Precision, Reference, SampleSet, Samples, ShapeInputs,
    ShapeRule, Shard, ShardRule,
};
use thunder_ir::prelude::*;
use thunder_tensor::Tensor as HostTensor;

/// The operand with elements of `value` around and between its own.
///
/// In each dimension `low` elements come before and `high` after, negative numbers of which take
/// away instead, and `interior` between neighbours, which are inserted first. A dimension from
/// which more is taken away than it has is empty.
///
/// - (C1) `low`, `high` and `interior` have one entry for each dimension of the operand
/// - (C2) interior paddings are not negative, and no padding is beyond 2^40, either way
/// - (C3) `value` has the element type of the operand, or that of the parts of its complex numbers
///
/// ```mlir
/// %y = thunder.pad %x low = [1] high = [2] interior = [0] value = 0.0 : f32 : tensor<4xf32> -> tensor<7xf32>
/// ```
#[op("thunder.pad", pure, infer, fold, interfaces(Reference, ShapeRule, Differentiate, Shard, Cost, Precision, Parts))]
pub struct Pad {
    operand: Operand<Tensor>,
    /// How many elements come before.
    low: Attr<Vec<i64>>,
    /// How many elements come after.
    high: Attr<Vec<i64>>,
    /// How many elements come between neighbours.
    interior: Attr<Vec<i64>>,
    /// The element.
    value: Attr<Literal>,
    out: Produces<Tensor>,
}

/// The size of a dimension after padding.
fn padded(size: &Dim, low: i64, high: i64, interior: i64) -> Dim {
    let known = |value: i64| Dim::Known(value);
    // n elements with i between neighbours take n * (i + 1) - i places, none if n is 0.
    let spread = match interior.checked_add(1) {
        Some(1) => size.clone(),
        Some(step) => size.mul(&known(step)).sub(&known(interior)).max(&known(0)),
        None => Dim::Unknown,
    };
    let Some(around) = low.checked_add(high) else { return Dim::Unknown };
    let padded = spread.add(&known(around));
    if around < 0 { padded.max(&known(0)) } else { padded }
}

impl<'c> Infer<'c> for Pad<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        let (value, element) = (self.value(), self.operand().ty().element());
        if value.ty() != Some(part_type(element)) {
            return Err(self.error(format!("(C3) the value is {value}, but the elements are '{element}'")));
        }
        infer_like(self)
    }
}

impl ShapeRule for Pad<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        let sizes = &inputs.operands[0];
        let (low, high, interior) = (self.low(), self.high(), self.interior());
        for (name, list) in [("low", &low), ("high", &high), ("interior", &interior)] {
            if list.len() != sizes.len() {
                let message = format!("(C1) '{name}' has {} entries for {} dimensions", list.len(), sizes.len());
                return Err(self.error(message));
            }
        }
        if let Some(interior) = interior.iter().find(|i| **i < 0) {
            return Err(self.error(format!("(C2) an interior padding is {interior}")));
        }
        let mut all = low.iter().chain(&high).chain(&interior);
        if let Some(padding) = all.find(|padding| padding.unsigned_abs() > FARTHEST.unsigned_abs()) {
            return Err(self.error(format!("(C2) a padding of {padding} is beyond 2^40")));
        }
        let padded = |i: usize| padded(&sizes[i], low[i], high[i], interior[i]);
        Ok(vec![(0..sizes.len()).map(padded).collect()])
    }
}

impl Shard for Pad<'_> {
    fn rule(&self) -> ShardRule {
        let (low, high, interior) = (self.low(), self.high(), self.interior());
        untouched(1, low.len(), |axis| [low[axis], high[axis], interior[axis]] != [0; 3])
    }
}

impl Reference for Pad<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let (low, mut high, interior) = (self.low(), self.high(), self.interior());
        for (axis, size) in inputs[0].shape().iter().enumerate() {
            let spread = padded(&Dim::Known(*size as i64), 0, 0, interior[axis]).known();
            let left = spread.map(|spread| spread + low[axis] + high[axis]).unwrap_or_default();
            // What is cropped to less than nothing is empty.
            if left < 0 {
                high[axis] -= left;
            }
        }
        let interior: Vec<usize> = interior.iter().map(|i| *i as usize).collect();
        let value = literal_tensor(self.value())
            .ok_or_else(|| EvalError::Unsupported("pads with a value of no known dtype".to_owned()))?;
        let padded = if value.dtype().has_fractions() {
            let value = value.item::<f64>().map_err(|e| EvalError::Input(e.to_string()))?;
            thunder_tensor::pad(&inputs[0], &low, &high, &interior, value)
        } else {
            let value = value.item::<i64>().map_err(|e| EvalError::Input(e.to_string()))?;
            thunder_tensor::pad(&inputs[0], &low, &high, &interior, value)
        };
        padded.map(|t| vec![t]).map_err(|e| EvalError::Input(e.to_string()))
    }
}

impl<'c> Differentiate<'c> for Pad<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        // What takes away is a slice of what only adds.
        let (low, high, interior) = (self.low(), self.high(), self.interior());
        let added = |list: &[i64]| -> Vec<i64> { list.iter().map(|n| (*n).max(0)).collect() };
        let taken = |list: &[i64]| -> Vec<i64> { list.iter().map(|n| (-n).max(0)).collect() };
        let mut dx = only(cotangents)?;
        if low.iter().chain(&high).any(|n| *n < 0) {
            let mut sizes = extents(b, self.operand())?;
            for (axis, size) in sizes.iter_mut().enumerate() {
                let known = Extent::Known;
                if interior[axis] > 0 {
                    let spread = size.mul(b, known(interior[axis] + 1))?.sub(b, known(interior[axis]))?;
                    *size = spread.max(b, known(0))?;
                }
                *size = size.add(b, known(low[axis].max(0) + high[axis].max(0)))?;
            }
            let limit: Vec<i64> = high.iter().map(|n| if *n < 0 { *n } else { END }).collect();
            dx = unsliced(b, dx, &sizes, [&taken(&low), &limit, &vec![1; low.len()]])?;
        }
        let stride: Vec<i64> = interior.iter().map(|n| n + 1).collect();
        let dx = cropped(b, dx, &added(&low), &added(&high), &stride)?;
        Ok(vec![Some(restated(b, dx, self.operand())?)])
    }
}

impl<'c> Fold<'c> for Pad<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        let is_zero = |list: Vec<i64>| list.iter().all(|padding| *padding == 0);
        // pad(x) == x by nothing
        if is_zero(self.low()) && is_zero(self.high()) && is_zero(self.interior()) {
            return fold_to(self, self.operand());
        }
        fold_constants(self, constants)
    }
}

impl Cost for Pad<'_> {
    fn flops(&self, _: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        0.0
    }
}

impl Precision for Pad<'_> {}

impl Parts for Pad<'_> {
    fn by_parts<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        let [re, im] = parts(b, self.operand())?;
        let pad = |part: Value<'b>, value| b.pad(part, self.low(), self.high(), self.interior(), value);
        let value = self.value();
        Ok(vec![b.complex(pad(re, value)?, pad(im, zero(re.ty().element()))?)?])
    }
}

impl Samples for Pad<'_> {
    fn samples(s: &mut SampleSet) {
        for (from, [low, high, interior], to, shape) in [
            ("17x", ["[1]", "[2]", "[0]"], "20x", &[17][..]),
            ("3x5x", ["[0, 2]", "[1, 0]", "[0, 1]"], "4x11x", &[3, 5]),
            ("3x17x", ["[-1, 1]", "[0, -4]", "[0, 0]"], "2x14x", &[3, 17]),
            ("?x5x", ["[1, 0]", "[1, 1]", "[2, 0]"], "?x6x", &[7, 5]),
            ("?x5x", ["[-4, 0]", "[1, 0]", "[0, 0]"], "?x5x", &[2, 5]),
            ("0x4x", ["[1, 0]", "[2, 0]", "[3, 0]"], "3x4x", &[0, 4]),
            ("", ["[]", "[]", "[]"], "", &[]),
        ] {
            let (from, to) = (format!("tensor<{from}$T>"), format!("tensor<{to}$T>"));
            for (dtypes, value) in
                [(Dtypes::FLOATS_MOVED, "0.5 : $T"), (Dtypes::INTEGERS, "7 : $T"), (Dtypes::BOOL, "true")]
            {
                let body = format!(
                    "%r = thunder.pad %x low = {low} high = {high} interior = {interior} value = {value} : {from} -> {to}
                     return %r : {to}"
                );
                s.add(dtypes, &format!("(%x: {from}) -> {to}"), &body, &[shape]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thunder_tensor::DType;

    #[test]
    fn sizes_are_those_of_padded_tensors_known_or_not() {
        let symbol = Dim::symbol(0);
        for size in 0..4 {
            let x = HostTensor::zeros(DType::I8, [size as usize]);
            for (low, high) in (-4..4).flat_map(|low| (-4..4).map(move |high| (low, high))) {
                for interior in 0..3 {
                    let known = padded(&Dim::Known(size), low, high, interior).known();
                    let symbolic = padded(&symbol, low, high, interior).evaluate(&|_| Some(size));
                    assert_eq!(known, symbolic, "{size} {low} {high} {interior}");
                    match thunder_tensor::pad(&x, &[low], &[high], &[interior as usize], 0i64) {
                        Ok(y) => assert_eq!(known, Some(y.len() as i64)),
                        Err(_) => assert_eq!(known, Some(0)),
                    }
                }
            }
        }
    }
}
