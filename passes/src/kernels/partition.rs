//! Decides which ops share a kernel.

mod again;
mod cycles;
mod long;
mod panels;
mod parts;
mod rearranged;
mod roles;
mod siblings;

use std::collections::{HashMap, HashSet};

use thunder_interface::{Dim, Library, LibraryCall, Strided, StridedView};
use thunder_ir::{Operation, Result, Value};

use super::rows::{Access, accesses, columns, rule_of};
use crate::machine::Machine;
use crate::shapes::Shapes;
use panels::Panel;
use roles::{Role, generates};

/// Rows of fewer elements are not looked for elsewhere one by one.
const SHORT_ROW: i64 = 32;

/// How many ops and groups are looked at in search of a cycle. What is farther away than so many gains nothing from a
/// kernel in common: it is out of cache.
const SEARCH_LIMIT: usize = 128;

/// A group of ops that become one kernel.
#[derive(Debug)]
pub struct Group<'c> {
    /// The ops, each after what it uses; ops that are cheap to repeat may be in several groups.
    pub ops: Vec<Operation<'c>>,
    /// Those of them that no other group repeats: their results may leave the kernel.
    pub own: Vec<Operation<'c>>,
    /// How many leading dimensions of every result are rows.
    pub rows: usize,
    /// Those of `own` that reduce rows by panels, whose results have one dimension for these instead.
    pub panels: Vec<Operation<'c>>,
    /// The groups that ops of it could not join.
    pub missed: Vec<Missed<'c>>,
    dims: Vec<Dim>,
    last: usize,
}

/// An op that reads what another group makes, and is not of that group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed<'c> {
    /// The name of the op.
    pub op: &'c str,
    /// The number of the group.
    pub group: usize,
    /// What is in the way.
    pub obstacle: Obstacle,
}

/// Why an op cannot join a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// They have no rows in common.
    Rows,
    /// A row of the op needs more than the same row of the group.
    Whole,
    /// Something else between them needs the group, or may: it is far away.
    Between,
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Rows => "their rows differ",
            Self::Whole => "a row needs other rows of it",
            Self::Between => "something between them needs it first",
        })
    }
}

/// The parts of a function.
pub struct Partition<'c> {
    /// The groups.
    pub groups: Vec<Group<'c>>,
    /// Everything else but the terminator, in order.
    pub others: Vec<Operation<'c>>,
}

/// The numbers of the groups that have each op.
pub(super) type Holders<'c> = HashMap<Operation<'c>, Vec<usize>>;

pub(super) fn holders_of<'c>(groups: &[Group<'c>]) -> Holders<'c> {
    let mut holders = Holders::new();
    for (number, group) in groups.iter().enumerate() {
        group.ops.iter().for_each(|op| holders.entry(*op).or_default().push(number));
    }
    holders
}

struct Partitioner<'a, 'c> {
    shapes: &'a Shapes<'c>,
    ops: Vec<Operation<'c>>,
    position: HashMap<Operation<'c>, usize>,
    roles: Vec<Role>,
    group_of: HashMap<Operation<'c>, usize>,
    groups: Vec<Group<'c>>,
    /// What may be made beside what else is made of the same rows.
    panels: Vec<Panel<'c>>,
    /// What reduces parts: each is a row.
    parts: &'a [Operation<'c>],
    grouping: Grouping,
}

/// First steps of reductions that are made in two.
#[derive(Debug, Default)]
pub struct Firsts<'c> {
    /// Those that reduce panels of rows.
    pub panels: Vec<Operation<'c>>,
    /// Those that reduce parts of what is long.
    pub parts: Vec<Operation<'c>>,
}

impl<'c> Firsts<'c> {
    /// Makes reductions in steps, so that all of a GPU's multiprocessors have a part of them.
    pub fn of(function: Operation<'c>) -> Result<Self> {
        let panels = panels::in_panels(function)?;
        let parts = long::in_steps(function, &panels)?;
        Ok(Self { panels, parts })
    }
}

