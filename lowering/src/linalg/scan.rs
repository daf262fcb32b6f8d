//! What all elements along an axis up to each one become.

use super::arith::{Arith, Floats, Ints};
use super::dtype::{load, storage_type, store};
use super::generic::{Generic, Loop, Map, loop_index};
use super::lowerer::Lowerer;
use super::reduce::{Combine, finish};
use super::scalar::element_dtype;
use super::structure::repeat;
use super::tensor::{Mixed, Part};
use thunder_interface::Dim;
use thunder_ir::{Attribute, ContextRef, Operation, Result, Value};
use thunder_tensor::DType;

/// What the loops of a scan share.
struct Scan<'a, 'c> {
    lo: &'a Lowerer<'c>,
    input: Value<'c>,
    dtype: DType,
    step: Step,
    axis: usize,
    dims: &'a [Dim],
    sizes: Vec<Value<'c>>,
    /// From and step of every loop.
    bounds: (Value<'c>, Value<'c>),
    /// The total of nothing: an element, or a tensor of the dimensions after `axis`.
    start: Value<'c>,
}

/// What a total and one more element become.
#[derive(Clone, Copy)]
pub enum Step {
    /// Their sum.
    Sum,
    /// Their product.
    Product,
    /// The larger one, or NaN.
    Max,
    /// The smaller one, or NaN.
    Min,
    /// The logarithm of the sum of their exponentials.
    LogSumExp,
}

impl Step {
    /// The total of no elements.
    fn start(self, cx: ContextRef<'_>, dtype: DType) -> Attribute<'_> {
        let combine = match self {
            Self::Sum => Combine::Sum,
            Self::Product => Combine::Product,
            Self::Max | Self::LogSumExp => Combine::Max,
            Self::Min => Combine::Min,
        };
        combine.start(cx, dtype)
    }

    /// The total with one more element, which is stored.
    fn step<'c>(self, code: Arith<'_, 'c>, total: Value<'c>, x: Value<'c>, dtype: DType) -> Result<Value<'c>> {
        match (self, dtype.is_float()) {
            (Self::Sum, true) => code.two("arith.addf", total, load(code, x, dtype)?),
            (Self::Product, true) => code.two("arith.mulf", total, load(code, x, dtype)?),
            (Self::Sum, false) => Combine::Sum.step(code, total, x, dtype),
            (Self::Product, false) => Combine::Product.step(code, total, x, dtype),
            (Self::Max, _) => Combine::Max.step(code, total, x, dtype),
            (Self::Min, _) => Combine::Min.step(code, total, x, dtype),
            (Self::LogSumExp, _) => {
                let x = load(code, x, dtype)?;
                let (high, low) = (code.two("arith.maximumf", total, x)?, code.two("arith.minimumf", total, x)?);
                let distance = code.two("arith.subf", low, high)?;
                let sum = code.two("arith.addf", high, code.one("math.log1p", code.one("math.exp", distance)?)?)?;
                // Equal infinities, or NaN.
                code.select(code.cmpf(Floats::Uno, distance, distance)?, high, sum)
            }
        }
    }
}

/// What all elements up to each one along `axis` become, in order: loops over the dimensions before `axis`, then over
/// `axis`, with a total for each element of the dimensions after it.
pub fn scan<'c>(lo: &mut Lowerer<'c>, op: Operation<'c>, axis: usize, step: Step) -> Result<Value<'c>> {
    let dtype = element_dtype(op, op.operand(0).ty())?;
    let (input, dims) = (lo.value(op.operand(0))?, lo.dims(op.result(0)));
    let zero = step.start(op.context(), dtype);
    if lo.by_element {
        return by_element(lo, input, &dims, axis, dtype, step);
    }
    let out = lo.empty(storage_type(op.context(), dtype), &dims)?;
    let inner = &dims[axis + 1..];
    let start = if inner.is_empty() { lo.code().constant(zero)? } else { lo.filled(zero, inner)? };
    let sizes = dims.iter().map(|dim| lo.size(dim)).collect::<Result<Vec<_>>>()?;
    let bounds = (lo.size(&Dim::Known(0))?, lo.size(&Dim::Known(1))?);
    let scan = Scan { lo, input, dtype, step, axis, dims: &dims, sizes, bounds, start };
    scan.outer(lo.code(), &mut Vec::new(), out)
}

/// The same as a reduction for each element.
fn by_element<'c>(
    lo: &mut Lowerer<'c>,
    input: Value<'c>,
    dims: &[Dim],
    axis: usize,
    dtype: DType,
    step: Step,
) -> Result<Value<'c>> {
    let rank = dims.len();
    let start = lo.filled(step.start(lo.context(), dtype), dims)?;
    let mut loops = vec![Loop::Parallel; rank];
    loops.push(Loop::Reduction);
    let from = (0..rank).map(|at| if at == axis { rank } else { at });
    let totals = Generic::new(loops).input(input, Map::loops(from)).output(start, Map::identity(rank)).build(
        lo,
        |code, x| {
            let total = step.step(code, x[1], x[0], dtype)?;
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

    fn element(
        &self,
        code: Arith<'_, 'c>,
        place: &[Value<'c>],
        total: Value<'c>,
        out: Value<'c>,
    ) -> Result<Vec<Value<'c>>> {
        let x = code.op("tensor.extract", &[&[self.input], place].concat(), self.input.ty().element())?;
        let total = self.step.step(code, total, x, self.dtype)?;
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
                let total = self.step.step(code, x[1], x[0], self.dtype)?;
                Ok(vec![total, store(code, total, self.dtype)?])
            })?;
        let out = part.insert(b, self.lo, results[1], out)?;
        Ok(vec![results[0], out])
    }
}
