//! Layers that models share, with PyTorch's names of parameters.
//!
//! To its user a layer is one op: what it is made of stands at the line that calls it.

mod convolution;
mod embedding;
mod linear;
mod norm;

pub use convolution::Conv2d;
pub use embedding::Embedding;
pub use linear::Linear;
pub use norm::{BatchNorm, BatchStatistics, LayerNorm, RmsNorm};
