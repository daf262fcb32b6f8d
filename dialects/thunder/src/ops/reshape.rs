//! The same elements in the same order under another shape.

use crate::compose::{extents, reshape, restated};
use crate::cotangent::only;
use crate::{check_sizes, declared, fold_constants, fold_moved_splat, fold_to, producer, stated_dims, stated_shape};
use thunder_interface::{
    Alias, Cost, Differentiate, Dim, Dtypes, EvalError, Parts, Precision, Reference, Restate, SampleSet, Samples,
    ShapeInputs, ShapeRule, Strided, StridedView,
};
use thunder_ir::prelude::*;
use thunder_tensor::Tensor as HostTensor;

/// The operand's elements, in row-major order, under another shape.
///
/// - (C1) the operand and the result have one element type
/// - (C2) the operand and the result have equally many elements
/// - (C3) there is one operand in `sizes` for each dynamic dimension of the result, in order
///
/// ```mlir
/// %y = thunder.reshape %x, [%n] : (tensor<?x12xf32>, index) -> tensor<?x3x4xf32>
/// ```
#[op(
    "thunder.reshape",
    pure,
    verify,
    fold,
    interfaces(Reference, Restate, ShapeRule, Differentiate, Strided, Alias, Cost, Precision, Parts)
)]
pub struct Reshape {
    operand: Operand<Tensor>,
    sizes: Variadic<Index>,
    out: Produces<Tensor>,
}

impl Verify for Reshape<'_> {
    fn verify(&self) -> Result {
        let (from, to) = (self.operand().ty(), self.out().ty());
        if from.element() != to.element() {
            let (from, to) = (from.element(), to.element());
            return Err(self.error(format!("(C1) element types differ: '{from}' and '{to}'")));
        }
        let (before, after) = (Dim::product(&declared(from)), Dim::product(&declared(to)));
        before.unify(&after).map_err(|e| self.error(format!("(C2) numbers of elements differ: {e}")))?;
        check_sizes(self, to, self.sizes().len(), "(C3)")
    }
}

impl<'c> Restate<'c> for Reshape<'c> {
    fn restate(&self, b: &Builder<'c>, ty: Type<'c>) -> Result<Value<'c>> {
        restated(b, self, &self.sizes(), ty)
    }
}

impl ShapeRule for Reshape<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        let shape = stated_dims(self.out().ty(), &self.sizes(), inputs);
        let (before, after) = (Dim::product(&inputs.operands[0]), Dim::product(&shape));
        before.unify(&after).map_err(|e| self.error(format!("(C2) numbers of elements differ: {e}")))?;
        Ok(vec![shape])
    }
}

impl Strided for Reshape<'_> {
    fn view(&self, operand: &StridedView, sizes: &[Dim]) -> Option<StridedView> {
        operand.reshape(sizes)
    }
}

impl<'c> Alias<'c> for Reshape<'c> {
    fn scatter(&self, b: &Builder<'c>, whole: Value<'c>, part: Value<'c>) -> Result<Value<'c>> {
        reshape(b, part, &extents(b, whole)?)
    }
}

impl Reference for Reshape<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let shape = stated_shape(self.out().ty(), &inputs[1..])?;
        inputs[0].reshape(shape).map(|t| vec![t]).map_err(|e| EvalError::Input(format!("(C2) {e}")))
    }
}

impl<'c> Differentiate<'c> for Reshape<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let mut operands = vec![Some(reshape(b, only(cotangents)?, &extents(b, self.operand())?)?)];
        operands.resize(1 + self.sizes().len(), None);
        Ok(operands)
    }
}

impl<'c> Fold<'c> for Reshape<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        let operand = self.operand();
        // reshape(x) == x in the same type, unless its sizes could differ in it
        let sizes = declared(operand.ty());
        let unknown = sizes.iter().filter(|d| **d == Dim::Unknown).count();
        if (unknown == 0 || (unknown == 1 && !sizes.contains(&Dim::Known(0))))
            && let Some(folded) = fold_to(self, operand)
        {
            return Some(folded);
        }
        // reshape(reshape(x)) == reshape(x)
        if let Some(inner) = producer::<Reshape<'c>>(operand) {
            self.operation().set_operand(0, inner.operand());
            return Some(FoldOutcome::InPlace);
        }
        fold_moved_splat(self, constants[0]).or_else(|| fold_constants(self, constants))
    }
}

impl Cost for Reshape<'_> {
    fn flops(&self, _: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        0.0
    }
}

impl Precision for Reshape<'_> {}

crate::complex::parts_apart!(Reshape);

impl Samples for Reshape<'_> {
    fn samples(s: &mut SampleSet) {
        for (from, to, shape) in [
            ("3x17x", "51x", &[3, 17][..]),
            ("6x5x", "2x3x1x5x", &[6, 5]),
            ("2x3x5x", "6x5x", &[2, 3, 5]),
            ("1x1x", "", &[1, 1]),
            ("", "1x", &[]),
            ("0x4x", "2x0x", &[0, 4]),
        ] {
            let (from, to) = (format!("tensor<{from}$T>"), format!("tensor<{to}$T>"));
            let body = format!("%r = thunder.reshape %x, [] : {from} -> {to}\n  return %r : {to}");
            s.add(Dtypes::MOVED, &format!("(%x: {from}) -> {to}"), &body, &[shape]);
        }
        s.add(
            Dtypes::MOVED,
            "(%x: tensor<?x?x12x$T>) -> tensor<?x?x3x4x$T>",
            "%n = thunder.dim %x axis = 0 : tensor<?x?x12x$T> -> index
             %m = thunder.dim %x axis = 1 : tensor<?x?x12x$T> -> index
             %r = thunder.reshape %x, [%n, %m] : (tensor<?x?x12x$T>, index, index) -> tensor<?x?x3x4x$T>
             return %r : tensor<?x?x3x4x$T>",
            &[&[2, 5, 12]],
        );
    }
}
