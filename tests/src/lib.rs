//! Tests over the whole of Thunder, and what they share: random programs, tame inputs of theirs, the errors of functions,
//! results of other frameworks, samples of operations of PyTorch, NVIDIA's assembler.

pub mod accuracy;
pub mod assembler;
pub mod golden;
pub mod op_db;
pub mod program;
pub mod tame;
