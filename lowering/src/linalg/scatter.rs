//! Elements combined with others at places that a tensor tells.
//!
//! Loops over the indices, in order; what follows the indexed dimension is combined as a whole. An index
//! that is out of range is moved to the nearest place that there is; where there is none, nothing is
//! done. The reference reports an error instead. Half precision is accumulated in `f32` and rounded
//! once.

use super::arith::{Arith, Ints};
use super::dtype::{is_unsigned, load};
use super::generic::{Generic, Loop, Map, loop_index};
use super::lowerer::Lowerer;
use super::reduce::{Combine, accumulator, finish};
use super::scalar::element_dtype;
use super::structure::repeat;
use super::tensor::{Mixed, Part};
use std::ops::Range;
use thunder_dialect::ops::scatter::{IndexAdd, ScatterAdd};
use thunder_dialect::ops::scatter_reduce::{Reduction, ScatterReduce};
use thunder_interface::Dim;
use thunder_ir::op::Op;
use thunder_ir::{Operation, Result, Type, Value};
use thunder_tensor::DType;

/// Adds slices of the updates, one for each index.
pub fn index_add<'c>(lo: &mut Lowerer<'c>, op: &IndexAdd<'c>) -> Result<Value<'c>> {
    let axis = op.axis() as usize;
    let rank = lo.dims(op.indices()).len();
    if lo.by_element {
        let loops = (0..axis).map(Some).chain((0..rank).map(|_| None));
        let after = (axis + 1..lo.dims(op.operand()).len()).map(Some);
        return combined(lo, op.operation(), axis, &loops.chain(after).collect::<Vec<_>>(), axis..axis + rank, total);
    }
    combine(lo, op.operation(), axis, axis + rank, |place| place[axis..].to_vec(), total)
}

/// Adds elements of the updates, each at its own index.
pub fn scatter_add<'c>(lo: &mut Lowerer<'c>, op: &ScatterAdd<'c>) -> Result<Value<'c>> {
    scattered(lo, op.operation(), op.axis() as usize, total)
}

/// Combines elements of the updates with those of the operand, each at its own index.
pub fn scatter_reduce<'c>(lo: &mut Lowerer<'c>, op: &ScatterReduce<'c>) -> Result<Value<'c>> {
    let axis = op.axis() as usize;
    match op.reduce() {
        Reduction::Replace => scattered(lo, op.operation(), axis, |code, _, x, dtype| load(code, x, dtype)),
        Reduction::Prod => scattered(lo, op.operation(), axis, |code, total, x, dtype| {
            let x = load(code, x, dtype)?;
            code.two(if dtype.is_float() { "arith.mulf" } else { "arith.muli" }, total, x)
        }),
        Reduction::Amax => {
            scattered(lo, op.operation(), axis, |code, total, x, dtype| Combine::Max.step(code, total, x, dtype))
        }
        Reduction::Amin => {
            scattered(lo, op.operation(), axis, |code, total, x, dtype| Combine::Min.step(code, total, x, dtype))
        }
    }
}

/// What becomes of an accumulated element and a stored one of a dtype.
type Step = for<'a, 'c> fn(Arith<'a, 'c>, Value<'c>, Value<'c>, DType) -> Result<Value<'c>>;

fn total<'c>(code: Arith<'_, 'c>, total: Value<'c>, x: Value<'c>, dtype: DType) -> Result<Value<'c>> {
    let x = load(code, x, dtype)?;
    code.two(if dtype.is_float() { "arith.addf" } else { "arith.addi" }, total, x)
}

fn scattered<'c>(lo: &mut Lowerer<'c>, op: Operation<'c>, axis: usize, step: Step) -> Result<Value<'c>> {
    let rank = lo.dims(op.operand(1)).len();
    if lo.by_element {
        let loops: Vec<_> = (0..rank).map(|at| (at != axis).then_some(at)).collect();
        return combined(lo, op, axis, &loops, 0..rank, step);
    }
    combine(lo, op, axis, rank, |place| place.to_vec(), step)
}

