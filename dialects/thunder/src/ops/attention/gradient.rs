//! The gradient of attention.
//!
//! The weights are computed again, as by the decomposition. Half precision is computed in single
//! precision and rounded once.

use super::*;
use crate::cotangent::{gathered, only, restated, spread};

impl<'c> Differentiate<'c> for Sdpa<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let parts = Attention::of(b, self)?;
        let (columns, last) = (parts.columns(), parts.scores.len() as i64 - 1);
        let dy = widened(b, only(cotangents)?)?;
        let (weights, folded_dy) = (parts.fold(b, parts.weights, columns)?, parts.fold(b, dy, parts.width)?);
        let d_value = b.matmul(swapped(b, weights)?, folded_dy)?;

        // Through the softmax of each row: w (dw - sum(dw w)), where the sum is that of dy y.
        let d_weights = b.matmul(folded_dy, swapped(b, parts.value)?)?;
        let d_weights = parts.unfold(b, d_weights, columns)?;
        let inner = b.sum(b.mul(dy, widened(b, self.out())?)?, vec![last], false)?;
        let inner = spread(b, inner, &[last], false, &parts.scores)?;
        let d_scores = b.mul(parts.weights, b.sub(d_weights, inner)?)?;

        let scaled = b.mul(d_scores, broadcast(b, parts.scale, &[], &parts.scores)?)?;
        let scaled = parts.fold(b, scaled, columns)?;
        let d_query = parts.unfold(b, b.matmul(scaled, parts.key)?, parts.depth)?;
        let rows_of_query = parts.fold(b, parts.query, parts.depth)?;
        let d_key = b.matmul(swapped(b, scaled)?, rows_of_query)?;

        let mut all = Vec::new();
        for (cotangent, operand) in [(d_query, self.query()), (d_key, self.key()), (d_value, self.value())] {
            let cotangent = converted(b, cotangent, operand.ty().element())?;
            all.push(Some(restated(b, cotangent, operand)?));
        }
        if let Some(mask) = self.mask() {
            let is_float = mask.ty().element().as_scalar().is_some_and(|s| s.is_float());
            let dims: Vec<usize> = (parts.scores.len() - declared(mask.ty()).len()..parts.scores.len()).collect();
            all.push(if is_float { Some(gathered(b, d_scores, &dims, mask)?) } else { None });
        }
        Ok(all)
    }
}
