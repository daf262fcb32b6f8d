//! Matrix products in single and double precision: packed panels, register tiles, tasks for the pool.
//!
//! The right-hand side is stored as panels: blocks of [`KC`] rows, in each panels of a tile's width,
//! so that the tile reads it front to back. Weights are packed once ([`PackedRhs`]). The tile keeps
//! its sums in registers for a whole block of rows; the structure is that of Goto and van de Geijn,
//! "Anatomy of High-Performance Matrix Multiplication" (2008). Sums run in order of k within a block
//! of [`KC`], blocks are added in order: the same shape gives the same bits for any thread count.

pub(super) mod pack;
pub(super) mod tile;

pub use tile::Real;

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering};

use pulp::{Arch, Simd, WithSimd};

use super::Cpu;
use super::scratch::Aligned;
use crate::executor::{Block, Finished};
use pack::{LHS_ROW, pack_panels, pack_rows};
use tile::{Destination, Panel, Rows, lanes, max_rows, max_vectors};

/// Rows of the right-hand side that are multiplied at a time.
pub const KC: usize = 384;

/// Rows of the left-hand side that one task keeps in its cache.
const MC: usize = 128;

/// The most rows of the left-hand side for which the right-hand side is read where it is.
const IN_PLACE: usize = 16;

/// Floating-point operations worth a task of their own: some microseconds.
const TASK_FLOPS: usize = 1 << 20;

/// A matrix somewhere in memory; strides count elements.
#[derive(Debug)]
pub struct Matrix<T> {
    /// The element at row 0, column 0.
    pub start: *const T,
    /// From one row to the next.
    pub row: usize,
    /// From one column to the next.
    pub column: usize,
}

impl<T> Clone for Matrix<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Matrix<T> {}

// SAFETY: a plain address; whoever reads through it vouches for the memory.
unsafe impl<T> Send for Matrix<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Matrix<T> {}

impl<T> Matrix<T> {
    pub(super) fn at(self, row: usize, column: usize) -> Self {
        let start = self.start.wrapping_add(row * self.row + column * self.column);
        Self { start, ..self }
    }

    fn offset(self, elements: usize) -> Self {
        Self { start: self.start.wrapping_add(elements), ..self }
    }
}

/// A right-hand side laid out for the tile.
#[derive(Debug)]
pub struct PackedRhs<T> {
    panels: Aligned,
    element: PhantomData<T>,
    k: usize,
    n: usize,
}

/// The right-hand side of a product.
#[derive(Clone, Copy, Debug)]
pub enum Rhs<'a, T> {
    /// Packed before. The same for every batch.
    Packed(&'a PackedRhs<T>),
    /// Anywhere; packed for each product, or read in place.
    Strided(Matrix<T>),
}

/// Sizes of a batch of products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Rows of the left-hand side.
    pub m: usize,
    /// Columns of the right-hand side.
    pub n: usize,
    /// The summed extent.
    pub k: usize,
}

/// A batch of products `out[b] = lhs[b] * rhs[b] + bias`.
pub struct Product<'a, T> {
    /// Sizes of each product.
    pub size: Size,
    /// Left-hand side of the first product.
    pub lhs: Matrix<T>,
    /// Right-hand side of the first product.
    pub rhs: Rhs<'a, T>,
    /// Result of the first product.
    pub out: Matrix<T>,
    /// `size.n` numbers, or null.
    pub bias: *const T,
    /// Elements from the first product's lhs, rhs and out to those of each product.
    pub batch: &'a [[usize; 3]],
    /// What to do with finished parts.
    pub finished: Option<Finished<'a>>,
}

// SAFETY: addresses and a shared closure; `product` demands what is needed to use them.
unsafe impl<T> Sync for Product<'_, T> {}

/// Numbers that the packed form of a `k x n` matrix takes.
fn packed_len<T: Real>(arch: Arch, k: usize, n: usize) -> usize {
    k * padded::<T>(arch, n)
}

