//! Attention.

use thunder_trace::{Attention, DType, Tensor};

use super::{Entry, many, one};
use crate::arguments::{Answer, Call, gap};

pub(super) const OPS: &[Entry] = &[
    one(&["aten.scaled_dot_product_attention.default"], |c| attention(c, "attn_mask")),
    many(&["aten._scaled_dot_product_flash_attention_for_cpu.default"], |c| {
        let y = attention(c, "attn_mask")?;
        let Some(spec) = c.results.get(1) else { return Ok(vec![y]) };
        let [query, key] = [c.tensor("query")?.to(spec.dtype), c.tensor("key")?.to(spec.dtype)];
        // Where they are not to be had, a program may still do without their sums.
        let scores = scores(c, query, key, "attn_mask").ok();
        Ok([y].into_iter().chain(scores.map(|scores| scores.logsumexp(-1))).collect())
    }),
    // The logarithms of sums, and what random numbers came from, are for gradients only.
    many(&["aten._scaled_dot_product_efficient_attention.default"], |c| Ok(vec![attention(c, "attn_bias")?])),
    many(&["aten._scaled_dot_product_flash_attention.default"], |c| Ok(vec![attention(c, "attn_mask")?])),
];

fn attention<'t>(c: &Call<'_, 't>, mask: &str) -> Answer<Tensor<'t>> {
    let (query, key, value) = (c.tensor("query")?, c.tensor("key")?, c.tensor("value")?);
    let scale = if c.has("scale") { Some(c.float_or("scale", 1.0)?) } else { None };
    let p = c.float_or("dropout_p", 0.0)?;
    if p != 0.0 {
        // No library knows of scores that are left out at random.
        return Ok(scores(c, query, key, mask)?.softmax(-1).dropout(c.cx, p).0.matmul(value));
    }
    let attention = Attention { mask: c.optional(mask)?, causal: c.bool_or("is_causal", false)?, scale };
    // Attention has heads: one where the tensors have none.
    let missing = 3usize.saturating_sub(query.rank());
    let lifted = |x: Tensor<'t>| (0..missing).fold(x, |x, _| x.unsqueeze(0));
    let y = lifted(query).sdpa(lifted(key), lifted(value), attention);
    Ok((0..missing).fold(y, |y, _| y.squeeze(0)))
}

/// How much each query is about each key.
fn scores<'t>(c: &Call<'_, 't>, query: Tensor<'t>, key: Tensor<'t>, mask: &str) -> Answer<Tensor<'t>> {
    let Some(depth @ 1..) = query.size(-1).known() else { return gap("a depth that is not known") };
    if query.rank() > 2 && query.size(-3) != key.size(-3) {
        return gap("scores where heads share keys");
    }
    let mut scores = query.matmul(key.transpose(-2, -1)) * c.float_or("scale", 1.0 / (depth as f64).sqrt())?;
    if c.bool_or("is_causal", false)? {
        let (rows, columns) = (c.cx.arange(query.size(-2), DType::I64), c.cx.arange(key.size(-2), DType::I64));
        scores = rows.unsqueeze(-1).ge(columns).where_(scores, f64::NEG_INFINITY);
    }
    if let Some(mask) = c.optional(mask)? {
        scores = if mask.dtype() == DType::Bool { mask.where_(scores, f64::NEG_INFINITY) } else { scores + mask };
    }
    Ok(scores)
}
