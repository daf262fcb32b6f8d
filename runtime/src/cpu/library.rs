//! The executor for this processor: matrix products, convolutions and attention.

use thunder_tensor::DType;
use thunder_tensor::half::{bf16, f16};

use super::attention::{self, Mask, Strides};
use super::convolution::{self, Axis};
use super::gemm::{self, Matrix, PackedRhs, Product, Real, Rhs, Size};
use super::operand::Operand;
use super::{Cpu, narrow, update_slice};
use crate::executor::{Executor, ExecutorError, Finished, Invocation, Prepared, Site};
use crate::plan::fits_memory;
use crate::program::{Attention, AttentionStrides, Convolution, DimId, Dims, LibraryOp, Matmul, MatrixStrides};

/// Claims every library operation but attention in half precision or with more than it computes from, and products of floats
/// of 8 bits, on the processor's vector units and the session's threads.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuLibrary;

impl Executor for CpuLibrary {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn claims(&self, op: &LibraryOp, _dims: &Dims) -> bool {
        match op {
            LibraryOp::Attention(attention) => attention.dtype == DType::F32 && !attention.logsums,
            LibraryOp::AttentionBackward(backward) => backward.forward.dtype == DType::F32 && backward.saved.is_none(),
            LibraryOp::Matmul(_) | LibraryOp::Convolution(_) | LibraryOp::UpdateSlice(_) => true,
            LibraryOp::Fused(_) | LibraryOp::ScaledMatmul(_) => false,
        }
    }

    fn prepare(&self, site: &Site<'_>) -> Result<Box<dyn Prepared>, ExecutorError> {
        Ok(match site.op {
            LibraryOp::Matmul(op) => Box::new(PreparedMatmul { packed: pack(op, site)? }),
            LibraryOp::Attention(_) | LibraryOp::AttentionBackward(_) => Box::new(PreparedAttention),
            LibraryOp::Convolution(_) => Box::new(PreparedConvolution),
            LibraryOp::UpdateSlice(_) => Box::new(PreparedUpdate),
            LibraryOp::Fused(_) | LibraryOp::ScaledMatmul(_) => unreachable!("an executor prepares what it claims"),
        })
    }
}

struct PreparedMatmul {
    packed: Packed,
}

struct PreparedAttention;

struct PreparedUpdate;

impl Prepared for PreparedUpdate {
    fn run(&self, invocation: &Invocation<'_>) {
        let LibraryOp::UpdateSlice(op) = invocation.op else {
            unreachable!("a prepared update is invoked with its own operation")
        };
        let (v, operands) = (Sizes(invocation.values), invocation.operands);
        let sizes = update_slice::Sizes {
            outer: v.get(op.outer),
            extent: v.get(op.extent),
            length: v.get(op.length),
            inner: v.get(op.inner) * op.dtype.size(),
        };
        // SAFETY: the invocation's operands are checked against the operation's sizes, and the result overlaps no
        // operand.
        unsafe { update_slice::update(invocation.cpu, [operands[0], operands[1], operands[2]], op.start, &sizes) };
    }
}
struct PreparedConvolution;

/// The weights in the kernels' layout, if the right-hand side is the same in every run. Half precision
/// is packed as single.
#[derive(Debug)]
enum Packed {
    No,
    Single(PackedRhs<f32>),
    Double(PackedRhs<f64>),
}

fn pack(op: &Matmul, site: &Site<'_>) -> Result<Packed, ExecutorError> {
    let size = |dim: DimId| site.dims.as_constant(dim).and_then(|value| usize::try_from(value).ok());
    let Some(rhs) = site.fixed[1] else { return Ok(Packed::No) };
    let sizes = (size(op.k), size(op.n), size(op.rhs.row), size(op.rhs.column));
    let (Some(k), Some(n), Some(row), Some(column)) = sizes else { return Ok(Packed::No) };
    let shared = op.batch.iter().all(|b| size(b.rhs) == Some(0) || size(b.extent) == Some(1));
    if !shared || k == 0 || n == 0 || !fits_memory(k, n, 1) {
        return Ok(Packed::No);
    }
    let elements = (k - 1)
        .checked_mul(row)
        .zip((n - 1).checked_mul(column))
        .and_then(|(rows, columns)| rows.checked_add(columns)?.checked_add(1));
    let bytes = rhs.bytes();
    let element = op.dtype.size();
    if elements.and_then(|e| e.checked_mul(element)).is_none_or(|needed| needed > bytes) {
        let op = site.op.name();
        return Err(ExecutorError::OutOfBounds { op, argument: 1, bytes });
    }
    let (cpu, start, dims) = (site.cpu, rhs.start(), [(k, row), (n, column)]);
    // SAFETY: the bounds were checked above; a parameter or constant outlives its preparation, and
    // nobody writes to it.
    Ok(unsafe {
        let single = |values: Vec<f32>| PackedRhs::new(cpu, k, n, Matrix { start: values.as_ptr(), row: n, column: 1 });
        match op.dtype {
            DType::F16 => Packed::Single(single(narrow::widen::<f16>(start.cast(), &dims))),
            DType::BF16 => Packed::Single(single(narrow::widen::<bf16>(start.cast(), &dims))),
            DType::F64 => {
                let matrix = Matrix { start: start.cast(), row, column };
                Packed::Double(PackedRhs::new(cpu, k, n, matrix))
            }
            _ => {
                let matrix = Matrix { start: start.cast(), row, column };
                Packed::Single(PackedRhs::new(cpu, k, n, matrix))
            }
        }
    })
}