fn padded<T: Real>(arch: Arch, n: usize) -> usize {
    struct Lanes<T>(PhantomData<T>);
    impl<T: Real> WithSimd for Lanes<T> {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            lanes::<T, S>()
        }
    }
    n.next_multiple_of(arch.dispatch(Lanes(PhantomData::<T>)))
}

impl<T: Real> PackedRhs<T> {
    /// Packs the `k x n` matrix `rhs`.
    ///
    /// # Safety
    /// `rhs` is readable for `k x n`.
    pub unsafe fn new(cpu: &Cpu, k: usize, n: usize, rhs: Matrix<T>) -> Self {
        let mut panels = Aligned::zeroed(packed_len::<T>(cpu.arch, k, n) * size_of::<T>());
        // SAFETY: the caller's promise, and `panels` has room for the packed form.
        unsafe { pack_all(cpu, (k, n), rhs, &[0], panels.as_mut_ptr().cast::<T>()) };
        Self { panels, element: PhantomData, k, n }
    }

    /// Bytes that the packed form occupies.
    pub fn bytes(&self) -> usize {
        self.panels.len()
    }
}

/// Packs each of the matrices at `rhs + offsets[b]` into consecutive parts of `to`.
unsafe fn pack_all<T: Real>(cpu: &Cpu, (k, n): (usize, usize), rhs: Matrix<T>, offsets: &[usize], to: *mut T) {
    // Columns per task: a multiple of every tile width, large enough to be worth a task.
    const COLUMNS: usize = 192;
    let blocks = n.div_ceil(COLUMNS);
    let to = Matrix { start: to, row: 0, column: 1 };
    cpu.pool.run(offsets.len() * blocks, &|task| {
        let (batch, block) = (task / blocks, task % blocks);
        let matrix = rhs.offset(offsets[batch]);
        let to = to.at(0, batch * packed_len::<T>(cpu.arch, k, n)).start.cast_mut();
        let columns = (block * COLUMNS, n.min((block + 1) * COLUMNS));
        // SAFETY: the caller's promise; tasks write disjoint panels.
        cpu.arch.dispatch(Pack { size: (k, n), columns, rhs: matrix, to });
    });
}

struct Pack<T> {
    size: (usize, usize),
    columns: (usize, usize),
    rhs: Matrix<T>,
    to: *mut T,
}

impl<T: Real> WithSimd for Pack<T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // SAFETY: `pack_all` vouches for the memory.
        unsafe { pack_panels(simd, self.size, self.columns, self.rhs, self.to) };
    }
}

/// How a product is cut into tasks.
#[derive(Clone, Copy, Debug)]
struct Grid {
    /// Rows of a task.
    rows: usize,
    /// Columns of a task; a multiple of every tile width.
    columns: usize,
    row_blocks: usize,
    column_blocks: usize,
}

impl Grid {
    fn new(size: Size, batch: usize, threads: usize) -> Self {
        // A multiple of all tile widths and heights.
        const WIDTH: usize = 48;
        const HEIGHT: usize = 8;
        let mut grid = Self { rows: MC.min(size.m), columns: size.n, row_blocks: 0, column_blocks: 0 };
        let flops = 2 * size.m.saturating_mul(size.n).saturating_mul(size.k).saturating_mul(batch);
        let wanted = if threads == 1 { 1 } else { (4 * threads).min(flops / TASK_FLOPS) };
        while batch * size.m.div_ceil(grid.rows) * size.n.div_ceil(grid.columns) < wanted {
            // Halve the side that leaves the squarer task, so that both operands are reused.
            if grid.columns > grid.rows && grid.columns > 2 * WIDTH {
                grid.columns = (grid.columns / 2).next_multiple_of(WIDTH);
            } else if grid.rows > 2 * HEIGHT {
                grid.rows = (grid.rows / 2).next_multiple_of(HEIGHT);
            } else {
                break;
            }
        }
        grid.row_blocks = size.m.div_ceil(grid.rows);
        grid.column_blocks = size.n.div_ceil(grid.columns);
        grid
    }
}

