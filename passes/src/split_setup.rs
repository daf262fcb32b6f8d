//! Splits a function into what is done once, when its parameters are known, and what is done in each run.
//!
//! Needs: nothing calls the function, and it is one of values (`--thunder-inline`, `--thunder-functionalize`).
//! Guarantees: what the function computes from constants and from parameters that it does not update is a result of
//! `@f_setup`, named by `thunder.setup` on `@f`, and there an argument after the others, a parameter of the same name.
//! `@f_setup` takes all parameters that `@f` does not update, in their order; `@f` keeps those that it still reads.
//!
//! Left in the function is what costs nothing or would cost memory: views, and values that are larger than the
//! parameters they are made from, as broadcasts are.

use std::collections::{BTreeSet, HashSet};

use thunder_interface::{Control, Library, NAME, PARAMETER, Strided, UPDATES, dtype_of};
use thunder_ir::prelude::*;

use crate::autodiff::{JOINT, cloned};
use crate::fixed::Fixed;
use crate::kernels::takes_view;
use crate::shapes::Shapes;
use crate::split_joint::{Entries, build_part, needed, operands};
use crate::{KERNEL, layout};

/// The attribute of a function with the name of the one that makes its last parameters from all others.
pub const SETUP: &str = "thunder.setup";

/// Splits off what functions compute from parameters alone.
#[pass("thunder-split-setup", on = "builtin.module", dialects("func"))]
pub struct SplitSetup {}

impl Pass for SplitSetup {
    fn run(&self, module: Operation<'_>, cx: &PassContext<'_>) -> Result {
        let body = module.regions().next().and_then(|r| r.entry()).ok_or_else(|| module.error("has no body"))?;
        let mut others: HashSet<String> = HashSet::new();
        module.walk(|op| {
            let names = [op.attribute(SETUP), op.attribute("callee")];
            others.extend(names.into_iter().flatten().filter_map(|a| a.as_symbol()).map(str::to_owned));
            others.extend(<dyn Control>::of(op).iter().flat_map(|op| op.flow().functions().map(str::to_owned)));
        });
        for function in body.operations() {
            let is_whole =
                function.name() == "func.func" && [KERNEL, SETUP].iter().all(|a| function.attribute(a).is_none());
            let blocks: Vec<Block<'_>> = function.regions().flat_map(Region::blocks).collect();
            if let [block] = blocks[..]
                && is_whole
                && !others.contains(name_of(function))
            {
                let made = Function::of(function, block)?.split(body)?;
                cx.count("values", made.values);
                cx.count("bytes", made.bytes);
            }
        }
        Ok(())
    }
}

