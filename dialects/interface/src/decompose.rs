//! A composite op in terms of simpler ones.

use crate::{Restate, inherit_checkpoint};
use thunder_ir::{Builder, Operation, Result, Rewriter, Type, Value};

/// Rewrites an op as simpler ops, for whoever does not know it whole.
pub trait Decompose {
    /// Builds the decomposition at the builder's insertion point; one value per result.
    fn decompose<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>>;
}

crate::interface!(Decompose);

impl dyn Decompose + '_ {
    /// Replaces `op`, whose rule this is, by its decomposition before it.
    ///
    /// The new values have the types of the results: an op may state sizes that its operands leave open, and leave open
    /// what they state, and its users hold it to that.
    pub fn replace<'c>(&self, op: Operation<'c>, rewriter: &Rewriter<'c>) -> Result {
        let mut values = self.decompose(rewriter)?;
        for (value, result) in values.iter_mut().zip(op.results()).filter(|(value, result)| value.ty() != result.ty()) {
            if op.operands().any(|operand| operand == *value) {
                let message = format!("decomposes to its operand of type '{}', not '{}'", value.ty(), result.ty());
                return Err(op.error(message));
            }
            *value = retyped(*value, result.ty(), rewriter)?;
        }
        inherit_checkpoint(op, &values);
        rewriter.replace(op, &values)
    }
}

/// The value with the type `ty`: itself, unless it is made of as many sizes as its type leaves open.
fn retyped<'c>(value: Value<'c>, ty: Type<'c>, rewriter: &Rewriter<'c>) -> Result<Value<'c>> {
    let maker = value.defining_op();
    let Some((maker, rule)) = maker.and_then(|op| Some((op, <dyn Restate>::of(op)?))) else {
        value.set_type(ty);
        return Ok(value);
    };
    let restated = rule.restate(rewriter, ty)?;
    if value.is_unused() {
        rewriter.erase(maker)?;
    }
    Ok(restated)
}
