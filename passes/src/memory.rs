//! How much memory a function takes for the values between its inputs and its outputs, before it is compiled.

use std::collections::{HashMap, HashSet};

use thunder_interface::{Dim, Strided, dtype_of};
use thunder_ir::{Operation, Result, Value};

use crate::kernels::{absorbed_permutation, jobs, layout, steps, with_kernels};
use crate::machine::{CPU, DYNAMIC};
use crate::shapes::Shapes;

/// Buffers begin at multiples of this many bytes.
const ALIGN: u64 = 64;

/// What dynamic sizes are taken to be.
#[derive(Debug, Clone)]
pub struct Assumption {
    named: Vec<(String, i64)>,
    other: i64,
}

impl Default for Assumption {
    fn default() -> Self {
        Self { named: Vec::new(), other: DYNAMIC }
    }
}

impl Assumption {
    /// Sizes by name, as in `batch=8`, and the size of every other dynamic dimension; what is wrong with them.
    pub fn of(sizes: &[String], other: i64) -> std::result::Result<Self, String> {
        let named = sizes.iter().map(|text| {
            let parts = text.split_once('=').and_then(|(name, size)| Some((name.to_owned(), size.parse().ok()?)));
            parts.filter(|(_, size)| *size >= 0).ok_or_else(|| format!("option sizes: '{text}' is no 'name=size'"))
        });
        let named = named.collect::<std::result::Result<_, _>>()?;
        if other < 0 { Err(format!("option dynamic: {other} is no size")) } else { Ok(Self { named, other }) }
    }

    /// A size in terms of a function's symbols.
    pub fn size(&self, shapes: &Shapes<'_>, dim: &Dim) -> i64 {
        let symbol = |number: u32| {
            let name = shapes.symbols.get(number as usize).and_then(|symbol| symbol.name.as_deref());
            let known = name.and_then(|name| self.named.iter().find(|(known, _)| known == name));
            Some(known.map_or(self.other, |(_, size)| *size))
        };
        dim.evaluate(&symbol).unwrap_or(self.other).max(0)
    }

    /// The sizes of a tensor.
    pub fn dims<'c>(&self, shapes: &Shapes<'c>, value: Value<'c>) -> Vec<i64> {
        shapes.dims(value).iter().map(|dim| self.size(shapes, dim)).collect()
    }

    /// The bytes of a tensor.
    pub fn bytes<'c>(&self, shapes: &Shapes<'c>, value: Value<'c>) -> u64 {
        let Some(tensor) = value.ty().as_tensor() else { return 0 };
        let width = dtype_of(tensor.element()).map_or(8, |dtype| dtype.size()) as i64;
        self.dims(shapes, value).iter().fold(width, |bytes, size| bytes.saturating_mul(*size)) as u64
    }
}

/// The memory of the values that are neither inputs, constants nor outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// The most bytes that are live at one step.
    pub peak_bytes: u64,
    /// Bytes of all such values together.
    pub total_bytes: u64,
}

/// Estimates the memory of a function whose composites are decomposed: a copy of it is cut into kernels, and values live
/// from the step that makes them to the last that reads them. Kernels one after another that need nothing of each other
/// are one step, as in the runtime.
pub fn estimate(function: Operation<'_>, assumption: &Assumption) -> Result<Estimate> {
    with_kernels(function, &CPU, |cut, shapes, _| of_cut(cut, shapes, assumption))
}

fn of_cut<'c>(function: Operation<'c>, shapes: &Shapes<'c>, assumption: &Assumption) -> Result<Estimate> {
    let steps = steps(function, shapes, &CPU);
    let made: HashSet<Value<'_>> = steps.iter().flat_map(|step| &step.makes).copied().collect();
    let place = |value| if made.contains(&value) { (whole(value, shapes), true) } else { owner(value, shapes, &made) };
    let root = |value| place(value).0;
    let block = function.region(0).entry().ok_or_else(|| function.error("has no body"))?;
    let returned: Vec<_> = block.terminator().map_or_else(Vec::new, |op| op.operands().collect());
    let outputs: HashSet<Value<'_>> =
        returned.iter().map(|v| place(*v)).filter(|(_, is_all)| *is_all).map(|(root, _)| root).collect();
    let mut lifetimes: HashMap<Value<'_>, (usize, usize)> = HashMap::new();
    let jobs = jobs(&steps, &root);
    for (step, number) in steps.iter().zip(jobs.iter().copied()) {
        let made = step.makes.iter().map(|v| root(*v)).filter(|v| !outputs.contains(v));
        made.for_each(|value| _ = lifetimes.entry(value).or_insert((number, number)));
        for value in step.reads.iter().map(|v| root(*v)) {
            lifetimes.entry(value).and_modify(|(_, last)| *last = number);
        }
    }
    let number = jobs.last().copied().unwrap_or(0);
    for (after, value) in returned.iter().enumerate() {
        lifetimes.entry(root(*value)).and_modify(|(_, last)| *last = number + 1 + after);
    }
    let mut change = vec![0_i64; number + returned.len() + 2];
    let mut total_bytes = 0;
    for (value, (first, last)) in lifetimes {
        let bytes = assumption.bytes(shapes, value).next_multiple_of(ALIGN);
        total_bytes += bytes;
        change[first] += bytes as i64;
        change[last + 1] -= bytes as i64;
    }
    let live = change.iter().scan(0, |live, change| {
        *live += change;
        Some(*live)
    });
    Ok(Estimate { peak_bytes: live.max().unwrap_or(0) as u64, total_bytes })
}

/// What has the memory of a value that a step makes: what a library makes may only be wanted in another order of dimensions.
fn whole<'c>(value: Value<'c>, shapes: &Shapes<'c>) -> Value<'c> {
    layout(value, shapes).map_or(value, |(root, _)| root)
}

/// The value whose memory a view is, one of those that steps make where there is one on the way, and whether the view is
/// all of it in order.
fn owner<'c>(value: Value<'c>, shapes: &Shapes<'c>, made: &HashSet<Value<'c>>) -> (Value<'c>, bool) {
    let Some((root, view)) = layout(value, shapes) else { return (value, false) };
    let is_view = |op: &Operation<'c>| <dyn Strided>::of(*op).is_some() && absorbed_permutation(*op, shapes).is_none();
    let views = std::iter::successors(Some(value), |value| Some(value.defining_op().filter(is_view)?.operand(0)));
    let owner = views.into_iter().find(|value| made.contains(value)).map_or(root, |value| whole(value, shapes));
    let is_whole = Dim::product(&view.sizes) == Dim::product(&shapes.dims(owner));
    (owner, is_whole && view.is_dense())
}
