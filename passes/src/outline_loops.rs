//! Moves the regions of loops into functions of their own.
//!
//! Needs: tensors are all that loops carry, and their regions use no memory. Guarantees: no `scf.while` is left in a
//! function of one block. In its place is an op that names two private functions, `@f_while0_condition` and
//! `@f_while0_body`, whose loops are moved as well. Values of the function around are further arguments of both; small
//! constants, sizes, other scalars, and what is made from these alone, are made again inside. What a round leaves as it
//! is, is no value of the loop any more. Sizes that are equal outside have equal names inside.
//!
//! So every other pass sees functions of one block, in which a loop is an op like others.

use std::collections::{HashMap, HashSet};

use thunder_dialect::build::BuildFull as _;
use thunder_exec::build::BuildWhile as _;
use thunder_interface::{DIM_NAMES, Dim, Memory};
use thunder_ir::prelude::*;

use crate::KERNEL;
use crate::autodiff::{cloned, sweep};
use crate::shapes::{Shapes, find_function};
use crate::split_joint::{Entries, build_part, operands};

/// Constants of at most this many elements are made again in each function.
const SMALL_CONSTANT: i64 = 64;

/// Makes the regions of loops functions.
#[pass("thunder-outline-loops", on = "builtin.module", dialects("arith", "exec", "func", "tensor", "thunder"))]
pub struct OutlineLoops {}

impl Pass for OutlineLoops {
    fn run(&self, module: Operation<'_>, cx: &PassContext<'_>) -> Result {
        let body = module.regions().next().and_then(|r| r.entry()).ok_or_else(|| module.error("has no body"))?;
        let mut open = body.operations();
        open.retain(|op| op.name() == "func.func" && op.attribute(KERNEL).is_none());
        while let Some(function) = open.pop() {
            let blocks: Vec<Block<'_>> = function.regions().flat_map(Region::blocks).collect();
            let [block] = blocks[..] else { continue };
            while let Some(op) = block.operations().into_iter().find(|op| op.name() == "scf.while") {
                open.extend(Loop::of(function, op)?.outline()?);
                cx.count("loops", 1);
            }
        }
        Ok(())
    }
}

struct Loop<'c> {
    function: Operation<'c>,
    op: Operation<'c>,
    /// Tells whether there is one more round, and what this begins with.
    before: Block<'c>,
    /// Carries out a round.
    after: Block<'c>,
    shapes: Shapes<'c>,
}

/// A function that a loop names: of which arguments, named by values elsewhere, and what it is made of.
struct Part<'a, 'c> {
    arguments: &'a [Value<'c>],
    /// Blocks one after another, each with what its arguments are by then.
    blocks: &'a [(Block<'c>, Vec<Value<'c>>)],
    returned: Vec<Value<'c>>,
}

impl<'c> Loop<'c> {
    fn of(function: Operation<'c>, op: Operation<'c>) -> Result<Self> {
        let block = |number: usize| op.region(number).entry().ok_or_else(|| op.error("has an empty region"));
        let is_tensor = |value: Value<'c>| value.ty().as_tensor().is_some();
        let (before, after) = (block(0)?, block(1)?);
        if let Some(value) = op.operands().chain(op.results()).find(|value| !is_tensor(*value)) {
            return Err(
                op.error(format!("carries a '{}', but only tensors are carried from round to round", value.ty()))
            );
        }
        let mut memory = None;
        op.walk(|inner| memory = memory.or(<dyn Memory>::of(inner).map(|_| inner)));
        if let Some(inner) = memory {
            return Err(inner.error("uses memory inside of a loop: let the loop carry what is there as a value"));
        }
        Ok(Self { function, op, before, after, shapes: Shapes::of(function)? })
    }

