//! Elements at places that the program computes: parts, gathers and scatters.

use thunder_trace::{DType, Dim, Reduction, Scope, Tensor, cat};

use super::bits::{converted, flipped};
use super::contract::product;
use super::reduce::Fold;
use super::shape::permuted;
use super::{Entry, tensor};
use crate::arguments::{Answer, Reason, gap, malformed, number};
use crate::stablehlo::call::Call;
use crate::stablehlo::program::{Element, Region};
use crate::stablehlo::value::Value;

pub(super) const OPS: &[Entry] = &[
    tensor("stablehlo.dynamic_gather", |c| {
        let sizes = c.value(2)?.known();
        gather(c, sizes.ok_or_else(|| Reason::Gap("slices of sizes that only the program knows".to_owned()))?)
    }),
    tensor("stablehlo.dynamic_slice", dynamic_slice),
    tensor("stablehlo.dynamic_update_slice", |c| {
        let (x, update) = (c.tensor(0)?, c.tensor(1)?);
        let differs = |axis: &usize| x.shape()[*axis] != update.shape()[*axis];
        if x.rank() != update.rank() || c.operands.len() != x.rank() + 2 || x.dtype() != update.dtype() {
            return malformed(format!("{update} is no part of {x}"));
        }
        let axes: Vec<usize> = (0..x.rank()).filter(differs).collect();
        let starts = axes.iter().map(|axis| start(c, 2 + axis, &x.shape()[*axis], &update.shape()[*axis]));
        let starts: Vec<_> = starts.collect::<Answer<_>>()?;
        updated(x, update, &axes, &starts)
    }),
    tensor("stablehlo.gather", |c| gather(c, c.ints("slice_sizes")?.into_iter().map(Dim::from).collect())),
    tensor("stablehlo.scatter", scatter),
];

/// Where a part begins along a dimension: as near as it is within.
fn start<'t>(c: &Call<'_, 't>, operand: usize, extent: &Dim, size: &Dim) -> Answer<Tensor<'t>> {
    let given = c.value(operand)?;
    let place = converted(given.tensor(c.cx), given.element(), &Element::Int { bits: 64, signed: true }).reshape(());
    Ok(within(c.cx, place, extent, size))
}

/// A place as near as a part of `size` from there on is within `extent`.
fn within<'t>(cx: Scope<'t>, place: Tensor<'t>, extent: &Dim, size: &Dim) -> Tensor<'t> {
    match extent.known().zip(size.known()) {
        Some((extent, size)) => place.clamp(Some(0i64), Some((extent - size).max(0))),
        None => place.maximum(0i64).minimum(number(cx, extent - size)),
    }
}

fn dynamic_slice<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let mut x = c.tensor(0)?;
    let sizes = c.ints("slice_sizes")?;
    if sizes.len() != x.rank() || c.operands.len() != x.rank() + 1 {
        return malformed(format!("a part of {sizes:?} of {x}"));
    }
    for (axis, size) in sizes.into_iter().enumerate() {
        let extent = x.shape()[axis].clone();
        if extent.known() == Some(size) {
            continue;
        }
        if size < 0 || extent.known().is_some_and(|extent| extent < size) {
            return malformed(format!("a part of {size} of {extent} elements"));
        }
        x = match (c.value(axis + 1)?.int(), extent.known()) {
            (Some(start), Some(extent)) => x.narrow(axis as i64, start.clamp(0, extent - size), size),
            _ => x.dynamic_slice(axis as i64, start(c, axis + 1, &extent, &Dim::from(size))?, size),
        };
    }
    Ok(x)
}

