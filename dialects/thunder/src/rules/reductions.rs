//! Reductions of reductions, of what is repeated, of what is moved, and of what is scaled.

use super::{holds, rule};
use thunder_interface::Numerics::{Exact, Reassociates};
use thunder_interface::{Dtypes, Match, Rule};
use thunder_ir::Attribute;

pub(super) fn rules() -> Vec<Rule> {
    vec![
        // sum(sum(x, a), b) == sum(x, a and b)
        rule(
            "sum_of_sum",
            Reassociates,
            "sum[axes = b, keep_dims = k](sum[axes = a, keep_dims = k](x))",
            "sum[axes = c, keep_dims = k](x)",
        )
        .when(all_axes)
        .sample(
            Dtypes::FLOATS,
            "(%x: tensor<3x5x7x$T>) -> tensor<5x$T>",
            "%a = thunder.sum %x axes = [0] : tensor<3x5x7x$T> -> tensor<5x7x$T>
             %r = thunder.sum %a axes = [1] : tensor<5x7x$T> -> tensor<5x$T>
             return %r : tensor<5x$T>",
            &[&[3, 5, 7]],
        )
        .domain(0.5, 2.0),
        // sum(sum(x, a), b) == sum(x, a and b) for integers, which wrap
        rule(
            "sum_of_sum_of_integers",
            Exact,
            "sum[axes = b, keep_dims = k](sum[axes = a, keep_dims = k](x))",
            "sum[axes = c, keep_dims = k](x)",
        )
        .when(|m| {
            holds(!m.is_float("x"))?;
            all_axes(m)
        })
        .sample(
            Dtypes::INTEGERS,
            "(%x: tensor<3x5x7x$T>) -> tensor<1x5x1x$T>",
            "%a = thunder.sum %x axes = [2] keep_dims = true : tensor<3x5x7x$T> -> tensor<3x5x1x$T>
             %r = thunder.sum %a axes = [0] keep_dims = true : tensor<3x5x1x$T> -> tensor<1x5x1x$T>
             return %r : tensor<1x5x1x$T>",
            &[&[3, 5, 7]],
        ),
        // amax(amax(x, a), b) == amax(x, a and b), but for which zero it is
        rule(
            "amax_of_amax",
            Reassociates,
            "amax[axes = b, keep_dims = k](amax[axes = a, keep_dims = k](x))",
            "amax[axes = c, keep_dims = k](x)",
        )
        .when(all_axes)
        .sample(
            Dtypes::NUMBERS,
            "(%x: tensor<3x5x7x$T>) -> tensor<5x$T>",
            "%a = thunder.amax %x axes = [0] : tensor<3x5x7x$T> -> tensor<5x7x$T>
             %r = thunder.amax %a axes = [1] : tensor<5x7x$T> -> tensor<5x$T>
             return %r : tensor<5x$T>",
            &[&[3, 5, 7]],
        ),
        // amin(amin(x, a), b) == amin(x, a and b), but for which zero it is
        rule(
            "amin_of_amin",
            Reassociates,
            "amin[axes = b, keep_dims = k](amin[axes = a, keep_dims = k](x))",
            "amin[axes = c, keep_dims = k](x)",
        )
        .when(all_axes)
        .sample(
            Dtypes::NUMBERS,
            "(%x: tensor<3x5x7x$T>) -> tensor<5x$T>",
            "%a = thunder.amin %x axes = [0] : tensor<3x5x7x$T> -> tensor<5x7x$T>
             %r = thunder.amin %a axes = [1] : tensor<5x7x$T> -> tensor<5x$T>
             return %r : tensor<5x$T>",
            &[&[3, 5, 7]],
        ),
        // sum(broadcast(x)) == n * x, where n elements are the same one
        rule(
            "sum_of_broadcast",
            Reassociates,
            "sum[axes = a, keep_dims = k](b@broadcast_in_dim[dims = d](x))",
            "mul(x, #c)",
        )
        .when(|m| {
            let count = repetitions(m)?;
            m.set_uniform("c", m.ty("x"), count as f64)
        })
        .sample(
            Dtypes::FLOATS,
            "(%x: tensor<3x5x$T>) -> tensor<3x5x$T>",
            "%a = thunder.broadcast_in_dim %x, [] dims = [0, 2] : tensor<3x5x$T> -> tensor<3x7x5x$T>
             %r = thunder.sum %a axes = [1] : tensor<3x7x5x$T> -> tensor<3x5x$T>
             return %r : tensor<3x5x$T>",
            &[&[3, 5]],
        )
        .domain(-2.0, 2.0),
        // mean(broadcast(x)) == x
        rule("mean_of_broadcast", Reassociates, "mean[axes = a, keep_dims = k](b@broadcast_in_dim[dims = d](x))", "x")
            .when(|m| repetitions(m).map(drop))
            .sample(
                Dtypes::FLOATS,
                "(%x: tensor<3x5x$T>) -> tensor<3x5x$T>",
                "%a = thunder.broadcast_in_dim %x, [] dims = [0, 2] : tensor<3x5x$T> -> tensor<3x7x5x$T>
                 %r = thunder.mean %a axes = [1] : tensor<3x7x5x$T> -> tensor<3x5x$T>
                 return %r : tensor<3x5x$T>",
                &[&[3, 5]],
            )
            .domain(-2.0, 2.0),
        // amax(broadcast(x)) == x
        rule("amax_of_broadcast", Exact, "amax[axes = a, keep_dims = k](b@broadcast_in_dim[dims = d](x))", "x")
            .when(|m| repetitions(m).map(drop))
            .sample(
                Dtypes::NUMBERS,
                "(%x: tensor<3x5x$T>) -> tensor<3x5x$T>",
                "%a = thunder.broadcast_in_dim %x, [] dims = [0, 2] : tensor<3x5x$T> -> tensor<3x7x5x$T>
                 %r = thunder.amax %a axes = [1] : tensor<3x7x5x$T> -> tensor<3x5x$T>
                 return %r : tensor<3x5x$T>",
                &[&[3, 5]],
            ),
        // amin(broadcast(x)) == x
        rule("amin_of_broadcast", Exact, "amin[axes = a, keep_dims = k](b@broadcast_in_dim[dims = d](x))", "x")
            .when(|m| repetitions(m).map(drop))
            .sample(
                Dtypes::NUMBERS,
                "(%x: tensor<3x5x$T>) -> tensor<3x5x$T>",
                "%a = thunder.broadcast_in_dim %x, [] dims = [0, 2] : tensor<3x5x$T> -> tensor<3x7x5x$T>
                 %r = thunder.amin %a axes = [1] : tensor<3x7x5x$T> -> tensor<3x5x$T>
                 return %r : tensor<3x5x$T>",
                &[&[3, 5]],
            ),
        // sum(transpose(x, p), a) == sum(x, p(a)), where what is left stays in order
        rule(
            "sum_of_transpose",
            Reassociates,
            "sum[axes = a, keep_dims = k](transpose[permutation = p](x))",
            "sum[axes = b, keep_dims = k](x)",
        )
        .when(|m| {
            holds(!m.flag("k")?)?;
            let (axes, p) = (m.ints("a")?, m.ints("p")?);
            let left: Vec<i64> = (0..p.len()).filter(|i| !axes.contains(&(*i as i64))).map(|i| p[i]).collect();
            holds(left.is_sorted())?;
            let mut moved: Vec<i64> = axes.iter().map(|axis| p[*axis as usize]).collect();
            moved.sort_unstable();
            m.set_ints("b", &moved)
        })
        .sample(
            Dtypes::NUMBERS,
            "(%x: tensor<3x5x7x$T>) -> tensor<3x7x$T>",
            "%a = thunder.transpose %x permutation = [1, 0, 2] : tensor<3x5x7x$T> -> tensor<5x3x7x$T>
             %r = thunder.sum %a axes = [0] : tensor<5x3x7x$T> -> tensor<3x7x$T>
             return %r : tensor<3x7x$T>",
            &[&[3, 5, 7]],
        )
        .domain(0.5, 2.0),
        // sum(x * c) == sum(x) * c for one value c everywhere
        rule(
            "sum_of_scaled",
            Reassociates,
            "sum[axes = a, keep_dims = k](mul(x, c))",
            "mul(sum[axes = a, keep_dims = k](x), #s)",
        )
        .when(|m| {
            let constant = Attribute::splat(m.result, m.uniform("c")?)?;
            m.set("s", constant)
        })
        .sample(
            Dtypes::FLOATS,
            "(%x: tensor<3x37x$T>) -> tensor<3x$T>",
            "%c = thunder.constant value = dense<0.3> : tensor<3x37x$T> : tensor<3x37x$T>
                 %a = thunder.mul %x, %c : tensor<3x37x$T>
                 %r = thunder.sum %a axes = [1] : tensor<3x37x$T> -> tensor<3x$T>
                 return %r : tensor<3x$T>",
            &[&[3, 37]],
        )
        .domain(0.5, 2.0)
        .ulps(32.0),
        // sum(x * broadcast(c)) == sum(x) * broadcast(c), where c is the same along what is summed
        rule(
            "sum_of_rows_scaled",
            Reassociates,
            "sum[axes = a, keep_dims = k](mul(x, b@broadcast_in_dim[dims = d](c)))",
            "mul(sum[axes = a, keep_dims = k](x), broadcast_in_dim[dims = e](c) : t)",
        )
        .when(|m| {
            let (axes, dims, keeps) = (m.ints("a")?, m.ints("d")?, m.flag("k")?);
            holds(m.result.as_tensor()?.static_dims().is_some() && !dims.iter().any(|dim| axes.contains(dim)))?;
            let before = |dim: &i64| if keeps { 0 } else { axes.iter().filter(|axis| *axis < dim).count() as i64 };
            let left: Vec<i64> = dims.iter().map(|dim| dim - before(dim)).collect();
            m.set_ints("e", &left)?;
            m.set_type("t", m.result)
        })
        .sample(
            Dtypes::FLOATS,
            "(%x: tensor<3x5x37x$T>, %c: tensor<5x$T>) -> tensor<5x$T>",
            "%b = thunder.broadcast_in_dim %c, [] dims = [1] : tensor<5x$T> -> tensor<3x5x37x$T>
             %a = thunder.mul %x, %b : tensor<3x5x37x$T>
             %r = thunder.sum %a axes = [0, 2] : tensor<3x5x37x$T> -> tensor<5x$T>
             return %r : tensor<5x$T>",
            &[&[3, 5, 37], &[5]],
        )
        .domain(0.5, 2.0)
        .ulps(64.0)
        .sample(
            Dtypes::FLOATS,
            "(%x: tensor<5x37x$T>, %c: tensor<5x$T>) -> tensor<5x1x$T>",
            "%b = thunder.broadcast_in_dim %c, [] dims = [0] : tensor<5x$T> -> tensor<5x37x$T>
             %a = thunder.mul %x, %b : tensor<5x37x$T>
             %r = thunder.sum %a axes = [1] keep_dims = true : tensor<5x37x$T> -> tensor<5x1x$T>
             return %r : tensor<5x1x$T>",
            &[&[5, 37], &[5]],
        )
        .domain(0.5, 2.0)
        .ulps(64.0),
        // sum(-x) == -sum(x)
        rule(
            "sum_of_neg",
            Reassociates,
            "sum[axes = a, keep_dims = k](neg(x))",
            "neg(sum[axes = a, keep_dims = k](x))",
        )
        .sample(
            Dtypes::FLOATS,
            "(%x: tensor<3x37x$T>) -> tensor<3x$T>",
            "%a = thunder.neg %x : tensor<3x37x$T>
                 %r = thunder.sum %a axes = [1] : tensor<3x37x$T> -> tensor<3x$T>
                 return %r : tensor<3x$T>",
            &[&[3, 37]],
        ),
    ]
}

