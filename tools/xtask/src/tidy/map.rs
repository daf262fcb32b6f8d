//! The map of the project shows every crate.

use toml::Table;

use super::{Tree, Violation};

const MAP: &str = "ARCHITECTURE.md";

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let Some(map) = tree.text(MAP) else { return Vec::new() };
    let workspace = tree.text("Cargo.toml").and_then(|text| text.parse::<Table>().ok()).unwrap_or_default();
    let members = workspace.get("workspace").and_then(|workspace| workspace.get("members")?.as_array());
    let folders = members.into_iter().flatten().filter_map(|member| member.as_str());
    let missing = folders.filter(|folder| !map.contains(&format!("| `{folder}` |")));
    missing.map(|folder| Violation::in_file(MAP, format!("shows no crate `{folder}`: add it to the table"))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::said;

    #[test]
    fn crates_that_are_not_shown_are_found() {
        let files = [
            ("Cargo.toml", "[workspace]\nmembers = [\"passes\", \"runtime/tensor\"]\n"),
            ("ARCHITECTURE.md", "| `passes` | `thunder-passes` | passes |\n"),
        ];
        let message = "ARCHITECTURE.md: shows no crate `runtime/tensor`: add it to the table";
        assert_eq!(said(super::check, &files), [message]);
    }
}
