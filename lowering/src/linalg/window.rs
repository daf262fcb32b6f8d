//! Convolution and pooling: what a window sees at each of its positions.
//!
//! Half precision is accumulated in `f32` and rounded once; integers wrap.

use super::arith::Arith;
use super::contract::multiply_add;
use super::dtype::{storage_type, store, working};
use super::generic::{Generic, Index, Loop, Map, loop_index};
use super::lowerer::Lowerer;
use super::movement::{Padding, pad};
use super::reduce::{Combine, finish};
use super::reshape::reshape;
use super::scalar::element_dtype;
use thunder_dialect::ops::convolution::Convolution;
use thunder_dialect::ops::pool::{AvgPool, MaxPool};
use thunder_interface::Dim;
use thunder_ir::op::Op;
use thunder_ir::{Attribute, Operation, Result, Type, Value};
use thunder_tensor::DType;

/// How a window moves over the spatial dimensions.
struct Steps {
    stride: Vec<i64>,
    dilation: Vec<i64>,
    low: Vec<i64>,
    high: Vec<i64>,
}

impl Steps {
    fn new(stride: Vec<i64>, padding: Option<Vec<Vec<i64>>>, dilation: Option<Vec<i64>>) -> Self {
        let rank = stride.len();
        let side = |side: usize| match &padding {
            Some(pairs) => pairs.iter().map(|pair| pair.get(side).copied().unwrap_or(0)).collect(),
            None => vec![0; rank],
        };
        let (low, high) = (side(0), side(1));
        Self { stride, dilation: dilation.unwrap_or_else(|| vec![1; rank]), low, high }
    }

    /// `x` with `value` around its spatial dimensions, which are the last.
    fn padded<'c>(
        &self,
        lo: &mut Lowerer<'c>,
        x: Value<'c>,
        dims: &[Dim],
        value: Attribute<'c>,
    ) -> Result<(Value<'c>, Vec<Dim>)> {
        if self.low.iter().chain(&self.high).all(|padding| *padding == 0) {
            return Ok((x, dims.to_vec()));
        }
        let outer = vec![0; dims.len() - self.low.len()];
        let (low, high) = ([&outer[..], &self.low].concat(), [&outer[..], &self.high].concat());
        let sizes: Vec<_> =
            dims.iter().zip(low.iter().zip(&high)).map(|(d, (l, h))| d.add(&Dim::Known(l + h))).collect();
        let padding = Padding { low: &low, high: &high, interior: &vec![0; dims.len()] };
        Ok((pad(lo, x, dims, &padding, value, &sizes)?, sizes))
    }

    /// Where the window's element is along each spatial dimension, given the loops over positions and
    /// the first over elements.
    fn indices(&self, at: impl IntoIterator<Item = usize>, within: usize) -> impl Iterator<Item = Index> {
        let steps = self.stride.iter().zip(&self.dilation).enumerate();
        steps.zip(at).map(move |((i, (stride, dilation)), at)| Index::Window {
            at,
            stride: *stride,
            within: within + i,
            dilation: *dilation,
        })
    }
}

