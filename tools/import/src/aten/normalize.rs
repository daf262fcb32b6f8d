//! Normalizations.

use thunder_trace::{DType, Dim, Tensor};

use super::arithmetic::widened;
use super::{Entry, many, one, updates};
use crate::arguments::{Answer, Call, ensure, malformed};

pub(super) const OPS: &[Entry] = &[
    one(&["aten.softmax.int", "aten._softmax.default", "aten.special_softmax.int"], |c| along(c, Tensor::softmax)),
    // Where all is left out, nothing has a share.
    one(&["aten._safe_softmax.default"], |c| {
        along(c, |x, axis| {
            let none = x.eq(f64::NEG_INFINITY).all_keepdim(axis);
            none.where_(0.0, none.where_(0.0, x).softmax(axis))
        })
    }),
    one(&["aten.log_softmax.int", "aten._log_softmax.default", "aten.special_log_softmax.int"], |c| {
        along(c, Tensor::log_softmax)
    }),
    one(&["aten.layer_norm.default"], |c| {
        let (x, eps) = (c.tensor("input")?, c.float_or("eps", 1e-5)?);
        Ok(x.layer_norm(trailing(c, x)?, c.optional("weight")?, c.optional("bias")?, eps))
    }),
    many(&["aten.native_layer_norm.default"], |c| {
        let (x, eps) = (c.tensor("input")?, c.float_or("eps", 1e-5)?);
        let trailing = trailing(c, x)?;
        let y = x.layer_norm(trailing, c.optional("weight")?, c.optional("bias")?, eps);
        let rank = x.rank() as i64;
        Ok([vec![y], statistics(x, (rank - trailing..rank).collect(), eps)].concat())
    }),
    one(&["aten.rms_norm.default"], |c| {
        let x = c.tensor("input")?;
        let eps = c.float_or("eps", epsilon(x.dtype().part()))?;
        if x.dtype().is_complex() {
            // As PyTorch has it, by the squares themselves.
            let rank = x.rank() as i64;
            let axes: Vec<i64> = (rank - trailing(c, x)?..rank).collect();
            let y = x * ((x * x).mean_keepdim(axes) + eps).rsqrt();
            return Ok(c.optional("weight")?.map_or(y, |weight| y * weight));
        }
        Ok(x.rms_norm(trailing(c, x)?, c.optional("weight")?, eps))
    }),
    many(&["aten._fused_rms_norm.default"], |c| {
        let x = c.tensor("input")?;
        let trailing = trailing(c, x)?;
        let eps = c.float_or("eps", epsilon(x.dtype()))?;
        let rank = x.rank() as i64;
        let axes: Vec<i64> = (rank - trailing..rank).collect();
        let scale = ((x * x).mean_keepdim(axes) + eps).rsqrt();
        Ok(vec![x.rms_norm(trailing, c.optional("weight")?, eps), scale])
    }),
    one(&["aten.group_norm.default"], |c| {
        let (x, weight, bias) = (c.tensor("input")?, c.optional("weight")?, c.optional("bias")?);
        let is_empty = x.shape().iter().skip(1).any(|size| size.known() == Some(0));
        ensure(!is_empty, format!("groups of no elements in {x}"))?;
        Ok(x.group_norm(c.int("num_groups")?, weight, bias, c.float_or("eps", 1e-5)?))
    }),
    many(&["aten.native_group_norm.default"], |c| {
        let (x, groups, eps) = (c.tensor("input")?, c.int("group")?, c.float_or("eps", 1e-5)?);
        let y = x.group_norm(groups, c.optional("weight")?, c.optional("bias")?, eps);
        let [batch, channels, space @ ..] = &x.shape()[..] else { return malformed("no channels") };
        let inner = space.iter().fold(channels / groups, |n, size| n * size);
        let grouped = x.reshape((batch, groups, inner));
        let made = statistics(grouped, vec![2], eps).into_iter().map(|x| x.squeeze(-1));
        Ok([y].into_iter().chain(made).collect())
    }),
    updates(&["aten.batch_norm.default"], RUNNING, |c| {
        // No elements may be of any rank.
        if c.tensor("input")?.shape().contains(&Dim::from(0)) {
            return Ok(vec![c.tensor("input")?]);
        }
        if c.bool_or("training", false)? { updated(c, by_batch(c, &[0])?, 1) } else { Ok(vec![batch_norm(c)?]) }
    }),
    updates(&["aten.instance_norm.default"], RUNNING, |c| {
        let uses_own = c.bool_or("use_input_stats", true)?;
        if uses_own { updated(c, by_batch(c, &[])?, 1) } else { Ok(vec![batch_norm(c)?]) }
    }),
    updates(&["aten._native_batch_norm_legit.default", "aten.native_batch_norm.default"], RUNNING, |c| {
        if c.bool_or("training", false)? {
            return updated(c, by_batch(c, &[0])?, 3);
        }
        let none = c.cx.zeros([0], c.result()?.dtype);
        Ok(vec![batch_norm(c)?, none, none])
    }),
    updates(&["aten._batch_norm_with_update.default"], RUNNING, |c| updated(c, by_batch(c, &[0])?, 4)),
    many(&["aten._native_batch_norm_legit.no_stats"], |c| {
        let Batch { y, mean, scale, .. } = by_batch(c, &[0])?;
        Ok(stated(c, vec![y, mean, scale]))
    }),
    many(&["aten._native_batch_norm_legit_functional.default"], |c| {
        let (before_mean, before_variance) = (c.tensor("running_mean")?, c.tensor("running_var")?);
        if !c.bool_or("training", false)? {
            let none = c.cx.zeros([0], c.tensor("input")?.dtype());
            return Ok(vec![batch_norm(c)?, none, none, before_mean, before_variance]);
        }
        let Batch { y, mean, scale, unbiased } = by_batch(c, &[0])?;
        let momentum = c.float_or("momentum", 0.1)?;
        let running_mean = before_mean.lerp(mean.to(before_mean.dtype()), momentum);
        let running_variance = before_variance.lerp(unbiased.to(before_variance.dtype()), momentum);
        Ok(stated(c, vec![y, mean, scale, running_mean, running_variance]))
    }),
    many(&["aten._native_batch_norm_legit_no_training.default", "aten._batch_norm_no_update.default"], |c| {
        // Mean and variance of the batch are not computed: there are none of them.
        let none = c.cx.zeros([0], c.tensor("input")?.dtype());
        Ok(vec![batch_norm(c)?, none, none])
    }),
    one(&["aten.normalize.default"], |c| {
        Ok(c.tensor("self")?.normalize(c.int_or("dim", 1)?, c.float_or("eps", 1e-12)?))
    }),
    one(&["aten.cosine_similarity.default"], |c| {
        let (x, y) = (c.tensor("x1")?, c.tensor("x2")?);
        let (axis, eps) = (c.int_or("dim", 1)?, c.float_or("eps", 1e-8)?);
        if x.rank() == 0 && y.rank() == 0 {
            return Ok(x / x.abs().maximum(eps) * (y / y.abs().maximum(eps)));
        }
        Ok((x / x.norm(axis).maximum(eps) * (y / y.norm(axis).maximum(eps))).sum(axis))
    }),
];

