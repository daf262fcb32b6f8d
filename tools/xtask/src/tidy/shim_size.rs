//! The C++ of the shim stays below 1,500 lines.

use super::{Tree, Violation};

const LIMIT: usize = 1600;

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let is_cpp = |path: &str| [".cpp", ".cc", ".h", ".hpp", ".inc"].iter().any(|extension| path.ends_with(extension));
    let lines = tree.below("dialects/shim/").filter(|(path, _)| is_cpp(path)).map(|(_, text)| text.lines().count());
    let total: usize = lines.sum();
    if total < LIMIT {
        return Vec::new();
    }
    let message = format!("{total} lines of C++, the limit is {LIMIT}: what Rust can do belongs in dialects/ir");
    vec![Violation::in_file("dialects/shim", message)]
}

#[cfg(test)]
mod tests {
    use super::super::tests::said;

    #[test]
    fn a_large_shim_is_found() {
        let (half, rest) = ("\n".repeat(800), "\n".repeat(800));
        let files = [("dialects/shim/src/a.cpp", half.as_str()), ("dialects/shim/src/b.h", &rest)];
        assert_eq!(
            said(super::check, &files),
            ["dialects/shim: 1600 lines of C++, the limit is 1600: what Rust can do belongs in dialects/ir"]
        );
        assert_eq!(said(super::check, &files[..1]), [] as [&str; 0]);
    }
}
