//! The register tile: a few rows times a few vectors of columns, summed over a block of k.

use pulp::bytemuck::Pod;
use pulp::{Simd, WithSimd};

/// A number that the tile multiplies.
pub trait Real: Pod + PartialEq + Send + Sync {
    /// As many of them as a register holds.
    type Vector<S: Simd>: Pod;

    /// Zero.
    const ZERO: Self;

    /// All lanes the same.
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Vector<S>;

    /// `a + b`.
    fn add<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;

    /// `a * b + c`, fused where the processor can.
    fn mul_add<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>, c: Self::Vector<S>) -> Self::Vector<S>;

    /// `a + b` of single numbers.
    fn sum(a: Self, b: Self) -> Self;

    /// A block with rows and columns exchanged.
    fn transposed(block: [[Self; BLOCK]; BLOCK]) -> [[Self; BLOCK]; BLOCK];
}

/// Rows and columns of a block that is transposed in registers.
pub(in crate::cpu) const BLOCK: usize = 4;

macro_rules! real {
    ($($number:ident $vector:ident $splat:ident $add:ident $mul_add:ident $transposed:ident;)*) => {$(
        impl Real for $number {
            type Vector<S: Simd> = S::$vector;

            const ZERO: Self = 0.0;

            #[inline(always)]
            fn splat<S: Simd>(simd: S, value: Self) -> S::$vector {
                simd.$splat(value)
            }

            #[inline(always)]
            fn add<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$add(a, b)
            }

            #[inline(always)]
            fn mul_add<S: Simd>(
                simd: S,
                a: S::$vector,
                b: S::$vector,
                c: S::$vector,
            ) -> S::$vector {
                simd.$mul_add(a, b, c)
            }

            #[inline(always)]
            fn sum(a: Self, b: Self) -> Self {
                a + b
            }

            #[inline(always)]
            fn transposed(block: [[Self; BLOCK]; BLOCK]) -> [[Self; BLOCK]; BLOCK] {
                $transposed(block)
            }
        }
    )*};
}

real! {
    f32 f32s splat_f32s add_f32s mul_add_e_f32s transposed_singles;
    f64 f64s splat_f64s add_f64s mul_add_e_f64s transposed;
}

#[inline(always)]
fn transposed<T: Copy>(block: [[T; BLOCK]; BLOCK]) -> [[T; BLOCK]; BLOCK] {
    std::array::from_fn(|i| std::array::from_fn(|j| block[j][i]))
}

/// The compiler makes twice as many shuffles of the loops as there need be.
#[inline(always)]
fn transposed_singles(block: [[f32; BLOCK]; BLOCK]) -> [[f32; BLOCK]; BLOCK] {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_mm_movehl_ps, _mm_movelh_ps, _mm_unpackhi_ps, _mm_unpacklo_ps};
        let [a, b, c, d] = pulp::cast(block);
        // SAFETY: every processor of this architecture has SSE.
        unsafe {
            let (ab, cd) = (_mm_unpacklo_ps(a, b), _mm_unpacklo_ps(c, d));
            let (ab_high, cd_high) = (_mm_unpackhi_ps(a, b), _mm_unpackhi_ps(c, d));
            let first = [_mm_movelh_ps(ab, cd), _mm_movehl_ps(cd, ab)];
            let last = [_mm_movelh_ps(ab_high, cd_high), _mm_movehl_ps(cd_high, ab_high)];
            pulp::cast([first, last])
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    transposed(block)
}

/// One block of columns of the right-hand side, as the tile reads it.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct Panel<T> {
    /// First row, first column.
    pub start: *const T,
    /// Elements from one row to the next. Columns are adjacent.
    pub row: usize,
    /// What to bring nearer while the tile is computed: for each row, so many bytes from here on.
    pub ahead: (*const T, usize),
}

/// A block of rows of the left-hand side.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct Rows<T> {
    /// First row, first column.
    pub start: *const T,
    /// Elements from one row to the next.
    pub row: usize,
    /// Elements from one column to the next.
    pub column: usize,
}

