//! Reductions of rows that are made beside what else is made of these rows: panel by panel.
//!
//! Whoever computes many rows, one after the other, can reduce their columns at hand, so that what is reduced is in no
//! memory: gradients of weights beside those of what these scale. What panels give is reduced by a kernel that follows.

use thunder_interface::{Dim, Panels};
use thunder_ir::{Operation, Result, Rewriter, Value};

use super::{Group, Grouping, Partitioner};
use crate::kernels::rows::{Access, accesses, rule_of};
use crate::shapes::Shapes;

/// Panels of a kernel at most, and elements of what they give: a large GPU runs so many together.
const MOST_PANELS: i64 = 512;
const MOST_ELEMENTS: i64 = 1 << 20;
/// Panels of a kernel that makes no totals of rows: threads wait for nothing of each other, and one block keeps a
/// multiprocessor busy.
const MOST_APART: i64 = 128;
/// Rows of a panel at least: what panels give is written and read again.
const LEAST_ROWS: i64 = 8;
/// Panels of a kernel at least, so that a GPU is busy.
const LEAST_PANELS: i64 = 64;
/// Elements of a row at most, of which threads keep one total each, and what their number is a multiple of.
const COLUMNS: (i64, i64) = (16384, 8);

/// A reduction of columns.
#[derive(Clone)]
pub struct Panel<'c> {
    /// The op.
    pub op: Operation<'c>,
    /// The view of rows as panels, where it is made of these.
    view: Option<Operation<'c>>,
    /// The sizes of what counts rows, and of a row.
    rows: Vec<Dim>,
    columns: Vec<Dim>,
}

impl<'c> Panel<'c> {
    /// A reduction of rows that may be made of panels.
    fn possible(op: Operation<'c>) -> Option<Self> {
        <dyn Panels>::of(op)?;
        let (from, columns) = (sizes(op.operand(0))?, sizes(op.result(0))?);
        let rank = columns.len();
        let reads = rule_of(op).filter(|_| rank > 0).and_then(|rule| accesses(&rule, rank))?;
        let rows = from.get(..from.len() - rank)?.to_vec();
        let panel = Self { op, view: None, rows, columns };
        (reads == [Access::Column] && panel.count(MOST_PANELS).is_some()).then_some(panel)
    }

    /// A reduction of panels, of rows that are seen as such.
    pub fn seen(op: Operation<'c>) -> Option<Self> {
        let view = op.operand(0).defining_op()?;
        let (from, to) = (sizes(view.operand(0))?, sizes(op.result(0))?);
        let columns = to.get(1..)?.to_vec();
        let rows = from.get(..from.len() - columns.len())?.to_vec();
        Some(Self { op, view: Some(view), rows, columns })
    }

    /// How many panels there are to be, if there should be any: so many at most.
    fn count(&self, most: i64) -> Option<i64> {
        let (rows, columns) = (Dim::product(&self.rows).known()?, Dim::product(&self.columns).known()?);
        let fits = columns > 0 && columns <= COLUMNS.0 && columns % COLUMNS.1 == 0;
        let most = most.min(rows / LEAST_ROWS).min(MOST_ELEMENTS / columns.max(1));
        let count = (LEAST_PANELS..=most).rev().find(|count| rows % count == 0).filter(|_| fits)?;
        // Rows that are counted like panels are seen as such already.
        (self.rows != [Dim::Known(rows / count), Dim::Known(count)]).then_some(count)
    }

    fn dims(&self) -> Vec<Dim> {
        [&self.rows[..], &self.columns[..]].concat()
    }
}

fn sizes(value: Value<'_>) -> Option<Vec<Dim>> {
    Some(value.ty().as_tensor()?.static_dims()?.into_iter().map(Dim::Known).collect())
}

/// Makes reductions of rows in two steps where a kernel can do the first beside what else it makes of these; the ops that
/// reduce panels.
pub fn in_panels<'c>(function: Operation<'c>) -> Result<Vec<Operation<'c>>> {
    let shapes = Shapes::of(function)?;
    let mut p = Partitioner::new(function, &shapes, Grouping::Gpu { has_parts: false })?;
    p.panels = p.ops.iter().filter_map(|op| Panel::possible(*op)).collect();
    if p.panels.is_empty() {
        return Ok(Vec::new());
    }
    p.place_all();
    let mut made = Vec::new();
    let homes = p.groups.iter().filter(|group| p.makes_more(group));
    for (group, op) in homes.flat_map(|group| group.panels.iter().map(move |op| (group, op))) {
        let makes_total = |op: &Operation<'c>| <dyn Panels>::of(*op).is_some() && !group.panels.contains(op);
        let most = if group.ops.iter().any(makes_total) { MOST_PANELS } else { MOST_APART };
        // Not every number of rows has so few panels.
        let count = Panel::possible(*op).and_then(|panel| panel.count(most).or(panel.count(MOST_PANELS)));
        let count = count.ok_or_else(|| op.error("internal: its rows have no panels"))?;
        let rule = <dyn Panels>::of(*op).ok_or_else(|| op.error("internal: cannot be made of panels"))?;
        let rewriter = Rewriter::at(*op);
        let (of_panels, whole) = rule.in_panels(&rewriter, count)?;
        rewriter.replace(*op, &[whole])?;
        made.extend(of_panels.defining_op());
    }
    Ok(made)
}

