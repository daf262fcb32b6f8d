//! One loop over a range of the rows that a kernel's ops share.
//!
//! Ops whose results are made row by row from the same rows of other results are repeated inside of the
//! loop on single rows; what passes between them is one row long. Rows that are single elements need no
//! loop: the ops are repeated on the range as one dimension, also where each is made of a column. The ops outside stay where they still are
//! needed, and are dead elsewhere.

use std::collections::{HashMap, HashSet};
use thunder_ir::{Attribute, Block, Blueprint, Builder, Operation, Result, Rewriter, Type, Value};
use thunder_passes::ROWS;

use super::entry::{Buffer, Part, Range, add, binary, equal, index, store};
use super::slices::{self, covers_rows};
use crate::access::Access;

/// Computes the rows of `range` before `rewriter`'s place and stores them; `false` where the ops share no rows.
pub fn split<'c>(
    function: Operation<'c>,
    body: Block<'c>,
    inputs: &[(Value<'c>, Buffer<'c>)],
    outputs: &[(Value<'c>, Buffer<'c>)],
    range: Range<'c>,
    rewriter: &Rewriter<'c>,
) -> Result<bool> {
    let rows = function.attribute(ROWS).and_then(|a| a.as_i64_array()).and_then(|r| r.last().copied()).unwrap_or(0);
    if rows <= 0 || outputs.is_empty() {
        return Ok(false);
    }
    let Some(plan) = Plan::of(body, outputs, rows as usize)? else { return Ok(false) };
    plan.emit(body, inputs, outputs, range, rewriter)?;
    Ok(true)
}

/// Which ops are repeated for each row.
struct Plan<'c> {
    rows: usize,
    /// The values whose leading dimensions are the rows.
    aligned: HashSet<Value<'c>>,
    /// For the ops that make them, which of their loops are loops over rows.
    loops: HashMap<Operation<'c>, Vec<usize>>,
    /// Whether one of these reads other rows of what is whole than its own.
    moves: bool,
    /// What these read by columns, one for each row.
    columns: HashSet<Value<'c>>,
}

impl<'c> Plan<'c> {
    /// What must be aligned for the results to be; `None` where that cannot be.
    fn of(body: Block<'c>, outputs: &[(Value<'c>, Buffer<'c>)], rows: usize) -> Result<Option<Self>> {
        let mut plan =
            Self { rows, aligned: HashSet::new(), loops: HashMap::new(), moves: false, columns: HashSet::new() };
        let mut open: Vec<Value<'c>> = outputs.iter().map(|(value, _)| *value).collect();
        let mut whole: HashSet<Value<'c>> = HashSet::new();
        while let Some(value) = open.pop() {
            if value.ty().as_tensor().is_none_or(|ty| ty.rank() < rows) {
                return Ok(None);
            }
            if !plan.aligned.insert(value) {
                continue;
            }
            let Some((op, number)) = value.definer() else { return Ok(None) };
            match op.name() {
                "bufferization.to_tensor" | "tensor.empty" => {}
                "arith.constant" if op.attribute("value").is_some_and(|a| a.splat_value().is_some()) => {}
                "tensor.cast" => open.push(op.operand(0)),
                "tensor.extract_slice" if covers_rows(op, rows) => open.push(op.operand(0)),
                "tensor.insert_slice" if covers_rows(op, rows) => open.extend([op.operand(0), op.operand(1)]),
                "linalg.fill" => {
                    plan.loops.insert(op, (0..rows).collect());
                    open.push(op.operand(1));
                }
                "linalg.generic" => {
                    let accesses = Access::all_of(op)?;
                    let inputs = accesses.len() - op.result_count();
                    let Some(loops) = accesses[inputs + number].leading(rows) else { return Ok(None) };
                    if !plan.join(op, loops.clone()) || !are_parallel(op, &loops) {
                        return Ok(None);
                    }
                    for (number, (operand, access)) in op.operands().zip(&accesses).enumerate() {
                        if access.leading(rows).as_ref() == Some(&loops) && !access.depends_after(rows, &loops) {
                            open.push(operand);
                            continue;
                        }
                        if access.depends_after(0, &loops) {
                            if number >= inputs || access.places(&loops).is_none() {
                                return Ok(None);
                            }
                            if access.is_column(&loops) {
                                plan.columns.insert(operand);
                            } else {
                                plan.moves = true;
                            }
                        }
                        whole.insert(operand);
                    }
                    whole.extend(captured(op));
                }
                _ => return Ok(None),
            }
        }
        // What a row needs whole cannot be made row by row in the same loop.
        let conflict = whole.iter().any(|v| plan.aligned.contains(v) && v.defining_op().is_some_and(makes_values))
            || body.operations().into_iter().any(|op| {
                !plan.loops.contains_key(&op) && plan.depends_on_rows(op) && op.results().any(|v| whole.contains(&v))
            });
        Ok((!conflict).then_some(plan))
    }