/// How ops are grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// Each by itself.
    Separate,
    /// For the threads of a processor.
    Cpu,
    /// For a GPU, where arithmetic costs less than memory: what is wide and quickly made of what is narrow is made again by
    /// each kernel that reads it.
    Gpu {
        /// Whether its products may have kernels as parts.
        has_parts: bool,
    },
}

impl Grouping {
    /// For a machine.
    pub fn of(machine: &Machine) -> Self {
        if machine.is_gpu { Self::Gpu { has_parts: machine.has_parts } } else { Self::Cpu }
    }

    /// Whether it is for a GPU.
    pub fn is_gpu(self) -> bool {
        matches!(self, Self::Gpu { .. })
    }
}

/// Partitions the one block of `function`, some of whose ops are first steps.
pub fn partition<'c>(
    function: Operation<'c>,
    shapes: &Shapes<'c>,
    grouping: Grouping,
    firsts: &Firsts<'c>,
) -> Result<Partition<'c>> {
    let mut p = Partitioner::new(function, shapes, grouping)?;
    p.panels = firsts.panels.iter().filter_map(|op| Panel::seen(*op)).collect();
    p.parts = &firsts.parts;
    p.place_all();
    let others = p
        .ops
        .iter()
        .zip(&p.roles)
        .filter(|(op, role)| {
            // A library may take a view that kernels repeat for themselves.
            let is_view = <dyn Strided>::of(**op).is_some() && !p.sees_panels(**op) && p.is_taken(**op);
            (**role == Role::Stays || is_view) && !op.has_trait("terminator")
        })
        .map(|(op, _)| *op)
        .collect();
    // Those whose ops other groups took are empty.
    p.groups.retain(|group| !group.ops.is_empty());
    Ok(Partition { groups: p.groups, others })
}

impl<'a, 'c> Partitioner<'a, 'c> {
    fn new(function: Operation<'c>, shapes: &'a Shapes<'c>, grouping: Grouping) -> Result<Self> {
        let block = function.regions().next().and_then(|r| r.entry()).ok_or_else(|| function.error("has no body"))?;
        let ops = block.operations();
        Ok(Self {
            shapes,
            roles: vec![Role::Stays; ops.len()],
            position: ops.iter().enumerate().map(|(i, op)| (*op, i)).collect(),
            ops,
            group_of: HashMap::new(),
            groups: Vec::new(),
            panels: Vec::new(),
            parts: &[],
            grouping,
        })
    }

    /// Finds a group for each op; what reduces panels comes last, where it may join any.
    fn place_all(&mut self) {
        self.assign_roles();
        for index in 0..self.ops.len() {
            let op = self.ops[index];
            if self.roles[index] == Role::Computed && !self.panels.iter().any(|panel| panel.op == op) {
                self.place(op);
            }
        }
        if self.grouping != Grouping::Separate {
            if self.grouping.is_gpu() {
                self.merge_rearranged();
            }
            self.merge_siblings();
            self.place_panels();
            self.split_cycles();
            if self.grouping.is_gpu() {
                self.compute_again();
            }
            if self.grouping == (Grouping::Gpu { has_parts: true }) {
                self.split_parts();
            }
        }
    }

