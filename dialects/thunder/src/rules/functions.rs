//! Exponentials, logarithms, and the composites that they make up.

use super::arithmetic::is_one;
use super::{holds, rule};
use thunder_interface::Numerics::{Approximates, Reassociates};
use thunder_interface::{Dtypes, Match, Rule};
use thunder_ir::Attribute;

const UNARY: &str = "(%x: tensor<61x$T>) -> tensor<61x$T>";
const ONE: &[&[usize]] = &[&[61]];
const ROWS: &str = "(%x: tensor<3x17x$T>) -> tensor<3x17x$T>";

pub(super) fn rules() -> Vec<Rule> {
    let mut rules = normalizations();
    rules.extend(elementary());
    rules
}

fn normalizations() -> Vec<Rule> {
    vec![
        // log(softmax(x)) == log_softmax(x)
        rule("log_of_softmax", Reassociates, "log(softmax[axis = a](x))", "log_softmax[axis = a](x)")
            .sample(
                Dtypes::FLOATS,
                ROWS,
                "%a = thunder.softmax %x axis = 1 : tensor<3x17x$T>
                 %r = thunder.log %a : tensor<3x17x$T>
                 return %r : tensor<3x17x$T>",
                &[&[3, 17]],
            )
            .domain(-2.0, 2.0),
        // exp(log_softmax(x)) == softmax(x)
        rule("exp_of_log_softmax", Reassociates, "exp(log_softmax[axis = a](x))", "softmax[axis = a](x)")
            .sample(
                Dtypes::FLOATS,
                ROWS,
                "%a = thunder.log_softmax %x axis = 1 : tensor<3x17x$T>
                 %r = thunder.exp %a : tensor<3x17x$T>
                 return %r : tensor<3x17x$T>",
                &[&[3, 17]],
            )
            .domain(-2.0, 2.0),
        // e^x / sum(e^x) == softmax(x)
        rule(
            "softmax_of_exponentials",
            Reassociates,
            "div(exp(x), broadcast_in_dim[dims = d](sum[axes = s, keep_dims = k](exp(x)), ..n))",
            "softmax[axis = a](x)",
        )
        .when(one_axis)
        .sample(
            Dtypes::FLOATS,
            ROWS,
            "%e = thunder.exp %x : tensor<3x17x$T>
             %s = thunder.sum %e axes = [1] : tensor<3x17x$T> -> tensor<3x$T>
             %b = thunder.broadcast_in_dim %s, [] dims = [0] : tensor<3x$T> -> tensor<3x17x$T>
             %r = thunder.div %e, %b : tensor<3x17x$T>
             return %r : tensor<3x17x$T>",
            &[&[3, 17]],
        )
        .domain(-2.0, 2.0)
        .ulps(32.0),
        // x - log(sum(e^x)) == log_softmax(x)
        rule(
            "log_softmax_of_logarithm",
            Reassociates,
            "sub(x, broadcast_in_dim[dims = d](log(sum[axes = s, keep_dims = k](exp(x))), ..n))",
            "log_softmax[axis = a](x)",
        )
        .when(one_axis)
        .sample(
            Dtypes::FLOATS,
            ROWS,
            "%e = thunder.exp %x : tensor<3x17x$T>
             %s = thunder.sum %e axes = [1] keep_dims = true : tensor<3x17x$T> -> tensor<3x1x$T>
             %l = thunder.log %s : tensor<3x1x$T>
             %b = thunder.broadcast_in_dim %l, [] dims = [0, 1] : tensor<3x1x$T> -> tensor<3x17x$T>
             %r = thunder.sub %x, %b : tensor<3x17x$T>
             return %r : tensor<3x17x$T>",
            &[&[3, 17]],
        )
        .domain(-2.0, 2.0)
        .ulps(32.0),
        // softmax(x - broadcast(y)) == softmax(x), where y is the same along the axis
        rule(
            "softmax_of_shifted",
            Reassociates,
            "softmax[axis = a](sub(x, broadcast_in_dim[dims = d](y, ..n)))",
            "softmax[axis = a](x)",
        )
        .when(is_repeated)
        .sample(
            Dtypes::FLOATS,
            "(%x: tensor<3x17x$T>, %y: tensor<3x$T>) -> tensor<3x17x$T>",
            "%b = thunder.broadcast_in_dim %y, [] dims = [0] : tensor<3x$T> -> tensor<3x17x$T>
             %s = thunder.sub %x, %b : tensor<3x17x$T>
             %r = thunder.softmax %s axis = 1 : tensor<3x17x$T>
             return %r : tensor<3x17x$T>",
            &[&[3, 17], &[3]],
        )
        .domain(-1.0, 1.0)
        .ulps(32.0),
        // log_softmax(x - broadcast(y)) == log_softmax(x), where y is the same along the axis
        rule(
            "log_softmax_of_shifted",
            Reassociates,
            "log_softmax[axis = a](sub(x, broadcast_in_dim[dims = d](y, ..n)))",
            "log_softmax[axis = a](x)",
        )
        .when(is_repeated)
        .sample(
            Dtypes::FLOATS,
            "(%x: tensor<3x17x$T>, %y: tensor<3x$T>) -> tensor<3x17x$T>",
            "%b = thunder.broadcast_in_dim %y, [] dims = [0] : tensor<3x$T> -> tensor<3x17x$T>
             %s = thunder.sub %x, %b : tensor<3x17x$T>
             %r = thunder.log_softmax %s axis = 1 : tensor<3x17x$T>
             return %r : tensor<3x17x$T>",
            &[&[3, 17], &[3]],
        )
        .domain(-1.0, 1.0)
        .ulps(32.0),
    ]
}

