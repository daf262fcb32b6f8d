//! Derivatives that graphs of training steps name themselves.

use thunder_trace::{Dim, Operand, Tensor, Window};

use super::window::{adaptive_weights, pooled, spread};
use super::{Entry, many, one};
use crate::arguments::{Answer, Call, gap};

pub(super) const OPS: &[Entry] = &[
    one(&["aten.embedding_dense_backward.default"], |c| {
        let (dy, index) = (c.tensor("grad_output")?, c.tensor("indices")?);
        if c.bool_or("scale_grad_by_freq", false)? {
            return gap("scale_grad_by_freq");
        }
        let padding = c.int_or("padding_idx", -1)?;
        let dy = index.eq(padding).unsqueeze(-1).where_(0.0, dy);
        Ok(c.cx.zeros(c.dims()?, dy.dtype()).index_add(0, index.eq(padding).where_(0, index), dy))
    }),
    many(&["aten.native_layer_norm_backward.default"], layer_norm),
    many(&["aten.native_group_norm_backward.default"], group_norm),
    many(&["aten.convolution_backward.default"], convolution),
    one(&["aten.avg_pool2d_backward.default"], |c| {
        let (dy, x) = (c.tensor("grad_output")?, c.tensor("self")?);
        if c.bool_or("ceil_mode", false)? || c.has("divisor_override") || x.rank() != 4 {
            return gap("ceil_mode, divisor_override, or no batch");
        }
        let (size, window) = pooled(c, x, 2)?;
        let y = x.avg_pool(&size, &window, c.bool_or("count_include_pad", true)?);
        let dx = y.cotangents(&[x], dy).swap_remove(0);
        Ok(dx.unwrap_or_else(|| c.cx.zeros(x.shape(), x.dtype())))
    }),
    one(&["aten.max_pool2d_with_indices_backward.default"], max_pool),
    one(&["aten._adaptive_avg_pool2d_backward.default"], |c| {
        let (dy, x) = (c.tensor("grad_output")?, c.tensor("self")?);
        let rank = x.rank() as i64;
        let rows = adaptive_weights(c, dy.size(rank - 2), x.size(rank - 2), dy.dtype())?;
        let columns = adaptive_weights(c, dy.size(rank - 1), x.size(rank - 1), dy.dtype())?;
        Ok(rows.t().matmul(dy.matmul(columns)))
    }),
    one(&["aten._softmax_backward_data.default"], |c| {
        let (dy, y, axis) = (c.tensor("grad_output")?, c.tensor("output")?, c.int("dim")?);
        Ok(y * (dy - (dy * y).sum_keepdim(axis)))
    }),
    one(&["aten._log_softmax_backward_data.default"], |c| {
        let (dy, y, axis) = (c.tensor("grad_output")?, c.tensor("output")?, c.int("dim")?);
        Ok(dy - y.exp() * dy.sum_keepdim(axis))
    }),
    one(&["aten.threshold_backward.default"], |c| {
        let (dy, x) = (c.tensor("grad_output")?, c.tensor("self")?);
        Ok(x.le(Operand::Scalar(c.scalar("threshold")?)).where_(0.0, dy))
    }),
    one(&["aten.sigmoid_backward.default"], |c| {
        let (dy, y) = (c.tensor("grad_output")?, c.tensor("output")?);
        Ok(dy * y * (1.0 - y))
    }),
    one(&["aten.tanh_backward.default"], |c| {
        let (dy, y) = (c.tensor("grad_output")?, c.tensor("output")?);
        Ok(dy * (1.0 - y * y))
    }),
    one(&["aten.native_dropout_backward.default"], |c| {
        let (dy, kept) = (c.tensor("grad_output")?, c.tensor("mask")?);
        let dtype = c.result()?.dtype;
        Ok(dy.to(dtype) * kept.to(dtype) * c.float_or("scale", 1.0)?)
    }),
];

