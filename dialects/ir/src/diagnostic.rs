//! What went wrong, where: diagnostics as values, and the error type of this crate.

use crate::raw::context::Location;
pub use crate::raw::diagnostic::{capture, emit};
use std::fmt;

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The program or pass is wrong.
    Error = 0,
    /// It may be wrong.
    Warning = 1,
    /// It explains another diagnostic.
    Note = 2,
    /// It reports what was done or why not.
    Remark = 3,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
            Self::Remark => "remark",
        })
    }
}

/// One report of MLIR's or ours, as a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// `file:line:column`, or MLIR's spelling of a location that is no file.
    pub location: String,
    /// What is the matter.
    pub message: String,
    /// Explanations, each with its own location.
    pub notes: Vec<Diagnostic>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.location, self.severity, self.message)?;
        self.notes.iter().try_for_each(|note| write!(f, "\n{note}"))
    }
}

/// Why an operation could not be built, a rewrite not be done, or a module not be accepted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// One rule is broken at one place: the program's author's to fix.
    #[error("{}{message}", place(.location))]
    Located {
        /// `file:line:column`, where it is known.
        location: Option<String>,
        /// What is the matter, with the values.
        message: String,
    },
    /// MLIR refused the program; its diagnostics say where.
    #[error("{}", lines(.0))]
    Diagnostics(Vec<Diagnostic>),
}

fn place(location: &Option<String>) -> String {
    location.as_ref().map(|l| format!("{l}: ")).unwrap_or_default()
}

fn lines(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Error {
    /// An error whose place the receiver knows.
    pub fn new(message: impl fmt::Display) -> Self {
        Self::Located { location: None, message: message.to_string() }
    }

    /// An error at a place.
    pub fn at(location: Location<'_>, message: impl fmt::Display) -> Self {
        Self::Located { location: Some(location.to_string()), message: message.to_string() }
    }

    /// What MLIR reported; `otherwise` where it said nothing.
    pub fn from_diagnostics(diagnostics: Vec<Diagnostic>, otherwise: &str) -> Self {
        if diagnostics.is_empty() { Self::new(otherwise) } else { Self::Diagnostics(diagnostics) }
    }

    /// The text without its place.
    pub fn message(&self) -> String {
        match self {
            Self::Located { message, .. } => message.clone(),
            Self::Diagnostics(all) => lines(all),
        }
    }
}

impl From<String> for Error {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<&str> for Error {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

/// A result whose error has a place.
pub type Result<T = (), E = Error> = std::result::Result<T, E>;
