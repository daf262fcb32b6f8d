//! Cubins from PTX, where NVIDIA's assembler is there: they save the driver that work when a session is prepared.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Arch;

/// Why PTX could not be assembled.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// The assembler refuses. The compiler's bug, or an assembler older than the architecture.
    #[error("'{}' failed: {message}", program.display())]
    Refused {
        /// What was run.
        program: PathBuf,
        /// What it printed.
        message: String,
    },
    /// The assembler cannot be started, though it is there. The user's machine.
    #[error("cannot run '{}': {source}", program.display())]
    Start {
        /// What was to be run.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A temporary file cannot be written or read. The system's fault.
    #[error("cannot use a temporary folder to assemble: {0}")]
    Files(#[from] io::Error),
}

/// NVIDIA's assembler.
#[derive(Debug, Clone)]
pub struct Assembler {
    program: PathBuf,
}

impl Default for Assembler {
    fn default() -> Self {
        Self::new("ptxas")
    }
}

impl Assembler {
    /// Assembles with `program`.
    pub fn new(program: impl AsRef<Path>) -> Self {
        Self { program: program.as_ref().to_owned() }
    }

    /// The cubin of PTX; none where there is no assembler.
    pub fn cubin(&self, ptx: &[u8], arch: Arch) -> Result<Option<Vec<u8>>, AssembleError> {
        let folder = tempfile::tempdir()?;
        let (from, to) = (folder.path().join("kernels.ptx"), folder.path().join("kernels.cubin"));
        std::fs::write(&from, ptx)?;
        let output =
            Command::new(&self.program).arg(format!("-arch={arch}")).args([Path::new("-o"), &to, &from]).output();
        let output = match output {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            output => output.map_err(|source| AssembleError::Start { program: self.program.clone(), source })?,
        };
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(AssembleError::Refused { program: self.program.clone(), message });
        }
        Ok(Some(std::fs::read(&to)?))
    }
}
