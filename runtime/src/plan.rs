//! One run's sizes, memory and resolved steps, for one tuple of symbol values.
//!
//! Building a plan checks everything that needs sizes: nothing negative, nothing that overflows,
//! every view within its tensor, no operation whose result overlaps an operand. What is left to do
//! per run is to add base addresses to offsets.

mod arena;
mod extents;
mod resolve;
mod wave;

use std::ops::Range;

use thunder_tensor::DType;

use crate::executor::Block;
use crate::program::{Call, DimError, DimId, Functions, LibraryOp, Program, Root, Step};

pub use arena::MemoryStatistics;
pub(crate) use resolve::MAX_PTRS;
pub(crate) use wave::{Piece, Wave};

/// Why a program cannot run at some sizes. The compiler's fault: inputs that pass the guards have
/// sizes that the program was compiled for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A size cannot be computed.
    #[error(transparent)]
    Dim(#[from] DimError),
    /// A size, stride or offset is negative.
    #[error("{what} is {value}")]
    Negative {
        /// Which.
        what: String,
        /// Its value.
        value: i64,
    },
    /// The sizes do not fit memory.
    #[error("{what} is too large for this machine's addresses")]
    TooLarge {
        /// Which tensor.
        what: String,
    },
    /// A step reaches past the end of a tensor.
    #[error("{what} reaches byte {end} of a tensor of {bytes} bytes")]
    OutOfBounds {
        /// Step and argument.
        what: String,
        /// First byte after what is touched.
        end: u128,
        /// Bytes that the tensor has.
        bytes: usize,
    },
    /// Query heads cannot share key heads evenly.
    #[error("{what}: not a multiple")]
    Heads {
        /// The step and both numbers.
        what: String,
    },
    /// A launch has more blocks than a GPU runs.
    #[error("{what} is {count}; at most {most}")]
    Blocks {
        /// Step and axis.
        what: String,
        /// How many.
        count: usize,
        /// How many there may be.
        most: u32,
    },
    /// The sizes break a relation that a function of the program relies on. The caller's mistake.
    #[error("{message} ({left} and {right})")]
    Constraint {
        /// The function's message.
        message: String,
        /// Value of one side.
        left: i64,
        /// Value of the other.
        right: i64,
    },
    /// A round of a loop would change the size of a value.
    #[error("{what} begins with {given} bytes, and a round makes {made} of them")]
    Carried {
        /// The step and the value.
        what: String,
        /// Bytes that the loop is given.
        given: usize,
        /// Bytes that the body makes.
        made: usize,
    },
    /// A step runs a function, and none are given.
    #[error("step {step} runs a function, and there are none")]
    NoFunctions {
        /// Position in the program.
        step: usize,
    },
    /// An operation would overwrite what it reads, or write an element twice.
    #[error("{what} overlaps {other}")]
    Overlap {
        /// Step and argument.
        what: String,
        /// What it overlaps.
        other: String,
    },
}

pub(crate) type Result<T = (), E = PlanError> = std::result::Result<T, E>;

/// A base address that is known when a run starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Arena,
    Input(u32),
    Parameter(u32),
    Constant(u32),
    Output(u32),
    /// An input or parameter that the program updates, by its number among the states.
    State(u32),
}

/// A pointer argument: `offset` bytes after a base, with `bytes` bytes behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    pub base: Base,
    pub offset: usize,
    pub bytes: usize,
}

/// How a launch is cut for the pool.
#[derive(Clone, Debug)]
pub(crate) struct Split {
    /// Entry of the launch's numbers that is the extent.
    pub dim: usize,
    pub start: Option<usize>,
    pub extent: usize,
    /// Of what length a slice is worth a thread, at least.
    pub grain: usize,
    /// Length of every chunk but the last.
    pub chunk: usize,
    pub chunks: usize,
    /// Bytes per unit for each pointer.
    pub advance: Vec<usize>,
}

/// An epilogue with its sizes.
#[derive(Clone, Debug)]
pub(crate) struct PlannedEpilogue {
    pub kernel: usize,
    /// Arguments of the call.
    pub args: Vec<usize>,
    pub numbers: Range<usize>,
    /// Entries of its numbers that say where a block starts, and how long it is.
    pub start: usize,
    pub length: usize,
    /// Sizes of each product.
    pub rows: usize,
    pub columns: usize,
    /// Whether the kernel counts elements, not rows.
    pub elements: bool,
}

