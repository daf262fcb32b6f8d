//! Cubins from PTX, where NVIDIA's assembler is there: they save the driver that work when a session is prepared.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::Arch;

/// How it is asked to work with several threads: as many on every machine, as cubins depend on their number. Older assemblers do
/// not know it.
const THREADS: &str = "--split-compile=8";

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
        let run = |options: &[&str]| {
            let mut command = Command::new(&self.program);
            command.arg(format!("-arch={arch}")).args(options).args([Path::new("-o"), &to, &from]).output()
        };
        let done = |output: &Output| output.status.success();
        let output = match run(&[THREADS]) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Ok(output) if !done(&output) && said(&output).contains("split-compile") => run(&[]),
            output => output,
        };
        let output = output.map_err(|source| AssembleError::Start { program: self.program.clone(), source })?;
        if !done(&output) {
            return Err(AssembleError::Refused { program: self.program.clone(), message: said(&output) });
        }
        Ok(Some(std::fs::read(&to)?))
    }
}

/// What a program has complained of.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::{AssembleError, Assembler};
    use crate::cuda::Arch;

    /// What a program of this text makes of PTX.
    fn made_by(text: &str) -> Result<Option<Vec<u8>>, AssembleError> {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let program = folder.path().join("ptxas");
        std::fs::write(&program, format!("#!/bin/sh\n{text}\n")).expect("a new folder can be written");
        let runs = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&program, runs).expect("it is a file of this user's");
        Assembler::new(&program).cubin(b"kernels", Arch::Sm90a)
    }

    #[test]
    fn old_assemblers_work_alone() {
        let old =
            "case \"$*\" in *split*) echo \"Unknown option '-split-compile'\" >&2; exit 255; esac\ncp \"$4\" \"$3\"";
        assert_eq!(made_by(old).expect("it assembles"), Some(b"kernels".to_vec()));
    }

    #[test]
    fn what_assemblers_say_is_kept() {
        let error = made_by("echo 'line 7: no such instruction' >&2; exit 1").expect_err("it refuses");
        assert!(error.to_string().ends_with("failed: line 7: no such instruction"), "{error}");
        assert_eq!(Assembler::new("/no/such/assembler").cubin(b"", Arch::Sm80).expect("there is none"), None);
    }
}