/// The tensor with a part replaced, which begins at `starts` along `axes` and is all of the others.
fn updated<'t>(x: Tensor<'t>, update: Tensor<'t>, axes: &[usize], starts: &[Tensor<'t>]) -> Answer<Tensor<'t>> {
    let ([axis, axes @ ..], [start, starts @ ..]) = (axes, starts) else { return Ok(update) };
    let axis = *axis as i64;
    if axes.is_empty() {
        return Ok(x.dynamic_update_slice(axis, *start, update));
    }
    let Some(size) = update.size(axis).known() else { return gap("a part of dynamic size") };
    let part = x.dynamic_slice(axis, *start, size);
    Ok(x.dynamic_update_slice(axis, *start, updated(part, update, axes, starts)?))
}

/// How places of a gather or scatter are laid out.
struct Layout<'t> {
    /// The dimensions of the operand that places choose in, and those that slices have whole.
    chosen: Vec<usize>,
    whole: Vec<usize>,
    /// The sizes of the indices, without those of one place.
    batch: Vec<Dim>,
    /// The dimensions of slices among the chosen ones.
    partial: Vec<usize>,
    /// For each of `batch` and `partial`: the place among the elements of the chosen dimensions, in row-major order.
    place: Tensor<'t>,
    /// Whether it is one; of a gather it always is.
    is_inside: Option<Tensor<'t>>,
}

/// The names of the attributes of a gather, or of a scatter.
struct Names {
    window: &'static str,
    collapsed: &'static str,
    batching: &'static str,
    indices_batching: &'static str,
    map: &'static str,
}

const GATHER: Names = Names {
    window: "offset_dims",
    collapsed: "collapsed_slice_dims",
    batching: "operand_batching_dims",
    indices_batching: "start_indices_batching_dims",
    map: "start_index_map",
};

const SCATTER: Names = Names {
    window: "update_window_dims",
    collapsed: "inserted_window_dims",
    batching: "input_batching_dims",
    indices_batching: "scatter_indices_batching_dims",
    map: "scatter_dims_to_operand_dims",
};

