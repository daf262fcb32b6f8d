//! Loads and runs compiled artifacts; never links MLIR.