    /// The ops that `op` needs repeated in its own kernel, each after what it uses.
    fn repeated(&self, op: Operation<'c>) -> Vec<Operation<'c>> {
        let mut found = Vec::new();
        self.collect_repeated(op, &mut found);
        found
    }

    fn collect_repeated(&self, op: Operation<'c>, found: &mut Vec<Operation<'c>>) {
        for producer in op.operands().filter_map(Value::defining_op) {
            let Some(index) = self.position.get(&producer) else { continue };
            if self.roles[*index] == Role::Repeated && !found.contains(&producer) {
                self.collect_repeated(producer, found);
                found.push(producer);
            }
        }
    }

    fn place(&mut self, op: Operation<'c>) {
        let mut ops = self.repeated(op);
        ops.push(op);
        let dims = self.shapes.dims(op.result(0));
        let mut candidates: Vec<usize> = ops
            .iter()
            .flat_map(|op| op.operands().filter_map(Value::defining_op))
            .filter_map(|producer| self.group_of.get(&producer).copied())
            .collect();
        candidates.sort_unstable_by(|a, b| b.cmp(a));
        candidates.dedup();
        let last = self.position[&op];
        let mut missed = Vec::new();
        if self.grouping != Grouping::Separate {
            let mut joinable = Vec::new();
            for group in candidates {
                match self.joint_rows(group, &ops, &dims) {
                    Ok(rows) if !self.would_cycle(group, &ops) => joinable.push((group, rows)),
                    outcome => {
                        let obstacle = outcome.err().unwrap_or(Obstacle::Between);
                        missed.push(Missed { op: op.name(), group, obstacle });
                    }
                }
            }
            // The one that takes in most of the others.
            let takes_in = |(group, _): &(usize, usize)| {
                joinable.iter().filter(|(other, _)| self.is_only_for(*other, *group, op, &dims)).count()
            };
            let best = joinable.iter().rev().max_by_key(|candidate| takes_in(candidate)).copied();
            if let Some((group, rows)) = best {
                let joined = &mut self.groups[group];
                let new: Vec<_> = ops.into_iter().filter(|o| !joined.ops.contains(o)).collect();
                joined.ops.extend(new);
                joined.own.push(op);
                joined.missed.extend(missed);
                joined.rows = rows;
                joined.last = last;
                self.group_of.insert(op, group);
                self.absorb(group, op, &dims);
                return;
            }
        }
        let group = self.alone(op, missed);
        if self.grouping != Grouping::Separate {
            self.absorb(group, op, &dims);
        }
    }

    /// Gives an op a group of its own.
    fn alone(&mut self, op: Operation<'c>, missed: Vec<Missed<'c>>) -> usize {
        let mut ops = self.repeated(op);
        ops.push(op);
        let dims = self.shapes.dims(op.result(0));
        let rows = (0..=dims.len()).rev().find(|rows| self.fits(&ops, &[], *rows, &dims)).unwrap_or(0);
        let group = self.groups.len();
        self.group_of.insert(op, group);
        let last = self.position[&op];
        self.groups.push(Group { ops, own: vec![op], rows, panels: Vec::new(), missed, dims, last });
        group
    }

    /// The rows that a group has when `ops` join it, or why they cannot.
    fn joint_rows(&self, group: usize, ops: &[Operation<'c>], dims: &[Dim]) -> Result<usize, Obstacle> {
        let group = &self.groups[group];
        let common = group.dims.iter().zip(dims).take_while(|(a, b)| a == b).count();
        let most = group.rows.min(common);
        let rows = (1..=most).rev().find(|rows| self.fits(ops, &group.ops, *rows, dims));
        rows.ok_or(if most == 0 { Obstacle::Rows } else { Obstacle::Whole })
    }

    /// Moves what only `group` uses into it, now that `op` joined, where rows can be shared.
    fn absorb(&mut self, group: usize, op: Operation<'c>, dims: &[Dim]) {
        let producers = op.operands().filter_map(Value::defining_op);
        let mut others: Vec<usize> = producers.filter_map(|p| self.group_of.get(&p).copied()).collect();
        others.sort_unstable();
        others.dedup();
        for other in others.into_iter().filter(|other| *other != group) {
            if !self.is_only_for(other, group, op, dims) && !self.feeds_columns(other, group) {
                continue;
            }
            let ops = self.union(other, group);
            let most = self.groups[group].rows.min(self.groups[other].rows);
            let Some(rows) = (1..=most).rev().find(|rows| self.fits(&ops, &[], *rows, dims)) else { continue };
            if self.would_cycle(group, &self.groups[other].ops) {
                continue;
            }
            self.merge(other, group);
            self.groups[group].rows = rows;
        }
    }

    /// Whether nothing but `group` with `op` needs what `other` makes, tensors of sizes `dims`, and it takes no more memory
    /// to keep what these are made from than to keep them.
    fn is_only_for(&self, other: usize, group: usize, op: Operation<'c>, dims: &[Dim]) -> bool {
        if other == group {
            return false;
        }
        let other_ops = &self.groups[other].ops;
        let leaves = |v: &Value<'c>| v.uses().iter().any(|(user, _)| !other_ops.contains(user));
        let made: Vec<Value<'c>> = self.groups[other].own.iter().flat_map(|op| op.results()).filter(leaves).collect();
        let is_outside = |v: &Value<'c>| v.defining_op().is_none_or(|op| !other_ops.contains(&op));
        let is_large = |v: &Value<'c>| v.ty().as_tensor().is_some_and(|ty| ty.rank() >= dims.len());
        let inputs = other_ops.iter().flat_map(|op| op.operands()).filter(|v| is_outside(v) && is_large(v));
        let inputs: HashSet<Value<'c>> = inputs.collect();
        let uses = self.groups[other].own.iter().flat_map(|op| op.results()).flat_map(Value::uses);
        uses.map(|(user, _)| user).all(|user| self.stays_within(user, [group, other], op))
            && made.iter().all(|v| self.shapes.dims(*v) == dims)
            && inputs.len() <= made.len()
    }

    /// Whether a user of something is `op` or of the groups, or is repeated for such only.
    fn stays_within(&self, user: Operation<'c>, groups: [usize; 2], op: Operation<'c>) -> bool {
        user == op
            || self.group_of.get(&user).is_some_and(|of| groups.contains(of))
            || self.is_repeated(user)
                && user.results().flat_map(Value::uses).all(|(user, _)| self.stays_within(user, groups, op))
    }

    /// Whether nothing but `group` reads what `other` makes, and only by columns, and that is better not a part of a product.
    fn feeds_columns(&self, other: usize, group: usize) -> bool {
        let (made, rows) = (&self.groups[other].own, self.groups[group].rows);
        let stays = |(user, number): &(Operation<'c>, usize)| match self.group_of.get(user) {
            Some(of) if *of == other => true,
            Some(of) if *of == group => {
                let accesses = rule_of(*user).and_then(|rule| accesses(&rule, rows));
                accesses.is_some_and(|accesses| accesses.get(*number) == Some(&Access::Column))
            }
            _ => false,
        };
        let mut uses = made.iter().flat_map(|op| op.results()).flat_map(Value::uses);
        rows > 0 && uses.all(|place| stays(&place)) && !self.may_be_epilogue(other)
    }

    /// Whether each of `ops` works row by row, and reads what the same kernel makes row by row.
    fn fits(&self, ops: &[Operation<'c>], members: &[Operation<'c>], rows: usize, dims: &[Dim]) -> bool {
        let inside =
            |value: Value<'c>| value.defining_op().is_some_and(|op| members.contains(&op) || ops.contains(&op));
        let is_row = |op: &Operation<'c>| !self.parts.contains(op) || self.shapes.dims(op.result(0)).len() == rows;
        if !ops.iter().chain(members).all(is_row) {
            return false;
        }
        let columns = columns(ops, rows);
        // An op that repeats what rows share is not itself made of rows.
        let mut shared: Vec<Operation<'c>> = Vec::new();
        for op in ops.iter().rev() {
            if columns.contains(op) {
                // It becomes a part of the loops that read it: nobody else may.
                let is_part = op.has_trait("elementwise") && op.results().all(|value| value.uses().len() == 1);
                if is_part {
                    continue;
                }
                if !self.is_repeated(*op) {
                    return false;
                }
                shared.push(*op);
            }
            let is_shared = shared.contains(op);
            let rule = rule_of(*op);
            if is_shared {
                shared.extend(op.operands().filter_map(Value::defining_op));
                continue;
            }
            let Some(rule) = rule else { return rows == 0 && ops.len() == 1 };
            if self.shapes.dims(op.result(0)).get(..rows) != dims.get(..rows) {
                return false;
            }
            // A GPU's threads know the numbers of their rows, and so count them.
            if self.grouping.is_gpu() && generates(*op, 0) {
                continue;
            }
            let Some(accesses) = accesses(&rule, rows) else { return false };
            // A processor's threads are given the same part of all inputs.
            if accesses.contains(&Access::Outer) && !self.grouping.is_gpu() {
                return false;
            }
            if accesses.contains(&Access::Moved) && self.is_short(op.result(0), rows) {
                return false;
            }
            for (operand, access) in op.operands().zip(accesses) {
                if access == Access::Aligned || rows == 0 || !inside(operand) {
                    continue;
                }
                if access == Access::Column && operand.defining_op().is_some_and(|op| columns.contains(&op)) {
                    continue;
                }
                if [Access::Moved, Access::Outer, Access::Column].contains(&access) {
                    return false;
                }
                let producer = operand.defining_op().filter(|p| self.is_repeated(*p));
                match producer {
                    Some(producer) => shared.push(producer),
                    None => return false,
                }
            }
        }
        true
    }

    /// Whether rows are so short that it costs more to find the place of each than to read it there.
    fn is_short(&self, value: Value<'c>, rows: usize) -> bool {
        let dims = self.shapes.dims(value);
        let sizes = dims.iter().skip(rows).map(|dim| dim.known());
        sizes.product::<Option<i64>>().is_some_and(|elements| elements < SHORT_ROW)
    }

    fn is_repeated(&self, op: Operation<'c>) -> bool {
        self.position.get(&op).is_some_and(|i| self.roles[*i] == Role::Repeated)
    }

    /// Whether something that `ops` need from outside the group needs the group itself, or may: far from the group the
    /// search ends.
    fn would_cycle(&self, group: usize, ops: &[Operation<'c>]) -> bool {
        let first = self.groups[group].own.iter().filter_map(|o| self.position.get(o)).min().copied().unwrap_or(0);
        let mut stack: Vec<Operation<'c>> = ops
            .iter()
            .flat_map(|op| op.operands().filter_map(Value::defining_op))
            .filter(|p| !ops.contains(p) && self.group_of.get(p) != Some(&group))
            .collect();
        let mut seen = HashSet::new();
        let mut seen_groups = HashSet::new();
        while let Some(op) = stack.pop() {
            if seen.len() + seen_groups.len() > SEARCH_LIMIT {
                return true;
            }
            let next: Vec<Operation<'c>> = match self.group_of.get(&op) {
                Some(found) if *found == group => return true,
                Some(found) => {
                    if self.groups[*found].last < first || !seen_groups.insert(*found) {
                        continue;
                    }
                    self.groups[*found].ops.clone()
                }
                None => {
                    let is_early = self.position.get(&op).is_none_or(|i| *i < first);
                    if is_early || !seen.insert(op) {
                        continue;
                    }
                    vec![op]
                }
            };
            stack.extend(next.iter().flat_map(|op| op.operands().filter_map(Value::defining_op)));
        }
        false
    }
}

/// A value as a view of the value that owns its memory, through ops that only look differently.
///
/// The result of a library that is only wanted in another order of dimensions has no memory: it is a
/// view of the reordered value. What cannot be seen in the memory of what it is made from has its own.
pub fn layout<'c>(value: Value<'c>, shapes: &Shapes<'c>) -> Option<(Value<'c>, StridedView)> {
    if let Some((user, permutation)) = absorber(value, shapes) {
        let target = StridedView::dense(shapes.dims(user.result(0)));
        let mut strides = target.strides.clone();
        for (to, from) in permutation.iter().enumerate() {
            strides[*from] = target.strides[to].clone();
        }
        let view = StridedView { sizes: shapes.dims(value), strides, offset: Dim::Known(0) };
        return Some((user.result(0), view));
    }
    let source = value.defining_op().and_then(|op| Some((op, <dyn Strided>::of(op)?)));
    let Some((op, strided)) = source.filter(|(op, _)| absorbed_permutation(*op, shapes).is_none()) else {
        return Some((value, StridedView::dense(shapes.dims(value))));
    };
    let (root, view) = layout(op.operand(0), shapes)?;
    let own = (value, StridedView::dense(shapes.dims(value)));
    Some(strided.view(&view, &shapes.dims(value)).map_or(own, |view| (root, view)))
}

/// Whether a library's op takes an operand as the view that it is: products want adjacent rows or columns, attention
/// contiguous vectors, a convolution contiguous tensors.
pub fn takes_view<'c>(user: Operation<'c>, value: Value<'c>, shapes: &Shapes<'c>) -> bool {
    let library = <dyn Library>::of(user);
    let (Some(call), Some((_, view))) = (library.as_ref().and_then(|l| l.library()), layout(value, shapes)) else {
        return false;
    };
    let mask = match call {
        LibraryCall::Matmul { .. } => {
            let inner = view.strides.len().saturating_sub(2);
            return view.strides[inner..].contains(&Dim::Known(1));
        }
        LibraryCall::ScaledMatmul { lhs, rhs, .. } => {
            let is_matrix = value == lhs || value == rhs;
            return if is_matrix { view.strides.contains(&Dim::Known(1)) } else { view.is_dense() };
        }
        LibraryCall::UpdateSlice { .. } => return library.is_some_and(|library| library.takes_views()),
        LibraryCall::Convolution { .. } => return view.is_dense(),
        LibraryCall::Attention { mask, .. } | LibraryCall::AttentionBackward { mask, .. } => mask,
    };
    let is_one = |dim: Option<&Dim>| dim == Some(&Dim::Known(1));
    mask == Some(value) || is_one(view.strides.last()) || is_one(view.sizes.last())
}

