//! Moves groups of ops into functions of their own, one function for equal groups.

use std::collections::HashMap;

use thunder_interface::{DIM_NAMES, Dim};
use thunder_ir::{Attribute, Block, Blueprint, Error, Location, Operation, Result, Rewriter, Type, Value};

use super::partition::{Group, Holders, Partition, holders_of};
use super::rows::{Access, accesses, columns, rule_of};
use super::{KERNEL, PANELS, ROWS, SIZES, SYMBOL_COUNT};
use crate::shapes::{Shapes, dim_to_attribute};

/// Collects the kernels of a module.
pub struct Outliner<'c> {
    module: Block<'c>,
    names: HashMap<Content<'c>, String>,
    /// Whether kernels write what a function returns more than once as often: else that is copied.
    repeats: bool,
}

/// All of a kernel but its name and the places of its ops: equal kernels are one.
///
/// Values are numbered: inputs, then results of ops.
#[derive(PartialEq, Eq, Hash)]
struct Content<'c> {
    inputs: Vec<Type<'c>>,
    dims: Attribute<'c>,
    rows: Vec<i64>,
    ops: Vec<OpContent<'c>>,
    outputs: Vec<usize>,
}

#[derive(PartialEq, Eq, Hash)]
struct OpContent<'c> {
    name: &'c str,
    attributes: Vec<(&'c str, Attribute<'c>)>,
    operands: Vec<usize>,
    results: Vec<Type<'c>>,
}

impl<'c> Content<'c> {
    fn of(group: &Group<'c>, border: &Border<'c>, shapes: &Shapes<'c>) -> Self {
        let mut numbers: HashMap<Value<'c>, usize> = HashMap::new();
        let mut number = |value: Value<'c>| {
            let next = numbers.len();
            *numbers.entry(value).or_insert(next)
        };
        border.inputs.iter().for_each(|value| _ = number(*value));
        let op = |op: &Operation<'c>| {
            let operands = op.operands().map(&mut number).collect();
            op.results().for_each(|value| _ = number(value));
            let results = op.results().map(|v| v.ty()).collect();
            OpContent { name: op.name(), attributes: op.attributes(), operands, results }
        };
        let ops = group.ops.iter().map(op).collect();
        let outputs = border.outputs.iter().map(|value| number(*value)).collect();
        let inputs = border.inputs.iter().map(|v| v.ty()).collect();
        Self { inputs, dims: dim_names(border, shapes), rows: row_counts(group, border), ops, outputs }
    }
}