impl PlannedEpilogue {
    /// The ranges, as start and length, of what the kernel counts in a block.
    pub(crate) fn ranges(&self, block: &Block) -> impl Iterator<Item = (usize, usize)> + use<> {
        let first = block.batch * self.rows + block.rows.start;
        let (step, mut length, mut count) = (self.columns, block.columns.len(), block.rows.len());
        let mut start = first * self.columns + block.columns.start;
        if !self.elements {
            (start, length, count) = (first, count, 1);
        } else if length == self.columns {
            (length, count) = (length * count, 1);
        }
        (0..count).map(move |i| (start + i * step, length))
    }
}

/// A launch with its pointers in `slots` and its numbers in `numbers`.
#[derive(Clone, Debug)]
pub(crate) struct PlannedLaunch {
    pub kernel: usize,
    pub slots: Range<usize>,
    pub numbers: Range<usize>,
    /// How it may be cut; `None` for one that runs on one thread.
    pub split: Option<Split>,
    /// The threads of a GPU that run it; `None` on a processor.
    #[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "there are no GPUs"))]
    pub grid: Option<PlannedGrid>,
}

/// The threads of a GPU that run a launch.
#[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "there are no GPUs"))]
#[derive(Clone, Debug)]
pub(crate) struct PlannedGrid {
    pub blocks: [u32; 3],
    pub threads: u32,
    pub shared: u32,
    pub overlaps: bool,
}

/// A step with its pointers in `slots` and its numbers in `numbers`.
#[derive(Debug)]
pub(crate) enum PlannedStep {
    Launch(PlannedLaunch),
    Wave(Wave),
    Call {
        call: usize,
        slots: Range<usize>,
        epilogue: Option<PlannedEpilogue>,
        /// Memory that nobody needs meanwhile, on a GPU.
        #[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "there are no GPUs"))]
        unused: Option<Unused>,
    },
    Copy {
        slots: Range<usize>,
        bytes: usize,
    },
    While(PlannedLoop),
}

/// Memory that nobody needs while a call runs, which may be its scratch memory.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "there are no GPUs"))]
pub(crate) struct Unused {
    /// The number of a slot that is such memory.
    pub slot: Option<usize>,
    /// The bytes of the arena behind which there is none that anybody needs.
    pub end: usize,
}

/// A loop with its pointers in `slots`.
#[derive(Debug)]
pub(crate) struct PlannedLoop {
    /// The functions.
    pub condition: usize,
    pub body: usize,
    /// Their plans.
    pub plans: Box<[Plan; 2]>,
    pub slots: Range<usize>,
    /// How many values both functions are given.
    pub inputs: usize,
    /// Bytes of those that rounds replace.
    pub carried: Vec<usize>,
}

impl PlannedStep {
    /// What it is called, and what kind of step it is.
    pub(crate) fn name(&self, program: &Program) -> (String, &'static str) {
        let kernel = |number: usize| program.kernels[number].clone();
        match self {
            Self::Launch(launch) => (kernel(launch.kernel), "kernel"),
            Self::Wave(wave) => {
                let names: Vec<String> = wave.launches.iter().map(|launch| kernel(launch.kernel)).collect();
                (names.join(" | "), "kernel")
            }
            Self::Call { call, epilogue, .. } => {
                let op = match &program.steps[*call] {
                    Step::Call(Call { op: op @ LibraryOp::Fused(fused), .. }) => {
                        return (format!("{} + {}", op.name(), fused.kernel), "library");
                    }
                    Step::Call(call) => call.op.name(),
                    Step::Launch(_) | Step::Copy { .. } | Step::While(_) => {
                        unreachable!("a planned call is a call of the program")
                    }
                };
                let rest = epilogue.as_ref().map_or(String::new(), |e| format!(" + {}", kernel(e.kernel)));
                (format!("{op}{rest}"), "library")
            }
            Self::Copy { .. } => ("copy".to_owned(), "copy"),
            Self::While(_) => ("while".to_owned(), "loop"),
        }
    }
}

