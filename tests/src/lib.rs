//! Tests over the whole of Thunder, and what they share: random programs, and the errors of functions.

pub mod accuracy;
pub mod program;
