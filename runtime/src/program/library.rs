//! Operations that a program may leave to an executor, with the sizes and strides they need.
//!
//! Strides count elements, not bytes, and are never negative. A stride of 0 repeats an operand.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use thunder_tensor::DType;

use super::{Access, DimId, Fused, KernelId};

/// An operation that an executor carries out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum LibraryOp {
    /// Batched matrix product. Arguments: lhs, rhs, then bias if `bias`, then out, then the
    /// epilogue's further arguments.
    Matmul(Matmul),
    /// Scaled dot-product attention. Arguments: q, k, v, then mask if there is one, then out, then `logsums` if wanted.
    Attention(Attention),
    /// Replacement of a part in place. Arguments: the part, where it starts, then what is updated.
    UpdateSlice(UpdateSlice),
    /// The gradients of an attention's q, k and v. Arguments: q, k, v, then mask if there is one, then
    /// the gradient of out, then what is `saved`: out and its `logsums`, then the gradients of q, k and v.
    AttentionBackward(AttentionBackward),
    /// Convolution. Arguments: x, weight, then bias if `bias`, then out.
    Convolution(Convolution),
    /// Matrix product of floats of 8 bits. Arguments: lhs, rhs, the scale of each, then bias if `product.bias`, then out.
    ScaledMatmul(ScaledMatmul),
    /// Matrix products and what a kernel computes from their elements; its arguments are said there.
    Fused(Box<Fused>),
}

/// `out[i, s + j, k] = part[i, j, k]`, where `s` is the start, moved to where the part fits. All are dense.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateSlice {
    /// Type of an element of the part and of out.
    #[serde(with = "dtype_code")]
    pub dtype: DType,
    /// Type of the start: an integer.
    #[serde(with = "dtype_code")]
    pub start: DType,
    /// Extent of all dimensions before the one of which a part is replaced.
    pub outer: DimId,
    /// Extent of that dimension in out.
    pub extent: DimId,
    /// Extent of that dimension in the part; at most `extent`.
    pub length: DimId,
    /// Extent of all dimensions after it.
    pub inner: DimId,
}

/// `out[b, i, j] = sum_p lhs[b, i, p] * rhs[b, p, j] (+ bias[j])`.
///
/// Elements are f32, f64, f16 or bf16. f16 and bf16 are accumulated in f32 and rounded once.
/// `out` overlaps no operand, and its strides give every element its own address. When rhs is all
/// of a parameter or constant and has no batch stride, it is laid out for the kernels once, when
/// the session is prepared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matmul {
    /// Type of an element of every operand.
    #[serde(with = "dtype_code")]
    pub dtype: DType,
    /// Rows of lhs and out.
    pub m: DimId,
    /// Columns of rhs and out.
    pub n: DimId,
    /// Columns of lhs, rows of rhs. Zero gives zeros (or the bias).
    pub k: DimId,
    /// Batch dimensions, outermost first.
    pub batch: Vec<BatchDim>,
    /// Strides of (m, k) in lhs.
    pub lhs: MatrixStrides,
    /// Strides of (k, n) in rhs. A weight stored as `[n, k]` has `row` 1 and `column` k.
    pub rhs: MatrixStrides,
    /// Strides of (m, n) in out.
    pub out: MatrixStrides,
    /// Whether there is a contiguous bias of n elements.
    pub bias: bool,
    /// A kernel applied to blocks of the product while they are in cache; on a GPU, see [`Fused`].
    pub epilogue: Option<Epilogue>,
}

/// `out[i, j] = sum_p lhs[i, p] * rhs[p, j] * lhs_scale * rhs_scale (+ bias[j])`.
///
/// Elements of lhs and rhs are floats of 8 bits, each of a type of its own; scales are f32; those of out and the bias are f32,
/// f16 or bf16. Sums are in f32, of which tensor cores for such floats keep about 14 bits, and rounded once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaledMatmul {
    /// The product: its `dtype` is that of lhs. It has no batch and no epilogue.
    pub product: Matmul,
    /// Type of an element of rhs.
    #[serde(with = "dtype_code")]
    pub rhs: DType,
    /// Type of an element of out and of the bias.
    #[serde(with = "dtype_code")]
    pub out: DType,
}

/// Strides of the two dimensions of a matrix, in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatrixStrides {
    /// From one row to the next.
    pub row: DimId,
    /// From one column to the next.
    pub column: DimId,
}

/// One batch dimension of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchDim {
    /// Number of matrices.
    pub extent: DimId,
    /// Stride in lhs.
    pub lhs: DimId,
    /// Stride in rhs.
    pub rhs: DimId,
    /// Stride in out.
    pub out: DimId,
}

/// A kernel that runs on each block of the product when it is finished, with the ABI of [`super::Launch`].
///
/// Rows are counted through all batches, elements through all rows: element `j` of row `i` of the
/// product at batch index `b` is `(b * m + i) * n + j`. The kernel gets `dims` with entry `start`
/// replaced by the first that it is to compute, and entry `length` by how many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epilogue {
    /// The kernel.
    pub kernel: KernelId,
    /// Its pointers, as positions in the call's arguments.
    pub args: Vec<u32>,
    /// Its numbers.
    pub dims: Vec<DimId>,
    /// Entry of `dims` that says where a block starts.
    pub start: u32,
    /// Entry of `dims` that says how long it is.
    pub length: u32,
    /// Whether the kernel counts elements, not rows.
    pub elements: bool,
}

