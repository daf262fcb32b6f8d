//! Attributes of functions that every part of the compiler reads and writes.

/// The attribute of a function argument that is a weight: its name.
pub const PARAMETER: &str = "thunder.parameter";

/// The attribute of a function argument or result with its name.
pub const NAME: &str = "thunder.name";

/// The attribute of a function argument that names its dimensions: `["batch", "seq"]`, where equal
/// names are equal sizes, and an empty name is a size of its own.
pub const DIM_NAMES: &str = "thunder.dims";

/// The attribute of a parameter with the number that all its elements have to begin with, where whoever runs the
/// program does not provide it: state such as the moments of an optimizer.
pub const INITIAL: &str = "thunder.initial";

/// The attribute of a result that is the new contents of an argument's memory: the number of that argument.
pub const UPDATES: &str = "thunder.updates";

/// The attribute of a function argument or result that holds complex numbers as pairs of real ones along its last
/// dimension.
pub const COMPLEX: &str = "thunder.complex";

/// The least and the greatest size of each dimension of an argument that the program takes, in pairs; one below zero sets
/// no limit.
pub const RANGES: &str = "thunder.ranges";
