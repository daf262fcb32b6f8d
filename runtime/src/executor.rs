//! Executors carry out the library operations that they claim.
//!
//! When a session is prepared, the first executor that claims a call prepares it: weights are laid
//! out, handles made. Each run then invokes what was prepared. Operands reach an executor with their
//! bounds checked and the result apart from all else, so that an executor written in safe Rust cannot
//! break the program; one that uses the addresses vouches for itself.

use std::fmt;
use std::ops::Range;

use crate::cpu::Cpu;
use crate::cpu::operand::Operand;
use crate::program::{Arg, Dims, LibraryOp};

/// Something that can carry out library operations.
pub trait Executor: fmt::Debug + Send + Sync {
    /// Name in plans and messages.
    fn name(&self) -> &'static str;

    /// Whether it can carry out `op`, whatever the sizes that are not constants in `dims`.
    fn claims(&self, op: &LibraryOp, dims: &Dims) -> bool;

    /// Does once what need not be done in every run.
    fn prepare(&self, site: &Site<'_>) -> Result<Box<dyn Prepared>, ExecutorError>;
}

/// A call of the program, as seen before sizes are known.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The operation.
    pub op: &'a LibraryOp,
    /// The program's sizes.
    pub dims: &'a Dims,
    /// The call's arguments.
    pub args: &'a [Arg],
    /// For each argument the memory, if it is the same in every run: parameters and constants.
    pub fixed: &'a [Option<Operand>],
    /// Threads and memory.
    pub cpu: &'a Cpu,
}

/// A call that is ready to run.
pub trait Prepared: Send + Sync {
    /// Carries out the call. The session keeps the operands alive and unshared for writing.
    fn run(&self, invocation: &Invocation<'_>);
}

/// One execution of a call.
pub struct Invocation<'a> {
    /// The operation, as at [`Executor::prepare`].
    pub op: &'a LibraryOp,
    /// Values of the program's dims, by `DimId`.
    pub values: &'a [i64],
    /// Memory of the arguments, checked against the operation's sizes and strides.
    pub operands: &'a [Operand],
    /// What is to be told of the result's parts when they are finished.
    pub finished: Option<Finished<'a>>,
    /// Threads and memory.
    pub cpu: &'a Cpu,
}

/// What follows on finished parts of a result.
#[derive(Clone, Copy)]
pub struct Finished<'a> {
    /// To be called with blocks that together make up the result, each once, from any thread of the pool.
    pub run: &'a (dyn Fn(Block) + Sync),
    /// Whether blocks must have whole rows.
    pub whole_rows: bool,
}

/// Part of a batch of matrices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Which matrix.
    pub batch: usize,
    /// Its rows.
    pub rows: Range<usize>,
    /// Its columns.
    pub columns: Range<usize>,
}

/// Why a call cannot be prepared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecutorError {
    /// A parameter or constant is smaller than the operation's strides claim. The compiler's bug.
    #[error("'{op}': argument {argument} reaches past the end of its {bytes} bytes")]
    OutOfBounds {
        /// Name of the operation.
        op: &'static str,
        /// Position of the argument.
        argument: usize,
        /// Bytes that it has.
        bytes: usize,
    },
}
