//! Kernels as parts of matrix products: functions for a few neighbouring elements of these that are in registers, as
//! `thunder_runtime::program::Fragment` says.

use thunder_ir::{Attribute, Block, Blueprint, Operation, Result, Rewriter, Type, Value};
use thunder_runtime::program::{Columns, LANES, Piece};

use super::Arch;
use super::emitter::Emitter;
use super::entry;
use super::general::{store, store_at};
use super::lanes::{Index, Lanes, Point};
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
        let products = self.products.iter().map(|piece| match piece.columns {
            Columns::All => format!("_{}", piece.pointer),
            Columns::Half { of, start } => format!("_{}at{start}of{of}", piece.pointer),
        });
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
    let is_whole = |row: i64| row % LANES as i64 == 0;
    let is_cut = |piece: &Piece| matches!(piece.columns, Columns::Half { of, .. } if !is_whole(i64::from(of) / 2));
    if arch != Arch::Sm90a || !rows.is_some_and(is_whole) || part.products.iter().any(is_cut) {
        return Ok(());
    }
    if has_table(function) || !pointwise::is_pointwise(function)? {
        return Ok(());
    }
    for order in orders(&signature, part) {
        let rewriter = Rewriter::at(function);
        let (added, block) = declare(&signature, &rewriter, function, part)?;
        rewriter.at_end(block);
        let done = rewriter.insert(&Blueprint::new("func.return"))?;
        rewriter.before(done);
        let mut emitter = Emitter::new(&rewriter, added, entry::index(&signature, function.context()), arch);
        if write(&mut emitter, function, &signature, block, part, order.as_deref())? {
            return Ok(());
        }
        Rewriter::at(added).erase(added)?;
    }
    Ok(())
}

/// The ways in which dimensions of results may be those of products: as elements are numbered, or in another order, of
/// which the last one is the last. Which it is turns out when the function is written.
fn orders(signature: &Signature<'_>, part: &Part) -> Vec<Option<Vec<usize>>> {
    let mut tensors = signature.types.iter().zip(&signature.dims).filter(|(ty, _)| ty.as_tensor().is_some());
    let product = part.products.first().and_then(|piece| tensors.nth(piece.pointer as usize));
    let mut all = vec![None];
    let (Some((_, from)), Some((_, to))) = (product, signature.dims.last().and_then(|dims| dims.split_last())) else {
        return all;
    };
    if from.len() != to.len() + 1 {
        return all;
    }
    let mut found = vec![Vec::new()];
    for size in to {
        let next = |order: &Vec<usize>| {
            let fits = |axis: &usize| !order.contains(axis) && from[*axis] == *size;
            let longer = (0..to.len()).filter(fits).map(|axis| [&order[..], &[axis]].concat());
            longer.collect::<Vec<_>>()
        };
        found = found.iter().flat_map(next).collect();
    }
    all.extend(found.into_iter().map(|order| Some([&order[..], &[to.len()]].concat())));
    all
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

/// Writes the function, where dimensions of results are those of products in this order, or as elements are numbered;
/// whether it needs nothing of products but what is in registers.
fn write<'c>(
    emitter: &mut Emitter<'_, 'c>,
    function: Operation<'c>,
    signature: &Signature<'c>,
    block: Block<'c>,
    part: &Part,
    order: Option<&[usize]>,
) -> Result<bool> {
    let words = part.products.len() * LANES / PER_WORD;
    let arguments: Vec<_> = block.arguments().collect();
    let outputs = entry::bind(emitter, function, signature, &arguments[1 + words..])?;
    let first = emitter.cast(arguments[0], emitter.index)?;
    emitter.lanes = LANES;
    emitter.is_aligned = true;
    if outputs.iter().any(|output| output.dims != outputs[0].dims) {
        return Ok(false);
    }
    let mut fits = true;
    emitter.assuming(&[first], LANES as i64, |emitter| {
        let places = give(emitter, function, first, &arguments[1..1 + words], part)?;
        let outputs: Vec<_> = outputs.iter().collect();
        let count = |emitter: &Emitter<'_, 'c>, sizes: &[Value<'c>]| {
            sizes.iter().map(|size| emitter.number(*size)).try_fold(1, |count, size| Some(count * size?))
        };
        // Of halves, results are of as many elements as one of them, or as both.
        let made = count(emitter, &outputs[0].memory.sizes);
        let is_both = places.whole.is_some() && made == places.whole.as_ref().and_then(|sizes| count(emitter, sizes));
        let Some(order) = order else {
            fits = !is_both;
            return if fits { store(emitter, &outputs, Index::Step(first)) } else { Ok(()) };
        };
        let at = if is_both { &places.given } else { &places.numbered };
        let ordered = |at: &Vec<Index<'c>>| Point::new(order.iter().map(|axis| at[*axis].clone()).collect());
        store_at(emitter, &outputs, &at.iter().map(ordered).collect::<Vec<_>>())
    })?;
    Ok(fits && !emitter.is_lost)
}

/// Where elements are that are in registers.
struct Places<'c> {
    /// Of each piece, as its product counts them.
    given: Vec<Vec<Index<'c>>>,
    /// As the first piece counts them, which of halves is without the other.
    numbered: Vec<Vec<Index<'c>>>,
    /// The sizes of a product of which there are halves.
    whole: Option<Vec<Value<'c>>>,
}

/// Tells the emitter of the elements that are in registers, from number `first` of each piece on.
fn give<'c>(
    emitter: &mut Emitter<'_, 'c>,
    function: Operation<'c>,
    first: Value<'c>,
    words: &[Value<'c>],
    part: &Part,
) -> Result<Places<'c>> {
    let inputs = function.region(0).entry().ok_or_else(|| function.error("has no body"))?;
    let tensors: Vec<_> = inputs.arguments().filter(|value| value.ty().as_tensor().is_some()).collect();
    let mut places = Places { given: Vec::new(), numbered: Vec::new(), whole: None };
    for (piece, words) in part.products.iter().zip(words.chunks_exact(LANES / PER_WORD)) {
        let product = tensors[piece.pointer as usize];
        let lanes = emitter.halves(words, product.ty().element())?;
        let mut sizes = emitter.inputs[&product].sizes.clone();
        let mut start = 0;
        if let (Columns::Half { of, start: from }, Some(columns)) = (piece.columns, sizes.clone().last()) {
            places.whole = Some(sizes.clone());
            // A group is a row as the kernel sees it.
            if emitter.number(*columns) != Some(i64::from(of)) {
                return Err(function.error("internal: has groups of columns that are no rows"));
            }
            sizes.pop();
            sizes.push(emitter.int(i64::from(of) / 2)?);
            start = from;
        }
        let numbered = emitter.split(&Index::Step(first), &sizes)?;
        let mut at = numbered.clone();
        if let Some(column) = at.last_mut() {
            let start = Index::Same(emitter.int(i64::from(start))?);
            *column = column.add(emitter, &start)?;
        }
        let number = (piece.columns == Columns::All).then_some(first);
        emitter.given.entry(product).or_default().push(Given { at: at.clone(), first: number, lanes });
        places.given.push(at);
        if places.numbered.is_empty() {
            places.numbered.push(numbered);
        }
    }
    Ok(places)
}