/// `out = softmax(scale * q k^T + mask) v` for every batch and head.
///
/// Elements are f32, f16 or bf16; f16 and bf16 are accumulated in f32 and rounded. The innermost dimension of q, k, v and out has stride 1. Query head `h` uses key/value head
/// `h / (heads / kv_heads)`. A row whose scores are all minus infinity, or that has no keys, gives
/// zeros, as PyTorch's math backend does (`_safe_softmax`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attention {
    /// Type of an element of every operand.
    #[serde(with = "dtype_code")]
    pub dtype: DType,
    /// Independent problems.
    pub batch: DimId,
    /// Query heads; a multiple of `kv_heads`.
    pub heads: DimId,
    /// Key and value heads.
    pub kv_heads: DimId,
    /// Length of the query sequence.
    pub queries: DimId,
    /// Length of the key and value sequence.
    pub keys: DimId,
    /// Elements of one query or key.
    pub width: DimId,
    /// Elements of one value.
    pub value_width: DimId,
    /// Strides of q.
    pub q: AttentionStrides,
    /// Strides of k.
    pub k: AttentionStrides,
    /// Strides of v.
    pub v: AttentionStrides,
    /// Strides of out.
    pub out: AttentionStrides,
    /// Factor of the scores.
    pub scale: f32,
    /// When set to `c`, query `i` sees only keys `j <= i + c`. PyTorch's `is_causal` is 0.
    pub causal: Option<DimId>,
    /// A mask added to the scaled scores.
    pub mask: Option<MaskStrides>,
    /// Whether there is a further result: the logarithm of the sum of the exponentials of each row of scores, f32, dense
    /// over batch, heads and queries.
    pub logsums: bool,
}

/// The gradients of `sum(d_out * attention)` by q, k and v.
///
/// The innermost dimension of every operand has stride 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttentionBackward {
    /// Sizes and strides of the attention; `out` is that of its result's gradient, and it has no `logsums`.
    pub forward: Attention,
    /// Strides of the attention's result, if it and its `logsums` are given.
    pub saved: Option<AttentionStrides>,
    /// Strides of the gradient of q.
    pub d_q: AttentionStrides,
    /// Strides of the gradient of k.
    pub d_k: AttentionStrides,
    /// Strides of the gradient of v.
    pub d_v: AttentionStrides,
}

/// `out[b, f, p...] = sum_{c, t...} x[b, c, p * stride + t * dilation - low...] * weight[f, c, t...]
/// (+ bias[f])`, where what lies outside of x is zero, and features see the channels of their group.
///
/// Elements are f32, f64, f16 or bf16; f16 and bf16 are accumulated in f32 and rounded once. Every
/// operand is contiguous, row-major; out overlaps none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Convolution {
    /// Type of an element of every operand.
    #[serde(with = "dtype_code")]
    pub dtype: DType,
    /// Independent problems.
    pub batch: DimId,
    /// Groups of channels and features.
    pub groups: DimId,
    /// Channels of a group.
    pub channels: DimId,
    /// Features of a group.
    pub features: DimId,
    /// Spatial dimensions, outermost first; at most three.
    pub axes: Vec<ConvolutionAxis>,
    /// Whether there is a bias of one element for each feature.
    pub bias: bool,
}

/// One spatial dimension of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConvolutionAxis {
    /// Elements of x.
    pub extent: DimId,
    /// Elements of out.
    pub positions: DimId,
    /// Elements of weight.
    pub window: DimId,
    /// From one position to the next; at least 1.
    pub stride: DimId,
    /// Zeros before the first element of x.
    pub low: DimId,
    /// From one element of the window to the next.
    pub dilation: DimId,
}

/// Strides of an attention operand, in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttentionStrides {
    /// Between batches.
    pub batch: DimId,
    /// Between heads.
    pub head: DimId,
    /// Between positions of the sequence.
    pub position: DimId,
}

/// Strides of an additive mask, in elements; 0 broadcasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaskStrides {
    /// Between batches.
    pub batch: DimId,
    /// Between heads.
    pub head: DimId,
    /// Between queries.
    pub query: DimId,
    /// Between keys.
    pub key: DimId,
}

impl Attention {
    fn dims(&self) -> Vec<DimId> {
        let mut dims = vec![self.batch, self.heads, self.kv_heads, self.queries, self.keys];
        dims.extend([self.width, self.value_width]);
        for s in [self.q, self.k, self.v, self.out] {
            dims.extend([s.batch, s.head, s.position]);
        }
        dims.extend(self.causal);
        if let Some(m) = self.mask {
            dims.extend([m.batch, m.head, m.query, m.key]);
        }
        dims
    }
}

