//! The thunder dialect: tensor programs as primitives and composites.
//!
//! Primitives take operands of exactly the shapes and dtypes they need, without broadcasting or
//! promotion; composites such as softmax carry a decomposition into primitives. Everything about an
//! op stands in its file below `ops/`; the table in `ops.rs` lists them.

mod axes;
pub mod complex;
pub mod compose;
mod cotangent;
mod emit;
mod fold;
mod infer;
mod literal;
pub mod ops;
mod rules;
mod window;

pub use cotangent::{ones_like, restated, sum_of, zeros_like};
pub use emit::scalar_vjp;
pub use fold::{fold_constants, fold_moved_splat, fold_to, producer, replaced};
pub use infer::{
    check_sizes, checked_axis, declared, infer_elements, infer_like, one_shape, stated_dims, stated_shape,
};
pub use literal::{Literal, Number, literal_expr, literal_tensor};
pub use ops::{all_samples, dialect};

/// The builder methods of every op: `b.matmul(x, y)`.
pub mod build {
    pub use crate::ops::build::*;
}
