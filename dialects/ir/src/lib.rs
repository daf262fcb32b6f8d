//! Dialects, rewrites and passes on real MLIR, in safe Rust.
