//! Losses.

use thunder_dialect::build::BuildCrossEntropy as _;
use thunder_trace::{DType, Tensor, apply};

use super::arithmetic::widened;
use super::{Entry, many, one};
use crate::arguments::{Answer, Call, gap};

pub(super) const OPS: &[Entry] = &[
    one(&["aten.mse_loss.default"], |c| {
        let difference = widened(c.tensor("self")?) - widened(c.tensor("target")?);
        reduced(c, difference * difference)
    }),
    one(&["aten.l1_loss.default"], |c| reduced(c, (c.tensor("self")? - c.tensor("target")?).abs())),
    one(&["aten.huber_loss.default"], |c| {
        let delta = c.float_or("delta", 1.0)?;
        let distance = (widened(c.tensor("self")?) - widened(c.tensor("target")?)).abs();
        reduced(c, distance.lt(delta).where_(distance * distance * 0.5, (distance - 0.5 * delta) * delta))
    }),
    one(&["aten.smooth_l1_loss.default"], |c| {
        let beta = c.float_or("beta", 1.0)?;
        let distance = (widened(c.tensor("self")?) - widened(c.tensor("target")?)).abs();
        if beta == 0.0 {
            return reduced(c, distance);
        }
        reduced(c, distance.lt(beta).where_(distance * distance * (0.5 / beta), distance - 0.5 * beta))
    }),
    one(&["aten.soft_margin_loss.default"], |c| reduced(c, (-c.tensor("target")? * c.tensor("self")?).softplus())),
    one(&["aten.kl_div.default"], |c| {
        let (x, target) = (c.tensor("self")?, c.tensor("target")?);
        if c.bool_or("log_target", false)? {
            return reduced(c, target.exp() * (target - x));
        }
        reduced(c, target.xlogy(target) - target * x)
    }),
    one(&["aten.binary_cross_entropy.default"], |c| {
        let (x, y) = (c.tensor("self")?, c.tensor("target")?);
        // Logarithms are no less than -100.
        let yes = x.log().maximum(-100.0);
        let no = (-x).log1p().maximum(-100.0);
        weighted(c, -(y * yes + (1.0 - y) * no))
    }),
    one(&["aten.binary_cross_entropy_with_logits.default"], |c| {
        let (x, y) = (c.tensor("self")?, c.tensor("target")?);
        let loss = match c.optional("pos_weight")? {
            None => x.softplus() - x * y,
            Some(weight) => {
                // (1 - y) x + (1 + (w - 1) y) log(1 + e^-x)
                (1.0 - y) * x + ((weight - 1.0) * y + 1.0) * (-x).softplus()
            }
        };
        weighted(c, loss)
    }),
    one(&["aten.poisson_nll_loss.default"], |c| {
        let (x, target) = (c.tensor("input")?, c.tensor("target")?);
        let eps = c.float_or("eps", 1e-8)?;
        let mut loss = if c.bool_or("log_input", true)? { x.exp() - target * x } else { x - target * (x + eps).log() };
        if c.bool_or("full", false)? {
            let stirling = target.xlogy(target) - target + (target * std::f64::consts::TAU).log() * 0.5;
            loss = loss + target.gt(1).where_(stirling, 0.0);
        }
        reduced(c, loss)
    }),
    one(&["aten.multi_margin_loss.default"], |c| {
        let (mut x, target, p) = (c.tensor("self")?, c.tensor("target")?, c.float_or("p", 1.0)?);
        if x.rank() == 0 {
            x = x.unsqueeze(0);
        }
        let target = if x.rank() == 1 { target.reshape(()) } else { target };
        let Some(classes @ 1..) = x.size(-1).known() else { return gap("a number of classes that is not known") };
        if c.has("weight") {
            return gap("weights");
        }
        let own = target.unsqueeze(-1);
        let distance = (x - x.gather(-1, own) + c.float_or("margin", 1.0)?).relu();
        let other = own.ne(c.cx.arange(classes, DType::I64)).where_(distance, 0.0);
        let powers = if p == 1.0 { other } else { other.pow(p) };
        reduced(c, powers.sum(-1) / classes as f64)
    }),
    one(&["aten.multilabel_margin_loss.default"], |c| {
        let (mut x, mut target) = (c.tensor("self")?, c.tensor("target")?);
        if x.rank() == 0 {
            (x, target) = (x.unsqueeze(0), target.reshape([-1]));
        }
        let Some(classes @ 1..) = x.size(-1).known() else { return gap("a number of classes that is not known") };
        // Targets end before the first that is below zero.
        let counts = target.ge(0).to(DType::I64).cumprod(-1);
        let own = counts.ne(0).where_(target, -1);
        let is_own = own.unsqueeze(-1).eq(c.cx.arange(classes, DType::I64)).any(-2);
        let margin: Tensor<'_> = 1.0 - x.gather(-1, own.clamp(Some(0), None)).unsqueeze(-1) + x.unsqueeze(-2);
        let counts = counts.ne(0).unsqueeze(-1) & !is_own.unsqueeze(-2);
        reduced(c, counts.where_(margin.relu(), 0.0).sum([-2, -1]) / classes as f64)
    }),
    one(&["aten.margin_ranking_loss.default"], |c| {
        let (x, y, target) = (c.tensor("input1")?, c.tensor("input2")?, c.tensor("target")?);
        reduced(c, (-target * (x - y) + c.float_or("margin", 0.0)?).relu())
    }),
    one(&["aten.hinge_embedding_loss.default"], |c| {
        let (x, target) = (c.tensor("self")?, c.tensor("target")?);
        let apart = target.eq(1).where_(0.0, (c.float_or("margin", 1.0)? - x).relu());
        reduced(c, apart + target.eq(-1).where_(0.0, x))
    }),
    one(&["aten.cosine_embedding_loss.default"], |c| {
        let dtype = c.result()?.dtype;
        let (x, y) = (c.tensor("input1")?.to(dtype), c.tensor("input2")?.to(dtype));
        let target = c.tensor("target")?.to(dtype);
        let cosine = (x * y).sum(-1) / (((x * x).sum(-1) + 1e-12) * ((y * y).sum(-1) + 1e-12)).sqrt();
        let apart = (cosine - c.float_or("margin", 0.0)?).relu();
        let loss = target.eq(1).where_(1.0 - cosine, 0.0) + target.eq(-1).where_(apart, 0.0);
        reduced(c, loss)
    }),
    one(&["aten.triplet_margin_loss.default"], |c| {
        let (anchor, positive, negative) = (c.tensor("anchor")?, c.tensor("positive")?, c.tensor("negative")?);
        let (p, eps) = (c.float_or("p", 2.0)?, c.float_or("eps", 1e-6)?);
        let apart = |x, y| distance_of(x, y, p, eps);
        let near = apart(anchor, positive);
        let mut far = apart(anchor, negative);
        if c.bool_or("swap", false)? {
            far = far.minimum(apart(positive, negative));
        }
        reduced(c, (near - far + c.float_or("margin", 1.0)?).relu())
    }),
    one(&["aten.pairwise_distance.default"], |c| {
        let (x, y) = (c.tensor("x1")?, c.tensor("x2")?);
        let distance = distance_of(x, y, c.float_or("p", 2.0)?, c.float_or("eps", 1e-6)?);
        Ok(if c.bool_or("keepdim", false)? { distance.unsqueeze(-1) } else { distance })
    }),
    one(&["aten.cross_entropy_loss.default"], |c| {
        let Picked { loss, weight } = cross_entropy(c, c.tensor("self")?)?;
        averaged(c, loss, weight)
    }),
    // How much of a batch is computed at a time is no concern of the program.
    many(&["torch_nn._linear_cross_entropy_batch_chunked.default"], |c| {
        let Picked { loss, weight } = cross_entropy(c, projected(c)?)?;
        Ok(vec![averaged(c, loss, weight)?])
    }),
    one(&["torch_nn._linear_cross_entropy_batch_chunked_no_reduction.default"], |c| {
        Ok(cross_entropy(c, projected(c)?)?.loss.to(c.result()?.dtype))
    }),
    one(&["aten.nll_loss_nd.default", "aten.nll_loss.default", "aten.nll_loss2d.default"], |c| {
        let Picked { loss, weight } = picked(c)?;
        averaged(c, loss, weight)
    }),
    many(&["aten.nll_loss_forward.default", "aten.nll_loss2d_forward.default"], |c| {
        let Picked { loss, weight } = picked(c)?;
        let total = if c.int_or("reduction", 1)? == 0 { c.cx.zeros((), loss.dtype()) } else { weight.sum(..) };
        Ok(vec![averaged(c, loss, weight)?, total])
    }),
];

