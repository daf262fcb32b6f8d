//! Which kernels run on blocks of a matrix product as soon as these are finished, while they are in cache.

use std::collections::HashSet;

use thunder_interface::{Dim, Library, LibraryCall, Strided};
use thunder_ir::{Operation, Scalar, Value};

use super::{KERNEL, ROWS, layout};
use crate::donate::{IN_PLACE, INTO};
use crate::shapes::{Shapes, find_function};

/// A kernel as part of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epilogue<'c> {
    /// The product.
    pub product: Operation<'c>,
    /// Whether the kernel's rows are single elements of the product; else they are its rows.
    pub elements: bool,
}

/// Whether the calls of a planned function that use what `product` makes run on its blocks.
pub fn has_epilogue<'c>(product: Operation<'c>, shapes: &Shapes<'c>) -> bool {
    let mut value = product.result(0);
    while let Some(user) = only_reader(value) {
        if user.name() == "func.call" {
            return epilogue_of(user, shapes).is_some_and(|epilogue| epilogue.product == product);
        }
        if <dyn Strided>::of(user).is_none() {
            return false;
        }
        value = user.result(0);
    }
    false
}

/// The product on whose blocks the kernel that `call` calls can run.
///
/// Nothing else reads the product, and the kernel computes each element of its results from the same element of the
/// product. Where a kernel reads several products, the last is it; the others are complete by then. The product moves to
/// where its kernel is, so that nothing in between may write what it reads.
pub fn epilogue_of<'c>(call: Operation<'c>, shapes: &Shapes<'c>) -> Option<Epilogue<'c>> {
    if writes_in_place(call) {
        return None;
    }
    let callee = call.attribute("callee").and_then(|a| a.as_symbol())?;
    let kernel = find_function(call, callee).filter(|f| f.attribute(KERNEL).is_some())?;
    if kernel.attribute(IN_PLACE).is_some() {
        return None;
    }
    let rows = kernel.attribute(ROWS).and_then(|a| a.as_i64_array())?;
    (0..call.operand_count()).rev().find_map(|number| {
        let value = call.operand(number);
        let product = sole_product(value, shapes, &|user| user == call)?;
        let sizes = shapes.dims(value);
        let leading = usize::try_from(rows[number]).ok()?;
        let row = sizes.get(leading..)?.iter().fold(Dim::Known(1), |p, d| p.mul(d));
        let columns = shapes.dims(product.result(0)).last()?.clone();
        let (elements, whole) = (row == Dim::Known(1), row == columns);
        let fits = leading > 0 && (elements || whole) && is_elementwise(kernel, number);
        (fits && !is_written_between(product, call)).then_some(Epilogue { product, elements })
    })
}

/// Whether an op makes a result where an argument or an operand is.
fn writes_in_place(op: Operation<'_>) -> bool {
    op.attribute(INTO).is_some() || op.attribute(IN_PLACE).is_some()
}

/// Whether an op between two others of a block makes a result in place.
fn is_written_between<'c>(first: Operation<'c>, last: Operation<'c>) -> bool {
    let mut between = std::iter::successors(first.next(), |op| op.next()).take_while(|op| *op != last);
    between.any(writes_in_place)
}

/// The product that a value is, dense and read by nothing else than what is `inside`.
pub fn sole_product<'c>(
    value: Value<'c>,
    shapes: &Shapes<'c>,
    inside: &dyn Fn(Operation<'c>) -> bool,
) -> Option<Operation<'c>> {
    let (product, _) = product_of(value, shapes)?;
    let root = product.result(0);
    let is_alone = |value: Value<'c>| {
        let readers: Vec<_> = readers(value).collect();
        readers.len() == 1 || readers.into_iter().all(inside)
    };
    let mut between = value;
    while is_alone(between) && between != root {
        between = between.defining_op()?.operand(0);
    }
    is_alone(between).then_some(product)
}

/// The product that a value is, dense, and what it is called for.
fn product_of<'c>(value: Value<'c>, shapes: &Shapes<'c>) -> Option<(Operation<'c>, Shared<'c>)> {
    let (root, view) = layout(value, shapes)?;
    let product = root.defining_op()?;
    let library = <dyn Library>::of(product)?;
    let Some(LibraryCall::Matmul { lhs, bias, .. }) = library.library() else { return None };
    // The call's values live as long as its handle.
    let lhs = product.operands().find(|operand| *operand == lhs)?;
    let shared = Shared { lhs, has_bias: bias.is_some(), dims: shapes.dims(root) };
    view.is_dense().then_some((product, shared))
}

/// What products have in common that can be made together.
#[derive(PartialEq)]
struct Shared<'c> {
    lhs: Value<'c>,
    has_bias: bool,
    dims: Vec<Dim>,
}

/// Columns of a matrix product that a kernel computes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The operand of the kernel's call that the product is.
    pub operand: usize,
    /// Which columns.
    pub columns: Columns,
}

/// Columns of a matrix product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// Each of them.
    All,
    /// Of every `of` columns half of them, from number `start` on.
    Half {
        /// How many there are to a group.
        of: i64,
        /// Zero or the half of that.
        start: i64,
    },
}

