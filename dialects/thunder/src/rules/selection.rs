//! Choices by truth values.

use super::{holds, rule};
use thunder_interface::Numerics::Exact;
use thunder_interface::{Dtypes, Rule};

const CHOICE: &str = "(%c: tensor<61xi1>, %x: tensor<61x$T>, %y: tensor<61x$T>) -> tensor<61x$T>";
const CHOICE_OF_THREE: &str =
    "(%c: tensor<61xi1>, %x: tensor<61x$T>, %y: tensor<61x$T>, %z: tensor<61x$T>) -> tensor<61x$T>";

pub(super) fn rules() -> Vec<Rule> {
    vec![
        // where(!c, x, y) == where(c, y, x)
        rule("where_of_not", Exact, "where(not(c), x, y)", "where(c, y, x)").sample(
            Dtypes::ALL,
            CHOICE,
            "%n = thunder.not %c : tensor<61xi1>
             %r = thunder.where %n, %x, %y : (tensor<61xi1>, tensor<61x$T>, tensor<61x$T>) -> tensor<61x$T>
             return %r : tensor<61x$T>",
            &[&[61], &[61], &[61]],
        ),
        // where(c, where(c, x, y), z) == where(c, x, z)
        rule("where_in_true", Exact, "where(c, where(c, x, y), z)", "where(c, x, z)").sample(
            Dtypes::ALL,
            CHOICE_OF_THREE,
            "%a = thunder.where %c, %x, %y : (tensor<61xi1>, tensor<61x$T>, tensor<61x$T>) -> tensor<61x$T>
             %r = thunder.where %c, %a, %z : (tensor<61xi1>, tensor<61x$T>, tensor<61x$T>) -> tensor<61x$T>
             return %r : tensor<61x$T>",
            &[&[61], &[61], &[61], &[61]],
        ),
        // where(c, x, where(c, y, z)) == where(c, x, z)
        rule("where_in_false", Exact, "where(c, x, where(c, y, z))", "where(c, x, z)").sample(
            Dtypes::ALL,
            CHOICE_OF_THREE,
            "%a = thunder.where %c, %y, %z : (tensor<61xi1>, tensor<61x$T>, tensor<61x$T>) -> tensor<61x$T>
             %r = thunder.where %c, %x, %a : (tensor<61xi1>, tensor<61x$T>, tensor<61x$T>) -> tensor<61x$T>
             return %r : tensor<61x$T>",
            &[&[61], &[61], &[61], &[61]],
        ),
        // where(c, f(x), f(y)) == f(where(c, x, y))
        rule("where_of_unaries", Exact, "where(c, f@<elementwise>(x), @f(y))", "@f(where(c, x, y))").sample(
            Dtypes::FLOATS,
            CHOICE,
            "%a = thunder.exp %x : tensor<61x$T>
             %b = thunder.exp %y : tensor<61x$T>
             %r = thunder.where %c, %a, %b : (tensor<61xi1>, tensor<61x$T>, tensor<61x$T>) -> tensor<61x$T>
             return %r : tensor<61x$T>",
            &[&[61], &[61], &[61]],
        ),
        // !(x == y) == (x != y)
        rule("not_of_eq", Exact, "not(eq(x, y))", "ne(x, y)").sample(
            Dtypes::ALL,
            "(%x: tensor<61x$T>, %y: tensor<61x$T>) -> tensor<61xi1>",
            "%a = thunder.eq %x, %y : (tensor<61x$T>, tensor<61x$T>) -> tensor<61xi1>
             %r = thunder.not %a : tensor<61xi1>
             return %r : tensor<61xi1>",
            &[&[61], &[61]],
        ),
        // take(x, 0..n) == x[0..n]
        rule(
            "take_of_iota",
            Exact,
            "take[axis = a](x, i@iota[axis = z]())",
            "slice[start = s, limit = l, stride = t](x)",
        )
        .when(|m| {
            let (axis, sizes) = (m.int("a")? as usize, m.dims("x")?);
            let [count] = m.dims("i")?[..] else { return None };
            holds(count <= *sizes.get(axis)?)?;
            let limits: Vec<i64> =
                sizes.iter().enumerate().map(|(dim, size)| if dim == axis { count } else { *size }).collect();
            m.set_ints("s", &vec![0; sizes.len()])?;
            m.set_ints("l", &limits)?;
            m.set_ints("t", &vec![1; sizes.len()])
        })
        .sample(
            Dtypes::ALL,
            "(%x: tensor<2x61x3x$T>) -> tensor<2x17x3x$T>",
            "%i = thunder.iota axis = 0 : tensor<17xi64>
             %r = thunder.take %x, %i axis = 1 : (tensor<2x61x3x$T>, tensor<17xi64>) -> tensor<2x17x3x$T>
             return %r : tensor<2x17x3x$T>",
            &[&[2, 61, 3]],
        ),
        // index_add(x, 0..n, y) == x + y, where x has n elements along the dimension
        rule("index_add_of_iota", Exact, "index_add[axis = a](x, i@iota[axis = z](), y)", "add(x, y)")
            .when(|m| holds(m.dims("i")?.get(..)? == [*m.dims("x")?.get(m.int("a")? as usize)?] && m.ty("y") == m.result))
            .sample(
                Dtypes::NUMBERS,
                "(%x: tensor<2x61x3x$T>, %y: tensor<2x61x3x$T>) -> tensor<2x61x3x$T>",
                "%i = thunder.iota axis = 0 : tensor<61xi64>
                 %r = thunder.index_add %x, %i, %y axis = 1 : (tensor<2x61x3x$T>, tensor<61xi64>, tensor<2x61x3x$T>) -> tensor<2x61x3x$T>
                 return %r : tensor<2x61x3x$T>",
                &[&[2, 61, 3], &[2, 61, 3]],
            ),
    ]
}
