//! One step of a random program.

use super::catalog::Elementwise;
use super::{Choices, Size, State, Value};
use thunder_tensor::DType;

type Step = fn(&mut State, &mut Choices<'_>) -> Option<Value>;

/// The steps; those named more than once are taken more often.
const STEPS: &[Step] = &[
    elementwise,
    elementwise,
    elementwise,
    elementwise,
    compare,
    select,
    convert,
    full,
    full,
    iota,
    broadcast,
    expand,
    reshape,
    reshape,
    transpose,
    transpose,
    reverse,
    slice,
    concat,
    pad,
    reduce,
    reduce,
    arg_reduce,
    along_axis,
    norm,
    matmul,
    linear,
    take,
];

/// Adds a step; `None` where none of the values fit.
pub(super) fn add(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    if !state.memory.is_empty() && choices.chance(3) {
        return if choices.chance(2) { read(state, choices) } else { write(state, choices) };
    }
    STEPS[choices.below(STEPS.len())](state, choices)
}

fn any(state: &State, choices: &mut Choices<'_>, fits: impl Fn(&Value) -> bool) -> Option<Value> {
    // The later a value is made, the likelier it is used: programs get deep.
    let fitting: Vec<&Value> = state.values.iter().rev().filter(|v| fits(v)).collect();
    let recent = if choices.chance(3) { fitting.len() } else { fitting.len().min(3) };
    choices.of(&fitting[..recent]).map(|v| (*v).clone())
}

fn operands(state: &State, choices: &mut Choices<'_>, ops: &[Elementwise]) -> Option<(&'static str, Vec<Value>)> {
    let first = any(state, choices, |_| true)?;
    let ops: Vec<&Elementwise> = ops.iter().filter(|op| op.dtypes.contains(&first.dtype)).collect();
    let op = choices.of(&ops)?;
    let mut operands = vec![first.clone()];
    for _ in 1..op.operands {
        operands.push(any(state, choices, |v| v.ty() == first.ty() && v.shape() == first.shape())?);
    }
    Some((op.name, operands))
}

fn list(values: &[Value]) -> String {
    values.iter().map(|v| v.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn elementwise(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let (name, values) = operands(state, choices, &state.catalog.same)?;
    state.emit_same(&format!("{name} {}", list(&values)), &values[0])
}

fn compare(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let (name, values) = operands(state, choices, &state.catalog.compare)?;
    let sizes = values[0].sizes.clone();
    state.emit(&format!("{name} {}", list(&values)), &values.iter().collect::<Vec<_>>(), DType::Bool, sizes)
}

fn select(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let condition = any(state, choices, |v| v.dtype == DType::Bool)?;
    let yes = any(state, choices, |v| v.sizes == condition.sizes)?;
    let no = any(state, choices, |v| v.sizes == condition.sizes && v.dtype == yes.dtype)?;
    let op = format!("thunder.where {}, {}, {}", condition.name, yes.name, no.name);
    state.emit(&op, &[&condition, &yes, &no], yes.dtype, yes.sizes.clone())
}

fn convert(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let x = any(state, choices, |_| true)?;
    let dtype = DType::COMPUTED[choices.below(DType::COMPUTED.len())];
    state.emit(&format!("thunder.convert {}", x.name), &[&x], dtype, x.sizes.clone())
}

/// A constant of the type of another value, so that the two can be combined.
fn full(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let like = any(state, choices, |_| true)?;
    let dtype = like.dtype;
    let literal = match dtype {
        DType::Bool => ["true", "false"][choices.below(2)].to_owned(),
        _ if dtype.is_float() => format!("{} : {dtype}", ["0.0", "1.0", "-0.0", "2.0", "-1.0"][choices.below(5)]),
        _ => format!("{} : {dtype}", choices.below(3)),
    };
    sized(state, "thunder.full", &format!("value = {literal}"), &like)
}

fn iota(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let like = any(state, choices, |v| v.rank() > 0 && v.dtype != DType::Bool)?;
    sized(state, "thunder.iota", &format!("axis = {}", choices.below(like.rank())), &like)
}

/// An op of no operands but sizes, whose result has the type of `like`.
fn sized(state: &mut State, op: &str, attributes: &str, like: &Value) -> Option<Value> {
    let dims = state.dims(like);
    let value = Value { name: state.fresh(), ..like.clone() };
    let indices = match dims.len() {
        0 => String::new(),
        1 => "index -> ".to_owned(),
        count => format!("({}) -> ", vec!["index"; count].join(", ")),
    };
    let separator = if dims.is_empty() { "" } else { " " };
    let operands = dims.join(", ");
    state.lines.push(format!("{} = {op}{separator}{operands} {attributes} : {indices}{}", value.name, value.ty()));
    state.values.push(value.clone());
    Some(value)
}

/// An op of one operand and the sizes of its result, which are those of `like` where they are dynamic.
fn resized(
    state: &mut State,
    op: &str,
    attributes: &str,
    x: &Value,
    dims: &[String],
    sizes: Vec<Size>,
) -> Option<Value> {
    let value = Value { name: state.fresh(), dtype: x.dtype, sizes };
    if value.shape().iter().product::<usize>() > super::LARGEST {
        return None;
    }
    let indices = ", index".repeat(dims.len());
    let ty = if dims.is_empty() { x.ty() } else { format!("({}{indices})", x.ty()) };
    let line = format!("{} = {op} {}, [{}]{attributes} : {ty} -> {}", value.name, x.name, dims.join(", "), value.ty());
    state.lines.push(line);
    state.values.push(value.clone());
    Some(value)
}

/// A new leading dimension.
fn broadcast(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let x = any(state, choices, |v| v.rank() < 4)?;
    let dims = state.dims(&x);
    let mut sizes = vec![Size::stated([2, 1, 3][choices.below(3)])];
    sizes.extend(&x.sizes);
    let axes: Vec<_> = (1..=x.rank()).collect();
    resized(state, "thunder.broadcast_in_dim", &format!(" dims = {axes:?}"), &x, &dims, sizes)
}

/// Dimensions of size 1 become larger.
fn expand(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let one = Size::stated(1);
    let x = any(state, choices, |v| v.sizes.contains(&one))?;
    let dims = state.dims(&x);
    let extent = Size::stated([3, 2, 5][choices.below(3)]);
    let sizes = x.sizes.iter().map(|size| if *size == one { extent } else { *size }).collect();
    let axes: Vec<_> = (0..x.rank()).collect();
    resized(state, "thunder.broadcast_in_dim", &format!(" dims = {axes:?}"), &x, &dims, sizes)
}

/// A dimension of size 1 is put in, or static ones are merged.
fn reshape(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let x = any(state, choices, |v| v.rank() < 5)?;
    let mut sizes = x.sizes.clone();
    let at = choices.below(x.rank() + 1);
    let merges = at > 0 && at < x.rank() && !sizes[at].is_dynamic && !sizes[at - 1].is_dynamic;
    if merges && choices.chance(2) {
        let inner = sizes.remove(at);
        sizes[at - 1].extent *= inner.extent;
    } else {
        sizes.insert(at, Size::stated(1));
    }
    let dims = state.dims(&x);
    resized(state, "thunder.reshape", "", &x, &dims, sizes)
}

fn transpose(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let x = any(state, choices, |v| v.rank() > 1)?;
    let mut permutation: Vec<usize> = (0..x.rank()).collect();
    permutation.swap(choices.below(x.rank()), choices.below(x.rank()));
    permutation.rotate_left(choices.below(2));
    let sizes = permutation.iter().map(|axis| x.sizes[*axis]).collect();
    state.emit(&format!("thunder.transpose {} permutation = {permutation:?}", x.name), &[&x], x.dtype, sizes)
}

fn reverse(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let x = any(state, choices, |v| v.rank() > 0)?;
    let axis = choices.below(x.rank());
    state.emit(&format!("thunder.reverse {} axes = [{axis}]", x.name), &[&x], x.dtype, x.sizes.clone())
}

fn slice(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let x = any(state, choices, |v| v.rank() > 0)?;
    let (mut start, mut limit, mut stride) = (vec![0; x.rank()], vec![i64::MAX; x.rank()], vec![1; x.rank()]);
    let mut sizes = x.sizes.clone();
    let axis = choices.below(x.rank());
    let extent = x.sizes[axis].extent;
    let (first, step) = (choices.below(extent.min(2) + 1).min(extent), 1 + choices.below(2));
    start[axis] = first;
    stride[axis] = step;
    if !x.sizes[axis].is_dynamic {
        limit[axis] = extent as i64;
    }
    sizes[axis].extent = (extent - first).div_ceil(step);
    let op = format!("thunder.slice {} start = {start:?} limit = {limit:?} stride = {stride:?}", x.name);
    state.emit(&op, &[&x], x.dtype, sizes)
}

fn concat(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let x = any(state, choices, |v| v.rank() > 0)?;
    let axis = choices.below(x.rank());
    let fits = |v: &Value| {
        let others = v.sizes.iter().zip(&x.sizes).enumerate().all(|(i, (a, b))| i == axis || a == b);
        v.dtype == x.dtype && v.rank() == x.rank() && others
    };
    let y = any(state, choices, fits)?;
    let mut sizes = x.sizes.clone();
    sizes[axis].extent += y.sizes[axis].extent;
    sizes[axis].is_dynamic |= y.sizes[axis].is_dynamic;
    state.emit(&format!("thunder.concat {}, {} axis = {axis}", x.name, y.name), &[&x, &y], x.dtype, sizes)
}

fn pad(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let x = any(state, choices, |v| v.rank() > 0 && v.dtype == DType::F32)?;
    let axis = choices.below(x.rank());
    let (mut low, mut high, interior) = (vec![0; x.rank()], vec![0; x.rank()], vec![0; x.rank()]);
    low[axis] = choices.below(3);
    high[axis] = choices.below(2);
    let mut sizes = x.sizes.clone();
    sizes[axis].extent += low[axis] + high[axis];
    let value = ["0.0", "-0.0", "1.0"][choices.below(3)];
    let op =
        format!("thunder.pad {} low = {low:?} high = {high:?} interior = {interior:?} value = {value} : f32", x.name);
    state.emit(&op, &[&x], x.dtype, sizes)
}

fn reduce(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let x = any(state, choices, |_| true)?;
    let ops: &[&str] = match x.dtype {
        DType::Bool => &["any", "all"],
        dtype if dtype.is_float() => &["sum", "amax", "mean", "amin", "prod", "var"],
        _ => &["sum", "amax", "amin", "prod"],
    };
    let op = choices.of(ops)?;
    let keep_dims = choices.chance(2);
    let axes: Vec<usize> = (0..x.rank()).filter(|_| choices.chance(2)).collect();
    let sizes = (0..x.rank()).filter_map(|axis| match axes.contains(&axis) {
        false => Some(x.sizes[axis]),
        true => keep_dims.then(|| Size::stated(1)),
    });
    let keeps = if keep_dims { " keep_dims = true" } else { "" };
    state.emit(&format!("thunder.{op} {} axes = {axes:?}{keeps}", x.name), &[&x], x.dtype, sizes.collect())
}

fn arg_reduce(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let x = any(state, choices, |v| v.rank() > 0 && v.dtype != DType::Bool)?;
    let axis = choices.below(x.rank());
    if x.sizes[axis].extent == 0 {
        return None;
    }
    let mut sizes = x.sizes.clone();
    sizes.remove(axis);
    let op = ["argmax", "argmin"][choices.below(2)];
    state.emit(&format!("thunder.{op} {} axis = {axis}", x.name), &[&x], DType::I64, sizes)
}

/// Slices at positions that an arg-reduction found along the same axis.
fn take(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let indices = arg_reduce(state, choices)?;
    let line = state.lines.last()?.clone();
    let (operand, axis) = line.split_once(" axis = ").and_then(|(head, tail)| {
        let axis: usize = tail.split_once(' ')?.0.parse().ok()?;
        Some((head.rsplit_once(' ')?.1.to_owned(), axis))
    })?;
    let x = state.values.iter().find(|v| v.name == operand)?.clone();
    let sizes = [&x.sizes[..axis], &indices.sizes, &x.sizes[axis + 1..]].concat();
    let op = format!("thunder.take {}, {} axis = {axis}", x.name, indices.name);
    state.emit(&op, &[&x, &indices], x.dtype, sizes)
}

fn along_axis(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let x = any(state, choices, |v| v.rank() > 0 && v.dtype != DType::Bool)?;
    let ops: &[&str] = if x.dtype.is_float() { &["softmax", "cumsum", "log_softmax"] } else { &["cumsum"] };
    let (op, axis) = (choices.of(ops)?, choices.below(x.rank()));
    state.emit_same(&format!("thunder.{op} {} axis = {axis}", x.name), &x)
}

fn norm(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let x = any(state, choices, |v| v.rank() > 0 && v.dtype.is_float())?;
    let op = [format!("thunder.layer_norm {}", x.name), format!("thunder.rms_norm {} eps = 0.5", x.name)];
    state.emit(&op[choices.below(2)], &[&x], x.dtype, x.sizes.clone())
}

fn matmul(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let x = any(state, choices, |v| v.rank() > 1 && v.dtype != DType::Bool)?;
    let (outer, inner) = (x.rank() - 2, x.sizes[x.rank() - 1].extent);
    let y = any(state, choices, |v| {
        v.dtype == x.dtype
            && v.rank() == x.rank()
            && v.sizes[..outer] == x.sizes[..outer]
            && v.sizes[outer].extent == inner
    })?;
    let sizes = [&x.sizes[..=outer], &y.sizes[outer + 1..]].concat();
    state.emit(&format!("thunder.matmul {}, {}", x.name, y.name), &[&x, &y], x.dtype, sizes)
}

fn linear(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let weight = any(state, choices, |v| v.rank() == 2 && v.dtype != DType::Bool)?;
    let inner = weight.sizes[1].extent;
    let x = any(state, choices, |v| v.dtype == weight.dtype && v.sizes.last().is_some_and(|s| s.extent == inner))?;
    let sizes = [&x.sizes[..x.rank() - 1], &weight.sizes[..1]].concat();
    state.emit(&format!("thunder.linear {}, {}", x.name, weight.name), &[&x, &weight], x.dtype, sizes)
}

/// An argument, or a view of a view of one.
fn memory(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let mut value = choices.of(&state.memory).cloned()?;
    for _ in 0..choices.below(3) {
        let rank = value.rank();
        let axes = (0..rank).collect::<Vec<_>>();
        value = match choices.below(4) {
            0 => {
                let order: Vec<_> = axes.iter().rev().collect();
                let sizes = order.iter().map(|axis| value.sizes[**axis]).collect();
                state.emit(
                    &format!("thunder.transpose {} permutation = {order:?}", value.name),
                    &[&value],
                    value.dtype,
                    sizes,
                )?
            }
            1 => {
                let operation = format!("thunder.reverse {} axes = {axes:?}", value.name);
                state.emit(&operation, &[&value], value.dtype, value.sizes.clone())?
            }
            2 if value.sizes.iter().all(|size| !size.is_dynamic) => {
                let count = value.shape().iter().product();
                let operation = format!("thunder.reshape {}, []", value.name);
                state.emit(&operation, &[&value], value.dtype, vec![Size::stated(count)])?
            }
            _ => {
                let starts: Vec<usize> = value.shape().iter().map(|size| choices.below(*size)).collect();
                let strides: Vec<usize> = axes.iter().map(|_| choices.below(2) + 1).collect();
                let left = value.sizes.iter().zip(&starts).zip(&strides);
                let sizes = left
                    .map(|((size, start), stride)| Size { extent: (size.extent - start).div_ceil(*stride), ..*size })
                    .collect();
                let limits = vec![i64::MAX; rank];
                let operation =
                    format!("thunder.slice {} start = {starts:?} limit = {limits:?} stride = {strides:?}", value.name);
                state.emit(&operation, &[&value], value.dtype, sizes)?
            }
        };
    }
    Some(value)
}

fn read(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let value = memory(state, choices)?;
    state.emit_same(&format!("thunder.read {}", value.name), &value)
}

fn write(state: &mut State, choices: &mut Choices<'_>) -> Option<Value> {
    let target = memory(state, choices)?;
    let value = any(state, choices, |v| v.ty() == target.ty() && v.shape() == target.shape())?;
    let ty = target.ty();
    state.lines.push(format!("thunder.copy_into {}, {} : ({ty}, {ty})", value.name, target.name));
    Some(target)
}