/// The order of dimensions in which a library may write its result at once: `op` permutes an attention's result, and who
/// else uses that sees it in the same order. Entry `i` is the operand's dimension that becomes `i`.
pub fn absorbed_permutation<'c>(op: Operation<'c>, shapes: &Shapes<'c>) -> Option<Vec<usize>> {
    <dyn Strided>::of(op)?;
    absorber(op.operand(0), shapes).filter(|(user, _)| *user == op).map(|(_, permutation)| permutation)
}

/// The first op that wants the result of a library in the order that the library may write it in at once, and that order.
fn absorber<'c>(value: Value<'c>, shapes: &Shapes<'c>) -> Option<(Operation<'c>, Vec<usize>)> {
    let maker = value.defining_op()?;
    let library = <dyn Library>::of(maker)?;
    if !matches!(library.library(), Some(LibraryCall::Attention { .. } | LibraryCall::AttentionBackward { .. })) {
        return None;
    }
    let users: Vec<Operation<'c>> = value.uses().into_iter().map(|(user, _)| user).collect();
    if users.iter().any(|user| user.block() != maker.block()) {
        return None;
    }
    let first = users.iter().copied().reduce(|first, user| if user.is_before(first) { user } else { first })?;
    // Libraries write contiguous vectors.
    let order = permutation(first, shapes)?;
    users.into_iter().all(|user| sees_as(user, &order, shapes)).then_some((first, order))
}

