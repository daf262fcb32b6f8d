//! Labelled constraints of ops, and the tests that break them.

use anyhow::{Context as _, Result};
use std::fs;
use std::path::Path;

/// The numbers `n` of the constraints `- (Cn)` in an op's documentation, in order.
pub fn documented(doc: &str) -> Vec<u32> {
    doc.lines().filter_map(|line| line.strip_prefix("- (C")?.split_once(')')?.0.parse().ok()).collect()
}

/// The text of every lit test of the dialect, function by function.
pub struct NegativeTests {
    functions: Vec<String>,
}

impl NegativeTests {
    /// Reads the files of a folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut functions = Vec::new();
        for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "mlir") {
                let text = fs::read_to_string(&path)?;
                functions.extend(text.split("func.func ").skip(1).map(str::to_owned));
            }
        }
        Ok(Self { functions })
    }

    /// Whether the function `@NAME_cN` breaks constraint `number` of the op `name`, and expects to hear so.
    pub fn has(&self, name: &str, number: u32) -> bool {
        let mnemonic = name.split_once('.').map_or(name, |(_, mnemonic)| mnemonic);
        let (title, label) = (format!("@{mnemonic}_c{number}("), format!("(C{number})"));
        let expects = |f: &&String| f.lines().any(|l| l.contains("expected-error") && l.contains(&label));
        self.functions.iter().filter(|f| f.starts_with(&title) && f.contains(name)).any(|f| expects(&f))
    }
}
