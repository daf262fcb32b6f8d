//! Normalizations, and losses that contain one.

use thunder_dialect::build::BuildCrossEntropy as _;
use thunder_trace::{DType, Tensor, apply};

use super::arithmetic::reduced;
use super::{Entry, many, one};
use crate::arguments::{Answer, Call, gap, malformed};

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
    one(&["aten.batch_norm.default", "aten.instance_norm.default"], |c| {
        if c.bool_or("training", false)? || c.bool_or("use_input_stats", false)? {
            return gap("statistics of the batch: export the model in evaluation mode, after `model.eval()`");
        }
        batch_norm(c)
    }),
    many(&["aten._native_batch_norm_legit_no_training.default", "aten._batch_norm_no_update.default"], |c| {
        // Mean and variance of the batch are not computed: there are none of them.
        let none = c.cx.zeros([0], c.tensor("input")?.dtype());
        Ok(vec![batch_norm(c)?, none, none])
    }),
    one(&["aten.cross_entropy_loss.default"], cross_entropy),
    one(&["aten.nll_loss_nd.default", "aten.nll_loss.default"], |c| {
        if c.has("weight") || c.tensor("self")?.rank() > 2 {
            return gap("weights, or more than two dimensions");
        }
        let (x, target) = (c.tensor("self")?, c.tensor("target")?);
        let ignored = target.eq(c.int_or("ignore_index", -100)?);
        let picked = x.gather(-1, ignored.where_(0, target).unsqueeze(-1)).squeeze(-1);
        let loss = ignored.where_(0.0, -picked);
        averaged(c, loss, ignored)
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

fn cross_entropy<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    if c.has("weight") {
        return gap("weights");
    }
    let (x, target) = (c.tensor("self")?, c.tensor("target")?);
    if target.dtype().is_float() {
        return gap("probabilities for targets");
    }
    // Classes are dimension 1 of several.
    let x = if x.rank() > 2 {
        let rank = x.rank() as i64;
        x.permute([0].into_iter().chain(2..rank).chain([1]).collect::<Vec<_>>())
    } else {
        x
    };
    let ignore = c.int_or("ignore_index", -100)?;
    let smoothing = c.float_or("label_smoothing", 0.0)?;
    let loss = apply(&[x, target], |b| b.cross_entropy(x.value(), target.value(), Some(ignore), smoothing));
    averaged(c, loss, target.eq(ignore))
}

/// The loss of all that is not ignored.
fn averaged<'t>(c: &Call<'_, 't>, loss: Tensor<'t>, ignored: Tensor<'t>) -> Answer<Tensor<'t>> {
    if c.int_or("reduction", 1)? == 1 {
        return Ok(loss.sum(..) / (!ignored).to(loss.dtype()).sum(..));
    }
    reduced(c, loss)
}
