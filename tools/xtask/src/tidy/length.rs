//! No Rust file beyond 800 lines, but for tables.

use super::{Tree, Violation};

const LIMIT: usize = 800;

/// Files that may be longer, and why.
const TABLES: [(&str, &str); 0] = [];

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let ours = tree.rust().filter(|(path, _)| !TABLES.iter().any(|(table, _reason)| table == path));
    let long = ours.map(|(path, text)| (path, text.lines().count())).filter(|(_, lines)| *lines > LIMIT);
    let message = |lines| format!("{lines} lines, the limit is {LIMIT} (aim for 500): split it by concept");
    long.map(|(path, lines)| Violation::in_file(path, message(lines))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::said;

    #[test]
    fn long_files_are_found() {
        let (fits, long) = ("\n".repeat(800), "\n".repeat(801));
        let files = [("a.rs", fits.as_str()), ("b.rs", &long), ("c.md", &long)];
        assert_eq!(
            said(super::check, &files),
            ["b.rs: 801 lines, the limit is 800 (aim for 500): split it by concept"]
        );
    }
}
