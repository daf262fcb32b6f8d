//! Many elements become one.
//!
//! Half-precision floats are accumulated in `f32` and rounded once. Only the sums and products of
//! floats may be reordered, and only zeros of different signs may stand for each other.

use super::arith::{Arith, Floats, Freedom, Ints};
use super::dtype::{is_half, is_unsigned, load, storage_type, store, working};
use super::generic::{Generic, Index, Loop, Map, loop_index};
use super::lowerer::Lowerer;
use super::scalar::element_dtype;
use thunder_interface::Dim;
use thunder_ir::{Attribute, ContextRef, Operation, Result, Scalar as Kind, Type, Value};
use thunder_tensor::DType;

/// What becomes of many elements.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Combine {
    /// Their sum.
    Sum,
    /// Their product.
    Product,
    /// The largest, or NaN.
    Max,
    /// The smallest, or NaN.
    Min,
    /// Their sum divided by their number.
    Mean,
    /// Whether any is true.
    Any,
    /// Whether all are true.
    All,
}

impl Combine {
    /// The value of no elements.
    pub fn start<'c>(self, cx: ContextRef<'c>, dtype: DType) -> Attribute<'c> {
        let ty = accumulator(cx, dtype);
        if dtype.is_float() {
            let value = match self {
                Self::Product | Self::All => 1.0,
                Self::Max => f64::NEG_INFINITY,
                Self::Min => f64::INFINITY,
                Self::Sum | Self::Mean | Self::Any => 0.0,
            };
            return Attribute::float(ty, value);
        }
        let value = match self {
            Self::Product | Self::All => 1,
            Self::Max => dtype.min_value() as i64,
            // As a bit pattern: that of the largest `ui8` is -1.
            Self::Min if dtype == DType::U8 => -1,
            Self::Min if dtype == DType::I64 => i64::MAX,
            Self::Min => dtype.max_value() as i64,
            Self::Sum | Self::Mean | Self::Any => 0,
        };
        Attribute::integer(ty, value)
    }

    /// One more element; `total` is of the accumulator's type, `x` is stored.
    pub fn step<'c>(self, code: Arith<'_, 'c>, total: Value<'c>, x: Value<'c>, dtype: DType) -> Result<Value<'c>> {
        if dtype == DType::Bool {
            let x = store(code, load(code, x, dtype)?, dtype)?;
            let name = match self {
                Self::Any | Self::Max | Self::Sum | Self::Mean => "arith.ori",
                Self::All | Self::Min | Self::Product => "arith.andi",
            };
            return code.two(name, total, x);
        }
        let x = load(code, x, dtype)?;
        if dtype.is_float() {
            return match self {
                Self::Sum | Self::Mean | Self::Any => code.free("arith.addf", total, x, Freedom::Reassociate),
                Self::Product | Self::All => code.free("arith.mulf", total, x, Freedom::Reassociate),
                Self::Max => code.free("arith.maximumf", total, x, Freedom::EqualZeros),
                Self::Min => code.free("arith.minimumf", total, x, Freedom::EqualZeros),
            };
        }
        let name = match (self, is_unsigned(dtype)) {
            (Self::Sum | Self::Mean | Self::Any, _) => "arith.addi",
            (Self::Product | Self::All, _) => "arith.muli",
            (Self::Max, true) => "arith.maxui",
            (Self::Max, false) => "arith.maxsi",
            (Self::Min, true) => "arith.minui",
            (Self::Min, false) => "arith.minsi",
        };
        code.two(name, total, x)
    }
}

/// The type that elements of a dtype are accumulated in.
pub fn accumulator(cx: ContextRef<'_>, dtype: DType) -> Type<'_> {
    if is_half(dtype) { Type::scalar(cx, Kind::F32) } else { storage_type(cx, dtype) }
}

/// Loops over an operand, some of whose dimensions vanish or become 1.
pub struct Nest {
    /// The loops.
    pub loops: Vec<Loop>,
    /// Where the operand is read.
    pub input: Map,
    /// Where the result is written.
    pub output: Map,
}

impl Nest {
    /// A loop per dimension, in order; a dimension that becomes 1 has a loop of its own.
    pub fn new(rank: usize, axes: &[usize], keep_dims: bool) -> Self {
        let (mut loops, mut input, mut output) = (Vec::new(), Vec::new(), Vec::new());
        for axis in 0..rank {
            let is_reduced = axes.contains(&axis);
            if is_reduced && keep_dims {
                output.push(Index::Loop(loops.len()));
                loops.push(Loop::Parallel);
            }
            if !is_reduced {
                output.push(Index::Loop(loops.len()));
            }
            input.push(Index::Loop(loops.len()));
            loops.push(if is_reduced { Loop::Reduction } else { Loop::Parallel });
        }
        Self { loops, input: Map(input), output: Map(output) }
    }
}

/// Combines the elements along `axes`.
pub fn reduce<'c>(
    lo: &mut Lowerer<'c>,
    op: Operation<'c>,
    axes: &[i64],
    keep_dims: bool,
    combine: Combine,
) -> Result<Value<'c>> {
    let operand = op.operand(0);
    let dtype = element_dtype(op, operand.ty())?;
    let input = lo.value(operand)?;
    if axes.is_empty() {
        return Ok(input);
    }
    let axes: Vec<usize> = axes.iter().map(|axis| *axis as usize).collect();
    let (from, dims) = (lo.dims(operand), lo.dims(op.result(0)));
    let nest = Nest::new(from.len(), &axes, keep_dims);
    let start = lo.filled(combine.start(op.context(), dtype), &dims)?;
    let totals = Generic::new(nest.loops)
        .input(input, nest.input)
        .output(start, nest.output)
        .build(lo, |code, x| Ok(vec![combine.step(code, x[1], x[0], dtype)?]))?;
    let count = Dim::product(&axes.iter().map(|axis| from[*axis].clone()).collect::<Vec<_>>());
    finish(lo, totals[0], &dims, dtype, (combine == Combine::Mean).then_some(count))
}

