//! Lays a matrix out as the panels that the tile reads.

use pulp::Simd;

use super::tile::{Real, lanes, max_vectors};
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
                if rhs.column == 1 {
                    copy_rows(from, (depth, columns), row, panel);
                } else {
                    gather(from, (depth, columns), row, panel);
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
        let (from, to) = (from.at(p, 0).start, to.wrapping_add(p * row));
        // SAFETY: the caller's promise.
        unsafe {
            std::ptr::copy_nonoverlapping(from, to, columns);
            to.add(columns).write_bytes(0, row - columns);
        }
    }
}

/// Eight columns at a time, so that each cache line of a transposed matrix is read once.
#[inline(always)]
unsafe fn gather<T: Real>(from: Matrix<T>, (depth, columns): (usize, usize), row: usize, to: *mut T) {
    const GROUP: usize = 8;
    let mut column = 0;
    while column < row {
        let group = GROUP.min(row - column);
        for p in 0..depth {
            let to = to.wrapping_add(p * row + column);
            for j in 0..group {
                // SAFETY: the caller's promise; columns past the matrix are not read.
                unsafe {
                    let value = if column + j < columns { *from.at(p, column + j).start } else { T::ZERO };
                    *to.add(j) = value;
                }
            }
        }
        column += GROUP;
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
    // Transposed: a line of the matrix holds this many rows of a column.
    const GROUP: usize = 16;
    if from.column == 1 {
        for i in 0..rows {
            // SAFETY: the caller's promise.
            unsafe { to.add(i * LHS_ROW).copy_from_nonoverlapping(from.at(i, 0).start, depth) };
        }
        return;
    }
    for first in (0..rows).step_by(GROUP) {
        for p in 0..depth {
            for i in first..rows.min(first + GROUP) {
                // SAFETY: the caller's promise.
                unsafe { *to.add(i * LHS_ROW + p) = *from.at(i, p).start };
            }
        }
    }
}