/// A tensor's type and extents.
pub type Shape = (DType, Vec<usize>);

/// How launches are cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// For so many threads of a processor, which runs independent launches together.
    Threads(usize),
    /// For the grids of a GPU, which runs one launch after the other.
    #[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "there are no GPUs"))]
    Grids,
}

#[derive(Debug)]
pub(crate) struct Plan {
    /// Values of the symbols that the plan is for.
    pub symbols: Vec<i64>,
    /// Values of the program's dims.
    pub values: Vec<i64>,
    pub inputs: Vec<Shape>,
    pub outputs: Vec<Shape>,
    /// Bytes of each of the program's states.
    pub state_bytes: Vec<usize>,
    pub slots: Vec<Slot>,
    pub numbers: Vec<i64>,
    pub steps: Vec<PlannedStep>,
    /// Whether some step may use the pool.
    pub parallel: bool,
    pub memory: MemoryStatistics,
    /// What a GPU has for it.
    #[cfg(feature = "cuda")]
    pub gpu: crate::cuda::engine::Ready,
}

impl Plan {
    /// Plans a valid program for `symbols`, whose length is the program's, and those of `functions` that it runs.
    pub(crate) fn new(program: &Program, functions: Functions<'_>, symbols: Vec<i64>, cut: Cut) -> Result<Self> {
        let values = program.dims.evaluate(&symbols)?;
        resolve::plan(program, functions, symbols, values, cut)
    }

    /// The loops among the steps.
    #[cfg(feature = "cuda")]
    pub(crate) fn loops(&self) -> impl Iterator<Item = &PlannedLoop> {
        self.steps.iter().filter_map(|step| match step {
            PlannedStep::While(rounds) => Some(rounds),
            _ => None,
        })
    }
}

/// The values of a program's dims, with the checks that turn them into sizes.
#[derive(Clone, Copy)]
struct Values<'a>(&'a [i64]);

impl Values<'_> {
    fn get(self, dim: DimId) -> i64 {
        self.0[dim.0 as usize]
    }

    fn size(self, dim: DimId, what: &dyn Fn() -> String) -> Result<usize> {
        let value = self.get(dim);
        usize::try_from(value).map_err(|_| PlanError::Negative { what: what(), value })
    }

    /// Extents and bytes of a tensor.
    fn tensor(self, dtype: DType, shape: &[DimId], what: &dyn Fn() -> String) -> Result<(Vec<usize>, usize)> {
        let extents = shape.iter().map(|&dim| self.size(dim, what)).collect::<Result<Vec<_>>>()?;
        // Rust's allocations, like slices, have at most isize::MAX bytes. Zero extents do not
        // excuse the others: strides are products of them.
        let most = extents.iter().try_fold(dtype.size(), |bytes, &e| bytes.checked_mul(e.max(1)));
        if most.is_none_or(|bytes| bytes > isize::MAX as usize - 4096) {
            return Err(PlanError::TooLarge { what: what() });
        }
        let bytes = extents.iter().product::<usize>() * dtype.size();
        Ok((extents, bytes))
    }
}

fn root_name(program: &Program, root: Root) -> String {
    match root {
        Root::Input(i) => format!("input '{}'", program.inputs[i as usize].name),
        Root::Parameter(i) => format!("parameter '{}'", program.parameters[i as usize].name),
        Root::Constant(i) => format!("constant {i}"),
        Root::Buffer(i) => format!("buffer {i}"),
        Root::Output(i) => format!("output '{}'", program.outputs[i as usize].name),
    }
}

/// Whether as many packed copies of a matrix have a size, with extents rounded up to cache lines.
/// Strides of 0 let operands be larger than the memory behind them; copies of them are not.
pub(crate) fn fits_memory(rows: usize, columns: usize, copies: usize) -> bool {
    let bytes = [rows.saturating_add(64), columns.saturating_add(64), copies.max(1)]
        .iter()
        .try_fold(16_usize, |bytes, &extent| bytes.checked_mul(extent));
    bytes.is_some_and(|bytes| bytes < isize::MAX as usize)
}
