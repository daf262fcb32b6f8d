//! Products of matrices.

mod einsum;
mod grouped;

use thunder_trace::{DType, Dim, Operand, Scalar, Tensor, cat};

use super::index::numbers;
use super::{Entry, one};
use crate::arguments::{Answer, Call, ensure, gap, malformed};

pub(super) const OPS: &[Entry] = &[
    one(&["aten.vdot.default"], |c| Ok(c.tensor("self")?.conj().matmul(c.tensor("other")?))),
    one(&["aten.matmul.default", "aten.dot.default"], |c| {
        Ok(c.tensor("self")?.matmul(c.tensor(if c.has("other") { "other" } else { "tensor" })?))
    }),
    one(&["aten.mm.default", "aten.bmm.default"], |c| Ok(c.tensor("self")?.matmul(c.tensor("mat2")?))),
    one(&["aten._scaled_mm.default"], scaled_product),
    one(&["aten.mv.default"], |c| Ok(c.tensor("self")?.matmul(c.tensor("vec")?))),
    one(&["aten.linear.default"], |c| Ok(c.tensor("input")?.linear(c.tensor("weight")?, c.optional("bias")?))),
    one(&["aten.addmm.default"], |c| added(c, c.tensor("mat1")?.matmul(c.tensor("mat2")?))),
    one(&["aten.addmv.default"], |c| added(c, c.tensor("mat")?.matmul(c.tensor("vec")?))),
    one(&["aten.baddbmm.default"], |c| added(c, c.tensor("batch1")?.matmul(c.tensor("batch2")?))),
    one(&["aten._grouped_mm.default"], grouped::grouped),
    one(&["aten.outer.default", "aten.ger.default"], |c| {
        let other = c.tensor(if c.has("vec2") { "vec2" } else { "other" })?;
        Ok(super::arithmetic::product(c.tensor("self")?.unsqueeze(1), other.into()))
    }),
    one(&["aten.einsum.default"], |c| einsum::einsum(c.cx, c.word_or("equation", "")?, &c.tensors("tensors")?)),
    one(&["aten.addbmm.default"], |c| added(c, c.tensor("batch1")?.matmul(c.tensor("batch2")?).sum(0))),
    one(&["aten.addr.default"], |c| {
        added(c, super::arithmetic::product(c.tensor("vec1")?.unsqueeze(1), c.tensor("vec2")?.into()))
    }),
    one(&["aten.linalg_multi_dot.default", "aten.chain_matmul.default"], |c| {
        let all = c.tensors(if c.has("tensors") { "tensors" } else { "matrices" })?;
        let Some((first, rest)) = all.split_first() else { return malformed("there is nothing to multiply") };
        // Vectors at the ends have one letter, and matrices two neighbouring ones.
        let letter = |i: usize| char::from(b'a' + u8::try_from(i % 26).unwrap_or_default());
        if all.len() > 20 {
            return gap("a product of so many matrices");
        }
        let term = |i: usize, x: &Tensor<'_>| match (i, x.rank()) {
            (0, 1) => letter(1).to_string(),
            (i, 1) => letter(i).to_string(),
            (i, _) => [letter(i), letter(i + 1)].iter().collect(),
        };
        let terms: Vec<String> = all.iter().enumerate().map(|(i, x)| term(i, x)).collect();
        let last = rest.last().unwrap_or(first);
        let start = (first.rank() > 1).then(|| letter(0));
        let end = (last.rank() > 1).then(|| letter(all.len()));
        let equation = format!("{}->{}", terms.join(","), start.into_iter().chain(end).collect::<String>());
        einsum::einsum(c.cx, &equation, &all)
    }),
    one(&["aten.linalg_cross.default"], |c| cross(c, c.int_or("dim", -1)?)),
    one(&["aten.cross.default"], |c| {
        let first = c.tensor("self")?.shape().iter().position(|size| size.known() == Some(3));
        match first {
            Some(first) => cross(c, c.int_or("dim", first as i64)?),
            None => cross(c, c.int_or("dim", -1)?),
        }
    }),
    one(&["aten.inner.default"], |c| {
        let (x, y) = (c.tensor("self")?, c.tensor("other")?);
        if x.rank() == 0 || y.rank() == 0 {
            return Ok(x * y);
        }
        Ok(rows(x).matmul(rows(y).t()).reshape(c.dims()?))
    }),
    one(&["aten.bilinear.default"], |c| {
        let (x, y, weight) = (c.tensor("input1")?, c.tensor("input2")?, c.tensor("weight")?);
        let z = einsum::einsum(c.cx, "bi,oij,bj->bo", &[rows(x), weight, rows(y)])?;
        Ok(c.optional("bias")?.map_or(z, |bias| z + bias).reshape(c.dims()?))
    }),
    one(&["aten.linalg_matrix_power.default", "aten.matrix_power.default"], |c| {
        let (x, power) = (c.tensor("self")?, c.int("n")?);
        let (mut rest, mut square, mut product) = (power, x, None);
        if power < 0 {
            return gap("an inverse");
        }
        while rest > 0 {
            if rest % 2 == 1 {
                product = Some(product.map_or(square, |product: Tensor<'_>| product.matmul(square)));
            }
            rest /= 2;
            square = if rest > 0 { square.matmul(square) } else { square };
        }
        match product {
            Some(product) => Ok(product),
            None => {
                let row = c.cx.arange(x.size(-1), DType::I64);
                Ok(row.unsqueeze(1).eq(row).to(x.dtype()).expand(x.shape()))
            }
        }
    }),
    one(&["aten.linalg_vecdot.default"], |c| Ok((c.tensor("x")?.conj() * c.tensor("y")?).sum(c.int_or("dim", -1)?))),
    one(&["aten.dist.default"], |c| {
        let difference = (c.tensor("self")? - c.tensor("other")?).reshape([-1]);
        let difference = if difference.dtype().is_complex() { difference.abs() } else { difference };
        Ok(distances(difference, c.float_or("p", 2.0)?))
    }),
    one(&["aten.kron.default"], |c| {
        let (x, y) = (c.tensor("self")?, c.tensor("other")?);
        let rank = x.rank().max(y.rank());
        let lifted =
            |x: Tensor<'_>| -> Vec<Dim> { vec![Dim::from(1); rank - x.rank()].into_iter().chain(x.shape()).collect() };
        let pairs = |dims: Vec<Dim>, first: usize| -> Vec<Dim> {
            dims.into_iter()
                .flat_map(|dim| if first == 0 { [dim, Dim::from(1)] } else { [Dim::from(1), dim] })
                .collect()
        };
        let (own, other) = (pairs(lifted(x), 0), pairs(lifted(y), 1));
        Ok(super::arithmetic::product(x.reshape(own), y.reshape(other).into()).reshape(c.dims()?))
    }),
    one(&["aten.linalg_matrix_norm.str_ord"], |c| frobenius(c, c.word_or("ord", "fro")?)),
    one(&["aten.linalg_matrix_norm.default"], matrix_norm),
    one(&["aten.linalg_norm.ord_str"], |c| frobenius(c, c.word_or("ord", "fro")?)),
    one(&["aten.linalg_norm.default"], |c| {
        let axes = c.optional_ints("dim")?;
        let is_matrix = axes.map_or(c.tensor("self")?.rank(), |axes| axes.len()) == 2;
        if c.has("ord") && is_matrix { matrix_norm(c) } else { super::reduce::norm(c) }
    }),
    one(&["aten.renorm.default"], |c| {
        let (x, p, axis, most) = (c.tensor("self")?, c.float_or("p", 2.0)?, c.int("dim")?, c.float_or("maxnorm", 1.0)?);
        ensure(x.rank() > 1 && p > 0.0 && most >= 0.0, format!("parts of {x} of a norm of order {p} up to {most}"))?;
        let axis = if axis < 0 { axis + x.rank() as i64 } else { axis };
        let others: Vec<i64> = (0..x.rank() as i64).filter(|other| *other != axis).collect();
        let norm = if p.is_infinite() {
            x.abs().amax_keepdim(others)
        } else {
            x.abs().pow(p).sum_keepdim(others).pow(1.0 / p)
        };
        Ok(x * norm.gt(most).where_(most / (norm + 1e-7), 1.0))
    }),
    one(&["aten.tensordot.default"], |c| {
        let (mut x, mut y) = (c.tensor("self")?, c.tensor("other")?);
        let counted = |axes: Vec<i64>, x: Tensor<'_>| -> Vec<i64> {
            axes.into_iter().map(|axis| if axis < 0 { axis + x.rank() as i64 } else { axis }).collect()
        };
        let (own, other) = (counted(c.ints("dims_self")?, x), counted(c.ints("dims_other")?, y));
        // A dimension of one meets the sum of the other.
        for (own, other) in own.iter().zip(&other) {
            match (x.size(*own).known(), y.size(*other).known()) {
                (Some(1), Some(size)) if size != 1 => y = y.sum_keepdim(*other),
                (Some(size), Some(1)) if size != 1 => x = x.sum_keepdim(*own),
                _ => {}
            }
        }
        let rest = |x: Tensor<'_>, axes: &[i64]| -> Vec<i64> {
            (0..x.rank() as i64).filter(|axis| !axes.contains(axis)).collect()
        };
        let (rows, columns) = (rest(x, &own), rest(y, &other));
        let count = |x: Tensor<'_>, axes: &[i64]| axes.iter().fold(Dim::from(1), |n, axis| n * x.size(*axis));
        let x_rows = x.permute([&rows[..], &own].concat()).reshape((count(x, &rows), count(x, &own)));
        let y_columns = y.permute([&other[..], &columns].concat()).reshape((count(y, &other), count(y, &columns)));
        Ok(x_rows.matmul(y_columns).reshape(c.dims()?))
    }),
    one(&["aten._weight_norm.default"], |c| {
        let (v, g, axis) = (c.tensor("v")?, c.tensor("g")?, c.int_or("dim", 0)?);
        let others: Vec<i64> = (0..v.rank() as i64).filter(|other| *other != axis).collect();
        Ok(v * (g / v.norm(others)))
    }),
    one(&["aten._cdist_forward.default", "aten.cdist.default"], |c| {
        let (x, y, p) = (c.tensor("x1")?, c.tensor("x2")?, c.float_or("p", 2.0)?);
        Ok(distances(x.unsqueeze(-2) - y.unsqueeze(-3), p))
    }),
    one(&["aten._pdist_forward.default", "aten.pdist.default"], |c| {
        let (x, p) = (c.tensor("self")?, c.float_or("p", 2.0)?);
        let Some(rows @ 0..=2048) = x.size(0).known() else {
            return gap("so many rows, or a number that is not known");
        };
        let pairs = (0..rows).flat_map(|i| (i + 1..rows).map(move |j| (i, j)));
        let (first, second): (Vec<i64>, Vec<i64>) = pairs.unzip();
        let of = |places: &[i64]| x.index_select(0, numbers(c, places));
        Ok(distances(of(&first) - of(&second), p))
    }),
];

