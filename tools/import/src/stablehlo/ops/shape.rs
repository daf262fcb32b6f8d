//! Ops that move elements without changing them.

use thunder_dialect::build::BuildSlice as _;
use thunder_trace::{Dim, Scalar, Tensor, apply, cat};

use super::{Entry, tensor, value};
use crate::arguments::{Answer, Reason, gap, malformed};
use crate::stablehlo::call::Call;
use crate::stablehlo::value::Value;

pub(super) const OPS: &[Entry] = &[
    value("stablehlo.broadcast", |c| {
        let x = c.value(0)?;
        let sizes = c.ints("broadcast_sizes")?;
        let dims = sizes.iter().map(|size| Dim::from(*size)).chain(x.dims().iter().cloned()).collect();
        let axes: Vec<i64> = (sizes.len() as i64..(sizes.len() + x.rank()) as i64).collect();
        Ok(x.broadcast(c.cx, &axes, dims))
    }),
    value("stablehlo.broadcast_in_dim", |c| broadcast(c, c.dims()?)).known(|c| broadcast_known(c, c.dims().ok()?)),
    tensor("stablehlo.concatenate", |c| {
        let parts = c.tensors();
        let [first, rest @ ..] = &parts[..] else { return malformed("there is nothing to concatenate") };
        let axis = c.axis("dimension", first.rank())?;
        if rest.iter().any(|part| part.rank() != first.rank() || part.dtype() != first.dtype()) {
            return malformed(format!("{parts:?} cannot be concatenated"));
        }
        Ok(cat(&parts, axis as i64))
    })
    .known(concatenated),
    value("stablehlo.dynamic_broadcast_in_dim", |c| broadcast(c, sizes(c, 1)?))
        .known(|c| broadcast_known(c, sizes(c, 1).ok()?)),
    tensor("stablehlo.dynamic_pad", |c| {
        let numbers = |index: usize| {
            let known = c.value(index)?.known();
            let known = known.and_then(|dims| dims.iter().map(Dim::known).collect::<Option<Vec<_>>>());
            known.ok_or_else(|| Reason::Gap("a padding that only the program knows".to_owned()))
        };
        pad(c, c.tensor(0)?, [numbers(2)?, numbers(3)?, numbers(4)?])
    }),
    value("stablehlo.dynamic_reshape", |c| reshape(c, sizes(c, 1)?)).known(|c| reshaped(c, sizes(c, 1).ok()?)),
    tensor("stablehlo.pad", |c| {
        let paddings = ["edge_padding_low", "edge_padding_high", "interior_padding"];
        let [low, high, interior] = paddings.map(|name| c.ints(name));
        pad(c, c.tensor(0)?, [low?, high?, interior?])
    }),
    tensor("stablehlo.real_dynamic_slice", dynamic_slice_of_sizes),
    value("stablehlo.reshape", |c| reshape(c, c.dims()?)).known(|c| reshaped(c, c.dims().ok()?)),
    tensor("stablehlo.reverse", |c| {
        let x = c.tensor(0)?;
        let axes: Vec<i64> = c.axes("dimensions", x.rank())?.into_iter().map(|axis| axis as i64).collect();
        Ok(if axes.is_empty() { x } else { x.flip(axes) })
    }),
    tensor("stablehlo.slice", |c| {
        let x = c.tensor(0)?;
        let [start, limit, stride] = ["start_indices", "limit_indices", "strides"].map(|name| c.ints(name));
        sliced(x, start?, limit?, stride?)
    })
    .known(slice_known),
    tensor("stablehlo.transpose", |c| {
        let x = c.tensor(0)?;
        let order: Vec<i64> = c.axes("permutation", x.rank())?.into_iter().map(|axis| axis as i64).collect();
        if order.len() != x.rank() {
            return malformed(format!("'permutation' is {order:?}, of a tensor of rank {}", x.rank()));
        }
        Ok(permuted(x, &order))
    })
    .known(|c| uniform(c, c.dims().ok()?)),
];

/// Sizes that an operand holds, as far as they are known beforehand.
pub(super) fn sizes(c: &Call<'_, '_>, index: usize) -> Answer<Vec<Dim>> {
    c.value(index)?.known().ok_or_else(|| Reason::Gap("sizes that only the program knows".to_owned()))
}