/// What becomes of one value for each element: 0 is nothing, 1 the mean, 2 the sum.
fn reduction(c: &Call<'_, '_>) -> Answer<i64> {
    match c.word_or("reduction", "") {
        Ok("none") => Ok(0),
        Ok("mean") => Ok(1),
        Ok("sum") => Ok(2),
        _ => c.int_or("reduction", 1),
    }
}

/// What a loss makes of one value for each element.
fn reduced<'t>(c: &Call<'_, 't>, loss: Tensor<'t>) -> Answer<Tensor<'t>> {
    let y = match reduction(c)? {
        0 => loss,
        1 => loss.mean(..),
        2 => loss.sum(..),
        other => return gap(format!("reduction {other}")),
    };
    Ok(y.to(c.result()?.dtype))
}

/// The same of a loss whose elements have weights.
fn weighted<'t>(c: &Call<'_, 't>, loss: Tensor<'t>) -> Answer<Tensor<'t>> {
    let weight = c.optional("weight")?;
    reduced(c, weight.map_or(loss, |weight| loss * weight))
}

/// The distance of two rows by the norm of order `p`; `eps` keeps it from being zero.
fn distance_of<'t>(x: Tensor<'t>, y: Tensor<'t>, p: f64, eps: f64) -> Tensor<'t> {
    let difference = (x - y + eps).abs();
    if p == 2.0 { (difference * difference).sum(-1).sqrt() } else { difference.pow(p).sum(-1).pow(1.0 / p) }
}

