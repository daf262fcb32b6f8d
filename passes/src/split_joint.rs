//! Cuts a joint function into its forward and its backward part.
//!
//! Guarantees: `@f_vjp`, or `@f_value_and_grad`, becomes `@f_forward`, which returns the results of `@f` and then what is saved,
//! and `@f_backward`, which takes what is saved and then the cotangents, and returns the gradients.
//! Forward computes what the results need, backward all else. `thunder.saved` on the backward part says
//! for each saved value which argument or which result of the forward part it is. Sizes and values made
//! from nothing are not saved but made again.

use crate::autodiff::{JOINT, cloned, find};
use crate::shapes::Shapes;
use std::collections::{HashMap, HashSet};
use thunder_dialect::build::*;
use thunder_interface::{DIM_NAMES, Dim, DimExpr, Memory, NAME, SizeRule, dtype_of};
use thunder_ir::{Blueprint, prelude::*};

/// The attribute of a backward part with the list of what is saved for it: `{argument = 0}` is an
/// argument of the forward part, `{result = 1}` one of its results.
pub const SAVED: &str = "thunder.saved";

/// Splits joint functions into forward and backward parts.
#[pass("thunder-split-joint", on = "builtin.module", dialects("arith", "func", "thunder"))]
pub struct SplitJoint {}

impl Pass for SplitJoint {
    fn run(&self, module: Operation<'_>, cx: &PassContext<'_>) -> Result {
        let body = module.regions().next().and_then(|r| r.entry()).ok_or_else(|| module.error("has no body"))?;
        for function in body.operations().into_iter().filter(|op| op.attribute(JOINT).is_some()) {
            let saved = Joint::of(function)?.split()?.saved;
            cx.count("saved values", saved.values);
            cx.count("saved bytes", saved.bytes);
            cx.count("saved values of dynamic size", saved.dynamic);
            cx.count("kept arguments", saved.arguments);
        }
        Ok(())
    }
}

/// The two parts of a function.
pub struct Split<'c> {
    /// Results, and what is saved.
    pub forward: Operation<'c>,
    /// Gradients from what is saved and cotangents.
    pub backward: Operation<'c>,
    /// What is saved.
    pub saved: Saved,
}

/// What the backward part takes from the forward part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Saved {
    /// The values that the forward part computes.
    pub values: u64,
    /// The bytes of those whose sizes are known.
    pub bytes: u64,
    /// How many others there are.
    pub dynamic: u64,
    /// The arguments of the forward part.
    pub arguments: u64,
}

/// Splits the joint function `name`, which is erased.
pub fn split<'c>(module: Operation<'c>, name: &str) -> Result<Split<'c>> {
    let function = find(module, name).ok_or_else(|| module.error(format!("has no function '@{name}'")))?;
    Joint::of(function)?.split()
}

/// A joint function, and which part its values belong to.
pub(crate) struct Joint<'c> {
    function: Operation<'c>,
    pub(crate) block: Block<'c>,
    pub(crate) shapes: Shapes<'c>,
    arguments: usize,
    results: Vec<Value<'c>>,
    gradients: Vec<Value<'c>>,
    /// The ops that the results need.
    pub(crate) forward: HashSet<Operation<'c>>,
}

impl<'c> Joint<'c> {
    pub(crate) fn of(function: Operation<'c>) -> Result<Self> {
        let counts = function.attribute(JOINT).and_then(|a| a.as_i64_array());
        let Some(&[arguments, results]) = counts.as_deref() else {
            return Err(function.error(format!("is no joint function: it has no '{JOINT}' with two numbers")));
        };
        let block = function.regions().next().and_then(|r| r.entry()).ok_or_else(|| function.error("has no body"))?;
        let returned: Vec<_> = block.terminator().map_or_else(Vec::new, |op| op.operands().collect());
        let (arguments, results) = (arguments as usize, results as usize);
        if arguments > block.argument_count() || results > returned.len() {
            return Err(function.error(format!("has fewer arguments or results than '{JOINT}' says")));
        }
        let (results, gradients) = returned.split_at(results);
        let mut forward = needed(results);
        // What writes memory does so once, in the forward part.
        for op in block.operations().into_iter().filter(|op| <dyn Memory>::of(*op).is_some()) {
            forward.insert(op);
            forward.extend(needed(&operands(op)));
        }
        if let Some(cotangent) =
            block.arguments().skip(arguments).find(|v| v.uses().iter().any(|(op, _)| forward.contains(op)))
        {
            return Err(function.error(format!("has a result that depends on the cotangent '{}'", cotangent.ty())));
        }
        Ok(Self {
            function,
            block,
            shapes: Shapes::of(function)?,
            arguments,
            results: results.to_vec(),
            gradients: gradients.to_vec(),
            forward,
        })
    }