/// A value whose elements all are one number, under other sizes.
fn uniform<'t>(c: &Call<'_, 't>, dims: Vec<Dim>) -> Option<Value<'t>> {
    let x = c.operands.first()?;
    Some(Value::uniform(x.element().clone(), dims, x.scalar()?))
}

pub(super) fn permuted<'t>(x: Tensor<'t>, order: &[i64]) -> Tensor<'t> {
    if order.iter().copied().eq(0..order.len() as i64) { x } else { x.permute(order) }
}

fn broadcast<'t>(c: &Call<'_, 't>, dims: Vec<Dim>) -> Answer<Value<'t>> {
    let axes = c.axes("broadcast_dimensions", dims.len())?;
    let x = c.value(0)?;
    if axes.len() != x.rank() {
        return malformed(format!("'broadcast_dimensions' is {axes:?}, of a tensor of rank {}", x.rank()));
    }
    let axes: Vec<i64> = axes.into_iter().map(|axis| axis as i64).collect();
    // A size of the operand may be known where the result's is not, and is that then.
    let dims = dims.into_iter().enumerate().map(|(axis, dim)| {
        let own = axes.iter().position(|place| *place == axis as i64).map(|place| &x.dims()[place]);
        own.filter(|own| own.known() != Some(1) && dim.known().is_none()).cloned().unwrap_or(dim)
    });
    let dims = dims.collect();
    Ok(x.broadcast(c.cx, &axes, dims))
}

fn broadcast_known<'t>(c: &Call<'_, 't>, dims: Vec<Dim>) -> Option<Value<'t>> {
    uniform(c, dims.clone()).or_else(|| {
        let x = c.operands.first()?;
        let numbers = x.known()?;
        let [dim] = &dims[..] else { return None };
        let count = dim.known().and_then(|count| usize::try_from(count).ok()).filter(|count| *count <= 64)?;
        let numbers = if numbers.len() == 1 { vec![numbers[0].clone(); count] } else { numbers };
        (numbers.len() == count).then(|| Value::numbers(x.element().clone(), dims, numbers))?
    })
}

fn concatenated<'t>(c: &Call<'_, 't>) -> Option<Value<'t>> {
    let mut numbers = Vec::new();
    for part in c.operands {
        if part.rank() != 1 || numbers.len() > 64 {
            return None;
        }
        numbers.extend(part.known()?);
    }
    let dims = vec![Dim::from(numbers.len())];
    Value::numbers(c.element(0).ok()?.clone(), dims, numbers)
}

fn reshape<'t>(c: &Call<'_, 't>, dims: Vec<Dim>) -> Answer<Value<'t>> {
    let x = c.value(0)?;
    if x.dims() == dims {
        return Ok(x.clone());
    }
    Ok(Value::of(x.element().clone(), x.tensor(c.cx).reshape(dims)))
}

fn reshaped<'t>(c: &Call<'_, 't>, dims: Vec<Dim>) -> Option<Value<'t>> {
    let x = c.operands.first()?;
    if let Some(value) = x.scalar() {
        let count = |dims: &[Dim]| dims.iter().try_fold(1i64, |count, dim| count.checked_mul(dim.known()?));
        let is_same = count(&dims)? == count(x.dims())?;
        return is_same.then(|| Value::uniform(x.element().clone(), dims, value));
    }
    let numbers = x.known()?;
    let count = dims.iter().try_fold(1i64, |count, dim| count.checked_mul(dim.known()?))?;
    (count == numbers.len() as i64).then(|| Value::numbers(x.element().clone(), dims, numbers))?
}

