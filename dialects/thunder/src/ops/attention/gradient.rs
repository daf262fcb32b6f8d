//! The gradients of attention and of its gradient.

use super::backward::Gradients;
use super::*;
use crate::cotangent::{gathered, only, restated, spread};

impl<'c> Differentiate<'c> for Sdpa<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let (d_out, parameters) = (only(cotangents)?, self.parameters());
        let Parameters { query, key, value, mask, causal, scale } = parameters;
        let op = b.sdpa_backward(d_out, query, key, value, mask, causal, scale)?;
        let mut all = vec![Some(op.d_query()), Some(op.d_key()), Some(op.d_value())];
        if let Some(mask) = mask {
            let is_float = mask.ty().element().as_scalar().is_some_and(|s| s.is_float());
            all.push(if is_float { Some(mask_gradient(b, &parameters, mask, d_out)?) } else { None });
        }
        Ok(all)
    }
}

/// The sum of what reaches the scores that an element of the mask was added to. Few need it, and who does not pays
/// nothing: it is code of its own.
fn mask_gradient<'c>(
    b: &Builder<'c>,
    parameters: &Parameters<'c>,
    mask: Value<'c>,
    d_out: Value<'c>,
) -> Result<Value<'c>> {
    let gradients = Gradients::of(b, parameters, d_out)?;
    let dims: Vec<usize> = (gradients.rank - declared(mask.ty()).len()..gradients.rank).collect();
    gathered(b, gradients.scores, &dims, mask)
}

impl<'c> Differentiate<'c> for SdpaBackward<'c> {
    /// With `w` the weights, `dw = d_out value^T` and `ds = scale w (dw - sum(w dw))`, the cotangents of the results
    /// `ds key`, `ds^T query` and `w^T d_out` are those of `ds` and `w`; these are followed further back.
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let parameters = self.parameters();
        let parts = Attention::of(b, &parameters)?;
        let all = [&parts.folded[..], &[parts.columns()]].concat();
        let last = all.len() as i64 - 1;
        let across = |x| spread(b, b.sum(x, vec![last], false)?, &[last], false, &all);
        let scaled = |x| b.mul(x, broadcast(b, parts.scale, &[], &all)?);
        let wide = |x: Option<Value<'c>>| x.map(|x| widened(b, x)).transpose();
        let (g_query, g_key, g_value) = (wide(cotangents[0])?, wide(cotangents[1])?, wide(cotangents[2])?);
        let g_query = g_query.map(|g| parts.fold(b, g, parts.depth)).transpose()?;

        let weights = parts.fold(b, parts.weights, parts.columns())?;
        let query = parts.fold(b, parts.query, parts.depth)?;
        let d_out = parts.fold(b, widened(b, self.d_out())?, parts.width)?;
        let d_weights = b.matmul(d_out, swapped(b, parts.value)?)?;
        let centered = b.sub(d_weights, across(b.mul(weights, d_weights)?)?)?;
        let d_scores = scaled(b.mul(weights, centered)?)?;

        let from_query = g_query.map(|g| b.matmul(g, swapped(b, parts.key)?)).transpose()?;
        let from_key = g_key.map(|g| b.matmul(query, swapped(b, g)?)).transpose()?;
        let of_d_scores = total(b, from_query, from_key)?.map(scaled).transpose()?;
        let mean = of_d_scores.map(|g| across(b.mul(weights, g)?)).transpose()?;
        let of_d_weights = of_d_scores.zip(mean).map(|(g, mean)| b.mul(weights, b.sub(g, mean)?)).transpose()?;
        let from_d_scores =
            of_d_scores.zip(mean).map(|(g, mean)| b.sub(b.mul(g, centered)?, b.mul(mean, d_weights)?)).transpose()?;
        let from_value = g_value.map(|g| b.matmul(d_out, swapped(b, g)?)).transpose()?;
        let of_weights = total(b, from_d_scores, from_value)?.ok_or("internal: a gradient is asked of no cotangent")?;
        let of_scores = b.mul(weights, b.sub(of_weights, across(b.mul(weights, of_weights)?)?)?)?;

        let of_products = scaled(of_scores)?;
        let again = g_key.map(|g| b.matmul(d_scores, g)).transpose()?;
        let of_query = total(b, Some(b.matmul(of_products, parts.key)?), again)?;
        let again = g_query.map(|g| b.matmul(swapped(b, d_scores)?, g)).transpose()?;
        let of_key = total(b, Some(b.matmul(swapped(b, of_products)?, query)?), again)?;
        let of_value = of_d_weights.map(|g| b.matmul(swapped(b, g)?, d_out)).transpose()?;
        let through_weights = g_value.map(|g| b.matmul(weights, g)).transpose()?;
        let of_d_out = total(b, of_d_weights.map(|g| b.matmul(g, parts.value)).transpose()?, through_weights)?;
        let unfolded = |x: Option<Value<'c>>, columns| x.map(|x| parts.unfold(b, x, columns)).transpose();

        let mut found = Vec::new();
        for (cotangent, operand) in [
            (unfolded(of_d_out, parts.width)?, self.d_out()),
            (unfolded(of_query, parts.depth)?, self.query()),
            (of_key, self.key()),
            (of_value, self.value()),
        ] {
            let like = |x| restated(b, converted(b, x, operand.ty().element())?, operand);
            found.push(cotangent.map(like).transpose()?);
        }
        if let Some(mask) = self.mask() {
            let is_float = mask.ty().element().as_scalar().is_some_and(|s| s.is_float());
            let rank = parts.scores.len();
            let dims: Vec<usize> = (rank - declared(mask.ty()).len()..rank).collect();
            let of_scores = parts.unfold(b, of_scores, parts.columns())?;
            found.push(if is_float { Some(gathered(b, of_scores, &dims, mask)?) } else { None });
        }
        Ok(found)
    }
}

/// The sum of what there is.
fn total<'c>(b: &Builder<'c>, x: Option<Value<'c>>, y: Option<Value<'c>>) -> Result<Option<Value<'c>>> {
    match (x, y) {
        (Some(x), Some(y)) => Ok(Some(b.add(x, y)?)),
        (x, y) => Ok(x.or(y)),
    }
}