    /// Puts an op that names functions in the place of the loop; the functions.
    fn outline(&self) -> Result<Vec<Operation<'c>>> {
        let forwarded: Vec<Value<'c>> = terminator(self.before)?.operands().skip(1).collect();
        if self.before.arguments().eq(forwarded) { self.plain() } else { self.rotated() }
    }

    /// A loop whose rounds begin with what the condition was asked of.
    fn plain(&self) -> Result<Vec<Operation<'c>>> {
        let (condition, yielded) = (terminator(self.before)?, terminator(self.after)?);
        let count = self.op.operand_count();
        let is_kept = |number: &usize| yielded.operand(*number) == self.after.argument(*number);
        let (kept, carried): (Vec<usize>, Vec<usize>) = (0..count).partition(is_kept);
        if carried.is_empty() {
            Rewriter::at(self.op).replace(self.op, &self.op.operands().collect::<Vec<_>>())?;
            return Ok(Vec::new());
        }
        let captured = self.captured()?;
        let numbers: Vec<usize> = carried.iter().chain(&kept).copied().collect();
        let given = |block: Block<'c>| -> Vec<Value<'c>> {
            numbers.iter().map(|number| block.argument(*number)).chain(captured.iter().copied()).collect()
        };
        let outside: Vec<Value<'c>> =
            numbers.iter().map(|number| self.op.operand(*number)).chain(captured.iter().copied()).collect();
        let (asked, round) = (given(self.before), given(self.after));
        let identity = |block: Block<'c>| vec![(block, block.arguments().collect::<Vec<_>>())];
        let parts = [
            Part { arguments: &asked, blocks: &identity(self.before), returned: vec![condition.operand(0)] },
            Part {
                arguments: &round,
                blocks: &identity(self.after),
                returned: carried.iter().map(|number| yielded.operand(*number)).collect(),
            },
        ];
        let (functions, results) = self.build(&outside, carried.len(), parts)?;
        let result = |number: usize| match carried.iter().position(|other| *other == number) {
            Some(place) => results[place],
            None => self.op.operand(number),
        };
        Rewriter::at(self.op).replace(self.op, &(0..count).map(result).collect::<Vec<_>>())?;
        Ok(functions)
    }

    /// A loop whose condition computes what a round begins with: the answer is carried with that, and a round ends by
    /// asking again.
    fn rotated(&self) -> Result<Vec<Operation<'c>>> {
        let (condition, yielded) = (terminator(self.before)?, terminator(self.after)?);
        let captured = self.captured()?;
        let rewriter = Rewriter::at(self.op);
        let mut values: HashMap<Value<'c>, Value<'c>> = self.before.arguments().zip(self.op.operands()).collect();
        self.copy(&rewriter, self.before, &mut values)?;
        let first: Vec<Value<'c>> = condition.operands().map(|v| values.get(&v).copied().unwrap_or(v)).collect();
        let answer = truth_value(&rewriter, first[0])?;
        let outside = [&[answer], &first[1..], &captured].concat();
        // The answer of the condition before names the argument that is it.
        let round: Vec<Value<'c>> = [answer].into_iter().chain(self.after.arguments()).chain(captured).collect();
        let again =
            [(self.after, self.after.arguments().collect()), (self.before, yielded.operands().collect::<Vec<_>>())];
        let parts = [
            Part { arguments: &round, blocks: &[], returned: vec![answer] },
            Part { arguments: &round, blocks: &again, returned: condition.operands().collect() },
        ];
        let (functions, results) = self.build(&outside, 1 + self.after.argument_count(), parts)?;
        rewriter.replace(self.op, &results[1..])?;
        if let Some(element) = first[0].defining_op().filter(|op| op.is_pure() && first[0].is_unused()) {
            Rewriter::at(element).erase(element)?;
        }
        Ok(functions)
    }

    /// Builds both functions and the op that names them, of these operands and of results like the first of them.
    fn build(
        &self,
        outside: &[Value<'c>],
        results: usize,
        parts: [Part<'_, 'c>; 2],
    ) -> Result<(Vec<Operation<'c>>, Vec<Value<'c>>)> {
        let main = self.function.attribute("sym_name").and_then(|a| a.as_string()).unwrap_or_default();
        let mut names = (0..).map(|number| ["condition", "body"].map(|part| format!("{main}_while{number}_{part}")));
        let is_free = |names: &[String; 2]| names.iter().all(|name| find_function(self.function, name).is_none());
        let [condition, body] =
            names.find(is_free).ok_or_else(|| self.op.error("internal: there are no more names"))?;
        let entries = self.size_names(outside);
        let [asked, round] = parts;
        let functions = vec![self.part(&condition, &asked, &entries)?, self.part(&body, &round, &entries)?];
        let types: Vec<Type<'c>> = outside[..results].iter().map(|value| value.ty()).collect();
        let made = Rewriter::at(self.op).while_(outside, condition, body, &types)?;
        Ok((functions, made.results()))
    }

    fn part(&self, name: &str, part: &Part<'_, 'c>, entries: &[Entries<'c>]) -> Result<Operation<'c>> {
        let cx = self.op.context();
        let attributes = [entries.to_vec(), Vec::new()];
        let returned = &part.returned;
        // A condition is an element, and the function gives the tensor of it: the value that stands for it is noted.
        let function = build_part(self.function, name, part.arguments, returned, attributes, |b, values| {
            for (block, arguments) in part.blocks {
                for (argument, value) in block.arguments().zip(arguments) {
                    let value = self.inside(b, *value, values)?;
                    values.insert(argument, value);
                }
                self.copy(b, *block, values)?;
            }
            for value in returned {
                let made = self.inside(b, *value, values)?;
                let made = if value.ty().as_tensor().is_some() { made } else { truth_value(b, made)? };
                values.insert(*value, made);
            }
            Ok(())
        })?;
        function.set_attribute("sym_visibility", Attribute::string(cx, "private"));
        let block = function.region(0).entry().ok_or_else(|| function.error("has no body"))?;
        let returned = terminator(block)?.operands().map(Value::ty);
        let (inputs, outputs) = (block.arguments().map(Value::ty).collect::<Vec<_>>(), returned.collect::<Vec<_>>());
        function.set_attribute("function_type", Attribute::of_type(Type::function(cx, &inputs, &outputs)));
        sweep(block)?;
        Ok(function)
    }

    /// Copies the ops of a region, with what they need made again before them.
    fn copy(&self, b: &Rewriter<'c>, block: Block<'c>, values: &mut HashMap<Value<'c>, Value<'c>>) -> Result {
        for op in block.operations().into_iter().filter(|op| !op.has_trait("terminator")) {
            for operand in operands(op) {
                self.inside(b, operand, values)?;
            }
            cloned(b, op, values);
        }
        Ok(())
    }

    /// What a value is in a function that is being built: one of outside that is no argument is made again.
    fn inside(
        &self,
        b: &Rewriter<'c>,
        value: Value<'c>,
        values: &mut HashMap<Value<'c>, Value<'c>>,
    ) -> Result<Value<'c>> {
        if let Some(known) = values.get(&value) {
            return Ok(*known);
        }
        // What is of the loop itself is there when its turn comes, and what is of the block that is built is.
        let Some(op) = value.defining_op().filter(|op| self.is_outside(value) && op.block() != b.insertion_block())
        else {
            return Ok(value);
        };
        for operand in op.operands() {
            self.inside(b, operand, values)?;
        }
        cloned(b, op, values);
        Ok(values[&value])
    }

    /// Whether a value is neither made in the loop nor an argument of its regions.
    fn is_outside(&self, value: Value<'c>) -> bool {
        let owner = match value.defining_op() {
            Some(op) => Some(op),
            None => value.block_argument().and_then(|(block, _)| block.parent()),
        };
        owner.is_some_and(|owner| !owner.is_within(self.op))
    }

    /// The tensors of outside that the regions need, but for constants.
    fn captured(&self) -> Result<Vec<Value<'c>>> {
        let (mut captured, mut seen) = (Vec::new(), HashSet::new());
        let mut read = Vec::new();
        for region in self.op.regions() {
            let inner = region.blocks().into_iter().flat_map(Block::operations);
            read.extend(inner.flat_map(operands));
        }
        read.reverse();
        while let Some(value) = read.pop() {
            if !self.is_outside(value) || !seen.insert(value) {
                continue;
            }
            match value.defining_op().filter(|op| is_made_again(*op)) {
                Some(op) => read.extend(op.operands()),
                None if value.ty().as_tensor().is_some() => captured.push(value),
                _ => return Err(self.op.error(format!("uses a '{}' from outside, which is no tensor", value.ty()))),
            }
        }
        Ok(captured)
    }

    /// Names for the sizes of arguments, where equal names are equal sizes.
    fn size_names(&self, values: &[Value<'c>]) -> Vec<Entries<'c>> {
        let cx = self.op.context();
        let mut known: Vec<Dim> = Vec::new();
        let mut name = |dim: &Dim| match dim {
            Dim::Known(_) | Dim::Unknown => Attribute::string(cx, ""),
            Dim::Expr(_) => {
                let number = known.iter().position(|other| other == dim).unwrap_or_else(|| {
                    known.push(dim.clone());
                    known.len() - 1
                });
                Attribute::string(cx, &format!("d{number}"))
            }
        };
        let mut entry = |value: &Value<'c>| {
            let dims = self.shapes.dims(*value);
            if !dims.iter().any(|dim| matches!(dim, Dim::Expr(_))) {
                return Vec::new();
            }
            let names: Vec<Attribute<'c>> = dims.iter().map(&mut name).collect();
            vec![(DIM_NAMES, Attribute::array(cx, &names))]
        };
        values.iter().map(&mut entry).collect()
    }
}

/// Whether an op of outside is repeated in the functions that use it: small constants, and what is made from no tensor
/// or is none.
fn is_made_again(op: Operation<'_>) -> bool {
    let is_tensor = |value: Value<'_>| value.ty().as_tensor().is_some();
    if op.has_trait("constant_like") && op.results().any(is_tensor) {
        let count =
            op.result(0).ty().as_tensor().and_then(|ty| ty.static_dims()).map(|dims| dims.iter().product::<i64>());
        let is_splat = op.attribute("value").and_then(|a| a.splat_value()).is_some();
        return is_splat || count.is_some_and(|count| count <= SMALL_CONSTANT);
    }
    op.is_pure() && op.region_count() == 0 && !(op.operands().any(is_tensor) && op.results().any(is_tensor))
}

fn terminator(block: Block<'_>) -> Result<Operation<'_>> {
    block.terminator().ok_or_else(|| Error::new("internal: a region of a loop has no end"))
}

/// The tensor of rank 0 that a truth value is the element of.
fn truth_value<'c>(b: &Builder<'c>, value: Value<'c>) -> Result<Value<'c>> {
    let op = value.defining_op();
    if let Some(tensor) = op.filter(|op| op.name() == "tensor.extract" && op.operand_count() == 1) {
        return Ok(tensor.operand(0));
    }
    match value.as_constant() {
        Some(constant) => b.full(&[], constant, Type::tensor(value.ty(), &[])),
        None => {
            let message = format!("goes on by a '{}' that is no element of a tensor of rank 0", value.ty());
            Err(op.map_or_else(|| Error::new(message.clone()), |op| op.error(message.clone())))
        }
    }
}