/// Where a tile's result goes.
#[derive(Clone, Copy)]
pub(in crate::cpu) struct Destination<T> {
    /// First row, first column.
    pub start: *mut T,
    /// Elements from one row to the next.
    pub row: usize,
    /// Elements from one column to the next.
    pub column: usize,
    /// Columns that exist; the tile may be wider.
    pub columns: usize,
    /// Added to every row; null for none.
    pub bias: *const T,
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

/// Columns of the left-hand side that a tile takes at a time. What there is to do besides multiplying is done once for them:
/// where two threads share a core, each gets half of its instructions, and others than products are then felt.
const STEPS: usize = 4;

/// Numbers in a vector.
pub(in crate::cpu) const fn lanes<T: Real, S: Simd>() -> usize {
    size_of::<T::Vector<S>>() / size_of::<T>()
}

/// `out = lhs * rhs` for `rows <= max_rows` rows and `vectors <= max_vectors` vectors of columns.
///
/// # Safety
/// `lhs` is readable for `rows x k`, `rhs` for `k` rows of `vectors` vectors, the bias and the
/// destination for `columns` columns, which fill all vectors but perhaps the last.
#[inline(always)]
pub(in crate::cpu) unsafe fn tile<T: Real, S: Simd>(
    simd: S,
    (rows, vectors, k): (usize, usize, usize),
    lhs: Rows<T>,
    rhs: Panel<T>,
    out: Destination<T>,
) {
    macro_rules! pick {
        ($vectors:literal, $($rows:literal)*) => {
            match rows {
                $($rows if lhs.column == 1 => call(simd, Sized::<T, $rows, $vectors, true> { k, lhs, rhs, out }),
                $rows => call(simd, Sized::<T, $rows, $vectors, false> { k, lhs, rhs, out }),)*
                _ => unreachable!("a tile has at most {} rows", max_rows::<S>()),
            }
        };
    }
    if max_rows::<S>() == 8 {
        match vectors {
            3 => pick!(3, 8 7 6 5 4 3 2 1),
            2 => pick!(2, 8 7 6 5 4 3 2 1),
            _ => pick!(1, 8 7 6 5 4 3 2 1),
        }
    } else {
        match vectors {
            2 => pick!(2, 6 5 4 3 2 1),
            _ => pick!(1, 6 5 4 3 2 1),
        }
    }
}

/// One function for each size of tile, however many callers: inlined, they would multiply.
#[inline(never)]
fn call<S: Simd, Op: WithSimd<Output = ()>>(simd: S, op: Op) {
    simd.vectorize(op);
}

struct Sized<T, const ROWS: usize, const VECTORS: usize, const ADJACENT: bool> {
    k: usize,
    lhs: Rows<T>,
    rhs: Panel<T>,
    out: Destination<T>,
}

impl<T: Real, const ROWS: usize, const VECTORS: usize, const ADJACENT: bool> WithSimd
    for Sized<T, ROWS, VECTORS, ADJACENT>
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // SAFETY: only `tile` makes one, whose caller vouches for the memory.
        unsafe {
            sized::<T, S, ROWS, VECTORS, ADJACENT>(simd, self.k, self.lhs, self.rhs, self.out);
        }
    }
}

/// Adds what a column of the left-hand side, `column` elements after the rows' first, and a row `b` of the right-hand side give.
///
/// No closure: one that is not inlined has none of the processor's features, and calls a function for each instruction.
///
/// # Safety
/// An element of each row is readable there, and `VECTORS` vectors at `b`.
#[inline(always)]
unsafe fn add<T: Real, S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    sums: &mut [[T::Vector<S>; VECTORS]; ROWS],
    rows: &[*const T; ROWS],
    column: usize,
    b: *const T,
) {
    let mut columns = [T::splat(simd, T::ZERO); VECTORS];
    for (j, vector) in columns.iter_mut().enumerate() {
        // SAFETY: the caller's promise about `b`.
        *vector = unsafe { b.add(j * lanes::<T, S>()).cast::<T::Vector<S>>().read_unaligned() };
    }
    for (sums, row) in sums.iter_mut().zip(rows) {
        // SAFETY: the caller's promise about the rows.
        let x = T::splat(simd, unsafe { *row.add(column) });
        for (sum, &vector) in sums.iter_mut().zip(&columns) {
            *sum = T::mul_add(simd, x, vector, *sum);
        }
    }
}

