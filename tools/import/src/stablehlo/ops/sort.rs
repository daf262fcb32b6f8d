//! Sorting.

use thunder_trace::Tensor;

use super::bits::{flipped, ordered};
use super::{Entry, values};
use crate::arguments::{Answer, gap, malformed};
use crate::stablehlo::call::Call;
use crate::stablehlo::program::{Attribute, Element, Op, Region};
use crate::stablehlo::value::Value;

pub(super) const OPS: &[Entry] = &[
    values("chlo.top_k", |c| {
        let x = c.value(0)?;
        if x.element().is_carried() || x.rank() == 0 {
            return gap(format!("elements of {}", x.element()));
        }
        let (values, places) = x.tensor(c.cx).topk(c.int("k")?, -1, true);
        let element = c.result(1)?.element.clone();
        let places = places.to(element.dtype().unwrap_or(places.dtype()));
        Ok(vec![Value::of(x.element().clone(), values), Value::of(element, places)])
    }),
    values("stablehlo.sort", sort),
];

/// What elements are compared by: the value that a comparator makes of one side.
struct Key<'r> {
    /// The value that it makes of the element on the left.
    value: usize,
    comparison: &'r Op,
    is_descending: bool,
}

fn sort<'t>(c: &Call<'_, 't>) -> Answer<Vec<Value<'t>>> {
    let Some(first) = c.operands.first() else { return malformed("it has no operands") };
    let axis = match c.has("dimension") {
        true => c.int("dimension")?,
        false => -1,
    };
    let from_start = if axis < 0 { axis + first.rank() as i64 } else { axis };
    if !(0..first.rank() as i64).contains(&from_start) || c.operands.iter().any(|x| x.rank() != first.rank()) {
        return malformed(format!("'dimension' is {axis}, of tensors of rank {}", first.rank()));
    }
    let region = c.region(0)?;
    let Some(keys) = keys(region) else { return gap("a comparator of its own") };
    // By the last key first, as equal elements keep their order.
    let mut order: Option<Tensor<'t>> = None;
    for key in keys.into_iter().rev() {
        let column = column(c, region, &key)?;
        let column = order.map_or(column, |order| column.gather(from_start, order));
        let places = column.argsort(from_start, key.is_descending);
        order = Some(order.map_or(places, |order| order.gather(from_start, places)));
    }
    let Some(order) = order else { return gap("a comparator without keys") };
    Ok(c.operands.iter().map(|x| Value::of(x.element().clone(), x.tensor(c.cx).gather(from_start, order))).collect())
}

/// The keys of a comparator, the most important first.
fn keys(region: &Region) -> Option<Vec<Key<'_>>> {
    let (end, _) = region.ops.split_last()?;
    let [result] = end.operands[..] else { return None };
    let mut keys = Vec::new();
    let mut rest = result;
    loop {
        let op = maker(region, rest)?;
        if op.name != "stablehlo.or" {
            keys.push(key(region, op)?);
            return Some(keys);
        }
        // a < b, or a == b and whatever comes next.
        let sides = [op.operands.first()?, op.operands.get(1)?].map(|side| maker(region, *side));
        let (less, both) = match sides {
            [Some(less), Some(both)] if both.name == "stablehlo.and" => (less, both),
            [Some(both), Some(less)] if both.name == "stablehlo.and" => (less, both),
            _ => return None,
        };
        let found = key(region, less)?;
        let is_equal = |value: &usize| {
            maker(region, *value).is_some_and(|op| {
                op.operands == found.comparison.operands
                    && direction(op) == Some("EQ")
                    && op.name == found.comparison.name
            })
        };
        let equal = both.operands.iter().position(is_equal)?;
        rest = *both.operands.get(1 - equal.min(1))?;
        keys.push(found);
        if keys.len() > region.ops.len() {
            return None;
        }
    }
}

fn maker(region: &Region, value: usize) -> Option<&Op> {
    region.ops.iter().find(|op| op.results.iter().any(|(result, _)| *result == value))
}

fn direction(op: &Op) -> Option<&str> {
    match op.attribute("comparison_direction") {
        Some(Attribute::Word(word)) => Some(word),
        _ => None,
    }
}

/// A comparison of what is made of one element and, in the same way, of the other.
fn key<'r>(region: &'r Region, op: &'r Op) -> Option<Key<'r>> {
    let ([left, right], "stablehlo.compare") = (&op.operands[..], op.name.as_str()) else { return None };
    let is_descending = match direction(op)? {
        "LT" | "LE" => false,
        "GT" | "GE" => true,
        _ => return None,
    };
    mirrors(region, *left, *right, 0).then_some(Key { value: *left, comparison: op, is_descending })
}

/// Whether two values are made in the same way of elements on the left and on the right.
fn mirrors(region: &Region, left: usize, right: usize, depth: usize) -> bool {
    let argument = |value: usize| region.arguments.iter().position(|argument| argument.value == value);
    match (argument(left), argument(right), maker(region, left), maker(region, right)) {
        (Some(a), Some(b), ..) => a % 2 == 0 && b == a + 1,
        (None, None, Some(a), Some(b)) => {
            a.name == b.name
                && a.attributes == b.attributes
                && a.operands.len() == b.operands.len()
                && depth < 16
                && a.operands.iter().zip(&b.operands).all(|(a, b)| mirrors(region, *a, *b, depth + 1))
        }
        // A value from around the comparator.
        (None, None, None, None) => left == right,
        _ => false,
    }
}

/// What all elements are compared by, as numbers whose order is that of `thunder.argsort`.
fn column<'t>(c: &Call<'_, 't>, region: &Region, key: &Key<'_>) -> Answer<Tensor<'t>> {
    let mut part = region.clone();
    let Some(end) = part.ops.last_mut() else { return malformed("its comparator is empty") };
    end.operands = vec![key.value];
    let given: Vec<Value<'t>> = c.operands.iter().flat_map(|x| [x.clone(), x.clone()]).collect();
    let made = c.map(&part, c.operands[0].dims(), &given)?;
    let [made] = &made[..] else { return malformed("its comparator has not one result") };
    let column = if made.rank() == 0 { made.broadcast(c.cx, &[], c.operands[0].dims().to_vec()) } else { made.clone() };
    let is_total =
        matches!(key.comparison.attribute("compare_type"), Some(Attribute::Word(word)) if word == "TOTALORDER");
    let tensor = column.tensor(c.cx);
    Ok(match column.element() {
        element if element.is_carried() => flipped(tensor),
        Element::Float(_) if is_total => ordered(tensor)?,
        _ => tensor,
    })
}
