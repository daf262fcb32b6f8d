//! Elements in order.

use super::arith::{Arith, Floats, Ints};
use super::dtype::{is_unsigned, load};
use super::generic::{Generic, Index, Loop, Map, loop_index};
use super::lowerer::Lowerer;
use super::scalar::element_dtype;
use super::structure::repeat;
use thunder_dialect::ops::sort::Argsort;
use thunder_interface::Dim;
use thunder_ir::op::Op;
use thunder_ir::{Attribute, Result, Type, Value};
use thunder_tensor::DType;

/// The longest row of which each element is found by itself, which takes as many comparisons as pairs.
const LONGEST: i64 = 1024;

/// Which of two elements comes first.
#[derive(Clone, Copy)]
struct Order {
    dtype: DType,
    descending: bool,
}

impl Order {
    /// Whether `x` must come before `y`; neither does before an equal one.
    fn precedes<'c>(self, code: Arith<'_, 'c>, x: Value<'c>, y: Value<'c>) -> Result<Value<'c>> {
        let (low, high) = if self.descending { (y, x) } else { (x, y) };
        let (low, high) = (load(code, low, self.dtype)?, load(code, high, self.dtype)?);
        if !self.dtype.is_float() {
            let how = if is_unsigned(self.dtype) { Ints::Ult } else { Ints::Slt };
            return code.cmpi(how, low, high);
        }
        // NaN is greater than every number, but not than NaN.
        let is_less = code.cmpf(Floats::Ult, low, high)?;
        code.two("arith.andi", is_less, code.cmpf(Floats::Ord, low, low)?)
    }
}

/// The positions that elements along an axis have, in the order of the elements.
pub fn argsort<'c>(lo: &mut Lowerer<'c>, op: &Argsort<'c>) -> Result<Value<'c>> {
    let dtype = element_dtype(op.operation(), op.operand().ty())?;
    let order = Order { dtype, descending: op.descending() };
    let (axis, dims) = (op.axis() as usize, lo.dims(op.operand()));
    let input = lo.value(op.operand())?;
    if lo.by_element {
        if dims[axis].known().is_none_or(|length| length > LONGEST) {
            let length = &dims[axis];
            return Err(op.error(format!("has no form on a GPU for rows of {length} elements: {LONGEST} are the most")));
        }
        return by_rank(lo, input, &dims, axis, order);
    }
    Merge::new(lo, input, &dims, axis, order)?.sort(lo, &dims)
}

/// The same by counting the elements before each one.
fn by_rank<'c>(lo: &mut Lowerer<'c>, input: Value<'c>, dims: &[Dim], axis: usize, order: Order) -> Result<Value<'c>> {
    let (rank, i64) = (dims.len(), Type::int(lo.context(), 64));
    let zeros = lo.filled(Attribute::integer(i64, 0), dims)?;
    let mut loops = vec![Loop::Parallel; rank];
    loops.push(Loop::Reduction);
    let across = Map((0..rank).map(|at| Index::Loop(if at == axis { rank } else { at })).collect());
    let ranks = Generic::new(loops.clone())
        .input(input, Map::identity(rank))
        .input(input, across.clone())
        .output(zeros, Map::identity(rank))
        .build(lo, |code, x| {
            let [own, other, count] = x[..] else { unreachable!("two inputs and one output are given") };
            let is_less = order.precedes(code, other, own)?;
            let is_not_greater = code.not(order.precedes(code, own, other)?)?;
            let is_earlier = code.cmpi(Ints::Ult, loop_index(code, rank)?, loop_index(code, axis)?)?;
            let ties = code.two("arith.andi", is_not_greater, is_earlier)?;
            let is_before = code.op("arith.extui", &[code.two("arith.ori", is_less, ties)?], i64)?;
            Ok(vec![code.two("arith.addi", count, is_before)?])
        })?;
    let places =
        Generic::new(loops).input(ranks[0], across).output(zeros, Map::identity(rank)).build(lo, |code, x| {
            let own = code.op("arith.index_cast", &[loop_index(code, axis)?], i64)?;
            let other = code.op("arith.index_cast", &[loop_index(code, rank)?], i64)?;
            let is_here = code.cmpi(Ints::Eq, x[0], own)?;
            Ok(vec![code.select(is_here, other, x[1])?])
        })?;
    Ok(places[0])
}