/// A product in single precision of what need not be, multiplied by a scale for each side, of the whole or of its rows
/// and columns.
fn scaled_product<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let sides = [("self", "scale_a", 1), ("mat2", "scale_b", 0)];
    if c.has("scale_result") {
        return gap("a scale of the result");
    }
    let mut scales = Vec::new();
    for (side, name, across) in sides {
        let (x, scale) = (c.tensor(side)?, c.tensor(name)?);
        let sizes: Vec<Option<i64>> = scale.shape().iter().map(Dim::known).collect();
        let is_whole = sizes.iter().all(|size| *size == Some(1));
        let is_each =
            scale.rank() == 2 && sizes[across] == Some(1) && scale.size(1 - across as i64) == x.size(1 - across as i64);
        if scale.dtype() != DType::F32 || !(is_whole || is_each) {
            return gap(format!("scales {scale} of {x}"));
        }
        scales.push(if is_whole { scale.reshape(()) } else { scale });
    }
    let dtype = c.result()?.dtype;
    if let [a, b] = scales[..]
        && [a, b].iter().all(|scale| scale.rank() == 0)
        && c.optional("bias")?.is_none_or(|bias| bias.dtype() == dtype)
    {
        return Ok(c.tensor("self")?.scaled_matmul(c.tensor("mat2")?, [a, b], c.optional("bias")?, dtype));
    }
    let [x, y] = [c.tensor("self")?, c.tensor("mat2")?].map(|side| side.to(DType::F32));
    let product = scales.into_iter().fold(x.matmul(y), |product, scale| product * scale);
    let sum = c.optional("bias")?.map_or(product, |bias| product + bias.to(DType::F32));
    Ok(sum.to(dtype))
}

