//! Lowers tensor programs to `linalg`, `tensor`, `arith`, `math` and `scf` on tensors.
//!
//! Needs: functions of one block; a composite that no rule here knows has a decomposition.
//! Guarantees: no op of a dialect written in Rust is left in them. Truth values are bytes, `ui8` is
//! `i8`. Equal symbolic sizes are one value, made at the start. An index that is out of range is
//! clamped, an integer divided by zero is 0: compiled code neither traps nor reads out of bounds.
//!
//! An op is lowered by its rule in the table of `rules`, else by its `Scalar` body, else by its
//! `Decompose`; with none of them it is a located error.

mod arith;
mod constant;
mod contract;
mod create;
mod dtype;
mod float8;
mod gather;
mod generic;
mod lowerer;
mod movement;
mod reduce;
mod reshape;
mod rules;
mod scalar;
mod scan;
mod scatter;
mod sizes;
mod sort;
mod structure;
mod tensor;
mod window;

use lowerer::Lowerer;
use thunder_interface::{Decompose, Scalar};
use thunder_ir::{Blueprint, prelude::*};
use thunder_passes::shapes::Shapes;

/// How often decompositions may contain composites, before that counts as endless.
const DECOMPOSITION_LIMIT: usize = 64;

/// Lowers tensor programs to linalg on tensors.
///
/// Converts every function that holds ops of a dialect written in Rust, or calls others.
#[pass(
    "thunder-to-linalg",
    on = "builtin.module",
    dialects("affine", "arith", "func", "linalg", "math", "scf", "tensor")
)]
pub struct ToLinalg {
    /// Says of each element by itself what it is: no loop carries a tensor. For machines that compute elements in any
    /// order.
    by_element: bool,
}

impl ToLinalg {
    /// Each element by itself.
    pub fn by_element() -> Self {
        Self { by_element: true }
    }
}

impl Pass for ToLinalg {
    fn run(&self, module: Operation<'_>, cx: &PassContext<'_>) -> Result {
        let body = module.region(0).entry().ok_or_else(|| module.error("has no body"))?;
        for function in body.operations() {
            if function.name() == "func.func" && needs_lowering(function) {
                lower(function, self.by_element)?;
                cx.count("functions", 1);
            }
        }
        Ok(())
    }
}

fn needs_lowering(function: Operation<'_>) -> bool {
    let signature = function.attribute("function_type").and_then(|a| a.as_type()).and_then(|ty| ty.as_function());
    let changes = |types: &[Type<'_>]| types.iter().any(|ty| dtype::stored(*ty) != *ty);
    if signature.is_some_and(|(inputs, results)| changes(&inputs) || changes(&results)) {
        return true;
    }
    let mut found = false;
    function.walk(|op| found |= op.definition().is_some() || op.name() == "func.call");
    found
}

/// Replaces a function by its lowered form, of the same name and attributes.
fn lower(function: Operation<'_>, by_element: bool) -> Result {
    let rewriter = Rewriter::at(function);
    let signature = function.attribute("function_type").and_then(|a| a.as_type()).and_then(|ty| ty.as_function());
    let (inputs, results) = signature.ok_or_else(|| function.error("has no function type"))?;
    let cx = function.context();
    let inputs: Vec<_> = inputs.into_iter().map(dtype::stored).collect();
    let results: Vec<_> = results.into_iter().map(dtype::stored).collect();
    let mut blueprint = Blueprint::new("func.func").regions(1);
    for (name, value) in function.attributes() {
        let ty = Attribute::of_type(Type::function(cx, &inputs, &results));
        blueprint = blueprint.attribute(name, if name == "function_type" { ty } else { value });
    }
    let new = rewriter.insert(&blueprint)?;
    let blocks = function.region(0).blocks();
    if let [block] = blocks[..] {
        decompose(block)?;
        let arguments: Vec<_> = inputs.iter().map(|ty| (*ty, function.location())).collect();
        let body = new.region(0).append_block(&arguments);
        let builder = Rewriter::at_end_of(body, function.location());
        let mut lowerer = Lowerer::new(block, body, Shapes::of(function)?, builder)?;
        lowerer.by_element = by_element;
        lower_block(block, &results, lowerer)?;
    } else if !blocks.is_empty() {
        return Err(function.error(format!("has {} blocks, but only one can be lowered", blocks.len())));
    }
    rewriter.erase(function)
}

/// Replaces what has neither rule nor body by its decomposition, until nothing does.
fn decompose(block: Block<'_>) -> Result {
    let is_composite = |op: Operation<'_>| {
        rules::rule(op).is_none() && <dyn Scalar>::of(op).is_none() && <dyn Decompose>::of(op).is_some()
    };
    for _ in 0..DECOMPOSITION_LIMIT {
        let composites: Vec<_> = block.operations().into_iter().filter(|op| is_composite(*op)).collect();
        if composites.is_empty() {
            return Ok(());
        }
        for op in composites {
            let rewriter = Rewriter::at(op);
            let composite = <dyn Decompose>::of(op).ok_or_else(|| op.error("has no decomposition"))?;
            composite.replace(op, &rewriter)?;
        }
    }
    let rest = block.operations().into_iter().find(|op| is_composite(*op));
    rest.map_or(Ok(()), |op| Err(op.error(format!("still decomposes after {DECOMPOSITION_LIMIT} steps"))))
}

