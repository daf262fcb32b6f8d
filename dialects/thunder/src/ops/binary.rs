//! Elementwise functions of two operands of one type.

use crate::literal::Number as Literal;
use crate::{fold_constants, fold_to};
use thunder_interface::{
    BinaryFn, Compare, Cost, Dtypes, Expr, Parts, Precision, PrecisionClass, SampleSet, Samples, Scalar,
};
use thunder_ir::prelude::*;

/// Defines elementwise functions of two operands. Each line: docs, struct, name, an example, traits,
/// autocast class, flops per element, its samples, the right operands that leave the left one as it
/// is, whether two equal operands do, and the scalar body.
macro_rules! binary {
    ($elements:ident $c1:tt: $($(#[$doc:meta])* $op:ident $name:literal $example:tt
        [$($trait:ident),*] $class:ident $flops:literal $samples:ident,
        neutral |$c:pat_param| $neutral:expr, twice $twice:literal, |$x:ident, $y:ident| $body:expr;)*) => {$(
        $(#[$doc])*
        #[doc = ""]
        #[doc = $c1]
        #[doc = ""]
        #[doc = "```mlir"]
        #[doc = $example]
        #[doc = "```"]
        #[op($name, pure, same_type, elementwise, fold, $($trait,)* interfaces(Scalar, Parts, Cost, Precision))]
        pub struct $op {
            #[c(1)]
            lhs: Operand<Tensor<$elements>>,
            #[c(1)]
            rhs: Operand<Tensor<$elements>>,
            out: Produces<Tensor<$elements>>,
        }

        impl Scalar for $op<'_> {
            fn scalar(&self, x: &[Expr]) -> Expr {
                let ($x, $y) = (&x[0], &x[1]);
                $body
            }
        }

        crate::complex::parts_elementwise!($op);

        impl<'c> Fold<'c> for $op<'c> {
            fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
                fold_identity(self, constants, |$c| $neutral, $twice).or_else(|| fold_constants(self, constants))
            }
        }

        impl Cost for $op<'_> {
            fn flops(&self, _: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
                $flops * results[0].iter().product::<i64>() as f64
            }
        }

        impl Precision for $op<'_> {
            fn precision(&self) -> PrecisionClass {
                PrecisionClass::$class
            }
        }

        impl Samples for $op<'_> {
            fn samples(s: &mut SampleSet) {
                $samples(s, $name);
            }
        }
    )*};
}

/// `f(x, e) == x` for a neutral `e`, also from the left if `f` commutes, and `f(x, x) == x` if so told.
fn fold_identity<'c>(
    op: &impl Op<'c>,
    constants: &[Option<Attribute<'c>>],
    neutral: fn(Literal) -> bool,
    twice: bool,
) -> Option<FoldOutcome<'c>> {
    let is_neutral = |i: usize| constants[i].and_then(Literal::of_splat).is_some_and(neutral);
    if is_neutral(1) {
        return fold_to(op, op.view().operand(0));
    }
    if op.view().definition().has_trait("commutative") && is_neutral(0) {
        return fold_to(op, op.view().operand(1));
    }
    if twice && op.view().operand(0) == op.view().operand(1) {
        return fold_to(op, op.view().operand(0));
    }
    None
}

/// Shapes that end inside a vector, are dynamic, have no elements, or no dimensions.
pub(super) const SHAPES: [(&str, &[usize]); 4] = [("3x17x", &[3, 17]), ("?x5x", &[7, 5]), ("0x4x", &[0, 4]), ("", &[])];

/// A sample per shape, with `domains` of both operands.
fn in_domains(s: &mut SampleSet, name: &str, dtypes: Dtypes, domains: [(f64, f64); 2]) {
    for (dims, shape) in SHAPES {
        let ty = format!("tensor<{dims}$T>");
        let body = format!("%r = {name} %a, %b : {ty}\n  return %r : {ty}");
        let sample = s.add(dtypes, &format!("(%a: {ty}, %b: {ty}) -> {ty}"), &body, &[shape, shape]);
        sample.domain(0, domains[0].0, domains[0].1).domain(1, domains[1].0, domains[1].1);
    }
}

