//! Ops that read and write the memory behind a function's arguments.
//!
//! A value never changes: an argument, as a value, is what its memory holds when the function is called, wherever
//! it is used. Memory is read and written by ops that say so to MLIR as effects, in the order in which they stand.
//! So passes that know nothing of memory, such as `cse`, keep the meaning of programs that use it.

use thunder_ir::{Builder, Operation, Result, Value};

/// What an op does with memory; numbers are those of its operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryAccess {
    /// The op's result is what `from` holds when the op runs.
    Read {
        /// An argument of the function, or a view of one.
        from: usize,
    },
    /// From then on `into` holds `value`.
    Write {
        /// The new contents.
        value: usize,
        /// An argument of the function, or a view of one.
        into: usize,
    },
}

/// Says that an op reads or writes memory.
pub trait Memory {
    /// What it does.
    fn access(&self) -> MemoryAccess;
}

crate::interface!(Memory);

/// Says that an op's result shows elements of its first operand, each at most once: it is a view.
pub trait Alias<'c> {
    /// Builds `whole`, a tensor like the first operand, with the elements that the result shows replaced by those
    /// of `part`.
    fn scatter(&self, b: &Builder<'c>, whole: Value<'c>, part: Value<'c>) -> Result<Value<'c>>;
}

crate::interface!(Alias<'c>);

/// The argument of a function that `value` is or is a view of, and the views on the way, outermost last.
///
/// An error for a value that has no memory, which an op `user` would read or write.
pub fn memory_of<'c>(user: Operation<'c>, value: Value<'c>) -> Result<(Value<'c>, Vec<Operation<'c>>)> {
    let mut views = Vec::new();
    let mut at = value;
    while let Some(op) = at.defining_op() {
        if <dyn Alias>::of(op).is_none() {
            let message = format!(
                "reads or writes the result of '{}', which is no memory: it takes an argument of the function, or a \
                 view of one in which no element repeats",
                op.name()
            );
            return Err(user.error(message));
        }
        views.push(op);
        at = op.operand(0);
    }
    views.reverse();
    Ok((at, views))
}
