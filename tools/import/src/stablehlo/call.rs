//! An op with what it is given, as the builders of ops ask for it.

use std::collections::HashSet;

use thunder_trace::{Dim, Scalar, Scope, Tensor};

use super::program::{Attribute, Element, Op, Region, TensorType, Type};
use super::value::Value;
use super::write::{Frame, Writer};
use crate::arguments::{Answer, Reason, malformed};

/// An op where it is written.
pub(crate) struct Call<'a, 't> {
    pub(crate) cx: Scope<'t>,
    pub(crate) op: &'a Op,
    pub(crate) operands: &'a [Value<'t>],
    pub(crate) writer: &'a Writer<'a, 't>,
    /// The values of the function around.
    pub(crate) frame: &'a Frame<'t>,
    /// The sizes that its elements are computed for all at once, where it stands in a function of single elements.
    pub(crate) lift: Option<&'a [Dim]>,
}

impl<'a, 't> Call<'a, 't> {
    pub(crate) fn value(&self, index: usize) -> Answer<&'a Value<'t>> {
        self.operands.get(index).ok_or_else(|| Reason::Malformed(format!("it has no operand {index}")))
    }

    pub(crate) fn tensor(&self, index: usize) -> Answer<Tensor<'t>> {
        Ok(self.value(index)?.tensor(self.cx))
    }

    pub(crate) fn tensors(&self) -> Vec<Tensor<'t>> {
        self.operands.iter().map(|value| value.tensor(self.cx)).collect()
    }

    pub(crate) fn element(&self, index: usize) -> Answer<&'a Element> {
        Ok(self.value(index)?.element())
    }

    /// What the file says of a result.
    pub(crate) fn result(&self, index: usize) -> Answer<&'a TensorType> {
        match self.op.results.get(index) {
            Some((_, Type::Tensor(ty))) => Ok(ty),
            _ => malformed(format!("it has no tensor for result {index}")),
        }
    }

    /// The sizes of its first result, where the file states them all; in a function of single elements, those that it is
    /// computed for.
    pub(crate) fn dims(&self) -> Answer<Vec<Dim>> {
        if let Some(lift) = self.lift {
            return Ok(lift.to_vec());
        }
        let ty = self.result(0)?;
        let known: Option<Vec<Dim>> = ty.dims.iter().map(|dim| dim.map(Dim::from)).collect();
        known.ok_or_else(|| Reason::Malformed(format!("its result '{ty}' leaves sizes open")))
    }

    fn required(&self, name: &str) -> Answer<&'a Attribute> {
        self.op.attribute(name).ok_or_else(|| Reason::Malformed(format!("'{name}' is missing")))
    }

    fn wrong<T>(&self, name: &str, found: &Attribute) -> Answer<T> {
        malformed(format!("'{name}' is of another kind: {found:?}"))
    }

    /// A list of integers.
    pub(crate) fn ints(&self, name: &str) -> Answer<Vec<i64>> {
        let found = self.required(name)?;
        let ints = match found {
            Attribute::List(items) => items.iter().map(int).collect(),
            Attribute::Elements(elements) => elements.ints(),
            _ => None,
        };
        ints.map_or_else(|| self.wrong(name, found), Ok)
    }

    /// A list of as many integers as there are dimensions, all `default` where it is left out.
    pub(crate) fn ints_or(&self, name: &str, default: i64, count: usize) -> Answer<Vec<i64>> {
        let ints = if self.op.attribute(name).is_none() { vec![default; count] } else { self.ints(name)? };
        if ints.len() != count {
            return malformed(format!("'{name}' has {} entries for {count} dimensions", ints.len()));
        }
        Ok(ints)
    }

    /// A list of integers, empty where it is left out.
    pub(crate) fn optional_ints(&self, name: &str) -> Answer<Vec<i64>> {
        if self.op.attribute(name).is_none() { Ok(Vec::new()) } else { self.ints(name) }
    }

    /// Dimensions of a tensor of this rank, each once, as numbers of them.
    pub(crate) fn axes(&self, name: &str, rank: usize) -> Answer<Vec<usize>> {
        let axes = self.optional_ints(name)?;
        let mut seen = vec![false; rank];
        let mut checked = Vec::new();
        for axis in &axes {
            match usize::try_from(*axis).ok().and_then(|axis| seen.get_mut(axis)) {
                Some(seen) if !*seen => *seen = true,
                _ => return malformed(format!("'{name}' is {axes:?}, of a tensor of rank {rank}")),
            }
            checked.push(*axis as usize);
        }
        Ok(checked)
    }

    /// A dimension of a tensor of this rank.
    pub(crate) fn axis(&self, name: &str, rank: usize) -> Answer<usize> {
        let axis = self.int(name)?;
        let checked = usize::try_from(axis).ok().filter(|axis| *axis < rank);
        checked.ok_or_else(|| Reason::Malformed(format!("'{name}' is {axis}, of a tensor of rank {rank}")))
    }

    /// Pairs of integers, all 0 where they are left out: what comes before and after each of some dimensions.
    pub(crate) fn pairs(&self, name: &str, count: usize) -> Answer<(Vec<i64>, Vec<i64>)> {
        let Some(found) = self.op.attribute(name) else { return Ok((vec![0; count], vec![0; count])) };
        let flat = match found {
            Attribute::Elements(elements) => elements.ints(),
            Attribute::List(rows) => {
                let row = |row: &Attribute| match row {
                    Attribute::List(pair) if pair.len() == 2 => pair.iter().map(int).collect::<Option<Vec<_>>>(),
                    _ => None,
                };
                rows.iter().map(row).collect::<Option<Vec<_>>>().map(|rows| rows.concat())
            }
            _ => None,
        };
        let Some(flat) = flat else { return self.wrong(name, found) };
        if flat.len() != 2 * count {
            return malformed(format!("'{name}' has {} entries for {count} dimensions", flat.len()));
        }
        Ok((flat.iter().copied().step_by(2).collect(), flat.iter().copied().skip(1).step_by(2).collect()))
    }

    pub(crate) fn int(&self, name: &str) -> Answer<i64> {
        let found = self.required(name)?;
        int(found).map_or_else(|| self.wrong(name, found), Ok)
    }

    pub(crate) fn flag_or(&self, name: &str, default: bool) -> Answer<bool> {
        match self.op.attribute(name) {
            None => Ok(default),
            Some(Attribute::Bool(value)) => Ok(*value),
            Some(Attribute::Unit) => Ok(true),
            Some(found) => self.wrong(name, found),
        }
    }

    /// A word, a text or the name of a function.
    pub(crate) fn word(&self, name: &str) -> Answer<&'a str> {
        let found = self.required(name)?;
        match found {
            Attribute::Word(text) | Attribute::Text(text) | Attribute::Symbol(text) => Ok(text),
            _ => self.wrong(name, found),
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.op.attribute(name).is_some()
    }

    pub(crate) fn region(&self, index: usize) -> Answer<&'a Region> {
        self.op.regions.get(index).ok_or_else(|| Reason::Malformed(format!("it has no region {index}")))
    }

    /// What a region makes of values.
    pub(crate) fn run(&self, region: &Region, given: &[Value<'t>]) -> Answer<Vec<Value<'t>>> {
        self.writer.region(region, given, self.frame, self.lift)
    }

    /// Makes the tensors of all values of outside that regions use.
    pub(crate) fn make_outer(&self, regions: &[&Region]) {
        for region in regions {
            self.make_but(region, &mut HashSet::new());
        }
    }

    /// Makes those that are not `own`, which the regions around define.
    fn make_but(&self, region: &Region, own: &mut HashSet<usize>) {
        own.extend(region.arguments.iter().map(|argument| argument.value));
        for op in &region.ops {
            for number in op.operands.iter().filter(|number| !own.contains(number)) {
                let value = self.frame.borrow().get(*number).cloned().flatten();
                value.iter().for_each(|value| _ = value.tensor(self.cx));
            }
            op.regions.iter().for_each(|inner| self.make_but(inner, own));
            own.extend(op.results.iter().map(|(number, _)| *number));
        }
    }

    /// What a region of single elements makes of tensors of these sizes, element by element.
    pub(crate) fn map(&self, region: &Region, dims: &[Dim], given: &[Value<'t>]) -> Answer<Vec<Value<'t>>> {
        self.writer.region(region, given, self.frame, Some(dims))
    }

    /// A number as an element of the first operand, if all of that are the same.
    pub(crate) fn scalar(&self, index: usize) -> Answer<Option<Scalar>> {
        Ok(self.value(index)?.scalar())
    }
}

fn int(attribute: &Attribute) -> Option<i64> {
    match attribute {
        Attribute::Int(value) => Some(*value),
        Attribute::Bool(value) => Some((*value).into()),
        Attribute::Elements(elements) => match elements.ints()?[..] {
            [value] => Some(value),
            _ => None,
        },
        _ => None,
    }
}