    /// Notes the loops over rows of `op`; `false` where another of its results needs others.
    fn join(&mut self, op: Operation<'c>, loops: Vec<usize>) -> bool {
        let known = self.loops.entry(op).or_insert_with(|| loops.clone());
        let distinct = (1..loops.len()).all(|i| !loops[..i].contains(&loops[i]));
        *known == loops && distinct
    }

    fn depends_on_rows(&self, op: Operation<'c>) -> bool {
        op.operands().any(|v| self.aligned.contains(&v) && v.defining_op().is_some_and(makes_values))
    }

    /// Whether rows are single elements, all made alike, each of elements or of columns of inputs.
    fn is_flat(&self, inputs: &[(Value<'c>, Buffer<'c>)]) -> bool {
        let alike = self.loops.iter().all(|(op, loops)| {
            let is_free = self.rows == 1 || positions(*op).is_empty();
            let takes_columns = op.operands().any(|value| self.columns.contains(&value));
            is_free && (takes_columns || iterators(*op).is_none_or(|all| all.len() == loops.len()))
        });
        let is_input = |value: &Value<'c>| inputs.iter().any(|(input, _)| input == value);
        let single = |value: &Value<'c>| {
            let is_constant = value.defining_op().is_some_and(|op| op.name() == "arith.constant");
            !is_constant && value.ty().as_tensor().is_some_and(|ty| ty.rank() == self.rows)
        };
        // The ops with loops make all values, or take them as they are.
        let is_slice = |op: Operation<'c>| ["tensor.extract_slice", "tensor.insert_slice"].contains(&op.name());
        let whole = |value: &Value<'c>| !value.defining_op().is_some_and(is_slice);
        !self.moves
            && alike
            && self.columns.iter().all(is_input)
            && self.aligned.iter().all(|value| single(value) && whole(value))
    }

    fn emit(
        self,
        body: Block<'c>,
        inputs: &[(Value<'c>, Buffer<'c>)],
        outputs: &[(Value<'c>, Buffer<'c>)],
        range: Range<'c>,
        rewriter: &Rewriter<'c>,
    ) -> Result {
        let ops: Vec<_> = body.operations();
        let (part, indices) = if self.is_flat(inputs) {
            (Part::Elements(range), Vec::new())
        } else {
            let sizes = &outputs[0].1.sizes[..self.rows];
            let (zero, one) = (index(rewriter, 0)?, index(rewriter, 1)?);
            let first = delinearize(rewriter, range.start, sizes)?;
            let ty = Type::index(rewriter.context());
            let bounds = Blueprint::new("scf.for").operands([zero, range.length, one]);
            let loop_op = rewriter.insert(&bounds.operands(first).results(vec![ty; self.rows]).regions(1))?;
            let block = loop_op.region(0).append_block(&vec![(ty, rewriter.location()); 1 + self.rows]);
            rewriter.at_end(block);
            let indices: Vec<_> = block.arguments().skip(1).collect();
            let next = following(rewriter, &indices, sizes)?;
            let end = rewriter.insert(&Blueprint::new("scf.yield").operands(next))?;
            rewriter.before(end);
            let number = add(rewriter, range.start, block.argument(0))?;
            (Part::Row { rank: self.rows, number }, indices)
        };
        let views = outputs.iter().map(|(_, buffer)| buffer.view(rewriter, &part)).collect::<Result<Vec<_>>>()?;
        let (made, columns) = (HashMap::new(), HashMap::new());
        let mut copies = Copies { plan: &self, b: rewriter, part: &part, indices, made, columns };
        for (tensor, buffer) in inputs {
            if let Part::Elements(range) = part
                && self.columns.contains(tensor)
            {
                let part = Part::Columns { rank: self.rows, range };
                copies.columns.insert(*tensor, buffer.read(rewriter, &part)?);
            }
            if self.aligned.contains(tensor) {
                copies.made.insert(*tensor, buffer.read(rewriter, &part)?);
            }
        }
        for op in ops {
            copies.repeat(op)?;
        }
        for ((value, _), view) in outputs.iter().zip(views) {
            store(rewriter, copies.value(*value)?, view)?;
        }
        Ok(())
    }
}