/// A matrix whose rows are those of the last dimension.
fn rows(x: Tensor<'_>) -> Tensor<'_> {
    x.reshape([Dim::from(-1), x.size(-1)])
}

/// What a norm is of, in the dtype of the result: of complex numbers, the absolute values.
fn sized<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let x = c.tensor("self")?;
    Ok(if x.dtype().is_complex() { x.abs() } else { x }.to(c.result()?.dtype))
}

/// The root of the sum of squares over two dimensions.
fn frobenius<'t>(c: &Call<'_, 't>, order: &str) -> Answer<Tensor<'t>> {
    if order != "fro" {
        return gap("a norm of singular values");
    }
    let x = sized(c)?;
    let axes = c.optional_ints("dim")?.unwrap_or_else(|| vec![-2, -1]);
    Ok((x * x).sum(axes).sqrt().reshape(c.dims()?))
}

/// The largest or smallest sum of a column, or of a row, of sizes of elements.
fn matrix_norm<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let (x, order) = (sized(c)?, c.float_or("ord", 2.0)?);
    let axes = c.optional_ints("dim")?.unwrap_or_else(|| vec![-2, -1]);
    let [rows, columns] = axes[..] else { return malformed(format!("a matrix of dimensions {axes:?}")) };
    let summed = match order.abs() {
        1.0 => rows,
        f64::INFINITY => columns,
        _ => return gap("a norm of singular values"),
    };
    let other = if summed == rows { columns } else { rows };
    let sums = x.abs().sum_keepdim(summed);
    let y = if order > 0.0 { sums.amax_keepdim(other) } else { sums.amin_keepdim(other) };
    Ok(y.reshape(c.dims()?))
}

