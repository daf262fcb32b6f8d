//! What becomes of each op: whether it stays in the function, has a kernel, or is repeated in those that use it.

use thunder_interface::{Control, Cost, Dim, Library, Panels, SizeRule, Strided, StridedView, dtype_of};
use thunder_ir::{Operation, Value};

use super::{Partitioner, absorbed_permutation, layout, takes_view};
use crate::kernels::rows::{Access, accesses, rule_of};

/// Constants of at most this many elements are repeated in the kernels that use them.
const SMALL_CONSTANT: i64 = 16;

/// How many ops may follow what is made of no tensor, such as the counters of random numbers, to be made again by all that use
/// them, and how many operations each may take for an element.
const FROM_NOTHING: usize = 4;
const FEW: f64 = 4.0;

/// What happens to an op.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Stays in the function: libraries, loops, views that cost nothing, large constants, sizes.
    Stays,
    /// Is repeated in each kernel that uses it.
    Repeated,
    /// Belongs to one kernel.
    Computed,
}

impl<'c> Partitioner<'_, 'c> {
    /// Users decide whether a view or a generator must exist in memory, so go backwards.
    pub(super) fn assign_roles(&mut self) {
        for index in (0..self.ops.len()).rev() {
            let op = self.ops[index];
            self.roles[index] = self.role(op);
        }
    }

    fn role(&self, op: Operation<'c>) -> Role {
        if op.has_trait("terminator") || op.regions().len() > 0 || op.name() == "func.call" {
            return Role::Stays;
        }
        let computes_tensor = op.results().any(|v| v.ty().as_tensor().is_some());
        if !computes_tensor || <dyn SizeRule>::of(op).is_some() {
            return Role::Stays;
        }
        if <dyn Library>::of(op).is_some_and(|l| l.library().is_some()) || <dyn Control>::of(op).is_some() {
            return Role::Stays;
        }
        if op.has_trait("constant_like") {
            return if is_small_constant(op) && !self.needed_in_memory(op) { Role::Repeated } else { Role::Stays };
        }
        if <dyn Strided>::of(op).is_some() {
            if self.sees_panels(op) {
                return Role::Repeated;
            }
            if self.is_alias(op) {
                return Role::Stays;
            }
            return if self.needed_in_memory(op) { Role::Computed } else { Role::Repeated };
        }
        let is_repeated =
            generates(op, FROM_NOTHING) || self.widens(op) || self.grouping.is_gpu() && self.scales_narrow(op);
        if is_repeated && !self.needed_in_memory(op) { Role::Repeated } else { Role::Computed }
    }

    /// Whether an op only makes its operand's elements wider, for what computes element by element: these read the narrow ones,
    /// which are fewer bytes, and widen them again.
    fn widens(&self, op: Operation<'c>) -> bool {
        let width = |value: Value<'c>| dtype_of(value.ty().element()).map_or(0, |dtype| dtype.size());
        let is_conversion = op.has_trait("elementwise") && op.operand_count() == 1 && op.result_count() == 1;
        is_conversion && width(op.operand(0)) < width(op.result(0)) && self.feeds_elements(op)
    }

    /// Whether an op makes elements from narrower ones, which it widens, and from what many of them share, for what computes
    /// element by element or reduces: such as what a norm has before its weight.
    fn scales_narrow(&self, op: Operation<'c>) -> bool {
        let bytes = |value: Value<'c>| {
            let width = dtype_of(value.ty().element()).map_or(0, |dtype| dtype.size() as i64);
            Dim::product(&self.shapes.dims(value)).known().map(|count| count * width)
        };
        let is_wide = |op: Operation<'c>| op.has_trait("elementwise") && op.operand_count() == 1;
        let source = |value: Value<'c>| {
            let maker = value.defining_op()?;
            let is_free = is_wide(maker) || <dyn Strided>::of(maker).is_some();
            is_free.then(|| bytes(maker.operand(0))).flatten()
        };
        let read: Option<Vec<i64>> = op.operands().map(source).collect();
        let reads =
            |(user, _): (Operation<'c>, usize)| user.has_trait("elementwise") || <dyn Panels>::of(user).is_some();
        let is_narrow =
            |read: Vec<i64>| bytes(op.result(0)).is_some_and(|made| read.iter().sum::<i64>() * 4 < made * 3);
        op.has_trait("elementwise")
            && op.operand_count() > 1
            && op.result_count() == 1
            && read.is_some_and(is_narrow)
            && op.result(0).uses().into_iter().all(reads)
    }

    /// Whether all that uses the result of `op`, or a view of it, computes element by element or reduces columns.
    fn feeds_elements(&self, op: Operation<'c>) -> bool {
        op.results().flat_map(Value::uses).all(|(user, _)| {
            let is_view = || <dyn Strided>::of(user).is_some() && self.feeds_elements(user);
            user.has_trait("elementwise") || reduces_columns(user) || self.sees_panels(user) || is_view()
        })
    }

    /// Whether the result is its operand's memory, or the other way round.
    fn is_alias(&self, op: Operation<'c>) -> bool {
        absorbed_permutation(op, self.shapes).is_some() || self.view(op).is_some_and(|view| view.is_dense())
    }

    /// How the result of `op` is seen in another value's memory, if it can be.
    fn view(&self, op: Operation<'c>) -> Option<StridedView> {
        let (root, view) = layout(op.result(0), self.shapes)?;
        (root != op.result(0)).then_some(view)
    }

    /// Whether a user needs the result as dense memory: one that stays and cannot take a view.
    fn needed_in_memory(&self, op: Operation<'c>) -> bool {
        op.results().flat_map(Value::uses).any(|(user, _)| {
            let Some(index) = self.position.get(&user) else { return true };
            if self.roles[*index] != Role::Stays {
                let is_made = <dyn Strided>::of(op).is_none() || self.view(op).is_none();
                return is_made && self.is_taken(user);
            }
            let sees_through = takes_view(user, op.result(0), self.shapes)
                || <dyn Strided>::of(user).is_some_and(|_| self.is_alias(user));
            let takes_views = sees_through && <dyn Strided>::of(op).is_some();
            !(takes_views && self.view(op).is_some())
        })
    }

    /// Whether a library's op takes a view that kernels repeat, or a view of it: the memory behind it is read.
    pub(super) fn is_taken(&self, op: Operation<'c>) -> bool {
        let role = |user| self.position.get(&user).map_or(Role::Stays, |index| self.roles[*index]);
        role(op) == Role::Repeated
            && op.results().flat_map(Value::uses).any(|(user, _)| role(user) == Role::Stays || self.is_taken(user))
    }
}

