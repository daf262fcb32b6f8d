//! Elements put, or combined with others, at places chosen by indices or masks.

use thunder_trace::{DType, Dim, Operand, Reduction, Scalar, Tensor, cat};

use super::index::{Places, counted};
use super::{Entry, one};
use crate::arguments::{Answer, Call, ensure, gap, malformed};

pub(super) const OPS: &[Entry] = &[
    one(&["aten.scatter.src"], |c| scattered(c, c.tensor("self")?, c.tensor("src")?, How::Put)),
    one(&["aten.scatter.value"], |c| scattered(c, c.tensor("self")?, value(c)?, How::Put)),
    one(&["aten.scatter.reduce"], |c| scattered(c, c.tensor("self")?, c.tensor("src")?, how(c)?)),
    one(&["aten.scatter.value_reduce"], |c| scattered(c, c.tensor("self")?, value(c)?, how(c)?)),
    one(&["aten.scatter_add.default"], |c| scattered(c, c.tensor("self")?, c.tensor("src")?, How::Add)),
    one(&["aten.scatter_reduce.two"], |c| {
        let (x, index, src) = (c.tensor("self")?, c.tensor("index")?, c.tensor("src")?);
        reduced(c, x, index, src)
    }),
    one(&["aten.index_reduce.default"], |c| {
        let (x, src) = (c.tensor("self")?, c.tensor("source")?);
        reduced(c, x, spread(c, src)?, src)
    }),
    one(&["aten.index_add.default"], |c| {
        let (x, axis) = (c.tensor("self")?, c.int("dim")?);
        let mut source = c.tensor("source")?;
        if let Some(alpha) = c.optional_scalar("alpha")?.filter(|alpha| *alpha != Scalar::Int(1)) {
            source = super::arithmetic::product(source, Operand::Scalar(super::create::cast(alpha, source.dtype())));
        }
        let index = c.tensor("index")?;
        if x.rank() == 0 {
            let [x, source] = [x, source].map(|x| x.reshape([1]));
            return Ok(as_numbers(x, source, |x, source| x.index_add(0, index.reshape([1]), source)).squeeze(0));
        }
        Ok(as_numbers(x, source, |x, source| x.index_add(axis, index.reshape([-1]), source)))
    }),
    one(&["aten.index_copy.default"], |c| {
        let (x, source) = (c.tensor("self")?, c.tensor("source")?);
        put(x, c.int("dim")?, spread(c, source)?, source, How::Put)
    }),
    one(&["aten.index_fill.int_Scalar", "aten.index_fill.int_Tensor"], |c| {
        let (x, axis) = (c.tensor("self")?, c.int("dim")?);
        if x.rank() == 0 {
            return filled(c, x, c.cx.full((), true, DType::Bool));
        }
        let index = counted(c.tensor("index")?.reshape([-1]), &x.size(axis));
        let is_here = index.unsqueeze(0).eq(c.cx.arange(x.size(axis), DType::I64).unsqueeze(1)).any(1);
        let after = x.rank() as i64 - 1 - if axis < 0 { axis + x.rank() as i64 } else { axis };
        let is_here = (0..after).fold(is_here, |mask, _| mask.unsqueeze(-1));
        filled(c, x, is_here)
    }),
    one(&["aten.index_put.default", "aten._unsafe_index_put.default", "aten._index_put_impl.default"], |c| {
        index_put(c, &c.optionals("indices")?, c.tensor("values")?, c.bool_or("accumulate", false)?)
    }),
    one(&["aten._unsafe_masked_index_put_accumulate.default"], |c| {
        let (mask, values) = (c.tensor("mask")?, c.tensor("values")?);
        let zero = super::create::cast(Scalar::Int(0), values.dtype());
        let values = mask.where_(values, c.cx.full((), zero, values.dtype()));
        index_put(c, &super::index::where_true(c, mask)?, values, true)
    }),
    one(&["aten.nonzero_static.default"], |c| {
        let (x, count) = (c.tensor("self")?, c.int("size")?);
        let flat = super::arithmetic::truth(x).reshape([-1]);
        // Element number `n` that is not zero is the first that has as many before it.
        let ends = flat.to(DType::I64).cumsum(0);
        let mut at = ends.searchsorted(c.cx.arange(count, DType::I64) + 1, false);
        let is_there = at.lt(crate::arguments::number(c.cx, flat.size(0)));
        let fill = c.int_or("fill_value", -1)?;
        let mut columns = Vec::new();
        for size in x.shape().iter().rev() {
            let Some(size) = size.known() else { return gap("a dimension of dynamic size") };
            columns.push(is_there.where_(at % size, fill));
            at = at.floor_divide(size);
        }
        columns.reverse();
        if columns.is_empty() {
            return Ok(c.cx.zeros((count, 0), DType::I64));
        }
        Ok(thunder_trace::stack(&columns, 1))
    }),
    one(&["aten.argwhere.default"], |c| {
        let x = c.tensor("self")?;
        // Of no elements, none are anywhere.
        let is_empty = x.shape().contains(&Dim::from(0));
        if is_empty {
            Ok(c.cx.zeros((0, x.rank()), DType::I64))
        } else {
            gap("a number of places that depends on values")
        }
    }),
    one(&["aten.masked_scatter.default"], |c| {
        let (x, mask, source) = (c.tensor("self")?, c.tensor("mask")?, c.tensor("source")?);
        let dims = c.dims()?;
        let x = if x.shape() == dims { x } else { x.expand(&dims[..]) };
        let mask = if mask.shape() == dims { mask } else { mask.expand(&dims[..]) };
        let source = source.reshape([-1]);
        if source.size(0).known() == Some(0) {
            return Ok(x);
        }
        // Element number `n` of the source goes where the mask is true for time number `n`.
        let number = (mask.reshape([-1]).to(DType::I64).cumsum(0) - 1).clamp(Some(0), None);
        Ok(mask.where_(source.index_select(0, number).reshape(x.shape()), x))
    }),
    one(&["aten.put.default"], |c| {
        let (x, source) = (c.tensor("self")?, c.tensor("source")?.reshape([-1]));
        let flat = x.reshape([-1]);
        let index = counted(c.tensor("index")?.reshape([-1]), &flat.size(0));
        let how = if c.bool_or("accumulate", false)? { How::Add } else { How::Put };
        Ok(put(flat, 0, index, source, how)?.reshape(x.shape()))
    }),
    one(&["aten.take.default"], |c| {
        let flat = c.tensor("self")?.reshape([-1]);
        Ok(flat.index_select(0, counted(c.tensor("index")?, &flat.size(0))))
    }),
    one(&["aten.diagonal_scatter.default"], |c| {
        let (x, part) = (c.tensor("self")?, c.tensor("src")?);
        super::shape::with_diagonal(c, x, part)
    }),
];

