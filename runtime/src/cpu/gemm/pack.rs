//! Lays a matrix out as the panels that the tile reads.

use pulp::Simd;

use super::tile::{BLOCK, Real, lanes, max_vectors};
use super::{KC, Matrix};

/// Packs columns `[columns.0, columns.1)` of the `k x n` matrix `rhs`, of which the first starts a panel.
///
/// Column `c` of rows `[p, p + depth)`, `depth <= KC`, goes to the panel at `p * padded + c0 * depth`,
/// where `c0` is the panel's first column and `padded` is n in whole vectors. Missing columns of the
/// last vector are zeros.
///
/// # Safety
/// `rhs` is readable for `k x n`, `to` writable for `k * padded`.
#[inline(always)]
pub(in crate::cpu) unsafe fn pack_panels<T: Real, S: Simd>(
    _simd: S,
    (k, n): (usize, usize),
    (start, end): (usize, usize),
    rhs: Matrix<T>,
    to: *mut T,
) {
    let lanes = lanes::<T, S>();
    let width = max_vectors::<S>() * lanes;
    let padded = n.next_multiple_of(lanes);
    let mut first = 0;
    while first < k {
        let depth = KC.min(k - first);
        let mut column = start;
        while column < end {
            let columns = width.min(n - column);
            let row = if column + width <= padded { width } else { padded - column };
            let panel = to.wrapping_add(first * padded + column * depth);
            let from = rhs.at(first, column);
            // SAFETY: `columns` and `depth` lie within the matrix, the panel within `to`.
            unsafe {
                match rhs {
                    Matrix { column: 1, .. } => copy_rows(from, (depth, columns), row, panel),
                    Matrix { row: 1, .. } => transpose(from.start, rhs.column, (columns, depth), (panel, row)),
                    _ => gather(from, (depth, columns), (panel, row)),
                }
                for p in 0..depth {
                    panel.add(p * row + columns).write_bytes(0, row - columns);
                }
            }
            column += width;
        }
        first += KC;
    }
}

#[inline(always)]
unsafe fn copy_rows<T: Real>(from: Matrix<T>, (depth, columns): (usize, usize), row: usize, to: *mut T) {
    for p in 0..depth {
        // SAFETY: the caller's promise.
        unsafe { to.add(p * row).copy_from_nonoverlapping(from.at(p, 0).start, columns) };
    }
}

/// `to[p * row + j] = from[j * line + p]` for `j < lines` and `p < length`.
///
/// Four lines are read front to back at a time: whatever power of two their distance, they stay in
/// the first cache.
#[inline(always)]
unsafe fn transpose<T: Real>(from: *const T, line: usize, (lines, length): (usize, usize), (to, row): (*mut T, usize)) {
    let (whole_lines, whole) = (lines / BLOCK * BLOCK, length / BLOCK * BLOCK);
    let single = |j: usize, p: usize| {
        // SAFETY: the caller's promise.
        unsafe { *to.add(p * row + j) = *from.add(j * line + p) };
    };
    for j in (0..whole_lines).step_by(BLOCK) {
        for p in (0..whole).step_by(BLOCK) {
            // SAFETY: the block lies within the lines and their length.
            unsafe {
                let from = from.add(j * line + p);
                let block = std::array::from_fn(|j| from.add(j * line).cast::<[T; BLOCK]>().read_unaligned());
                for (q, values) in T::transposed(block).into_iter().enumerate() {
                    to.add((p + q) * row + j).cast::<[T; BLOCK]>().write_unaligned(values);
                }
            }
        }
        for p in whole..length {
            (j..j + BLOCK).for_each(|j| single(j, p));
        }
    }
    for j in whole_lines..lines {
        (0..length).for_each(|p| single(j, p));
    }
}

/// `to[i * row + j]` is row `i`, column `j` of a matrix of any strides.
#[inline(always)]
unsafe fn gather<T: Real>(from: Matrix<T>, (rows, columns): (usize, usize), (to, row): (*mut T, usize)) {
    for i in 0..rows {
        for j in 0..columns {
            // SAFETY: the caller's promise.
            unsafe { *to.add(i * row + j) = *from.at(i, j).start };
        }
    }
}

/// From one packed row of the left-hand side to the next: no multiple of a page, so that the rows of a
/// tile lie in different sets of the cache.
pub(in crate::cpu) const LHS_ROW: usize = KC + 16;

/// Packs `rows x depth` of the left-hand side, `depth <= KC`, as rows [`LHS_ROW`] apart.
///
/// # Safety
/// `from` is readable for `rows x depth`, `to` writable for `rows * LHS_ROW` numbers.
#[inline(always)]
pub(in crate::cpu) unsafe fn pack_rows<T: Real>(from: Matrix<T>, (rows, depth): (usize, usize), to: *mut T) {
    // SAFETY: the caller's promise.
    unsafe {
        match from {
            Matrix { column: 1, .. } => copy_rows(from, (rows, depth), LHS_ROW, to),
            Matrix { row: 1, .. } => transpose(from.start, from.column, (depth, rows), (to, LHS_ROW)),
            _ => gather(from, (rows, depth), (to, LHS_ROW)),
        }
    }
}
