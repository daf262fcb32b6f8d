//! What can be wrong with a model, at its line of Rust.

use std::fmt;
use std::panic::Location;

/// Why a function could not be traced.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// An op cannot take what it was given. The model's author's to fix.
    #[error("{0}")]
    Model(#[from] ModelError),
    /// Two functions of one tracer share a name, or one is traced inside another. The caller's to fix.
    #[error("{location}: function '{name}' {reason}")]
    Function {
        /// Where it was to be traced.
        location: &'static Location<'static>,
        /// Its name.
        name: String,
        /// What is in the way.
        reason: &'static str,
    },
    /// The verifier refuses the module. A bug of the tracing API.
    #[error("internal: the traced module is invalid: {0}")]
    Invalid(#[from] thunder_ir::Error),
}

/// A mistake in a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelError {
    /// The line of the model.
    pub location: &'static Location<'static>,
    /// The layer, such as `encoder.layer.0`; empty outside of layers.
    pub scope: String,
    /// The calls of layers that led there, innermost first.
    pub callers: Vec<&'static Location<'static>>,
    /// What is wrong, with the values.
    pub message: String,
}

impl std::error::Error for ModelError {}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.message)?;
        if self.scope.is_empty() { Ok(()) } else { write!(f, " (in {})", self.scope) }
    }
}
