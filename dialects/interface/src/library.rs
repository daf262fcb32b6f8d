//! Ops that an executor's library may carry out whole.

use thunder_ir::Value;

/// A computation that libraries offer, in terms of an op's operands.
#[derive(Debug, Clone, PartialEq)]
pub enum LibraryCall<'c> {
    /// `lhs[.., m, k] * rhs[.., k, n] (+ bias[n])`, with `rhs` stored as `[.., n, k]` if transposed.
    /// A `rhs` of rank 2 serves all outer dimensions of `lhs`.
    Matmul {
        /// The left factor.
        lhs: Value<'c>,
        /// The right factor.
        rhs: Value<'c>,
        /// Added to every row.
        bias: Option<Value<'c>>,
        /// Whether the two innermost dimensions of `rhs` are swapped.
        rhs_transposed: bool,
    },
    /// `lhs[m, k] * rhs[k, n] * scale * scale (+ bias[n])` of floats of 8 bits.
    ScaledMatmul {
        /// The left factor.
        lhs: Value<'c>,
        /// The right factor.
        rhs: Value<'c>,
        /// What elements of each are multiplied with, of rank 0.
        scales: [Value<'c>; 2],
        /// Added to every row.
        bias: Option<Value<'c>>,
    },
    /// `softmax(scale * q k^T + mask) v` over `[.., heads, position, width]`.
    Attention {
        /// The queries.
        q: Value<'c>,
        /// The keys.
        k: Value<'c>,
        /// The values.
        v: Value<'c>,
        /// Added to the scores if float, selecting them if bool; broadcasts to
        /// `[.., heads, queries, keys]`.
        mask: Option<Value<'c>>,
        /// Whether query `i` sees only keys up to `i`.
        causal: bool,
        /// The factor of the scores.
        scale: f64,
    },
    /// `operand` with its elements from `start` on along `axis` replaced by `update`.
    UpdateSlice {
        /// What is updated.
        operand: Value<'c>,
        /// What stands there instead.
        update: Value<'c>,
        /// The first position, an integer tensor of rank 0; moved to where the update fits.
        start: Value<'c>,
        /// The dimension.
        axis: usize,
    },
    /// The gradients of an attention's queries, keys and values: the op's results, in this order.
    AttentionBackward {
        /// The gradient of the attention's result.
        d_out: Value<'c>,
        /// The queries, as for `Attention`, like what follows.
        q: Value<'c>,
        /// The keys.
        k: Value<'c>,
        /// The values.
        v: Value<'c>,
        /// What is added to the scores.
        mask: Option<Value<'c>>,
        /// Whether query `i` sees only keys up to `i`.
        causal: bool,
        /// The factor of the scores.
        scale: f64,
    },
    /// `weight[features, channels / groups, window...]` moved over `x[batch, channels, space...]`, one to three
    /// dimensions of space.
    Convolution {
        /// What it moves over.
        x: Value<'c>,
        /// What moves.
        weight: Value<'c>,
        /// Added to each feature.
        bias: Option<Value<'c>>,
        /// The steps between positions, for each dimension of space.
        stride: Vec<i64>,
        /// Zeros before the first element.
        low: Vec<i64>,
        /// The steps between elements of the window.
        dilation: Vec<i64>,
        /// Into how many groups channels and features are divided.
        groups: i64,
    },
}

/// Says that an op is a library's computation; its results are the call's.
pub trait Library {
    /// The computation, or `None` where these attributes or types have no such form.
    fn library<'b>(&'b self) -> Option<LibraryCall<'b>>;

    /// Whether operands may be views; else they are dense in memory.
    fn takes_views(&self) -> bool {
        true
    }

    /// The operand that may be changed into the result where it is, if nothing reads it any more.
    fn in_place(&self) -> Option<usize> {
        None
    }
}

crate::interface!(Library);
