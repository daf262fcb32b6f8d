//! Checks the project's invariants mechanically: one check, one file, one entry in [`CHECKS`].
//!
//! A check whose folder does not exist yet finds nothing. What the compiler or clippy checks is not repeated here.

mod arrows;
mod constraints;
mod environment;
mod ignored_tests;
mod length;
mod machine;
mod map;
mod mlir_bindings;
mod module_docs;
mod names;
mod op_names;
mod passes;
mod paths;
mod shim_size;
mod source;
mod tree;
mod unsafe_code;

use std::fmt;
use std::path::Path;

use anyhow::bail;

use tree::Tree;

/// A check and the invariant that it stands for.
type Check = (fn(&Tree) -> Vec<Violation>, &'static str);

const CHECKS: [Check; 15] = [
    (module_docs::check, "every Rust file says first what it guarantees"),
    (names::check, "files are named for a concept; modules are `foo.rs` + `foo/`"),
    (length::check, "files stay readable"),
    (unsafe_code::check, "`unsafe` lives in few places, each block with its reason"),
    (mlir_bindings::check, "only `dialects/ir` and below know MLIR's bindings"),
    (op_names::check, "a pass never names an op"),
    (environment::check, "no environment variables below the tools"),
    (passes::check, "every pass is in the table and has its lit file"),
    (constraints::check, "every constraint of an op has its negative test"),
    (paths::check, "documents name only paths that exist"),
    (map::check, "the map of the project shows every crate"),
    (shim_size::check, "the shim holds what the C API lacks, nothing more"),
    (arrows::check, "dependencies go one way"),
    (machine::check, "nothing names a machine of its authors"),
    (ignored_tests::check, "no test is switched off"),
];

/// Runs every check on the repository at `root`; fails with all violations.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let tree = Tree::read(root)?;
    let mut count = 0;
    for (check, invariant) in CHECKS {
        let violations = check(&tree);
        if !violations.is_empty() {
            eprintln!("\n{invariant}:");
        }
        for violation in &violations {
            eprintln!("  {violation}");
        }
        count += violations.len();
    }
    if count > 0 {
        bail!("tidy found {count} violations");
    }
    Ok(())
}

/// The paths of the project's Rust files, from `root`.
pub(crate) fn rust_files(root: &Path) -> anyhow::Result<Vec<String>> {
    Ok(Tree::read(root)?.rust().map(|(path, _)| path.to_owned()).collect())
}

/// A place that breaks an invariant, and what to do about it.
#[derive(Debug, PartialEq)]
struct Violation {
    path: String,
    /// From 1; 0 where the file as a whole is meant.
    line: usize,
    message: String,
}

impl Violation {
    fn at(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }

    fn in_file(path: &str, message: impl Into<String>) -> Self {
        Self::at(path, 0, message)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::run;
    use super::tree::Tree;

    /// What `check` says about a tree of these files.
    pub(super) fn said(check: fn(&Tree) -> Vec<super::Violation>, files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_project_is_tidy() -> anyhow::Result<()> {
        run(&crate::root())
    }

    #[test]
    fn an_empty_tree_breaks_nothing() {
        for (check, invariant) in super::CHECKS {
            assert_eq!(said(check, &[]), [] as [&str; 0], "{invariant}");
        }
    }
}