fn lower_block<'c>(block: Block<'c>, results: &[Type<'c>], mut lowerer: Lowerer<'c>) -> Result {
    for op in block.operations() {
        lowerer.builder().set_location(op.location());
        if op.name() == "func.return" {
            let values = op.operands().zip(results).map(|(v, ty)| lowerer.cast(lowerer.value(v)?, *ty));
            let values = values.collect::<Result<Vec<_>>>()?;
            lowerer.builder().insert(&Blueprint::new("func.return").operands(values))?;
        } else if op.definition().is_some() {
            lower_op(op, &mut lowerer)?;
        } else {
            keep(op, &mut lowerer)?;
        }
    }
    lowerer.finish()
}

fn lower_op<'c>(op: Operation<'c>, lowerer: &mut Lowerer<'c>) -> Result {
    lowerer.infer(op)?;
    let values = if let Some(rule) = rules::rule(op) {
        rule(lowerer, op)?
    } else if let Some(scalar) = <dyn Scalar>::of(op) {
        scalar::elementwise(lowerer, op, &*scalar)?
    } else {
        return Err(op.error("cannot be lowered: it has no lowering rule, Scalar or Decompose"));
    };
    for (old, new) in op.results().zip(values) {
        lowerer.set_value(old, new);
    }
    Ok(())
}

/// Copies an op of an upstream dialect, with its tensors as they are stored.
fn keep<'c>(op: Operation<'c>, lowerer: &mut Lowerer<'c>) -> Result {
    let mut inner = Ok(());
    op.walk(|below| {
        if below != op && below.definition().is_some() && inner.is_ok() {
            inner = Err(below.error("cannot be lowered inside of another operation"));
        }
    });
    inner?;
    let operands = lowerer.operands(op)?;
    let mut captured: Vec<(Value<'c>, Value<'c>)> = Vec::new();
    let inside: Vec<Operation<'c>> = {
        let mut inside = Vec::new();
        op.walk(|below| inside.push(below));
        inside.split_off(1)
    };
    for value in inside.iter().flat_map(|below| below.operands()) {
        if let Ok(new) = lowerer.value(value)
            && !captured.iter().any(|(old, _)| *old == value)
        {
            captured.push((value, lowerer.cast(new, dtype::stored(value.ty()))?));
        }
    }
    let copy = lowerer.builder().clone_op(op);
    for (index, operand) in operands.into_iter().enumerate() {
        copy.set_operand(index, operand);
    }
    copy.walk(|below| {
        for index in 0..below.operand_count() {
            if let Some((_, new)) = captured.iter().find(|(old, _)| *old == below.operand(index)) {
                below.set_operand(index, *new);
            }
        }
    });
    for (old, new) in op.results().zip(copy.results()) {
        new.set_type(dtype::stored(new.ty()));
        lowerer.adopt(old, new);
    }
    Ok(())
}
