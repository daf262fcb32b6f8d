//! The same elements in row-major order under other sizes.

use super::generic::{Generic, Map, loop_index};
use super::lowerer::Lowerer;
use std::ops::Range;
use thunder_interface::{Dim, DimExpr};
use thunder_ir::{Attribute, Blueprint, Result, Type, Value};

/// Dimensions whose elements are in the same places before and after.
type Group = (Range<usize>, Range<usize>);

/// `input`, of sizes `from`, under the sizes `to`.
pub fn reshape<'c>(lo: &mut Lowerer<'c>, input: Value<'c>, from: &[Dim], to: &[Dim]) -> Result<Value<'c>> {
    if from == to {
        return Ok(input);
    }
    let element = input.ty().element();
    if to.contains(&Dim::Known(0)) || from.contains(&Dim::Known(0)) {
        return lo.empty(element, to);
    }
    let ones = |dims: &[Dim]| vec![Dim::Known(1); dims.len()];
    if from.is_empty() {
        let expanded = expand(lo, input, &[], &ones(to))?;
        return lo.cast(expanded, lo.tensor_type(element, to));
    }
    if to.is_empty() {
        let single = lo.cast(input, lo.tensor_type(element, &ones(from)))?;
        return collapse(lo, single, &[], &[]);
    }
    let groups = groups(from, to).unwrap_or_else(|| vec![(0..from.len(), 0..to.len())]);
    let mut value = lo.cast(input, lo.tensor_type(element, from))?;
    let ranges = |side: fn(&Group) -> &Range<usize>| groups.iter().map(|g| side(g).clone()).collect::<Vec<_>>();
    if groups.iter().any(|(old, _)| old.len() > 1) {
        let merged: Vec<_> = groups.iter().map(|(old, _)| Dim::product(&from[old.clone()])).collect();
        value = collapse(lo, value, &ranges(|g| &g.0), &merged)?;
    }
    if groups.iter().all(|(_, new)| new.len() == 1) {
        return lo.cast(value, lo.tensor_type(element, to));
    }
    // MLIR 22 does not lower an expansion to several sizes of which more than one is dynamic.
    let is_open = |new: &Range<usize>| to[new.clone()].iter().filter(|dim| dim.known().is_none()).count() > 1;
    if groups.iter().any(|(_, new)| is_open(new)) {
        return gather(lo, value, &ranges(|g| &g.1), to);
    }
    // What becomes several sizes is known if all of these are.
    let whole: Vec<_> = groups.iter().map(|(_, new)| Dim::product(&to[new.clone()])).collect();
    value = lo.cast(value, lo.tensor_type(element, &whole))?;
    expand(lo, value, &ranges(|g| &g.1), to)
}

/// The elements of `value`, each of whose dimensions becomes a group of them, read one by one.
fn gather<'c>(lo: &mut Lowerer<'c>, value: Value<'c>, groups: &[Range<usize>], dims: &[Dim]) -> Result<Value<'c>> {
    let element = value.ty().element();
    let sizes = dims.iter().map(|dim| lo.size(dim)).collect::<Result<Vec<_>>>()?;
    let empty = lo.empty(element, dims)?;
    let results = Generic::parallel(dims.len()).output(empty, Map::identity(dims.len())).build(lo, |code, _| {
        let mut from = vec![value];
        for group in groups {
            let mut place = loop_index(code, group.start)?;
            for (axis, size) in sizes.iter().enumerate().take(group.end).skip(group.start + 1) {
                let before = code.two("arith.muli", place, *size)?;
                place = code.two("arith.addi", before, loop_index(code, axis)?)?;
            }
            from.push(place);
        }
        Ok(vec![code.op("tensor.extract", &from, element)?])
    })?;
    Ok(results[0])
}

fn collapse<'c>(lo: &Lowerer<'c>, value: Value<'c>, groups: &[Range<usize>], dims: &[Dim]) -> Result<Value<'c>> {
    let blueprint = Blueprint::new("tensor.collapse_shape")
        .operands([value])
        .results([lo.tensor_type(value.ty().element(), dims)])
        .attribute("reassociation", reassociation(lo, groups));
    Ok(lo.builder().insert(&blueprint)?.result(0))
}

