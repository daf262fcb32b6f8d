//! Matrix products: what is moved, scaled or added around them, and the order of several.
//!
//! By the reference a product sums over its inner dimension in order, so that a product of transposed
//! operands has the same bits.

use super::{holds, rule};
use thunder_interface::Numerics::{Exact, Reassociates};
use thunder_interface::{Dtypes, Match, Rule};
use thunder_ir::Attribute;

pub(super) fn rules() -> Vec<Rule> {
    let mut rules = moved();
    rules.extend(scaled());
    rules.extend(several());
    rules
}

fn moved() -> Vec<Rule> {
    vec![
        // transpose(x * y) == transpose(y) * transpose(x)
        rule(
            "transpose_of_matmul",
            Exact,
            "transpose[permutation = p](matmul(x, y))",
            "matmul(transpose[permutation = p](y), transpose[permutation = p](x))",
        )
        .when(|m| holds(swaps_last_two(&m.ints("p")?)))
        .sample(
            Dtypes::NUMBERS,
            "(%x: tensor<2x3x300x$T>, %y: tensor<2x300x5x$T>) -> tensor<2x5x3x$T>",
            "%a = thunder.matmul %x, %y : (tensor<2x3x300x$T>, tensor<2x300x5x$T>) -> tensor<2x3x5x$T>
             %r = thunder.transpose %a permutation = [0, 2, 1] : tensor<2x3x5x$T> -> tensor<2x5x3x$T>
             return %r : tensor<2x5x3x$T>",
            &[&[2, 3, 300], &[2, 300, 5]],
        ),
        // transpose(x) * transpose(y) == transpose(y * x)
        rule(
            "matmul_of_transposes",
            Exact,
            "matmul(transpose[permutation = p](x), transpose[permutation = p](y))",
            "transpose[permutation = p](matmul(y, x))",
        )
        .when(|m| holds(swaps_last_two(&m.ints("p")?)))
        .sample(
            Dtypes::NUMBERS,
            "(%x: tensor<300x3x$T>, %y: tensor<5x300x$T>) -> tensor<3x5x$T>",
            "%a = thunder.transpose %x permutation = [1, 0] : tensor<300x3x$T> -> tensor<3x300x$T>
             %b = thunder.transpose %y permutation = [1, 0] : tensor<5x300x$T> -> tensor<300x5x$T>
             %r = thunder.matmul %a, %b : (tensor<3x300x$T>, tensor<300x5x$T>) -> tensor<3x5x$T>
             return %r : tensor<3x5x$T>",
            &[&[300, 3], &[5, 300]],
        ),
        // x * transpose(w) == linear(x, w)
        rule("matmul_as_linear", Exact, "matmul(x, transpose[permutation = p](w))", "linear(x, w)")
            .when(|m| holds(m.ints("p")? == [1, 0]))
            .sample(
                Dtypes::NUMBERS,
                "(%x: tensor<3x300x$T>, %w: tensor<5x300x$T>) -> tensor<3x5x$T>",
                "%b = thunder.transpose %w permutation = [1, 0] : tensor<5x300x$T> -> tensor<300x5x$T>
                 %r = thunder.matmul %x, %b : (tensor<3x300x$T>, tensor<300x5x$T>) -> tensor<3x5x$T>
                 return %r : tensor<3x5x$T>",
                &[&[3, 300], &[5, 300]],
            ),
        // linear(x, transpose(w)) == x * w
        rule("linear_as_matmul", Exact, "linear(x, transpose[permutation = p](w))", "matmul(x, w)")
            .when(|m| holds(m.rank("x") == 2))
            .sample(
                Dtypes::NUMBERS,
                "(%x: tensor<3x300x$T>, %w: tensor<300x5x$T>) -> tensor<3x5x$T>",
                "%b = thunder.transpose %w permutation = [1, 0] : tensor<300x5x$T> -> tensor<5x300x$T>
                 %r = thunder.linear %x, %b : (tensor<3x300x$T>, tensor<5x300x$T>) -> tensor<3x5x$T>
                 return %r : tensor<3x5x$T>",
                &[&[3, 300], &[300, 5]],
            ),
        // reshape(linear(reshape(x), w)) == linear(x, w), where only rows are regrouped
        rule("linear_of_rows", Exact, "reshape(linear(reshape(x), w, ..b))", "linear(x, w, ..b)")
            .when(|m| {
                let (x, result) = (m.dims("x")?, m.result.as_tensor()?.static_dims()?);
                let (inner, rows) = x.split_last()?;
                holds(m.dims("w")?[1] == *inner && result.split_last()?.1 == rows)
            })
            .sample(
                Dtypes::NUMBERS,
                "(%x: tensor<2x3x7x$T>, %w: tensor<5x7x$T>, %b: tensor<5x$T>) -> tensor<2x3x5x$T>",
                "%a = thunder.reshape %x, [] : tensor<2x3x7x$T> -> tensor<6x7x$T>
                 %l = thunder.linear %a, %w bias(%b) : (tensor<6x7x$T>, tensor<5x7x$T>, tensor<5x$T>) -> tensor<6x5x$T>
                 %r = thunder.reshape %l, [] : tensor<6x5x$T> -> tensor<2x3x5x$T>
                 return %r : tensor<2x3x5x$T>",
                &[&[2, 3, 7], &[5, 7], &[5]],
            ),
    ]
}