impl<'t> Layout<'t> {
    /// The layout of slices of these sizes. Places of a gather are moved to where slices are within; slices of a scatter
    /// count only as far as they are.
    fn of(c: &Call<'_, 't>, names: &Names, sizes: &[Dim], is_gather: bool) -> Answer<Self> {
        let (x, indices) = (c.value(0)?, c.value(1)?);
        let (cx, rank, dims) = (c.cx, x.rank(), x.dims());
        let collapsed = c.axes(names.collapsed, rank)?;
        let batching = c.axes(names.batching, rank)?;
        let indices_batching = c.axes(names.indices_batching, indices.rank())?;
        let map = c.axes(names.map, rank)?;
        let last = if c.has("index_vector_dim") { c.int("index_vector_dim")? } else { 0 };
        let last = usize::try_from(last).ok().filter(|last| *last <= indices.rank());
        let Some(last) = last else { return malformed("'index_vector_dim' is no dimension of the indices") };
        if indices_batching.len() != batching.len() || indices_batching.contains(&last) {
            return malformed(format!("{batching:?} and {indices_batching:?} are no dimensions that match"));
        }
        let wide = converted(indices.tensor(cx), indices.element(), &Element::Int { bits: 64, signed: true });
        // Indices of one number have no dimension for it.
        let wide = if last == indices.rank() { wide.unsqueeze(-1) } else { wide };
        let components = wide.size(last as i64).known();
        if components != Some(map.len() as i64) {
            return malformed(format!("{components:?} numbers for a place in dimensions {map:?}"));
        }
        let mut batch = wide.shape();
        batch.remove(last);
        let is_slice = |axis: &usize| !collapsed.contains(axis) && !batching.contains(axis);
        let is_whole = |axis: &usize| {
            let is_fixed = !map.contains(axis) || is_gather;
            is_slice(axis) && is_fixed && sizes[*axis] == dims[*axis]
        };
        let whole: Vec<usize> = (0..rank).filter(is_whole).collect();
        let chosen: Vec<usize> = (0..rank).filter(|axis| !is_whole(axis)).collect();
        let partial: Vec<usize> = chosen.iter().copied().filter(is_slice).collect();
        let shape: Vec<Dim> = batch.iter().cloned().chain(partial.iter().map(|axis| sizes[*axis].clone())).collect();
        let spread = |x: Tensor<'t>, axes: &[i64]| x.broadcast_in_dim(axes, shape.clone());
        let batch_axes: Vec<i64> = (0..batch.len() as i64).collect();
        let times = |x: Tensor<'t>, size: &Dim| match size.known() {
            Some(1) => x,
            Some(size) => x * size,
            None => x * number(cx, size.clone()),
        };
        let (mut place, mut is_inside) = (None::<Tensor<'t>>, None::<Tensor<'t>>);
        for (position, axis) in chosen.iter().enumerate() {
            let mut coordinate = None::<Tensor<'t>>;
            let add = |sum: Option<Tensor<'t>>, x: Tensor<'t>| Some(sum.map_or(x, |sum| sum + x));
            if let Some(pair) = batching.iter().position(|batching| batching == axis) {
                let own = indices_batching[pair];
                // The dimension of one place's numbers is not among those of the batch.
                let own = own - usize::from(own > last);
                coordinate = add(coordinate, spread(cx.arange(batch[own].clone(), DType::I64), &[own as i64]));
            }
            if let Some(component) = map.iter().position(|mapped| mapped == axis) {
                let start = wide.select(last as i64, component as i64);
                let start = if is_gather { within(cx, start, &dims[*axis], &sizes[*axis]) } else { start };
                coordinate = add(coordinate, spread(start, &batch_axes));
            }
            if let Some(offset) = partial.iter().position(|partial| partial == axis)
                && sizes[*axis].known() != Some(1)
            {
                let counted = cx.arange(sizes[*axis].clone(), DType::I64);
                coordinate = add(coordinate, spread(counted, &[(batch.len() + offset) as i64]));
            }
            let coordinate = coordinate.unwrap_or_else(|| cx.full(shape.clone(), 0, DType::I64));
            if !is_gather && !batching.contains(axis) {
                let holds = coordinate.ge(0)
                    & match dims[*axis].known() {
                        Some(size) => coordinate.lt(size),
                        None => coordinate.lt(number(cx, dims[*axis].clone())),
                    };
                is_inside = Some(is_inside.map_or(holds, |all| all & holds));
            }
            let after: Vec<Dim> = chosen[position + 1..].iter().map(|axis| dims[*axis].clone()).collect();
            place = add(place, times(coordinate, &product(&after)));
        }
        let place = place.unwrap_or_else(|| cx.full(shape.clone(), 0, DType::I64));
        Ok(Self { chosen, whole, batch, partial, place, is_inside })
    }

    /// A tensor with the chosen dimensions in front, as one.
    fn lined(&self, x: Tensor<'t>) -> Tensor<'t> {
        let dims = x.shape();
        let of = |axes: &[usize]| axes.iter().map(|axis| dims[*axis].clone()).collect::<Vec<_>>();
        let order: Vec<i64> = self.chosen.iter().chain(&self.whole).map(|axis| *axis as i64).collect();
        permuted(x, &order).reshape([vec![product(&of(&self.chosen))], of(&self.whole)].concat())
    }

    /// The inverse of [`Self::lined`], for a tensor of these sizes.
    fn unlined(&self, x: Tensor<'t>, dims: &[Dim]) -> Tensor<'t> {
        let order: Vec<usize> = self.chosen.iter().chain(&self.whole).copied().collect();
        let apart = x.reshape(order.iter().map(|axis| dims[*axis].clone()).collect::<Vec<_>>());
        permuted(apart, &inverse(&order))
    }

    /// For each dimension of slices in their order: which it is behind those of the batch.
    fn order(&self, names: &Names, c: &Call<'_, 't>, rank: usize) -> Answer<Vec<i64>> {
        let window = c.axes(names.window, rank)?;
        let mut slices: Vec<usize> = self.partial.iter().chain(&self.whole).copied().collect();
        let behind = slices.clone();
        slices.sort_unstable();
        if window.len() != slices.len() || rank != self.batch.len() + slices.len() {
            return malformed(format!("'{}' is {window:?}, of slices of {} dimensions", names.window, slices.len()));
        }
        let mut batch = 0..self.batch.len() as i64;
        let mut order = Vec::new();
        for axis in 0..rank {
            let found = match window.iter().position(|own| *own == axis) {
                Some(number) => {
                    behind.iter().position(|own| *own == slices[number]).map(|own| (self.batch.len() + own) as i64)
                }
                None => batch.next(),
            };
            order.extend(found);
        }
        Ok(order)
    }
}

fn inverse(order: &[usize]) -> Vec<i64> {
    let mut inverse = vec![0; order.len()];
    order.iter().enumerate().for_each(|(place, axis)| inverse[*axis] = place as i64);
    inverse
}

fn gather<'t>(c: &Call<'_, 't>, sizes: Vec<Dim>) -> Answer<Tensor<'t>> {
    let (x, result) = (c.value(0)?, c.result(0)?.dims.len());
    let fits = |(size, dim): (&Dim, &Dim)| match (size.known(), dim.known()) {
        (Some(size), Some(dim)) => (0..=dim).contains(&size),
        (Some(size), None) => size >= 0,
        (None, _) => true,
    };
    if sizes.len() != x.rank() || !sizes.iter().zip(x.dims()).all(fits) {
        return malformed(format!("slices of {sizes:?} of {:?}", x.dims()));
    }
    let layout = Layout::of(c, &GATHER, &sizes, true)?;
    let taken = layout.lined(x.tensor(c.cx)).index_select(0, layout.place);
    Ok(permuted(taken, &layout.order(&GATHER, c, result)?))
}

fn scatter<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let [x, _, updates] = c.operands else { return gap("several tensors at once") };
    let (element, rank) = (x.element(), updates.rank());
    let window = c.axes(SCATTER.window, rank)?;
    let (inserted, batching) = (c.axes(SCATTER.collapsed, x.rank())?, c.axes(SCATTER.batching, x.rank())?);
    // Slices are as large as the updates are there.
    let mut own = window.iter();
    let mut sizes = Vec::new();
    for axis in 0..x.rank() {
        let is_slice = !inserted.contains(&axis) && !batching.contains(&axis);
        let size = if is_slice { own.next().map(|window| updates.dims()[*window].clone()) } else { Some(Dim::from(1)) };
        let Some(size) = size else { return malformed("its slices have fewer dimensions than the operand") };
        sizes.push(size);
    }
    let layout = Layout::of(c, &SCATTER, &sizes, false)?;
    let order: Vec<usize> = layout.order(&SCATTER, c, rank)?.into_iter().map(|axis| axis as usize).collect();
    let updates = permuted(updates.tensor(c.cx), &inverse(&order));
    let dims = updates.shape();
    let places = layout.batch.len() + layout.partial.len();
    let count = product(&dims[..places]);
    let rows = updates.reshape([std::slice::from_ref(&count), &dims[places..]].concat());
    let place = layout.place.reshape([count.clone()]);
    let is_inside = layout.is_inside.map(|is_inside| is_inside.reshape([count]));
    let lined = layout.lined(x.tensor(c.cx));
    let region = c.region(0)?;
    let made = match Fold::of(region, element) {
        Some(Fold::Add) => added(lined, place, is_inside, rows),
        Some(fold) => combined(c, element, fold, lined, place, is_inside, rows)?,
        None if is_replacement(region) => replaced(c.cx, lined, place, is_inside, rows, Reduction::Replace),
        None if c.flag_or("unique_indices", false)? => {
            let safe = is_inside.map_or(place, |is_inside| is_inside.where_(place, 0));
            let before = Value::of(element.clone(), lined.index_select(0, safe));
            let rows = Value::of(element.clone(), rows);
            let dims = before.dims().to_vec();
            let after = c.map(region, &dims, &[before, rows])?;
            let [after] = &after[..] else { return malformed("its function has not one result") };
            replaced(c.cx, lined, place, is_inside, after.tensor(c.cx), Reduction::Replace)
        }
        None => return gap("a function of its own"),
    };
    Ok(layout.unlined(made, x.dims()))
}

