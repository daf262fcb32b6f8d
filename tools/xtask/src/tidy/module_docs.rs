//! Every Rust file starts with `//!`: what it guarantees.

use super::{Tree, Violation};

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    // Macros' error tests are small on purpose, and their expected output counts lines.
    let ours = tree.rust().filter(|(path, _)| !path.contains("/tests/ui/"));
    let silent = ours.filter(|(_, text)| !text.starts_with("//!"));
    silent.map(|(path, _)| Violation::at(path, 1, "start with `//! ...`: what the file guarantees")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::said;

    #[test]
    fn files_without_docs_are_found() {
        let files = [("a.rs", "//! A.\n"), ("b.rs", "use a;\n"), ("m/tests/ui/c.rs", "fn main() {}")];
        assert_eq!(said(super::check, &files), ["b.rs:1: start with `//! ...`: what the file guarantees"]);
    }
}
