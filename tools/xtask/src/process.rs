//! Runs programs in sight of the user: the command first, its output as it comes, a clear error at the end.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// Runs a program from the repository's root, showing its command line.
pub(crate) fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    run_with(program, arguments, &[])
}

/// As [`run`], with more environment variables.
pub(crate) fn run_with(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<()> {
    let line = command_line(program, arguments, environment);
    eprintln!("$ {line}");
    let status = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .status()
        .with_context(|| format!("cannot start `{program}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// What a program prints, or nothing where it is missing or fails.
pub(crate) fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Where a program is, by `PATH` and cargo's own folder.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo = cargo.or_else(|| std::env::home_dir().map(|home| home.join(".cargo"))).map(|cargo| cargo.join("bin"));
    std::env::split_paths(&path).chain(cargo).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// The cargo that runs this program.
pub(crate) fn cargo() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Whether a machine reads what we print: then no progress bars and no questions.
pub(crate) fn is_unattended() -> bool {
    std::env::var_os("CI").is_some_and(|value| value != "false") || !std::io::stdin().is_terminal()
}

fn command_line(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let variables = environment.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
    let program = program.rsplit('/').next().unwrap_or(program);
    let words = std::iter::once(program).chain(arguments.iter().copied()).map(quoted);
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "-_./=:,+@".contains(c));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// Where a build with optimizations puts what it makes.
pub(crate) fn released(name: &str) -> PathBuf {
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    folder.join("release").join(name)
}

#[cfg(test)]
mod tests {
    #[test]
    fn command_lines_can_be_pasted() {
        let line = super::command_line("/usr/bin/cargo", &["doc", "a b"], &[("RUSTDOCFLAGS", "-D warnings")]);
        assert_eq!(line, "RUSTDOCFLAGS='-D warnings' cargo doc 'a b'");
    }
}
