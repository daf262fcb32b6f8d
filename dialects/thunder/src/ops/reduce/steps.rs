//! Reductions by some dimensions first, and by the others then.

use std::collections::HashMap;

use thunder_interface::Steps;
use thunder_ir::Blueprint;
use thunder_ir::prelude::*;

use super::panels::again;
use crate::compose::{Extent, converted, reshape, widened};

/// Ops that are made again for an operand at most.
const MOST: usize = 32;

/// What `op` gives by some dimensions, in the precision to compute in, and what it gives by all.
///
/// The parts of the first step have equally many elements, so that a mean of means is the mean.
pub(super) fn in_steps<'c>(op: &impl Op<'c>, b: &Builder<'c>, steps: &Steps) -> Result<(Value<'c>, Value<'c>)> {
    let (x, out) = (op.operation().operand(0), op.operation().result(0));
    let sizes = out.ty().as_tensor().and_then(|ty| ty.static_dims());
    let sizes = sizes.ok_or_else(|| op.error("sizes differ from run to run: there are no equal parts"))?;
    let x = match steps.split {
        Some((axis, parts)) => Split { axis, parts, made: HashMap::new() }.of(b, x)?,
        None => x,
    };
    let first = again(op, b, widened(b, x)?, &steps.first)?;
    // A dimension of size 1 is a row, whose total is rounded where it is made.
    let parts = first.ty().as_tensor().and_then(|ty| ty.static_dims()).unwrap_or_default();
    let seen: Vec<_> = [1].into_iter().chain(parts).map(Extent::Known).collect();
    let then: Vec<_> = steps.then.iter().map(|axis| axis + 1).collect();
    let whole = again(op, b, reshape(b, first, &seen)?, &then)?;
    let sizes: Vec<_> = sizes.into_iter().map(Extent::Known).collect();
    Ok((first, reshape(b, converted(b, whole, out.ty().element())?, &sizes)?))
}

/// A dimension that becomes two.
struct Split<'c> {
    axis: usize,
    parts: [i64; 2],
    /// What was made of values.
    made: HashMap<Value<'c>, Value<'c>>,
}

impl<'c> Split<'c> {
    /// The same elements with two dimensions for the one: what they are computed from is seen so, where that goes element
    /// by element.
    fn of(&mut self, b: &Builder<'c>, x: Value<'c>) -> Result<Value<'c>> {
        if let Some(made) = self.made.get(&x) {
            return Ok(*made);
        }
        let sizes = x.ty().as_tensor().and_then(|ty| ty.static_dims()).ok_or("sizes differ from run to run")?;
        let to = [&sizes[..self.axis], &self.parts, &sizes[self.axis + 1..]].concat();
        let ty = Type::tensor(x.ty().element(), &to.iter().copied().map(Some).collect::<Vec<_>>());
        let made = match x.defining_op().filter(|_| self.made.len() < MOST) {
            Some(op) if is_elementwise(op) => {
                let operands = op.operands().map(|operand| self.of(b, operand)).collect::<Result<Vec<_>>>()?;
                let mut copy = Blueprint::new(op.name()).operands(operands).results([ty]);
                for (name, value) in op.attributes() {
                    copy = copy.attribute(name, value);
                }
                b.insert(&copy)?.result(0)
            }
            Some(op) if op.name() == "thunder.broadcast_in_dim" && op.operand_count() == 1 => {
                self.of_broadcast(b, op, ty)?
            }
            _ => reshape(b, x, &to.into_iter().map(Extent::Known).collect::<Vec<_>>())?,
        };
        self.made.insert(x, made);
        Ok(made)
    }

    fn of_broadcast(&mut self, b: &Builder<'c>, op: Operation<'c>, ty: Type<'c>) -> Result<Value<'c>> {
        let (mut x, axis) = (op.operand(0), self.axis as i64);
        let mut dims = op.attribute("dims").and_then(|dims| dims.as_i64_array()).unwrap_or_default();
        let own = dims.iter().position(|dim| *dim == axis);
        dims.iter_mut().filter(|dim| **dim > axis).for_each(|dim| *dim += 1);
        if let Some(own) = own {
            let mut sizes = x.ty().as_tensor().and_then(|ty| ty.static_dims()).ok_or("sizes differ from run to run")?;
            if sizes[own] == 1 {
                // It is repeated along both.
                sizes.remove(own);
                dims.remove(own);
                x = reshape(b, x, &sizes.into_iter().map(Extent::Known).collect::<Vec<_>>())?;
            } else {
                x = Split { axis: own, parts: self.parts, made: HashMap::new() }.of(b, x)?;
                dims.insert(own + 1, axis + 1);
            }
        }
        let dims = Attribute::i64_array(b.context(), &dims);
        let broadcast = Blueprint::new(op.name()).operands([x]).results([ty]).attribute("dims", dims);
        Ok(b.insert(&broadcast)?.result(0))
    }
}

/// Whether each element of the one result needs the same element of all operands.
fn is_elementwise(op: Operation<'_>) -> bool {
    let dims = |value: Value<'_>| value.ty().as_tensor().and_then(|ty| ty.static_dims());
    op.has_trait("elementwise")
        && op.result_count() == 1
        && op.operands().all(|operand| dims(operand) == dims(op.result(0)))
}
