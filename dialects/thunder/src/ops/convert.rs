//! Changes of the element type.

use super::binary::SHAPES;
use crate::{fold_constants, fold_to, producer};
use thunder_interface::{
    Cost, Dim, Dtypes, Expr, Parts, Precision, SampleSet, Samples, Scalar, ShapeInputs, ShapeRule, dtype_of,
};
use thunder_ir::constraint::compatible;
use thunder_ir::prelude::*;
use thunder_tensor::DType;

/// The same elements in another element type.
///
/// Integers wrap into integers; what becomes a truth value says whether it is not zero; floats are
/// truncated towards zero and saturate in integers, where NaN is 0; all else rounds to nearest even, and beyond the
/// largest number to infinity. `f8E4M3FN`, which has none, saturates, and `f8E4M3FNUZ` and `f8E5M2FNUZ` are NaN there.
/// Of complex numbers, real ones have the real part, and truth values say whether either part is not zero.
///
/// - (C1) the operand and the result have one shape
///
/// ```mlir
/// %y = thunder.convert %x : tensor<4xf32> -> tensor<4xbf16>
/// ```
#[op("thunder.convert", pure, elementwise, verify, fold, interfaces(Scalar, ShapeRule, Cost, Precision, Parts))]
pub struct Convert {
    operand: Operand<Tensor>,
    out: Produces<Tensor>,
}

impl Verify for Convert<'_> {
    fn verify(&self) -> Result {
        let (from, to) = (self.operand().ty(), self.out().ty());
        let shaped = to.as_tensor().map(|t| t.with_element(from.element()));
        if shaped.is_some_and(|shaped| compatible(from, shaped)) {
            return Ok(());
        }
        Err(self.error(format!("(C1) the shapes of '{from}' and '{to}' differ")))
    }
}

impl ShapeRule for Convert<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        Ok(inputs.operands.clone())
    }
}

impl Scalar for Convert<'_> {
    fn scalar(&self, x: &[Expr]) -> Expr {
        // The verifier lets any tensor of numbers pass; those without a dtype stay as they are.
        dtype_of(self.out().ty().element()).map_or_else(|| x[0].clone(), |to| x[0].convert(to))
    }
}

crate::complex::parts_elementwise!(Convert);

impl<'c> Fold<'c> for Convert<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        let operand = self.operand();
        // convert(x: T) -> T == x
        if operand.ty().element() == self.out().ty().element() {
            return fold_to(self, operand);
        }
        // convert(convert(x)) == convert(x), where nothing is lost between
        if let Some(inner) = producer::<Convert<'c>>(operand) {
            let dtype = |v: Value<'c>| dtype_of(v.ty().element());
            let (from, via, to) = (dtype(inner.operand())?, dtype(operand)?, dtype(self.out())?);
            if is_passage(from, via, to) {
                self.operation().set_operand(0, inner.operand());
                return Some(FoldOutcome::InPlace);
            }
        }
        fold_constants(self, constants)
    }
}

/// Whether converting `from` to `to` by way of `via` is the same as doing so at once.
pub(crate) fn is_passage(from: DType, via: DType, to: DType) -> bool {
    // Integers wrap into narrower integers, but floats saturate.
    let saturates = from.is_integer() && via.is_float() && to.is_integer() && !is_lossless(from, to);
    is_lossless(from, via) && !saturates
}

/// Whether every value of one dtype is a value of the other.
fn is_lossless(from: DType, to: DType) -> bool {
    if from == to || from == DType::Bool {
        return true;
    }
    if from.is_float8() || to.is_float8() {
        return from.is_float8() && to.is_float();
    }
    if from.is_complex() || to.is_complex() {
        return from == DType::C64 && to == DType::C128;
    }
    match (from.is_float(), to.is_float()) {
        (true, true) => to == DType::F64 || (to == DType::F32 && from != DType::F64),
        (true, false) => false,
        // The significand holds 11, 8, 24 and 53 bits.
        (false, true) => match to {
            DType::F64 => from.size() <= 4,
            DType::F32 => from.size() <= 2,
            _ => from.size() == 1,
        },
        (false, false) => {
            to != DType::Bool
                && from.size() <= to.size()
                && (from.is_signed() == to.is_signed() || from.size() < to.size())
                && (to.is_signed() || !from.is_signed())
        }
    }
}

impl Cost for Convert<'_> {
    fn flops(&self, _: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
        results[0].iter().product::<i64>() as f64
    }
}

impl Precision for Convert<'_> {}

impl Samples for Convert<'_> {
    fn samples(s: &mut SampleSet) {
        for &to in Dtypes::MOVED.0 {
            let (ty, out) = ("tensor<?x17x$T>", format!("tensor<?x17x{to}>"));
            let body = format!("%r = thunder.convert %x : {ty} -> {out}\n  return %r : {out}");
            s.add(Dtypes::MOVED, &format!("(%x: {ty}) -> {out}"), &body, &[&[3, 17]]).domain(0, -100.0, 100.0);
            let (ty, out) = ("tensor<61x$T>", format!("tensor<61x{to}>"));
            let body = format!("%r = thunder.convert %x : {ty} -> {out}\n  return %r : {out}");
            s.add(Dtypes::MOVED, &format!("(%x: {ty}) -> {out}"), &body, &[&[61]]).specials();
        }
        for (dims, shape) in SHAPES {
            let (ty, out) = (format!("tensor<{dims}$T>"), format!("tensor<{dims}f32>"));
            let body = format!("%r = thunder.convert %x : {ty} -> {out}\n  return %r : {out}");
            s.add(Dtypes::MOVED, &format!("(%x: {ty}) -> {out}"), &body, &[shape]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thunder_tensor::{Random, Tensor as HostTensor};

    #[test]
    fn passages_keep_every_value() {
        let mut random = Random::new(1);
        for &from in Dtypes::MOVED.0 {
            let mut values: Vec<f64> = random.special(from, [512], 0.0, 300.0).to_vec();
            values.extend((-70_000..70_000).step_by(97).map(f64::from));
            let values = HostTensor::from_values(from, [values.len()], values).expect("as many values as elements");
            for &via in Dtypes::MOVED.0 {
                for &to in Dtypes::MOVED.0.iter().filter(|to| is_passage(from, via, **to)) {
                    let (long, short) = (values.cast(via).cast(to), values.cast(to));
                    let same = |(a, b): (f64, f64)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
                    let pairs = long.to_vec::<f64>().into_iter().zip(short.to_vec::<f64>());
                    assert!(pairs.into_iter().all(same), "{from} -> {via} -> {to}");
                }
            }
        }
        assert!(is_passage(DType::F16, DType::F32, DType::F16));
        assert!(is_passage(DType::I32, DType::I64, DType::I8));
        assert!(!is_passage(DType::I32, DType::F64, DType::I8));
        assert!(!is_passage(DType::F32, DType::BF16, DType::F32));
        assert!(!is_passage(DType::I8, DType::U8, DType::I8));
        assert!(is_passage(DType::F8E5M2, DType::BF16, DType::I8) && is_passage(DType::F32, DType::F64, DType::F8E5M2));
        assert!(!is_passage(DType::I8, DType::F8E4M3FN, DType::F32));
    }
}
