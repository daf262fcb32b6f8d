//! Models that examples, tests and benchmarks share, written with the tracing API.

pub mod bert;
pub mod gpt;
pub mod llama;
pub mod minilm;
pub mod resnet;
pub mod zoo;
