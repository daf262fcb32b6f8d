//! Pure straight-line code of a function as chunks, and chunks rewritten by recipes.

use std::collections::{BTreeSet, HashMap, HashSet};

use thunder_interface::{CHECKPOINT, Control, Dim, Facts};
use thunder_ir::{Block, Location, Operation, Region, Result, Rewriter, Value};

use super::chunk::{Chunk, Leaf, Op, Source, ranges};
use super::recipe::{Made, Recipe, Step};
use super::vocabulary::{Vocabulary, uniform};
use crate::fixed::Fixed;
use crate::shapes::Shapes;

/// A chunk with the operations and values that it numbers.
pub struct Piece<'c> {
    /// The chunk.
    pub chunk: Chunk<'c>,
    /// Its operations.
    pub ops: Vec<Operation<'c>>,
    /// The values that its leaves are.
    pub leaves: Vec<Value<'c>>,
}

/// The runs of pure operations in the blocks of `function`. No value that a run uses is made by what
/// is not pure within it, so that its operations may take any order that their operands allow.
pub fn runs<'c>(function: Operation<'c>) -> Vec<Vec<Operation<'c>>> {
    let mut blocks: Vec<Block<'c>> = Vec::new();
    function.walk(|op| blocks.extend(op.regions().flat_map(Region::blocks)));
    let mut runs = Vec::new();
    for block in blocks.into_iter().filter(|block| is_ordered(*block)) {
        let mut run = Vec::new();
        for op in block.operations() {
            if is_planned(op) {
                run.push(op);
            } else if op.result_count() > 0 && !op.has_trait("constant_like") {
                runs.push(std::mem::take(&mut run));
            }
        }
        runs.push(run);
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// Whether values are made before they are used: regions that are graphs need not do so.
fn is_ordered(block: Block<'_>) -> bool {
    let mut seen = HashSet::new();
    block.operations().into_iter().all(|op| {
        let early = |definer: Operation<'_>| definer.block() == Some(block) && !seen.contains(&definer);
        let is_ordered = !op.operands().filter_map(Value::defining_op).any(early);
        seen.insert(op);
        is_ordered
    })
}

/// Constants are known wherever they are used, and stay where they are; what a loop takes, no rule knows.
fn is_planned(op: Operation<'_>) -> bool {
    op.is_pure()
        && op.result_count() > 0
        && op.region_count() == 0
        && !op.has_trait("terminator")
        && !op.has_trait("constant_like")
        && op.successors().is_empty()
        && <dyn Control>::of(op).is_none()
}

/// Where to cut a run into pieces.
pub fn cuts(run: &[Operation<'_>]) -> Vec<std::ops::Range<usize>> {
    let position: HashMap<Operation<'_>, usize> = run.iter().enumerate().map(|(at, op)| (*op, at)).collect();
    // How many more values cross the border before each op than the one before it.
    let mut change = vec![0i64; run.len() + 1];
    for (at, op) in run.iter().enumerate() {
        for value in op.results() {
            let users = value.uses().into_iter().map(|(user, _)| position.get(&user).copied());
            let last = users.map(|user| user.unwrap_or(run.len())).max();
            if let Some(last) = last.filter(|last| *last > at) {
                change[at + 1] += 1;
                if last < run.len() {
                    change[last + 1] -= 1;
                }
            }
        }
    }
    let widths: Vec<i64> = change
        .iter()
        .scan(0, |width, change| {
            *width += change;
            Some(*width)
        })
        .collect();
    let width = |border: usize| usize::try_from(widths[border]).unwrap_or_default();
    ranges(run.len(), width)
}

/// What is known of the values of a function.
pub struct Scope<'c> {
    /// Their sizes, where these can be told.
    shapes: Option<Shapes<'c>>,
    /// Those that are the same in every run.
    fixed: Fixed<'c>,
}

impl<'c> Scope<'c> {
    /// The scope of a function.
    pub fn of(function: Operation<'c>) -> Self {
        Self { shapes: Shapes::of(function).ok(), fixed: Fixed::of(function) }
    }

    /// The sizes of a value that are not known when it is compiled.
    fn sizes(&self, value: Value<'c>) -> Vec<Dim> {
        let Some(shapes) = &self.shapes else { return Vec::new() };
        let dims = match value.ty().as_tensor() {
            Some(_) => shapes.dims(value),
            None => vec![shapes.size(value)],
        };
        dims.into_iter().filter(|dim| dim.known().is_none()).collect()
    }
}

/// A part of a run as a chunk.
pub fn piece<'c>(ops: &[Operation<'c>], scope: &Scope<'c>, vocabulary: &mut Vocabulary<'c>) -> Piece<'c> {
    let inside: HashMap<Operation<'c>, usize> = ops.iter().enumerate().map(|(at, op)| (*op, at)).collect();
    let (mut leaves, mut numbers): (Vec<Value<'c>>, HashMap<Value<'c>, usize>) = (Vec::new(), HashMap::new());
    let (mut chunk, mut sizes) = (Chunk::default(), Vec::new());
    for op in ops {
        let mut source = |value: Value<'c>| {
            if let Some((definer, result)) = value.definer()
                && let Some(at) = inside.get(&definer)
            {
                return Source::Result(*at, result);
            }
            let number = *numbers.entry(value).or_insert_with(|| {
                leaves.push(value);
                chunk.leaves.push(leaf(value, scope, &mut sizes));
                leaves.len() - 1
            });
            Source::Leaf(number)
        };
        let operands = op.operands().map(&mut source).collect();
        let is_output = |value: Value<'c>| value.uses().iter().any(|(user, _)| !inside.contains_key(user));
        let outputs = (0..op.result_count()).filter(|result| is_output(op.result(*result))).collect();
        chunk.ops.push(Op { symbol: vocabulary.of(*op), operands, outputs });
    }
    Piece { chunk, ops: ops.to_vec(), leaves }
}