/// One thing that is scheduled.
enum Unit<'c> {
    Op(Operation<'c>),
    /// A group with its number.
    Group(usize, Group<'c>),
}

impl<'c> Outliner<'c> {
    /// An outliner that adds kernels at the end of `module`; whether they write what is returned more than once as often.
    pub fn new(module: Block<'c>, repeats: bool) -> Self {
        Self { module, names: HashMap::new(), repeats }
    }

    /// How many different kernels there are.
    pub fn kernel_count(&self) -> usize {
        self.names.len()
    }

    /// Replaces the groups of `function` by calls, which it answers with the numbers of the groups.
    pub fn outline(
        &mut self,
        function: Operation<'c>,
        shapes: &Shapes<'c>,
        parts: Partition<'c>,
    ) -> Result<Vec<(usize, Operation<'c>)>> {
        let Some(block) = function.regions().next().and_then(|r| r.entry()) else { return Ok(Vec::new()) };
        let terminator = block.terminator().ok_or_else(|| function.error("does not return"))?;
        let mut replaced: HashMap<Value<'c>, Value<'c>> = HashMap::new();
        let (mut calls, mut repeated) = (Vec::new(), Vec::new());
        let groups = groups_of(&parts);
        let mut unneeded = block.operations();
        unneeded.retain(|op| *op != terminator && (groups.contains_key(op) || op.is_pure()));
        for unit in schedule(block, parts)? {
            match unit {
                Unit::Op(op) => {
                    let rewriter = Rewriter::at(terminator);
                    rewriter.move_before(op, terminator);
                    substitute(op, &replaced);
                }
                Unit::Group(number, group) => {
                    let mut border = Border::of(number, &group, &groups);
                    // What nobody reads is no kernel.
                    if border.outputs.is_empty() {
                        continue;
                    }
                    let again = if self.repeats { returned_again(terminator, &border.outputs) } else { Vec::new() };
                    let once = border.outputs.len();
                    border.outputs.extend(again.iter().map(|index| terminator.operand(*index)));
                    let call = self.call(&group, &border, shapes, &replaced, terminator)?;
                    replaced.extend(border.outputs.into_iter().take(once).zip(call.results()));
                    repeated.extend(again.into_iter().zip(call.results().skip(once)));
                    calls.push((number, call));
                }
            }
        }
        substitute(terminator, &replaced);
        repeated.into_iter().for_each(|(index, value)| terminator.set_operand(index, value));
        erase_unused(unneeded)?;
        Ok(calls)
    }

    fn call(
        &mut self,
        group: &Group<'c>,
        border: &Border<'c>,
        shapes: &Shapes<'c>,
        replaced: &HashMap<Value<'c>, Value<'c>>,
        before: Operation<'c>,
    ) -> Result<Operation<'c>> {
        let name = self.kernel(group, border, shapes)?;
        let location = group.ops.last().map_or(before.location(), |op| op.location());
        let rewriter = Rewriter::at(before);
        rewriter.set_location(location);
        let inputs = border.inputs.iter().map(|v| replaced.get(v).copied().unwrap_or(*v));
        rewriter.insert(
            &Blueprint::new("func.call")
                .operands(inputs)
                .results(border.outputs.iter().map(|v| v.ty()))
                .attribute("callee", Attribute::symbol(before.context(), &name)),
        )
    }

    /// The name of the kernel for `group`, made now unless an equal one exists.
    fn kernel(&mut self, group: &Group<'c>, border: &Border<'c>, shapes: &Shapes<'c>) -> Result<String> {
        let content = Content::of(group, border, shapes);
        if let Some(name) = self.names.get(&content) {
            return Ok(name.clone());
        }
        let name = format!("kernel_{}", self.names.len());
        let module = self.module;
        let cx = group.ops[0].context();
        let location = Location::unknown(cx);
        let rewriter = Rewriter::at_end_of(module, location);
        let inputs = &content.inputs;
        let outputs: Vec<Type<'c>> = border.outputs.iter().map(|v| v.ty()).collect();
        let function = rewriter.insert(
            &Blueprint::new("func.func")
                .attribute("sym_name", Attribute::string(cx, &name))
                .attribute("function_type", Attribute::of_type(Type::function(cx, inputs, &outputs)))
                .attribute("sym_visibility", Attribute::string(cx, "private"))
                .attribute("arg_attrs", content.dims)
                .attribute(KERNEL, Attribute::unit(cx))
                .attribute(ROWS, Attribute::i64_array(cx, &content.rows))
                .regions(1),
        )?;
        if let Some(panels) = panels_of(group) {
            function.set_attribute(PANELS, Attribute::i64_array(cx, &panels));
        }
        let arguments: Vec<_> = inputs.iter().map(|ty| (*ty, location)).collect();
        let body = function.region(0).append_block(&arguments);
        let mut inside: HashMap<Value<'c>, Value<'c>> = border.inputs.iter().copied().zip(body.arguments()).collect();
        rewriter.at_end(body);
        for op in &group.ops {
            let copy = rewriter.clone_op(*op);
            substitute(copy, &inside);
            inside.extend(op.results().zip(copy.results()));
        }
        rewriter.insert(&Blueprint::new("func.return").operands(border.outputs.iter().map(|v| inside[v])))?;
        annotate_sizes(function)?;
        self.names.insert(content, name.clone());
        Ok(name)
    }
}

/// The operands of a terminator that are among `values` and were among its operands before.
fn returned_again<'c>(terminator: Operation<'c>, values: &[Value<'c>]) -> Vec<usize> {
    let is_again = |index: &usize| {
        let value = terminator.operand(*index);
        values.contains(&value) && (0..*index).any(|before| terminator.operand(before) == value)
    };
    (0..terminator.operand_count()).filter(is_again).collect()
}

/// Who has an op that stays.
const NO_GROUP: usize = usize::MAX;

/// The numbers of the groups that have each op; `NO_GROUP` is among those of a view that kernels repeat and a library takes.
fn groups_of<'c>(parts: &Partition<'c>) -> Holders<'c> {
    let mut groups = holders_of(&parts.groups);
    for op in &parts.others {
        groups.entry(*op).and_modify(|holders| holders.push(NO_GROUP));
    }
    groups
}

/// What crosses the border of a group.
struct Border<'c> {
    inputs: Vec<Value<'c>>,
    outputs: Vec<Value<'c>>,
}

