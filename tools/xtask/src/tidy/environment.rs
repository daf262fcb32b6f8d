//! No environment variables below the tools: what a library does follows from its arguments.

use super::source::{code, shipped_lines};
use super::{Tree, Violation};

const ACCESSES: [&str; 6] =
    ["env::var(", "env::var_os(", "env::vars(", "env::vars_os(", "env::set_var(", "env::remove_var("];

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| !may_read(path)) {
        for (number, line) in shipped_lines(&code(text)) {
            if ACCESSES.iter().any(|access| line.contains(access)) {
                let message = "reads the environment: take an option instead, and read variables in tools/";
                violations.push(Violation::at(path, number, message));
            }
        }
    }
    violations
}

fn may_read(path: &str) -> bool {
    // Cargo talks to build scripts through variables.
    let is_test = path.starts_with("tests/") || path.contains("/tests/");
    path.starts_with("tools/") || is_test || path.ends_with("/build.rs")
}

#[cfg(test)]
mod tests {
    use super::super::tests::said;

    #[test]
    fn libraries_that_read_variables_are_found() {
        let text = "let a = std::env::var(\"A\");\nlet b = env!(\"CARGO_MANIFEST_DIR\");\n";
        let files = [("runtime/src/a.rs", text), ("tools/src/a.rs", text), ("dialects/shim/build.rs", text)];
        assert_eq!(
            said(super::check, &files),
            ["runtime/src/a.rs:1: reads the environment: take an option instead, and read variables in tools/"]
        );
    }
}