/// A merge sort of positions from the bottom up: runs in order become runs twice as long, between two rows in turn.
struct Merge<'c> {
    input: Value<'c>,
    axis: usize,
    order: Order,
    sizes: Vec<Value<'c>>,
    zero: Value<'c>,
    one: Value<'c>,
    /// The last position.
    last: Value<'c>,
    /// How often the length of runs must become four times as much.
    rounds: Value<'c>,
}

impl<'c> Merge<'c> {
    fn new(lo: &mut Lowerer<'c>, input: Value<'c>, dims: &[Dim], axis: usize, order: Order) -> Result<Self> {
        let sizes = dims.iter().map(|dim| lo.size(dim)).collect::<Result<Vec<_>>>()?;
        let (zero, one) = (lo.size(&Dim::Known(0))?, lo.size(&Dim::Known(1))?);
        let last = lo.size(&dims[axis].sub(&Dim::Known(1)))?;
        let rounds = match dims[axis].known() {
            Some(length) => lo.size(&Dim::Known(rounds(length)))?,
            None => {
                let code = lo.code();
                let most = code.index(31)?;
                repeat(code, (zero, most, one), &[zero], |code, round, count| {
                    let is_short = code.cmpi(Ints::Ult, width(code, round)?, sizes[axis])?;
                    let step = code.select(is_short, one, zero)?;
                    Ok(vec![code.two("arith.addi", count[0], step)?])
                })?[0]
            }
        };
        Ok(Self { input, axis, order, sizes, zero, one, last, rounds })
    }

