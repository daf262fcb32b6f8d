//! Matrix products with what a kernel computes from their elements, while these are in registers.

use serde::{Deserialize, Serialize};

use super::{DimId, KernelId, Matmul, MatrixStrides};

/// A kernel as code for a few elements of matrix products, in f16 or bf16, that are in registers.
///
/// The code is PTX of one function, which returns nothing, calls nothing and touches only the memory that the kernel may. It
/// computes and writes those [`LANES`] elements of each result that are made of those of the products; of halves it may be
/// as many of each half. Its parameters:
///
/// 1. the number of the first element among all of a product, of 64 bits: a multiple of [`LANES`];
/// 2. for each product half as many words as there are elements, of 32 bits, each of which has two elements as memory has them;
/// 3. the kernel's pointers, of 64 bits, all of them: of what is in registers the function reads nothing;
/// 4. the kernel's numbers, of 64 bits.
///
/// All pointers are multiples of 16.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fragment {
    /// The kernel.
    pub kernel: KernelId,
    /// The products that it computes from: one, or two of the same lhs.
    pub products: Vec<Piece>,
    /// The function; nothing where the code is for GPUs whose products have no such parts.
    pub code: String,
    /// What it computes of its only product, where libraries know that.
    pub activation: Option<Activation>,
}

/// A function of the elements of a matrix product, whose bias is added before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    /// The larger of an element and zero; of what is no number, either that or zero.
    Relu,
    /// The Gaussian error linear unit, approximated by a hyperbolic tangent.
    Gelu,
    /// An element times the derivative of that at the same element of another matrix.
    GeluGradient {
        /// Which of the kernel's pointers is that.
        pointer: u32,
    },
}

/// Columns of a matrix product that a kernel is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Which of the kernel's pointers is the product.
    pub pointer: u32,
    /// Which columns. Both halves of a product are given together, first that of the first columns.
    pub columns: Columns,
}

/// Columns of a matrix product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Columns {
    /// Each of them.
    All,
    /// Of every `of` columns half of them, from number `start` on: as a product of its own, of half as many columns.
    Half {
        /// How many there are to a group.
        of: u32,
        /// Zero or the half of that.
        start: u32,
    },
}

/// How many elements a [`Fragment`] computes.
pub const LANES: usize = 8;

/// One or two products of the same lhs, and what a [`Fragment`] computes from them. A session makes it of calls and a launch,
/// where an executor has a form for it.
///
/// Arguments: lhs; for each product its rhs; for each its bias if `product.bias`; for each that is `kept` where it goes; then
/// what the kernel needs beyond these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fused {
    /// The first product, which is dense: element `j` of row `i` at batch index `b` is number `(b * m + i) * n + j`. It has no
    /// epilogue.
    pub product: Matmul,
    /// Strides of (k, n) in the rhs of the second, if there is one, which is like the first in all else.
    pub second: Option<MatrixStrides>,
    /// Where columns of each rhs lie in groups: `rhs.column` is from one of a group to the next.
    pub groups: Option<Groups>,
    /// For each product, whether it is a result as well.
    pub kept: Vec<bool>,
    /// For each of the kernel's pointers the argument that it is; `None` for what is in registers only.
    pub pointers: Vec<Option<u32>>,
    /// The kernel's name, for messages.
    pub kernel: String,
    /// The kernel's numbers.
    pub numbers: Vec<DimId>,
    /// What [`Fragment::code`] is.
    pub code: String,
    /// What [`Fragment::activation`] is.
    pub activation: Option<Activation>,
}

/// Columns of a matrix that lie in groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Groups {
    /// How many groups there are.
    pub count: DimId,
    /// How many columns there are to a group; so many times the groups is all of them.
    pub width: DimId,
    /// Elements from a group's first column to the next one's.
    pub stride: DimId,
}

impl Fused {
    /// How many products there are.
    pub fn count(&self) -> usize {
        1 + usize::from(self.second.is_some())
    }

    /// How many products are results.
    pub(super) fn outputs(&self) -> usize {
        self.kept.iter().filter(|kept| **kept).count()
    }

    /// How many arguments are those of the products.
    pub(super) fn arity(&self) -> usize {
        1 + self.count() * (1 + usize::from(self.product.bias)) + self.outputs()
    }
}
