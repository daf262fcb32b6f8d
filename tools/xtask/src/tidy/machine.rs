//! Nothing names the machine it was written on: its folders, or the servers it downloads from.

use super::{Tree, Violation};

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    // Cargo writes the registry's name into its lock file on every machine.
    for (path, text) in tree.files().filter(|(path, _)| *path != "Cargo.lock" && *path != file!()) {
        for (line, number) in text.lines().zip(1..) {
            if let Some(named) = named(line) {
                let message =
                    format!("`{named}` exists on one machine: name it by what it is, or relative to the root");
                violations.push(Violation::at(path, number, message));
            }
        }
    }
    violations
}

/// Folders of a work place, and hosts of package registries.
const FOLDERS: [&str; 4] = ["/work/", "/home/", "/root/", "/Users/"];
const HOSTS: [&str; 6] = [
    "index.crates.io",
    "static.crates.io",
    "pypi.org/simple",
    "files.pythonhosted.org",
    "proxy.golang.org",
    "registry.npmjs.org",
];

fn named(line: &str) -> Option<&'static str> {
    let starts_path = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "_-.}/*".contains(c));
    let folder = FOLDERS.into_iter().find(|folder| line.match_indices(folder).any(|(at, _)| starts_path(at)));
    let beside = line.match_indices("shared/").find(|(at, _)| starts_path(*at) || line[..*at].ends_with("../"));
    let host = HOSTS.into_iter().find(|host| line.contains(host));
    folder.or(beside.map(|_| "shared/")).or(host)
}

#[cfg(test)]
mod tests {
    use super::super::tests::said;

    #[test]
    fn machines_are_found() {
        let text = "see /work/main\nsrc/work/x\n../shared/data\nsrc/shared/x.rs\nhttps://index.crates.io/x\n";
        let found = said(super::check, &[("a.md", text), ("Cargo.lock", text)]);
        let starts: Vec<_> = found.iter().filter_map(|said| said.split(" exists").next()).collect();
        assert_eq!(starts, ["a.md:1: `/work/`", "a.md:3: `shared/`", "a.md:5: `index.crates.io`"]);
    }
}
