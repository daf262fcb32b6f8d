//! Matrix products.

use crate::complex::bilinear;
use crate::cotangent::{only, restated, swapped};
use crate::infer_like;
use thunder_interface::{
    Cost, Differentiate, Dim, Dtypes, EvalError, Library, LibraryCall, Parts, Precision, PrecisionClass, Reference,
    SampleSet, Samples, ShapeInputs, ShapeRule,
};
use thunder_ir::prelude::*;
use thunder_tensor::Tensor as HostTensor;

/// Matrix product of the two innermost dimensions; outer dimensions are equal.
///
/// Floating-point results are accumulated in at least single precision.
///
/// - (C1) both operands have rank >= 2, the same rank and the same element type
/// - (C2) the last dimension of `lhs` equals the second-last of `rhs`
/// - (C3) all outer dimensions are equal
///
/// ```mlir
/// %c = thunder.matmul %a, %b : (tensor<2x3xf32>, tensor<3x4xf32>) -> tensor<2x4xf32>
/// ```
#[op("thunder.matmul", pure, infer, interfaces(Reference, ShapeRule, Differentiate, Library, Cost, Precision, Parts))]
pub struct Matmul {
    #[c(1)]
    lhs: Operand<Tensor<AnyNumber>>,
    #[c(1)]
    rhs: Operand<Tensor<AnyNumber>>,
    out: Produces<Tensor<AnyNumber>>,
}

impl<'c> Infer<'c> for Matmul<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        let (lhs, rhs) = (self.lhs().ty().element(), self.rhs().ty().element());
        if lhs != rhs {
            return Err(self.error(format!("(C1) element types differ: '{lhs}' and '{rhs}'")));
        }
        infer_like(self)
    }
}

impl ShapeRule for Matmul<'_> {
    fn shapes(&self, inputs: &ShapeInputs<'_, '_>) -> Result<Vec<Vec<Dim>>> {
        let (lhs, rhs) = (&inputs.operands[0], &inputs.operands[1]);
        if lhs.len() < 2 || lhs.len() != rhs.len() {
            let message = format!("(C1) ranks must be equal and at least 2: {} and {}", lhs.len(), rhs.len());
            return Err(self.error(message));
        }
        let outer = lhs.len() - 2;
        lhs[outer + 1].unify(&rhs[outer]).map_err(|e| self.error(format!("(C2) inner dimensions differ: {e}")))?;
        let mut shape = Vec::new();
        for (a, b) in lhs[..outer].iter().zip(&rhs[..outer]) {
            let dim = a.unify(b).map_err(|e| self.error(format!("(C3) outer dimensions differ: {e}")))?;
            shape.push(dim);
        }
        shape.extend([lhs[outer].clone(), rhs[outer + 1].clone()]);
        Ok(vec![shape])
    }
}

impl Library for Matmul<'_> {
    fn library<'b>(&'b self) -> Option<LibraryCall<'b>> {
        let is_float = self.lhs().ty().element().as_scalar().is_some_and(|s| s.is_float());
        let (lhs, rhs) = (self.lhs(), self.rhs());
        is_float.then_some(LibraryCall::Matmul { lhs, rhs, bias: None, rhs_transposed: false })
    }
}

impl<'c> Differentiate<'c> for Matmul<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let (lhs, rhs, dy) = (self.lhs(), self.rhs(), only(cotangents)?);
        let operands = [(b.matmul(dy, swapped(b, rhs)?)?, lhs), (b.matmul(swapped(b, lhs)?, dy)?, rhs)];
        operands.into_iter().map(|(dx, x)| restated(b, dx, x).map(Some)).collect()
    }
}

impl Reference for Matmul<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let product = thunder_tensor::matmul(&inputs[0], &inputs[1], inputs[0].dtype())
            .map_err(|e| EvalError::Input(e.to_string()))?;
        Ok(vec![product])
    }
}

impl Parts for Matmul<'_> {
    fn by_parts<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        Ok(vec![bilinear(b, [self.lhs(), self.rhs()], |x, y| b.matmul(x, y))?])
    }
}

impl Cost for Matmul<'_> {
    fn flops(&self, operands: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
        let inner = operands[0].last().copied().unwrap_or_default();
        2.0 * inner as f64 * results[0].iter().product::<i64>() as f64
    }
}

impl Precision for Matmul<'_> {
    fn precision(&self) -> PrecisionClass {
        PrecisionClass::Lower
    }
}

impl Samples for Matmul<'_> {
    fn samples(s: &mut SampleSet) {
        s.add(
            Dtypes::ANY_NUMBERS,
            "(%a: tensor<2x3x$T>, %b: tensor<3x4x$T>) -> tensor<2x4x$T>",
            "%r = thunder.matmul %a, %b : (tensor<2x3x$T>, tensor<3x4x$T>) -> tensor<2x4x$T>
             return %r : tensor<2x4x$T>",
            &[&[2, 3], &[3, 4]],
        );
        for [m, k, n] in [[5, 7, 9], [2, 0, 3], [0, 4, 3], [3, 5, 0]] {
            s.add(
                Dtypes::NUMBERS,
                "(%a: tensor<?x?x$T>, %b: tensor<?x?x$T>) -> tensor<?x?x$T>",
                "%r = thunder.matmul %a, %b : (tensor<?x?x$T>, tensor<?x?x$T>) -> tensor<?x?x$T>
                 return %r : tensor<?x?x$T>",
                &[&[m, k], &[k, n]],
            )
            .ulps(16.0);
        }
        s.add(
            Dtypes::FLOATS,
            "(%a: tensor<?x?x19x$T>, %b: tensor<?x19x?x$T>) -> tensor<?x?x?x$T>",
            "%r = thunder.matmul %a, %b : (tensor<?x?x19x$T>, tensor<?x19x?x$T>) -> tensor<?x?x?x$T>
             return %r : tensor<?x?x?x$T>",
            &[&[3, 17, 19], &[3, 19, 33]],
        )
        .ulps(32.0);
    }
}
