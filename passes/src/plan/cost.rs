//! What an op costs: the one place with numbers about machines.
//!
//! An op takes as long as its arithmetic or its memory traffic, whichever is longer, and a fixed time
//! to start. The numbers are those of a few cores of a current server; plans depend on their order of
//! magnitude only. What is fused later costs less than is counted here, alike on both sides of a rule.

use thunder_interface::{Cost, Dim, Strided, StridedView, dtype_of};
use thunder_ir::{Operation, Type};

/// Nanoseconds to start a kernel.
const LAUNCH: f64 = 1_000.0;
/// Bytes that memory moves in a nanosecond.
const BANDWIDTH: f64 = 20.0;
/// Floating-point operations in a nanosecond.
const PEAK: f64 = 200.0;
/// Nanoseconds for what computes sizes, or is only another view of memory.
const SCALAR: f64 = 20.0;
/// The size that a dynamic dimension is taken to have.
const DYNAMIC: i64 = 128;

/// The nanoseconds that an op takes, as far as its interfaces tell.
pub fn cost(op: Operation<'_>) -> f64 {
    if op.has_trait("constant_like") {
        return 0.0;
    }
    if op.results().all(|v| v.ty().as_tensor().is_none()) {
        return SCALAR;
    }
    let dims = |ty: Type<'_>| -> Vec<i64> {
        let dims = ty.as_tensor().map(|t| t.dims()).unwrap_or_default();
        dims.into_iter().map(|dim| dim.unwrap_or(DYNAMIC)).collect()
    };
    let operands: Vec<_> = op.operands().map(|v| dims(v.ty())).collect();
    let results: Vec<_> = op.results().map(|v| dims(v.ty())).collect();
    let bytes: f64 = op.operands().chain(op.results()).map(|v| bytes(v.ty(), &dims(v.ty()))).sum();
    if let Some(strided) = <dyn Strided>::of(op) {
        return match repeats_or_keeps(&*strided, &operands[0], &results[0]) {
            true => SCALAR,
            // Read along with what uses it, but in an order that memory does not like.
            false => SCALAR + bytes / BANDWIDTH,
        };
    }
    let generates = op.operands().all(|v| v.ty().as_tensor().is_none());
    if generates {
        return SCALAR;
    }
    let elements = || results[0].iter().product::<i64>() as f64;
    let flops = <dyn Cost>::of(op).map_or_else(elements, |cost| cost.flops(&operands, &results));
    LAUNCH + (flops / PEAK).max(bytes / BANDWIDTH)
}

/// The bytes of a tensor; sizes are no traffic.
fn bytes(ty: Type<'_>, dims: &[i64]) -> f64 {
    let Some(tensor) = ty.as_tensor() else { return 0.0 };
    let size = dtype_of(tensor.element()).map_or(8, |dtype| dtype.size());
    size as f64 * dims.iter().product::<i64>() as f64
}

/// Whether a view is the same memory in the same order, possibly with parts of it repeated.
fn repeats_or_keeps(strided: &dyn Strided, from: &[i64], to: &[i64]) -> bool {
    let known = |sizes: &[i64]| sizes.iter().map(|size| Dim::Known(*size)).collect::<Vec<_>>();
    let Some(view) = strided.view(&StridedView::dense(known(from)), &known(to)) else { return false };
    let repeats = view.strides.iter().zip(&view.sizes).any(|(s, size)| *s == Dim::Known(0) && *size != Dim::Known(1));
    let strides = view.strides.iter().zip(&view.sizes).filter(|(_, size)| **size != Dim::Known(1));
    let mut known: Vec<i64> = strides.filter_map(|(stride, _)| stride.known()).filter(|s| *s != 0).collect();
    let is_ordered = known.is_sorted_by(|a, b| a >= b);
    known.dedup();
    is_ordered && (repeats || view.offset == Dim::Known(0) && view.is_dense())
}
