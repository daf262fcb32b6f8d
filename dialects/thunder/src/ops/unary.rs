//! Elementwise functions of one operand.

use thunder_interface::{Cost, Dtypes, Expr, SampleSet, Samples, Scalar, UnaryFn};
use thunder_ir::prelude::*;

/// Defines elementwise functions of one operand. Each line: docs, struct, name, constraint on the
/// elements, sample dtypes, the scalar body, flops per element, and the domain of its samples.
macro_rules! unary {
    ($($(#[$doc:meta])* $op:ident $name:literal $elements:ident $dtypes:ident, |$x:ident| $body:expr, $flops:literal, $low:literal..$high:literal;)*) => {$(
        $(#[$doc])*
        #[op($name, pure, same_type, elementwise, interfaces(Scalar, Cost))]
        pub struct $op {
            #[c(1)]
            operand: Operand<Tensor<$elements>>,
            out: Produces<Tensor<$elements>>,
        }

        impl Scalar for $op<'_> {
            fn scalar(&self, x: &[Expr]) -> Expr {
                let $x = &x[0];
                $body
            }
        }

        impl Cost for $op<'_> {
            fn flops(&self, _: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
                $flops * results[0].iter().product::<i64>() as f64
            }
        }

        impl Samples for $op<'_> {
            fn samples(s: &mut SampleSet) {
                elementwise_samples(s, $name, Dtypes::$dtypes, $low, $high);
            }
        }
    )*};
}

/// One odd size that ends inside a vector, a dynamic one, one without elements, and a scalar.
fn elementwise_samples(s: &mut SampleSet, name: &str, dtypes: Dtypes, low: f64, high: f64) {
    for (ty, shape) in [
        ("tensor<3x17x$T>", &[3, 17][..]),
        ("tensor<?x5x$T>", &[7, 5]),
        ("tensor<0x4x$T>", &[0, 4]),
        ("tensor<$T>", &[]),
    ] {
        let body = format!("%r = {name} %x : {ty}\n  return %r : {ty}");
        s.add(dtypes, &format!("(%x: {ty}) -> {ty}"), &body, &[shape]).domain(0, low, high);
    }
}

unary! {
    /// Exponential function `e^x`.
    ///
    /// - (C1) the operand is a tensor of floats
    ///
    /// ```mlir
    /// %y = thunder.exp %x : tensor<4xf32>
    /// ```
    Exp "thunder.exp" Float FLOATS, |x| x.unary(UnaryFn::Exp), 10.0, -4.0..4.0;
}
