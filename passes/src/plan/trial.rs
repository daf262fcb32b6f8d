//! Tries what a chunk costs: it is written as a function, which is cut into kernels as the real one will be.

use std::collections::HashMap;

use thunder_interface::{DIM_NAMES, PARAMETER};
use thunder_ir::{Attribute, Block, Blueprint, Operation, Result, Rewriter, Type, Value};

use super::chunk::{Chunk, Leaf, Source};
use super::recipe::{Made, Recipe, Step};
use super::vocabulary::Vocabulary;
use crate::kernels::{cut, times, total};
use crate::memory::Assumption;
use crate::shapes::Shapes;
use crate::split_setup::split_setup;

/// The nanoseconds that a chunk takes, as it is or rewritten; `None` where it cannot be cut into kernels.
///
/// What follows from weights alone is taken to be there already.
pub fn time<'c>(chunk: &Chunk<'c>, recipe: Option<&Recipe>, vocabulary: &mut Vocabulary<'c>) -> Result<Option<f64>> {
    let module = vocabulary.scratch()?;
    let constants = chunk.leaves.iter().map(|leaf| vocabulary.constant(leaf.facts.constant?)).collect();
    let function = Writer::function(chunk, recipe, vocabulary, constants, module);
    let time = function.and_then(split_setup).and_then(|function| {
        cut(function, vocabulary.machine)?;
        Ok(total(&times(function, &Shapes::of(function)?, &Assumption::default(), vocabulary.machine)?))
    });
    Rewriter::at(module).erase(module)?;
    Ok(time.ok())
}

/// An op of a chunk, as it is or rewritten.
struct Line {
    symbol: u32,
    operands: Vec<Made>,
    results: Vec<Made>,
}

/// The ops of a chunk, and the values that are used after it.
fn lines(chunk: &Chunk<'_>, recipe: Option<&Recipe>, vocabulary: &Vocabulary<'_>) -> (Vec<Line>, Vec<Made>) {
    let keep = |op: usize, operands: Vec<Made>| {
        let symbol = chunk.ops[op].symbol;
        let results = 0..vocabulary.symbol(symbol).results.len();
        Line { symbol, operands, results: results.map(|result| Made::Kept(op, result)).collect() }
    };
    let outputs = chunk.ops.iter().enumerate().flat_map(|(op, o)| o.outputs.iter().map(move |result| (op, *result)));
    let Some(recipe) = recipe else {
        let made = |source: &Source| match source {
            Source::Leaf(leaf) => Made::Leaf(*leaf),
            Source::Result(op, result) => Made::Kept(*op, *result),
        };
        let written = chunk.ops.iter().enumerate();
        let lines = written.map(|(op, o)| keep(op, o.operands.iter().map(made).collect())).collect();
        return (lines, outputs.map(|(op, result)| Made::Kept(op, result)).collect());
    };
    let line = |(_, step): &(usize, Step)| match step {
        Step::Keep(op, operands) => keep(*op, operands.clone()),
        Step::Make(number) => {
            let new = &recipe.new[*number];
            Line { symbol: new.symbol, operands: new.operands.clone(), results: vec![Made::New(*number)] }
        }
    };
    let outputs = outputs.filter_map(|(op, result)| recipe.results[op][result]).collect();
    (recipe.steps.iter().map(line).collect(), outputs)
}

/// Writes a chunk as a function.
struct Writer<'a, 'c> {
    chunk: &'a Chunk<'c>,
    vocabulary: &'a Vocabulary<'c>,
    /// The symbols of leaves that are constants.
    constants: Vec<Option<u32>>,
    rewriter: Rewriter<'c>,
    body: Block<'c>,
    /// The attributes of each argument.
    arguments: Vec<Attribute<'c>>,
    values: HashMap<Made, Value<'c>>,
}