/// The loss of all that counts, each as much as its weight.
fn averaged<'t>(c: &Call<'_, 't>, loss: Tensor<'t>, weight: Tensor<'t>) -> Answer<Tensor<'t>> {
    if reduction(c)? == 1 {
        return Ok((loss.sum(..) / weight.sum(..)).to(c.result()?.dtype));
    }
    reduced(c, loss)
}

/// Classes, which are dimension 1 of several or the only one, as the last dimension.
fn classes_last(x: Tensor<'_>) -> Tensor<'_> {
    let rank = x.rank() as i64;
    if rank < 3 { x } else { x.permute([0].into_iter().chain(2..rank).chain([1]).collect::<Vec<_>>()) }
}

/// The weight of each target: 0 where it is ignored, and 1 where classes have none.
fn weights<'t>(c: &Call<'_, 't>, target: Tensor<'t>, dtype: DType) -> Answer<Tensor<'t>> {
    let ignored = target.eq(c.int_or("ignore_index", -100)?);
    let weight = match c.optional("weight")? {
        Some(weight) => weight.index_select(0, ignored.where_(0, target)),
        None => c.cx.full(target.shape(), 1, dtype),
    };
    Ok(ignored.where_(0.0, weight))
}

/// What losses of classes have for each target.
struct Picked<'t> {
    loss: Tensor<'t>,
    weight: Tensor<'t>,
}

fn picked<'t>(c: &Call<'_, 't>) -> Answer<Picked<'t>> {
    let (x, target) = (classes_last(c.tensor("self")?), c.tensor("target")?);
    let weight = weights(c, target, x.dtype())?;
    let class = target.eq(c.int_or("ignore_index", -100)?).where_(0, target);
    let value = x.gather(-1, class.unsqueeze(-1)).squeeze(-1);
    // What is ignored does not count, even where it is infinite.
    Ok(Picked { loss: weight.eq(0).where_(0.0, -value * weight), weight })
}

/// The products that chunks are made of.
fn projected<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    Ok(c.tensor("input")?.linear(c.tensor("linear_weight")?, c.optional("linear_bias")?))
}

fn cross_entropy<'t>(c: &Call<'_, 't>, x: Tensor<'t>) -> Answer<Picked<'t>> {
    let (x, target) = (classes_last(x), c.tensor("target")?);
    let smoothing = c.float_or("label_smoothing", 0.0)?;
    let classes = || match x.size(-1).known() {
        Some(classes @ 1..) => Ok(classes as f64),
        _ => gap("a number of classes that is not known"),
    };
    if target.dtype().is_float() {
        let mut target = classes_last(target);
        if smoothing != 0.0 {
            target = target * (1.0 - smoothing) + smoothing / classes()?;
        }
        let mut logarithms = x.log_softmax(-1);
        if let Some(weight) = c.optional("weight")? {
            logarithms = logarithms * weight;
        }
        let loss = -(logarithms * target).sum(-1);
        return Ok(Picked { loss, weight: c.cx.ones(loss.shape(), loss.dtype()) });
    }
    let ignore = c.int_or("ignore_index", -100)?;
    let ignored = target.eq(ignore);
    if !c.has("weight") {
        let loss = apply(&[x, target], |b| b.cross_entropy(x.value(), target.value(), Some(ignore), smoothing));
        return Ok(Picked { loss, weight: (!ignored).to(loss.dtype()) });
    }
    let logarithms = x.log_softmax(-1);
    let weight = weights(c, target, x.dtype())?;
    let class = ignored.where_(0, target);
    let own = -logarithms.gather(-1, class.unsqueeze(-1)).squeeze(-1) * weight;
    let mut loss = ignored.where_(0.0, own);
    if smoothing != 0.0 {
        let all = -(logarithms * c.tensor("weight")?).sum(-1) / classes()?;
        loss = loss * (1.0 - smoothing) + ignored.where_(0.0, all) * smoothing;
    }
    Ok(Picked { loss, weight })
}