/// Totals as stored elements, divided by `count` before they are rounded.
pub fn finish<'c>(
    lo: &mut Lowerer<'c>,
    totals: Value<'c>,
    dims: &[Dim],
    dtype: DType,
    count: Option<Dim>,
) -> Result<Value<'c>> {
    if count.is_none() && !is_half(dtype) {
        return Ok(totals);
    }
    let divisor = count.map(|count| float_of(lo, &count, working(dtype))).transpose()?;
    lo.map(totals, dims, storage_type(totals.context(), dtype), |code, total| {
        let value = divisor.map_or(Ok(total), |divisor| code.two("arith.divf", total, divisor))?;
        store(code, value, dtype)
    })
}

/// A size as a float.
pub fn float_of<'c>(lo: &mut Lowerer<'c>, dim: &Dim, kind: Kind) -> Result<Value<'c>> {
    let ty = Type::scalar(lo.context(), kind);
    if let Some(size) = dim.known() {
        return lo.code().float(ty, size as f64);
    }
    let size = lo.size(dim)?;
    let size = lo.code().op("arith.index_cast", &[size], Type::int(lo.context(), 64))?;
    lo.code().op("arith.sitofp", &[size], ty)
}

/// The position of the largest or smallest element along `axis`: of the first one, or of the first
/// NaN.
pub fn position<'c>(
    lo: &mut Lowerer<'c>,
    op: Operation<'c>,
    axis: usize,
    keep_dims: bool,
    largest: bool,
) -> Result<Value<'c>> {
    let operand = op.operand(0);
    let dtype = element_dtype(op, operand.ty())?;
    let input = lo.value(operand)?;
    let dims = lo.dims(op.result(0));
    let nest = Nest::new(lo.dims(operand).len(), &[axis], keep_dims);
    let Index::Loop(searched) = nest.input.0[axis] else { unreachable!("a nest reads at its loops") };
    let combine = if largest { Combine::Max } else { Combine::Min };
    let i64 = Type::int(op.context(), 64);
    // The first element need not displace the start: it is in the same place, 0.
    let best = lo.filled(combine.start(op.context(), dtype), &dims)?;
    let place = lo.filled(Attribute::integer(i64, 0), &dims)?;
    let found = Generic::new(nest.loops)
        .input(input, nest.input)
        .output(best, nest.output.clone())
        .output(place, nest.output)
        .build(lo, |code, x| {
            let (x, best, place) = (load(code, x[0], dtype)?, x[1], x[2]);
            let displaces = displaces(code, x, best, dtype, largest)?;
            let index = loop_index(code, searched)?;
            let index = code.op("arith.index_cast", &[index], i64)?;
            Ok(vec![code.select(displaces, x, best)?, code.select(displaces, index, place)?])
        })?;
    Ok(found[1])
}

fn displaces<'c>(code: Arith<'_, 'c>, x: Value<'c>, best: Value<'c>, dtype: DType, largest: bool) -> Result<Value<'c>> {
    if dtype.is_float() {
        // NaN comes before every number, and nothing before NaN.
        let is_before = code.cmpf(if largest { Floats::Ugt } else { Floats::Ult }, x, best)?;
        let can_lose = code.cmpf(Floats::Ord, best, best)?;
        return code.two("arith.andi", is_before, can_lose);
    }
    let how = match (largest, is_unsigned(dtype)) {
        (true, true) => Ints::Ugt,
        (true, false) => Ints::Sgt,
        (false, true) => Ints::Ult,
        (false, false) => Ints::Slt,
    };
    code.cmpi(how, x, best)
}
