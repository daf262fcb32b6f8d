//! Running totals.

use super::arith::{Arith, Ints};
use super::dtype::{load, storage_type, store};
use super::generic::{Generic, Loop, Map, loop_index};
use super::lowerer::Lowerer;
use super::reduce::{Combine, finish};
use super::scalar::element_dtype;
use super::structure::repeat;
use super::tensor::{Mixed, Part};
use thunder_interface::Dim;
use thunder_ir::{Operation, Result, Value};
use thunder_tensor::DType;

/// What the loops of a scan share.
struct Scan<'a, 'c> {
    lo: &'a Lowerer<'c>,
    input: Value<'c>,
    dtype: DType,
    axis: usize,
    dims: &'a [Dim],
    sizes: Vec<Value<'c>>,
    /// From and step of every loop.
    bounds: (Value<'c>, Value<'c>),
    /// The total of nothing: an element, or a tensor of the dimensions after `axis`.
    start: Value<'c>,
}

/// The sum of all elements up to each one along `axis`, in order: loops over the dimensions before
/// `axis`, then over `axis`, with a total for each element of the dimensions after it.
pub fn cumsum<'c>(lo: &mut Lowerer<'c>, op: Operation<'c>, axis: usize) -> Result<Value<'c>> {
    let dtype = element_dtype(op, op.operand(0).ty())?;
    let (input, dims) = (lo.value(op.operand(0))?, lo.dims(op.result(0)));
    if lo.by_element {
        return sums(lo, op, input, &dims, axis, dtype);
    }
    let out = lo.empty(storage_type(op.context(), dtype), &dims)?;
    let zero = Combine::Sum.start(op.context(), dtype);
    let inner = &dims[axis + 1..];
    let start = if inner.is_empty() { lo.code().constant(zero)? } else { lo.filled(zero, inner)? };
    let sizes = dims.iter().map(|dim| lo.size(dim)).collect::<Result<Vec<_>>>()?;
    let bounds = (lo.size(&Dim::Known(0))?, lo.size(&Dim::Known(1))?);
    let scan = Scan { lo, input, dtype, axis, dims: &dims, sizes, bounds, start };
    scan.outer(lo.code(), &mut Vec::new(), out)
}

/// The same as a sum for each element.
fn sums<'c>(
    lo: &mut Lowerer<'c>,
    op: Operation<'c>,
    input: Value<'c>,
    dims: &[Dim],
    axis: usize,
    dtype: DType,
) -> Result<Value<'c>> {
    let rank = dims.len();
    let start = lo.filled(Combine::Sum.start(op.context(), dtype), dims)?;
    let mut loops = vec![Loop::Parallel; rank];
    loops.push(Loop::Reduction);
    let from = (0..rank).map(|at| if at == axis { rank } else { at });
    let totals = Generic::new(loops).input(input, Map::loops(from)).output(start, Map::identity(rank)).build(
        lo,
        |code, x| {
            let total = Combine::Sum.step(code, x[1], x[0], dtype)?;
            let is_before = code.cmpi(Ints::Ule, loop_index(code, rank)?, loop_index(code, axis)?)?;
            Ok(vec![code.select(is_before, total, x[1])?])
        },
    )?;
    finish(lo, totals[0], dims, dtype, None)
}

impl<'c> Scan<'_, 'c> {
    fn outer(&self, code: Arith<'_, 'c>, place: &mut Vec<Value<'c>>, out: Value<'c>) -> Result<Value<'c>> {
        let depth = place.len();
        let bounds = (self.bounds.0, self.sizes[depth], self.bounds.1);
        if depth < self.axis {
            let results = repeat(code, bounds, &[out], |code, index, carried| {
                place.push(index);
                let out = self.outer(code, place, carried[0])?;
                place.pop();
                Ok(vec![out])
            })?;
            return Ok(results[0]);
        }
        let results = repeat(code, bounds, &[self.start, out], |code, index, carried| {
            place.push(index);
            let totals = if depth + 1 == self.dims.len() {
                self.element(code, place, carried[0], carried[1])
            } else {
                self.slice(code, place, carried[0], carried[1])
            };
            place.pop();
            totals
        })?;
        Ok(results[1])
    }

    fn add(&self, code: Arith<'_, 'c>, total: Value<'c>, x: Value<'c>) -> Result<Value<'c>> {
        let x = load(code, x, self.dtype)?;
        code.two(if self.dtype.is_float() { "arith.addf" } else { "arith.addi" }, total, x)
    }

    fn element(
        &self,
        code: Arith<'_, 'c>,
        place: &[Value<'c>],
        total: Value<'c>,
        out: Value<'c>,
    ) -> Result<Vec<Value<'c>>> {
        let x = code.op("tensor.extract", &[&[self.input], place].concat(), self.input.ty().element())?;
        let total = self.add(code, total, x)?;
        let stored = store(code, total, self.dtype)?;
        let out = code.op("tensor.insert", &[&[stored, out], place].concat(), out.ty())?;
        Ok(vec![total, out])
    }

    fn slice(
        &self,
        code: Arith<'_, 'c>,
        place: &[Value<'c>],
        totals: Value<'c>,
        out: Value<'c>,
    ) -> Result<Vec<Value<'c>>> {
        let (rank, inner) = (self.dims.len(), &self.dims[self.axis + 1..]);
        let offsets: Vec<_> = place.iter().copied().enumerate().collect();
        let mut numbers = vec![1; place.len()];
        numbers.extend(inner.iter().map(|dim| dim.known().unwrap_or(i64::MIN)));
        let open = inner.iter().zip(&self.sizes[self.axis + 1..]).filter(|(dim, _)| dim.known().is_none());
        let part = Part {
            offsets: Mixed::at(rank, &offsets),
            sizes: Mixed::new(numbers, open.map(|(_, size)| *size).collect()),
            strides: Mixed::numbers(&vec![1; rank]),
        };
        let ty = self.lo.tensor_type(out.ty().element(), inner);
        let b = code.builder();
        let x = part.extract(b, self.lo, self.input, ty)?;
        let sums = part.extract(b, self.lo, out, ty)?;
        let map = || Map::identity(inner.len());
        let results = Generic::parallel(inner.len())
            .input(x, map())
            .output(totals, map())
            .output(sums, map())
            .build_at(b, self.lo, |code, x| {
                let total = self.add(code, x[1], x[0])?;
                Ok(vec![total, store(code, total, self.dtype)?])
            })?;
        let out = part.insert(b, self.lo, results[1], out)?;
        Ok(vec![results[0], out])
    }
}
