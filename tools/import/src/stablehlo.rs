//! Models as StableHLO: text, as JAX prints it, and the portable bytecode of `jax.export`.

mod bytecode;
mod call;
mod ops;
mod program;
mod text;
mod value;
mod write;

use std::path::Path;

use thunder_ir::{Context, Module};

use crate::ImportError;
use program::Program;

/// Whether a file is MLIR's bytecode.
const BYTECODE: &[u8] = b"ML\xefR";

/// Whether a module is of StableHLO rather than of Thunder.
pub(crate) fn is_stablehlo(bytes: &[u8]) -> bool {
    let has = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
    if bytes.starts_with(BYTECODE) { has(b"StableHLO_v") } else { has(b"stablehlo.") || has(b"stablehlo<") }
}

/// A program as it was read.
pub(crate) struct StableHlo(Program);

impl StableHlo {
    /// Reads a module.
    pub(crate) fn read(bytes: &[u8], path: &Path) -> Result<Self, ImportError> {
        let refused = |place: String, reason: String| ImportError::StableHlo { path: path.to_owned(), place, reason };
        if bytes.starts_with(BYTECODE) {
            let program = bytecode::read(bytes);
            return program.map(Self).map_err(|(at, reason)| refused(format!("byte {at}"), reason));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|error| refused(format!("byte {}", error.valid_up_to()), "it is no text".to_owned()))?;
        let program = text::read(text, &path.display().to_string());
        program.map(Self).map_err(|(line, column, reason)| refused(format!("{line}:{column}"), reason))
    }

    /// The program as the function `@main` of a module.
    pub(crate) fn module<'x>(&self, path: &Path, context: &'x Context) -> Result<Module<'x>, ImportError> {
        write::write(&self.0, path, context)
    }
}
