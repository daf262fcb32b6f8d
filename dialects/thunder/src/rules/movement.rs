//! Elements that only change places: transposes, reshapes, broadcasts, slices and parts put together.

use super::{holds, rule};
use crate::ops::convert::is_passage;
use thunder_interface::Numerics::Exact;
use thunder_interface::{Dtypes, Match, Rule, dtype_of};
use thunder_ir::Type;

pub(super) fn rules() -> Vec<Rule> {
    vec![
        // transpose(transpose(x, p), q) == transpose(x, p . q)
        rule(
            "transpose_of_transpose",
            Exact,
            "transpose[permutation = q](transpose[permutation = p](x))",
            "transpose[permutation = r](x)",
        )
        .when(|m| {
            let (p, q) = (m.ints("p")?, m.ints("q")?);
            m.set_ints("r", &compose(&p, &q)?)
        })
        .sample(
            Dtypes::ALL,
            "(%x: tensor<2x3x5x$T>) -> tensor<5x2x3x$T>",
            "%a = thunder.transpose %x permutation = [2, 1, 0] : tensor<2x3x5x$T> -> tensor<5x3x2x$T>
             %r = thunder.transpose %a permutation = [0, 2, 1] : tensor<5x3x2x$T> -> tensor<5x2x3x$T>
             return %r : tensor<5x2x3x$T>",
            &[&[2, 3, 5]],
        )
        .sample(
            Dtypes::ALL,
            "(%x: tensor<?x3x$T>) -> tensor<?x3x$T>",
            "%a = thunder.transpose %x permutation = [1, 0] : tensor<?x3x$T> -> tensor<3x?x$T>
             %r = thunder.transpose %a permutation = [1, 0] : tensor<3x?x$T> -> tensor<?x3x$T>
             return %r : tensor<?x3x$T>",
            &[&[2, 3]],
        ),
        // transpose(x, p) == reshape(x), where only dimensions of size 1 change places
        rule("transpose_of_ones", Exact, "transpose[permutation = p](x)", "reshape(x)")
            .when(|m| {
                let (p, dims) = (m.ints("p")?, m.dims("x")?);
                let moved: Vec<i64> = p.into_iter().filter(|axis| dims[*axis as usize] != 1).collect();
                holds(moved.is_sorted())
            })
            .sample(
                Dtypes::ALL,
                "(%x: tensor<3x1x5x$T>) -> tensor<1x3x5x$T>",
                "%r = thunder.transpose %x permutation = [1, 0, 2] : tensor<3x1x5x$T> -> tensor<1x3x5x$T>
                 return %r : tensor<1x3x5x$T>",
                &[&[3, 1, 5]],
            ),
        // reshape(reshape(x)) == reshape(x)
        rule("reshape_of_reshape", Exact, "reshape(reshape(x, ..n), ..m)", "reshape(x, ..m)").sample(
            Dtypes::ALL,
            "(%x: tensor<6x5x$T>) -> tensor<15x2x$T>",
            "%a = thunder.reshape %x, [] : tensor<6x5x$T> -> tensor<30x$T>
             %r = thunder.reshape %a, [] : tensor<30x$T> -> tensor<15x2x$T>
             return %r : tensor<15x2x$T>",
            &[&[6, 5]],
        ),
        // broadcast(broadcast(x, d), e) == broadcast(x, e . d), where no size gets lost
        rule(
            "broadcast_of_broadcast",
            Exact,
            "broadcast_in_dim[dims = e](i@broadcast_in_dim[dims = d](x, ..n), ..m)",
            "broadcast_in_dim[dims = r](x, ..m)",
        )
        .when(|m| {
            let (d, e) = (m.ints("d")?, m.ints("e")?);
            let (inner, dims) = (m.ty("i").as_tensor()?.dims(), m.ty("x").as_tensor()?.dims());
            holds(dims.iter().zip(&d).all(|(size, at)| *size == Some(1) || *size == inner[*at as usize]))?;
            m.set_ints("r", &compose(&e, &d)?)
        })
        .sample(
            Dtypes::ALL,
            "(%x: tensor<3x1x$T>) -> tensor<2x3x4x5x$T>",
            "%a = thunder.broadcast_in_dim %x, [] dims = [0, 2] : tensor<3x1x$T> -> tensor<3x4x5x$T>
             %r = thunder.broadcast_in_dim %a, [] dims = [1, 2, 3] : tensor<3x4x5x$T> -> tensor<2x3x4x5x$T>
             return %r : tensor<2x3x4x5x$T>",
            &[&[3, 1]],
        ),
        // transpose(broadcast(x, d), p) == broadcast(x, d in p)
        rule(
            "transpose_of_broadcast",
            Exact,
            "transpose[permutation = p](broadcast_in_dim[dims = d](x))",
            "broadcast_in_dim[dims = e](x)",
        )
        .when(|m| {
            let (p, d) = (m.ints("p")?, m.ints("d")?);
            let moved = d.iter().map(|dim| p.iter().position(|axis| axis == dim).map(|at| at as i64));
            m.set_ints("e", &moved.collect::<Option<Vec<_>>>()?)
        })
        .sample(
            Dtypes::ALL,
            "(%x: tensor<3x5x$T>) -> tensor<5x2x3x$T>",
            "%a = thunder.broadcast_in_dim %x, [] dims = [1, 2] : tensor<3x5x$T> -> tensor<2x3x5x$T>
             %r = thunder.transpose %a permutation = [2, 0, 1] : tensor<2x3x5x$T> -> tensor<5x2x3x$T>
             return %r : tensor<5x2x3x$T>",
            &[&[3, 5]],
        ),
        // convert(convert(x)) == convert(x), where nothing is lost between: never f32 -> f16 -> f32
        rule("convert_of_convert", Exact, "convert(i@convert(x))", "convert(x)")
            .when(|m| {
                let dtype = |ty: thunder_ir::Type<'_>| dtype_of(ty.element());
                holds(is_passage(dtype(m.ty("x"))?, dtype(m.ty("i"))?, dtype(m.result)?))
            })
            .sample(
                Dtypes(&[
                    thunder_tensor::DType::F16,
                    thunder_tensor::DType::BF16,
                    thunder_tensor::DType::I8,
                    thunder_tensor::DType::Bool,
                ]),
                "(%x: tensor<61x$T>) -> tensor<61xf64>",
                "%a = thunder.convert %x : tensor<61x$T> -> tensor<61xf32>
                 %r = thunder.convert %a : tensor<61xf32> -> tensor<61xf64>
                 return %r : tensor<61xf64>",
                &[&[61]],
            ),
        // slice(concat(x, y)) == slice(x), where it ends before y
        rule(
            "slice_of_first",
            Exact,
            "slice[start = s, limit = l, stride = t](concat[axis = a](x, y))",
            "slice[start = s, limit = u, stride = t](x)",
        )
        .when(|m| {
            let axis = m.int("a")? as usize;
            let (starts, mut limits) = bounds(m, "x", "y")?;
            let end = m.dims("x")?[axis];
            holds(limits[axis] <= end && starts[axis] <= end)?;
            limits[axis] = limits[axis].min(end);
            m.set_ints("u", &limits)
        })
        .sample(
            Dtypes::ALL,
            "(%x: tensor<3x5x$T>, %y: tensor<3x4x$T>) -> tensor<3x2x$T>",
            "%a = thunder.concat %x, %y axis = 1 : (tensor<3x5x$T>, tensor<3x4x$T>) -> tensor<3x9x$T>
             %r = thunder.slice %a start = [0, 1] limit = [3, 5] stride = [1, 2] : tensor<3x9x$T> -> tensor<3x2x$T>
             return %r : tensor<3x2x$T>",
            &[&[3, 5], &[3, 4]],
        ),
        // slice(concat(x, y)) == slice(y), where it starts after x
        rule(
            "slice_of_last",
            Exact,
            "slice[start = s, limit = l, stride = t](concat[axis = a](x, y))",
            "slice[start = v, limit = u, stride = t](y)",
        )
        .when(|m| {
            let axis = m.int("a")? as usize;
            let (mut starts, mut limits) = bounds(m, "x", "y")?;
            let end = m.dims("x")?[axis];
            holds(starts[axis] >= end)?;
            starts[axis] -= end;
            limits[axis] -= end;
            m.set_ints("v", &starts)?;
            m.set_ints("u", &limits)
        })
        .sample(
            Dtypes::ALL,
            "(%x: tensor<3x5x$T>, %y: tensor<3x4x$T>) -> tensor<2x3x$T>",
            "%a = thunder.concat %x, %y axis = 1 : (tensor<3x5x$T>, tensor<3x4x$T>) -> tensor<3x9x$T>
             %r = thunder.slice %a start = [1, 6] limit = [3, 9223372036854775807] stride = [1, 1]
               : tensor<3x9x$T> -> tensor<2x3x$T>
             return %r : tensor<2x3x$T>",
            &[&[3, 5], &[3, 4]],
        ),
        // reshape(x[.., i d..j d]) == reshape(x)[.., i..j, ..], where d elements stay together
        rule(
            "split_of_slice",
            Exact,
            "reshape(slice[start = s, limit = l, stride = t](x))",
            "slice[start = a, limit = b, stride = c](reshape(x) : u)",
        )
        .when(|m| {
            let (from, to) = (m.dims("x")?, sizes(m.result)?);
            let last = from.len().checked_sub(1)?;
            let (starts, limits) = (m.ints("s")?, m.ints("l")?);
            let is_whole = |axis: usize| starts[axis] == 0 && limits[axis] >= from[axis];
            holds(to.len() > from.len() && to[..last] == from[..last] && (0..last).all(is_whole))?;
            let (start, limit, together) =
                (starts[last], limits[last].min(from[last]), to[last + 1..].iter().product::<i64>());
            holds(0 <= start && start <= limit && together > 0 && m.ints("t")?.iter().all(|stride| *stride == 1))?;
            holds([start, limit, from[last]].iter().all(|place| place % together == 0))?;
            let mut whole = to.clone();
            whole[last] = from[last] / together;
            let (mut starts, mut limits) = (vec![0; to.len()], whole.clone());
            (starts[last], limits[last]) = (start / together, limit / together);
            m.set_ints("a", &starts)?;
            m.set_ints("b", &limits)?;
            m.set_ints("c", &vec![1; to.len()])?;
            m.set_type("u", Type::tensor(m.result.element(), &whole.into_iter().map(Some).collect::<Vec<_>>()))
        })
        .sample(
            Dtypes::ALL,
            "(%x: tensor<5x18x$T>) -> tensor<5x2x3x$T>",
            "%a = thunder.slice %x start = [0, 6] limit = [9223372036854775807, 12] stride = [1, 1]
               : tensor<5x18x$T> -> tensor<5x6x$T>
             %r = thunder.reshape %a, [] : tensor<5x6x$T> -> tensor<5x2x3x$T>
             return %r : tensor<5x2x3x$T>",
            &[&[5, 18]],
        ),
        // concat(x[i..j], x[j..k]) == x[i..k]
        rule(
            "concat_of_neighbours",
            Exact,
            "concat[axis = a](p@slice[start = s, limit = l, stride = t](x), slice[start = u, limit = v, stride = t](x))",
            "slice[start = s, limit = v, stride = t](x)",
        )
        .when(|m| {
            let axis = m.int("a")? as usize;
            let ([s, l], [u, v], t) = ([m.ints("s")?, m.ints("l")?], [m.ints("u")?, m.ints("v")?], m.ints("t")?);
            let others = |i: usize| i == axis || (s[i] == u[i] && l[i] == v[i]);
            let dims = m.dims("x")?;
            let inside = 0 <= s[axis] && s[axis] <= l[axis] && u[axis] <= v[axis] && l[axis] <= dims[axis];
            holds((0..s.len()).all(others) && l[axis] == u[axis] && t[axis] == 1 && inside)
        })
        .sample(
            Dtypes::ALL,
            "(%x: tensor<3x9x$T>) -> tensor<3x7x$T>",
            "%a = thunder.slice %x start = [0, 1] limit = [3, 5] stride = [1, 1] : tensor<3x9x$T> -> tensor<3x4x$T>
             %b = thunder.slice %x start = [0, 5] limit = [3, 8] stride = [1, 1] : tensor<3x9x$T> -> tensor<3x3x$T>
             %r = thunder.concat %a, %b axis = 1 : (tensor<3x4x$T>, tensor<3x3x$T>) -> tensor<3x7x$T>
             return %r : tensor<3x7x$T>",
            &[&[3, 9]],
        ),
    ]
}

/// The permutation or placement that is first `inner`, then `outer`: `outer . inner` of lists as functions.
fn compose(outer: &[i64], inner: &[i64]) -> Option<Vec<i64>> {
    inner.iter().map(|at| outer.get(usize::try_from(*at).ok()?).copied()).collect()
}

/// The sizes of a type, where all are known.
fn sizes(ty: Type<'_>) -> Option<Vec<i64>> {
    ty.as_tensor()?.static_dims()
}

/// The starts and limits of the slice of a concatenation, as positions of it along its axis.
fn bounds(m: &Match<'_, '_>, first: &str, last: &str) -> Option<(Vec<i64>, Vec<i64>)> {
    let axis = m.int("a")? as usize;
    let total = m.dims(first)?[axis] + m.dims(last)?[axis];
    let (mut starts, mut limits) = (m.ints("s")?, m.ints("l")?);
    for bound in [&mut starts[axis], &mut limits[axis]] {
        *bound = if *bound < 0 { (*bound + total).max(0) } else { (*bound).min(total) };
    }
    holds(starts[axis] <= limits[axis] && m.ints("s")?[axis] >= 0)?;
    Some((starts, limits))
}
