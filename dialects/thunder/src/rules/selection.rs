//! Choices by truth values.

use super::rule;
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
    ]
}
