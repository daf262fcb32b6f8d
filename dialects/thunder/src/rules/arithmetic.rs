//! Sums, products, quotients and powers.
//!
//! What is exact is so for zeros of both signs, infinities and NaN: `x + -y == x - y`, but
//! `-(x - y) != y - x` where x is y, for the sign of zero.

use super::{holds, rule};
use thunder_interface::Numerics::{Approximates, Exact, Reassociates};
use thunder_interface::{Dtypes, Match, Numerics, Rule};
use thunder_ir::Scalar;

const BINARY: &str = "(%x: tensor<61x$T>, %y: tensor<61x$T>) -> tensor<61x$T>";
const UNARY: &str = "(%x: tensor<61x$T>) -> tensor<61x$T>";
const TWO: &[&[usize]] = &[&[61], &[61]];
const ONE: &[&[usize]] = &[&[61]];

pub(super) fn rules() -> Vec<Rule> {
    let mut rules = exact();
    rules.extend(reassociating());
    rules
}

fn exact() -> Vec<Rule> {
    vec![
        // x - -y == x + y
        rule("sub_of_neg", Exact, "sub(x, neg(y))", "add(x, y)").sample(
            Dtypes::NUMBERS,
            BINARY,
            "%a = thunder.neg %y : tensor<61x$T>
             %r = thunder.sub %x, %a : tensor<61x$T>
             return %r : tensor<61x$T>",
            TWO,
        ),
        // x + -y == x - y
        rule("add_of_neg", Exact, "add(x, neg(y))", "sub(x, y)").sample(
            Dtypes::NUMBERS,
            BINARY,
            "%a = thunder.neg %y : tensor<61x$T>
             %r = thunder.add %x, %a : tensor<61x$T>
             return %r : tensor<61x$T>",
            TWO,
        ),
        // -x * -y == x * y
        rule("mul_of_negs", Exact, "mul(neg(x), neg(y))", "mul(x, y)").sample(
            Dtypes::NUMBERS,
            BINARY,
            "%a = thunder.neg %x : tensor<61x$T>
             %b = thunder.neg %y : tensor<61x$T>
             %r = thunder.mul %a, %b : tensor<61x$T>
             return %r : tensor<61x$T>",
            TWO,
        ),
        // |-x| == |x|, but for unsigned integers, which wrap
        rule("abs_of_neg", Exact, "abs(neg(x))", "abs(x)")
            .when(|m| holds(!matches!(m.ty("x").element().as_scalar(), Some(Scalar::Unsigned(_)))))
            .sample(
                Dtypes::SIGNED,
                UNARY,
                "%a = thunder.neg %x : tensor<61x$T>
                 %r = thunder.abs %a : tensor<61x$T>
                 return %r : tensor<61x$T>",
                ONE,
            )
            .sample(
                Dtypes::FLOATS,
                UNARY,
                "%a = thunder.neg %x : tensor<61x$T>
                 %r = thunder.abs %a : tensor<61x$T>
                 return %r : tensor<61x$T>",
                ONE,
            ),
        // x / 2^n == x * 2^-n, where the reciprocal is a number of the dtype
        rule("div_by_power_of_two", Exact, "div(x, c)", "mul(x, #k)")
            .when(|m| {
                let divisor = m.uniform_float("c")?;
                holds(divisor.is_normal() && divisor.to_bits() << 12 == 0)?;
                m.set_uniform("k", m.result, divisor.recip())?;
                let inverse = m.attribute("k")?.splat_value()?.as_float()?;
                holds(inverse * divisor == 1.0)
            })
            .sample(
                Dtypes::FLOATS,
                UNARY,
                "%c = thunder.constant value = dense<-8.0> : tensor<61x$T> : tensor<61x$T>
                 %r = thunder.div %x, %c : tensor<61x$T>
                 return %r : tensor<61x$T>",
                ONE,
            ),
        // 1 / x == reciprocal(x)
        rule("reciprocal", Exact, "div(c, x)", "reciprocal(x)").when(|m| is_one(m, "c")).sample(
            Dtypes::FLOATS,
            UNARY,
            "%c = thunder.constant value = dense<1.0> : tensor<61x$T> : tensor<61x$T>
             %r = thunder.div %c, %x : tensor<61x$T>
             return %r : tensor<61x$T>",
            ONE,
        ),
        // (x * c) * d == x * (c * d) for integers, which wrap
        rule("mul_of_mul_of_integers", Exact, "mul(mul(x, c), d)", "mul(x, mul(c, d))")
            .when(|m| {
                holds(!m.is_float("x"))?;
                both_constant(m)
            })
            .sample(
                Dtypes::INTEGERS,
                UNARY,
                "%c = thunder.constant value = dense<7> : tensor<61x$T> : tensor<61x$T>
                 %d = thunder.constant value = dense<100> : tensor<61x$T> : tensor<61x$T>
                 %a = thunder.mul %x, %c : tensor<61x$T>
                 %r = thunder.mul %a, %d : tensor<61x$T>
                 return %r : tensor<61x$T>",
                ONE,
            ),
        // (x + c) + d == x + (c + d) for integers, which wrap
        rule("add_of_add_of_integers", Exact, "add(add(x, c), d)", "add(x, add(c, d))")
            .when(|m| {
                holds(!m.is_float("x"))?;
                both_constant(m)
            })
            .sample(
                Dtypes::INTEGERS,
                UNARY,
                "%c = thunder.constant value = dense<7> : tensor<61x$T> : tensor<61x$T>
                 %d = thunder.constant value = dense<100> : tensor<61x$T> : tensor<61x$T>
                 %a = thunder.add %x, %c : tensor<61x$T>
                 %r = thunder.add %a, %d : tensor<61x$T>
                 return %r : tensor<61x$T>",
                ONE,
            ),
    ]
}