/// What becomes of an element and an update of it.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum How {
    Put,
    Add,
    Reduce(Reduction),
}

fn how(c: &Call<'_, '_>) -> Answer<How> {
    match c.word_or("reduce", "")? {
        "add" | "sum" => Ok(How::Add),
        "multiply" | "prod" => Ok(How::Reduce(Reduction::Prod)),
        "amax" => Ok(How::Reduce(Reduction::Amax)),
        "amin" => Ok(How::Reduce(Reduction::Amin)),
        other => gap(format!("reduce '{other}'")),
    }
}

/// The number `value` for every index.
fn value<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let (x, index) = (c.tensor("self")?, c.tensor("index")?);
    let value = super::create::cast(c.scalar("value")?, x.dtype());
    Ok(c.cx.full(index.shape(), value, x.dtype()))
}

fn scattered<'t>(c: &Call<'_, 't>, x: Tensor<'t>, src: Tensor<'t>, how: How) -> Answer<Tensor<'t>> {
    ensure(src.dtype() == x.dtype(), format!("elements of {src} for {x}"))?;
    put(x, c.int("dim")?, c.tensor("index")?, src, how)
}

/// `function` of truth values as numbers, for ops that take numbers only.
fn as_numbers<'t>(
    x: Tensor<'t>,
    updates: Tensor<'t>,
    function: impl FnOnce(Tensor<'t>, Tensor<'t>) -> Tensor<'t>,
) -> Tensor<'t> {
    match x.dtype() {
        DType::Bool => function(x.to(DType::U8), updates.to(DType::U8)).ne(0),
        dtype => function(x, updates.to(dtype)),
    }
}