/// Sets `c` to the axes of the operand that are reduced by `a` first and by `b` then.
fn all_axes(m: &mut Match<'_, '_>) -> Option<()> {
    let (first, then) = (m.ints("a")?, m.ints("b")?);
    let left: Vec<i64> =
        (0..m.rank("x") as i64).filter(|axis| m.flag("k") == Some(true) || !first.contains(axis)).collect();
    let mut axes: Vec<i64> = then.iter().map(|axis| left.get(*axis as usize).copied()).collect::<Option<_>>()?;
    axes.extend(first);
    axes.sort_unstable();
    axes.dedup();
    m.set_ints("c", &axes)
}

/// How many equal elements `b` has for each one of `x`, where all of them, and nothing else, are
/// reduced.
fn repetitions(m: &mut Match<'_, '_>) -> Option<i64> {
    let (axes, dims) = (m.ints("a")?, m.dims("b")?);
    let left: Vec<i64> = (0..dims.len() as i64).filter(|axis| !axes.contains(axis)).collect();
    holds(!m.flag("k")? && m.ints("d")? == left && m.dims("x")? == m.result.as_tensor()?.static_dims()?)?;
    let count: i64 = axes.iter().map(|axis| dims[*axis as usize]).product();
    (count > 0).then_some(count)
}