fn expand<'c>(lo: &mut Lowerer<'c>, value: Value<'c>, groups: &[Range<usize>], dims: &[Dim]) -> Result<Value<'c>> {
    let (numbers, sizes) = lo.mixed(dims)?;
    let blueprint = Blueprint::new("tensor.expand_shape")
        .operands([value])
        .operands(sizes)
        .results([lo.tensor_type(value.ty().element(), dims)])
        .attribute("reassociation", reassociation(lo, groups))
        .attribute("static_output_shape", Attribute::i64_array(lo.context(), &numbers));
    Ok(lo.builder().insert(&blueprint)?.result(0))
}

fn reassociation<'c>(lo: &Lowerer<'c>, groups: &[Range<usize>]) -> Attribute<'c> {
    let cx = lo.context();
    let i64 = Type::int(cx, 64);
    let group = |range: &Range<usize>| {
        let axes: Vec<_> = range.clone().map(|axis| Attribute::integer(i64, axis as i64)).collect();
        Attribute::array(cx, &axes)
    };
    Attribute::array(cx, &groups.iter().map(group).collect::<Vec<_>>())
}

/// A product of sizes in a form that can be compared.
#[derive(Clone, PartialEq)]
struct Product {
    number: i64,
    symbols: Vec<String>,
}

impl Product {
    fn of(dim: &Dim) -> Self {
        let mut product = Self { number: 1, symbols: Vec::new() };
        product.multiply(dim);
        product
    }

    fn multiply(&mut self, dim: &Dim) {
        match dim {
            Dim::Known(size) => self.number = self.number.saturating_mul(*size),
            Dim::Expr(expr) if let DimExpr::Mul(a, b) = &**expr => {
                self.multiply(a);
                self.multiply(b);
            }
            other => {
                let symbol = other.to_string();
                let place = self.symbols.partition_point(|known| *known < symbol);
                self.symbols.insert(place, symbol);
            }
        }
    }

    /// Whether more factors make `self` the other, as far as symbols tell.
    fn divides(&self, other: &Self) -> bool {
        let mut rest = other.symbols.iter();
        other.number % self.number == 0 && self.symbols.iter().all(|symbol| rest.any(|s| s == symbol))
    }
}

/// The finest groups of equal products; `None` where symbols do not tell.
fn groups(from: &[Dim], to: &[Dim]) -> Option<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < from.len() && j < to.len() {
        let (first, second) = (i, j);
        let (mut old, mut new) = (Product::of(&from[i]), Product::of(&to[j]));
        (i, j) = (i + 1, j + 1);
        while old != new {
            if old.divides(&new) && i < from.len() {
                old.multiply(&from[i]);
                i += 1;
            } else if new.divides(&old) && j < to.len() {
                new.multiply(&to[j]);
                j += 1;
            } else if i < from.len() && j < to.len() {
                old.multiply(&from[i]);
                new.multiply(&to[j]);
                (i, j) = (i + 1, j + 1);
            } else {
                return None;
            }
        }
        groups.push((first..i, second..j));
    }
    if from[i..].iter().chain(&to[j..]).any(|dim| *dim != Dim::Known(1)) {
        return None;
    }
    let last = groups.last_mut()?;
    last.0.end = from.len();
    last.1.end = to.len();
    Some(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_split_and_merge() {
        let (b, t) = (Dim::symbol(0), Dim::symbol(1));
        let flat = [b.clone(), t.clone(), Dim::Known(384)];
        let heads = [b.clone(), t.clone(), Dim::Known(12), Dim::Known(32)];
        assert_eq!(groups(&flat, &heads), Some(vec![(0..1, 0..1), (1..2, 1..2), (2..3, 2..4)]));
        assert_eq!(groups(&[b.mul(&t), Dim::Known(384)], &flat), Some(vec![(0..1, 0..2), (1..2, 2..3)]));
    }

    #[test]
    fn ones_come_and_go() {
        let known = |sizes: &[i64]| sizes.iter().map(|s| Dim::Known(*s)).collect::<Vec<_>>();
        assert_eq!(groups(&known(&[3, 5]), &known(&[3, 1, 5, 1])), Some(vec![(0..1, 0..1), (1..2, 1..4)]));
        assert_eq!(groups(&known(&[6, 4]), &known(&[4, 6])), Some(vec![(0..2, 0..2)]));
        assert_eq!(groups(&[Dim::symbol(0)], &[Dim::symbol(1)]), None);
    }
}
