//! No `#[ignore]`: a test asserts what happens today, with a FIXME if that is wrong.

use super::source::code;
use super::{Tree, Violation};

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, text) in tree.rust() {
        for (line, number) in code(text).lines().zip(1..) {
            if line.trim_start().starts_with("#[ignore") {
                let message = "assert what happens today instead, with a FIXME and the reason";
                violations.push(Violation::at(path, number, message));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::super::tests::said;

    #[test]
    fn ignored_tests_are_found() {
        assert_eq!(
            said(super::check, &[("a.rs", "// #[ignore]\n#[test]\n#[ignore = \"slow\"]\nfn a() {}\n")]),
            ["a.rs:3: assert what happens today instead, with a FIXME and the reason"]
        );
    }
}
