//! Every Rust file of the project is formatted, also those that `cargo fmt` does not find: a macro declares the modules of
//! ops.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::tidy;

/// Formats every Rust file at `root`, or with `--check` fails and shows what would change.
pub(crate) fn run(root: &Path, arguments: &[String]) -> anyhow::Result<()> {
    let check: &[&str] = match arguments {
        [] => &[],
        [flag] if flag == "--check" => &["--check"],
        [unexpected, ..] => bail!("`cargo xtask fmt` knows only `--check`, found `{unexpected}`"),
    };
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).context("cannot read Cargo.toml")?;
    let edition = edition(&manifest).context("Cargo.toml names no edition")?;
    let files = tidy::rust_files(root)?;
    eprintln!(
        "$ rustfmt --edition {edition}{} on {} files",
        if check.is_empty() { "" } else { " --check" },
        files.len()
    );
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.current_dir(root).args(["--edition", edition]).args(check).args(&files);
    let status = rustfmt.status().context("cannot start `rustfmt`")?;
    if !status.success() {
        bail!("not formatted: `cargo xtask fmt` does that ({status})");
    }
    Ok(())
}

/// The edition that a manifest gives its packages.
fn edition(manifest: &str) -> Option<&str> {
    manifest.lines().find(|line| line.starts_with("edition"))?.split('"').nth(1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_edition_is_that_of_the_manifest() {
        assert_eq!(super::edition("[workspace.package]\nversion = \"1\"\nedition = \"2024\"\n"), Some("2024"));
        assert_eq!(super::edition("[workspace]\n"), None);
    }
}