/// Whether an op makes its elements of nothing that is in memory for each of them, by a few operations: at most `depth` ops
/// after what has no operands, or one that all elements share.
pub(super) fn generates(op: Operation<'_>, depth: usize) -> bool {
    let is_single = |value: Value<'_>| {
        value.ty().as_tensor().is_none_or(|ty| ty.static_dims().is_some_and(|d| d.iter().all(|n| *n == 1)))
    };
    let is_free = |value: Value<'_>| {
        value.defining_op().is_some_and(|maker| {
            let shares = <dyn Strided>::of(maker).is_some() && is_single(maker.operand(0));
            shares
                || maker.has_trait("constant_like") && is_small_constant(maker)
                || depth > 0 && generates(maker, depth - 1)
        })
    };
    let is_cheap = || {
        let ones = vec![vec![1]; op.operand_count().max(1)];
        <dyn Cost>::of(op).is_some_and(|cost| cost.flops(&ones, &ones[..1]) <= FEW)
    };
    op.operands().all(|value| value.ty().as_tensor().is_none())
        || op.has_trait("elementwise") && op.result_count() == 1 && is_cheap() && op.operands().all(is_free)
}

/// Whether an op reduces the first dimensions of its operand and no others.
fn reduces_columns(op: Operation<'_>) -> bool {
    let rows = op.results().next().and_then(|result| result.ty().as_tensor()).map_or(0, |ty| ty.rank());
    let accesses = rule_of(op).filter(|_| rows > 0).and_then(|rule| accesses(&rule, rows));
    accesses.is_some_and(|accesses| accesses == [Access::Column])
}

fn is_small_constant(op: Operation<'_>) -> bool {
    let count = op.result(0).ty().as_tensor().and_then(|t| t.static_dims()).map(|d| d.iter().product::<i64>());
    let splat = op.attribute("value").and_then(|a| a.splat_value()).is_some();
    splat || count.is_some_and(|c| c <= SMALL_CONSTANT)
}
