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

/// Packs `rows x depth` of the left-hand side as tiles of up to `height` rows and nearly equal height,
/// each column by column, one after the other.
///
/// # Safety
/// `from` is readable for `rows x depth`, `to` writable for as many numbers.
#[inline(always)]
pub(in crate::cpu) unsafe fn pack_rows<T: Real>(
    from: Matrix<T>,
    (rows, depth): (usize, usize),
    height: usize,
    to: *mut T,
) {
    let tiles = rows.div_ceil(height);
    let mut row = 0;
    for left in (1..=tiles).rev() {
        let tall = (rows - row).div_ceil(left);
        let to = to.wrapping_add(row * depth);
        for p in 0..depth {
            for i in 0..tall {
                // SAFETY: the caller's promise.
                unsafe { *to.add(p * tall + i) = *from.at(row + i, p).start };
            }
        }
        row += tall;
    }
}
