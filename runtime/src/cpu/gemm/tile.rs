//! The register tile: a few rows times a few vectors of columns, summed over a block of k.

use pulp::Simd;

/// One block of columns of the right-hand side, as the tile reads it.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct Panel {
    /// First row, first column.
    pub start: *const f32,
    /// Elements from one row to the next. Columns are adjacent.
    pub row: usize,
}

/// A block of rows of the left-hand side.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct Rows {
    /// First row, first column.
    pub start: *const f32,
    /// Elements from one row to the next.
    pub row: usize,
    /// Elements from one column to the next.
    pub column: usize,
}

/// Where a tile's result goes.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct Destination {
    /// First row, first column.
    pub start: *mut f32,
    /// Elements from one row to the next.
    pub row: usize,
    /// Elements from one column to the next.
    pub column: usize,
    /// Columns that exist; the tile may be wider.
    pub columns: usize,
    /// Added to every row; null for none.
    pub bias: *const f32,
    /// Whether the result is added to what is there, instead of replacing it.
    pub accumulate: bool,
}

/// Vectors of columns in a full tile: with the rows below, what fits the registers.
pub(in crate::cpu) const fn max_vectors<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { 3 } else { 2 }
}

/// Rows of a full tile.
pub(in crate::cpu) const fn max_rows<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { 8 } else { 6 }
}

/// Floats in a vector.
pub(in crate::cpu) const fn lanes<S: Simd>() -> usize {
    size_of::<S::f32s>() / size_of::<f32>()
}

/// `out = lhs * rhs` for `rows <= max_rows` rows and `vectors <= max_vectors` vectors of columns.
///
/// # Safety
/// `lhs` is readable for `rows x k`, `rhs` for `k` rows of `vectors` vectors, the bias and the
/// destination for `columns` columns, which fill all vectors but perhaps the last.
#[inline(always)]
pub(in crate::cpu) unsafe fn tile<S: Simd>(
    simd: S,
    (rows, vectors, k): (usize, usize, usize),
    lhs: Rows,
    rhs: Panel,
    out: Destination,
) {
    macro_rules! pick {
        ($($rows:literal)*; $vectors:tt) => { pick!(@ [$($rows)*] $vectors) };
        (@ $rows:tt [$($vectors:literal)*]) => { match vectors { $($vectors => pick!(# $rows $vectors),)* _ => unreachable!("a tile is at most {} vectors wide", max_vectors::<S>()) } };
        (# [$($rows:literal)*] $vectors:literal) => {
            match rows {
                // SAFETY: the caller's promise. Packed rows have strides known to the compiler.
                $($rows if lhs.row == 1 && lhs.column == $rows => unsafe { sized::<S, $rows, $vectors, true>(simd, k, lhs, rhs, out) },
                // SAFETY: the caller's promise.
                $rows => unsafe { sized::<S, $rows, $vectors, false>(simd, k, lhs, rhs, out) },)*
                _ => unreachable!("a tile has at most {} rows", max_rows::<S>()),
            }
        };
    }
    if max_rows::<S>() == 8 { pick!(8 7 6 5 4 3 2 1; [3 2 1]) } else { pick!(6 5 4 3 2 1; [2 1]) }
}

#[inline(always)]
unsafe fn sized<S: Simd, const ROWS: usize, const VECTORS: usize, const PACKED: bool>(
    simd: S,
    k: usize,
    lhs: Rows,
    rhs: Panel,
    out: Destination,
) {
    let lanes = lanes::<S>();
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
    let (row, column) = if PACKED { (1, ROWS) } else { (lhs.row, lhs.column) };
    let (mut a, mut b) = (lhs.start, rhs.start);
    for _ in 0..k {
        let mut columns = [simd.splat_f32s(0.0); VECTORS];
        for (j, column) in columns.iter_mut().enumerate() {
            // SAFETY: the caller's promise about `rhs`; `b` is at a row below `k`.
            *column = unsafe { b.add(j * lanes).cast::<S::f32s>().read_unaligned() };
        }
        for (i, sums) in sums.iter_mut().enumerate() {
            // SAFETY: the caller's promise about `lhs`; `a` is at a column below `k`.
            let x = simd.splat_f32s(unsafe { *a.add(i * row) });
            for (sum, &column) in sums.iter_mut().zip(&columns) {
                *sum = simd.mul_add_e_f32s(x, column, *sum);
            }
        }
        a = a.wrapping_add(column);
        b = b.wrapping_add(rhs.row);
    }
    if !out.bias.is_null() {
        let mut bias = [simd.splat_f32s(0.0); VECTORS];
        // SAFETY: `bias` is plain floats, and the caller's is readable for `columns` of them.
        unsafe {
            std::ptr::copy_nonoverlapping(out.bias, bias.as_mut_ptr().cast(), out.columns);
        }
        for sums in &mut sums {
            for (sum, &bias) in sums.iter_mut().zip(&bias) {
                *sum = simd.add_f32s(*sum, bias);
            }
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        let row = out.start.wrapping_add(i * out.row);
        if out.columns == VECTORS * lanes && out.column == 1 {
            for (j, &sum) in sums.iter().enumerate() {
                let to = row.wrapping_add(j * lanes).cast::<S::f32s>();
                // SAFETY: the caller's promise about the destination.
                unsafe {
                    let old = if out.accumulate { simd.add_f32s(to.read_unaligned(), sum) } else { sum };
                    to.write_unaligned(old);
                }
            }
        } else {
            // A copy: the sums themselves would leave the registers if they had an address.
            let mut spilled = [simd.splat_f32s(0.0); VECTORS];
            for (to, &sum) in spilled.iter_mut().zip(sums) {
                *to = sum;
            }
            let values: &[f32] = pulp::bytemuck::cast_slice(&spilled);
            for (j, &value) in values[..out.columns].iter().enumerate() {
                let to = row.wrapping_add(j * out.column);
                // SAFETY: the caller's promise about the destination.
                unsafe { *to = if out.accumulate { *to + value } else { value } };
            }
        }
    }
}
