use thunder_ir_macros::pass;

#[pass("toy-fold")]
pub struct Undocumented;

/// An option says nothing.
#[pass("toy-fold")]
pub struct Silent {
    limit: usize,
}

/// An option has no name.
#[pass("toy-fold")]
pub struct Tuple(usize);

/// A word is unknown.
#[pass("toy-fold", anchor = "func.func")]
pub struct Unknown;

/// A dialect is no text.
#[pass("toy-fold", dialects(linalg))]
pub struct Dialects;

/// It has no name.
#[pass(on = "func.func")]
pub struct Nameless;

/// Its name has a blank.
#[pass("toy fold")]
pub struct Blank;

/// Two defaults.
#[pass("toy-fold")]
pub struct TwoDefaults {
    /// A limit.
    #[default(1)]
    #[default(2)]
    limit: i64,
}

/// It has a parameter.
#[pass("toy-fold")]
pub struct Generic<T> {
    /// A limit.
    limit: T,
}

fn main() {}
