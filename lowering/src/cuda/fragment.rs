//! Kernels as parts of matrix products: functions for a few neighbouring elements of these that are in registers, as
//! `thunder_runtime::program::Fragment` says.

use thunder_ir::{Attribute, Block, Blueprint, Operation, Result, Rewriter, Type, Value};
use thunder_runtime::program::{LANES, Piece};

use super::Arch;
use super::emitter::Emitter;
use super::entry;
use super::general::store;
use super::lanes::{Index, Lanes};
use super::pointwise;
use crate::signature::Signature;

/// Elements of two bytes in a word.
const PER_WORD: usize = 2;

/// A kernel that may be a part of products.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The kernel's name.
    pub kernel: String,
    /// The products that it computes from.
    pub products: Vec<Piece>,
}

impl Part {
    /// The name of the function.
    pub fn name(&self) -> String {
        let products = self.products.iter().map(|piece| format!("_{}at{}", piece.pointer, piece.start));
        format!("{}_of{}", self.kernel, products.collect::<String>())
    }
}

/// Elements of an input that are in registers.
#[derive(Clone)]
pub struct Given<'c> {
    /// Where they are.
    pub at: Vec<Index<'c>>,
    /// The number of the first, if they are of a tensor that is there as a whole.
    pub first: Option<Value<'c>>,
    /// Themselves.
    pub lanes: Lanes<'c>,
}

/// Adds the functions of those of `parts` that are the kernel `function` beside it.
pub fn add(function: Operation<'_>, parts: &[Part], arch: Arch) -> Result {
    let name = function.attribute("sym_name").and_then(|a| a.as_string()).unwrap_or_default();
    parts.iter().filter(|part| part.kernel == name).try_for_each(|part| make(function, part, arch))
}

/// Adds the function of `part` beside the kernel `function`, if it can be one: on architectures whose products have parts,
/// where each element needs the same of the products only, and rows are known to have a whole number of times the elements
/// of a function.
fn make(function: Operation<'_>, part: &Part, arch: Arch) -> Result {
    let signature = Signature::of(function)?;
    let rows = signature.dims.last().and_then(|dims| dims.last()).and_then(|dim| dim.known());
    let is_whole = rows.is_some_and(|row| row % LANES as i64 == 0);
    if arch != Arch::Sm90a || !is_whole || has_table(function) || !pointwise::is_pointwise(function)? {
        return Ok(());
    }
    let rewriter = Rewriter::at(function);
    let (added, block) = declare(&signature, &rewriter, function, part)?;
    rewriter.at_end(block);
    let done = rewriter.insert(&Blueprint::new("func.return"))?;
    rewriter.before(done);
    let mut emitter = Emitter::new(&rewriter, added, entry::index(&signature, function.context()), arch);
    if !write(&mut emitter, function, &signature, block, part)? {
        Rewriter::at(added).erase(added)?;
    }
    Ok(())
}

/// Whether the kernel has elements of its own, which would be memory beside the function.
fn has_table(function: Operation<'_>) -> bool {
    let mut has = false;
    function.walk(|op| {
        let is_tensor = op.name() == "arith.constant" && op.result(0).ty().as_tensor().is_some();
        has |= is_tensor && op.attribute("value").is_none_or(|value| value.splat_value().is_none());
    });
    has
}

/// An empty function.
fn declare<'c>(
    signature: &Signature<'c>,
    rewriter: &Rewriter<'c>,
    function: Operation<'c>,
    part: &Part,
) -> Result<(Operation<'c>, Block<'c>)> {
    let cx = function.context();
    let pointer = Type::parse(cx, "!llvm.ptr<1>").ok_or("internal: a pointer type parses")?;
    let (word, long) = (Type::int(cx, 32), Type::int(cx, 64));
    let mut inputs = vec![long];
    inputs.extend(vec![word; part.products.len() * LANES / PER_WORD]);
    inputs.extend(vec![pointer; signature.tensors()]);
    inputs.extend(vec![long; signature.symbols]);
    let added = rewriter.insert(
        &Blueprint::new("func.func")
            .attribute("sym_name", Attribute::string(cx, &part.name()))
            .attribute("function_type", Attribute::of_type(Type::function(cx, &inputs, &[])))
            .regions(1),
    )?;
    let arguments: Vec<_> = inputs.iter().map(|ty| (*ty, function.location())).collect();
    Ok((added, added.region(0).append_block(&arguments)))
}

/// Writes the function; whether it needs nothing of products but what is in registers.
fn write<'c>(
    emitter: &mut Emitter<'_, 'c>,
    function: Operation<'c>,
    signature: &Signature<'c>,
    block: Block<'c>,
    part: &Part,
) -> Result<bool> {
    let words = part.products.len() * LANES / PER_WORD;
    let arguments: Vec<_> = block.arguments().collect();
    let outputs = entry::bind(emitter, function, signature, &arguments[1 + words..])?;
    let inputs = function.region(0).entry().ok_or_else(|| function.error("has no body"))?;
    let tensors: Vec<_> = inputs.arguments().filter(|value| value.ty().as_tensor().is_some()).collect();
    let first = emitter.cast(arguments[0], emitter.index)?;
    emitter.lanes = LANES;
    emitter.is_aligned = true;
    if outputs.iter().any(|output| output.dims != outputs[0].dims) {
        return Ok(false);
    }
    emitter.assuming(&[first], LANES as i64, |emitter| {
        for (number, piece) in part.products.iter().enumerate() {
            let words = &arguments[1 + number * LANES / PER_WORD..][..LANES / PER_WORD];
            let product = tensors[piece.pointer as usize];
            let lanes = emitter.halves(words, product.ty().element())?;
            let mut sizes = emitter.inputs[&product].sizes.clone();
            let columns = sizes.last_mut().ok_or_else(|| function.error("internal: has a product without columns"))?;
            let is_half = part.products.iter().filter(|other| other.pointer == piece.pointer).count() > 1;
            if is_half {
                let two = emitter.int(2)?;
                *columns = emitter.div(*columns, two)?;
            }
            let mut at = emitter.split(&Index::Step(first), &sizes)?;
            if let Some(column) = at.last_mut() {
                let start = Index::Same(emitter.int(i64::from(piece.start))?);
                *column = column.add(emitter, &start)?;
            }
            let first = (!is_half).then_some(first);
            emitter.given.entry(product).or_default().push(Given { at, first, lanes });
        }
        store(emitter, &outputs.iter().collect::<Vec<_>>(), Index::Step(first))
    })?;
    Ok(!emitter.is_lost)
}
