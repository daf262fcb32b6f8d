//! Attributes of functions that every part of the compiler reads and writes.

/// The attribute of a function argument that is a weight: its name.
pub const PARAMETER: &str = "thunder.parameter";

/// The attribute of a function argument or result with its name.
pub const NAME: &str = "thunder.name";

/// The attribute of a function argument that names its dimensions: `["batch", "seq"]`, where equal
/// names are equal sizes, and an empty name is a size of its own.
pub const DIM_NAMES: &str = "thunder.dims";
