//! Tests over the whole of Thunder, and what they share: executors, sample programs, random programs.

pub mod accuracy;
pub mod constraint;
pub mod example;
pub mod executor;
pub mod program;
pub mod sample;
