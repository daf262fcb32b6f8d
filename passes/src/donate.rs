//! Lets results be made in the memory of the arguments that they update.
//!
//! Needs: kernels cut (`--thunder-kernels`). Guarantees: an op with `thunder.into` makes its results in the memory of
//! arguments of the function: one number for each result, -1 for a result that gets memory of its own. Nothing reads what
//! an argument held from then on. A kernel with `thunder.in_place` has one number for each of its results, that of the
//! input whose memory it takes, or -1: each element of the result is made from that element of the input, which nothing
//! else in the kernel reads.
//!
//! A library's op with `thunder.in_place` makes its result where that operand is. For GPUs, whose threads read all that they
//! compute a few elements from before they write any, results of elementwise kernels are where operands were that nobody
//! reads any more.
//!
//! What an argument is updated with is made there if all who read the argument come before, or if the last of them is
//! the kernel that makes it, element by element. Else it is made elsewhere, and copied in the end.

use std::collections::{HashMap, HashSet};

use thunder_interface::{Dim, Library, LibraryCall, Strided, UPDATES};
use thunder_ir::prelude::*;

use crate::shapes::{Shapes, find_function};
use crate::{KERNEL, layout};

/// The attribute of an op with the number of the argument whose memory each of its results takes, or -1.
pub const INTO: &str = "thunder.into";

/// The attribute of a kernel with the number of the input whose memory each of its results takes, or -1.
pub const IN_PLACE: &str = "thunder.in_place";

/// Gives results the memory of the arguments that they update, and of operands that nobody reads any more.
#[pass("thunder-donate", on = "builtin.module", dialects("func"))]
pub struct Donate {
    /// Makes results of elementwise kernels where operands were that nobody reads any more.
    reuse: bool,
}

impl Donate {
    /// For GPUs.
    pub fn for_gpus() -> Self {
        Self { reuse: true }
    }
}

impl Pass for Donate {
    fn run(&self, module: Operation<'_>, cx: &PassContext<'_>) -> Result {
        let body = module.regions().next().and_then(|r| r.entry()).ok_or_else(|| module.error("has no body"))?;
        let mut variants = Variants::default();
        for function in body.operations() {
            let is_program = function.name() == "func.func" && function.attribute(KERNEL).is_none();
            let Some(block) = function.regions().next().and_then(|r| r.entry()).filter(|_| is_program) else {
                continue;
            };
            let updates = updates(function, block)?;
            let changes =
                |op: &Operation<'_>| <dyn Library>::of(*op).is_some_and(|library| library.in_place().is_some());
            if self.reuse || !updates.is_empty() || block.operations().iter().any(changes) {
                let shapes = Shapes::of(function)?;
                let donated = Function::of(block, &shapes).donate(&updates, self.reuse, &mut variants)?;
                cx.count("updates", updates.len() as u64);
                cx.count("made in place", donated);
            }
        }
        variants.drop_unused(body)
    }
}

/// The arguments that a function updates, by number, with what they hold in the end.
fn updates<'c>(function: Operation<'c>, block: Block<'c>) -> Result<Vec<(usize, Value<'c>)>> {
    let attributes = function.attribute("res_attrs").and_then(|a| a.as_array()).unwrap_or_default();
    let terminator = block.terminator().ok_or_else(|| function.error("does not return"))?;
    let updates = terminator.operands().zip(attributes).filter_map(|(value, attribute)| {
        let argument = usize::try_from(attribute.entry(UPDATES)?.as_integer()?).ok()?;
        Some((argument, value))
    });
    Ok(updates.filter(|(argument, _)| *argument < block.argument_count()).collect())
}

struct Function<'a, 'c> {
    block: Block<'c>,
    shapes: &'a Shapes<'c>,
    position: HashMap<Operation<'c>, usize>,
    /// The last op that reads each value or a view of it.
    last_read: HashMap<Value<'c>, usize>,
}

impl<'a, 'c> Function<'a, 'c> {
    fn of(block: Block<'c>, shapes: &'a Shapes<'c>) -> Self {
        let mut this = Self { block, shapes, position: HashMap::new(), last_read: HashMap::new() };
        for (index, op) in block.operations().into_iter().enumerate() {
            this.position.insert(op, index);
            let is_view = <dyn Strided>::of(op).is_some() && this.root(op.result(0)) != Some(op.result(0));
            for operand in op.operands().filter(|v| !is_view && v.ty().as_tensor().is_some()) {
                if let Some(root) = this.root(operand) {
                    this.last_read.insert(root, index);
                }
            }
        }
        this
    }

