//! Products that share an operand: the query, key and value of attention, the gate of a feed-forward layer and what it
//! gates. One product over all weights has more work for each read of what they share.

use thunder_interface::{Dtypes, Merge, Named, Numerics};
use thunder_ir::{Attribute, ContextRef};

use crate::ops::slice::END;

pub(super) fn merges() -> Vec<Merge> {
    vec![
        // linear(x, v), linear(x, w) are the two parts of linear(x, [v; w])
        Merge {
            name: "linears",
            numerics: Numerics::Exact,
            op: "thunder.linear",
            shared: 0,
            joined: 0,
            join: concat,
            part: columns,
            samples: Vec::new(),
        }
        .sample(
            Dtypes::NUMBERS,
            "(%x: tensor<3x17x$T>, %v: tensor<5x17x$T> {thunder.parameter = \"v\"}, %w: tensor<4x17x$T> {thunder.parameter = \"w\"}) -> (tensor<3x5x$T>, tensor<3x4x$T>)",
            "%a = thunder.linear %x, %v : (tensor<3x17x$T>, tensor<5x17x$T>) -> tensor<3x5x$T>
             %b = thunder.linear %x, %w : (tensor<3x17x$T>, tensor<4x17x$T>) -> tensor<3x4x$T>
             return %a, %b : tensor<3x5x$T>, tensor<3x4x$T>",
            &[&[3, 17], &[5, 17], &[4, 17]],
        )
        .sample(
            Dtypes::NUMBERS,
            "(%x: tensor<?x17x$T>, %v: tensor<5x17x$T> {thunder.parameter = \"v\"}, %w: tensor<4x17x$T> {thunder.parameter = \"w\"}, %c: tensor<5x$T> {thunder.parameter = \"c\"}, %d: tensor<4x$T> {thunder.parameter = \"d\"}) -> (tensor<?x5x$T>, tensor<?x4x$T>)",
            "%a = thunder.linear %x, %v bias(%c) : (tensor<?x17x$T>, tensor<5x17x$T>, tensor<5x$T>) -> tensor<?x5x$T>
             %b = thunder.linear %x, %w bias(%d) : (tensor<?x17x$T>, tensor<4x17x$T>, tensor<4x$T>) -> tensor<?x4x$T>
             return %a, %b : tensor<?x5x$T>, tensor<?x4x$T>",
            &[[3, 17].as_slice(), &[5, 17], &[4, 17], &[5], &[4]],
        ),
    ]
}

fn concat(cx: ContextRef<'_>, axis: i64) -> Named<'_> {
    ("thunder.concat", Attribute::dictionary(cx, &[("axis", Attribute::i64(cx, axis))]))
}

fn columns(cx: ContextRef<'_>, rank: usize, from: i64, to: i64) -> Named<'_> {
    let of_last = |others: i64, last: i64| {
        let values: Vec<i64> = (1..=rank).map(|axis| if axis == rank { last } else { others }).collect();
        Attribute::i64_array(cx, &values)
    };
    let attributes = [("start", of_last(0, from)), ("limit", of_last(END, to)), ("stride", of_last(1, 1))];
    ("thunder.slice", Attribute::dictionary(cx, &attributes))
}
