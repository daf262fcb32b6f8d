//! One loop over the rows that a kernel's ops share.
//!
//! Ops whose results are made row by row from the same rows of other results are repeated inside of the
//! loop on single rows; what passes between them is one row long. The ops outside stay where they
//! still are needed, and are dead elsewhere.

use std::collections::{HashMap, HashSet};
use thunder_ir::{Attribute, Block, Blueprint, Builder, Operation, Result, Rewriter, Type, Value};
use thunder_passes::ROWS;

use super::access::Access;
use super::entry::{Buffer, add, index, multiply, store};

/// Makes the loop before `rewriter`'s place and stores the results there; `false` where rows gain nothing.
pub fn split<'c>(
    function: Operation<'c>,
    body: Block<'c>,
    inputs: &[(Value<'c>, Buffer<'c>)],
    outputs: &[(Value<'c>, Buffer<'c>)],
    rewriter: &Rewriter<'c>,
) -> Result<bool> {
    let declared = function.attribute(ROWS).and_then(|a| a.as_i64_array()).and_then(|r| r.last().copied()).unwrap_or(0);
    let Some((_, first)) = outputs.first() else { return Ok(false) };
    for rows in (1..=declared.max(0) as usize).rev() {
        let Some(plan) = Plan::of(body, outputs, rows)? else { continue };
        if plan.is_worthwhile(body) {
            plan.emit(body, inputs, outputs, &first.sizes[..rows], rewriter)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// Which ops are repeated for each row.
struct Plan<'c> {
    rows: usize,
    /// The values whose leading dimensions are the rows.
    aligned: HashSet<Value<'c>>,
    /// For the ops that make them, which of their loops are loops over rows.
    loops: HashMap<Operation<'c>, Vec<usize>>,
}

impl<'c> Plan<'c> {
    /// What must be aligned for the results to be; `None` where that cannot be.
    fn of(body: Block<'c>, outputs: &[(Value<'c>, Buffer<'c>)], rows: usize) -> Result<Option<Self>> {
        let mut plan = Self { rows, aligned: HashSet::new(), loops: HashMap::new() };
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
                    for (operand, access) in op.operands().zip(&accesses) {
                        if access.leading(rows).as_ref() == Some(&loops) && !access.depends_after(rows, &loops) {
                            open.push(operand);
                        } else if access.depends_after(0, &loops) {
                            return Ok(None);
                        } else {
                            whole.insert(operand);
                        }
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

    /// Whether something passes between ops, and rows are not single elements.
    fn is_worthwhile(&self, body: Block<'c>) -> bool {
        let ops: Vec<_> = body.operations().into_iter().filter(|op| self.loops.contains_key(op)).collect();
        let computing = ops.iter().filter(|op| op.name() == "linalg.generic");
        let long = ops.iter().any(|op| {
            let iterators = op.attribute("iterator_types").and_then(|a| a.as_array()).map_or(0, |a| a.len());
            op.name() == "linalg.generic" && iterators > self.rows
        });
        computing.count() > 1 && long
    }

    fn emit(
        &self,
        body: Block<'c>,
        inputs: &[(Value<'c>, Buffer<'c>)],
        outputs: &[(Value<'c>, Buffer<'c>)],
        sizes: &[Value<'c>],
        rewriter: &Rewriter<'c>,
    ) -> Result {
        let ops: Vec<_> = body.operations();
        let (zero, one) = (index(rewriter, 0)?, index(rewriter, 1)?);
        let mut indices = Vec::new();
        let mut row = zero;
        for size in sizes {
            let loop_op = rewriter.insert(&Blueprint::new("scf.for").operands([zero, *size, one]).regions(1))?;
            let block = loop_op.region(0).append_block(&[(Type::index(rewriter.context()), rewriter.location())]);
            rewriter.at_end(block);
            let end = rewriter.insert(&Blueprint::new("scf.yield"))?;
            rewriter.before(end);
            let scaled = multiply(rewriter, row, *size)?;
            row = add(rewriter, scaled, block.argument(0))?;
            indices.push(block.argument(0));
        }
        let views = outputs
            .iter()
            .map(|(_, buffer)| buffer.view(rewriter, self.rows, Some(row)))
            .collect::<Result<Vec<_>>>()?;
        let mut made: HashMap<Value<'c>, Value<'c>> = HashMap::new();
        for (tensor, buffer) in inputs {
            if self.aligned.contains(tensor) {
                made.insert(*tensor, buffer.read(rewriter, self.rows, Some(row))?);
            }
        }
        for op in ops {
            self.repeat(op, rewriter, &indices, &mut made)?;
        }
        for ((value, _), view) in outputs.iter().zip(views) {
            store(rewriter, made[value], view)?;
        }
        Ok(())
    }

    /// One row of what `op` makes, if that is aligned.
    fn repeat(
        &self,
        op: Operation<'c>,
        b: &Builder<'c>,
        indices: &[Value<'c>],
        made: &mut HashMap<Value<'c>, Value<'c>>,
    ) -> Result {
        if op.result_count() == 0 || !self.aligned.contains(&op.result(0)) || made.contains_key(&op.result(0)) {
            return Ok(());
        }
        if op.name() == "linalg.fill" {
            // Each user gets a fill of its own, so that it may accumulate in place.
            return Ok(());
        }
        let value = match op.name() {
            "tensor.empty" => self.empty(op, b)?,
            "arith.constant" => {
                let ty = self.row_type(op.result(0).ty());
                let splat = op.attribute("value").and_then(|a| a.splat_value()).and_then(|v| Attribute::splat(ty, v));
                let splat = splat.ok_or_else(|| op.error("internal: is not the same everywhere"))?;
                super::entry::constant(b, splat, ty)?
            }
            "tensor.cast" => {
                let (from, to) = (made[&op.operand(0)], self.row_type(op.result(0).ty()));
                if from.ty() == to {
                    from
                } else {
                    b.insert(&Blueprint::new("tensor.cast").operands([from]).results([to]))?.result(0)
                }
            }
            "linalg.generic" => {
                let copy = self.generic(op, b, indices, made)?;
                made.extend(op.results().zip(copy.results()));
                return Ok(());
            }
            name => return Err(op.error(format!("internal: '{name}' has no form for one row"))),
        };
        made.insert(op.result(0), value);
        Ok(())
    }

    fn row_type(&self, ty: Type<'c>) -> Type<'c> {
        let dims = ty.as_tensor().map(|t| t.dims()).unwrap_or_default();
        Type::tensor(ty.element(), &dims[self.rows..])
    }

    fn empty(&self, op: Operation<'c>, b: &Builder<'c>) -> Result<Value<'c>> {
        let ty = op.result(0).ty();
        let dims = ty.as_tensor().map(|t| t.dims()).unwrap_or_default();
        let skipped = dims[..self.rows].iter().filter(|d| d.is_none()).count();
        let sizes = op.operands().skip(skipped);
        let row = Blueprint::new("tensor.empty").operands(sizes).results([self.row_type(ty)]);
        Ok(b.insert(&row)?.result(0))
    }

    fn generic(
        &self,
        op: Operation<'c>,
        b: &Builder<'c>,
        indices: &[Value<'c>],
        made: &HashMap<Value<'c>, Value<'c>>,
    ) -> Result<Operation<'c>> {
        let loops = &self.loops[&op];
        let accesses = Access::all_of(op)?;
        let kept: Vec<usize> = (0..accesses[0].loops()).filter(|i| !loops.contains(i)).collect();
        let mut operands = Vec::new();
        let mut maps = Vec::new();
        for (operand, access) in op.operands().zip(&accesses) {
            let aligned = access.leading(self.rows).as_ref() == Some(loops);
            let fill = operand.defining_op().filter(|d| aligned && d.name() == "linalg.fill");
            operands.push(match fill {
                Some(fill) => self.fill(fill, b, made)?,
                None if aligned => made[&operand],
                None => operand,
            });
            maps.push(access.restricted(if aligned { self.rows } else { 0 }, &kept).to_attribute(op)?);
        }
        let iterators = op.attribute("iterator_types").and_then(|a| a.as_array()).unwrap_or_default();
        let iterators: Vec<_> = kept.iter().filter_map(|i| iterators.get(*i).copied()).collect();
        let copy = b.clone_op(op);
        for (number, operand) in operands.into_iter().enumerate() {
            copy.set_operand(number, operand);
        }
        for result in copy.results() {
            result.set_type(self.row_type(result.ty()));
        }
        copy.set_attribute("indexing_maps", Attribute::array(b.context(), &maps));
        copy.set_attribute("iterator_types", Attribute::array(b.context(), &iterators));
        let mut positions = Vec::new();
        copy.walk(|below| {
            if below.name() == "linalg.index" {
                positions.push(below);
            }
        });
        for position in positions {
            let number = position.attribute("dim").and_then(|a| a.as_integer()).unwrap_or(0) as usize;
            if let Some(at) = loops.iter().position(|l| *l == number) {
                Rewriter::at(position).replace(position, &[indices[at]])?;
            } else if let Some(at) = kept.iter().position(|l| *l == number) {
                position.set_attribute("dim", Attribute::i64(b.context(), at as i64));
            }
        }
        Ok(copy)
    }

    fn fill(&self, op: Operation<'c>, b: &Builder<'c>, made: &HashMap<Value<'c>, Value<'c>>) -> Result<Value<'c>> {
        let out = op.operand(1);
        let init = match out.defining_op() {
            Some(empty) if empty.name() == "tensor.empty" => self.empty(empty, b)?,
            _ => made[&out],
        };
        let copy = b.clone_op(op);
        copy.set_operand(1, init);
        copy.result(0).set_type(self.row_type(op.result(0).ty()));
        Ok(copy.result(0))
    }
}

/// Whether `op` computes, rather than names memory or sizes.
fn makes_values(op: Operation<'_>) -> bool {
    op.name().starts_with("linalg.")
}

fn are_parallel(op: Operation<'_>, loops: &[usize]) -> bool {
    let iterators = op.attribute("iterator_types").and_then(|a| a.as_array()).unwrap_or_default();
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
