//! `melior` and `mlir_sys` are named only in `dialects/ir` and below: an LLVM bump touches these alone.

use super::source::{code, has_word};
use super::{Tree, Violation};

const BELOW: [&str; 2] = ["dialects/ir/", "dialects/shim/"];

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, text) in tree.rust().filter(|(path, _)| !BELOW.iter().any(|below| path.starts_with(below))) {
        for (line, number) in code(text).lines().zip(1..) {
            if let Some(name) = ["melior", "mlir_sys"].into_iter().find(|name| has_word(line, name)) {
                violations.push(Violation::at(path, number, format!("use thunder_ir instead of `{name}`")));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::super::tests::said;

    #[test]
    fn bindings_above_the_ir_are_found() {
        let text = "//! As melior does.\nuse melior::Context;\nlet s = \"mlir_sys\";\n";
        assert_eq!(
            said(super::check, &[("passes/src/a.rs", text), ("dialects/ir/src/a.rs", text)]),
            ["passes/src/a.rs:2: use thunder_ir instead of `melior`"]
        );
    }
}
