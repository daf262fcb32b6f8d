//! The project's files as checks see them: path and text, read once.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;

/// Every file that belongs to the project, by its path from the root, with `/`.
pub(super) struct Tree {
    files: BTreeMap<String, String>,
}

/// Folders that builds and tools write.
const GENERATED: [&str; 4] = [".git", ".cache", ".venv", "__pycache__"];

impl Tree {
    /// Reads the project at `root`, without what is generated; files that are not UTF-8 have no text.
    pub(super) fn read(root: &Path) -> anyhow::Result<Self> {
        let mut files = BTreeMap::new();
        collect(root, "", &mut files)?;
        Ok(Self { files })
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect() }
    }

    /// Every file: path and text.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The Rust files.
    pub(super) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(path, _)| path.ends_with(".rs"))
    }

    /// The files below a folder, given with its final `/`.
    pub(super) fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files().filter(move |(path, _)| path.starts_with(folder))
    }

    /// The text of a file.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Whether a file or folder of that name exists.
    pub(super) fn has(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.files.contains_key(path) || self.below(&folder).next().is_some()
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_build = prefix.is_empty() && name.starts_with("target");
        if is_build || GENERATED.contains(&name.as_str()) {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else {
            // A file that vanishes while we look is an editor's.
            let text = std::fs::read(entry.path()).unwrap_or_default();
            files.insert(path, String::from_utf8(text).unwrap_or_default());
        }
    }
    Ok(())
}