fn scaled() -> Vec<Rule> {
    vec![
        // (x * c) w == (x w) * c for one number c everywhere
        rule("scale_of_left", Reassociates, "matmul(mul(x, c), w)", "mul(matmul(x, w), #k)")
            .when(scale_of_result)
            .sample(
                Dtypes::FLOATS,
                "(%x: tensor<3x17x$T>, %w: tensor<17x5x$T>) -> tensor<3x5x$T>",
                "%c = thunder.constant value = dense<0.3> : tensor<3x17x$T> : tensor<3x17x$T>
                 %a = thunder.mul %x, %c : tensor<3x17x$T>
                 %r = thunder.matmul %a, %w : (tensor<3x17x$T>, tensor<17x5x$T>) -> tensor<3x5x$T>
                 return %r : tensor<3x5x$T>",
                &[&[3, 17], &[17, 5]],
            )
            .domain(0.5, 2.0)
            .ulps(32.0),
        // x (w * c) == (x w) * c
        rule("scale_of_right", Reassociates, "matmul(x, mul(w, c))", "mul(matmul(x, w), #k)")
            .when(scale_of_result)
            .sample(
                Dtypes::FLOATS,
                "(%x: tensor<3x17x$T>, %w: tensor<17x5x$T>) -> tensor<3x5x$T>",
                "%c = thunder.constant value = dense<0.3> : tensor<17x5x$T> : tensor<17x5x$T>
                 %a = thunder.mul %w, %c : tensor<17x5x$T>
                 %r = thunder.matmul %x, %a : (tensor<3x17x$T>, tensor<17x5x$T>) -> tensor<3x5x$T>
                 return %r : tensor<3x5x$T>",
                &[&[3, 17], &[17, 5]],
            )
            .domain(0.5, 2.0)
            .ulps(32.0),
        // (x w) * c == (x * c) w
        rule("scale_into_left", Reassociates, "mul(matmul(x, w), c)", "matmul(mul(x, #k), w)")
            .when(|m| scale_of(m, "x"))
            .sample(
                Dtypes::FLOATS,
                "(%x: tensor<3x17x$T>, %w: tensor<17x5x$T>) -> tensor<3x5x$T>",
                "%c = thunder.constant value = dense<0.3> : tensor<3x5x$T> : tensor<3x5x$T>
                 %a = thunder.matmul %x, %w : (tensor<3x17x$T>, tensor<17x5x$T>) -> tensor<3x5x$T>
                 %r = thunder.mul %a, %c : tensor<3x5x$T>
                 return %r : tensor<3x5x$T>",
                &[&[3, 17], &[17, 5]],
            )
            .domain(0.5, 2.0)
            .ulps(32.0),
        // (x w) * c == x (w * c)
        rule("scale_into_right", Reassociates, "mul(matmul(x, w), c)", "matmul(x, mul(w, #k))")
            .when(|m| scale_of(m, "w"))
            .sample(
                Dtypes::FLOATS,
                "(%x: tensor<3x17x$T>, %w: tensor<17x5x$T>) -> tensor<3x5x$T>",
                "%c = thunder.constant value = dense<0.3> : tensor<3x5x$T> : tensor<3x5x$T>
                 %a = thunder.matmul %x, %w : (tensor<3x17x$T>, tensor<17x5x$T>) -> tensor<3x5x$T>
                 %r = thunder.mul %a, %c : tensor<3x5x$T>
                 return %r : tensor<3x5x$T>",
                &[&[3, 17], &[17, 5]],
            )
            .domain(0.5, 2.0)
            .ulps(32.0),
        // linear(x, w) + broadcast(b) == linear(x, w, b)
        rule(
            "bias_of_linear",
            Reassociates,
            "add(linear(x, w), broadcast_in_dim[dims = d](b, ..n))",
            "linear(x, w, b)",
        )
        .when(|m| holds(m.ints("d")? == [m.rank("x") as i64 - 1]))
        .sample(
            Dtypes::FLOATS,
            "(%x: tensor<2x3x17x$T>, %w: tensor<5x17x$T>, %b: tensor<5x$T>) -> tensor<2x3x5x$T>",
            "%a = thunder.linear %x, %w : (tensor<2x3x17x$T>, tensor<5x17x$T>) -> tensor<2x3x5x$T>
             %c = thunder.broadcast_in_dim %b, [] dims = [2] : tensor<5x$T> -> tensor<2x3x5x$T>
             %r = thunder.add %a, %c : tensor<2x3x5x$T>
             return %r : tensor<2x3x5x$T>",
            &[&[2, 3, 17], &[5, 17], &[5]],
        )
        .domain(0.5, 2.0)
        .ulps(32.0),
    ]
}

