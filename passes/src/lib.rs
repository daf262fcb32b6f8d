//! Passes over tensor programs.
