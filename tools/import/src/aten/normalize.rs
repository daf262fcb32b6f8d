//! Normalizations.

use thunder_trace::{DType, Tensor};

use super::{Entry, many, one, updates};
use crate::arguments::{Answer, Call, malformed};

pub(super) const OPS: &[Entry] = &[
    one(
        &["aten.softmax.int", "aten._softmax.default", "aten._safe_softmax.default", "aten.special_softmax.int"],
        |c| Ok(floats(c)?.softmax(c.int("dim")?)),
    ),
    one(&["aten.log_softmax.int", "aten._log_softmax.default", "aten.special_log_softmax.int"], |c| {
        Ok(floats(c)?.log_softmax(c.int("dim")?))
    }),
    one(&["aten.layer_norm.default"], |c| {
        let trailing = c.sizes("normalized_shape")?.len() as i64;
        Ok(c.tensor("input")?.layer_norm(
            trailing,
            c.optional("weight")?,
            c.optional("bias")?,
            c.float_or("eps", 1e-5)?,
        ))
    }),
    many(&["aten.native_layer_norm.default"], |c| {
        let (x, eps) = (c.tensor("input")?, c.float_or("eps", 1e-5)?);
        let trailing = c.sizes("normalized_shape")?.len() as i64;
        let y = x.layer_norm(trailing, c.optional("weight")?, c.optional("bias")?, eps);
        let rank = x.rank() as i64;
        Ok([vec![y], statistics(x, (rank - trailing..rank).collect(), eps)].concat())
    }),
    one(&["aten.rms_norm.default"], |c| {
        let x = c.tensor("input")?;
        let trailing = c.sizes("normalized_shape")?.len() as i64;
        let eps = c.float_or("eps", epsilon(x.dtype()))?;
        Ok(x.rms_norm(trailing, c.optional("weight")?, eps))
    }),
    many(&["aten._fused_rms_norm.default"], |c| {
        let x = c.tensor("input")?;
        let trailing = c.sizes("normalized_shape")?.len() as i64;
        let eps = c.float_or("eps", epsilon(x.dtype()))?;
        let rank = x.rank() as i64;
        let axes: Vec<i64> = (rank - trailing..rank).collect();
        let scale = ((x * x).mean_keepdim(axes) + eps).rsqrt();
        Ok(vec![x.rms_norm(trailing, c.optional("weight")?, eps), scale])
    }),
    one(&["aten.group_norm.default"], |c| {
        let (weight, bias) = (c.optional("weight")?, c.optional("bias")?);
        Ok(c.tensor("input")?.group_norm(c.int("num_groups")?, weight, bias, c.float_or("eps", 1e-5)?))
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
        if !c.bool_or("training", false)? {
            return Ok(vec![batch_norm(c)?]);
        }
        let batch = by_batch(c, &[0])?;
        Ok([vec![batch.y], running(c, &batch)?].concat())
    }),
    updates(&["aten.instance_norm.default"], RUNNING, |c| {
        if !c.bool_or("use_input_stats", true)? {
            return Ok(vec![batch_norm(c)?]);
        }
        let batch = by_batch(c, &[])?;
        let all = Batch { mean: batch.mean.mean(0), unbiased: batch.unbiased.mean(0), ..batch };
        Ok([vec![batch.y], running(c, &all)?].concat())
    }),
    many(&["aten._native_batch_norm_legit.no_stats"], |c| {
        let Batch { y, mean, scale, .. } = by_batch(c, &[0])?;
        Ok(vec![y, mean, scale])
    }),
    updates(&["aten._native_batch_norm_legit.default"], RUNNING, native_batch_norm),
    many(&["aten._native_batch_norm_legit_functional.default"], |c| {
        let made = native_batch_norm(c)?;
        let before = [c.tensor("running_mean")?, c.tensor("running_var")?];
        // Nothing is updated unless it trains.
        let kept = before.into_iter().skip(made.len().saturating_sub(3));
        Ok(made.iter().copied().chain(kept).collect())
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
        Ok((x / x.norm(axis).maximum(eps) * (y / y.norm(axis).maximum(eps))).sum(axis))
    }),
];

/// The operand of a softmax, in the dtype of its result.
fn floats<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    Ok(c.tensor("self")?.to(c.result()?.dtype))
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

/// What a normalization by batch, and by what is known of batches, updates.
const RUNNING: &[&str] = &["running_mean", "running_var"];

/// What is known of batches after another one, unless nothing is kept of them.
fn running<'t>(c: &Call<'_, 't>, batch: &Batch<'t>) -> Answer<Vec<Tensor<'t>>> {
    let momentum = c.float_or("momentum", 0.1)?;
    let (mean, variance) = (c.optional("running_mean")?, c.optional("running_var")?);
    let pairs = [(mean, batch.mean), (variance, batch.unbiased)];
    Ok(pairs.into_iter().filter_map(|(before, now)| Some(before?.lerp(now.to(before?.dtype()), momentum))).collect())
}

/// The result, mean and reciprocal standard deviation of the batch and, as it trains, what is known of batches after it.
fn native_batch_norm<'t>(c: &Call<'_, 't>) -> Answer<Vec<Tensor<'t>>> {
    if !c.bool_or("training", false)? {
        // Mean and variance of the batch are not computed: there are none of them.
        let none = c.cx.zeros([0], c.tensor("input")?.dtype());
        return Ok(vec![batch_norm(c)?, none, none]);
    }
    let batch = by_batch(c, &[0])?;
    Ok([vec![batch.y, batch.mean, batch.scale], running(c, &batch)?].concat())
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

/// By mean and variance over the spatial dimensions and those of `outer`; channels are dimension 1.
fn by_batch<'t>(c: &Call<'_, 't>, outer: &[i64]) -> Answer<Batch<'t>> {
    let (x, eps) = (c.tensor("input")?, c.float_or("eps", 1e-5)?);
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
    Ok(Batch { y, mean: mean.reshape(unbiased.shape()), scale: scale.reshape(unbiased.shape()), unbiased })
}