/// The same as a total for each element: of the updates whose index is its own.
///
/// `loops` says of each dimension of the updates which dimension of the result it is; the others are those along which
/// indices differ. `places` are those of the indices.
fn combined<'c>(
    lo: &mut Lowerer<'c>,
    op: Operation<'c>,
    axis: usize,
    loops: &[Option<usize>],
    places: Range<usize>,
    step: Step,
) -> Result<Value<'c>> {
    let (operand, indices, updates) = (op.operand(0), op.operand(1), op.operand(2));
    let dtype = element_dtype(op, operand.ty())?;
    let is_unsigned = is_unsigned(element_dtype(op, indices.ty())?);
    let (dims, accumulator) = (lo.dims(operand), accumulator(op.context(), dtype));
    let start = lo.map(lo.value(operand)?, &dims, accumulator, |code, x| load(code, x, dtype))?;
    let (zero, last) = (lo.size(&Dim::Known(0))?, lo.size(&dims[axis].sub(&Dim::Known(1)))?);
    let mut kinds = vec![Loop::Parallel; dims.len()];
    let mut from = Vec::new();
    for place in loops {
        from.push(place.unwrap_or(kinds.len()));
        if place.is_none() {
            kinds.push(Loop::Reduction);
        }
    }
    let totals = Generic::new(kinds)
        .input(lo.value(updates)?, Map::loops(from.iter().copied()))
        .input(lo.value(indices)?, Map::loops(from[places].iter().copied()))
        .output(start, Map::identity(dims.len()))
        .build(lo, |code, x| {
            let name = if is_unsigned { "arith.index_castui" } else { "arith.index_cast" };
            let index = code.op(name, &[x[1]], Type::index(code.context()))?;
            let is_here = code.cmpi(Ints::Eq, code.clamp(index, zero, last)?, loop_index(code, axis)?)?;
            let total = step(code, x[2], x[0], dtype)?;
            Ok(vec![code.select(is_here, total, x[2])?])
        })?;
    finish(lo, totals[0], &dims, dtype, None)
}

/// What the loops share.
struct Combination<'a, 'c> {
    lo: &'a Lowerer<'c>,
    updates: Value<'c>,
    dtype: DType,
    step: Step,
    /// Sizes of the slices that are combined whole, and those of them that are no numbers.
    inner: Vec<Dim>,
    open: Vec<Value<'c>>,
}

/// Loops over the first `loops` dimensions of the updates; `index_of` takes an element of them to
/// that of the indices.
fn combine<'c>(
    lo: &mut Lowerer<'c>,
    op: Operation<'c>,
    axis: usize,
    loops: usize,
    index_of: impl Fn(&[Value<'c>]) -> Vec<Value<'c>>,
    step: Step,
) -> Result<Value<'c>> {
    let (operand, indices, updates) = (op.operand(0), op.operand(1), op.operand(2));
    let dtype = element_dtype(op, operand.ty())?;
    let is_unsigned = is_unsigned(element_dtype(op, indices.ty())?);
    let (dims, sizes) = (lo.dims(operand), lo.dims(updates));
    let totals = lo.map(lo.value(operand)?, &dims, accumulator(op.context(), dtype), |code, x| load(code, x, dtype))?;
    if dims[axis] == Dim::Known(0) {
        return finish(lo, totals, &dims, dtype, None);
    }
    let (zero, one) = (lo.size(&Dim::Known(0))?, lo.size(&Dim::Known(1))?);
    let last = lo.size(&dims[axis].sub(&Dim::Known(1)))?;
    let mut bounds = sizes[..loops].iter().map(|size| lo.size(size)).collect::<Result<Vec<_>>>()?;
    if let (None, Some(bound)) = (dims[axis].known(), bounds.last_mut()) {
        let has_elements = lo.code().cmpi(Ints::Sge, last, zero)?;
        *bound = lo.code().select(has_elements, *bound, zero)?;
    }
    let inner = sizes[loops..].to_vec();
    let open = inner.iter().filter(|dim| dim.known().is_none());
    let open = open.map(|dim| lo.size(dim)).collect::<Result<Vec<_>>>()?;
    let places = lo.value(indices)?;
    let combination = Combination { lo, updates: lo.value(updates)?, dtype, step, inner, open };
    let step = |code: Arith<'_, 'c>, at: &[Value<'c>], totals: Value<'c>| {
        let element = places.ty().element();
        let index = code.op("tensor.extract", &[&[places], &index_of(at)[..]].concat(), element)?;
        let name = if is_unsigned { "arith.index_castui" } else { "arith.index_cast" };
        let index = code.op(name, &[index], Type::index(code.context()))?;
        let mut to = at[..axis].to_vec();
        to.push(code.clamp(index, zero, last)?);
        // Dimensions after the axis that have loops of their own.
        to.extend(at.iter().skip(to.len()).take(dims.len() - combination.inner.len() - to.len()));
        combination.step(code, at, &to, totals)
    };
    // An index of rank 0 at the first axis takes no loop.
    let guarded = loops == 0 && dims[axis].known().is_none();
    if guarded {
        let has_elements = one_if_any(combination.lo, last, zero)?;
        bounds.push(has_elements);
    }
    let totals = nest(combination.lo.code(), (zero, one), &bounds, &mut Vec::new(), totals, &|code, at, totals| {
        step(code, &at[..loops], totals)
    })?;
    finish(lo, totals, &dims, dtype, None)
}

/// One iteration if there is a place, else none.
fn one_if_any<'c>(lo: &Lowerer<'c>, last: Value<'c>, zero: Value<'c>) -> Result<Value<'c>> {
    let code = lo.code();
    let has_elements = code.cmpi(Ints::Sge, last, zero)?;
    code.select(has_elements, code.index(1)?, zero)
}