/// What is known of a leaf; `sizes` are those of the chunk, in the order in which it comes to them.
fn leaf<'c>(value: Value<'c>, scope: &Scope<'c>, sizes: &mut Vec<Dim>) -> Leaf<'c> {
    let uniform = value.defining_op().filter(|op| op.result_count() == 1).and_then(uniform);
    let facts = Facts { ty: value.ty(), constant: value.as_constant(), uniform };
    let number = |dim: Dim| {
        let known = sizes.iter().position(|size| *size == dim && dim != Dim::Unknown);
        known.unwrap_or_else(|| {
            sizes.push(dim);
            sizes.len() - 1
        })
    };
    let sizes = scope.sizes(value).into_iter().map(number).collect();
    let users = value.uses();
    let is_kept = users.iter().any(|(user, _)| user.name() != users[0].0.name());
    Leaf { facts, is_fixed: scope.fixed.contains(value), is_kept, sizes }
}

/// Rewrites a piece. Operations that stay keep their place where that is possible, their location and
/// their attributes; new ones have the locations of what they stand for. `replaced` is what became of values of pieces
/// that were rewritten before, and of this one.
pub fn rewrite<'c>(
    piece: &Piece<'c>,
    recipe: &Recipe,
    vocabulary: &Vocabulary<'c>,
    replaced: &mut HashMap<Value<'c>, Value<'c>>,
) -> Result {
    let (Some(first), Some(last)) = (piece.ops.first(), piece.ops.last()) else { return Ok(()) };
    // What ends the piece; nothing where the block has no terminator.
    let end = last.next();
    let rewriter = Rewriter::at(*first);
    // Constants may stand anywhere before their uses, which are about to move.
    let leaves: Vec<Value<'c>> = piece.leaves.iter().map(|leaf| *replaced.get(leaf).unwrap_or(leaf)).collect();
    for op in leaves.iter().filter_map(|leaf| leaf.defining_op()) {
        if op.block() == first.block() && !op.is_before(*first) {
            rewriter.move_before(op, *first);
        }
    }
    // Operations that something was already put before, or that have moved.
    let mut passed = vec![false; piece.ops.len()];
    let mut kept = BTreeSet::new();
    let mut new: Vec<Value<'c>> = Vec::new();
    let value = |made: &Made, new: &[Value<'c>]| match made {
        Made::Leaf(leaf) => leaves[*leaf],
        Made::Kept(op, result) => piece.ops[*op].result(*result),
        Made::New(number) => new[*number],
    };
    for (at, step) in &recipe.steps {
        let next = (*at..piece.ops.len()).find(|op| !passed[*op]).map(|op| piece.ops[op]).or(end);
        match step {
            Step::Keep(number, operands) => {
                let op = piece.ops[*number];
                if let Some(next) = next.filter(|next| *next != op) {
                    rewriter.move_before(op, next);
                }
                passed[*number] = true;
                kept.insert(*number);
                for (index, made) in operands.iter().enumerate() {
                    let operand = value(made, &new);
                    if op.operand(index) != operand {
                        op.set_operand(index, operand);
                    }
                }
            }
            Step::Make(number) => {
                let planned = &recipe.new[*number];
                let symbol = vocabulary.symbol(planned.symbol);
                let origins: Vec<Location<'c>> = planned.ops.iter().map(|op| piece.ops[*op].location()).collect();
                match (next, last.block()) {
                    (Some(next), _) => _ = rewriter.before(next),
                    (None, Some(block)) => _ = rewriter.at_end(block),
                    (None, None) => return Err(last.error("is in no block")),
                }
                rewriter.set_location(match origins[..] {
                    [] => last.location(),
                    _ => Location::fused(last.context(), &origins),
                });
                let operands = planned.operands.iter().map(|made| value(made, &new));
                let made = rewriter.insert(&symbol.blueprint().operands(operands))?;
                // What is made of ops of one checkpoint region belongs to it.
                let mut regions = planned.ops.iter().map(|op| piece.ops[*op].attribute(CHECKPOINT));
                if let Some(region) = regions.next().flatten().filter(|first| regions.all(|next| next == Some(*first)))
                {
                    made.set_attribute(CHECKPOINT, region);
                }
                new.push(made.result(0));
            }
        }
    }
    for (number, op) in piece.ops.iter().enumerate() {
        for (result, made) in op.results().zip(&recipe.results[number]) {
            let Some(made) = made else { continue };
            let replacement = value(made, &new);
            if replacement == result {
                continue;
            }
            if let (Made::New(_), Some(successor)) = (made, replacement.defining_op()) {
                for (name, attribute) in op.discardable_attributes() {
                    if successor.attribute(name).is_none() {
                        successor.set_attribute(name, attribute);
                    }
                }
            }
            rewriter.replace_uses(result, replacement);
            replaced.insert(result, replacement);
        }
    }
    for (number, op) in piece.ops.iter().enumerate().rev() {
        if !kept.contains(&number) {
            rewriter.erase(*op)?;
        }
    }
    Ok(())
}