impl Prepared for PreparedMatmul {
    fn run(&self, invocation: &Invocation<'_>) {
        let LibraryOp::Matmul(op) = invocation.op else {
            unreachable!("a prepared product is invoked with its own operation")
        };
        let v = Sizes(invocation.values);
        let strides = |s: MatrixStrides| (v.get(s.row), v.get(s.column));
        let operands = invocation.operands;
        if v.get(op.m) == 0 || v.get(op.n) == 0 {
            // No elements; the number of products is not bounded by them.
            return;
        }
        let call = MatmulCall {
            size: Size { m: v.get(op.m), n: v.get(op.n), k: v.get(op.k) },
            batch: batch_offsets(op, v),
            lhs: (operands[0], strides(op.lhs)),
            rhs: (operands[1], strides(op.rhs)),
            out: (operands[2 + usize::from(op.bias)], strides(op.out)),
            bias: op.bias.then(|| operands[2]),
            finished: invocation.finished,
        };
        let (single, double) = match &self.packed {
            Packed::No => (None, None),
            Packed::Single(packed) => (Some(packed), None),
            Packed::Double(packed) => (None, Some(packed)),
        };
        // SAFETY: the invocation's operands are checked against the operation's sizes and strides,
        // and the result overlaps no operand.
        unsafe {
            match op.dtype {
                DType::F32 => direct::<f32>(invocation.cpu, &call, single),
                DType::F64 => direct::<f64>(invocation.cpu, &call, double),
                DType::F16 => narrow::product::<f16>(invocation.cpu, &call, single),
                DType::BF16 => narrow::product::<bf16>(invocation.cpu, &call, single),
                _ => unreachable!("a valid program multiplies floats"),
            }
        }
    }
}

/// A product with its sizes known, for any element type.
pub(super) struct MatmulCall<'a> {
    pub size: Size,
    /// Elements from the first product's lhs, rhs and out to each product's.
    pub batch: Vec<[usize; 3]>,
    /// Memory and strides of rows and columns.
    pub lhs: (Operand, (usize, usize)),
    pub rhs: (Operand, (usize, usize)),
    pub out: (Operand, (usize, usize)),
    pub bias: Option<Operand>,
    pub finished: Option<Finished<'a>>,
}

unsafe fn direct<T: Real>(cpu: &Cpu, call: &MatmulCall<'_>, packed: Option<&PackedRhs<T>>) {
    let matrix = |(operand, (row, column)): (Operand, (usize, usize))| Matrix {
        start: operand.start().cast::<T>().cast_const(),
        row,
        column,
    };
    let product = Product {
        size: call.size,
        lhs: matrix(call.lhs),
        rhs: packed.map_or_else(|| Rhs::Strided(matrix(call.rhs)), Rhs::Packed),
        out: matrix(call.out),
        bias: call.bias.map_or(std::ptr::null(), |bias| bias.start().cast()),
        batch: &call.batch,
        finished: call.finished,
    };
    // SAFETY: the caller's promise.
    unsafe { gemm::product(cpu, &product) };
}

/// Offsets of every product of the batch, row-major over the batch dimensions.
fn batch_offsets(op: &Matmul, v: Sizes<'_>) -> Vec<[usize; 3]> {
    let mut offsets = vec![[0; 3]];
    for b in &op.batch {
        let (extent, strides) = (v.get(b.extent), [b.lhs, b.rhs, b.out].map(|dim| v.get(dim)));
        let mut next = Vec::with_capacity(offsets.len() * extent);
        for offset in &offsets {
            for i in 0..extent {
                next.push(std::array::from_fn(|o| offset[o] + i * strides[o]));
            }
        }
        offsets = next;
    }
    offsets
}