fn zero(element: Type<'_>, dtype: DType) -> Attribute<'_> {
    if dtype.is_float() { Attribute::float(element, 0.0) } else { Attribute::integer(element, 0) }
}

/// What is larger than no element.
fn least(element: Type<'_>, dtype: DType) -> Attribute<'_> {
    match dtype.is_float() {
        true => Attribute::float(element, f64::NEG_INFINITY),
        false => Attribute::integer(element, dtype.min_value() as i64),
    }
}

/// Convolution; with several groups, over tensors that have a dimension for them.
pub fn convolution<'c>(lo: &mut Lowerer<'c>, op: &Convolution<'c>) -> Result<Value<'c>> {
    let dtype = element_dtype(op.operation(), op.out().ty())?;
    let (x_dims, weight_dims, dims) = (lo.dims(op.x()), lo.dims(op.weight()), lo.dims(op.out()));
    let space = x_dims.len() - 2;
    let steps = Steps::new(op.stride().unwrap_or_else(|| vec![1; space]), op.padding(), op.dilation());
    let (x, weight) = (lo.value(op.x())?, lo.value(op.weight())?);
    let (x, x_dims) = steps.padded(lo, x, &x_dims, zero(x.ty().element(), dtype))?;
    let groups = op.groups();
    // Loops: batch, group if there are several, feature, positions but the last; channel, window; last
    // position. Innermost is what adjacent elements of operand and result differ in, so that it vectorizes.
    let grouped = usize::from(groups > 1);
    let (feature, first) = (1 + grouped, 2 + grouped);
    let channel = first + space.saturating_sub(1);
    let (window, last) = (channel + 1, channel + 1 + space);
    let positions = move || (first..channel).chain((space > 0).then_some(last));
    let mut loops = vec![Loop::Parallel; channel];
    loops.extend(vec![Loop::Reduction; 1 + space]);
    loops.extend(positions().skip(channel - first).map(|_| Loop::Parallel));
    let split = |dims: &[Dim], axis: usize, per_group: Dim| {
        let mut split = dims.to_vec();
        split.splice(axis..=axis, [Dim::Known(groups), per_group]);
        split
    };
    let features = dims[1].floor_div(&Dim::Known(groups));
    let (mut x, mut weight, mut out_dims) = (x, weight, dims.clone());
    if grouped == 1 {
        x = reshape(lo, x, &x_dims, &split(&x_dims, 1, weight_dims[1].clone()))?;
        weight = reshape(lo, weight, &weight_dims, &split(&weight_dims, 0, features.clone()))?;
        out_dims = split(&dims, 1, features);
    }
    let group = (1..1 + grouped).map(Index::Loop);
    let mut x_map = vec![Index::Loop(0)];
    x_map.extend(group.clone().chain([Index::Loop(channel)]).chain(steps.indices(positions(), window)));
    let mut weight_map: Vec<_> = group.collect();
    weight_map.extend([feature, channel].map(Index::Loop));
    weight_map.extend((window..window + space).map(Index::Loop));
    let start = lo.filled(Combine::Sum.start(op.context(), dtype), &out_dims)?;
    let totals = Generic::new(loops)
        .input(x, Map(x_map))
        .input(weight, Map(weight_map))
        .output(start, Map::loops((0..first).chain(positions())))
        .build(lo, |code, x| Ok(vec![multiply_add(code, x[2], x[0], x[1], dtype)?]))?;
    let totals = reshape(lo, totals[0], &out_dims, &dims)?;
    match op.bias() {
        None => finish(lo, totals, &dims, dtype, None),
        Some(bias) => super::contract::add_bias(lo, totals, lo.value(bias)?, 1, &dims, dtype),
    }
}

/// The elements of each window combined.
fn pool<'c>(
    lo: &mut Lowerer<'c>,
    op: Operation<'c>,
    window: &[i64],
    steps: &Steps,
    combine: Combine,
    dtype: DType,
) -> Result<Value<'c>> {
    let (from, dims) = (lo.dims(op.operand(0)), lo.dims(op.result(0)));
    let rank = dims.len();
    let x = lo.value(op.operand(0))?;
    let element = x.ty().element();
    let around = match combine {
        Combine::Max => least(element, dtype),
        _ => zero(element, dtype),
    };
    let (x, _) = steps.padded(lo, x, &from, around)?;
    let mut map: Vec<_> = (0..2).map(Index::Loop).collect();
    map.extend(steps.indices(2..rank, rank));
    let mut loops = vec![Loop::Parallel; rank];
    loops.extend(vec![Loop::Reduction; window.len()]);
    // An operand of the window's size tells how long the loops over it are.
    let sizes: Vec<_> = window.iter().map(|size| Dim::Known(*size)).collect();
    let extent = lo.empty(element, &sizes)?;
    let start = lo.filled(combine.start(op.context(), dtype), &dims)?;
    let totals = Generic::new(loops)
        .input(x, Map(map))
        .input(extent, Map::loops(rank..rank + window.len()))
        .output(start, Map::identity(rank))
        .build(lo, |code, x| Ok(vec![combine.step(code, x[2], x[0], dtype)?]))?;
    Ok(totals[0])
}

/// The largest element of each window.
pub fn max_pool<'c>(lo: &mut Lowerer<'c>, op: &MaxPool<'c>) -> Result<Value<'c>> {
    let dtype = element_dtype(op.operation(), op.out().ty())?;
    let window = op.window();
    let steps = Steps::new(op.stride().unwrap_or_else(|| window.clone()), op.padding(), op.dilation());
    let totals = pool(lo, op.operation(), &window, &steps, Combine::Max, dtype)?;
    let dims = lo.dims(op.out());
    finish(lo, totals, &dims, dtype, None)
}

/// The mean of each window.
pub fn avg_pool<'c>(lo: &mut Lowerer<'c>, op: &AvgPool<'c>) -> Result<Value<'c>> {
    let dtype = element_dtype(op.operation(), op.out().ty())?;
    let window = op.window();
    let steps = Steps::new(op.stride().unwrap_or_else(|| window.clone()), op.padding(), None);
    let totals = pool(lo, op.operation(), &window, &steps, Combine::Sum, dtype)?;
    let dims = lo.dims(op.out());
    if op.count_include_pad() || steps.low.iter().chain(&steps.high).all(|padding| *padding == 0) {
        let count = Dim::Known(window.iter().product());
        return finish(lo, totals, &dims, dtype, Some(count));
    }
    let space = lo.dims(op.operand())[2..].to_vec();
    let sizes = space.iter().map(|dim| lo.size(dim)).collect::<Result<Vec<_>>>()?;
    let element = storage_type(op.context(), dtype);
    lo.map(totals, &dims, element, |code, total| {
        let mut count = code.index(1)?;
        for (axis, size) in sizes.into_iter().enumerate() {
            let here = elements_at(code, axis, window[axis], &steps, size)?;
            count = code.two("arith.muli", count, here)?;
        }
        let count = code.op("arith.index_cast", &[count], Type::int(code.context(), 64))?;
        let count = code.op("arith.sitofp", &[count], code.ty(working(dtype)))?;
        store(code, code.two("arith.divf", total, count)?, dtype)
    })
}

/// How many elements of a window are no padding along one spatial dimension.
fn elements_at<'c>(code: Arith<'_, 'c>, axis: usize, window: i64, steps: &Steps, size: Value<'c>) -> Result<Value<'c>> {
    let zero = code.index(0)?;
    let position = code.two("arith.muli", loop_index(code, axis + 2)?, code.index(steps.stride[axis])?)?;
    let first = code.two("arith.subi", position, code.index(steps.low[axis])?)?;
    let end = code.two("arith.addi", first, code.index(window)?)?;
    let (first, end) = (code.two("arith.maxsi", first, zero)?, code.two("arith.minsi", end, size)?);
    let count = code.two("arith.subi", end, first)?;
    code.two("arith.maxsi", count, zero)
}
