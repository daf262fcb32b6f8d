//! Whole programs whose kernels are Rust functions.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod loops;
mod programs;
mod setup;

use super::code::{Code, Kernel};

/// Kernels by name, as a JIT would supply them.
pub(super) struct Table(pub &'static [(&'static str, Kernel)]);

// SAFETY: the functions below keep the contract of `program::Launch`: they touch `dims` elements of
// their arguments and nothing else.
unsafe impl Code for Table {
    fn kernel(&self, name: &str) -> Option<Kernel> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, kernel)| *kernel)
    }
}

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("add", add),
    ("iota", iota),
    ("scale_rows", scale_rows),
    ("increment", increment),
    ("is_below", is_below),
    ("nothing", nothing),
];

/// `out[i] = a[i] + b[i]`; dims: n.
unsafe extern "C" fn add(ptrs: *const *mut u8, dims: *const i64) {
    // SAFETY: three arrays of n floats.
    unsafe {
        let [a, b, out] = *ptrs.cast::<[*mut f32; 3]>();
        for i in 0..*dims as usize {
            *out.add(i) = *a.add(i) + *b.add(i);
        }
    }
}

/// `out[i] = start + i`; dims: n, start.
unsafe extern "C" fn iota(ptrs: *const *mut u8, dims: *const i64) {
    // SAFETY: an array of n integers.
    unsafe {
        let out = (*ptrs).cast::<i64>();
        for i in 0..*dims {
            *out.add(i as usize) = *dims.add(1) + i;
        }
    }
}

/// `out[i, j] = in[i, j] * factor[i]` from row `start` on; dims: columns, start, rows.
unsafe extern "C" fn scale_rows(ptrs: *const *mut u8, dims: *const i64) {
    // SAFETY: two matrices with the rows that are asked for, and a float per row.
    unsafe {
        let [input, factor, out] = *ptrs.cast::<[*mut f32; 3]>();
        let [columns, start, rows] = *dims.cast::<[i64; 3]>();
        for i in start as usize..(start + rows) as usize {
            for j in 0..columns as usize {
                let at = i * columns as usize + j;
                *out.add(at) = *input.add(at) * *factor.add(i);
            }
        }
    }
}

/// `x[i] += 1`; dims: n.
unsafe extern "C" fn increment(ptrs: *const *mut u8, dims: *const i64) {
    // SAFETY: an array of n floats.
    unsafe {
        let x = (*ptrs).cast::<f32>();
        for i in 0..*dims as usize {
            *x.add(i) += 1.0;
        }
    }
}

/// `out = x[0] < bound`.
unsafe extern "C" fn is_below(ptrs: *const *mut u8, _dims: *const i64) {
    // SAFETY: two floats and a byte.
    unsafe {
        let [x, bound, out] = *ptrs.cast::<[*mut u8; 3]>();
        *out = u8::from(*x.cast::<f32>() < *bound.cast::<f32>());
    }
}

/// What a step costs without its work.
unsafe extern "C" fn nothing(_ptrs: *const *mut u8, _dims: *const i64) {}
