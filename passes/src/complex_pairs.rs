//! Complex numbers that functions take and return, as pairs of real ones along a last dimension.
//!
//! Needs: nothing is called but by loops, and no function uses memory (`--thunder-inline`, `--thunder-outline-loops`,
//! `--thunder-functionalize`).
//! Guarantees: no argument and no result of a function is complex, and no constant. What was has `thunder.complex`: the
//! memory is that of the complex numbers. Inside, `--thunder-decompose` and folds leave parts only.

use thunder_dialect::build::*;
use thunder_dialect::complex::{of_pairs, part_type, to_pairs};
use thunder_interface::{COMPLEX, Control, DIM_NAMES, RANGES, attribute_to_tensor, is_complex, tensor_to_attribute};
use thunder_ir::prelude::*;

/// Makes functions take and return pairs of real numbers for complex ones.
#[pass("thunder-complex-pairs", on = "builtin.module", dialects("thunder"))]
pub struct ComplexPairs {}

impl Pass for ComplexPairs {
    fn run(&self, module: Operation<'_>, cx: &PassContext<'_>) -> Result {
        let body = module.regions().next().and_then(|r| r.entry()).ok_or_else(|| module.error("has no body"))?;
        for function in body.operations().into_iter().filter(|op| op.name() == "func.func") {
            let blocks: Vec<Block<'_>> = function.regions().flat_map(Region::blocks).collect();
            if let [block] = blocks[..] {
                cx.count("values", in_pairs(function, block)?);
            }
        }
        Ok(())
    }
}

/// Rewrites a function; answers how many of its arguments, results and constants were complex.
fn in_pairs<'c>(function: Operation<'c>, block: Block<'c>) -> Result<u64> {
    let terminator = block.terminator().ok_or_else(|| function.error("does not return"))?;
    let arguments: Vec<usize> =
        (0..block.argument_count()).filter(|index| is_complex(block.argument(*index).ty())).collect();
    let results: Vec<usize> =
        (0..terminator.operand_count()).filter(|index| is_complex(terminator.operand(*index).ty())).collect();
    let constants = constants_in_pairs(block)?;
    control_in_pairs(block)?;
    for index in arguments.iter().rev() {
        let argument = block.argument(*index);
        let uses = argument.uses();
        argument.set_type(pairs_type(argument.ty()));
        let rewriter = Rewriter::at(terminator);
        rewriter.at_start(block).set_location(function.location());
        let whole = of_pairs(&rewriter, argument)?;
        uses.into_iter().for_each(|(user, operand)| user.set_operand(operand, whole));
    }
    let rewriter = Rewriter::at(terminator);
    for index in &results {
        let pairs = to_pairs(&rewriter, terminator.operand(*index))?;
        terminator.set_operand(*index, pairs);
    }
    mark(function, "arg_attrs", block.argument_count(), &arguments);
    mark(function, "res_attrs", terminator.operand_count(), &results);
    let [inputs, outputs] =
        [block.arguments().map(Value::ty).collect(), terminator.operands().map(Value::ty).collect()]
            .map(|types: Vec<Type<'_>>| types);
    let ty = Type::function(function.context(), &inputs, &outputs);
    function.set_attribute("function_type", Attribute::of_type(ty));
    Ok((arguments.len() + results.len()) as u64 + constants)
}

/// Gives functions that ops run pairs, and takes pairs from them, as these take and return them.
fn control_in_pairs(block: Block<'_>) -> Result {
    for op in block.operations().into_iter().filter(|op| <dyn Control>::of(*op).is_some()) {
        let rewriter = Rewriter::at(op);
        for index in (0..op.operand_count()).filter(|index| is_complex(op.operand(*index).ty())) {
            op.set_operand(index, to_pairs(&rewriter, op.operand(index))?);
        }
        rewriter.after(op);
        for result in op.results().filter(|result| is_complex(result.ty())) {
            let uses = result.uses();
            result.set_type(pairs_type(result.ty()));
            let whole = of_pairs(&rewriter, result)?;
            uses.into_iter().for_each(|(user, operand)| user.set_operand(operand, whole));
        }
    }
    Ok(())
}

/// The type of pairs for complex numbers.
fn pairs_type(ty: Type<'_>) -> Type<'_> {
    let sizes = ty.as_tensor().map(|ty| ty.dims()).unwrap_or_default();
    Type::tensor(part_type(ty.element()), &[sizes, vec![Some(2)]].concat())
}

/// Replaces constants by those of their parts; answers how many.
fn constants_in_pairs(block: Block<'_>) -> Result<u64> {
    let is_candidate = |op: &Operation<'_>| op.has_trait("constant_like") && is_complex(op.result(0).ty());
    let constants: Vec<Operation<'_>> = block.operations().into_iter().filter(is_candidate).collect();
    for op in &constants {
        let tensor = op.attribute("value").and_then(attribute_to_tensor).ok_or_else(|| op.error("has no value"))?;
        let rewriter = Rewriter::at(*op);
        let [re, im] = tensor.parts().map(|part| rewriter.constant(tensor_to_attribute(op.context(), &part)));
        let whole = rewriter.complex(re?, im?)?;
        rewriter.replace(*op, &[whole])?;
    }
    Ok(constants.len() as u64)
}

/// Says of arguments or results that they are pairs for complex numbers, which have one more dimension.
fn mark(function: Operation<'_>, list: &str, count: usize, pairs: &[usize]) {
    if pairs.is_empty() {
        return;
    }
    let cx = function.context();
    let mut attributes = function.attribute(list).and_then(|a| a.as_array()).unwrap_or_default();
    attributes.resize(count, Attribute::dictionary(cx, &[]));
    for index in pairs {
        let mut entries = attributes[*index].as_dictionary().unwrap_or_default();
        for (key, value) in &mut entries {
            if *key == DIM_NAMES {
                let names = value.as_array().unwrap_or_default();
                *value = Attribute::array(cx, &[names, vec![Attribute::string(cx, "")]].concat());
            } else if *key == RANGES {
                let bounds = value.as_i64_array().unwrap_or_default();
                *value = Attribute::i64_array(cx, &[bounds, vec![-1, -1]].concat());
            }
        }
        entries.push((COMPLEX, Attribute::unit(cx)));
        attributes[*index] = Attribute::dictionary(cx, &entries);
    }
    function.set_attribute(list, Attribute::array(cx, &attributes));
}