/// A function of rows in the dtype of its result; a number alone is a row.
fn along<'t>(c: &Call<'_, 't>, function: fn(Tensor<'t>, i64) -> Tensor<'t>) -> Answer<Tensor<'t>> {
    let x = c.tensor("self")?.to(c.result()?.dtype);
    Ok(if x.rank() == 0 { function(x.unsqueeze(0), 0).squeeze(0) } else { function(x, c.int("dim")?) })
}

/// How many of the last dimensions of `x` are normalized: those of `normalized_shape`.
fn trailing(c: &Call<'_, '_>, x: Tensor<'_>) -> Answer<i64> {
    let (own, sizes) = (x.shape(), c.sizes("normalized_shape")?);
    let differ = |(own, size): (&Dim, &Dim)| own.known().zip(size.known()).is_some_and(|(own, size)| own != size);
    let ends = !sizes.is_empty() && sizes.len() <= own.len() && !own.iter().rev().zip(sizes.iter().rev()).any(differ);
    ensure(ends, format!("{x} does not end with the sizes {sizes:?}"))?;
    Ok(sizes.len() as i64)
}

/// The distance from 1 to the next number of a dtype.
fn epsilon(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::EPSILON,
        DType::F16 => 2f64.powi(-10),
        DType::BF16 => 2f64.powi(-7),
        _ => f64::from(f32::EPSILON),
    }
}

