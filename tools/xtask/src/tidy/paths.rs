//! Paths that a document names exist: in backticks with a `/`, and as the target of a link.

use super::{Tree, Violation};

/// Folders that exist only after a build or a set-up.
const GENERATED: [&str; 3] = ["target/", ".cache/", ".venv/"];

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (document, text) in tree.files().filter(|(path, _)| path.ends_with(".md")) {
        let folder = document.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (line, number) in prose(text) {
            let named = quoted(line).filter(|word| looks_like_path(tree, word)).chain(linked(line));
            for path in named.flat_map(alternatives) {
                if !exists(tree, folder, &path) {
                    violations.push(Violation::at(document, number, format!("`{path}` does not exist")));
                }
            }
        }
    }
    violations
}

/// The lines outside code blocks, numbered.
fn prose(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut in_code = false;
    text.lines().zip(1..).filter(move |(line, _)| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// What stands in backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Targets of links within the repository.
fn linked(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let inside = targets.filter(|target| !target.contains(':') && !target.starts_with('#'));
    inside.map(|target| target.split('#').next().unwrap_or(target))
}

/// Whether the word can only be a path of ours: it starts in a folder of the repository, or ends in an extension.
fn looks_like_path(tree: &Tree, word: &str) -> bool {
    let is_plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "_-./{},".contains(c));
    let (first, rest) = word.split_once('/').unwrap_or((word, ""));
    let has_extension = [".rs", ".md", ".toml", ".mlir", ".py"].iter().any(|extension| word.ends_with(extension));
    // `PASS.mlir` stands for many.
    let is_pattern = word.split(['/', '.']).any(|part| part.len() > 1 && part.chars().all(|c| c.is_ascii_uppercase()));
    let names_document = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].contains(&word);
    is_plain
        && word.contains('/')
        && !is_pattern
        && !first.is_empty()
        && !names_document
        && (tree.has(&format!("{first}/")) && (!rest.is_empty() || word.ends_with('/')) || has_extension)
}

/// `a/{b,c}.rs` as `a/b.rs` and `a/c.rs`.
fn alternatives(path: &str) -> Vec<String> {
    let Some((before, rest)) = path.split_once('{') else { return vec![path.to_owned()] };
    let Some((choices, after)) = rest.split_once('}') else { return vec![path.to_owned()] };
    choices.split(',').flat_map(|choice| alternatives(&format!("{before}{choice}{after}"))).collect()
}

/// Paths are from the root or from the document's folder.
fn exists(tree: &Tree, folder: &str, path: &str) -> bool {
    let path = path.trim_start_matches("./");
    let mut base = folder;
    let mut below = path;
    while let Some(rest) = below.strip_prefix("../") {
        base = base.rsplit_once('/').map_or("", |(parent, _)| parent);
        below = rest;
    }
    let local = if base.is_empty() { below.to_owned() } else { format!("{base}/{below}") };
    GENERATED.iter().any(|generated| path.starts_with(generated)) || tree.has(path) || tree.has(&local)
}

#[cfg(test)]
mod tests {
    use super::super::tests::said;

    #[test]
    fn paths_that_do_not_exist_are_found() {
        let readme = "\
See `passes/src/{remat,gone}.rs`, `and/or`, `tests/lit/passes/PASS.mlir`, [this](passes/) and [that](docs/x.md).
`passes/missing/` `target/release/x` `a/b.toml` [web](https://example.org/x.md)
```sh
ls `nothing/here.rs`
```
";
        let files = [("README.md", readme), ("passes/src/remat.rs", "")];
        assert_eq!(
            said(super::check, &files),
            [
                "README.md:1: `passes/src/gone.rs` does not exist",
                "README.md:1: `docs/x.md` does not exist",
                "README.md:2: `passes/missing/` does not exist",
                "README.md:2: `a/b.toml` does not exist",
            ]
        );
        let local = [("passes/README.md", "`src/remat.rs` [up](../README.md)"), files[1], ("README.md", "")];
        assert_eq!(said(super::check, &local), [] as [&str; 0]);
    }
}