/// Combines elements of `src` with those of `x`, each at its own index. There may be fewer indices than elements in
/// dimensions other than `axis`, and more elements in `src`, which then do not count.
pub(super) fn put<'t>(x: Tensor<'t>, axis: i64, index: Tensor<'t>, src: Tensor<'t>, how: How) -> Answer<Tensor<'t>> {
    if x.rank() == 0 {
        let [x, index, src] = [x, index, src].map(|x| x.reshape([1]));
        return Ok(put(x, 0, index, src, how)?.squeeze(0));
    }
    if index.rank() != x.rank() || src.rank() != x.rank() {
        return malformed(format!("indices {index} and values {src} for {x}"));
    }
    let rank = x.rank() as i64;
    let axis = if axis < 0 { axis + rank } else { axis };
    let mut src = src;
    for other in 0..rank {
        if let (Some(fewer), Some(size)) = (index.size(other).known(), src.size(other).known())
            && fewer < size
        {
            src = src.slice(other, 0..fewer);
        }
    }
    Ok(within(x, axis, index, src, how))
}

fn within<'t>(x: Tensor<'t>, axis: i64, index: Tensor<'t>, src: Tensor<'t>, how: How) -> Tensor<'t> {
    for other in (0..x.rank() as i64).filter(|other| *other != axis) {
        if let (Some(fewer), Some(size)) = (index.size(other).known(), x.size(other).known())
            && fewer < size
        {
            let part = within(x.slice(other, 0..fewer), axis, index, src, how);
            return cat(&[part, x.slice(other, fewer..)], other);
        }
    }
    as_numbers(x, src, |x, src| match how {
        How::Put => x.scatter(axis, index, src),
        How::Add => x.scatter_add(axis, index, src),
        How::Reduce(reduce) => x.scatter_reduce(axis, index, src, reduce),
    })
}

/// The index of each slice, repeated for each element of it.
fn spread<'t>(c: &Call<'_, 't>, source: Tensor<'t>) -> Answer<Tensor<'t>> {
    let (axis, rank) = (c.int("dim")?, source.rank() as i64);
    let index = c.tensor("index")?;
    if rank == 0 {
        return Ok(index.reshape(()));
    }
    let axis = if axis < 0 { axis + rank } else { axis };
    let index = (axis + 1..rank).fold(index.reshape([-1]), |index, _| index.unsqueeze(-1));
    Ok(index.expand(source.shape()))
}

fn reduced<'t>(c: &Call<'_, 't>, x: Tensor<'t>, index: Tensor<'t>, src: Tensor<'t>) -> Answer<Tensor<'t>> {
    let (axis, name, dtype) = (c.int("dim")?, c.word_or("reduce", "")?, x.dtype());
    let constant = |value: f64| c.cx.full(index.shape(), super::create::cast(Scalar::Float(value), dtype), dtype);
    let is_mean = name == "mean";
    let how = if is_mean { How::Add } else { how(c)? };
    let mut start = x;
    let includes_self = c.bool_or("include_self", true)?;
    if !includes_self {
        let none = match how {
            How::Reduce(Reduction::Prod) => constant(1.0),
            How::Reduce(Reduction::Amax) if dtype.is_float() => constant(f64::NEG_INFINITY),
            How::Reduce(Reduction::Amin) if dtype.is_float() => constant(f64::INFINITY),
            // Updates before which nothing counts: the first of them.
            How::Reduce(_) => return first_replaced(x, axis, index, src, how),
            How::Put | How::Add => constant(0.0),
        };
        start = put(x, axis, index, none, How::Put)?;
    }
    let total = put(start, axis, index, src, how)?;
    if !is_mean {
        return Ok(total);
    }
    let ones = c.cx.full(x.shape(), 1, DType::I64);
    let none = c.cx.full(index.shape(), 0, DType::I64);
    let each = c.cx.full(index.shape(), 1, DType::I64);
    let before = if includes_self { ones } else { put(ones, axis, index, none, How::Put)? };
    let count = put(before, axis, index, each, How::Add)?;
    Ok(if dtype.is_float() { total / count.to(dtype) } else { total.floor_divide(count.to(dtype)) })
}

