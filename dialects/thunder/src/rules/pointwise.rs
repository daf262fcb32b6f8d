//! Functions of single elements do not care where these are: moves and repetitions go behind them.

use super::{holds, rule};
use thunder_interface::Numerics::Exact;
use thunder_interface::{Dtypes, Match, Rule};
use thunder_ir::{Attribute, Type};

pub(super) fn rules() -> Vec<Rule> {
    vec![
        // f(f(x)) == f(x) for what is done once and for all
        rule("idempotent", Exact, "f@<idempotent>(@f(x))", "@f(x)").sample(
            Dtypes::FLOATS,
            "(%x: tensor<61x$T>) -> tensor<61x$T>",
            "%a = thunder.floor %x : tensor<61x$T>
             %r = thunder.floor %a : tensor<61x$T>
             return %r : tensor<61x$T>",
            &[&[61]],
        ),
        // f(f(x)) == x for what undoes itself
        rule("involution", Exact, "f@<involution>(@f(x))", "x").sample(
            Dtypes::NUMBERS,
            "(%x: tensor<61x$T>) -> tensor<61x$T>",
            "%a = thunder.neg %x : tensor<61x$T>
             %r = thunder.neg %a : tensor<61x$T>
             return %r : tensor<61x$T>",
            &[&[61]],
        ),
        // f(transpose(x)) == transpose(f(x))
        rule(
            "unary_of_transpose",
            Exact,
            "f@<elementwise>(transpose[permutation = p](x))",
            "transpose[permutation = p](@f(x) : t)",
        )
        .when(|m| result_over(m, "x"))
        .sample(
            Dtypes::FLOATS,
            "(%x: tensor<2x37x$T>) -> tensor<37x2x$T>",
            "%a = thunder.transpose %x permutation = [1, 0] : tensor<2x37x$T> -> tensor<37x2x$T>
             %r = thunder.exp %a : tensor<37x2x$T>
             return %r : tensor<37x2x$T>",
            &[&[2, 37]],
        ),
        // f(transpose(x), transpose(y)) == transpose(f(x, y))
        rule(
            "binary_of_transposes",
            Exact,
            "f@<elementwise>(transpose[permutation = p](x), transpose[permutation = p](y))",
            "transpose[permutation = p](@f(x, y) : t)",
        )
        .when(|m| result_over(m, "x"))
        .sample(
            Dtypes::NUMBERS,
            "(%x: tensor<2x37x$T>, %y: tensor<2x37x$T>) -> tensor<37x2x$T>",
            "%a = thunder.transpose %x permutation = [1, 0] : tensor<2x37x$T> -> tensor<37x2x$T>
             %b = thunder.transpose %y permutation = [1, 0] : tensor<2x37x$T> -> tensor<37x2x$T>
             %r = thunder.sub %a, %b : tensor<37x2x$T>
             return %r : tensor<37x2x$T>",
            &[&[2, 37], &[2, 37]],
        ),
        // f(transpose(x), c) == transpose(f(x, c)) for one value c everywhere
        rule(
            "transpose_with_uniform",
            Exact,
            "f@<elementwise>(transpose[permutation = p](x), c)",
            "transpose[permutation = p](@f(x, #k) : t)",
        )
        .when(|m| uniform_over(m, "x"))
        .sample(
            Dtypes::FLOATS,
            "(%x: tensor<2x37x$T>) -> tensor<37x2x$T>",
            "%c = thunder.constant value = dense<2.5> : tensor<37x2x$T> : tensor<37x2x$T>
             %a = thunder.transpose %x permutation = [1, 0] : tensor<2x37x$T> -> tensor<37x2x$T>
             %r = thunder.sub %a, %c : tensor<37x2x$T>
             return %r : tensor<37x2x$T>",
            &[&[2, 37]],
        ),
        // f(reshape(x)) == reshape(f(x))
        rule("unary_of_reshape", Exact, "f@<elementwise>(reshape(x, ..n))", "reshape(@f(x) : t, ..n)")
            .when(|m| result_over(m, "x"))
            .sample(
                Dtypes::FLOATS,
                "(%x: tensor<2x37x$T>) -> tensor<74x$T>",
                "%a = thunder.reshape %x, [] : tensor<2x37x$T> -> tensor<74x$T>
                 %r = thunder.exp %a : tensor<74x$T>
                 return %r : tensor<74x$T>",
                &[&[2, 37]],
            ),
        // f(reshape(x), reshape(y)) == reshape(f(x, y)) for x and y of one shape
        rule(
            "binary_of_reshapes",
            Exact,
            "f@<elementwise>(reshape(x, ..n), reshape(y, ..n))",
            "reshape(@f(x, y) : t, ..n)",
        )
        .when(|m| {
            holds(m.dims("x")? == m.dims("y")?)?;
            result_over(m, "x")
        })
        .sample(
            Dtypes::NUMBERS,
            "(%x: tensor<2x37x$T>, %y: tensor<2x37x$T>) -> tensor<74x$T>",
            "%a = thunder.reshape %x, [] : tensor<2x37x$T> -> tensor<74x$T>
             %b = thunder.reshape %y, [] : tensor<2x37x$T> -> tensor<74x$T>
             %r = thunder.add %a, %b : tensor<74x$T>
             return %r : tensor<74x$T>",
            &[&[2, 37], &[2, 37]],
        ),
        // f(reshape(x), c) == reshape(f(x, c)) for one value c everywhere
        rule("reshape_with_uniform", Exact, "f@<elementwise>(reshape(x, ..n), c)", "reshape(@f(x, #k) : t, ..n)")
            .when(|m| uniform_over(m, "x"))
            .sample(
                Dtypes::FLOATS,
                "(%x: tensor<2x37x$T>) -> tensor<74x$T>",
                "%c = thunder.constant value = dense<2.5> : tensor<74x$T> : tensor<74x$T>
             %a = thunder.reshape %x, [] : tensor<2x37x$T> -> tensor<74x$T>
             %r = thunder.mul %a, %c : tensor<74x$T>
             return %r : tensor<74x$T>",
                &[&[2, 37]],
            ),
        // f(broadcast(x)) == broadcast(f(x)): repeated elements are computed once
        rule(
            "unary_of_broadcast",
            Exact,
            "f@<elementwise>(broadcast_in_dim[dims = d](x, ..n))",
            "broadcast_in_dim[dims = d](@f(x) : t, ..n)",
        )
        .when(|m| result_over(m, "x"))
        .sample(
            Dtypes::FLOATS,
            "(%x: tensor<61x$T>) -> tensor<3x61x$T>",
            "%a = thunder.broadcast_in_dim %x, [] dims = [1] : tensor<61x$T> -> tensor<3x61x$T>
             %r = thunder.exp %a : tensor<3x61x$T>
             return %r : tensor<3x61x$T>",
            &[&[61]],
        ),
        // f(broadcast(x), broadcast(y)) == broadcast(f(x, y)) for x and y of one shape
        rule(
            "binary_of_broadcasts",
            Exact,
            "f@<elementwise>(broadcast_in_dim[dims = d](x, ..n), broadcast_in_dim[dims = d](y, ..n))",
            "broadcast_in_dim[dims = d](@f(x, y) : t, ..n)",
        )
        .when(|m| {
            holds(m.ty("x").as_tensor()?.dims() == m.ty("y").as_tensor()?.dims())?;
            result_over(m, "x")
        })
        .sample(
            Dtypes::NUMBERS,
            "(%x: tensor<61x$T>, %y: tensor<61x$T>) -> tensor<3x61x$T>",
            "%a = thunder.broadcast_in_dim %x, [] dims = [1] : tensor<61x$T> -> tensor<3x61x$T>
             %b = thunder.broadcast_in_dim %y, [] dims = [1] : tensor<61x$T> -> tensor<3x61x$T>
             %r = thunder.mul %a, %b : tensor<3x61x$T>
             return %r : tensor<3x61x$T>",
            &[&[61], &[61]],
        ),
        // f(broadcast(x), c) == broadcast(f(x, c)) for one value c everywhere
        rule(
            "broadcast_with_uniform",
            Exact,
            "f@<elementwise>(broadcast_in_dim[dims = d](x, ..n), c)",
            "broadcast_in_dim[dims = d](@f(x, #k) : t, ..n)",
        )
        .when(|m| uniform_over(m, "x"))
        .sample(
            Dtypes::FLOATS,
            "(%x: tensor<61x$T>) -> tensor<3x61x$T>",
            "%c = thunder.constant value = dense<2.5> : tensor<3x61x$T> : tensor<3x61x$T>
             %a = thunder.broadcast_in_dim %x, [] dims = [1] : tensor<61x$T> -> tensor<3x61x$T>
             %r = thunder.div %a, %c : tensor<3x61x$T>
             return %r : tensor<3x61x$T>",
            &[&[61]],
        ),
        // slice(f(x)) == f(slice(x)): what is cut off is not computed
        rule("slice_of_unary", Exact, "slice[..a](f@<elementwise>(x))", "@f(slice[..a](x))").sample(
            Dtypes::FLOATS,
            "(%x: tensor<61x$T>) -> tensor<20x$T>",
            "%a = thunder.exp %x : tensor<61x$T>
             %r = thunder.slice %a start = [1] limit = [61] stride = [3] : tensor<61x$T> -> tensor<20x$T>
             return %r : tensor<20x$T>",
            &[&[61]],
        ),
        // slice(f(x, y)) == f(slice(x), slice(y))
        rule("slice_of_binary", Exact, "slice[..a](f@<elementwise>(x, y))", "@f(slice[..a](x), slice[..a](y))").sample(
            Dtypes::NUMBERS,
            "(%x: tensor<61x$T>, %y: tensor<61x$T>) -> tensor<20x$T>",
            "%a = thunder.mul %x, %y : tensor<61x$T>
             %r = thunder.slice %a start = [1] limit = [61] stride = [3] : tensor<61x$T> -> tensor<20x$T>
             return %r : tensor<20x$T>",
            &[&[61], &[61]],
        ),
    ]
}

/// Sets `t`: the shape of a value with the elements of the root.
fn result_over(m: &mut Match<'_, '_>, value: &str) -> Option<()> {
    let ty = m.ty(value).as_tensor()?.with_element(m.result.element());
    m.set_type("t", ty)
}

/// Sets `t` as [`result_over`] does, and `k`: the one value of `c`, in the shape of `value`.
fn uniform_over(m: &mut Match<'_, '_>, value: &str) -> Option<()> {
    let element: Type<'_> = m.ty("c").element();
    let ty = m.ty(value).as_tensor()?.with_element(element);
    let constant = Attribute::splat(ty, m.uniform("c")?)?;
    m.set("k", constant)?;
    result_over(m, value)
}