fn reassociating() -> Vec<Rule> {
    vec![
        // (x * c) * d == x * (c * d)
        rule("mul_of_mul", Reassociates, "mul(mul(x, c), d)", "mul(x, mul(c, d))").when(both_constant).sample(
            Dtypes::FLOATS,
            UNARY,
            "%c = thunder.constant value = dense<1.7> : tensor<61x$T> : tensor<61x$T>
             %d = thunder.constant value = dense<0.3> : tensor<61x$T> : tensor<61x$T>
             %a = thunder.mul %x, %c : tensor<61x$T>
             %r = thunder.mul %a, %d : tensor<61x$T>
             return %r : tensor<61x$T>",
            ONE,
        ),
        // (x * broadcast(c)) * y == (x * y) * broadcast(c): what is the same along a dimension moves outwards, where sums
        // over that dimension leave it out
        rule(
            "mul_of_rows_scaled",
            Reassociates,
            "mul(mul(x, b@broadcast_in_dim[dims = d](c, ..n)), y)",
            "mul(mul(x, y), @b(c, ..n) : t)",
        )
        .when(|m| m.set_type("t", m.ty("b")))
        .sample(
            Dtypes::FLOATS,
            "(%x: tensor<3x61x$T>, %c: tensor<3x$T>, %y: tensor<3x61x$T>) -> tensor<3x61x$T>",
            "%b = thunder.broadcast_in_dim %c, [] dims = [0] : tensor<3x$T> -> tensor<3x61x$T>
             %a = thunder.mul %x, %b : tensor<3x61x$T>
             %r = thunder.mul %a, %y : tensor<3x61x$T>
             return %r : tensor<3x61x$T>",
            &[&[3, 61], &[3], &[3, 61]],
        )
        .domain(0.5, 2.0),
        // x * z + y * z == (x + y) * z
        rule("common_factor", Reassociates, "add(mul(x, z), mul(y, z))", "mul(add(x, y), z)")
            .sample(
                Dtypes::FLOATS,
                "(%x: tensor<61x$T>, %y: tensor<61x$T>, %z: tensor<61x$T>) -> tensor<61x$T>",
                "%a = thunder.mul %x, %z : tensor<61x$T>
                 %b = thunder.mul %y, %z : tensor<61x$T>
                 %r = thunder.add %a, %b : tensor<61x$T>
                 return %r : tensor<61x$T>",
                &[&[61], &[61], &[61]],
            )
            .domain(0.5, 2.0),
        // x / c == x * (1 / c) for one value c everywhere
        rule("div_by_uniform", Reassociates, "div(x, c)", "mul(x, #k)")
            .when(|m| {
                let divisor = m.uniform_float("c")?;
                holds(divisor.is_normal())?;
                m.set_uniform("k", m.result, divisor.recip())?;
                holds(m.attribute("k")?.splat_value()?.as_float()?.is_normal())
            })
            .sample(
                Dtypes::FLOATS,
                UNARY,
                "%c = thunder.constant value = dense<3.0> : tensor<61x$T> : tensor<61x$T>
                 %r = thunder.div %x, %c : tensor<61x$T>
                 return %r : tensor<61x$T>",
                ONE,
            ),
        // x / broadcast(y) == x * broadcast(1 / y)
        rule(
            "div_by_broadcast",
            Reassociates,
            "div(x, b@broadcast_in_dim[dims = d](y, ..n))",
            "mul(x, broadcast_in_dim[dims = d](reciprocal(y), ..n) : t)",
        )
        .when(|m| m.set_type("t", m.ty("b")))
        .sample(
            Dtypes::FLOATS,
            "(%x: tensor<3x17x$T>, %y: tensor<3x$T>) -> tensor<3x17x$T>",
            "%b = thunder.broadcast_in_dim %y, [] dims = [0] : tensor<3x$T> -> tensor<3x17x$T>
             %r = thunder.div %x, %b : tensor<3x17x$T>
             return %r : tensor<3x17x$T>",
            &[&[3, 17], &[3]],
        )
        .domain(0.5, 3.0),
        // 1 / sqrt(x) == rsqrt(x)
        rule("reciprocal_of_sqrt", Reassociates, "reciprocal(sqrt(x))", "rsqrt(x)")
            .sample(
                Dtypes::FLOATS,
                UNARY,
                "%a = thunder.sqrt %x : tensor<61x$T>
                 %r = thunder.reciprocal %a : tensor<61x$T>
                 return %r : tensor<61x$T>",
                ONE,
            )
            .domain(0.1, 8.0),
        // x / sqrt(y) == x * rsqrt(y)
        rule("div_by_sqrt", Reassociates, "div(x, sqrt(y))", "mul(x, rsqrt(y))")
            .sample(
                Dtypes::FLOATS,
                BINARY,
                "%a = thunder.sqrt %y : tensor<61x$T>
                 %r = thunder.div %x, %a : tensor<61x$T>
                 return %r : tensor<61x$T>",
                TWO,
            )
            .domain(0.1, 8.0),
        // -(x - y) == y - x
        rule("neg_of_sub", Reassociates, "neg(sub(x, y))", "sub(y, x)").sample(
            Dtypes::NUMBERS,
            BINARY,
            "%a = thunder.sub %x, %y : tensor<61x$T>
             %r = thunder.neg %a : tensor<61x$T>
             return %r : tensor<61x$T>",
            TWO,
        ),
        // x^2 == x * x
        power("pow_two", Reassociates, "mul(x, x)", "2.0", |m| is(m, 2.0)),
        // x^-1 == 1 / x
        power("pow_minus_one", Reassociates, "reciprocal(x)", "-1.0", |m| is(m, -1.0)),
        // x^0.5 == sqrt(x), but for -0 and -inf
        power("pow_half", Approximates, "sqrt(x)", "0.5", |m| is(m, 0.5)),
        // x^-0.5 == rsqrt(x), but for -0 and -inf
        power("pow_minus_half", Approximates, "rsqrt(x)", "-0.5", |m| is(m, -0.5)),
    ]
}

fn power(
    name: &'static str,
    numerics: Numerics,
    right: &'static str,
    exponent: &str,
    condition: thunder_interface::Condition,
) -> Rule {
    let body = format!(
        "%c = thunder.constant value = dense<{exponent}> : tensor<61x$T> : tensor<61x$T>
         %r = thunder.pow %x, %c : tensor<61x$T>
         return %r : tensor<61x$T>"
    );
    rule(name, numerics, "pow(x, c)", right).when(condition).sample(Dtypes::FLOATS, UNARY, &body, ONE).domain(0.25, 4.0)
}

/// Whether all elements of `c` are this number.
fn is(m: &Match<'_, '_>, value: f64) -> Option<()> {
    holds(m.uniform_float("c")? == value)
}

/// Whether all elements of a value are 1.
pub(super) fn is_one(m: &Match<'_, '_>, name: &str) -> Option<()> {
    holds(m.uniform_float(name)? == 1.0)
}

/// The two are computed when the program is compiled.
fn both_constant(m: &mut Match<'_, '_>) -> Option<()> {
    holds(m.constant("c").is_some() && m.constant("d").is_some())
}