impl<'c> Border<'c> {
    /// `groups` tells which groups have each op.
    fn of(number: usize, group: &Group<'c>, groups: &HashMap<Operation<'c>, Vec<usize>>) -> Self {
        let mut inputs: Vec<Value<'c>> = Vec::new();
        for op in &group.ops {
            for value in op.operands() {
                let inside = value.defining_op().is_some_and(|p| group.ops.contains(&p));
                if !inside && !inputs.contains(&value) {
                    inputs.push(value);
                }
            }
        }
        // Another group needs what its ops use, those that it repeats too, unless it makes that itself.
        let needs = |user: &Operation<'c>, made: &[usize]| match groups.get(user) {
            Some(users) => users.iter().any(|user| *user != number && !made.contains(user)),
            None => true,
        };
        let leaves = |op: &Operation<'c>, v: &Value<'c>| v.uses().iter().any(|(user, _)| needs(user, &groups[op]));
        let outputs = group.own.iter().flat_map(|op| op.results().filter(|v| leaves(op, v))).collect();
        Self { inputs, outputs }
    }
}

/// Names for the sizes of the inputs; equal sizes have equal names.
fn dim_names<'c>(border: &Border<'c>, shapes: &Shapes<'c>) -> Attribute<'c> {
    let cx = border.outputs.first().map(|v| v.context()).expect("a kernel has an output");
    let mut known: Vec<Dim> = Vec::new();
    let mut name = |dim: &Dim| match dim {
        Dim::Known(_) | Dim::Unknown => Attribute::string(cx, ""),
        Dim::Expr(_) => {
            let number = known.iter().position(|k| k == dim).unwrap_or_else(|| {
                known.push(dim.clone());
                known.len() - 1
            });
            Attribute::string(cx, &format!("d{number}"))
        }
    };
    let entries: Vec<_> = border
        .inputs
        .iter()
        .map(|value| {
            let names: Vec<_> = if value.ty().as_tensor().is_some() {
                shapes.dims(*value).iter().map(&mut name).collect()
            } else {
                vec![name(&shapes.size(*value))]
            };
            Attribute::dictionary(cx, &[(DIM_NAMES, Attribute::array(cx, &names))])
        })
        .collect();
    Attribute::array(cx, &entries)
}

/// Per input and output, how many of its leading dimensions are rows; of its last ones, if negative.
fn row_counts(group: &Group<'_>, border: &Border<'_>) -> Vec<i64> {
    let rows = group.rows;
    let mut counts = vec![0; border.inputs.len() + border.outputs.len()];
    if rows == 0 {
        return counts;
    }
    let columns = columns(&group.ops, rows);
    for op in &group.ops {
        let is_column = columns.contains(op) && op.has_trait("elementwise");
        let accesses = match is_column {
            true => Some(vec![Access::Column; op.operand_count()]),
            false => rule_of(*op).filter(|_| !columns.contains(op)).and_then(|rule| accesses(&rule, rows)),
        };
        let accesses = match group.panels.iter().any(|panel| panel.operand(0).defining_op() == Some(*op)) {
            true => Some(vec![Access::Aligned]),
            false => accesses,
        };
        for (operand, access) in op.operands().zip(accesses.unwrap_or_default()) {
            let Some(index) = border.inputs.iter().position(|v| *v == operand) else { continue };
            match access {
                Access::Aligned => counts[index] = rows as i64,
                Access::Column => counts[index] = -(rows as i64),
                Access::Moved | Access::Outer | Access::Whole => {}
            }
        }
    }
    let is_of_panels = |value: &Value<'_>| value.defining_op().is_some_and(|op| group.panels.contains(&op));
    for (count, value) in counts[border.inputs.len()..].iter_mut().zip(&border.outputs) {
        *count = if is_of_panels(value) { 1 } else { rows as i64 };
    }
    counts
}

/// How many panels a group has, and of how many rows.
fn panels_of(group: &Group<'_>) -> Option<[i64; 2]> {
    let panels = group.panels.first()?.operand(0).ty().as_tensor()?.static_dims()?;
    Some([*panels.get(1)?, *panels.first()?])
}

