//! Models as ordinary Rust functions, traced into modules of the thunder dialect.
//!
//! A [`Tracer`] calls the function once with proxies in place of tensors; each method of a
//! [`Tensor`] adds ops to the module, with the line that called it. Shapes and dtypes are checked on
//! the way: a mistake is a [`TraceError`] with that line.

// What `derive(Tree)` writes names this crate.
extern crate self as thunder_trace;

mod dim;
mod error;
pub mod nn;
mod operand;
mod ops;
pub mod optim;
mod promote;
mod scope;
mod spec;
mod tensor;
mod tracer;
mod tree;

pub use dim::{Dim, Dims};
pub use error::{ModelError, TraceError};
pub use operand::{Operand, Scalar};
pub use ops::{Approximation, Attention, Axes, CrossEntropy, Reduction, Window, cat, stack};
pub use scope::Scope;
pub use spec::{Device, Spec};
pub use tensor::{Tensor, apply};
pub use thunder_ir_macros::Tree;
pub use thunder_tensor::{DType, Tensor as HostTensor};
pub use tracer::Tracer;
pub use tree::{Path, Tree, leaves};

use thunder_ir::{Context, Registry};

/// A context with the dialects that traced modules use.
pub fn context() -> Context {
    Context::new(&Registry::upstream().with(thunder_dialect::dialect()))
}