/// The mean and the reciprocal standard deviation over dimensions, which stay with size 1.
fn statistics(x: Tensor<'_>, axes: Vec<i64>, eps: f64) -> Vec<Tensor<'_>> {
    let mean = x.mean_keepdim(axes.clone());
    let distance = x - mean;
    vec![mean, ((distance * distance).mean_keepdim(axes) + eps).rsqrt()]
}

fn batch_norm<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let (mean, variance) = (c.tensor("running_mean")?, c.tensor("running_var")?);
    let (weight, bias) = (c.optional("weight")?, c.optional("bias")?);
    Ok(c.tensor("input")?.batch_norm(mean, variance, weight, bias, c.float_or("eps", 1e-5)?))
}

/// A normalization by statistics of what is normalized.
struct Batch<'t> {
    y: Tensor<'t>,
    mean: Tensor<'t>,
    /// The reciprocal of the standard deviation.
    scale: Tensor<'t>,
    /// The variance as an estimate of that of all batches.
    unbiased: Tensor<'t>,
}

/// The statistics that normalizations of batches update.
const RUNNING: &[&str] = &["running_mean", "running_var"];

/// As many results as the operation has, and what the running statistics become, if there are any.
fn updated<'t>(c: &Call<'_, 't>, batch: Batch<'t>, count: usize) -> Answer<Vec<Tensor<'t>>> {
    let Batch { y, mean, scale, unbiased } = batch;
    let reserved = c.cx.zeros([0], DType::U8);
    let mut all = stated(c, vec![y, mean, scale, reserved]);
    all.truncate(count);
    let momentum = c.float_or("momentum", 0.1)?;
    for (name, new) in RUNNING.iter().zip([mean, unbiased]) {
        let Some(before) = c.optional(name)? else { continue };
        // Those of single instances are averaged.
        let new = if new.rank() > 1 { new.mean(0) } else { new };
        all.push(before.lerp(new.to(before.dtype()), momentum));
    }
    Ok(all)
}

/// Results in the dtypes that the file says they have.
fn stated<'t>(c: &Call<'_, 't>, values: Vec<Tensor<'t>>) -> Vec<Tensor<'t>> {
    let dtype = |place: usize, x: Tensor<'t>| c.results.get(place).map_or(x.dtype(), |spec| spec.dtype);
    values.into_iter().enumerate().map(|(place, x)| x.to(dtype(place, x))).collect()
}

/// By mean and variance over the spatial dimensions and those of `outer`; channels are dimension 1.
fn by_batch<'t>(c: &Call<'_, 't>, outer: &[i64]) -> Answer<Batch<'t>> {
    let (x, eps) = (widened(c.tensor("input")?), c.float_or("eps", 1e-5)?);
    let axes: Vec<i64> = outer.iter().copied().chain(2..x.rank() as i64).collect();
    let mean = x.mean_keepdim(axes.clone());
    let distance = x - mean;
    let scale = ((distance * distance).mean_keepdim(axes.clone()) + eps).rsqrt();
    let channel = |w: Tensor<'t>| (2..x.rank()).fold(w, |w, _| w.unsqueeze(-1));
    let mut y = distance * scale;
    if let Some(weight) = c.optional("weight")? {
        y = y * channel(weight);
    }
    if let Some(bias) = c.optional("bias")? {
        y = y + channel(bias);
    }
    let unbiased = x.var(axes, 1.0);
    let y = y.to(c.result()?.dtype);
    Ok(Batch { y, mean: mean.reshape(unbiased.shape()), scale: scale.reshape(unbiased.shape()), unbiased })
}