impl<'c> Writer<'_, 'c> {
    fn function(
        chunk: &Chunk<'c>,
        recipe: Option<&Recipe>,
        vocabulary: &Vocabulary<'c>,
        constants: Vec<Option<u32>>,
        module: Operation<'c>,
    ) -> Result<Operation<'c>> {
        let cx = vocabulary.context();
        let (lines, outputs) = lines(chunk, recipe, vocabulary);
        let rewriter = Rewriter::at_end_of(module.region(0).append_block(&[]), module.location());
        let blueprint = Blueprint::new("func.func").attribute("sym_name", Attribute::string(cx, "chunk")).regions(1);
        let function =
            rewriter.insert(&blueprint.attribute("function_type", Attribute::of_type(Type::function(cx, &[], &[]))))?;
        let body = function.region(0).append_block(&[]);
        rewriter.at_end(body);
        let (arguments, values) = (Vec::new(), HashMap::new());
        let mut writer = Writer { chunk, vocabulary, constants, rewriter, body, arguments, values };
        for line in &lines {
            writer.line(line)?;
        }
        let mut returned: Vec<Value<'c>> = Vec::new();
        for output in &outputs {
            let value = writer.value(output)?;
            if !returned.contains(&value) {
                returned.push(value);
            }
        }
        writer.rewriter.insert(&Blueprint::new("func.return").operands(returned.iter().copied()))?;
        function.set_attribute("arg_attrs", Attribute::array(cx, &writer.arguments));
        let unused = body.operations().into_iter().rev().skip(1);
        for op in unused {
            if op.results().all(|value| value.is_unused()) {
                writer.rewriter.erase(op)?;
            }
        }
        Ok(function)
    }

    fn line(&mut self, line: &Line) -> Result {
        let symbol = self.vocabulary.symbol(line.symbol);
        let operands = line.operands.iter().map(|operand| self.value(operand)).collect::<Result<Vec<_>>>()?;
        let op = self.rewriter.insert(&symbol.blueprint().operands(operands))?;
        self.values.extend(line.results.iter().copied().zip(op.results()));
        Ok(())
    }

    fn value(&mut self, made: &Made) -> Result<Value<'c>> {
        if let Some(value) = self.values.get(made) {
            return Ok(*value);
        }
        let Made::Leaf(number) = made else {
            return Err(thunder_ir::Error::new("internal: a chunk uses a value before it is made"));
        };
        let leaf = &self.chunk.leaves[*number];
        let value = match leaf.facts.constant {
            // Constants may be part of kernels, and sizes that are known make others known.
            Some(constant) => {
                let blueprint = match self.constants[*number] {
                    Some(symbol) => self.vocabulary.symbol(symbol).blueprint(),
                    None => Blueprint::new("arith.constant").attribute("value", constant).results([leaf.facts.ty]),
                };
                self.rewriter.insert(&blueprint)?.result(0)
            }
            None => self.argument(leaf),
        };
        self.values.insert(*made, value);
        Ok(value)
    }

    fn argument(&mut self, leaf: &Leaf<'c>) -> Value<'c> {
        let (cx, ty) = (self.rewriter.context(), leaf.facts.ty);
        let mut sizes = leaf.sizes.iter().map(|number| format!("d{number}"));
        let mut name = |size: Option<i64>| match size {
            Some(_) => String::new(),
            None => sizes.next().unwrap_or_default(),
        };
        let dims = ty.as_tensor().map_or_else(|| vec![None], |tensor| tensor.dims());
        let names: Vec<_> = dims.into_iter().map(|size| Attribute::string(cx, &name(size))).collect();
        let mut attributes = vec![(DIM_NAMES, Attribute::array(cx, &names))];
        if leaf.is_fixed {
            let number = self.body.argument_count();
            attributes.push((PARAMETER, Attribute::string(cx, &format!("weight.{number}"))));
        }
        self.arguments.push(Attribute::dictionary(cx, &attributes));
        self.body.add_argument(ty, self.rewriter.location())
    }
}