impl<'c> Partitioner<'_, 'c> {
    /// Whether an op is the view of rows as panels, which the kernel that reduces them has for itself.
    pub(super) fn sees_panels(&self, op: Operation<'c>) -> bool {
        self.panels.iter().any(|panel| panel.view == Some(op))
    }

    /// Gives each reduction of rows to a group that makes or reads these, else a group of its own.
    pub(super) fn place_panels(&mut self) {
        for panel in self.panels.clone() {
            let own = self.alone(panel.op, Vec::new());
            self.gather(own);
            let mut homes: Vec<_> =
                (0..own).filter_map(|group| Some((self.shares(group, own, &panel)?, group))).collect();
            // One that makes what is reduced comes before one that reads it as well.
            homes.sort_unstable_by(|a, b| b.cmp(a));
            let home = homes.into_iter().map(|(_, group)| group).find(|group| self.is_home(*group, own, &panel));
            if let Some(group) = home {
                self.merge(own, group);
                self.groups[group].rows = panel.rows.len();
                self.groups[group].panels.push(panel.op);
            }
        }
        self.merge_wholes();
    }

    /// Takes in what only this group reads.
    fn gather(&mut self, own: usize) {
        loop {
            let read = self.groups[own].ops.iter().flat_map(|op| op.operands()).filter_map(Value::defining_op);
            let makers = read.filter_map(|maker| self.group_of.get(&maker).copied()).filter(|other| *other != own);
            let feeds = |other: &usize| {
                let uses = self.groups[*other].own.iter().flat_map(|op| op.results()).flat_map(Value::uses);
                uses.map(|(user, _)| user).all(|user| self.is_used_within(user, [own, *other]))
            };
            let Some(other) = makers.into_iter().find(feeds) else { return };
            self.merge(other, own);
        }
    }

    /// Makes one kernel of those that reduce what one kernel gives of panels.
    fn merge_wholes(&mut self) {
        for group in 0..self.groups.len() {
            let users = self.groups[group].panels.iter().flat_map(|op| op.result(0).uses()).map(|(user, _)| user);
            let mut wholes: Vec<usize> = users.filter_map(|user| self.group_of.get(&user).copied()).collect();
            wholes.sort_unstable();
            wholes.dedup();
            let Some((first, others)) = wholes.split_first() else { continue };
            for other in others {
                if self.may_merge(*first, *other) {
                    self.merge(*other, *first);
                }
            }
        }
    }

    /// Whether a group makes more than what its reductions of panels read.
    fn makes_more(&self, group: &Group<'c>) -> bool {
        let leaves = |value: Value<'c>| value.uses().iter().any(|(user, _)| !group.ops.contains(user));
        let mut others = group.own.iter().filter(|op| !group.panels.contains(op)).flat_map(|op| op.results());
        others.any(leaves)
    }

    /// Whether an op is of these groups, or is repeated for such only.
    fn is_used_within(&self, user: Operation<'c>, groups: [usize; 2]) -> bool {
        let is_repeated = || {
            let mut uses = user.results().flat_map(Value::uses).map(|(user, _)| user);
            self.is_repeated(user) && uses.all(|user| self.is_used_within(user, groups))
        };
        self.group_of.get(&user).is_some_and(|of| groups.contains(of)) || is_repeated()
    }

    /// Whether a group makes what the reduction reads; else nothing unless it reads it as well.
    fn shares(&self, group: usize, own: usize, panel: &Panel<'c>) -> Option<bool> {
        let (group, own) = (&self.groups[group], &self.groups[own]);
        let dims = panel.dims();
        let is_read = |value: &Value<'c>| {
            let inner = value.defining_op().is_some_and(|op| own.ops.contains(&op));
            !inner && value.ty().as_tensor().is_some() && self.shapes.dims(*value) == dims
        };
        let read: Vec<_> = own.ops.iter().flat_map(|op| op.operands()).filter(is_read).collect();
        let makes = read.iter().any(|value| value.defining_op().is_some_and(|op| group.own.contains(&op)));
        let reads = || group.ops.iter().flat_map(|op| op.operands()).any(|value| read.contains(&value));
        (makes || reads()).then_some(makes)
    }

    /// Whether all that a group makes is of the rows that are reduced, element by element or by totals of rows, and neither
    /// group needs the other in other ways.
    fn is_home(&self, group: usize, own: usize, panel: &Panel<'c>) -> bool {
        let (home, lead) = (&self.groups[group], panel.rows.len());
        let is_of_rows = |op: &Operation<'c>| {
            let computes = op.has_trait("elementwise") || <dyn Panels>::of(*op).is_some();
            let is_made = |value: Value<'c>| {
                let dims = self.shapes.dims(value);
                let row = dims.strip_prefix(&panel.rows[..]);
                row.is_some_and(|row| row == &panel.columns[..] || row.iter().all(|dim| *dim == Dim::Known(1)))
            };
            home.panels.contains(op) || computes && op.results().all(is_made)
        };
        let is_same = |op: &Operation<'c>| self.panels.iter().any(|other| other.op == *op && other.rows == panel.rows);
        let is_by_rows = |op: &Operation<'c>| !self.panels.iter().any(|p| p.op == *op || p.view == Some(*op));
        let ops: Vec<_> = self.union(group, own).into_iter().filter(is_by_rows).collect();
        home.rows >= lead
            && home.dims.starts_with(&panel.rows)
            && home.own.iter().chain(&self.groups[own].own).filter(|op| **op != panel.op).all(is_of_rows)
            && home.panels.iter().all(is_same)
            && self.fits(&ops, &[], lead, &panel.dims())
            && !self.would_cycle(group, &self.groups[own].ops)
            && !self.would_cycle(own, &home.ops)
    }
}
