use thunder_ir_macros::op;

/// Its name has no dialect.
#[op("add")]
pub struct Unqualified {}

/// Its name has an empty part.
#[op("toy..add")]
pub struct Empty {}

/// A word is misspelled.
#[op("toy.add", pure, comutative)]
pub struct Misspelled {}

/// A word stands twice.
#[op("toy.add", pure, commutative, pure)]
pub struct Twice {}

#[op("toy.add")]
pub struct Undocumented {}

/// It has a parameter.
#[op("toy.add")]
pub struct Generic<T> {}

/// Its fields have no names.
#[op("toy.add")]
pub struct Tuple(Operand<Any>);

/// A field is of no known sort.
#[op("toy.add")]
pub struct Unknown {
    lhs: Input<Any>,
}

/// A field is no path.
#[op("toy.add")]
pub struct Reference {
    lhs: &'static str,
}

/// An operand says nothing of its type.
#[op("toy.add")]
pub struct Bare {
    lhs: Operand,
}

/// An operand says too much of its type.
#[op("toy.add")]
pub struct Crowded {
    lhs: Operand<Any, Any>,
}

/// Only attributes have defaults.
#[op("toy.add")]
pub struct Defaulted {
    #[default(1)]
    lhs: Operand<Any>,
}

/// An attribute that may be absent has no default.
#[op("toy.add")]
pub struct Optional {
    #[default(1)]
    size: OptionalAttr<i64>,
}

/// It has two defaults.
#[op("toy.add")]
pub struct TwoDefaults {
    #[default(1)]
    #[default(2)]
    size: Attr<i64>,
}

/// A constraint's label is a number.
#[op("toy.add")]
pub struct Label {
    #[c(one)]
    lhs: Operand<Any>,
}

/// No such attribute is known.
#[op("toy.add")]
pub struct Stranger {
    #[serde(skip)]
    lhs: Operand<Any>,
}

/// Every op has a method of this name.
#[op("toy.add")]
pub struct Taken {
    operation: Operand<Any>,
}

/// It is no struct.
#[op("toy.add")]
pub enum Enum {}

fn main() {}