    /// The ops that only the gradients need, in order.
    pub(crate) fn backward(&self) -> Vec<Operation<'c>> {
        let needed = needed(&self.gradients);
        self.block.operations().into_iter().filter(|op| needed.contains(op) && !self.forward.contains(op)).collect()
    }

    fn split(self) -> Result<Split<'c>> {
        let backward = self.backward();
        let kept = self.kept(&backward);
        let saved = self.count(&kept);
        let name = self.function.attribute("sym_name").and_then(|a| a.as_string()).unwrap_or_default();
        let derivatives = ["_vjp", "_value_and_grad"];
        let name = derivatives.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        let places = self.places(&kept);
        let forward = self.build_forward(&format!("{name}_forward"), &places.extra)?;
        let backward = self.build_backward(&format!("{name}_backward"), &backward, &kept)?;
        let list = Attribute::array(self.function.context(), &places.list);
        backward.set_attribute(SAVED, list);
        Rewriter::at(self.function).erase(self.function)?;
        Ok(Split { forward, backward, saved })
    }

    /// The tensors that the backward ops need of the forward part, in the order of their first use.
    fn kept(&self, backward: &[Operation<'c>]) -> Vec<Value<'c>> {
        let inside: HashSet<Operation<'c>> = backward.iter().copied().collect();
        let read = backward.iter().flat_map(|op| operands(*op)).chain(self.gradients.iter().copied());
        let (mut kept, mut seen, mut sizes) = (Vec::new(), HashSet::new(), Vec::new());
        let mut stack: Vec<Value<'c>> = read.collect();
        stack.reverse();
        while let Some(value) = stack.pop() {
            let is_own = value.defining_op().is_some_and(|op| inside.contains(&op));
            let is_cotangent = value.block_argument().is_some_and(|(_, index)| index >= self.arguments);
            if is_own || is_cotangent || !seen.insert(value) {
                continue;
            }
            if value.ty().as_tensor().is_none() {
                sizes.push(value);
            } else if let Some(op) = value.defining_op().filter(|op| is_generated(*op)) {
                stack.extend(op.operands());
            } else {
                kept.push(value);
            }
        }
        // A size that no tensor has that is there anyway takes one more.
        while let Some(size) = sizes.pop() {
            let Some(op) = size.defining_op() else { continue };
            if self.shapes.size(size).known().is_some() || self.tensor_of(size, &kept).is_some() {
                continue;
            }
            for operand in op.operands().filter(|v| seen.insert(*v) || v.ty().as_tensor().is_some()) {
                if operand.ty().as_tensor().is_none() {
                    sizes.push(operand);
                } else if !kept.contains(&operand) {
                    kept.push(operand);
                }
            }
        }
        kept
    }

    /// A tensor that the backward part has, with its dimension of the same size.
    fn tensor_of(&self, size: Value<'c>, kept: &[Value<'c>]) -> Option<(Value<'c>, usize)> {
        let size = self.shapes.size(size);
        if size == Dim::Unknown {
            return None;
        }
        let cotangents = self.block.arguments().skip(self.arguments);
        cotangents.chain(kept.iter().copied()).find_map(|tensor| {
            let axis = self.shapes.dims(tensor).iter().position(|dim| *dim == size)?;
            Some((tensor, axis))
        })
    }

    fn count(&self, kept: &[Value<'c>]) -> Saved {
        let mut saved = Saved::default();
        for value in kept {
            if value.block_argument().is_some() {
                saved.arguments += 1;
                continue;
            }
            saved.values += 1;
            let width = dtype_of(value.ty().element()).map_or(0, |dtype| dtype.size() as i64);
            let sizes: Option<Vec<i64>> = self.shapes.dims(*value).iter().map(Dim::known).collect();
            match sizes {
                Some(sizes) => saved.bytes += (sizes.iter().product::<i64>() * width) as u64,
                None => saved.dynamic += 1,
            }
        }
        saved
    }

    fn places(&self, kept: &[Value<'c>]) -> Places<'c> {
        let cx = self.function.context();
        let mut places = Places { extra: Vec::new(), list: Vec::new() };
        for value in kept {
            let (kind, index) = match value.block_argument() {
                Some((_, index)) => ("argument", index),
                None => match self.results.iter().position(|result| result == value) {
                    Some(index) => ("result", index),
                    None => {
                        places.extra.push(*value);
                        ("result", self.results.len() + places.extra.len() - 1)
                    }
                },
            };
            places.list.push(Attribute::dictionary(cx, &[(kind, Attribute::i64(cx, index as i64))]));
        }
        places
    }

    fn build_forward(&self, name: &str, extra: &[Value<'c>]) -> Result<Operation<'c>> {
        let arguments: Vec<_> = self.block.arguments().take(self.arguments).collect();
        let returned = [&self.results, extra].concat();
        let mut results = self.attributes("res_attrs", 0..self.results.len());
        let saved = |index| Attribute::string(self.function.context(), &format!("saved.{index}"));
        results.extend((0..extra.len()).map(|index| vec![(NAME, saved(index))]));
        let attributes = [self.attributes("arg_attrs", 0..self.arguments), results];
        let ops: Vec<_> = self.block.operations().into_iter().filter(|op| self.forward.contains(op)).collect();
        build_part(self.function, name, &arguments, &returned, attributes, |b, values| {
            for op in &ops {
                cloned(b, *op, values);
            }
            Ok(())
        })
    }

    fn build_backward(&self, name: &str, ops: &[Operation<'c>], kept: &[Value<'c>]) -> Result<Operation<'c>> {
        let cotangents = self.block.arguments().skip(self.arguments);
        let arguments: Vec<_> = kept.iter().copied().chain(cotangents).collect();
        let total = self.results.len()..self.results.len() + self.gradients.len();
        let inputs = arguments.iter().map(|value| self.names(*value)).collect();
        let attributes = [inputs, self.attributes("res_attrs", total)];
        build_part(self.function, name, &arguments, &self.gradients, attributes, |b, values| {
            for op in ops {
                for operand in operands(*op) {
                    self.remake(b, operand, kept, values)?;
                }
                cloned(b, *op, values);
            }
            self.gradients.iter().try_for_each(|value| self.remake(b, *value, kept, values))
        })
    }

    /// Makes a value of the forward part again that is not saved.
    fn remake(
        &self,
        b: &Rewriter<'c>,
        value: Value<'c>,
        kept: &[Value<'c>],
        values: &mut HashMap<Value<'c>, Value<'c>>,
    ) -> Result {
        let Some(op) = value.defining_op().filter(|_| !values.contains_key(&value)) else { return Ok(()) };
        if !self.forward.contains(&op) {
            return Ok(());
        }
        if value.ty().as_tensor().is_none() {
            if let Some(size) = self.shapes.size(value).known() {
                let index = Type::index(b.context());
                let constant = Blueprint::new("arith.constant").results([index]);
                let constant = constant.attribute("value", Attribute::integer(index, size));
                values.insert(value, b.insert(&constant)?.result(0));
                return Ok(());
            }
            if let Some((tensor, axis)) = self.tensor_of(value, kept) {
                values.insert(value, b.dim(values[&tensor], axis as i64)?);
                return Ok(());
            }
        }
        for operand in op.operands() {
            self.remake(b, operand, kept, values)?;
        }
        cloned(b, op, values);
        Ok(())
    }

    fn attributes(&self, name: &str, range: std::ops::Range<usize>) -> Vec<Entries<'c>> {
        let list = self.function.attribute(name).and_then(|a| a.as_array()).unwrap_or_default();
        range.map(|index| list.get(index).and_then(|a| a.as_dictionary()).unwrap_or_default()).collect()
    }

    /// Names of the sizes of an argument, where equal names are equal sizes.
    fn names(&self, value: Value<'c>) -> Entries<'c> {
        let cx = self.function.context();
        let name = |dim: &Dim| match dim {
            Dim::Known(_) | Dim::Unknown => String::new(),
            Dim::Expr(expr) => match **expr {
                DimExpr::Symbol(number) => {
                    self.shapes.symbols[number as usize].name.clone().unwrap_or_else(|| dim.to_string())
                }
                _ => dim.to_string(),
            },
        };
        let names: Vec<String> = self.shapes.dims(value).iter().map(name).collect();
        if names.iter().all(String::is_empty) {
            return Vec::new();
        }
        let names: Vec<_> = names.iter().map(|name| Attribute::string(cx, name)).collect();
        vec![(DIM_NAMES, Attribute::array(cx, &names))]
    }
}

/// Attributes of an argument or a result.
pub(crate) type Entries<'c> = Vec<(&'c str, Attribute<'c>)>;

/// Where the saved values are: results after the function's own, and the list of all.
struct Places<'c> {
    extra: Vec<Value<'c>>,
    list: Vec<Attribute<'c>>,
}

/// A function before another, `function`, of ops that `fill` copies; its arguments and results are named by values of
/// the other.
pub(crate) fn build_part<'c>(
    function: Operation<'c>,
    name: &str,
    arguments: &[Value<'c>],
    returned: &[Value<'c>],
    attributes: [Vec<Entries<'c>>; 2],
    fill: impl FnOnce(&Rewriter<'c>, &mut HashMap<Value<'c>, Value<'c>>) -> Result,
) -> Result<Operation<'c>> {
    let (cx, location) = (function.context(), function.location());
    let rewriter = Rewriter::at(function);
    let types = |values: &[Value<'c>]| values.iter().map(|v| v.ty()).collect::<Vec<Type<'c>>>();
    let (inputs, outputs) = (types(arguments), types(returned));
    let mut blueprint = Blueprint::new("func.func")
        .attribute("sym_name", Attribute::string(cx, name))
        .attribute("function_type", Attribute::of_type(Type::function(cx, &inputs, &outputs)))
        .regions(1);
    for (key, lists) in ["arg_attrs", "res_attrs"].into_iter().zip(attributes) {
        if lists.iter().any(|list| !list.is_empty()) {
            let lists: Vec<_> = lists.iter().map(|list| Attribute::dictionary(cx, list)).collect();
            blueprint = blueprint.attribute(key, Attribute::array(cx, &lists));
        }
    }
    let function = rewriter.insert(&blueprint)?;
    let block = function.region(0).append_block(&inputs.iter().map(|ty| (*ty, location)).collect::<Vec<_>>());
    let mut values = arguments.iter().copied().zip(block.arguments()).collect();
    rewriter.at_end(block);
    fill(&rewriter, &mut values)?;
    let returned = returned.iter().map(|v| values[v]);
    rewriter.insert(&Blueprint::new("func.return").operands(returned))?;
    Ok(function)
}

/// The ops that `values` depend on, with those that make them.
pub(crate) fn needed<'c>(values: &[Value<'c>]) -> HashSet<Operation<'c>> {
    let mut found = HashSet::new();
    let mut stack: Vec<Operation<'c>> = values.iter().filter_map(|v| v.defining_op()).collect();
    while let Some(op) = stack.pop() {
        if found.insert(op) {
            stack.extend(operands(op).into_iter().filter_map(Value::defining_op));
        }
    }
    found
}

/// All that `op` reads, in its regions as well.
pub(crate) fn operands(op: Operation<'_>) -> Vec<Value<'_>> {
    let mut all = Vec::new();
    op.walk(|op| all.extend(op.operands()));
    all
}

/// Whether an op makes its results from sizes alone, so that making them again costs no memory.
fn is_generated(op: Operation<'_>) -> bool {
    op.is_pure() && op.operands().all(|v| v.ty().as_tensor().is_none()) && <dyn SizeRule>::of(op).is_none()
}