fn several() -> Vec<Rule> {
    let chain = "(%x: tensor<3x17x$T>, %y: tensor<17x5x$T>, %z: tensor<5x11x$T>) -> tensor<3x11x$T>";
    let chain_shapes: &[&[usize]] = &[&[3, 17], &[17, 5], &[5, 11]];
    let two_weights = "(%x: tensor<3x17x$T>, %v: tensor<17x5x$T>, %w: tensor<17x5x$T>) -> tensor<3x5x$T>";
    let two_rows = "(%x: tensor<3x17x$T>, %y: tensor<3x17x$T>, %w: tensor<17x5x$T>) -> tensor<3x5x$T>";
    vec![
        // (x y) z == x (y z)
        rule("matmul_to_right", Reassociates, "matmul(matmul(x, y), z)", "matmul(x, matmul(y, z))")
            .sample(
                Dtypes::FLOATS,
                chain,
                "%a = thunder.matmul %x, %y : (tensor<3x17x$T>, tensor<17x5x$T>) -> tensor<3x5x$T>
                 %r = thunder.matmul %a, %z : (tensor<3x5x$T>, tensor<5x11x$T>) -> tensor<3x11x$T>
                 return %r : tensor<3x11x$T>",
                chain_shapes,
            )
            .domain(0.5, 2.0)
            .ulps(64.0),
        // x (y z) == (x y) z
        rule("matmul_to_left", Reassociates, "matmul(x, matmul(y, z))", "matmul(matmul(x, y), z)")
            .sample(
                Dtypes::FLOATS,
                chain,
                "%a = thunder.matmul %y, %z : (tensor<17x5x$T>, tensor<5x11x$T>) -> tensor<17x11x$T>
                 %r = thunder.matmul %x, %a : (tensor<3x17x$T>, tensor<17x11x$T>) -> tensor<3x11x$T>
                 return %r : tensor<3x11x$T>",
                chain_shapes,
            )
            .domain(0.5, 2.0)
            .ulps(64.0),
        // x v + x w == x (v + w)
        rule("common_left_factor", Reassociates, "add(matmul(x, v), matmul(x, w))", "matmul(x, add(v, w))")
            .sample(
                Dtypes::FLOATS,
                two_weights,
                "%a = thunder.matmul %x, %v : (tensor<3x17x$T>, tensor<17x5x$T>) -> tensor<3x5x$T>
                 %b = thunder.matmul %x, %w : (tensor<3x17x$T>, tensor<17x5x$T>) -> tensor<3x5x$T>
                 %r = thunder.add %a, %b : tensor<3x5x$T>
                 return %r : tensor<3x5x$T>",
                &[&[3, 17], &[17, 5], &[17, 5]],
            )
            .domain(0.5, 2.0)
            .ulps(64.0),
        // x w + y w == (x + y) w
        rule("common_right_factor", Reassociates, "add(matmul(x, w), matmul(y, w))", "matmul(add(x, y), w)")
            .sample(
                Dtypes::FLOATS,
                two_rows,
                "%a = thunder.matmul %x, %w : (tensor<3x17x$T>, tensor<17x5x$T>) -> tensor<3x5x$T>
                 %b = thunder.matmul %y, %w : (tensor<3x17x$T>, tensor<17x5x$T>) -> tensor<3x5x$T>
                 %r = thunder.add %a, %b : tensor<3x5x$T>
                 return %r : tensor<3x5x$T>",
                &[&[3, 17], &[3, 17], &[17, 5]],
            )
            .domain(0.5, 2.0)
            .ulps(64.0),
        // linear(x, w) + linear(y, w) == linear(x + y, w)
        rule("common_weight", Reassociates, "add(linear(x, w), linear(y, w))", "linear(add(x, y), w)")
            .sample(
                Dtypes::FLOATS,
                "(%x: tensor<3x17x$T>, %y: tensor<3x17x$T>, %w: tensor<5x17x$T>) -> tensor<3x5x$T>",
                "%a = thunder.linear %x, %w : (tensor<3x17x$T>, tensor<5x17x$T>) -> tensor<3x5x$T>
                 %b = thunder.linear %y, %w : (tensor<3x17x$T>, tensor<5x17x$T>) -> tensor<3x5x$T>
                 %r = thunder.add %a, %b : tensor<3x5x$T>
                 return %r : tensor<3x5x$T>",
                &[&[3, 17], &[3, 17], &[5, 17]],
            )
            .domain(0.5, 2.0)
            .ulps(64.0),
        // linear(linear(x, w), v) == linear(x, v w)
        rule("linear_of_linear", Reassociates, "linear(linear(x, w), v)", "linear(x, matmul(v, w))")
            .sample(
                Dtypes::FLOATS,
                "(%x: tensor<31x17x$T>, %w: tensor<5x17x$T>, %v: tensor<3x5x$T>) -> tensor<31x3x$T>",
                "%a = thunder.linear %x, %w : (tensor<31x17x$T>, tensor<5x17x$T>) -> tensor<31x5x$T>
                 %r = thunder.linear %a, %v : (tensor<31x5x$T>, tensor<3x5x$T>) -> tensor<31x3x$T>
                 return %r : tensor<31x3x$T>",
                &[&[31, 17], &[5, 17], &[3, 5]],
            )
            .domain(0.5, 2.0)
            .ulps(64.0),
    ]
}

fn swaps_last_two(permutation: &[i64]) -> bool {
    let rank = permutation.len() as i64;
    let swapped = (0..rank - 2).chain([rank - 1, rank - 2]);
    rank >= 2 && permutation.iter().copied().eq(swapped)
}

/// Sets `k`: the one number of `c`, in the shape of the result.
fn scale_of_result(m: &mut Match<'_, '_>) -> Option<()> {
    holds(m.is_float("x"))?;
    let constant = Attribute::splat(m.result, m.uniform("c")?)?;
    m.set("k", constant)
}

/// Sets `k`: the one number of `c`, in the shape of a value.
fn scale_of(m: &mut Match<'_, '_>, value: &str) -> Option<()> {
    holds(m.is_float("x"))?;
    let constant = Attribute::splat(m.ty(value), m.uniform("c")?)?;
    m.set("k", constant)
}
