//! Host tensors: the values that the reference interpreter, the runtime and the tests compute on.
//!
//! A [`Tensor`] is dense and row-major, cheap to clone, and may be a view of memory that somebody else owns (a mapped
//! weights file). The kernels here define reference semantics: a floating result is computed in `f64` and rounded once
//! to its dtype, integers wrap, and every kernel is defined on rank 0, on zero-size shapes, and on NaN, infinities and
//! negative zero. They aim to be obviously right first and fast second.
//!
//! - [`DType`], [`Element`], [`dispatch!`]: element types, and generic code over them.
//! - [`Tensor`], [`View`], [`walk`]: storage, strided views without copies, loops over strided index spaces.
//! - [`map1`], [`map2`], [`map3`], [`reduce`], [`lanes`], [`concat`](fn@concat), [`pad`](fn@pad), [`matmul`](fn@matmul):
//!   kernels.
//! - [`compare`](fn@compare), [`Tolerance`], [`ulp_distance`]: is this result close enough, and where is it not.
//! - [`Random`]: tensors from a seed.
//! - [`SafeTensors`], [`write_safetensors`], [`read_npy`], [`write_npy`]: files.

mod assemble;
mod compare;
mod display;
mod dtype;
mod element;
mod error;
mod float8;
mod map;
mod matmul;
mod memory;
mod npy;
mod random;
mod reduce;
mod safetensors;
mod storage;
mod tensor;
mod view;
pub mod walk;

pub use half;

pub use crate::assemble::{concat, pad};
pub use crate::compare::{Difference, Differences, Mismatch, Tolerance, Ulps, compare, ulp_distance};
pub use crate::dtype::{DType, ParseDTypeError};
pub use crate::element::{Carrier, Complex, Element};
pub use crate::error::TensorError;
pub use crate::float8::{Float8, Float8Format, Specials};
pub use crate::map::{map1, map2, map3};
pub use crate::matmul::matmul;
pub use crate::memory::Aligned;
pub use crate::npy::{read_npy, write_npy};
pub use crate::random::Random;
pub use crate::reduce::{lanes, reduce};
pub use crate::safetensors::{FileError, SafeTensors, write_safetensors};
pub use crate::storage::Owner;
pub use crate::tensor::Tensor;
pub use crate::view::{Operand, View};
