//! Double-precision products, by the `gemm` crate on blocks of rows.

use super::Cpu;
use super::gemm::Size;
use super::library::MatmulCall;

/// Rows of one task.
const ROWS: usize = 64;

/// # Safety
/// As for `gemm::product`, with elements of f64.
pub(super) unsafe fn product(cpu: &Cpu, call: &MatmulCall<'_>) {
    let Size { m, n, k } = call.size;
    if m == 0 || n == 0 {
        return;
    }
    let blocks = m.div_ceil(ROWS);
    cpu.pool.run(call.batch.len() * blocks, &|task| {
        let (b, block) = (task / blocks, task % blocks);
        let (row, rows) = (block * ROWS, ROWS.min(m - block * ROWS));
        let [lhs, rhs, out] = call.batch[b];
        let (lhs_rows, lhs_columns) = call.lhs.1;
        let (rhs_rows, rhs_columns) = call.rhs.1;
        let (out_rows, out_columns) = call.out.1;
        let lhs = call.lhs.0.start().cast::<f64>().wrapping_add(lhs + row * lhs_rows);
        let rhs = call.rhs.0.start().cast::<f64>().wrapping_add(rhs);
        let out = call.out.0.start().cast::<f64>().wrapping_add(out + row * out_rows);
        for i in 0..rows {
            for j in 0..n {
                // SAFETY: row and column lie within the result, the column within the bias.
                unsafe {
                    let start = call.bias.map_or(0.0, |bias| *bias.start().cast::<f64>().add(j));
                    *out.add(i * out_rows + j * out_columns) = start;
                }
            }
        }
        if k > 0 {
            // SAFETY: the caller's promise; tasks write disjoint rows.
            unsafe {
                gemm::gemm(
                    rows,
                    n,
                    k,
                    out,
                    out_columns as isize,
                    out_rows as isize,
                    true,
                    lhs,
                    lhs_columns as isize,
                    lhs_rows as isize,
                    rhs,
                    rhs_columns as isize,
                    rhs_rows as isize,
                    1.0,
                    1.0,
                    false,
                    false,
                    false,
                    gemm::Parallelism::None,
                );
            }
        }
        if let Some(rows_done) = call.rows_done {
            rows_done(b, row, rows);
        }
    });
}
