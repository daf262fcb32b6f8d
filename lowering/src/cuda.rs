//! Kernels as PTX: from `linalg` on tensors to what a driver of NVIDIA's compiles for its GPU.
//!
//! Needs: kernels (functions with the attribute [`KERNEL`]) lowered to `linalg`, `tensor`, `arith` and `math`, without
//! loops that carry tensors. Guarantees: for each kernel a GPU function of its name, and the [`Grid`] that it is launched
//! with; so launched it computes the kernel's results, whatever its sizes and wherever its memory is. It calls nothing.
//!
//! A kernel is written by one of the schedules below `cuda/`, the first that takes it. Each asks for elements of the
//! results (`cuda/element.rs`), and decides which thread computes which, and who combines what.

mod affine;
mod arrivals;
mod assembler;
mod body;
mod columns;
mod element;
mod emitter;
mod entry;
mod fragment;
mod general;
mod lanes;
mod memory;
mod nest;
mod panels;
mod pointwise;
mod ptx;
mod rows;
mod team;
mod transpose;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use thunder_ir::codegen::Machine;
use thunder_ir::prelude::*;
use thunder_passes::KERNEL;

use crate::cpu::{CUDA, expand};

pub use assembler::{AssembleError, Assembler};
pub use entry::Grid;
pub use fragment::Part;
pub use ptx::Ptx;

/// A generation of GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arch {
    /// A100 and what came after it.
    Sm80,
    /// H100 and H200 alone.
    Sm90a,
    /// B200 and what came after it.
    Sm100,
}

impl Arch {
    /// All of them.
    pub const ALL: [Arch; 3] = [Arch::Sm80, Arch::Sm90a, Arch::Sm100];

    /// The name that NVIDIA's tools have for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sm80 => "sm_80",
            Self::Sm90a => "sm_90a",
            Self::Sm100 => "sm_100",
        }
    }

    /// The newest of which code runs on a GPU of this architecture, as the driver names it ("sm_90").
    pub fn newest_for(gpu: &str) -> Result<Self, String> {
        let number = gpu.strip_prefix("sm_").map(|number| number.trim_end_matches(char::is_alphabetic));
        match number.and_then(|number| number.parse().ok()) {
            Some(90) => Ok(Self::Sm90a),
            Some(100_u32..) => Ok(Self::Sm100),
            Some(80..) => Ok(Self::Sm80),
            _ => Err(format!("there is no code for GPUs of {gpu}")),
        }
    }

    /// Bytes of shared memory that a multiprocessor has for its blocks, on each of the GPUs that code for this one runs on.
    pub(crate) fn shared_memory(self) -> i64 {
        match self {
            // Among those that came after it are some for graphics, which have less.
            Self::Sm80 | Self::Sm100 => 100 << 10,
            Self::Sm90a => 228 << 10,
        }
    }

    /// How many multiprocessors a large GPU of it has: for how work is dealt out.
    pub(crate) fn multiprocessors(self) -> i64 {
        match self {
            Self::Sm80 => 108,
            Self::Sm90a => 132,
            Self::Sm100 => 148,
        }
    }

    /// Whether its kernels can wait themselves for what was started before them.
    pub fn overlaps(self) -> bool {
        self >= Self::Sm90a
    }

    fn machine(self) -> Machine {
        let version = match self {
            Self::Sm80 | Self::Sm90a => "+ptx80",
            Self::Sm100 => "+ptx86",
        };
        Machine { triple: "nvptx64-nvidia-cuda".to_owned(), cpu: self.name().to_owned(), features: version.to_owned() }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Arch {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|arch| arch.name() == name);
        known.ok_or_else(|| format!("unknown architecture '{name}': known are sm_80, sm_90a and sm_100"))
    }
}

/// From structured control flow to the LLVM dialect.
const LLVM: &str = "inline,canonicalize,cse,symbol-dce,convert-scf-to-cf,convert-to-llvm,reconcile-unrealized-casts";

/// Lowers a module of kernels to the LLVM and NVVM dialects, and those of `parts` that can be parts of products as functions for
/// that as well; how each is launched.
pub fn lower(module: &mut Module<'_>, arch: Arch, parts: &[Part]) -> Result<BTreeMap<String, Grid>> {
    let mut grids = BTreeMap::new();
    for function in module.body().operations() {
        if function.name() == "func.func" && function.attribute(KERNEL).is_some() {
            let name = function.attribute("sym_name").and_then(|a| a.as_string()).unwrap_or_default().to_owned();
            fragment::add(function, parts, arch)?;
            grids.insert(name, entry::make(function, arch)?);
        } else {
            Rewriter::at(function).erase(function)?;
        }
    }
    expand(module, CUDA)?;
    Pipeline::new().then(LLVM).run(module)?;
    entry::mark(module, &grids)?;
    Ok(grids)
}

/// The PTX of a module that [`lower`] has lowered.
pub fn ptx(module: &Module<'_>, arch: Arch) -> Result<Ptx> {
    ptx::ptx(module, &arch.machine())
}