/// Whether a function of two elements is the second.
fn is_replacement(region: &Region) -> bool {
    matches!((&region.ops[..], &region.arguments[..]), ([end], [_, new]) if end.operands == [new.value])
}

/// Rows of truth values, one for each of these, as wide as the others.
fn widened<'t>(truth: Tensor<'t>, rows: Tensor<'t>) -> Tensor<'t> {
    truth.broadcast_in_dim(&[0], rows.shape())
}

/// Rows added to those at their places.
fn added<'t>(x: Tensor<'t>, place: Tensor<'t>, is_inside: Option<Tensor<'t>>, rows: Tensor<'t>) -> Tensor<'t> {
    match is_inside {
        Some(is_inside) => x.index_add(0, is_inside.where_(place, 0), widened(is_inside, rows).where_(rows, 0)),
        None => x.index_add(0, place, rows),
    }
}

fn combined<'t>(
    c: &Call<'_, 't>,
    element: &Element,
    fold: Fold,
    x: Tensor<'t>,
    place: Tensor<'t>,
    is_inside: Option<Tensor<'t>>,
    rows: Tensor<'t>,
) -> Answer<Tensor<'t>> {
    let reduce = match fold {
        Fold::Multiply => Reduction::Prod,
        Fold::Maximum | Fold::Or => Reduction::Amax,
        Fold::Minimum | Fold::And => Reduction::Amin,
        Fold::Add => return Ok(added(x, place, is_inside, rows)),
    };
    if matches!(fold, Fold::And | Fold::Or) {
        let made = replaced(c.cx, x.to(DType::U8), place, is_inside, rows.to(DType::U8), reduce);
        return Ok(made.ne(0));
    }
    let is_flipped = element.is_carried() && fold != Fold::Multiply;
    let turned = |x: Tensor<'t>| if is_flipped { flipped(x) } else { x };
    Ok(turned(replaced(c.cx, turned(x), place, is_inside, turned(rows), reduce)))
}