fn layer_norm<'t>(c: &Call<'_, 't>) -> Answer<Vec<Tensor<'t>>> {
    let (dy, x) = (c.tensor("grad_out")?, c.tensor("input")?);
    let trailing = c.sizes("normalized_shape")?.len();
    let axes: Vec<i64> = (0..x.rank() as i64).collect();
    let (outer, inner) = axes.split_at(axes.len().saturating_sub(trailing));
    let normal = (x - c.tensor("mean")?) * c.tensor("rstd")?;
    let own = c.optional("weight")?.map_or(dy, |weight| dy * weight);
    let mean = |x: Tensor<'t>| x.mean_keepdim(inner.to_vec());
    let dx = (own - mean(own) - normal * mean(own * normal)) * c.tensor("rstd")?;
    Ok(vec![dx, (dy * normal).sum(outer.to_vec()), dy.sum(outer.to_vec())])
}

fn group_norm<'t>(c: &Call<'_, 't>) -> Answer<Vec<Tensor<'t>>> {
    let (dy, x, groups) = (c.tensor("grad_out")?, c.tensor("input")?, c.int("group")?);
    let shape = x.shape();
    let grouped = |x: Tensor<'t>| x.reshape((&shape[0], groups, -1));
    let statistic = |x: Tensor<'t>| x.reshape((&shape[0], groups, 1));
    let (mean, scale) = (statistic(c.tensor("mean")?), statistic(c.tensor("rstd")?));
    let normal = (grouped(x) - mean) * scale;
    let channel = |w: Tensor<'t>| (2..shape.len()).fold(w, |w, _| w.unsqueeze(-1));
    let own = grouped(c.optional("weight")?.map_or(dy, |weight| dy * channel(weight)));
    let average = |x: Tensor<'t>| x.mean_keepdim(2);
    let dx = (own - average(own) - normal * average(own * normal)) * scale;
    let others: Vec<i64> = (0..shape.len() as i64).filter(|axis| *axis != 1).collect();
    let dw = (dy * normal.reshape(&shape[..])).sum(others.clone());
    Ok(vec![dx.reshape(&shape[..]), dw, dy.sum(others)])
}

fn convolution<'t>(c: &Call<'_, 't>) -> Answer<Vec<Tensor<'t>>> {
    if c.bool_or("transposed", false)? {
        return gap("transposed");
    }
    let (dy, x, weight) = (c.tensor("grad_output")?, c.tensor("input")?, c.tensor("weight")?);
    let space = weight.rank().saturating_sub(2);
    let window = Window {
        stride: spread(c.optional_ints("stride")?, space)?,
        padding: spread(c.optional_ints("padding")?, space)?,
        dilation: spread(c.optional_ints("dilation")?, space)?,
        overhang: None,
    };
    let y = x.convolution(weight, None, &window, c.int_or("groups", 1)?);
    let mut all = y.cotangents(&[x, weight], dy).into_iter();
    let mut next = |like: Tensor<'t>| all.next().flatten().unwrap_or_else(|| c.cx.zeros(like.shape(), like.dtype()));
    let (dx, dw) = (next(x), next(weight));
    let others: Vec<i64> = (0..dy.rank() as i64).filter(|axis| *axis != 1).collect();
    Ok(vec![dx, dw, dy.sum(others)])
}

fn max_pool<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let (dy, x, places) = (c.tensor("grad_output")?, c.tensor("self")?, c.tensor("indices")?);
    let shape = x.shape();
    let [outer @ .., height, width] = &shape[..] else { return gap("fewer than two dimensions") };
    let flat = |x: Tensor<'t>| {
        let own = x.shape();
        let positions = own[outer.len()..].iter().fold(Dim::from(1), |n, size| n * size);
        x.reshape([outer, &[positions]].concat())
    };
    let area = height * width;
    let zeros = c.cx.zeros([outer, &[area]].concat(), dy.dtype());
    Ok(zeros.scatter_add(-1, flat(places), flat(dy)).reshape(shape.clone()))
}