thread_local! {
    /// Where a task lays out its rows of the left-hand side.
    static LHS: Cell<Aligned> = const { Cell::new(Aligned::EMPTY) };
}

/// Computes a batch of products on the pool.
///
/// # Safety
/// For every batch offset: lhs is readable for `m x k`, rhs for `k x n`, the bias for `n`, out is
/// writable for `m x n` and overlaps none of them nor itself.
pub unsafe fn product<T: Real>(cpu: &Cpu, product: &Product<'_, T>) {
    let Size { m, n, k } = product.size;
    let batch = product.batch.len();
    if m == 0 || n == 0 || batch == 0 {
        return;
    }
    let packed_size = packed_len::<T>(cpu.arch, k, n);
    let mut loan = None;
    let (panels, stride) = match product.rhs {
        // Few rows do not repay packing. Columns must fill whole vectors, which the tile reads.
        Rhs::Strided(rhs) if rhs.column == 1 && m <= IN_PLACE && packed_size == k * n => (std::ptr::null(), None),
        Rhs::Packed(packed) => {
            assert_eq!((packed.k, packed.n), (k, n), "a packed matrix is used with its own size");
            (packed.panels.as_ptr().cast::<T>(), None)
        }
        Rhs::Strided(rhs) => {
            let mut offsets: Vec<usize> = product.batch.iter().map(|offsets| offsets[1]).collect();
            let shared = offsets.iter().all(|&offset| offset == offsets[0]);
            if shared {
                offsets.truncate(1);
            }
            let loan = loan.insert(cpu.reserve.take(packed_size * offsets.len() * size_of::<T>()));
            let panels = loan.as_mut_ptr().cast::<T>();
            // SAFETY: the caller's promise, and the loan has room for every packed matrix.
            unsafe { pack_all(cpu, (k, n), rhs, &offsets, panels) };
            (panels.cast_const(), (!shared).then_some(packed_size))
        }
    };
    let grid = Grid::new(product.size, batch, cpu.pool.threads());
    let whole_rows = product.finished.is_some_and(|finished| finished.whole_rows);
    let pending: Vec<AtomicU32> = if whole_rows && grid.column_blocks > 1 {
        let count = grid.column_blocks as u32;
        (0..batch * grid.row_blocks).map(|_| AtomicU32::new(count)).collect()
    } else {
        Vec::new()
    };
    let panels = Matrix { start: panels, row: 0, column: 1 };
    cpu.pool.run(batch * grid.row_blocks * grid.column_blocks, &|task| {
        let (rest, column_block) = (task / grid.column_blocks, task % grid.column_blocks);
        let (b, row_block) = (rest / grid.row_blocks, rest % grid.row_blocks);
        let (row, column) = (row_block * grid.rows, column_block * grid.columns);
        let rows = (row, m.min(row + grid.rows));
        let columns = (column, n.min(column + grid.columns));
        cpu.arch.dispatch(Task {
            product,
            offsets: product.batch[b],
            panels: if panels.start.is_null() { None } else { Some(panels.at(0, b * stride.unwrap_or(0)).start) },
            rows,
            columns,
        });
        let Some(finished) = product.finished else { return };
        let is_last = match pending.get(rest) {
            Some(pending) => pending.fetch_sub(1, Ordering::AcqRel) == 1,
            None => true,
        };
        if is_last {
            let columns = if whole_rows { 0..n } else { columns.0..columns.1 };
            (finished.run)(Block { batch: b, rows: rows.0..rows.1, columns });
        }
    });
}

struct Task<'a, T> {
    product: &'a Product<'a, T>,
    offsets: [usize; 3],
    /// The packed right-hand side; `None` reads it in place.
    panels: Option<*const T>,
    rows: (usize, usize),
    columns: (usize, usize),
}

impl<T: Real> WithSimd for Task<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // SAFETY: `product` vouches for the memory; tasks write disjoint parts of `out`.
        unsafe { self.run(simd) };
    }
}

