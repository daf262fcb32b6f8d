//! What MLIR's C API lacks, as C functions, and their Rust declarations.
