//! Which kernels run on blocks of a matrix product as soon as these are finished, while they are in cache.

use std::collections::HashSet;

use thunder_interface::{Dim, Library, LibraryCall, Strided};
use thunder_ir::{Operation, Value};

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
    let (root, view) = layout(value, shapes)?;
    let product = root.defining_op()?;
    let library = <dyn Library>::of(product)?;
    let is_product = matches!(library.library(), Some(LibraryCall::Matmul { .. }));
    let is_alone = |value: Value<'c>| {
        let readers: Vec<_> = readers(value).collect();
        readers.len() == 1 || readers.into_iter().all(inside)
    };
    let mut between = value;
    while is_alone(between) && between != root {
        between = between.defining_op()?.operand(0);
    }
    (is_product && view.is_dense() && is_alone(between)).then_some(product)
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
    let mut elements: HashSet<Value<'_>> = HashSet::from([body.argument(number)]);
    body.operations().into_iter().all(|op| {
        if op.has_trait("terminator") {
            return op.operands().all(|result| elements.contains(&result));
        }
        let touches = op.operands().any(|operand| elements.contains(&operand));
        elements.extend(op.results().filter(|_| touches));
        !touches || op.has_trait("elementwise")
    })
}