    /// The value whose memory `value` shows.
    fn root(&self, value: Value<'c>) -> Option<Value<'c>> {
        value.ty().as_tensor()?;
        layout(value, self.shapes).map(|(root, _)| root)
    }

    /// Marks the ops that make what arguments are updated with, and those that `reuse` memory; how many of the first.
    fn donate(&self, updates: &[(usize, Value<'c>)], reuse: bool, variants: &mut Variants<'c>) -> Result<u64> {
        let mut marks: Vec<Mark<'c>> = Vec::new();
        for (argument, value) in updates {
            let Some((root, view)) = layout(*value, self.shapes).filter(|(_, view)| view.is_dense()) else { continue };
            if Dim::product(&view.sizes) == Dim::product(&self.shapes.dims(root)) {
                self.claim(root, *argument, &mut marks);
            }
        }
        let donated = marks.len() as u64;
        for op in self.block.operations() {
            let is_marked = marks.iter().any(|mark| mark.maker == op);
            if !is_marked && let Some(input) = self.changed(op).filter(|input| is_made(op.operand(*input))) {
                marks.push(Mark { maker: op, result: 0, argument: None, input: Some(input) });
            } else if !is_marked && reuse {
                let reused = self.reused(op).into_iter();
                marks.extend(reused.map(|(result, input)| Mark {
                    maker: op,
                    result,
                    argument: None,
                    input: Some(input),
                }));
            }
        }
        let cx = self.block.arguments().next().map(|v| v.context());
        let mut done = HashSet::new();
        for maker in marks.iter().map(|mark| mark.maker) {
            let Some(cx) = cx.filter(|_| done.insert(maker)) else { continue };
            let (mut into, mut inputs) = (vec![-1; maker.result_count()], vec![-1; maker.result_count()]);
            for mark in marks.iter().filter(|mark| mark.maker == maker) {
                into[mark.result] = mark.argument.map_or(-1, |argument| argument as i64);
                inputs[mark.result] = mark.input.map_or(-1, |input| input as i64);
            }
            if into.iter().any(|argument| *argument >= 0) {
                maker.set_attribute(INTO, Attribute::i64_array(cx, &into));
            }
            if inputs.iter().all(|input| *input < 0) {
                continue;
            }
            if <dyn Library>::of(maker).is_some() {
                maker.set_attribute(IN_PLACE, Attribute::i64_array(cx, &inputs));
            } else {
                variants.choose(maker, &inputs)?;
            }
        }
        Ok(donated)
    }

    /// Lets `value` be made in the memory of an argument, if that can be; whether it is.
    fn claim(&self, value: Value<'c>, argument: usize, marks: &mut Vec<Mark<'c>>) -> bool {
        let Some((maker, result)) = value.definer() else { return false };
        let memory = self.block.argument(argument);
        if marks.iter().any(|mark| mark.maker == maker && mark.result == result) {
            return false;
        }
        // What is changed where it is must be there before, if it is not the argument itself.
        let changed = self.changed(maker).filter(|input| maker.operand(*input) != memory);
        let input = match changed.filter(|input| self.claim(maker.operand(*input), argument, marks)) {
            Some(input) => Some(Some(input)),
            None => self.place(maker, result, memory),
        };
        marks.extend(input.map(|input| Mark { maker, result, argument: Some(argument), input }));
        input.is_some()
    }

    /// Results of an elementwise kernel that stay in the program, and for each an operand that nobody reads any more, whose
    /// memory it may take: first of those that are no matrix product, which may never be in memory. None that such a product
    /// is made from, as the kernel may be a part of it; nor the result of an attention, which its gradient may be given.
    fn reused(&self, call: Operation<'c>) -> Vec<(usize, usize)> {
        let kernel = call.attribute("callee").and_then(|a| a.as_symbol()).and_then(|name| find_function(call, name));
        let Some(kernel) = kernel.filter(|f| f.attribute(KERNEL).is_some()) else { return Vec::new() };
        let product =
            |value: Value<'c>| self.root(value).and_then(|root| root.defining_op()).filter(|op| is_product(*op));
        let factors: Vec<_> =
            call.operands().filter_map(product).flat_map(|op| op.operands()).map(|v| self.root(v)).collect();
        let is_dead = |input: &usize| {
            let Some((root, view)) = layout(call.operand(*input), self.shapes) else { return false };
            let readers = call.operands().filter(|operand| self.root(*operand) == Some(root)).count();
            let is_whole = view.is_dense() && Dim::product(&view.sizes) == Dim::product(&self.shapes.dims(root));
            let is_last = self.last_read.get(&root) == self.position.get(&call);
            let is_free =
                is_made(root) && !root.defining_op().is_some_and(is_attention) && !factors.contains(&Some(root));
            is_whole && readers == 1 && is_last && is_free && is_elementwise(kernel, *input)
        };
        let mut dead: Vec<usize> = (0..call.operand_count()).filter(is_dead).collect();
        dead.sort_by_key(|input| product(call.operand(*input)).is_some());
        let returned: Vec<_> =
            self.block.terminator().iter().flat_map(|end| end.operands()).map(|v| self.root(v)).collect();
        let has_memory = |result: &usize| !returned.contains(&self.root(call.result(*result)));
        let mut taken = Vec::new();
        for result in (0..call.result_count()).filter(has_memory) {
            let is_alike = |input: &usize| {
                let (from, to) = (call.operand(*input), call.result(result));
                from.ty() == to.ty() && self.shapes.dims(from) == self.shapes.dims(to)
            };
            let free = |input: &&usize| taken.iter().all(|(_, other)| *other != **input) && is_alike(input);
            if let Some(input) = dead.iter().find(free) {
                taken.push((result, *input));
            }
        }
        taken
    }

    /// The operand that a library's op may change where it is: it is the last to read it.
    fn changed(&self, op: Operation<'c>) -> Option<usize> {
        let input = <dyn Library>::of(op)?.in_place()?;
        let value = op.operand(input);
        let reads = (0..op.operand_count()).filter(|i| self.root(op.operand(*i)) == Some(value)).count();
        let is_last = self.last_read.get(&value) == self.position.get(&op);
        (self.root(value) == Some(value) && reads == 1 && is_last).then_some(input)
    }

    /// Whether `maker` can make its result in the memory of `argument`: `None` if not, else the operand whose memory it
    /// takes, if it reads the argument itself.
    fn place(&self, maker: Operation<'c>, result: usize, argument: Value<'c>) -> Option<Option<usize>> {
        if maker.has_trait("constant_like") {
            return None;
        }
        let at = self.position[&maker];
        match self.last_read.get(&argument) {
            None => Some(None),
            Some(last) if *last < at => Some(None),
            Some(last) if *last > at => None,
            Some(_) if self.changed(maker).is_some_and(|input| maker.operand(input) == argument) => {
                Some(self.changed(maker))
            }
            Some(_) => {
                let name = maker.attribute("callee").and_then(|a| a.as_symbol())?;
                let kernel = find_function(maker, name).filter(|f| f.attribute(KERNEL).is_some())?;
                let mut reads = (0..maker.operand_count()).filter(|i| self.root(maker.operand(*i)) == Some(argument));
                let input = reads.next().filter(|input| maker.operand(*input) == argument)?;
                (reads.next().is_none() && works_in_place(kernel, input, result)).then_some(Some(input))
            }
        }
    }
}

/// Whether a step makes `value`, in memory of its own.
fn is_made(value: Value<'_>) -> bool {
    value.defining_op().is_some_and(|op| !op.has_trait("constant_like"))
}

/// Whether an op is a matrix product.
fn is_product(op: Operation<'_>) -> bool {
    let library = <dyn Library>::of(op);
    matches!(library.as_ref().and_then(|library| library.library()), Some(LibraryCall::Matmul { .. }))
}

/// Whether an op is an attention.
fn is_attention(op: Operation<'_>) -> bool {
    let library = <dyn Library>::of(op);
    matches!(library.as_ref().and_then(|library| library.library()), Some(LibraryCall::Attention { .. }))
}

/// Whether a kernel computes its results element by element from each other, from its input `number`, and from what has
/// nothing to do with that.
fn is_elementwise(kernel: Operation<'_>, number: usize) -> bool {
    let (Some(body), Ok(shapes)) = (kernel.region(0).entry(), Shapes::of(kernel)) else { return false };
    let (input, mut from) = (body.argument(number), HashSet::from([body.argument(number)]));
    let sizes = shapes.dims(input);
    body.operations().into_iter().all(|op| {
        let is_alike = op.results().all(|result| shapes.dims(result) == sizes);
        if op.has_trait("terminator") {
            return op.operands().all(|result| shapes.dims(result) == sizes && result != input);
        }
        let reads = op.operands().any(|operand| from.contains(&operand));
        if reads {
            from.extend(op.results());
        }
        match reads {
            true => op.has_trait("elementwise") && is_alike,
            // What is the same for many elements, such as a bias.
            false => op.has_trait("elementwise") || op.has_trait("constant_like") || <dyn Strided>::of(op).is_some(),
        }
    })
}

/// A result, and the argument whose memory it takes.
struct Mark<'c> {
    maker: Operation<'c>,
    result: usize,
    argument: Option<usize>,
    /// The operand that is this argument, if the maker reads it.
    input: Option<usize>,
}

/// Whether each element of a kernel's input goes into the same element of the result and nowhere else, so that nothing
/// reads it once that is written.
fn works_in_place(kernel: Operation<'_>, input: usize, result: usize) -> bool {
    let Some(block) = kernel.region(0).entry() else { return false };
    let (Some(returned), Ok(shapes)) = (block.terminator(), Shapes::of(kernel)) else { return false };
    let (from, to) = (block.argument(input), returned.operand(result));
    let Some(maker) = to.defining_op() else { return false };
    let is_apart = |value: &Value<'_>| returned.operands().all(|v| v != *value);
    if from.ty() != to.ty() || shapes.dims(from) != shapes.dims(to) || !is_apart(&from) {
        return false;
    }
    let (mut open, mut seen) = (vec![from], HashSet::new());
    while let Some(value) = open.pop() {
        for (user, _) in value.uses() {
            let same = user.results().all(|v| shapes.dims(v) == shapes.dims(to));
            if !user.has_trait("elementwise") || !same {
                return false;
            }
            if user != maker && seen.insert(user) {
                if !user.results().all(|v| is_apart(&v)) {
                    return false;
                }
                open.extend(user.results());
            }
        }
    }
    true
}

/// Kernels that work in place, beside those that do not.
#[derive(Default)]
struct Variants<'c> {
    known: HashMap<(String, Vec<i64>), String>,
    replaced: Vec<Operation<'c>>,
}

impl<'c> Variants<'c> {
    /// Makes `call` one of the kernel that takes the memory of these inputs.
    fn choose(&mut self, call: Operation<'c>, inputs: &[i64]) -> Result {
        let name = call.attribute("callee").and_then(|a| a.as_symbol()).unwrap_or_default();
        let kernel =
            find_function(call, name).ok_or_else(|| call.error(format!("calls '@{name}', which does not exist")))?;
        let key = (name.to_owned(), inputs.to_vec());
        let variant = match self.known.get(&key) {
            Some(variant) => variant.clone(),
            None => {
                let variant = (0..).map(|i| format!("{name}_in_place_{i}")).find(|v| find_function(call, v).is_none());
                let variant = variant.ok_or_else(|| call.error("internal: there are no more names"))?;
                let rewriter = Rewriter::at(kernel);
                rewriter.after(kernel);
                let copy = rewriter.clone_op(kernel);
                copy.set_attribute("sym_name", Attribute::string(call.context(), &variant));
                copy.set_attribute(IN_PLACE, Attribute::i64_array(call.context(), inputs));
                self.replaced.push(kernel);
                self.known.insert(key, variant.clone());
                variant
            }
        };
        call.set_attribute("callee", Attribute::symbol(call.context(), &variant));
        Ok(())
    }

    /// Drops the kernels that nobody calls any more.
    fn drop_unused(self, module: Block<'c>) -> Result {
        let mut called = HashSet::new();
        for function in module.operations() {
            function.walk(|op| called.extend(op.attribute("callee").and_then(|a| a.as_symbol())));
        }
        for kernel in self.replaced {
            let is_called = kernel.is_alive()
                && kernel.attribute("sym_name").and_then(|a| a.as_string()).is_some_and(|name| called.contains(name));
            if kernel.is_alive() && !is_called {
                Rewriter::at(kernel).erase(kernel)?;
            }
        }
        Ok(())
    }
}
