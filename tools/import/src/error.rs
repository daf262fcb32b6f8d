//! Why a model could not be imported, and whose fault it is.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// What keeps a model from being imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The operating system refused. The environment's to fix, or the path is wrong.
    #[error("{path}: {reason}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        reason: io::Error,
    },
    /// The file is damaged, hostile, or no archive of `torch.export`. Whoever made it is to fix it.
    #[error("{path}: not a valid torch.export archive: {reason}")]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is damaged, hostile, or no StableHLO. Whoever made it is to fix it.
    #[error("{path}:{place}: {reason}")]
    StableHlo {
        /// The file.
        path: PathBuf,
        /// Line and column, or the number of a byte.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// The archive's format is newer or older than any that the importer knows. Ours to extend.
    #[error("{path}: {what}")]
    Version {
        /// The archive.
        path: PathBuf,
        /// The version it has, and those that are known.
        what: String,
    },
    /// The model needs what the importer does not have: all of it. Ours to extend.
    #[error("{path}: {} not supported:{}", count(.gaps), lines(.gaps))]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What is missing, the most frequent first.
        gaps: Vec<Gap>,
    },
    /// The graph contradicts itself: an op cannot have these operands, or not this result.
    #[error("{path}: value '{value}' at {place}: {message}")]
    Graph {
        /// The file.
        path: PathBuf,
        /// The value that was being made.
        value: String,
        /// Where the model makes it.
        place: String,
        /// What is wrong, with the values.
        message: String,
    },
    /// A module that does not verify: a bug of the importer's.
    #[error("internal: the imported module is invalid: {0}")]
    Internal(#[from] thunder_ir::Error),
}

/// Something that the importer does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The operation, or what else it is, with a reason where the operation is known otherwise.
    pub what: String,
    /// How often the model uses it.
    pub count: usize,
    /// Where it does first.
    pub place: String,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} times, first at {})", self.what, self.count, self.place)
    }
}

fn count(gaps: &[Gap]) -> String {
    if gaps.len() == 1 { "one thing is".to_owned() } else { format!("{} things are", gaps.len()) }
}

fn lines(gaps: &[Gap]) -> String {
    gaps.iter().map(|gap| format!("\n  {gap}")).collect()
}
