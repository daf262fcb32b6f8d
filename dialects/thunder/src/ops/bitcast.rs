//! The bits of numbers as other numbers.

use super::binary::SHAPES;
use crate::{fold_constants, fold_to, producer};
use thunder_interface::{
    Cost, Dim, Dtypes, Expr, Precision, PrecisionClass, SampleSet, Samples, Scalar, ShapeInputs, ShapeRule, dtype_of,
};
use thunder_ir::constraint::compatible;
use thunder_ir::prelude::*;
use thunder_tensor::DType;

/// The bits of each element as an element of another type.
///
/// Of a signaling NaN it is left open which NaN it stays.
///
/// - (C1) the operand and the result have one shape
/// - (C2) their element types have one size, and neither is that of truth values
///
/// ```mlir
/// %y = thunder.bitcast %x : tensor<4xf32> -> tensor<4xi32>
/// ```
#[op("thunder.bitcast", pure, elementwise, verify, fold, interfaces(Scalar, ShapeRule, Cost, Precision))]
pub struct Bitcast {
    #[c(2)]
    operand: Operand<Tensor<Bits>>,
    #[c(2)]
    out: Produces<Tensor<Bits>>,
}

impl Verify for Bitcast<'_> {
    fn verify(&self) -> Result {
        let (from, to) = (self.operand().ty(), self.out().ty());
        let shaped = to.as_tensor().map(|t| t.with_element(from.element()));
        if !shaped.is_some_and(|shaped| compatible(from, shaped)) {
            return Err(self.error(format!("(C1) the shapes of '{from}' and '{to}' differ")));
        }
        let size = |ty: Type<'_>| dtype_of(ty.element()).filter(|dtype| *dtype != DType::Bool).map(DType::size);
        match (size(from), size(to)) {
            (Some(from), Some(to)) if from == to => Ok(()),
            _ => Err(self.error(format!("(C2) bits of '{}' are no '{}'", from.element(), to.element()))),
        }
    }
}

impl ShapeRule for Bitcast<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        Ok(inputs.operands.clone())
    }
}

impl Scalar for Bitcast<'_> {
    fn scalar(&self, x: &[Expr]) -> Expr {
        dtype_of(self.out().ty().element()).map_or_else(|| x[0].clone(), |to| x[0].bitcast(to))
    }
}

impl<'c> Fold<'c> for Bitcast<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        let operand = self.operand();
        // bitcast(x: T) -> T == x
        if operand.ty().element() == self.out().ty().element() {
            return fold_to(self, operand);
        }
        // bitcast(bitcast(x)) == bitcast(x)
        if let Some(inner) = producer::<Bitcast<'c>>(operand) {
            self.operation().set_operand(0, inner.operand());
            return Some(FoldOutcome::InPlace);
        }
        fold_constants(self, constants)
    }
}

impl Cost for Bitcast<'_> {
    fn flops(&self, _: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        0.0
    }
}

impl Precision for Bitcast<'_> {
    fn precision(&self) -> PrecisionClass {
        // Other bits would be other numbers.
        PrecisionClass::Widen
    }
}

impl Samples for Bitcast<'_> {
    fn samples(s: &mut SampleSet) {
        for (dtypes, others) in [
            (
                Dtypes(&[DType::U8, DType::I8, DType::F8E4M3FN, DType::F8E5M2, DType::F8E4M3FNUZ, DType::F8E5M2FNUZ]),
                &["ui8", "i8", "f8E4M3FN", "f8E5M2"][..],
            ),
            (Dtypes(&[DType::I16, DType::F16, DType::BF16]), &["i16", "f16", "bf16"]),
            (Dtypes(&[DType::I32, DType::F32]), &["i32", "f32"]),
            (Dtypes(&[DType::I64, DType::F64]), &["i64", "f64"]),
        ] {
            for to in others {
                let (ty, out) = ("tensor<?x17x$T>", format!("tensor<?x17x{to}>"));
                let body = format!("%r = thunder.bitcast %x : {ty} -> {out}\n  return %r : {out}");
                s.add(dtypes, &format!("(%x: {ty}) -> {out}"), &body, &[&[3, 17]]).domain(0, 0.0, 100.0);
            }
        }
        for (dims, shape) in SHAPES {
            let (ty, out) = (format!("tensor<{dims}f32>"), format!("tensor<{dims}i32>"));
            let body = format!("%r = thunder.bitcast %x : {ty} -> {out}\n  return %r : {out}");
            s.add(Dtypes(&[DType::F32]), &format!("(%x: {ty}) -> {out}"), &body, &[shape]);
        }
    }
}
