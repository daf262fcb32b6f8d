//! Sums of products.
//!
//! Half-precision products are accumulated in `f32` and rounded once; integers wrap.

use super::arith::{Arith, Freedom};
use super::dtype::{load, storage_type, store};
use super::generic::{Generic, Loop, Map};
use super::lowerer::Lowerer;
use super::reduce::{Combine, finish};
use super::scalar::element_dtype;
use thunder_interface::Dim;
use thunder_ir::{Operation, Result, Value};
use thunder_tensor::DType;

/// `total + x * y`, of stored factors.
pub fn multiply_add<'c>(
    code: Arith<'_, 'c>,
    total: Value<'c>,
    x: Value<'c>,
    y: Value<'c>,
    dtype: DType,
) -> Result<Value<'c>> {
    let (x, y) = (load(code, x, dtype)?, load(code, y, dtype)?);
    if dtype.is_float() {
        let product = code.free("arith.mulf", x, y, Freedom::Contract)?;
        return code.free("arith.addf", total, product, Freedom::Contract);
    }
    let product = code.two("arith.muli", x, y)?;
    code.two("arith.addi", total, product)
}

/// `lhs[.., m, k] * rhs[.., k, n]`.
pub fn matmul<'c>(
    lo: &mut Lowerer<'c>,
    op: Operation<'c>,
    lhs: Value<'c>,
    rhs: Value<'c>,
    out: Value<'c>,
) -> Result<Value<'c>> {
    let dtype = element_dtype(op, out.ty())?;
    let dims = lo.dims(out);
    let outer = dims.len() - 2;
    let (m, n, k) = (outer, outer + 1, outer + 2);
    let start = lo.filled(Combine::Sum.start(op.context(), dtype), &dims)?;
    let mut loops = vec![Loop::Parallel; outer + 2];
    loops.push(Loop::Reduction);
    let totals = Generic::new(loops)
        .input(lo.value(lhs)?, Map::loops((0..outer).chain([m, k])))
        .input(lo.value(rhs)?, Map::loops((0..outer).chain([k, n])))
        .output(start, Map::identity(outer + 2))
        .build(lo, |code, x| Ok(vec![multiply_add(code, x[2], x[0], x[1], dtype)?]))?;
    finish(lo, totals[0], &dims, dtype, None)
}

/// `x * transpose(weight)`, and the bias added before anything is rounded.
pub fn linear<'c>(
    lo: &mut Lowerer<'c>,
    op: Operation<'c>,
    x: Value<'c>,
    weight: Value<'c>,
    bias: Option<Value<'c>>,
) -> Result<Value<'c>> {
    let out = op.result(0);
    let dtype = element_dtype(op, out.ty())?;
    let dims = lo.dims(out);
    let (n, k) = (dims.len() - 1, dims.len());
    let start = lo.filled(Combine::Sum.start(op.context(), dtype), &dims)?;
    let mut loops = vec![Loop::Parallel; dims.len()];
    loops.push(Loop::Reduction);
    let totals = Generic::new(loops)
        .input(lo.value(x)?, Map::loops((0..n).chain([k])))
        .input(lo.value(weight)?, Map::loops([n, k]))
        .output(start, Map::identity(dims.len()))
        .build(lo, |code, x| Ok(vec![multiply_add(code, x[2], x[0], x[1], dtype)?]))?;
    match bias {
        None => finish(lo, totals[0], &dims, dtype, None),
        Some(bias) => add_bias(lo, totals[0], lo.value(bias)?, n, &dims, dtype),
    }
}

/// Totals plus the element of `bias` for the index along `axis`, as stored elements.
pub fn add_bias<'c>(
    lo: &mut Lowerer<'c>,
    totals: Value<'c>,
    bias: Value<'c>,
    axis: usize,
    dims: &[Dim],
    dtype: DType,
) -> Result<Value<'c>> {
    let rank = dims.len();
    let empty = lo.empty(storage_type(lo.context(), dtype), dims)?;
    let results = Generic::parallel(rank)
        .input(totals, Map::identity(rank))
        .input(bias, Map::loops([axis]))
        .output(empty, Map::identity(rank))
        .build(lo, |code, x| {
            let bias = load(code, x[1], dtype)?;
            let name = if dtype.is_float() { "arith.addf" } else { "arith.addi" };
            Ok(vec![store(code, code.two(name, x[0], bias)?, dtype)?])
        })?;
    Ok(results[0])
}
