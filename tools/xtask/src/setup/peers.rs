//! What the benchmark `peers` compares with: Python packages in `.venv`, pinned by version.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::apt::{self, Package};
use crate::process;

const REQUIREMENTS: &str = "tools/peers/requirements.txt";
/// A copy of the requirements that `.venv` was made for.
const INSTALLED: &str = ".venv/peers.txt";
const PYTHON: [Package; 2] = [
    Package { name: "python3", why: "runs the frameworks that ours is compared with" },
    Package { name: "python3-venv", why: "keeps them apart from the system's Python" },
];

/// The interpreter that has every peer; installs what is missing.
pub(crate) fn install() -> anyhow::Result<PathBuf> {
    let python = PathBuf::from(".venv/bin/python");
    let wanted = std::fs::read_to_string(REQUIREMENTS).with_context(|| format!("cannot read {REQUIREMENTS}"))?;
    if python.is_file() && std::fs::read_to_string(INSTALLED).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let has_pip = process::answer(".venv/bin/python", &["-m", "pip", "--version"]).is_some();
    if !has_pip {
        apt::install(&PYTHON)?;
        process::run("python3", &["-m", "venv", ".venv"])?;
    }
    eprintln!("setup: installing the peers of {REQUIREMENTS} into .venv (some GB)");
    let pip = ["-m", "pip", "install", "--disable-pip-version-check", "--requirement", REQUIREMENTS];
    process::run(".venv/bin/python", &pip)
        .context("pip could not install the peers; is there a network, or does PIP_INDEX_URL need to be set?")?;
    std::fs::write(Path::new(INSTALLED), wanted)?;
    Ok(python)
}