/// Splits one function, which has one block; answers what is left of it.
pub(crate) fn split_setup(function: Operation<'_>) -> Result<Operation<'_>> {
    let body = function.block().ok_or_else(|| function.error("is in no module"))?;
    let block = function.region(0).entry().ok_or_else(|| function.error("has no body"))?;
    let name = name_of(function).to_owned();
    Function::of(function, block)?.split(body)?;
    let rest = body.operations().into_iter().find(|op| name_of(*op) == name);
    rest.ok_or_else(|| Error::new(format!("internal: there is no '@{name}' after it was split")))
}

fn name_of(function: Operation<'_>) -> &str {
    function.attribute("sym_name").and_then(|a| a.as_string()).unwrap_or_default()
}

/// What is made once.
#[derive(Default)]
struct Made {
    values: u64,
    bytes: u64,
}

struct Function<'c> {
    function: Operation<'c>,
    block: Block<'c>,
    shapes: Shapes<'c>,
    attributes: [Vec<Entries<'c>>; 2],
    fixed: Fixed<'c>,
}

impl<'c> Function<'c> {
    fn of(function: Operation<'c>, block: Block<'c>) -> Result<Self> {
        let entries = |name: &str, count: usize| {
            let list = function.attribute(name).and_then(|a| a.as_array()).unwrap_or_default();
            let mut entries: Vec<Entries<'c>> = list.iter().map(|a| a.as_dictionary().unwrap_or_default()).collect();
            entries.resize(count, Vec::new());
            entries
        };
        let results = block.terminator().map_or(0, |op| op.operand_count());
        let attributes = [entries("arg_attrs", block.argument_count()), entries("res_attrs", results)];
        Ok(Self { function, block, shapes: Shapes::of(function)?, attributes, fixed: Fixed::of(function) })
    }

    /// Whether it is worth the memory to make a value once, which is made from the parameters `sources`.
    fn is_worth_keeping(&self, value: Value<'c>, sources: &BTreeSet<usize>) -> bool {
        let given = sources.iter().filter_map(|number| bytes(self.block.argument(*number))).sum();
        let is_small = bytes(value).is_some_and(|bytes| bytes <= given);
        !sources.is_empty() && is_small && !self.is_free_view(value)
    }

    /// Whether everyone who reads a value reads the memory that it is a view of.
    fn is_free_view(&self, value: Value<'c>) -> bool {
        let is_view = value.defining_op().is_some_and(|op| <dyn Strided>::of(op).is_some());
        let is_copied = |(user, _): &(Operation<'c>, usize)| {
            <dyn Library>::of(*user).is_some_and(|l| l.library().is_some()) && !takes_view(*user, value, &self.shapes)
        };
        is_view
            && layout(value, &self.shapes).is_some_and(|(root, _)| root != value)
            && !value.uses().iter().any(is_copied)
    }

    /// The ops that stay, and the values that are made elsewhere, in their order.
    fn cut(&self) -> (Vec<Operation<'c>>, Vec<Value<'c>>) {
        let (mut kept, mut made, mut read) = (Vec::new(), Vec::new(), HashSet::new());
        for op in self.block.operations().into_iter().rev() {
            let used: Vec<Value<'c>> = op.results().filter(|value| read.contains(value)).collect();
            match self.fixed.sources(op) {
                Some(_) if used.is_empty() => {}
                Some(sources) if used.iter().all(|value| self.is_worth_keeping(*value, sources)) => {
                    made.extend(used.into_iter().rev());
                }
                _ => {
                    kept.push(op);
                    read.extend(operands(op));
                }
            }
        }
        kept.reverse();
        made.reverse();
        (kept, made)
    }

    fn split(&self, body: Block<'c>) -> Result<Made> {
        let (kept, made) = self.cut();
        if made.is_empty() {
            return Ok(Made::default());
        }
        let counts = Made { values: made.len() as u64, bytes: made.iter().filter_map(|value| bytes(*value)).sum() };
        let (main, names) = (name_of(self.function), self.names(made.len()));
        let mut setup = format!("{main}_setup");
        while body.operations().into_iter().any(|op| name_of(op) == setup) {
            setup.push('_');
        }
        let rest = self.build_rest(main, &kept, &made, &names)?;
        rest.set_attribute(SETUP, Attribute::symbol(self.function.context(), &setup));
        self.build_setup(&setup, &made, &names)?;
        Rewriter::at(self.function).erase(self.function)?;
        Ok(counts)
    }

    /// Names that no parameter has.
    fn names(&self, count: usize) -> Vec<Attribute<'c>> {
        let known = |name: &String| {
            let mut names = self.attributes[0].iter().flatten().filter(|(key, _)| [PARAMETER, NAME].contains(key));
            names.any(|(_, value)| value.as_string() == Some(name))
        };
        let names = (0..).map(|number| format!("setup.{number}")).filter(|name| !known(name));
        names.take(count).map(|name| Attribute::string(self.function.context(), &name)).collect()
    }

    /// The function that makes values of parameters.
    fn build_setup(&self, name: &str, made: &[Value<'c>], names: &[Attribute<'c>]) -> Result {
        let numbers = &self.fixed.parameters;
        let arguments: Vec<_> = numbers.iter().map(|number| self.block.argument(*number)).collect();
        let inputs = numbers.iter().map(|number| self.attributes[0][*number].clone()).collect();
        let results = names.iter().map(|name| vec![(NAME, *name)]).collect();
        let ops = needed(made);
        let setup = build_part(self.function, name, &arguments, made, [inputs, results], |b, values| {
            for op in self.block.operations().into_iter().filter(|op| ops.contains(op)) {
                cloned(b, op, values);
            }
            Ok(())
        })?;
        setup.set_attribute("sym_visibility", Attribute::string(setup.context(), "private"));
        Ok(())
    }

    /// The function without what is made elsewhere.
    fn build_rest(
        &self,
        name: &str,
        kept: &[Operation<'c>],
        made: &[Value<'c>],
        names: &[Attribute<'c>],
    ) -> Result<Operation<'c>> {
        let read: HashSet<Value<'c>> = kept.iter().flat_map(|op| operands(*op)).collect();
        let parameters = &self.fixed.parameters;
        let is_kept = |number: &usize| !parameters.contains(number) || read.contains(&self.block.argument(*number));
        let numbers: Vec<usize> = (0..self.block.argument_count()).filter(is_kept).collect();
        let arguments = numbers.iter().map(|number| self.block.argument(*number)).chain(made.iter().copied());
        let inputs = numbers.iter().map(|number| self.attributes[0][*number].clone());
        let inputs = inputs.chain(names.iter().map(|name| vec![(PARAMETER, *name)])).collect();
        let returned: Vec<_> = self.block.terminator().map_or_else(Vec::new, |op| op.operands().collect());
        let (arguments, attributes) = (arguments.collect::<Vec<_>>(), [inputs, self.renumbered(&numbers)]);
        let rest = build_part(self.function, name, &arguments, &returned, attributes, |b, values| {
            for op in kept.iter().filter(|op| !op.has_trait("terminator")) {
                cloned(b, *op, values);
            }
            Ok(())
        })?;
        for (key, value) in self.function.attributes() {
            // Its numbers are those of other arguments.
            if key != JOINT && !["arg_attrs", "res_attrs"].contains(&key) && rest.attribute(key).is_none() {
                rest.set_attribute(key, value);
            }
        }
        Ok(rest)
    }

    /// The attributes of the results, when the arguments are those of these numbers.
    fn renumbered(&self, numbers: &[usize]) -> Vec<Entries<'c>> {
        let cx = self.function.context();
        let entry = |(key, value): &(&'c str, Attribute<'c>)| {
            let old = value.as_integer().filter(|_| *key == UPDATES);
            let new = old.and_then(|old| numbers.iter().position(|number| *number as i64 == old));
            (*key, new.map_or(*value, |new| Attribute::i64(cx, new as i64)))
        };
        self.attributes[1].iter().map(|entries| entries.iter().map(entry).collect()).collect()
    }
}

/// The size of a tensor that is known.
fn bytes(value: Value<'_>) -> Option<u64> {
    let tensor = value.ty().as_tensor()?;
    let elements: i64 = tensor.static_dims()?.iter().product();
    Some(elements as u64 * dtype_of(tensor.element())?.size() as u64)
}
