//! The GPU function of a kernel: its parameters, and the schedule that computes its results.
//!
//! The parameters are a pointer for each tensor, inputs and then results but for those that take the memory of an input,
//! and then the kernel's symbols as numbers of 64 bits: what `thunder_runtime::program::Launch` says.

use std::collections::BTreeMap;

use thunder_interface::Dim;
use thunder_ir::{Attribute, Block, Blueprint, ContextRef, Module, Operation, Result, Rewriter, Type, Value};

use super::emitter::Emitter;
use super::memory::{Memory, bytes_of};
use super::{Arch, columns, general, panels, pointwise, rows, transpose};
use crate::signature::Signature;

/// Bytes that a large GPU moves while it starts a kernel or two.
const LITTLE: i64 = 16 << 20;

/// How many threads run a kernel, in terms of its symbols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    /// Blocks in each dimension.
    pub blocks: [Dim; 3],
    /// Threads of a block.
    pub threads: u32,
    /// Bytes of shared memory that a block is given at its launch.
    pub shared: u32,
    /// Blocks that a multiprocessor should have registers for at a time.
    pub resident: u32,
    /// Whether the kernel itself waits for what was started before it.
    pub overlaps: bool,
}

impl Grid {
    /// So many blocks of so many threads, without wishes.
    pub fn new(blocks: Dim, threads: u32) -> Self {
        let blocks = [blocks, Dim::Known(1), Dim::Known(1)];
        Self { blocks, threads, shared: 0, resident: 1, overlaps: false }
    }
}

/// A result of a kernel.
pub struct Output<'c> {
    /// The tensor.
    pub value: Value<'c>,
    /// Where it goes.
    pub memory: Memory<'c>,
    /// Its sizes.
    pub dims: Vec<Dim>,
}

/// Replaces the kernel `function` by a GPU function of its name; the threads that it is for.
pub fn make(function: Operation<'_>, arch: Arch) -> Result<Grid> {
    let signature = Signature::of(function)?;
    let rewriter = Rewriter::at(function);
    let overlaps = arch.overlaps() && moves_little(&signature);
    let (entry, block) = declare(&signature, &rewriter, function, overlaps)?;
    rewriter.at_end(block);
    let done = rewriter.insert(&Blueprint::new("func.return"))?;
    rewriter.before(done);
    if arch.overlaps() {
        overlap(&rewriter, function.context(), overlaps)?;
    }
    let mut emitter = Emitter::new(&rewriter, entry, index(&signature, function.context()), arch);
    let arguments: Vec<_> = block.arguments().collect();
    let outputs = bind(&mut emitter, function, &signature, &arguments)?;
    let grid = schedule(&mut emitter, function, &outputs, &arguments[..signature.tensors()])?;
    Rewriter::at(function).erase(function)?;
    Ok(Grid { overlaps, ..grid })
}

/// Whether it takes about as long to start the kernel as to move what it reads and makes: then it should be there early. Else
/// it is better that the assembler knows what stays as it is, and reads that when it likes.
fn moves_little(signature: &Signature<'_>) -> bool {
    let bytes = signature.types.iter().zip(&signature.dims).map(|(ty, dims)| {
        let element = ty.as_tensor().map_or(0, |ty| bytes_of(ty.element()));
        Some(Dim::product(dims).known()?.saturating_mul(element))
    });
    bytes.sum::<Option<i64>>().is_some_and(|bytes| bytes <= LITTLE)
}

/// Lets what is started next be on the GPU beside this kernel, and where it is `early` itself, waits for what was started
/// before, of which nothing is touched until then ("programmatic dependent launch").
///
/// The text is the assembler's, as for LLVM its intrinsics have nothing to do with memory.
fn overlap<'c>(rewriter: &Rewriter<'c>, cx: ContextRef<'c>, early: bool) -> Result {
    let wait = early.then_some(("griddepcontrol.wait;", "~{memory}"));
    for (text, clobbers) in [("griddepcontrol.launch_dependents;", "")].into_iter().chain(wait) {
        rewriter.insert(
            &Blueprint::new("llvm.inline_asm")
                .attribute("asm_string", Attribute::string(cx, text))
                .attribute("constraints", Attribute::string(cx, clobbers))
                .attribute("has_side_effects", Attribute::unit(cx)),
        )?;
    }
    Ok(())
}

