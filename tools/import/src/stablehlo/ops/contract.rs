//! Products of tensors.

use thunder_trace::{Dim, Tensor};

use super::shape::permuted;
use super::{Entry, tensor};
use crate::arguments::{Answer, malformed};
use crate::stablehlo::call::Call;

pub(super) const OPS: &[Entry] = &[
    tensor("stablehlo.dot", |c| {
        let (x, y) = (c.tensor(0)?, c.tensor(1)?);
        if !(1..=2).contains(&x.rank()) || !(1..=2).contains(&y.rank()) {
            return malformed(format!("{x} and {y} are no matrices or vectors"));
        }
        contracted(c, [Vec::new(), Vec::new()], [vec![x.rank() - 1], vec![0]])
    }),
    tensor("stablehlo.dot_general", |c| {
        let (left, right) = (c.value(0)?.rank(), c.value(1)?.rank());
        let batch = [c.axes("lhs_batching_dimensions", left)?, c.axes("rhs_batching_dimensions", right)?];
        let inner = [c.axes("lhs_contracting_dimensions", left)?, c.axes("rhs_contracting_dimensions", right)?];
        contracted(c, batch, inner)
    }),
];

/// Sums of products over `inner` dimensions, for each of `batch`, which come first in the result.
fn contracted<'t>(c: &Call<'_, 't>, batch: [Vec<usize>; 2], inner: [Vec<usize>; 2]) -> Answer<Tensor<'t>> {
    let [left_batch, right_batch] = &batch;
    let [left_inner, right_inner] = &inner;
    let dtype = c.result(0)?.element.dtype();
    let (x, y) = (c.tensor(0)?, c.tensor(1)?);
    let dtype = dtype.unwrap_or(x.dtype());
    // Sums have the precision of the result.
    let (x, y) = (x.to(dtype), y.to(dtype));
    let (x_dims, y_dims) = (x.shape(), y.shape());
    let differ = |a: &[usize], b: &[usize]| {
        let mut pairs = a.iter().zip(b).map(|(a, b)| (x_dims[*a].known(), y_dims[*b].known()));
        a.len() != b.len() || pairs.any(|(a, b)| a.zip(b).is_some_and(|(a, b)| a != b))
    };
    if differ(left_batch, right_batch) || differ(left_inner, right_inner) {
        return malformed(format!("{batch:?} and {inner:?} are no dimensions of {x} and {y} that match"));
    }
    let free = |rank: usize, batch: &[usize], inner: &[usize]| -> Vec<usize> {
        (0..rank).filter(|axis| !batch.contains(axis) && !inner.contains(axis)).collect()
    };
    let (left_free, right_free) = (free(x.rank(), left_batch, left_inner), free(y.rank(), right_batch, right_inner));
    let order = |parts: [&[usize]; 3]| parts.concat().into_iter().map(|axis| axis as i64).collect::<Vec<_>>();
    let x = permuted(x, &order([left_batch, &left_free, left_inner]));
    let y = permuted(y, &order([right_batch, right_inner, &right_free]));
    let sizes = |dims: &[Dim], axes: &[usize]| axes.iter().map(|axis| dims[*axis].clone()).collect::<Vec<_>>();
    let (batch, rows) = (sizes(&x_dims, left_batch), sizes(&x_dims, &left_free));
    let (columns, inner) = (sizes(&y_dims, &right_free), sizes(&x_dims, left_inner));
    let right_batch = sizes(&y_dims, right_batch);
    let right_inner = sizes(&y_dims, right_inner);
    let x = x.reshape([&batch[..], &[product(&rows), product(&inner)]].concat());
    let y = y.reshape([&right_batch[..], &[product(&right_inner), product(&columns)]].concat());
    Ok(x.matmul(y).reshape([batch, rows, columns].concat()))
}

/// The number of elements of these sizes.
pub(super) fn product(dims: &[Dim]) -> Dim {
    let (mut known, mut open) = (1i64, None::<Dim>);
    for dim in dims {
        match dim.known() {
            Some(size) => known = known.saturating_mul(size),
            None => open = Some(open.map_or_else(|| dim.clone(), |open| open * dim)),
        }
    }
    match open {
        None => known.into(),
        Some(open) if known == 1 => open,
        Some(open) => open * known,
    }
}
