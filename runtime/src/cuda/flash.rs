//! Attention and its gradient without a library, by kernels that are made here as PTX, without memory for the scores:
//! FlashAttention-2 (Dao, 2023), with gradients that are the same in each run.
//!
//! It takes attention in half precision whose heads have at most 256 elements, at any strides and alignment, with any causal
//! limit, with a mask and with heads of queries that share one of keys, of no queries or keys too. Scores and sums are in f32;
//! weights are rounded to the operands' type before they are multiplied with values, as cuDNN does. A kernel is made for each
//! pair of widths, and is loaded when sizes are known.
//!
//! The floor that it is to hold is a third of cuDNN on an H200, which the example `gpu_conformance --times` measures, in bf16, of
//! 32 heads and 4096 positions: 49 % for causal attention of 128 elements, 59 % for 64 without a limit; 41 % and 38 % with the
//! gradient. What limits it: `mma.sync` gets at most 5/8 of what Hopper's own instructions do, with which cuDNN multiplies; warps
//! read shared memory about as long as they multiply; and gradients take seven products where five would do if they were
//! added in any order.

mod deltas;
mod forward;
mod frame;
mod gradient;
mod kernel;
mod panel;
mod problem;
mod scores;
#[cfg(test)]
mod tests;

use cudarc::driver::sys::{CUdevice_attribute, CUdeviceptr};
use thunder_tensor::DType;

use super::architecture::Architecture;
use super::error::{CudaError, Result, said};
use super::executor::{Executor, Invocation, Prepared, Site};
use super::loaded::Loaded;
use crate::program::{Attention, DimId, Dims, LibraryOp};
use kernel::NAME;
use problem::{Argument, Problem, Work};

/// Warps and threads of a block.
const WARPS: usize = 4;
const THREADS: usize = 32 * WARPS;

/// The most elements of a query, key or value.
const WIDEST: i64 = 256;

/// Claims attention and its gradient.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flash;

impl Executor for Flash {
    fn name(&self) -> &'static str {
        "flash"
    }

    fn claims(&self, op: &LibraryOp, dims: &Dims) -> bool {
        let takes = |op: &Attention| {
            let fits = |width: DimId| dims.as_constant(width).is_some_and(|width| (1..=WIDEST).contains(&width));
            matches!(op.dtype, DType::F16 | DType::BF16) && fits(op.width) && fits(op.value_width)
        };
        match op {
            LibraryOp::Attention(op) => takes(op),
            LibraryOp::AttentionBackward(op) => takes(&op.forward),
            _ => false,
        }
    }

    fn is_spare(&self) -> bool {
        true
    }

    fn prepare(&self, site: &Site<'_>) -> Result<Box<dyn Prepared>> {
        let gpu = site.gpu;
        let unsupported = |what: String| CudaError::Unsupported { library: "flash", op: site.op.name(), what };
        if !gpu.architecture.is_at_least(Architecture::of(8, 0)) {
            return Err(unsupported(format!("to work on {}, which is older than sm_80", gpu.architecture)));
        }
        let shared = gpu.queue.attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?;
        let problem = match site.op {
            LibraryOp::Attention(op) => Problem::forward(op, &|dim| site.size(dim), site.alignments),
            LibraryOp::AttentionBackward(op) => Problem::backward(op, &|dim| site.size(dim), site.alignments),
            _ => unreachable!("an executor prepares what it claims"),
        };
        let (work, workspace) = problem.work(usize::try_from(shared).unwrap_or(0)).map_err(unsupported)?;
        let launches = work.into_iter().map(|work| {
            let kernel = Loaded::new(gpu, work.kernel.ptx(), NAME, [THREADS, work.kernel.shared()])?;
            Ok((kernel, work))
        });
        Ok(Box::new(PreparedFlash { op: site.op.name(), launches: launches.collect::<Result<_>>()?, workspace }))
    }
}

struct PreparedFlash {
    op: &'static str,
    launches: Vec<(Loaded, Work)>,
    workspace: usize,
}

impl Prepared for PreparedFlash {
    fn workspace(&self) -> usize {
        self.workspace
    }

    fn run(&self, invocation: &Invocation<'_>) -> Result {
        for (kernel, work) in &self.launches {
            let value = |argument: &Argument| match *argument {
                Argument::Operand(number) => invocation.operands[number],
                Argument::Scratch(offset) => invocation.workspace + offset as CUdeviceptr,
                Argument::Number(number) => number,
            };
            // SAFETY: the kernel reads the elements of the operands and writes those of the results, which the plan has checked
            // to lie within them, and scratch memory is as large as was asked for.
            unsafe { kernel.start(invocation.gpu, work.blocks, work.arguments.iter().map(value)) }
                .map_err(|error| CudaError::Library { library: "flash", op: self.op, error: said(error) })?;
        }
        Ok(())
    }
}
