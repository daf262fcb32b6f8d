//! The executor for this processor: matrix products and attention.

use thunder_tensor::DType;
use thunder_tensor::half::{bf16, f16};

use super::attention::{self, Mask, Strides};
use super::gemm::{self, Matrix, PackedRhs, Product, Real, Rhs, RowsDone, Size};
use super::operand::Operand;
use super::{Cpu, narrow, update_slice};
use crate::executor::{Executor, ExecutorError, Invocation, Prepared, Site};
use crate::plan::fits_memory;
use crate::program::{Attention, AttentionStrides, DimId, Dims, LibraryOp, Matmul, MatrixStrides};

/// Claims every library operation, on the processor's vector units and the session's threads.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuLibrary;

impl Executor for CpuLibrary {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn claims(&self, _op: &LibraryOp, _dims: &Dims) -> bool {
        true
    }

    fn prepare(&self, site: &Site<'_>) -> Result<Box<dyn Prepared>, ExecutorError> {
        Ok(match site.op {
            LibraryOp::Matmul(op) => Box::new(PreparedMatmul { packed: pack(op, site)? }),
            LibraryOp::Attention(_) => Box::new(PreparedAttention),
            LibraryOp::UpdateSlice(_) => Box::new(PreparedUpdate),
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
            rows_done: invocation.rows_done,
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
    pub rows_done: Option<RowsDone<'a>>,
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
        rows_done: call.rows_done,
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
        let LibraryOp::Attention(op) = invocation.op else {
            unreachable!("a prepared attention is invoked with its own operation")
        };
        let v = Sizes(invocation.values);
        let at = |i: usize| invocation.operands[i].start().cast::<f32>();
        let strides =
            |s: AttentionStrides| Strides { batch: v.get(s.batch), head: v.get(s.head), position: v.get(s.position) };
        let Attention { batch, heads, kv_heads, queries, keys, width, value_width, .. } = *op;
        let call = attention::Attention {
            batch: v.get(batch),
            heads: v.get(heads),
            kv_heads: v.get(kv_heads),
            queries: v.get(queries),
            keys: v.get(keys),
            width: v.get(width),
            value_width: v.get(value_width),
            q: (at(0), strides(op.q)),
            k: (at(1), strides(op.k)),
            v: (at(2), strides(op.v)),
            out: (at(3 + usize::from(op.mask.is_some())), strides(op.out)),
            scale: op.scale,
            causal: op.causal.map(|dim| invocation.values[dim.0 as usize]),
            mask: op
                .mask
                .map(|m| Mask { start: at(3), strides: [m.batch, m.head, m.query, m.key].map(|dim| v.get(dim)) }),
        };
        // SAFETY: the invocation's operands are checked against the operation's sizes and strides,
        // and the result overlaps no operand.
        unsafe { attention::attention(invocation.cpu, &call) };
    }
}

#[derive(Clone, Copy)]
struct Sizes<'a>(&'a [i64]);

impl Sizes<'_> {
    /// A size or stride, which planning has found not to be negative.
    fn get(self, dim: DimId) -> usize {
        self.0[dim.0 as usize] as usize
    }
}