/// The ops of a plan on one part of their rows.
struct Copies<'a, 'c> {
    plan: &'a Plan<'c>,
    b: &'a Builder<'c>,
    part: &'a Part<'c>,
    /// Of the row in each dimension that counts rows.
    indices: Vec<Value<'c>>,
    /// What stands for each value that is aligned.
    made: HashMap<Value<'c>, Value<'c>>,
    /// The columns of values that are read by them, where rows are elements.
    columns: HashMap<Value<'c>, Value<'c>>,
}

impl<'c> Copies<'_, 'c> {
    /// The part of what `op` makes, if that is aligned.
    fn repeat(&mut self, op: Operation<'c>) -> Result {
        let is_done = |v: Value<'c>| !self.plan.aligned.contains(&v) || self.made.contains_key(&v);
        if op.results().all(is_done) {
            return Ok(());
        }
        if op.name() == "linalg.fill" {
            // Each user gets a fill of its own, so that it may accumulate in place.
            return Ok(());
        }
        let b = self.b;
        let value = match op.name() {
            "tensor.empty" => self.empty(op)?,
            "arith.constant" => {
                let ty = self.ty(op.result(0).ty());
                let splat = op.attribute("value").and_then(|a| a.splat_value()).and_then(|v| Attribute::splat(ty, v));
                let splat = splat.ok_or_else(|| op.error("internal: is not the same everywhere"))?;
                super::entry::constant(b, splat, ty)?
            }
            "tensor.cast" => {
                let (from, to) = (self.made[&op.operand(0)], self.ty(op.result(0).ty()));
                if from.ty() == to {
                    from
                } else {
                    b.insert(&Blueprint::new("tensor.cast").operands([from]).results([to]))?.result(0)
                }
            }
            "tensor.extract_slice" => self.slice(op, &[self.value(op.operand(0))?])?,
            "tensor.insert_slice" => self.slice(op, &[self.value(op.operand(0))?, self.value(op.operand(1))?])?,
            "linalg.generic" => {
                let copy = self.generic(op)?;
                self.made.extend(op.results().zip(copy.results()));
                return Ok(());
            }
            name => return Err(op.error(format!("internal: '{name}' has no form for one row"))),
        };
        self.made.insert(op.result(0), value);
        Ok(())
    }

    /// What stands for an aligned value.
    fn value(&self, value: Value<'c>) -> Result<Value<'c>> {
        match value.defining_op().filter(|op| op.name() == "linalg.fill") {
            Some(fill) => self.fill(fill),
            None => Ok(self.made[&value]),
        }
    }

    fn ty(&self, ty: Type<'c>) -> Type<'c> {
        match self.part {
            Part::Elements(_) => Type::tensor(ty.element(), &[None]),
            _ => {
                let dims = ty.as_tensor().map(|t| t.dims()).unwrap_or_default();
                Type::tensor(ty.element(), &dims[self.plan.rows..])
            }
        }
    }

    fn empty(&self, op: Operation<'c>) -> Result<Value<'c>> {
        let ty = op.result(0).ty();
        let sizes: Vec<_> = match self.part {
            Part::Elements(range) => vec![range.length],
            _ => {
                let dims = ty.as_tensor().map(|t| t.dims()).unwrap_or_default();
                let skipped = dims[..self.plan.rows].iter().filter(|d| d.is_none()).count();
                op.operands().skip(skipped).collect()
            }
        };
        let part = Blueprint::new("tensor.empty").operands(sizes).results([self.ty(ty)]);
        Ok(self.b.insert(&part)?.result(0))
    }

    fn slice(&self, op: Operation<'c>, tensors: &[Value<'c>]) -> Result<Value<'c>> {
        slices::within_row(self.b, op, self.plan.rows, tensors, self.ty(op.result(0).ty()))
    }

    fn generic(&self, op: Operation<'c>) -> Result<Operation<'c>> {
        let (rows, loops) = (self.plan.rows, &self.plan.loops[&op]);
        let accesses = Access::all_of(op)?;
        let kept: Vec<usize> = (0..accesses[0].loops()).filter(|i| !loops.contains(i)).collect();
        let is_flat = matches!(self.part, Part::Elements(_));
        let mut operands = Vec::new();
        let mut maps = Vec::new();
        for (operand, access) in op.operands().zip(&accesses) {
            let aligned = access.leading(rows).as_ref() == Some(loops) && !access.depends_after(rows, loops);
            let column = self.columns.get(&operand).filter(|_| !aligned && access.is_column(loops));
            let moved = !aligned && !is_flat && access.depends_after(0, loops);
            operands.push(match (aligned, column, moved) {
                (true, ..) => self.value(operand)?,
                (_, Some(columns), _) => *columns,
                (.., true) => slices::of_row(self.b, operand, access, loops, &self.indices)?,
                _ => operand,
            });
            let access = if moved { access.without(loops) } else { access.clone() };
            let map = match (is_flat, aligned, column) {
                // Columns are the innermost loop: neighbours are neighbours in memory.
                (true, true, _) => Access::last(kept.len() + 1),
                (true, _, Some(_)) => access.of_columns(rows, &kept),
                (true, ..) => access.restricted(0, &kept).within(kept.len() + 1),
                (false, ..) => access.restricted(if aligned { rows } else { 0 }, &kept),
            };
            maps.push(map.to_attribute(op)?);
        }
        let all = iterators(op).unwrap_or_default();
        let flat = is_flat.then(|| all[loops[0]]);
        let iterators: Vec<_> = kept.iter().map(|i| all[*i]).chain(flat).collect();
        let copy = self.b.clone_op(op);
        for (number, operand) in operands.into_iter().enumerate() {
            copy.set_operand(number, operand);
        }
        for result in copy.results() {
            result.set_type(self.ty(result.ty()));
        }
        copy.set_attribute("indexing_maps", Attribute::array(self.b.context(), &maps));
        copy.set_attribute("iterator_types", Attribute::array(self.b.context(), &iterators));
        for position in positions(copy) {
            self.place(position, loops, &kept)?;
        }
        Ok(copy)
    }

    /// Makes a copied `linalg.index` tell the position in the whole tensor.
    fn place(&self, position: Operation<'c>, loops: &[usize], kept: &[usize]) -> Result {
        let number = position.attribute("dim").and_then(|a| a.as_integer()).unwrap_or(0) as usize;
        if let Part::Elements(range) = self.part
            && loops.contains(&number)
        {
            position.set_attribute("dim", Attribute::i64(self.b.context(), kept.len() as i64));
            let rewriter = Rewriter::at(position);
            let within = rewriter.clone_op(position).result(0);
            let whole = add(&rewriter, range.start, within)?;
            return rewriter.replace(position, &[whole]);
        }
        if let Some(at) = loops.iter().position(|l| *l == number) {
            return Rewriter::at(position).replace(position, &[self.indices[at]]);
        }
        if let Some(at) = kept.iter().position(|l| *l == number) {
            position.set_attribute("dim", Attribute::i64(self.b.context(), at as i64));
        }
        Ok(())
    }

    fn fill(&self, op: Operation<'c>) -> Result<Value<'c>> {
        let out = op.operand(1);
        let init = match out.defining_op() {
            Some(empty) if empty.name() == "tensor.empty" => self.empty(empty)?,
            _ => self.made[&out],
        };
        let copy = self.b.clone_op(op);
        copy.set_operand(1, init);
        copy.result(0).set_type(self.ty(op.result(0).ty()));
        Ok(copy.result(0))
    }
}

/// The index in each dimension of element `number` of a dense tensor.
fn delinearize<'c>(b: &Builder<'c>, mut number: Value<'c>, sizes: &[Value<'c>]) -> Result<Vec<Value<'c>>> {
    let mut indices = Vec::new();
    for size in sizes.iter().skip(1).rev() {
        indices.push(binary(b, "arith.remui", number, *size)?);
        number = binary(b, "arith.divui", number, *size)?;
    }
    indices.push(number);
    indices.reverse();
    Ok(indices)
}

