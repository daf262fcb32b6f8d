//! The thunder dialect: tensor programs as primitives and composites.
//!
//! Primitives take operands of exactly the shapes and dtypes they need, without broadcasting or
//! promotion; composites such as softmax carry a decomposition into primitives. Everything about an
//! op stands in its file below `ops/`; the table in `ops.rs` lists them.

mod infer;
pub mod ops;

pub use infer::{infer_elements, infer_like};
pub use ops::{all_samples, dialect};

/// The builder methods of every op: `b.matmul(x, y)`.
pub mod build {
    pub use crate::ops::build::*;
}