    fn sort(self, lo: &mut Lowerer<'c>, dims: &[Dim]) -> Result<Value<'c>> {
        let i64 = Type::int(lo.context(), 64);
        let out = lo.empty(i64, dims)?;
        let row = &dims[self.axis..=self.axis];
        // Two rows without contents would be one, for all that MLIR can tell.
        let rows = [lo.filled(Attribute::integer(i64, 0), row)?, lo.filled(Attribute::integer(i64, 1), row)?];
        Ok(self.lanes(lo.code(), &mut Vec::new(), &[out, rows[0], rows[1]])?[0])
    }

    /// Loops over all dimensions but the axis, which carry the result and two rows.
    fn lanes(&self, code: Arith<'_, 'c>, at: &mut Vec<Value<'c>>, carried: &[Value<'c>]) -> Result<Vec<Value<'c>>> {
        if at.len() == self.axis {
            at.push(self.zero);
            let carried = self.lanes(code, at, carried);
            at.pop();
            return carried;
        }
        let Some(size) = self.sizes.get(at.len()) else { return self.lane(code, at, carried) };
        repeat(code, (self.zero, *size, self.one), carried, |code, index, carried| {
            at.push(index);
            let carried = self.lanes(code, at, carried);
            at.pop();
            carried
        })
    }

    fn lane(&self, code: Arith<'_, 'c>, at: &[Value<'c>], carried: &[Value<'c>]) -> Result<Vec<Value<'c>>> {
        let i64 = Type::int(code.context(), 64);
        let all = (self.zero, self.sizes[self.axis], self.one);
        let first = repeat(code, all, &carried[1..2], |code, index, rows| {
            let number = code.op("arith.index_cast", &[index], i64)?;
            Ok(vec![insert(code, number, rows[0], &[index])?])
        })?;
        let rounds = (self.zero, self.rounds, self.one);
        let rows = repeat(code, rounds, &[first[0], carried[2]], |code, round, rows| {
            let width = width(code, round)?;
            let longer = self.merged(code, at, rows[0], rows[1], width)?;
            let width = code.two("arith.addi", width, width)?;
            Ok(vec![self.merged(code, at, longer, rows[0], width)?, longer])
        })?;
        let out = repeat(code, all, &carried[..1], |code, index, out| {
            let place = code.op("tensor.extract", &[rows[0], index], i64)?;
            Ok(vec![insert(code, place, out[0], &self.at(at, index))?])
        })?;
        Ok(vec![out[0], rows[0], rows[1]])
    }

    /// `to` with each two neighbouring runs of `width` elements of `from` as one.
    fn merged(
        &self,
        code: Arith<'_, 'c>,
        at: &[Value<'c>],
        from: Value<'c>,
        to: Value<'c>,
        width: Value<'c>,
    ) -> Result<Value<'c>> {
        let length = self.sizes[self.axis];
        let both = code.two("arith.addi", width, width)?;
        let runs = repeat(code, (self.zero, length, both), &[to], |code, low, rows| {
            let end = |width| code.two("arith.minui", code.two("arith.addi", low, width)?, length);
            let (middle, high) = (end(width)?, end(both)?);
            let merged = repeat(code, (low, high, self.one), &[low, middle, rows[0]], |code, to, carried| {
                let [left, right, row] = carried[..] else { unreachable!("three values are carried") };
                let (first, x) = self.read(code, at, from, left)?;
                let (second, y) = self.read(code, at, from, right)?;
                let is_left_empty = code.cmpi(Ints::Uge, left, middle)?;
                let is_less = self.order.precedes(code, y, x)?;
                let has_right = code.cmpi(Ints::Ult, right, high)?;
                let takes_right = code.two("arith.ori", is_left_empty, is_less)?;
                let takes_right = code.two("arith.andi", takes_right, has_right)?;
                let row = insert(code, code.select(takes_right, second, first)?, row, &[to])?;
                let step = code.select(takes_right, self.one, self.zero)?;
                let right = code.two("arith.addi", right, step)?;
                let left = code.two("arith.addi", left, code.two("arith.subi", self.one, step)?)?;
                Ok(vec![left, right, row])
            })?;
            Ok(vec![merged[2]])
        })?;
        Ok(runs[0])
    }

    /// The position that stands at `place` of a row, and the element there; of the last one beyond the end.
    fn read(
        &self,
        code: Arith<'_, 'c>,
        at: &[Value<'c>],
        row: Value<'c>,
        place: Value<'c>,
    ) -> Result<(Value<'c>, Value<'c>)> {
        let place = code.two("arith.minui", place, self.last)?;
        let position = code.op("tensor.extract", &[row, place], row.ty().element())?;
        let index = code.op("arith.index_cast", &[position], Type::index(code.context()))?;
        let from = [&[self.input], &self.at(at, index)[..]].concat();
        Ok((position, code.op("tensor.extract", &from, self.input.ty().element())?))
    }

    fn at(&self, at: &[Value<'c>], index: Value<'c>) -> Vec<Value<'c>> {
        let mut at = at.to_vec();
        at[self.axis] = index;
        at
    }
}

/// The length of the runs that a round begins with.
fn width<'c>(code: Arith<'_, 'c>, round: Value<'c>) -> Result<Value<'c>> {
    let bits = code.two("arith.addi", round, round)?;
    code.two("arith.shli", code.index(1)?, bits)
}

/// How often the length of runs becomes four times as much until one run is left.
fn rounds(length: i64) -> i64 {
    (0..31).filter(|round| 1i64 << (2 * round) < length).count() as i64
}

fn insert<'c>(code: Arith<'_, 'c>, x: Value<'c>, tensor: Value<'c>, at: &[Value<'c>]) -> Result<Value<'c>> {
    code.op("tensor.insert", &[&[x, tensor], at].concat(), tensor.ty())
}