impl<T: Real> Task<'_, T> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self, simd: S) {
        let Size { n, k, .. } = self.product.size;
        let lanes = lanes::<T, S>();
        let width = max_vectors::<S>() * lanes;
        let height = max_rows::<S>();
        let padded = n.next_multiple_of(lanes);
        let lhs = self.product.lhs;
        let lhs = lhs.offset(self.offsets[0]);
        let out = self.product.out;
        let out = out.offset(self.offsets[2]);
        // Rows a multiple of the page size apart share few cache sets; a transposed lhs would be read
        // one line per element. Otherwise reading in place saves the copy.
        let (task_rows, task_columns) = (self.rows.1 - self.rows.0, self.columns.1 - self.columns.0);
        let far = lhs.row >= 1024 && task_rows > 8 * height && task_columns > 16 * width;
        let pack_lhs = lhs.column != 1 || far;
        // Tiles of nearly equal height: a last one of few rows could not hide latencies.
        let tiles = task_rows.div_ceil(height);
        let mut first = 0;
        // k == 0 takes one round too: it writes zeros or the bias.
        while first == 0 || first < k {
            let depth = KC.min(k - first);
            let mut packed = None;
            if pack_lhs {
                let scratch = packed.insert(LHS.take());
                scratch.reserve(task_rows * LHS_ROW * size_of::<T>());
                let to = scratch.as_mut_ptr().cast::<T>();
                // SAFETY: rows and depth lie within the product's sizes, and `to` has room for them.
                unsafe { pack_rows(lhs.at(self.rows.0, first), (task_rows, depth), to) };
            }
            let mut column = self.columns.0;
            while column < self.columns.1 {
                let columns = width.min(self.columns.1 - column);
                let vectors = columns.div_ceil(lanes);
                let mut panel = match (self.panels, self.product.rhs) {
                    (None, Rhs::Strided(rhs)) => {
                        let rhs = rhs.offset(self.offsets[1]);
                        Panel { start: rhs.at(first, column).start, row: rhs.row, ahead: (std::ptr::null(), 0) }
                    }
                    (None, Rhs::Packed(_)) => unreachable!("a packed matrix has panels"),
                    (Some(panels), _) => {
                        // The last panel of a row of panels may be narrower.
                        let row = if column + width <= padded { width } else { padded - column };
                        let start = panels.wrapping_add(first * padded + column * depth);
                        // Each pass over this panel fetches its share of the next one, which lies behind it.
                        let share = (row * size_of::<T>()).div_ceil(tiles);
                        Panel { start, row, ahead: (start.wrapping_add(depth * row), share) }
                    }
                };
                let bias = match self.product.bias {
                    bias if first > 0 || bias.is_null() => std::ptr::null(),
                    bias => bias.wrapping_add(column),
                };
                let mut i = self.rows.0;
                for left in (1..=tiles).rev() {
                    let rows = (self.rows.1 - i).div_ceil(left);
                    let from = match &packed {
                        Some(scratch) => Matrix {
                            start: scratch.as_ptr().cast::<T>().wrapping_add((i - self.rows.0) * LHS_ROW),
                            row: LHS_ROW,
                            column: 1,
                        },
                        None => lhs.at(i, first),
                    };
                    let to = out.at(i, column);
                    let destination = Destination {
                        start: to.start.cast_mut(),
                        row: to.row,
                        column: to.column,
                        columns,
                        bias,
                        accumulate: first > 0,
                    };
                    let from = Rows { start: from.start, row: from.row, column: from.column };
                    // SAFETY: rows, columns and depth lie within the product's sizes.
                    unsafe {
                        tile::tile(simd, (rows, vectors, depth), from, panel, destination);
                    }
                    panel.ahead.0 = panel.ahead.0.wrapping_byte_add(depth * panel.ahead.1);
                    i += rows;
                }
                column += width;
            }
            LHS.set(packed.unwrap_or_default());
            first += KC;
        }
    }
}