type Body<'s, 'c> = &'s dyn Fn(Arith<'_, 'c>, &[Value<'c>], Value<'c>) -> Result<Value<'c>>;

/// Loops up to `bounds` that carry a tensor.
fn nest<'c>(
    code: Arith<'_, 'c>,
    (zero, one): (Value<'c>, Value<'c>),
    bounds: &[Value<'c>],
    at: &mut Vec<Value<'c>>,
    totals: Value<'c>,
    step: Body<'_, 'c>,
) -> Result<Value<'c>> {
    let Some((bound, rest)) = bounds.split_first() else { return step(code, at, totals) };
    let results = repeat(code, (zero, *bound, one), &[totals], |code, index, carried| {
        at.push(index);
        let totals = nest(code, (zero, one), rest, at, carried[0], step)?;
        at.pop();
        Ok(vec![totals])
    })?;
    Ok(results[0])
}

impl<'c> Combination<'_, 'c> {
    /// Combines the part of the updates at `from` with that of the totals at `to`.
    fn step(&self, code: Arith<'_, 'c>, from: &[Value<'c>], to: &[Value<'c>], totals: Value<'c>) -> Result<Value<'c>> {
        if self.inner.is_empty() {
            let x = code.op("tensor.extract", &[&[self.updates], from].concat(), self.updates.ty().element())?;
            let total = code.op("tensor.extract", &[&[totals], to].concat(), totals.ty().element())?;
            let total = (self.step)(code, total, x, self.dtype)?;
            return code.op("tensor.insert", &[&[total, totals], to].concat(), totals.ty());
        }
        let (b, map) = (code.builder(), || Map::identity(self.inner.len()));
        let x = self.part(from).extract(b, self.lo, self.updates, self.slice_type(self.updates))?;
        let place = self.part(to);
        let slice = place.extract(b, self.lo, totals, self.slice_type(totals))?;
        let sums = Generic::parallel(self.inner.len()).input(x, map()).output(slice, map()).build_at(
            b,
            self.lo,
            |code, x| Ok(vec![(self.step)(code, x[1], x[0], self.dtype)?]),
        )?;
        place.insert(b, self.lo, sums[0], totals)
    }

    fn slice_type(&self, whole: Value<'c>) -> Type<'c> {
        self.lo.tensor_type(whole.ty().element(), &self.inner)
    }

    fn part(&self, at: &[Value<'c>]) -> Part<'c> {
        let rank = at.len() + self.inner.len();
        let offsets: Vec<_> = at.iter().copied().enumerate().collect();
        let mut numbers = vec![1; at.len()];
        numbers.extend(self.inner.iter().map(|dim| dim.known().unwrap_or(i64::MIN)));
        Part {
            offsets: Mixed::at(rank, &offsets),
            sizes: Mixed::new(numbers, self.open.clone()),
            strides: Mixed::numbers(&vec![1; rank]),
        }
    }
}