/// The index in each dimension of the element after that at `indices`: without a division.
fn following<'c>(b: &Builder<'c>, indices: &[Value<'c>], sizes: &[Value<'c>]) -> Result<Vec<Value<'c>>> {
    let (zero, one) = (index(b, 0)?, index(b, 1)?);
    let (mut next, mut carry) = (Vec::new(), one);
    for (axis, (at, size)) in indices.iter().zip(sizes).enumerate().rev() {
        let after = add(b, *at, carry)?;
        if axis == 0 {
            next.push(after);
            break;
        }
        let is_end = equal(b, after, *size)?;
        let select = |yes, no| {
            let op = Blueprint::new("arith.select").operands([is_end, yes, no]).results([zero.ty()]);
            Ok::<_, thunder_ir::Error>(b.insert(&op)?.result(0))
        };
        next.push(select(zero, after)?);
        carry = select(one, zero)?;
    }
    next.reverse();
    Ok(next)
}

/// Whether `op` computes, rather than names memory or sizes.
fn makes_values(op: Operation<'_>) -> bool {
    op.name().starts_with("linalg.")
}

fn iterators<'c>(op: Operation<'c>) -> Option<Vec<Attribute<'c>>> {
    op.attribute("iterator_types").and_then(|a| a.as_array())
}

/// The ops inside of `op` that ask for the index of a loop.
fn positions(op: Operation<'_>) -> Vec<Operation<'_>> {
    let mut found = Vec::new();
    op.walk(|below| {
        if below.name() == "linalg.index" {
            found.push(below);
        }
    });
    found
}

fn are_parallel(op: Operation<'_>, loops: &[usize]) -> bool {
    let iterators = iterators(op).unwrap_or_default();
    loops.iter().all(|l| iterators.get(*l).is_some_and(|kind| kind.to_string().contains("parallel")))
}

/// The values from outside that the body of `op` uses.
fn captured<'c>(op: Operation<'c>) -> Vec<Value<'c>> {
    let mut found = Vec::new();
    op.walk(|below| {
        if below != op {
            found.extend(below.operands().filter(|v| v.ty().as_tensor().is_some()));
        }
    });
    found
}
