//! Kernels as machine code: from `linalg` on tensors to objects or a shared object.
//!
//! Needs: kernels (functions with the attribute [`KERNEL`]) lowered to `linalg`, `tensor`, `arith`,
//! `math` and `scf`. Guarantees: for each kernel a C function of its name that takes an array of
//! pointers (inputs, then results, dense and row-major) and an array of numbers: the values of its
//! symbols, the first row to compute, and how many rows, counted through the leading dimensions that
//! [`ROWS`] names. Calls for ranges that cover all rows, each once, compute the results, as
//! `thunder_runtime::program::Parallel` wants. It reads its inputs and writes its results, which do
//! not overlap but where [`IN_PLACE`] gives a result the pointer of an input, keeps nothing, and calls nothing outside of libc and libm. Rows that the kernel's ops
//! share are done one after the other, so that what passes between ops stays in the first cache.
//!
//! [`ROWS`]: thunder_passes::ROWS
//! [`IN_PLACE`]: thunder_passes::IN_PLACE

mod copies;
mod entry;
mod link;
mod math;
mod rows;
mod slices;

pub use link::{LinkError, Linker};
pub use math::{BARE, CPU, Elementary, FUNCTIONS, WIDE};
pub(crate) use math::{CUDA, expand};

use std::sync::Arc;

use thunder_ir::codegen::{self, Jit, Machine};
use thunder_ir::prelude::*;
use thunder_passes::KERNEL;
use thunder_runtime::cpu::code::{Code, InMemory};

/// Makes each kernel a C function that works on memory, row by row where its ops share rows.
///
/// Functions that are no kernels are dropped.
#[pass(
    "thunder-cpu-entries",
    on = "builtin.module",
    dialects("arith", "bufferization", "func", "linalg", "llvm", "memref", "scf", "tensor")
)]
pub struct Entries {}

impl Pass for Entries {
    fn run(&self, module: Operation<'_>, cx: &PassContext<'_>) -> Result {
        let body = module.region(0).entry().ok_or_else(|| module.error("has no body"))?;
        for function in body.operations() {
            if function.name() == "func.func" && function.attribute(KERNEL).is_some() {
                cx.count(if entry::make(function)? { "split kernels" } else { "whole kernels" }, 1);
            } else {
                Rewriter::at(function).erase(function)?;
            }
        }
        Ok(())
    }
}

/// Turns copies of memory into loops, which are fused and vectorized like any.
#[pass("thunder-cpu-copies", on = "builtin.module", dialects("linalg"))]
pub struct Copies {}

impl Pass for Copies {
    fn run(&self, module: Operation<'_>, _: &PassContext<'_>) -> Result {
        copies::lower(module)
    }
}

/// Before [`Entries`]: fewer, larger ops.
const FUSION: &str = "linalg-fuse-elementwise-ops,canonicalize,cse,thunder-merge-loops,canonicalize";

/// From tensors to loops over memory. No `cse` before bufferization: it would merge the fills that
/// accumulators start from, and one of them would be copied.
const LOOPS: &str = "canonicalize,\
    func.func(eliminate-empty-tensors,empty-tensor-to-alloc-tensor),\
    one-shot-bufferize,canonicalize,cse,\
    func.func(buffer-loop-hoisting),canonicalize,cse,\
    func.func(promote-buffers-to-stack{max-alloc-size-in-bytes=1024}),\
    buffer-deallocation-pipeline,\
    thunder-cpu-copies,\
    convert-linalg-to-loops,fold-memref-alias-ops,\
    func.func(math-extend-to-supported-types{target-type=f32 extra-types=f64}),\
    arith-emulate-unsupported-floats{source-types=bf16,f16 target-type=f32},\
    canonicalize,cse,loop-invariant-code-motion";

/// From loops with calls of elementary functions to the LLVM dialect.
const LLVM: &str = "inline,canonicalize,cse,symbol-dce,\
    expand-strided-metadata,lower-affine,convert-scf-to-cf,convert-to-llvm,reconcile-unrealized-casts";

/// Lowers a module of kernels to the LLVM dialect, with these elementary functions.
pub fn lower(module: &mut Module<'_>, elementary: Elementary) -> Result {
    Pipeline::new().then(FUSION).then("thunder-cpu-entries").then(LOOPS).run(module)?;
    expand(module, elementary)?;
    Pipeline::new().then(LLVM).run(module)?;
    Ok(())
}

/// How many objects the kernels of a module become. Some are much larger than others: more parts than most machines have
/// threads keep all of these busy.
const PARTS: usize = 8;

/// The object files of a module that [`lower`] has lowered.
pub fn objects(module: &Module<'_>, machine: &Machine) -> Result<Vec<Vec<u8>>> {
    codegen::objects(module, machine, 3, PARTS)
}

/// The kernels of what [`objects`] made, in this process's memory.
pub fn load(objects: &[Vec<u8>], kernels: &[String]) -> Result<Arc<dyn Code>> {
    let jit = Arc::new(Jit::load(objects)?);
    let kernels = kernels.iter().map(|name| Ok((name.clone(), jit.kernel(name)?))).collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(InMemory::new(jit, kernels)))
}