fn pad<'t>(c: &Call<'_, 't>, x: Tensor<'t>, [low, high, interior]: [Vec<i64>; 3]) -> Answer<Tensor<'t>> {
    if [&low, &high, &interior].iter().any(|list| list.len() != x.rank()) {
        return malformed(format!("paddings {low:?}, {high:?} and {interior:?} of {x}"));
    }
    if [&low, &high, &interior].iter().all(|list| list.iter().all(|width| *width == 0)) {
        return Ok(x);
    }
    let carried = c.element(0)?.is_carried();
    match c.scalar(1)?.filter(|value| !carried || *value == Scalar::Int(0)) {
        Some(value) => Ok(x.pad_between(&low, &high, &interior, value)),
        None => {
            // Where elements are, and what stands elsewhere.
            let is_inside = c.cx.full(x.shape(), true, thunder_trace::DType::Bool);
            let is_inside = is_inside.pad_between(&low, &high, &interior, false);
            let zero = if x.dtype() == thunder_trace::DType::Bool { Scalar::Bool(false) } else { Scalar::Int(0) };
            Ok(is_inside.where_(x.pad_between(&low, &high, &interior, zero), c.tensor(1)?))
        }
    }
}

/// Every so many elements of ranges, which are within the tensor.
pub(super) fn sliced<'t>(x: Tensor<'t>, start: Vec<i64>, limit: Vec<i64>, stride: Vec<i64>) -> Answer<Tensor<'t>> {
    let dims = x.shape();
    let is_range = |axis: usize| {
        let most = dims[axis].known().unwrap_or(i64::MAX);
        0 <= start[axis] && start[axis] <= limit[axis] && limit[axis] <= most && stride[axis] > 0
    };
    let counts = [start.len(), limit.len(), stride.len()];
    if counts != [x.rank(); 3] || !(0..x.rank()).all(is_range) {
        return malformed(format!("from {start:?} to {limit:?} by {stride:?} is no part of {x}"));
    }
    let is_all = |axis: usize| start[axis] == 0 && dims[axis].known() == Some(limit[axis]) && stride[axis] == 1;
    if (0..x.rank()).all(is_all) {
        return Ok(x);
    }
    Ok(apply(&[x], |b| b.slice(x.value(), start, limit, stride)))
}

fn slice_known<'t>(c: &Call<'_, 't>) -> Option<Value<'t>> {
    let x = c.operands.first()?;
    if x.scalar().is_some() {
        return uniform(c, c.dims().ok()?);
    }
    let numbers = x.known().filter(|_| x.rank() == 1)?;
    let bounds = ["start_indices", "limit_indices", "strides"].map(|name| c.ints(name).ok());
    let [Some([start]), Some([limit]), Some([stride])] = bounds.each_ref().map(|list| list.as_deref()) else {
        return None;
    };
    let (start, limit) = (usize::try_from(*start).ok()?, usize::try_from(*limit).ok()?);
    let stride = usize::try_from(*stride).ok().filter(|stride| *stride > 0)?;
    let numbers: Vec<Dim> = numbers.get(start..limit)?.iter().step_by(stride).cloned().collect();
    Value::numbers(x.element().clone(), vec![Dim::from(numbers.len())], numbers)
}

/// A part whose bounds are sizes.
fn dynamic_slice_of_sizes<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let (x, starts, limits, strides) = (c.tensor(0)?, sizes(c, 1)?, sizes(c, 2)?, sizes(c, 3)?);
    if [&starts, &limits, &strides].iter().any(|list| list.len() != x.rank()) {
        return malformed(format!("from {starts:?} to {limits:?} is no part of {x}"));
    }
    let mut x = x;
    for (axis, ((start, limit), stride)) in starts.into_iter().zip(limits).zip(strides).enumerate() {
        let size = x.shape()[axis].clone();
        if start.known() == Some(0) && limit == size && stride.known() == Some(1) {
            continue;
        }
        let Some(stride) = stride.known().filter(|stride| *stride > 0) else {
            return gap("steps that only the program knows");
        };
        x = match (start.known(), limit.known()) {
            (Some(start), Some(limit)) => x.slice_step(axis as i64, start..limit, stride),
            (Some(start), None) if limit == size => x.slice_step(axis as i64, start.., stride),
            _ => {
                // Positions, by which elements are taken.
                let count = (&limit - &start + (stride - 1)) / stride;
                let place = c.cx.arange(count, thunder_trace::DType::I64) * stride;
                let place = match start.known() {
                    Some(start) => place + start,
                    None => place + crate::arguments::number(c.cx, start),
                };
                x.index_select(axis as i64, place)
            }
        };
    }
    Ok(x)
}