fn elementary() -> Vec<Rule> {
    vec![
        // x * sigmoid(x) == silu(x)
        rule("silu", Reassociates, "mul(x, sigmoid(x))", "silu(x)")
            .sample(
                Dtypes::FLOATS,
                UNARY,
                "%a = thunder.sigmoid %x : tensor<61x$T>
                 %r = thunder.mul %x, %a : tensor<61x$T>
                 return %r : tensor<61x$T>",
                ONE,
            )
            .domain(-4.0, 4.0),
        // 1 / (1 + e^-x) == sigmoid(x)
        rule("sigmoid", Reassociates, "reciprocal(add(exp(neg(x)), c))", "sigmoid(x)")
            .when(|m| is_one(m, "c"))
            .sample(
                Dtypes::FLOATS,
                UNARY,
                "%c = thunder.constant value = dense<1.0> : tensor<61x$T> : tensor<61x$T>
                 %a = thunder.neg %x : tensor<61x$T>
                 %b = thunder.exp %a : tensor<61x$T>
                 %d = thunder.add %b, %c : tensor<61x$T>
                 %r = thunder.reciprocal %d : tensor<61x$T>
                 return %r : tensor<61x$T>",
                ONE,
            )
            .domain(-4.0, 4.0),
        // log(1 + x) == log1p(x)
        rule("log1p", Reassociates, "log(add(x, c))", "log1p(x)")
            .when(|m| is_one(m, "c"))
            .sample(
                Dtypes::FLOATS,
                UNARY,
                "%c = thunder.constant value = dense<1.0> : tensor<61x$T> : tensor<61x$T>
                 %a = thunder.add %x, %c : tensor<61x$T>
                 %r = thunder.log %a : tensor<61x$T>
                 return %r : tensor<61x$T>",
                ONE,
            )
            .domain(0.5, 4.0),
        // e^x - 1 == expm1(x)
        rule("expm1", Reassociates, "sub(exp(x), c)", "expm1(x)")
            .when(|m| is_one(m, "c"))
            .sample(
                Dtypes::FLOATS,
                UNARY,
                "%c = thunder.constant value = dense<1.0> : tensor<61x$T> : tensor<61x$T>
                 %a = thunder.exp %x : tensor<61x$T>
                 %r = thunder.sub %a, %c : tensor<61x$T>
                 return %r : tensor<61x$T>",
                ONE,
            )
            .domain(0.5, 2.0),
        // e^log(x) == x for x >= 0
        rule("exp_of_log", Approximates, "exp(log(x))", "x")
            .sample(
                Dtypes::FLOATS,
                UNARY,
                "%a = thunder.log %x : tensor<61x$T>
                 %r = thunder.exp %a : tensor<61x$T>
                 return %r : tensor<61x$T>",
                ONE,
            )
            .domain(0.5, 4.0),
        // log(e^x) == x where e^x is finite and not 0
        rule("log_of_exp", Approximates, "log(exp(x))", "x")
            .sample(
                Dtypes::FLOATS,
                UNARY,
                "%a = thunder.exp %x : tensor<61x$T>
                 %r = thunder.log %a : tensor<61x$T>
                 return %r : tensor<61x$T>",
                ONE,
            )
            .domain(0.5, 4.0),
    ]
}

/// A sum over one axis, repeated along it: sets `a` to the axis.
fn one_axis(m: &mut Match<'_, '_>) -> Option<()> {
    let [axis] = m.ints("s")?[..] else { return None };
    let rank = m.rank("x") as i64;
    let keeps = m.flag("k")?;
    let dims: Vec<i64> = (0..rank).filter(|dim| keeps || *dim != axis).collect();
    holds(m.ints("d")? == dims)?;
    m.set("a", Attribute::i64(m.context, axis))
}

/// Whether what `y` is repeated as does not change along the axis `a`.
fn is_repeated(m: &mut Match<'_, '_>) -> Option<()> {
    let axis = m.int("a")?;
    let at = m.ints("d")?.iter().position(|dim| *dim == axis);
    holds(at.is_none_or(|at| m.ty("y").as_tensor().is_some_and(|ty| ty.dims()[at] == Some(1))))
}