fn specials(s: &mut SampleSet, name: &str) {
    let ty = "tensor<131x$T>";
    let body = format!("%r = {name} %a, %b : {ty}\n  return %r : {ty}");
    s.add(Dtypes::FLOATS, &format!("(%a: {ty}, %b: {ty}) -> {ty}"), &body, &[&[131], &[131]]).specials();
}

fn arithmetic(s: &mut SampleSet, name: &str) {
    in_domains(s, name, Dtypes::NUMBERS, [(-2.0, 2.0); 2]);
    specials(s, name);
}

fn bits(s: &mut SampleSet, name: &str) {
    in_domains(s, name, Dtypes::INTEGERS_AND_BOOL, [(-100.0, 100.0); 2]);
}

/// No integer is divided by zero.
fn divisors(s: &mut SampleSet, name: &str) {
    in_domains(s, name, Dtypes::NUMBERS, [(-7.0, 7.0), (1.0, 5.0)]);
    in_domains(s, name, Dtypes::FLOATS, [(-7.0, 7.0), (-5.0, -0.5)]);
    in_domains(s, name, Dtypes::SIGNED, [(-7.0, 7.0), (-5.0, 0.0)]);
    specials(s, name);
}

fn powers(s: &mut SampleSet, name: &str) {
    in_domains(s, name, Dtypes::FLOATS, [(0.1, 3.0), (-2.0, 3.0)]);
    in_domains(s, name, Dtypes::INTEGERS, [(0.0, 4.0), (0.0, 4.0)]);
    in_domains(s, name, Dtypes::SIGNED, [(-3.0, 4.0), (-3.0, 4.0)]);
}

fn angles(s: &mut SampleSet, name: &str) {
    in_domains(s, name, Dtypes::FLOATS, [(-2.0, 2.0); 2]);
}

/// Amounts reach past the width of narrow integers.
fn shifts(s: &mut SampleSet, name: &str) {
    in_domains(s, name, Dtypes::INTEGERS, [(0.0, 100.0), (0.0, 20.0)]);
    in_domains(s, name, Dtypes::SIGNED, [(-100.0, 100.0), (-2.0, 70.0)]);
}

binary! {
    AnyNumber "- (C1) both operands are tensors of one type, of numbers":

    /// Sum; integers wrap.
    // x + 0 == x for integers; for floats it is -0 that changes nothing, since -0 + 0 == 0.
    Add "thunder.add" "%c = thunder.add %a, %b : tensor<4xf32>" [commutative] Keep 1.0 arithmetic,
        neutral |c| c.is_int(0) || c.is_float(-0.0), twice false, |x, y| x + y;

    /// Difference; integers wrap.
    // x - 0 == x, for floats with a positive zero: -0 - 0 == -0.
    Sub "thunder.sub" "%c = thunder.sub %a, %b : tensor<4xf32>" [] Keep 1.0 arithmetic,
        neutral |c| c.is_int(0) || c.is_float(0.0), twice false, |x, y| x - y;

    /// Product; integers wrap.
    // x * 1 == x
    Mul "thunder.mul" "%c = thunder.mul %a, %b : tensor<4xf32>" [commutative] Keep 1.0 arithmetic,
        neutral |c| c.is_one(), twice false, |x, y| x * y;

    /// Quotient; integers are truncated towards zero, and must not be divided by zero.
    // x / 1 == x
    Div "thunder.div" "%c = thunder.div %a, %b : tensor<4xf32>" [] Keep 4.0 divisors,
        neutral |c| c.is_one(), twice false, |x, y| x / y;

    /// Power `lhs^rhs`; a negative power of an integer is truncated towards zero.
    // x^1 == x
    Pow "thunder.pow" "%c = thunder.pow %a, %b : tensor<4xf32>" [] Widen 30.0 powers,
        neutral |c| c.is_one(), twice false, |x, y| x.binary(BinaryFn::Pow, y);
}

