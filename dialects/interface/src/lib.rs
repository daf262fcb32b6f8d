//! The questions that passes ask of ops.