/// Rows combined with those at their places; one more takes what is outside.
fn replaced<'t>(
    cx: Scope<'t>,
    x: Tensor<'t>,
    place: Tensor<'t>,
    is_inside: Option<Tensor<'t>>,
    rows: Tensor<'t>,
    reduce: Reduction,
) -> Tensor<'t> {
    if x.dtype() == DType::Bool {
        return replaced(cx, x.to(DType::U8), place, is_inside, rows.to(DType::U8), reduce).ne(0);
    }
    let dims = x.shape();
    let width = product(&dims[1..]);
    let (flat, rows) = (x.reshape([dims[0].clone(), width.clone()]), rows.reshape([rows.size(0), width.clone()]));
    let (flat, place) = match is_inside {
        Some(is_inside) => {
            let spare = cx.full([Dim::from(1), width.clone()], 0, x.dtype());
            let outside = match dims[0].known() {
                Some(size) => is_inside.where_(place, size),
                None => is_inside.where_(place, number(cx, dims[0].clone())),
            };
            (cat(&[flat, spare], 0), outside)
        }
        None => (flat, place),
    };
    let made = flat.scatter_reduce(0, place.broadcast_in_dim(&[0], rows.shape()), rows, reduce);
    let made = match dims[0].known() {
        _ if is_inside.is_none() => made,
        Some(size) => made.narrow(0, 0, size),
        None => made.slice(0, ..-1),
    };
    made.reshape(dims)
}
