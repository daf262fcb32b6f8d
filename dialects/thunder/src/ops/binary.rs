//! Elementwise functions of two operands.

use thunder_interface::{Cost, Dtypes, Expr, SampleSet, Samples, Scalar};
use thunder_ir::prelude::*;

/// Sum, elementwise; integers wrap.
///
/// - (C1) both operands are tensors of one type, of integers or floats
///
/// ```mlir
/// %c = thunder.add %a, %b : tensor<4xf32>
/// ```
#[op("thunder.add", pure, commutative, same_type, elementwise, interfaces(Scalar, Cost))]
pub struct Add {
    #[c(1)]
    lhs: Operand<Tensor<Number>>,
    #[c(1)]
    rhs: Operand<Tensor<Number>>,
    out: Produces<Tensor<Number>>,
}

impl Scalar for Add<'_> {
    fn scalar(&self, x: &[Expr]) -> Expr {
        &x[0] + &x[1]
    }
}

impl Cost for Add<'_> {
    fn flops(&self, _: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
        results[0].iter().product::<i64>() as f64
    }
}

impl Samples for Add<'_> {
    fn samples(s: &mut SampleSet) {
        s.add(
            Dtypes::NUMBERS,
            "(%a: tensor<3x17x$T>, %b: tensor<3x17x$T>) -> tensor<3x17x$T>",
            "%r = thunder.add %a, %b : tensor<3x17x$T>
             return %r : tensor<3x17x$T>",
            &[&[3, 17], &[3, 17]],
        );
    }
}
