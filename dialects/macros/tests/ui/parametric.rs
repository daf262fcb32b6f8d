use thunder_ir_macros::{attr, ty};

/// Its name has no dialect.
#[ty("box")]
pub struct Unqualified;

#[attr("toy.range")]
pub struct Undocumented;

/// A word is unknown.
#[ty("toy.box", fold)]
pub struct Unknown;

/// It has a type parameter.
#[ty("toy.box")]
pub struct Generic<T> {
    element: T,
}

/// It has two lifetimes.
#[attr("toy.range")]
pub struct Lifetimes<'a, 'b> {
    low: Attribute<'a>,
    high: Attribute<'b>,
}

/// Its parameters have no names.
#[attr("toy.range")]
pub struct Tuple(i64);

/// A default says nothing.
#[ty("toy.box")]
pub struct Default {
    #[default]
    size: i64,
}

fn main() {}