/// A reduction of integers without those that were there: any of the updates stands in for them.
fn first_replaced<'t>(x: Tensor<'t>, axis: i64, index: Tensor<'t>, src: Tensor<'t>, how: How) -> Answer<Tensor<'t>> {
    put(put(x, axis, index, src, How::Put)?, axis, index, src, how)
}

/// `x` where the mask is false, the argument `value` elsewhere.
fn filled<'t>(c: &Call<'_, 't>, x: Tensor<'t>, mask: Tensor<'t>) -> Answer<Tensor<'t>> {
    let value = match c.operand("value")? {
        Operand::Tensor(value) => value.to(x.dtype()),
        Operand::Scalar(value) => c.cx.full((), super::create::cast(value, x.dtype()), x.dtype()),
    };
    Ok(mask.where_(value, x))
}

fn index_put<'t>(
    c: &Call<'_, 't>,
    indices: &[Option<Tensor<'t>>],
    values: Tensor<'t>,
    accumulate: bool,
) -> Answer<Tensor<'t>> {
    let x = c.tensor("self")?;
    let values = values.to(x.dtype());
    if indices.iter().flatten().any(|index| index.dtype() == DType::Bool) {
        return masked(x, indices, values, accumulate);
    }
    let Some(places) = Places::of(c.cx, x, indices)? else {
        let values = values.expand(x.shape());
        return Ok(if accumulate { x + values } else { values });
    };
    let Places { merged, front, number, .. } = &places;
    let shape = merged.shape();
    let picked: Vec<Dim> = [&shape[..*front], &number.shape(), &shape[front + 1..]].concat();
    let values = if values.shape() == picked { values } else { values.expand(picked) };
    let row = number.reshape([-1]);
    let flat: Vec<Dim> = [&shape[..*front], &row.shape(), &shape[front + 1..]].concat();
    let (values, axis) = (values.reshape(&flat[..]), *front as i64);
    let updated = if accumulate {
        as_numbers(*merged, values, |x, values| x.index_add(axis, row, values))
    } else {
        let row = (front + 1..shape.len()).fold(row, |row, _| row.unsqueeze(-1));
        put(*merged, axis, row.expand(flat), values, How::Put)?
    };
    Ok(places.restored(updated))
}

/// What one mask chooses becomes `values`, which is one for each place, or one for all, in what follows the mask.
fn masked<'t>(
    x: Tensor<'t>,
    indices: &[Option<Tensor<'t>>],
    values: Tensor<'t>,
    accumulate: bool,
) -> Answer<Tensor<'t>> {
    let given: Vec<(usize, Tensor<'t>)> =
        indices.iter().enumerate().filter_map(|(place, index)| Some((place, (*index)?))).collect();
    let [(place, mask)] = given[..] else { return gap("truth values for indices beside others") };
    let Some(after) = x.rank().checked_sub(place + mask.rank()) else {
        return malformed(format!("a mask {mask} at dimension {place} of {x}"));
    };
    // The chosen places are one dimension of what is put there; where it has size 1, all get the same.
    let mut values = values;
    if values.rank() > after {
        if values.size(-(after as i64) - 1).known() != Some(1) || values.rank() > after + 1 {
            return gap("as many values as a mask chooses");
        }
        values = values.squeeze(-(after as i64) - 1);
    }
    let mask = (0..after).fold(mask, |mask, _| mask.unsqueeze(-1));
    Ok(if accumulate { x + mask.where_(values, 0) } else { mask.where_(values, x) })
}
