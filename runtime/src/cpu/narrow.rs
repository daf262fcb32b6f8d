//! Half-precision products: operands widened to f32, sums in f32, one rounding at the end.

use thunder_tensor::half::{bf16, f16};

use super::Cpu;
use super::gemm::{self, Matrix, PackedRhs, Product, Rhs, Size};
use super::library::MatmulCall;
use crate::executor::{Block, Finished};

/// A 16-bit float.
pub(super) trait Half: Copy + Send + Sync {
    fn wide(self) -> f32;
    fn round(value: f32) -> Self;
}

impl Half for f16 {
    fn wide(self) -> f32 {
        self.to_f32()
    }

    fn round(value: f32) -> Self {
        Self::from_f32(value)
    }
}

impl Half for bf16 {
    fn wide(self) -> f32 {
        self.to_f32()
    }

    fn round(value: f32) -> Self {
        Self::from_f32(value)
    }
}

/// A strided matrix as contiguous floats.
///
/// # Safety
/// `from` is readable for the (extent, stride) of both dimensions.
pub(super) unsafe fn widen<T: Half>(from: *const T, dims: &[(usize, usize); 2]) -> Vec<f32> {
    let [(rows, row), (columns, column)] = *dims;
    let mut wide = Vec::with_capacity(rows * columns);
    for i in 0..rows {
        for j in 0..columns {
            // SAFETY: the caller's promise.
            wide.push(unsafe { *from.add(i * row + j * column) }.wide());
        }
    }
    wide
}

/// # Safety
/// As for `gemm::product`, with elements of `T`.
pub(super) unsafe fn product<T: Half>(cpu: &Cpu, call: &MatmulCall<'_>, packed: Option<&PackedRhs<f32>>) {
    let Size { m, n, k } = call.size;
    if m == 0 || n == 0 {
        return;
    }
    let bias: Option<Vec<f32>> = call.bias.map(|bias| {
        // SAFETY: the bias has n elements.
        unsafe { widen::<T>(bias.start().cast(), &[(1, 0), (n, 1)]) }
    });
    for (b, &[lhs, rhs, out]) in call.batch.iter().enumerate() {
        let (rows, columns) = call.lhs.1;
        let from = call.lhs.0.start().cast::<T>().wrapping_add(lhs);
        // SAFETY: the caller's promise.
        let lhs = unsafe { widen(from, &[(m, rows), (k, columns)]) };
        let wide;
        let rhs = match packed {
            Some(packed) => Rhs::Packed(packed),
            None => {
                let (rows, columns) = call.rhs.1;
                let from = call.rhs.0.start().cast::<T>().wrapping_add(rhs);
                // SAFETY: the caller's promise.
                wide = unsafe { widen(from, &[(k, rows), (n, columns)]) };
                Rhs::Strided(Matrix { start: wide.as_ptr(), row: n, column: 1 })
            }
        };
        let mut result = vec![0.0_f32; m * n];
        let (row, column) = call.out.1;
        let (from, to) = (Shared(result.as_mut_ptr()), Shared(call.out.0.start().cast::<T>().wrapping_add(out)));
        let round = |block: Block| {
            let (from, to) = (from.start(), to.start());
            for i in block.rows.clone() {
                for j in block.columns.clone() {
                    // SAFETY: row and column lie within the result, and nobody else writes a finished block.
                    unsafe { *to.add(i * row + j * column) = T::round(*from.add(i * n + j)) };
                }
            }
            if let Some(finished) = call.finished {
                (finished.run)(Block { batch: b, ..block });
            }
        };
        let whole_rows = call.finished.is_some_and(|finished| finished.whole_rows);
        let product = Product {
            size: call.size,
            lhs: Matrix { start: lhs.as_ptr(), row: k, column: 1 },
            rhs,
            out: Matrix { start: result.as_mut_ptr(), row: n, column: 1 },
            bias: bias.as_ref().map_or(std::ptr::null(), |bias| bias.as_ptr()),
            batch: &[[0; 3]],
            finished: Some(Finished { run: &round, whole_rows }),
        };
        // SAFETY: every matrix was made with the size that its strides claim.
        unsafe { gemm::product(cpu, &product) };
    }
}

/// Where threads write rows of their own.
#[derive(Clone, Copy)]
struct Shared<T>(*mut T);

// SAFETY: a plain address; whoever writes through it vouches for the memory.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn start(&self) -> *mut T {
        self.0
    }
}
