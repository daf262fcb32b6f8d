//! Runs lit-style tests of dialects under cargo.