/// Writes the kernel as the first schedule that takes it.
fn schedule<'c>(
    emitter: &mut Emitter<'_, 'c>,
    function: Operation<'c>,
    outputs: &[Output<'c>],
    pointers: &[Value<'c>],
) -> Result<Grid> {
    for emit in [panels::emit, transpose::emit, pointwise::emit, rows::emit, columns::emit] {
        if let Some(grid) = emit(emitter, function, outputs, pointers)? {
            return Ok(grid);
        }
    }
    general::emit(emitter, outputs)
}

/// Marks the lowered functions as kernels.
pub fn mark(module: &Module<'_>, grids: &BTreeMap<String, Grid>) -> Result {
    for op in module.body().operations() {
        let name = op.attribute("sym_name").and_then(|a| a.as_string()).unwrap_or_default();
        let Some(grid) = grids.get(name) else { continue };
        let threads = Attribute::parse(op.context(), &format!("array<i32: {}>", grid.threads));
        op.set_attribute("nvvm.kernel", Attribute::unit(op.context()));
        op.set_attribute("nvvm.maxntid", threads.ok_or("internal: a number of threads parses")?);
        if grid.resident > 1 {
            let i32 = Type::int(op.context(), 32);
            op.set_attribute("nvvm.minctasm", Attribute::integer(i32, i64::from(grid.resident)));
        }
    }
    Ok(())
}

/// The type of indices: of 32 bits where the number of elements of every tensor is known to be one of 31.
pub fn index<'c>(signature: &Signature<'c>, cx: ContextRef<'c>) -> Type<'c> {
    let fits = signature.dims.iter().all(|dims| Dim::product(dims).known().is_some_and(|count| count < 1 << 30));
    Type::int(cx, if fits { 32 } else { 64 })
}

/// An empty kernel.
fn declare<'c>(
    signature: &Signature<'c>,
    rewriter: &Rewriter<'c>,
    function: Operation<'c>,
    overlaps: bool,
) -> Result<(Operation<'c>, Block<'c>)> {
    let cx = function.context();
    let pointer = Type::parse(cx, "!llvm.ptr<1>").ok_or("internal: a pointer type parses")?;
    let mut inputs = vec![pointer; signature.tensors()];
    inputs.resize(signature.tensors() + signature.symbols, Type::int(cx, 64));
    let unit = Attribute::unit(cx);
    let reads = signature.types.iter().zip(0..).filter(|(ty, _)| ty.as_tensor().is_some()).map(|(_, number)| {
        number < signature.types.len() - signature.in_place.len() && !signature.in_place.contains(&Some(number))
    });
    // What a kernel waits for is no constant while it runs: the assembler would read what is one before it waits.
    let none = Attribute::dictionary(cx, &[]);
    let mut attributes: Vec<_> = reads
        .take(signature.tensors())
        .map(|reads| match reads {
            _ if overlaps => none,
            true => Attribute::dictionary(cx, &[("llvm.noalias", unit), ("llvm.readonly", unit)]),
            false => Attribute::dictionary(cx, &[("llvm.noalias", unit)]),
        })
        .collect();
    attributes.resize(inputs.len(), none);
    let entry = rewriter.insert(
        &Blueprint::new("func.func")
            .attribute("sym_name", Attribute::string(cx, &signature.name))
            .attribute("function_type", Attribute::of_type(Type::function(cx, &inputs, &[])))
            .attribute("arg_attrs", Attribute::array(cx, &attributes))
            .regions(1),
    )?;
    let arguments: Vec<_> = inputs.iter().map(|ty| (*ty, function.location())).collect();
    Ok((entry, entry.region(0).append_block(&arguments)))
}

/// Says where the kernel's arguments are, which are pointers and then symbols; the results, and where they go.
pub fn bind<'c>(
    emitter: &mut Emitter<'_, 'c>,
    function: Operation<'c>,
    signature: &Signature<'c>,
    arguments: &[Value<'c>],
) -> Result<Vec<Output<'c>>> {
    let old = function.region(0).entry().ok_or_else(|| function.error("has no body"))?;
    let returned = old.terminator().ok_or_else(|| function.error("does not return"))?;
    let (pointers, symbols) = arguments.split_at(signature.tensors());
    let mut pointers = pointers.iter().copied();
    for symbol in symbols {
        let symbol = emitter.cast(*symbol, emitter.index)?;
        emitter.symbols.push(symbol);
    }
    let mut taken: Vec<Option<Value<'c>>> = Vec::new();
    let mut outputs = Vec::new();
    for (number, (ty, dims)) in signature.types.iter().zip(&signature.dims).enumerate() {
        let sizes = dims.iter().map(|dim| emitter.dim(dim)).collect::<Result<Vec<_>>>()?;
        let Some(tensor) = ty.as_tensor() else {
            let value = emitter.cast(sizes[0], *ty)?;
            emitter.numbers.insert(old.argument(number), value);
            taken.push(None);
            continue;
        };
        let result = number.checked_sub(old.argument_count());
        let shared = result.and_then(|result| signature.in_place[result]).and_then(|input| taken[input]);
        let pointer = match shared {
            Some(pointer) => pointer,
            None => pointers.next().ok_or("internal: a tensor has no pointer")?,
        };
        taken.push(Some(pointer));
        let memory = Memory { pointer, element: tensor.element(), sizes };
        match result {
            None => _ = emitter.inputs.insert(old.argument(number), memory),
            Some(result) => outputs.push(Output { value: returned.operand(result), memory, dims: dims.clone() }),
        }
    }
    Ok(outputs)
}
