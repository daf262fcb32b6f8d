//! Cuts a function into kernels: groups of ops that become one loop nest each.
//!
//! Needs: composites decomposed, and functions of values that read and write no memory. Guarantees: every op of the
//! function is a call of a kernel, a library's computation, a view, a constant, or size arithmetic; kernels are private
//! functions over the same ops; equal kernels are one function. The function computes what it did before.

mod activation;
mod epilogue;
mod outline;
mod partition;
mod rows;
mod steps;
mod time;

pub use activation::{Activation, activation_of};
pub use epilogue::{Columns, Epilogue, Piece, epilogue_of, has_epilogue, products_of};
pub(crate) use partition::takes_view;
use partition::{Firsts, Grouping};
pub use partition::{Missed, absorbed_permutation, layout};
pub(crate) use rows::{Access, accesses, rule_of};
pub(crate) use steps::{Cut, cut, jobs, steps, with_kernels};
use thunder_interface::Memory;
use thunder_ir::pass::Numerics;
use thunder_ir::prelude::*;
pub use time::{StepTime, estimate_time, times, total};

use crate::machine::Machine;
use crate::shapes::Shapes;

/// The attribute of a function that is a kernel.
pub const KERNEL: &str = "thunder.kernel";

/// The attribute of a kernel with one number per input and then per result: how many leading
/// dimensions are rows, which the kernel treats one by one; 0 for what every row sees whole, -n where its last n
/// dimensions are the rows, which are single elements of results: each is made of one column.
pub const ROWS: &str = "thunder.rows";

/// The attribute of a kernel with the sizes of its inputs and results, over its symbols.
pub const SIZES: &str = "thunder.sizes";

/// The attribute of a kernel that makes something of panels of its rows: how many panels there are, and of how many rows.
/// Results that are made of panels have a leading dimension for these, which is all that counts as rows of them.
pub const PANELS: &str = "thunder.panels";

/// The attribute of a kernel with the number of its symbols: its sizes that differ from call to call.
pub const SYMBOL_COUNT: &str = "thunder.symbols";

/// Groups ops into kernels, greedily from producers to consumers.
///
/// Those of a GPU that work by rows make reductions of these as well, panel by panel, and make again what is wide from what
/// is narrow.
#[pass("thunder-kernels", on = "builtin.module", dialects("func"))]
pub struct Kernels {
    /// Gives every op a kernel of its own: for finding out what fusion breaks.
    separate: bool,
    /// Who runs kernels: a `cpu`, a `gpu`, or a `hopper`, a GPU whose products may have kernels as parts.
    #[default("cpu")]
    target: String,
}

impl Kernels {
    /// Cuts for GPUs, whose products may have kernels as parts or not.
    pub fn for_gpus(has_parts: bool) -> Self {
        Self { target: if has_parts { "hopper" } else { "gpu" }.to_owned(), ..Self::default() }
    }
}

impl Pass for Kernels {
    fn run(&self, module: Operation<'_>, cx: &PassContext<'_>) -> Result {
        let body = module.regions().next().and_then(|r| r.entry()).ok_or_else(|| module.error("has no body"))?;
        let machine = Machine::of_target(&self.target, module)?;
        let grouping = if self.separate { Grouping::Separate } else { Grouping::of(machine) };
        let mut outliner = outline::Outliner::new(body, grouping.is_gpu());
        for function in body.operations() {
            if function.name() != "func.func"
                || function.attribute(KERNEL).is_some()
                || function.regions().next().and_then(|r| r.entry()).is_none()
            {
                continue;
            }
            without_memory(function)?;
            let firsts = if grouping.is_gpu() { Firsts::of(function)? } else { Firsts::default() };
            let shapes = Shapes::of(function)?;
            let parts = partition::partition(function, &shapes, grouping, &firsts)?;
            cx.count("reductions in panels", firsts.panels.len() as u64);
            cx.count("reductions in steps", firsts.parts.len() as u64);
            cx.count("groups", parts.groups.len() as u64);
            outliner.outline(function, &shapes, parts)?;
        }
        cx.count("kernels", outliner.kernel_count() as u64);
        Ok(())
    }

    fn numerics(&self) -> Numerics {
        if self.target == "cpu" { Numerics::Exact } else { Numerics::Reassociates }
    }
}

/// Kernels run in any order that their values allow: what memory holds must be values before.
fn without_memory(function: Operation<'_>) -> Result {
    let mut accesses = Vec::new();
    function.walk(|op| accesses.extend(<dyn Memory>::of(op).map(|_| op)));
    match accesses.first() {
        None => Ok(()),
        Some(op) => Err(op.error("reads or writes memory: functionalize before cutting into kernels")),
    }
}