/// The product of vectors along a dimension that is at right angles to both.
fn cross<'t>(c: &Call<'_, 't>, axis: i64) -> Answer<Tensor<'t>> {
    let (x, y) = (c.tensor("self")?, c.tensor("other")?);
    let are_three = x.rank() == y.rank() && [x, y].iter().all(|x| matches!(x.size(axis).known(), None | Some(3)));
    ensure(are_three, format!("{x} and {y} have no three elements each along dimension {axis}"))?;
    let part = |x, by| rotated(x, axis, by);
    Ok(part(x, 1) * part(y, 2) - part(x, 2) * part(y, 1))
}

/// The elements along a dimension of three, from number `by` on.
fn rotated(x: Tensor<'_>, axis: i64, by: i64) -> Tensor<'_> {
    cat(&[x.slice(axis, by..), x.slice(axis, 0..by)], axis)
}

/// Norms of order `p` over the last dimension.
fn distances(difference: Tensor<'_>, p: f64) -> Tensor<'_> {
    let size = difference.abs();
    if p == 2.0 {
        (difference * difference).sum(-1).sqrt()
    } else if p == 0.0 {
        difference.ne(0).to(difference.dtype()).sum(-1)
    } else if p == 1.0 {
        size.sum(-1)
    } else if p.is_infinite() {
        size.amax(-1)
    } else {
        size.pow(p).sum(-1).pow(1.0 / p)
    }
}

/// `beta * self + alpha * product`, in the dtype of the result, which factors take as well.
fn added<'t>(c: &Call<'_, 't>, product: Tensor<'t>) -> Answer<Tensor<'t>> {
    let dtype = c.result()?.dtype;
    let factor = |name: &str, x: Tensor<'t>| -> Answer<Tensor<'t>> {
        let factor = c.optional_scalar(name)?.map(|factor| super::create::cast(factor, dtype));
        let factor =
            factor.filter(|factor| !matches!(factor, Scalar::Int(1) | Scalar::Float(1.0) | Scalar::Bool(true)));
        Ok(factor.map_or(x, |factor| super::arithmetic::product(x, Operand::Scalar(factor))))
    };
    let product = factor("alpha", product.to(dtype))?;
    // As PyTorch has it, what is multiplied by zero is not looked at.
    let beta = c.optional_scalar("beta")?.map(|beta| super::create::cast(beta, dtype));
    if matches!(beta, Some(Scalar::Int(0) | Scalar::Float(0.0) | Scalar::Bool(false))) {
        return Ok(product.expand(c.dims()?));
    }
    Ok(super::arithmetic::sum(factor("beta", c.tensor("self")?.to(dtype))?, product.into()))
}