#[inline(always)]
unsafe fn sized<T: Real, S: Simd, const ROWS: usize, const VECTORS: usize, const ADJACENT: bool>(
    simd: S,
    k: usize,
    lhs: Rows<T>,
    rhs: Panel<T>,
    out: Destination<T>,
) {
    let lanes = lanes::<T, S>();
    let mut sums = [[T::splat(simd, T::ZERO); VECTORS]; ROWS];
    if out.column == 1 {
        // By the time the sums are there, so is the memory that they go to.
        for i in 0..ROWS {
            for j in 0..VECTORS {
                prefetch(out.start.wrapping_add(i * out.row + j * lanes));
            }
        }
    }
    // Each row has a register of its own, which keeps sums of addresses out of the loop.
    let rows: [*const T; ROWS] = std::array::from_fn(|i| std::hint::black_box(lhs.start.wrapping_add(i * lhs.row)));
    let column = if ADJACENT { 1 } else { lhs.column };
    let (mut p, mut b) = (0, rhs.start);
    let (mut ahead, share) = (rhs.ahead.0.cast::<u8>(), STEPS * rhs.ahead.1);
    if ADJACENT {
        while p + STEPS <= k {
            for line in (0..share).step_by(64) {
                prefetch(ahead.wrapping_add(line));
            }
            for step in 0..STEPS {
                // SAFETY: the caller's promise; `p + step` is below `k`.
                unsafe { add(simd, &mut sums, &rows, p + step, b.wrapping_add(step * rhs.row)) };
            }
            ahead = ahead.wrapping_add(share);
            b = b.wrapping_add(STEPS * rhs.row);
            p += STEPS;
        }
    }
    while p < k {
        // SAFETY: the caller's promise; `p` is below `k`.
        unsafe { add(simd, &mut sums, &rows, p * column, b) };
        b = b.wrapping_add(rhs.row);
        p += 1;
    }
    if !out.bias.is_null() {
        let mut bias = [T::splat(simd, T::ZERO); VECTORS];
        // SAFETY: `bias` is plain numbers, and the caller's is readable for `columns` of them.
        unsafe {
            std::ptr::copy_nonoverlapping(out.bias, bias.as_mut_ptr().cast(), out.columns);
        }
        for sums in &mut sums {
            for (sum, &bias) in sums.iter_mut().zip(&bias) {
                *sum = T::add(simd, *sum, bias);
            }
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        let row = out.start.wrapping_add(i * out.row);
        if out.columns == VECTORS * lanes && out.column == 1 {
            for (j, &sum) in sums.iter().enumerate() {
                let to = row.wrapping_add(j * lanes).cast::<T::Vector<S>>();
                // SAFETY: the caller's promise about the destination.
                unsafe {
                    let old = if out.accumulate { T::add(simd, to.read_unaligned(), sum) } else { sum };
                    to.write_unaligned(old);
                }
            }
        } else {
            // A copy: the sums themselves would leave the registers if they had an address.
            let mut spilled = [T::splat(simd, T::ZERO); VECTORS];
            for (to, &sum) in spilled.iter_mut().zip(sums) {
                *to = sum;
            }
            let values: &[T] = pulp::bytemuck::cast_slice(&spilled);
            for (j, &value) in values[..out.columns].iter().enumerate() {
                let to = row.wrapping_add(j * out.column);
                // SAFETY: the caller's promise about the destination.
                unsafe { *to = if out.accumulate { T::sum(*to, value) } else { value } };
            }
        }
    }
}

/// Starts to bring the line of an address into the first cache; any address will do.
#[inline(always)]
fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which does not fault.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
