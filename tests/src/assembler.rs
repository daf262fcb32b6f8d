//! NVIDIA's assembler of PTX.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail, ensure};
use thunder_lowering::cuda::Arch;

/// Where `cargo xtask setup` puts the assembler.
const INSTALLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.cache/ptxas/ptxas");

/// Assembles PTX for an architecture; what the assembler tells of each function.
pub fn assemble(ptx: &str, arch: Arch) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let (from, to) = (folder.path().join("kernels.ptx"), folder.path().join("kernels.cubin"));
    std::fs::write(&from, ptx)?;
    let arguments = [Path::new("-v"), Path::new("-o"), &to, &from];
    let output = Command::new(assembler()?).arg(format!("-arch={arch}")).args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        bail!("ptxas refuses for {arch}: {}\n{ptx}", said.trim());
    }
    Ok(said)
}

fn assembler() -> Result<PathBuf> {
    let installed = PathBuf::from(INSTALLED);
    ensure!(installed.is_file(), "there is no '{INSTALLED}': cargo xtask setup installs it");
    Ok(installed)
}