binary! {
    Number "- (C1) both operands are tensors of one type, of integers or floats":

    /// Remainder with the sign of the dividend, C's `fmod`; no integer may be divided by zero.
    Rem "thunder.rem" "%c = thunder.rem %a, %b : tensor<4xf32>" [] Keep 10.0 divisors,
        neutral |_| false, twice false, |x, y| x % y;

    /// Remainder with the sign of the divisor, Python's `%`; no integer may be divided by zero.
    Remainder "thunder.remainder" "%c = thunder.remainder %a, %b : tensor<4xf32>" [] Keep 12.0 divisors,
        neutral |_| false, twice false, |x, y| remainder(x, y);

    /// The larger of two values; NaN if either is.
    // max(x, x) == x
    Maximum "thunder.maximum" "%c = thunder.maximum %a, %b : tensor<4xf32>" [commutative] Keep 1.0 arithmetic,
        neutral |_| false, twice true, |x, y| x.max(y);

    /// The smaller of two values; NaN if either is.
    // min(x, x) == x
    Minimum "thunder.minimum" "%c = thunder.minimum %a, %b : tensor<4xf32>" [commutative] Keep 1.0 arithmetic,
        neutral |_| false, twice true, |x, y| x.min(y);
}

binary! {
    Float "- (C1) both operands are tensors of one type, of floats":

    /// Angle in radians between the positive horizontal axis and the point with ordinate `lhs` and abscissa `rhs`.
    Atan2 "thunder.atan2" "%c = thunder.atan2 %a, %b : tensor<4xf32>" [] Widen 25.0 angles,
        neutral |_| false, twice false, |x, y| x.binary(BinaryFn::Atan2, y);
}

binary! {
    IntegerOrBool "- (C1) both operands are tensors of one type, of integers or truth values":

    /// Bitwise conjunction; for truth values, the logical one.
    // x & x == x
    And "thunder.and" "%c = thunder.and %a, %b : tensor<4xi1>" [commutative] Keep 1.0 bits,
        neutral |_| false, twice true, |x, y| x & y;

    /// Bitwise disjunction; for truth values, the logical one.
    // x | 0 == x, x | x == x
    Or "thunder.or" "%c = thunder.or %a, %b : tensor<4xi1>" [commutative] Keep 1.0 bits,
        neutral |c| c.is_int(0), twice true, |x, y| x | y;

    /// Bitwise exclusive disjunction; for truth values, the logical one.
    // x ^ 0 == x
    Xor "thunder.xor" "%c = thunder.xor %a, %b : tensor<4xi1>" [commutative] Keep 1.0 bits,
        neutral |c| c.is_int(0), twice false, |x, y| x ^ y;
}

binary! {
    Integer "- (C1) both operands are tensors of one type, of integers":

    /// Bits moved to higher places; zero where the amount is negative or not less than the width.
    // x << 0 == x
    ShiftLeft "thunder.shift_left" "%c = thunder.shift_left %a, %b : tensor<4xi32>" [] Keep 1.0 shifts,
        neutral |c| c.is_int(0), twice false, |x, y| x.binary(BinaryFn::ShiftLeft, y);

    /// Bits moved to lower places, those of a negative number filled with ones; only these are
    /// left where the amount is negative or not less than the width.
    // x >> 0 == x
    ShiftRight "thunder.shift_right" "%c = thunder.shift_right %a, %b : tensor<4xi32>" [] Keep 1.0 shifts,
        neutral |c| c.is_int(0), twice false, |x, y| x.binary(BinaryFn::ShiftRight, y);
}

/// `fmod`, moved by one divisor where it is not zero and its sign is not the divisor's.
fn remainder(x: &Expr, y: &Expr) -> Expr {
    let rest = x % y;
    let zero = x.constant(0.0);
    let is_off = rest.compare(Compare::Lt, &zero) ^ y.compare(Compare::Lt, &zero);
    let is_moved = rest.compare(Compare::Ne, &zero) & is_off;
    is_moved.select(&(&rest + y), &rest)
}
