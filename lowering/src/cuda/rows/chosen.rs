//! Sums of rows of which one element counts, such as the score of a row's target: that one is read, and nothing is summed.

use thunder_ir::{Attribute, Operation, Result, Value};

use super::pass::Total;
use super::{Plan, Team};
use crate::cuda::emitter::Emitter;
use crate::cuda::lanes::{Index, Lanes, Point};
use crate::cuda::nest::Nest;

/// What a sum of `k == place ? x_k : 0` over `k` is made of.
#[derive(Clone)]
pub struct Chosen<'c> {
    /// `x`.
    values: Value<'c>,
    /// For each element of a row the number of the one that counts, the same for all of them.
    places: Value<'c>,
}

/// What a total is made of, if one element of a row is all that counts.
pub fn chosen<'c>(sum: Operation<'c>) -> Result<Option<Chosen<'c>>> {
    let nest = Nest::of(sum)?;
    let Some(last) = nest.count.checked_sub(1).filter(|last| nest.reductions == [*last]) else { return Ok(None) };
    let is_sum = names(&nest) == ["arith.addf", "linalg.yield"] && nest.input_count() == 1 && nest.is_identity(0);
    let Some(select) = elements(sum.operand(0), &["arith.cmpi", "arith.select", "linalg.yield"], 3)?.filter(|_| is_sum)
    else {
        return Ok(None);
    };
    let [test, choice, _] = select.body.operations()[..] else { return Ok(None) };
    let is_choice = predicate(test) == Some(1)
        && test.operand(0) == select.body.argument(0)
        && is_zero(test.operand(1))
        && choice.operands().eq([test.result(0), select.body.argument(1), select.body.argument(2)]);
    let values = select.op.operand(1);
    let compare = elements(select.op.operand(0), &["arith.cmpi", "arith.extui", "linalg.yield"], 2)?;
    let Some(compare) = compare.filter(|_| is_choice && is_zero(select.op.operand(2))) else { return Ok(None) };
    let test = compare.body.operations()[0];
    let (own, other) = (compare.op.operand(0), compare.op.operand(1));
    let is_equal = predicate(test) == Some(0) && test.operands().eq(compare.body.arguments().take(2));
    for (number, place) in [(own, other), (other, own)] {
        if is_equal && counts(number, last)? && is_of_rows(place, last)? {
            return Ok(Some(Chosen { values, places: place }));
        }
    }
    Ok(None)
}

/// The ops of a body.
fn names<'c>(nest: &Nest<'c>) -> Vec<&'c str> {
    nest.body.operations().iter().map(|op| op.name()).collect()
}

/// What computes each element of a tensor from the same of so many others, by these ops.
fn elements<'c>(value: Value<'c>, ops: &[&str], inputs: usize) -> Result<Option<Nest<'c>>> {
    let Some(op) = value.defining_op().filter(|op| op.name() == "linalg.generic") else { return Ok(None) };
    let nest = Nest::of(op)?;
    let is_plain = nest.input_count() == inputs
        && op.result_count() == 1
        && !nest.is_reduction()
        && (0..=inputs).all(|number| nest.is_identity(number));
    Ok((is_plain && names(&nest) == ops).then_some(nest))
}

/// Whether elements of a tensor are their numbers in a dimension.
fn counts(value: Value<'_>, axis: usize) -> Result<bool> {
    let Some(op) = value.defining_op().filter(|op| op.name() == "linalg.generic") else { return Ok(false) };
    let nest = Nest::of(op)?;
    let mut ops = nest.body.operations().into_iter();
    let is_number = ops.next().is_some_and(|op| {
        op.name() == "linalg.index" && op.attribute("dim").and_then(|a| a.as_integer()) == Some(axis as i64)
    });
    let casts = ["arith.index_cast", "arith.trunci", "linalg.yield"];
    Ok(is_number && nest.input_count() == 0 && nest.is_identity(0) && ops.all(|op| casts.contains(&op.name())))
}

/// Whether all elements along a dimension are the same one of another tensor.
fn is_of_rows(value: Value<'_>, axis: usize) -> Result<bool> {
    let Some(op) = value.defining_op().filter(|op| op.name() == "linalg.generic") else { return Ok(false) };
    let nest = Nest::of(op)?;
    let mut read = nest.inputs().flat_map(|(_, access)| access);
    Ok(names(&nest) == ["linalg.yield"]
        && nest.input_count() == 1
        && nest.is_identity(1)
        && !read.any(|index| index.mentions(&|number| number == axis)))
}

/// The number of the predicate of a comparison.
fn predicate(op: Operation<'_>) -> Option<i64> {
    op.attribute("predicate").and_then(|a| a.as_integer())
}

fn is_zero(value: Value<'_>) -> bool {
    let Some(constant) = value.as_constant() else { return false };
    let element = constant.splat_value().unwrap_or(constant);
    element.as_integer() == Some(0) || element.as_float().is_some_and(|number| number.to_bits() == 0)
}

impl<'c> Plan<'c> {
    /// Reads the elements that are totals of a pass; kept for all that asks for them.
    pub(super) fn read_chosen(&self, emitter: &mut Emitter<'_, 'c>, team: &Team<'c>, total: &Total<'c>) -> Result {
        let Some(chosen) = &total.chosen else { return Ok(()) };
        let (nest, zero) = (Nest::of(total.op)?, emitter.int(0)?);
        let of_row = |column| Point::new([&team.at[..], &[Index::Same(column)]].concat());
        let place = emitter.element(chosen.places, &of_row(zero))?.lane(0);
        let count = nest.extent(emitter, nest.count - 1)?;
        let count = emitter.cast(count, place.ty())?;
        let inside = emitter.is_less(place, count)?;
        let column = emitter.cast(place, emitter.index)?;
        let ty = total.op.result(0).ty().element();
        let value = emitter.choose(
            inside,
            &[ty],
            |emitter| Ok(vec![emitter.element(chosen.values, &of_row(column))?.lane(0)]),
            |emitter| Ok(vec![emitter.constant(Attribute::float(ty, 0.0))?]),
        )?;
        let mut place = team.at.clone();
        place.resize(nest.output(0).len(), Index::Same(zero));
        let point = Point::new(place);
        let starts = emitter.starts(&nest, &point, true)?;
        let whole = match starts.first() {
            Some(Some(start)) => total.combiners[0].join(emitter, start.lane(0), value[0])?,
            _ => value[0],
        };
        emitter.remember_elements(total.op.result(0), &point.at, Lanes::Same(whole));
        Ok(())
    }
}
