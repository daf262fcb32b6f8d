//! Sums of exponentials relative to a maximum that is not known yet.
//!
//! A sum of `exp(z - f(m))` needs the maximum `m` of all elements, and so a pass of its own. Relative to the maximum `r` of
//! those so far it can be made at once: where that becomes `s`, the sum so far is multiplied by `exp(f(r) - f(s))`. `r` is
//! never less than the lowest number, so that no difference is one of infinities that is none in the end.

use thunder_ir::{Attribute, Operation, Result, Scalar, Value};

use super::pass::{Total, needed};
use crate::cuda::emitter::Emitter;
use crate::cuda::nest::Nest;
use crate::cuda::team::Combiner;

/// The maximum that a sum is relative to.
#[derive(Clone)]
pub struct Reference<'c> {
    /// Its number among totals.
    pub total: usize,
    /// `f(m)` for each element.
    pub shift: Value<'c>,
    combiner: Combiner<'c>,
}

impl<'c> Reference<'c> {
    /// The maximum of no elements.
    pub fn lowest(&self, emitter: &mut Emitter<'_, 'c>) -> Result<Value<'c>> {
        emitter.constant(Attribute::float(self.shift.ty().element(), f64::from(f32::MIN)))
    }

    /// The maximum of parts of the row, of which the first has it all from then on.
    pub fn joined(&self, emitter: &mut Emitter<'_, 'c>, parts: &mut [Value<'c>]) -> Result<Value<'c>> {
        let (largest, lowest) = (self.combiner.joined(emitter, parts)?, self.lowest(emitter)?);
        parts.fill(self.combiner.start(emitter)?);
        parts[0] = largest;
        self.combiner.join(emitter, lowest, largest)
    }

    /// What a sum is multiplied by that becomes relative to `to`.
    pub fn factor(&self, emitter: &Emitter<'_, 'c>, from: Value<'c>, to: Value<'c>) -> Result<Value<'c>> {
        let exponent = emitter.op("arith.subf", &[from, to], to.ty())?;
        emitter.op("math.exp", &[exponent], to.ty())
    }
}

/// The maximum among `totals` that `sum` is relative to, if it is one of exponentials.
pub fn reference<'c>(totals: &[Total<'c>], sum: &Total<'c>) -> Result<Option<Reference<'c>>> {
    let Some((operand, shift)) = exponents(sum.op)? else { return Ok(None) };
    let is_reference = |number: &usize| {
        let total = &totals[*number];
        let is_maximum = total.combiners.len() == 1 && total.combiners[0].name() == "arith.maximumf";
        let is_single = total.op.result(0).ty().element().as_scalar() == Some(Scalar::F32);
        is_maximum && is_single && total.sizes == sum.sizes
    };
    let shifted = shift.defining_op().map(|op| needed(op, totals)).unwrap_or_default();
    let others = operand.defining_op().map(|op| needed(op, totals)).unwrap_or_default();
    let found = shifted.into_iter().filter(|number| !others.contains(number)).max().filter(is_reference);
    Ok(found.map(|total| Reference { total, shift, combiner: totals[total].combiners[0] }))
}

/// `z` and `f` for each element, of a sum of `exp(z - f)` in single precision, where all of a row have the same `f`.
fn exponents<'c>(sum: Operation<'c>) -> Result<Option<(Value<'c>, Value<'c>)>> {
    let nest = Nest::of(sum)?;
    let yielded = nest.body.terminator().and_then(|end| end.operand(0).defining_op());
    let Some(added) = yielded.filter(|op| op.name() == "arith.addf" && sum.result_count() == 1) else {
        return Ok(None);
    };
    let is_argument = |number: &usize| added.operands().any(|value| value == nest.body.argument(*number));
    let Some(number) = (0..nest.input_count()).find(is_argument).filter(|number| nest.is_identity(*number)) else {
        return Ok(None);
    };
    let power = elementwise(nest.op.operand(number), "math.exp")?;
    let Some(difference) = power.map(|op| elementwise(op.operand(0), "arith.subf")).transpose()?.flatten() else {
        return Ok(None);
    };
    let (operand, shift) = (difference.operand(0), difference.operand(1));
    let Some(repeated) = shift.defining_op().filter(|op| op.name() == "linalg.generic") else { return Ok(None) };
    let of_rows = Nest::of(repeated)?;
    let is_open = |number: usize| nest.reductions.contains(&number);
    let is_repeated = of_rows.body.operations().len() == 1
        && of_rows.is_identity(of_rows.input_count())
        && of_rows.inputs().all(|(_, access)| access.iter().all(|index| !index.mentions(&is_open)));
    let is_single = shift.ty().element().as_scalar() == Some(Scalar::F32);
    Ok((is_repeated && is_single).then_some((operand, shift)))
}

/// The op that makes `value`, if it applies the scalar op `name` to its operands, element by element.
fn elementwise<'c>(value: Value<'c>, name: &str) -> Result<Option<Operation<'c>>> {
    let Some(op) = value.defining_op().filter(|op| op.name() == "linalg.generic") else { return Ok(None) };
    let nest = Nest::of(op)?;
    let operations = nest.body.operations();
    let [scalar, end] = operations[..] else { return Ok(None) };
    let is_applied = scalar.name() == name
        && end.operand(0) == scalar.result(0)
        && scalar.operands().enumerate().all(|(number, value)| value == nest.body.argument(number));
    let is_plain = !nest.is_reduction() && (0..=nest.input_count()).all(|number| nest.is_identity(number));
    Ok((is_applied && is_plain && op.result_count() == 1).then_some(op))
}
