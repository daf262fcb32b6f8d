//! Elementwise questions: comparisons of two operands, and classes of floats.

use super::binary::SHAPES;
use crate::{fold_constants, infer_elements, one_shape};
use thunder_interface::{
    Compare, Cost, Dim, Dtypes, Expr, Parts, Precision, SampleSet, Samples, Scalar, ShapeInputs, ShapeRule, UnaryFn,
};
use thunder_ir::prelude::*;

/// Result types, folds and costs of ops that answer with one truth value per element.
macro_rules! answers {
    ($op:ident) => {
        impl<'c> Infer<'c> for $op<'c> {
            fn infer(&self) -> Result<Vec<Type<'c>>> {
                infer_elements(self, &[Type::int(self.context(), 1)])
            }
        }

        impl<'c> Fold<'c> for $op<'c> {
            fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
                fold_constants(self, constants)
            }
        }

        impl Cost for $op<'_> {
            fn flops(&self, _: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
                results[0].iter().product::<i64>() as f64
            }
        }

        impl Precision for $op<'_> {}
    };
}

/// Defines comparisons. Each line: docs, struct, name, traits, and the comparison.
macro_rules! compare {
    ($elements:ident $c1:tt: $($(#[$doc:meta])* $op:ident $name:literal $example:tt [$($trait:ident),*] $how:ident;)*) => {$(
        $(#[$doc])*
        #[doc = ""]
        #[doc = $c1]
        #[doc = "- (C2) both operands have one shape"]
        #[doc = ""]
        #[doc = "```mlir"]
        #[doc = $example]
        #[doc = "```"]
        #[op($name, pure, elementwise, infer, fold, $($trait,)* interfaces(Scalar, Parts, ShapeRule, Cost, Precision))]
        pub struct $op {
            #[c(1)]
            lhs: Operand<Tensor<$elements>>,
            #[c(1)]
            rhs: Operand<Tensor<$elements>>,
            out: Produces<Tensor<Bool>>,
        }

        impl ShapeRule for $op<'_> {
            fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
                let (lhs, rhs) = (self.lhs().ty().element(), self.rhs().ty().element());
                if lhs != rhs {
                    return Err(self.error(format!("(C1) element types differ: '{lhs}' and '{rhs}'")));
                }
                Ok(vec![one_shape(self, inputs, "(C2)")?])
            }
        }

        impl Scalar for $op<'_> {
            fn scalar(&self, x: &[Expr]) -> Expr {
                x[0].compare(Compare::$how, &x[1])
            }
        }

        crate::complex::parts_elementwise!($op);

        answers!($op);

        impl Samples for $op<'_> {
            fn samples(s: &mut SampleSet) {
                comparison_samples(s, $name);
            }
        }
    )*};
}

fn comparison_samples(s: &mut SampleSet, name: &str) {
    for (dims, shape) in SHAPES {
        let (ty, out) = (format!("tensor<{dims}$T>"), format!("tensor<{dims}i1>"));
        let body = format!("%r = {name} %a, %b : ({ty}, {ty}) -> {out}\n  return %r : {out}");
        s.add(Dtypes::ALL, &format!("(%a: {ty}, %b: {ty}) -> {out}"), &body, &[shape, shape]);
    }
    let (ty, out) = ("tensor<131x$T>", "tensor<131xi1>");
    let body = format!("%r = {name} %a, %b : ({ty}, {ty}) -> {out}\n  return %r : {out}");
    s.add(Dtypes::FLOATS, &format!("(%a: {ty}, %b: {ty}) -> {out}"), &body, &[&[131], &[131]]).specials();
}

compare! {
    Comparable "- (C1) both operands are tensors of one element type":

    /// Whether two values are equal; NaN equals nothing.
    Eq "thunder.eq" "%c = thunder.eq %a, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>" [commutative] Eq;
    /// Whether two values differ; NaN differs from everything.
    Ne "thunder.ne" "%c = thunder.ne %a, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>" [commutative] Ne;
}

compare! {
    Ordered "- (C1) both operands are tensors of one element type, which is not that of complex numbers":

    /// Whether `lhs` is less than `rhs`; false where either is NaN.
    Lt "thunder.lt" "%c = thunder.lt %a, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>" [] Lt;
    /// Whether `lhs` is less than or equal to `rhs`; false where either is NaN.
    Le "thunder.le" "%c = thunder.le %a, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>" [] Le;
    /// Whether `lhs` is greater than `rhs`; false where either is NaN.
    Gt "thunder.gt" "%c = thunder.gt %a, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>" [] Gt;
    /// Whether `lhs` is greater than or equal to `rhs`; false where either is NaN.
    Ge "thunder.ge" "%c = thunder.ge %a, %b : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>" [] Ge;
}

/// Defines classes of floats. Each line: docs, struct, name, and the scalar body.
macro_rules! classify {
    ($($(#[$doc:meta])* $op:ident $name:literal $example:tt, |$x:ident| $body:expr;)*) => {$(
        $(#[$doc])*
        #[doc = ""]
        #[doc = "- (C1) the operand is a tensor of floats"]
        #[doc = ""]
        #[doc = "```mlir"]
        #[doc = $example]
        #[doc = "```"]
        #[op($name, pure, elementwise, infer, fold, interfaces(Scalar, ShapeRule, Cost, Precision))]
        pub struct $op {
            #[c(1)]
            operand: Operand<Tensor<Float>>,
            out: Produces<Tensor<Bool>>,
        }

        impl ShapeRule for $op<'_> {
            fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
                Ok(inputs.operands.clone())
            }
        }

        impl Scalar for $op<'_> {
            fn scalar(&self, x: &[Expr]) -> Expr {
                let $x = &x[0];
                $body
            }
        }

        answers!($op);

        impl Samples for $op<'_> {
            fn samples(s: &mut SampleSet) {
                class_samples(s, $name);
            }
        }
    )*};
}

fn class_samples(s: &mut SampleSet, name: &str) {
    for (dims, shape) in [("61x", &[61][..])].into_iter().chain(SHAPES) {
        let (ty, out) = (format!("tensor<{dims}$T>"), format!("tensor<{dims}i1>"));
        let body = format!("%r = {name} %x : {ty} -> {out}\n  return %r : {out}");
        s.add(Dtypes::FLOATS, &format!("(%x: {ty}) -> {out}"), &body, &[shape]).specials();
    }
}

classify! {
    /// Whether a value is not a number.
    Isnan "thunder.isnan" "%c = thunder.isnan %x : tensor<4xf32> -> tensor<4xi1>", |x| x.compare(Compare::Ne, x);
    /// Whether a value is infinite, of either sign.
    Isinf "thunder.isinf" "%c = thunder.isinf %x : tensor<4xf32> -> tensor<4xi1>",
        |x| x.unary(UnaryFn::Abs).compare(Compare::Eq, &x.constant(f64::INFINITY));
    /// Whether a value is neither infinite nor NaN.
    Isfinite "thunder.isfinite" "%c = thunder.isfinite %x : tensor<4xf32> -> tensor<4xi1>",
        |x| x.unary(UnaryFn::Abs).compare(Compare::Lt, &x.constant(f64::INFINITY));
}
