//! Passes and lowerings ask interfaces; only the rules of structured primitives may name the op that they lower.

use std::collections::BTreeSet;

use super::source::{code_and_strings, shipped_lines};
use super::{Tree, Violation};

const FOLDERS: [&str; 2] = ["passes/src/", "lowering/src/"];

/// Where each primitive has its rule for linalg.
const RULES: [&str; 2] = ["lowering/src/linalg.rs", "lowering/src/linalg/"];

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let ops = defined_ops(tree);
    let mut violations = Vec::new();
    let is_ours = |path: &str| FOLDERS.iter().any(|folder| path.starts_with(folder));
    let is_rule = |path: &str| RULES.iter().any(|rule| path.starts_with(rule));
    for (path, text) in tree.rust().filter(|(path, _)| is_ours(path) && !is_rule(path)) {
        for (number, line) in shipped_lines(&code_and_strings(text)) {
            if literals(line).any(|literal| ops.contains(literal)) {
                let message = "names an op: ask an interface that the op implements, or add one";
                violations.push(Violation::at(path, number, message));
            }
        }
    }
    violations
}

/// The names of all ops: attributes and symbols of the project start like them.
fn defined_ops(tree: &Tree) -> BTreeSet<String> {
    let files = tree.rust().filter(|(path, _)| path.starts_with("dialects/") && path.contains("/src/ops/"));
    let lines = files.flat_map(|(_, text)| text.lines());
    lines.flat_map(|line| literals(line).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The quoted names that start with the dialect's.
fn literals(line: &str) -> impl Iterator<Item = &str> {
    line.split('"').skip(1).step_by(2).filter(|literal| literal.starts_with("thunder."))
}

#[cfg(test)]
mod tests {
    use super::super::tests::said;

    #[test]
    fn ops_named_by_passes_are_found() {
        let text = "// like \"thunder.add\"\nif name == \"thunder.add\" {}\n#[cfg(test)]\nlet s = \"thunder.add\";\n";
        assert_eq!(
            said(
                super::check,
                &[
                    ("dialects/thunder/src/ops/add.rs", "#[op(\"thunder.add\", pure)]"),
                    ("passes/src/a.rs", text),
                    ("passes/src/b.rs", "let attribute = \"thunder.kernel\";"),
                    ("lowering/src/linalg/matmul.rs", text),
                ]
            ),
            ["passes/src/a.rs:2: names an op: ask an interface that the op implements, or add one"]
        );
    }
}