/// Writes the sizes of a kernel's inputs and results on it: lowered ops no longer tell them.
fn annotate_sizes(function: Operation<'_>) -> Result {
    let shapes = Shapes::of(function)?;
    let cx = function.context();
    let body = function.region(0).entry().ok_or_else(|| function.error("has no body"))?;
    let results = body.terminator().map_or_else(Vec::new, |op| op.operands().collect());
    let entries: Vec<_> = body
        .arguments()
        .chain(results)
        .map(|value| {
            let dims = if value.ty().as_tensor().is_some() { shapes.dims(value) } else { vec![shapes.size(value)] };
            let dims: Vec<_> = dims.iter().map(|d| dim_to_attribute(cx, d)).collect();
            Attribute::array(cx, &dims)
        })
        .collect();
    function.set_attribute(SIZES, Attribute::array(cx, &entries));
    function.set_attribute(SYMBOL_COUNT, Attribute::i64(cx, shapes.symbols.len() as i64));
    Ok(())
}

/// Everything but the terminator in an order in which each unit comes after what it uses, as near
/// to the order of the program as that allows.
fn schedule<'c>(block: Block<'c>, parts: Partition<'c>) -> Result<Vec<Unit<'c>>> {
    let position: HashMap<Operation<'c>, usize> =
        block.operations().into_iter().enumerate().map(|(i, op)| (op, i)).collect();
    let mut units: Vec<(usize, Unit<'c>)> = Vec::new();
    for op in parts.others {
        units.push((position[&op], Unit::Op(op)));
    }
    for (number, group) in parts.groups.into_iter().enumerate() {
        let at = group.ops.iter().map(|op| position[op]).max().unwrap_or(0);
        units.push((at, Unit::Group(number, group)));
    }
    units.sort_by_key(|(at, _)| *at);
    let mut maker: HashMap<Operation<'c>, usize> = HashMap::new();
    for (index, (_, unit)) in units.iter().enumerate() {
        match unit {
            Unit::Op(op) => _ = maker.insert(*op, index),
            Unit::Group(_, group) => {
                for op in &group.own {
                    maker.insert(*op, index);
                }
            }
        }
    }
    let needs: Vec<Vec<usize>> = units
        .iter()
        .enumerate()
        .map(|(index, (_, unit))| {
            let ops = match unit {
                Unit::Op(op) => std::slice::from_ref(op),
                Unit::Group(_, group) => &group.ops[..],
            };
            ops.iter()
                .flat_map(|op| op.operands().filter_map(Value::defining_op))
                .filter(|p| !ops.contains(p))
                .filter_map(|p| maker.get(&p).copied())
                .filter(|other| *other != index)
                .collect()
        })
        .collect();
    let mut order = Vec::with_capacity(units.len());
    let mut state = vec![0u8; units.len()];
    for index in 0..units.len() {
        visit(index, &needs, &mut state, &mut order)?;
    }
    let mut units: Vec<Option<Unit<'c>>> = units.into_iter().map(|(_, unit)| Some(unit)).collect();
    Ok(order.into_iter().filter_map(|index| units[index].take()).collect())
}

/// Depth-first without recursion: deep programs must not overflow the stack.
fn visit(start: usize, needs: &[Vec<usize>], state: &mut [u8], order: &mut Vec<usize>) -> Result {
    let mut stack = vec![(start, 0)];
    while let Some((index, next)) = stack.pop() {
        if state[index] == 2 {
            continue;
        }
        state[index] = 1;
        match needs[index].get(next) {
            Some(other) => {
                stack.push((index, next + 1));
                match state[*other] {
                    0 => stack.push((*other, 0)),
                    1 => return Err(Error::new("internal: kernels need each other in a cycle")),
                    _ => {}
                }
            }
            None => {
                state[index] = 2;
                order.push(index);
            }
        }
    }
    Ok(())
}

fn substitute<'c>(op: Operation<'c>, values: &HashMap<Value<'c>, Value<'c>>) {
    for index in 0..op.operand_count() {
        if let Some(value) = values.get(&op.operand(index)) {
            op.set_operand(index, *value);
        }
    }
}

/// Erases ops that moved into kernels and what else nobody reads, users first.
fn erase_unused(mut ops: Vec<Operation<'_>>) -> Result {
    loop {
        let before = ops.len();
        let mut kept = Vec::new();
        for op in ops.into_iter().rev() {
            if !op.is_alive() {
                continue;
            }
            if op.results().all(|v| v.is_unused()) {
                Rewriter::at(op).erase(op)?;
            } else {
                kept.push(op);
            }
        }
        kept.reverse();
        if kept.is_empty() || kept.len() == before {
            return Ok(());
        }
        ops = kept;
    }
}
