//! Kernels of their own for what a product computes besides, while its elements are in registers.

use thunder_interface::Cost;
use thunder_ir::{Operation, Value};

use super::super::epilogue::{is_half, sole_product};
use super::Partitioner;

/// The operations of products that keep a GPU busy, and so have kernels as parts where these ask for nothing else.
const LARGE: f64 = (1_u64 << 34) as f64;

impl<'c> Partitioner<'_, 'c> {
    /// Takes what is computed element by element from a large product out of groups that compute more, where its result is
    /// written in any case, or is made of several tensors: as a part of the product it needs no memory for that, and the
    /// group reads its result only.
    pub(super) fn split_parts(&mut self) {
        for group in 0..self.groups.len() {
            let mut own = self.groups[group].own.clone();
            own.sort_unstable_by_key(|op| self.position[op]);
            for op in own {
                if self.groups[group].own.len() > 1 && self.is_part(group, op) {
                    self.take_out(group, op);
                }
            }
        }
    }

    /// Whether an op of a group makes what others need as well, or one tensor of several, from a product that nobody else
    /// reads, and from nothing that the group makes.
    fn is_part(&self, group: usize, op: Operation<'c>) -> bool {
        let ops = &self.groups[group].ops;
        let [result] = op.results().collect::<Vec<_>>()[..] else { return false };
        let is_made = |value: Value<'c>| {
            value.defining_op().is_some_and(|maker| ops.contains(&maker) && !self.is_repeated(maker))
        };
        let repeated = self.repeated(op);
        let mut needed = repeated.iter().chain([&op]).flat_map(|op| op.operands());
        let large = op.operands().filter(|value| value.ty().as_tensor().is_some()).find_map(|value| {
            let product = sole_product(value, self.shapes, &|user| user == op)?;
            (is_half(value) && self.is_large(product)).then_some(value)
        });
        let Some(product) = large else { return false };
        let is_all = |value: Value<'c>| self.shapes.dims(value) == self.shapes.dims(product) && is_half(value);
        let leaves = || result.uses().iter().any(|(user, _)| !ops.contains(user));
        let joins = || op.operand_count() > 1 && op.operands().all(is_all);
        op.has_trait("elementwise") && is_all(result) && (leaves() || joins()) && !needed.any(is_made)
    }

    fn is_large(&self, product: Operation<'c>) -> bool {
        let known =
            |value: Value<'c>| self.shapes.dims(value).iter().map(|dim| dim.known()).collect::<Option<Vec<i64>>>();
        let operands: Option<Vec<_>> = product.operands().map(known).collect();
        let results: Option<Vec<_>> = product.results().map(known).collect();
        let flops = |cost: &dyn Cost| Some(cost.flops(&operands?, &results?));
        <dyn Cost>::of(product).and_then(|cost| flops(&*cost)).is_some_and(|flops| flops >= LARGE)
    }

    /// Gives an op a group of its own, with what it alone repeats.
    fn take_out(&mut self, group: usize, op: Operation<'c>) {
        let repeated = self.repeated(op);
        let from = &mut self.groups[group];
        from.own.retain(|other| *other != op);
        from.ops.retain(|other| *other != op);
        for op in repeated.iter().rev() {
            if !op.results().flat_map(Value::uses).any(|(user, _)| from.ops.contains(&user)) {
                from.ops.retain(|other| other != op);
            }
        }
        self.alone(op, Vec::new());
    }
}
