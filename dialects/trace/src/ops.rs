//! The methods of [`Tensor`](crate::Tensor), by topic.

mod arithmetic;
mod attention;
mod compare;
mod complex;
mod convolution;
mod index;
mod loss;
mod matrix;
mod memory;
mod normalize;
mod random;
mod reduce;
mod scan;
mod scatter;
mod select;
mod shape;
mod sort;
mod special;
mod unary;

pub use attention::Attention;
pub use convolution::Window;
pub use index::{cat, stack};
pub use loss::CrossEntropy;
pub use reduce::Axes;
pub use thunder_dialect::ops::activation::Approximation;
pub use thunder_dialect::ops::scatter_reduce::Reduction;