/// Whether an op sees its operand in this order of dimensions, or leaves that to those that use its own result.
fn sees_as<'c>(op: Operation<'c>, order: &[usize], shapes: &Shapes<'c>) -> bool {
    let Some(own) = permutation(op, shapes) else { return false };
    let is_same = own.iter().copied().eq(0..own.len());
    own == order || is_same && op.result(0).uses().into_iter().all(|(user, _)| sees_as(user, order, shapes))
}

/// How an op sees its operand, if it is a view of that.
fn seen<'c>(op: Operation<'c>, shapes: &Shapes<'c>) -> Option<StridedView> {
    let strided = <dyn Strided>::of(op)?;
    strided.view(&StridedView::dense(shapes.dims(op.operand(0))), &shapes.dims(op.result(0)))
}

/// The order of dimensions, of which the last stays so, in which an op sees all elements of its operand. Entry `i` is the
/// operand's dimension that becomes `i`.
fn permutation<'c>(op: Operation<'c>, shapes: &Shapes<'c>) -> Option<Vec<usize>> {
    let to = seen(op, shapes)?;
    let from = StridedView::dense(shapes.dims(op.operand(0)));
    if to.sizes.len() != from.sizes.len() || to.offset != Dim::Known(0) {
        return None;
    }
    let mut permutation: Vec<usize> = Vec::new();
    for (size, stride) in to.sizes.iter().zip(&to.strides) {
        let axis = (0..from.sizes.len())
            .find(|axis| !permutation.contains(axis) && from.sizes[*axis] == *size && from.strides[*axis] == *stride)?;
        permutation.push(axis);
    }
    let last = permutation.len().checked_sub(1)?;
    (permutation.last() == Some(&last)).then_some(permutation)
}
