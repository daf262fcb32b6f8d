//! No `mod.rs`, and no file named for being used by others.

use super::{Tree, Violation};

const BANNED: [&str; 10] =
    ["util", "utils", "base", "common", "helper", "helpers", "misc", "manager", "shared", "stuff"];

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    tree.rust().filter_map(|(path, _)| Some(Violation::in_file(path, complaint(path)?))).collect()
}

fn complaint(path: &str) -> Option<String> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    if file == "mod.rs" {
        return Some(format!("move it to {folder}.rs"));
    }
    let mut concepts = path.trim_end_matches(".rs").split('/');
    let banned = concepts.find(|concept| BANNED.contains(concept))?;
    Some(format!("`{banned}` is no concept: name what is in it"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::said;

    #[test]
    fn names_that_say_nothing_are_found() {
        let files = [("a/src/plan/mod.rs", ""), ("a/src/utils.rs", ""), ("a/common/x.rs", ""), ("a/baseline.rs", "")];
        assert_eq!(
            said(super::check, &files),
            [
                "a/common/x.rs: `common` is no concept: name what is in it",
                "a/src/plan/mod.rs: move it to a/src/plan.rs",
                "a/src/utils.rs: `utils` is no concept: name what is in it",
            ]
        );
    }
}