/// The pieces of matrix products in half precision from each of whose elements, and nothing else of them, a kernel computes
/// elements of its results: one, or two of the same lhs, which may be halves of one product. Nobody reads them before. There
/// may be several ways to see it, the best first; of halves it may turn out that the kernel needs other elements as well.
///
/// An executor can compute the results while elements of these products are in registers (`thunder_runtime::program::Fragment`).
pub fn products_of<'c>(call: Operation<'c>, shapes: &Shapes<'c>) -> Vec<Vec<Piece>> {
    let callee = call.attribute("callee").and_then(|a| a.as_symbol());
    let kernel = callee.and_then(|callee| find_function(call, callee)).filter(|f| f.attribute(KERNEL).is_some());
    let Some(kernel) = kernel else { return Vec::new() };
    let of = |operand: usize| {
        let value = call.operand(operand);
        let (product, shared) =
            product_of(value, shapes).filter(|_| value.ty().as_tensor().is_some() && is_half(value))?;
        let is_whole = Dim::product(&shapes.dims(value)) == Dim::product(&shared.dims);
        (is_whole && is_first_reader(call, product)).then_some((operand, shared))
    };
    let all: Vec<(usize, Shared<'c>)> = (0..call.operand_count()).filter_map(of).collect();
    let is_taken = |operand: usize| {
        let input = kernel.region(0).entry().map(|body| body.argument(operand));
        input.is_some_and(|input| !computed_from(kernel, HashSet::from([input])).is_empty())
    };
    let (whole, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(operand, _)| is_taken(*operand));
    let all_of = |operand: usize| Piece { operand, columns: Columns::All };
    let pair = whole.iter().enumerate().rev().find_map(|(at, (operand, shared))| {
        let (other, _) = whole[..at].iter().rev().find(|(_, other)| other == shared)?;
        Some([*other, *operand].map(all_of).to_vec())
    });
    // Whatever it does with elements, it may be the same with those of each half.
    let halves = |(operand, _): &(usize, Shared<'c>)| {
        let of = Shapes::of(kernel).ok()?.dims(kernel.region(0).entry()?.argument(*operand)).last()?.known()?;
        let halves = [0, of / 2].map(|start| Piece { operand: *operand, columns: Columns::Half { of, start } });
        (of % 2 == 0).then(|| halves.to_vec())
    };
    let last = || whole.last().map(|(operand, _)| vec![all_of(*operand)]);
    pair.map_or_else(|| others.iter().rev().filter_map(halves).chain(last()).collect(), |pair| vec![pair])
}

/// Whether no op between a product and `call` reads the product.
fn is_first_reader<'c>(call: Operation<'c>, product: Operation<'c>) -> bool {
    let (mut values, mut readers) = (vec![product.result(0)], HashSet::new());
    while let Some(value) = values.pop() {
        for (user, _) in value.uses() {
            if <dyn Strided>::of(user).is_some() { values.push(user.result(0)) } else { _ = readers.insert(user) }
        }
    }
    let mut between = std::iter::successors(product.next(), |op| op.next()).take_while(|op| *op != call);
    readers.len() == 1 || !between.any(|op| readers.contains(&op))
}

/// Whether elements have half precision.
pub fn is_half(value: Value<'_>) -> bool {
    matches!(value.ty().element().as_scalar(), Some(Scalar::F16 | Scalar::BF16))
}

/// The one op that reads the elements of a value.
fn only_reader<'c>(value: Value<'c>) -> Option<Operation<'c>> {
    let mut readers = readers(value);
    readers.next().filter(|_| readers.next().is_none())
}

/// The ops that read the elements of a value. Its sizes are known without them.
fn readers<'c>(value: Value<'c>) -> impl Iterator<Item = Operation<'c>> {
    let reads = |user: &Operation<'c>| {
        user.has_trait("terminator") || user.results().any(|result| result.ty().as_tensor().is_some())
    };
    value.uses().into_iter().map(|(user, _)| user).filter(reads)
}

/// Whether a kernel computes all results element by element from its input `number`, and nothing else from that.
fn is_elementwise(kernel: Operation<'_>, number: usize) -> bool {
    let Some(body) = kernel.region(0).entry() else { return false };
    let results = body.terminator().map_or(0, |terminator| terminator.operand_count());
    results > 0 && computed_from(kernel, HashSet::from([body.argument(number)])).len() == results
}

/// The results that a kernel computes element by element from some of its values; none if it computes something else from
/// these.
fn computed_from<'c>(kernel: Operation<'c>, mut elements: HashSet<Value<'c>>) -> Vec<Value<'c>> {
    let Some(body) = kernel.region(0).entry() else { return Vec::new() };
    for op in body.operations() {
        if op.has_trait("terminator") {
            return op.operands().filter(|result| elements.contains(result)).collect();
        }
        if op.operands().any(|operand| elements.contains(&operand)) {
            if !op.has_trait("elementwise") {
                return Vec::new();
            }
            elements.extend(op.results());
        }
    }
    Vec::new()
}
