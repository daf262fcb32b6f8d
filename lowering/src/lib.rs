//! Lowerings from tensor programs to CPU code and artifacts.
