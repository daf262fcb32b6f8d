//! What an op is to a planner: how it may share a kernel, and what it costs by itself.

use thunder_interface::{Cost, Decompose, Dim, Library, LibraryCall, Strided, StridedView, dtype_of};
use thunder_ir::{Operation, Type};

use crate::kernels::{Access, accesses, rule_of};
use crate::machine::{DYNAMIC, Machine};

/// What an op is where code is cut into kernels.
#[derive(Debug, Clone, PartialEq)]
pub enum Role {
    /// Costs nothing: constants, sizes, values from elsewhere.
    Free,
    /// Other sizes and strides over the memory of its first operand; whether in the order that memory has.
    View {
        /// Whether reading it goes through memory in order.
        is_ordered: bool,
    },
    /// Made from nothing, wherever it is used.
    Generator,
    /// Computed row by row.
    Loop {
        /// Whether a row needs the same row of each operand only.
        aligned: Vec<bool>,
    },
    /// Carried out by a library.
    Library {
        /// Whether a kernel can run on blocks of what it makes.
        has_blocks: bool,
    },
    /// A kernel of its own.
    Alone,
}

/// What an op takes, as far as its interfaces tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// What it is.
    pub role: Role,
    /// Nanoseconds of arithmetic.
    pub arithmetic: f64,
    /// Bytes that it reads.
    pub read: f64,
    /// Bytes that it writes.
    pub written: f64,
}

impl Work {
    /// The work of what takes none.
    pub const NONE: Self = Self { role: Role::Free, arithmetic: 0.0, read: 0.0, written: 0.0 };

    /// The work of an op on a machine.
    pub fn of(op: Operation<'_>, machine: &Machine) -> Self {
        let operands: Vec<_> = op.operands().map(|v| dims(v.ty())).collect();
        let results: Vec<_> = op.results().map(|v| dims(v.ty())).collect();
        let role = role(op, &operands, &results, machine);
        let flops = || {
            let elements = || results.iter().map(|dims| dims.iter().product::<i64>() as f64).sum();
            <dyn Cost>::of(op).map_or_else(elements, |cost| cost.flops(&operands, &results))
        };
        let arithmetic = match role {
            Role::Free | Role::View { .. } => 0.0,
            Role::Library { .. } => machine.products(flops()),
            Role::Generator | Role::Loop { .. } | Role::Alone => machine.loops(flops()),
        };
        let total = |types: &mut dyn Iterator<Item = Type<'_>>| types.map(bytes).sum();
        let read = total(&mut op.operands().map(|v| v.ty()));
        let written = total(&mut op.results().map(|v| v.ty()));
        Self { role, arithmetic, read, written }
    }

    /// The nanoseconds that it takes on the machine where nothing is fused.
    pub fn alone(&self, machine: &Machine) -> f64 {
        match self.role {
            Role::Free => 0.0,
            Role::View { is_ordered: true } | Role::Generator => machine.scalar,
            Role::View { is_ordered: false } => machine.scalar + machine.transfer(self.read + self.written),
            Role::Loop { .. } | Role::Library { .. } | Role::Alone => {
                machine.launch + self.arithmetic.max(machine.transfer(self.read + self.written))
            }
        }
    }
}

fn role(op: Operation<'_>, operands: &[Vec<i64>], results: &[Vec<i64>], machine: &Machine) -> Role {
    if op.has_trait("constant_like") || op.results().all(|v| v.ty().as_tensor().is_none()) {
        return Role::Free;
    }
    if let Some(strided) = <dyn Strided>::of(op) {
        return Role::View { is_ordered: is_ordered(&*strided, &operands[0], &results[0]) };
    }
    if op.operands().all(|v| v.ty().as_tensor().is_none()) {
        return Role::Generator;
    }
    if let Some(call) = <dyn Library>::of(op).as_ref().and_then(|library| library.library()) {
        return Role::Library { has_blocks: !machine.is_gpu && matches!(call, LibraryCall::Matmul { .. }) };
    }
    // What is decomposed before it is cut into kernels shares them as its parts do, which are nodes of their own.
    let is_whole = <dyn Decompose>::of(op).is_none() && op.result_count() == 1;
    let rows = rule_of(op).filter(|_| is_whole).and_then(|rule| accesses(&rule, 1));
    match rows {
        Some(rows) => Role::Loop { aligned: rows.into_iter().map(|access| access == Access::Aligned).collect() },
        None => Role::Alone,
    }
}

fn dims(ty: Type<'_>) -> Vec<i64> {
    let dims = ty.as_tensor().map(|t| t.dims()).unwrap_or_default();
    dims.into_iter().map(|dim| dim.unwrap_or(DYNAMIC)).collect()
}

/// The bytes of a tensor; sizes are no traffic.
pub fn bytes(ty: Type<'_>) -> f64 {
    let Some(tensor) = ty.as_tensor() else { return 0.0 };
    let size = dtype_of(tensor.element()).map_or(8, |dtype| dtype.size());
    size as f64 * elements(ty)
}

/// The elements of a tensor.
pub fn elements(ty: Type<'_>) -> f64 {
    dims(ty).iter().product::<i64>() as f64
}

/// Whether what follows from so many bytes of weights is computed once, before the program runs: where it takes no more
/// memory than these.
pub fn is_done_once(weights: f64, written: f64) -> bool {
    weights > 0.0 && written <= weights
}

/// Whether a view is the same memory in the same order, possibly with parts of it repeated.
fn is_ordered(strided: &dyn Strided, from: &[i64], to: &[i64]) -> bool {
    let known = |sizes: &[i64]| sizes.iter().map(|size| Dim::Known(*size)).collect::<Vec<_>>();
    let Some(view) = strided.view(&StridedView::dense(known(from)), &known(to)) else { return false };
    let repeats = view.strides.iter().zip(&view.sizes).any(|(s, size)| *s == Dim::Known(0) && *size != Dim::Known(1));
    let strides = view.strides.iter().zip(&view.sizes).filter(|(_, size)| **size != Dim::Known(1));
    let mut known: Vec<i64> = strides.filter_map(|(stride, _)| stride.known()).filter(|s| *s != 0).collect();
    let is_ordered = known.is_sorted_by(|a, b| a >= b);
    known.dedup();
    is_ordered && (repeats || view.offset == Dim::Known(0) && view.is_dense())
}