impl Matmul {
    fn dims(&self) -> Vec<DimId> {
        let mut dims = vec![self.m, self.n, self.k];
        for strides in [self.lhs, self.rhs, self.out] {
            dims.extend([strides.row, strides.column]);
        }
        for b in &self.batch {
            dims.extend([b.extent, b.lhs, b.rhs, b.out]);
        }
        if let Some(epilogue) = &self.epilogue {
            dims.extend(&epilogue.dims);
        }
        dims
    }
}

impl LibraryOp {
    /// The name used in messages and conformance tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Matmul(_) => "matmul",
            Self::Attention(_) => "attention",
            Self::UpdateSlice(_) => "update_slice",
            Self::AttentionBackward(_) => "attention_backward",
            Self::Convolution(_) => "convolution",
            Self::ScaledMatmul(_) => "scaled_matmul",
            Self::Fused(_) => "fused_matmul",
        }
    }

    /// How many pointers the operation takes, without those that only a kernel needs.
    pub fn arity(&self) -> usize {
        match self {
            Self::Matmul(op) => 3 + usize::from(op.bias),
            Self::Attention(op) => 4 + usize::from(op.mask.is_some()) + usize::from(op.logsums),
            Self::UpdateSlice(_) => 3,
            Self::AttentionBackward(op) => {
                7 + usize::from(op.forward.mask.is_some()) + 2 * usize::from(op.saved.is_some())
            }
            Self::Convolution(op) => 3 + usize::from(op.bias),
            Self::ScaledMatmul(op) => 5 + usize::from(op.product.bias),
            Self::Fused(op) => op.arity(),
        }
    }

    /// What the operation does with its results' memory.
    pub fn output_access(&self) -> Access {
        match self {
            Self::UpdateSlice(_) => Access::Update,
            _ => Access::Write,
        }
    }

    /// Positions of the results among the arguments.
    pub fn outputs(&self) -> Range<usize> {
        let results = match self {
            Self::Matmul(_) | Self::ScaledMatmul(_) | Self::Convolution(_) | Self::UpdateSlice(_) => 1,
            Self::Attention(op) => 1 + usize::from(op.logsums),
            Self::AttentionBackward(_) => 3,
            Self::Fused(op) => op.outputs(),
        };
        self.arity() - results..self.arity()
    }

    /// The kernel that runs on finished blocks of the result.
    pub fn epilogue(&self) -> Option<&Epilogue> {
        match self {
            Self::Matmul(op) => op.epilogue.as_ref(),
            _ => None,
        }
    }

    /// Every size and stride that the operation mentions.
    pub fn dims(&self) -> Vec<DimId> {
        match self {
            Self::Matmul(op) => op.dims(),
            Self::ScaledMatmul(op) => op.product.dims(),
            Self::Fused(op) => {
                let mut dims = op.product.dims();
                dims.extend(op.second.iter().flat_map(|strides| [strides.row, strides.column]));
                dims.extend(op.groups.iter().flat_map(|groups| [groups.count, groups.width, groups.stride]));
                dims.extend(&op.numbers);
                dims
            }
            Self::UpdateSlice(op) => vec![op.outer, op.extent, op.length, op.inner],
            Self::Attention(op) => op.dims(),
            Self::AttentionBackward(op) => {
                let mut dims = op.forward.dims();
                for s in [op.d_q, op.d_k, op.d_v].into_iter().chain(op.saved) {
                    dims.extend([s.batch, s.head, s.position]);
                }
                dims
            }
            Self::Convolution(op) => {
                let mut dims = vec![op.batch, op.groups, op.channels, op.features];
                for axis in &op.axes {
                    dims.extend([axis.extent, axis.positions, axis.window, axis.stride, axis.low, axis.dilation]);
                }
                dims
            }
        }
    }
}

/// Element types as fixed numbers, so that the file does not depend on an enum's order.
pub(super) mod dtype_code {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use thunder_tensor::DType;

    const CODES: [(DType, u8); 16] = [
        (DType::Bool, 1),
        (DType::U8, 2),
        (DType::I8, 3),
        (DType::I16, 4),
        (DType::I32, 5),
        (DType::I64, 6),
        (DType::F16, 7),
        (DType::BF16, 8),
        (DType::F32, 9),
        (DType::F64, 10),
        (DType::C64, 11),
        (DType::C128, 12),
        (DType::F8E4M3FN, 13),
        (DType::F8E5M2, 14),
        (DType::F8E4M3FNUZ, 15),
        (DType::F8E5M2FNUZ, 16),
    ];

    pub fn serialize<S: Serializer>(dtype: &DType, serializer: S) -> Result<S::Ok, S::Error> {
        let code = CODES.iter().find(|(d, _)| d == dtype).map(|(_, code)| *code);
        serializer.serialize_u8(code.expect("every dtype has a code"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DType, D::Error> {
        let code = u8::deserialize(deserializer)?;
        let dtype = CODES.iter().find(|(_, c)| *c == code).map(|(dtype, _)| *dtype);
        dtype.ok_or_else(|| D::Error::custom(format_args!("unknown dtype code {code}")))
    }
}