impl Prepared for PreparedAttention {
    fn run(&self, invocation: &Invocation<'_>) {
        let v = Sizes(invocation.values);
        let gradient = |results_after: usize, s: AttentionStrides| {
            let operand = invocation.operands[invocation.operands.len() - results_after];
            (operand.start().cast::<f32>(), v.strides(s))
        };
        // SAFETY: the invocation's operands are checked against the operation's sizes and strides,
        // and the results overlap no operand.
        unsafe {
            match invocation.op {
                LibraryOp::Attention(op) => attention::attention(invocation.cpu, &forward(op, invocation)),
                LibraryOp::AttentionBackward(op) => {
                    let call = attention::Backward {
                        forward: forward(&op.forward, invocation),
                        d_q: gradient(3, op.d_q),
                        d_k: gradient(2, op.d_k),
                        d_v: gradient(1, op.d_v),
                    };
                    attention::backward(invocation.cpu, &call);
                }
                _ => unreachable!("a prepared attention is invoked with its own operation"),
            }
        }
    }
}

impl Prepared for PreparedConvolution {
    fn run(&self, invocation: &Invocation<'_>) {
        let LibraryOp::Convolution(op) = invocation.op else {
            unreachable!("a prepared convolution is invoked with its own operation")
        };
        // SAFETY: the invocation's operands are checked against the operation's sizes, and the result
        // overlaps no operand.
        unsafe {
            match op.dtype {
                DType::F32 => convolve::<f32>(op, invocation),
                DType::F64 => convolve::<f64>(op, invocation),
                DType::F16 => convolve::<f16>(op, invocation),
                DType::BF16 => convolve::<bf16>(op, invocation),
                _ => unreachable!("a valid program convolves floats"),
            }
        }
    }
}

unsafe fn convolve<T: convolution::Element>(op: &Convolution, invocation: &Invocation<'_>) {
    let v = Sizes(invocation.values);
    let at = |i: usize| invocation.operands[i].start().cast::<T>();
    let mut axes = [Axis::ONE; 3];
    let first = axes.len() - op.axes.len();
    for (to, axis) in axes[first..].iter_mut().zip(&op.axes) {
        *to = Axis {
            extent: v.get(axis.extent),
            positions: v.get(axis.positions),
            window: v.get(axis.window),
            stride: v.get(axis.stride).max(1),
            low: v.get(axis.low),
            dilation: v.get(axis.dilation),
        };
    }
    let call = convolution::Convolution {
        batch: v.get(op.batch),
        groups: v.get(op.groups),
        channels: v.get(op.channels),
        features: v.get(op.features),
        axes,
        x: at(0),
        weight: at(1),
        bias: if op.bias { at(2) } else { std::ptr::null() },
        out: at(2 + usize::from(op.bias)),
    };
    // SAFETY: the caller's promise.
    unsafe { convolution::convolution(invocation.cpu, &call) };
}

/// The sizes and operands of an attention; `out` is the argument after them.
fn forward(op: &Attention, invocation: &Invocation<'_>) -> attention::Attention {
    let v = Sizes(invocation.values);
    let at = |i: usize| invocation.operands[i].start().cast::<f32>();
    let Attention { batch, heads, kv_heads, queries, keys, width, value_width, .. } = *op;
    attention::Attention {
        batch: v.get(batch),
        heads: v.get(heads),
        kv_heads: v.get(kv_heads),
        queries: v.get(queries),
        keys: v.get(keys),
        width: v.get(width),
        value_width: v.get(value_width),
        q: (at(0), v.strides(op.q)),
        k: (at(1), v.strides(op.k)),
        v: (at(2), v.strides(op.v)),
        out: (at(3 + usize::from(op.mask.is_some())), v.strides(op.out)),
        scale: op.scale,
        causal: op.causal.map(|dim| invocation.values[dim.0 as usize]),
        mask: op.mask.map(|m| Mask { start: at(3), strides: [m.batch, m.head, m.query, m.key].map(|dim| v.get(dim)) }),
    }
}

#[derive(Clone, Copy)]
struct Sizes<'a>(&'a [i64]);

impl Sizes<'_> {
    /// A size or stride, which planning has found not to be negative.
    fn get(self, dim: DimId) -> usize {
        self.0[dim.0 as usize] as usize
    }

    fn strides(self, s: AttentionStrides) -> Strides {
        Strides { batch: self.get(s.batch), head: self.get(s.head), position: self.get(s.position) }
    }
}
