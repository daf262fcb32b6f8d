//! Wrong uses of `#[derive(Tree)]`.

use thunder_ir_macros::Tree;

#[derive(Tree)]
enum Choice<T> {
    One(T),
}

#[derive(Tree)]
struct NoLeaves {
    size: i64,
}

#[derive(Tree)]
struct TwoKinds<T, U> {
    a: T,
    b: U,
}

#[derive(Tree)]
struct Borrowed<'a> {
    a: &'a str,
}

fn main() {}
