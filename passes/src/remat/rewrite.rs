//! Carries a choice out: the backward part reads what is kept through barriers, and computes the rest again.
//!
//! Barriers keep both parts apart. What is computed again reads other values than what was computed first, so that no
//! pass merges the two, and no backward op joins a kernel of the forward part, which would keep its result instead.

use std::collections::{BTreeSet, HashMap};

use thunder_exec::build::BuildBarrier as _;
use thunder_interface::CHECKPOINT;
use thunder_ir::{Operation, Result, Rewriter, Value};

use super::cut::Choice;
use super::problem::Problem;
use crate::autodiff::cloned;
use crate::split_joint::Joint;

/// Rewrites the backward part of a joint function; how many ops it computes again.
pub fn rewrite<'c>(joint: &Joint<'c>, problem: &Problem<'c>, choice: &Choice) -> Result<usize> {
    let mut backward = Backward {
        problem,
        choice,
        op_at: problem.ops.iter().enumerate().map(|(i, op)| (*op, i)).collect(),
        value_at: problem.values.iter().enumerate().map(|(i, v)| (*v, i)).collect(),
        fresh: HashMap::new(),
        count: 0,
    };
    for op in joint.backward() {
        let mut readers = Vec::new();
        op.walk(|inner| readers.push(inner));
        for (reader, index) in readers.into_iter().flat_map(|r| (0..r.operand_count()).map(move |i| (r, i))) {
            if let Some(number) = backward.value_at.get(&reader.operand(index)).copied() {
                let value = backward.value(number, op)?;
                reader.set_operand(index, value);
            }
        }
    }
    Ok(backward.count)
}

struct Backward<'a, 'c> {
    problem: &'a Problem<'c>,
    choice: &'a Choice,
    op_at: HashMap<Operation<'c>, usize>,
    value_at: HashMap<Value<'c>, usize>,
    /// What the backward part reads instead of a value.
    fresh: HashMap<Value<'c>, Value<'c>>,
    count: usize,
}

impl<'c> Backward<'_, 'c> {
    /// What stands for a value of the forward part, made before `reader` unless it was made before.
    fn value(&mut self, number: usize, reader: Operation<'c>) -> Result<Value<'c>> {
        let value = self.problem.values[number];
        if let Some(known) = self.fresh.get(&value) {
            return Ok(*known);
        }
        if self.choice.kept[number] {
            return self.barrier(value, reader);
        }
        // In the order of the program, whose later ops need earlier ones: deep chains must not overflow the stack.
        let mut again = BTreeSet::new();
        let mut stack = vec![self.problem.network.items[number].maker];
        while let Some(task) = stack.pop() {
            let is_made = self.problem.ops[task].results().all(|v| self.fresh.contains_key(&v));
            if is_made || !again.insert(task) {
                continue;
            }
            let items = &self.problem.network.items;
            let reads = self.problem.network.tasks[task].reads.iter().filter(|item| !self.choice.kept[**item]);
            stack.extend(reads.map(|item| items[*item].maker));
        }
        for task in again {
            self.again(self.problem.ops[task], reader)?;
        }
        Ok(self.fresh[&value])
    }

    fn barrier(&mut self, value: Value<'c>, reader: Operation<'c>) -> Result<Value<'c>> {
        if let Some(known) = self.fresh.get(&value) {
            return Ok(*known);
        }
        let b = Rewriter::at(reader);
        let barrier = b.barrier(value)?;
        self.fresh.insert(value, barrier);
        Ok(barrier)
    }

    /// Computes an op again, from what is kept and what was computed again.
    fn again(&mut self, op: Operation<'c>, reader: Operation<'c>) -> Result {
        let mut operands = HashMap::new();
        for operand in op.operands().filter(|v| v.ty().as_tensor().is_some()) {
            let is_constant = operand.defining_op().is_some_and(|op| op.has_trait("constant_like"));
            let is_ready = self.fresh.contains_key(&operand) || is_constant;
            if !is_ready {
                self.barrier(operand, reader)?;
            }
            if let Some(fresh) = self.fresh.get(&operand) {
                operands.insert(operand, *fresh);
            }
        }
        let copy = cloned(&Rewriter::at(reader), op, &mut operands);
        copy.remove_attribute(CHECKPOINT);
        self.fresh.extend(op.results().zip(copy.results()));
        self.count += usize::from(self.op_at.contains_key(&op));
        Ok(())
    }
}
