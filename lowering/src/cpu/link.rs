//! Shared objects from object files.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Why an object could not be linked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The linker cannot be started. The user's machine lacks it.
    #[error("cannot run '{}': {source}; a C compiler is needed to make a shared object", program.display())]
    Start {
        /// What was to be run.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The linker refuses. The compiler's bug, or a broken installation.
    #[error("'{}' failed: {message}", program.display())]
    Refused {
        /// What was run.
        program: PathBuf,
        /// What it printed.
        message: String,
    },
    /// A temporary file cannot be written or read. The system's fault.
    #[error("cannot use a temporary folder to link: {0}")]
    Files(#[from] io::Error),
}

/// The C compiler that links.
#[derive(Debug, Clone)]
pub struct Linker {
    program: PathBuf,
}

impl Default for Linker {
    fn default() -> Self {
        Self::new("cc")
    }
}

impl Linker {
    /// Links with `program`, a C compiler's driver.
    pub fn new(program: impl AsRef<Path>) -> Self {
        Self { program: program.as_ref().to_owned() }
    }

    /// The shared object made of `objects`; it needs libc and libm only.
    pub fn shared_object(&self, objects: &[Vec<u8>]) -> Result<Vec<u8>, LinkError> {
        let folder = tempfile::tempdir()?;
        let to = folder.path().join("kernels.so");
        let from: Vec<PathBuf> = (0..objects.len()).map(|i| folder.path().join(format!("kernels{i}.o"))).collect();
        for (file, object) in from.iter().zip(objects) {
            std::fs::write(file, object)?;
        }
        let output = Command::new(&self.program)
            .args(["-shared", "-nostartfiles", "-Wl,--build-id=none", "-Wl,-z,defs", "-o"])
            .arg(&to)
            .args(&from)
            .args(["-lm", "-lc"])
            .output()
            .map_err(|source| LinkError::Start { program: self.program.clone(), source })?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(LinkError::Refused { program: self.program.clone(), message });
        }
        Ok(std::fs::read(to)?)
    }
}

#[cfg(test)]
mod tests {
    use super::{LinkError, Linker};

    #[test]
    fn failures_say_whose_they_are() {
        let absent = Linker::new("/no/such/linker").shared_object(&[]).expect_err("there is no such program");
        assert!(matches!(absent, LinkError::Start { .. }));
        let refused = Linker::default().shared_object(&[b"not an object".to_vec()]).expect_err("it is no object");
        assert!(matches!(refused, LinkError::Refused { .. }), "{refused}");
    }
}
