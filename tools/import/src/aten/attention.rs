//! Attention.

use thunder_trace::{Attention, Tensor};

use super::{Entry, many, one};
use crate::arguments::{Answer, Call, gap};

pub(super) const OPS: &[Entry] = &[
    one(&["aten.scaled_dot_product_attention.default"], |c| attention(c, "attn_mask")),
    // The logarithms of sums, and what random numbers came from, are for gradients only.
    many(&["aten._scaled_dot_product_flash_attention_for_cpu.default"], |c| Ok(vec![attention(c, "attn_mask")?])),
    many(&["aten._scaled_dot_product_efficient_attention.default"], |c| Ok(vec![attention(c, "attn_bias")?])),
    many(&["aten._scaled_dot_product_flash_attention.default"], |c| Ok(vec![attention(c, "attn_mask")?])),
];

fn attention<'t>(c: &Call<'_, 't>, mask: &str) -> Answer<Tensor<'t>> {
    let (query, key, value) = (c.tensor("query")?, c.tensor("key")?, c.tensor("value")?);
    if c.float_or("dropout_p", 0.0)? != 0.0 {
        return gap("random numbers: export the model in evaluation mode, after `model.eval()`");
    }
    let scale = if c.has("scale") { Some(c.float_or("scale", 1.0)?) } else { None };
    let attention = Attention { mask: c.optional(mask)?, causal: c.bool_or("is_causal", false)?, scale };
    // Attention has heads: one where the tensors have none.
    let missing = 3usize.saturating_sub(query.rank());
    let lifted = |x: Tensor<'t>| (0..missing).fold(x, |x, _| x.unsqueeze(0));
    let y = lifted(query).sdpa(lifted(key), lifted(value), attention);
    Ok((0..missing).fold(y, |y, _| y.squeeze(0)))
}
