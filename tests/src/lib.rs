//! Tests over the whole of Thunder, and what they share: random programs, tame inputs of theirs, the errors of functions.

pub mod accuracy;
pub mod program;
pub mod tame;
