//! The example's command line, as scripts call it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result};

/// The example, which cargo builds beside the tests of its package, unless `--test` picks one.
fn minilm(arguments: &[&str]) -> Result<Output> {
    let test = std::env::current_exe()?;
    let target = test.ancestors().nth(2).context("a test lies below the target folder")?;
    Command::new(target.join("examples/minilm"))
        .args(arguments)
        .output()
        .context("the example is not built; run the package's tests without --test")
}

fn weights() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/minilm")
}

/// `cargo xtask test` fetches the weights first; without them, only that the example says so is tested.
#[test]
fn json_is_one_line_for_each_text_and_nothing_else() -> Result<()> {
    let texts = ["The cat sat.", "Text with \"quotes\"\nand a second line", ""];
    let output = minilm(&[&["--json"], texts.as_slice()].concat())?;
    if !weights().is_dir() {
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8(output.stderr)?.contains("`cargo xtask demo` fetches the model"));
        return Ok(());
    }
    let stdout = String::from_utf8(output.stdout)?;
    assert_eq!(stdout.lines().count(), texts.len(), "{stdout}");
    for (line, text) in stdout.lines().zip(texts) {
        let value: serde_json::Value = serde_json::from_str(line)?;
        assert_eq!(value["text"], text);
        assert_eq!(value["embedding"].as_array().map(Vec::len), Some(384));
    }
    assert_eq!(String::from_utf8(output.stderr)?, "");
    assert_eq!(output.status.code(), Some(0));
    Ok(())
}

#[test]
fn mistakes_are_one_line_and_exit_code_1() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().to_str().context("the temporary folder's name is UTF-8")?;
    std::fs::write(folder.path().join("model.safetensors"), [0xff; 100])?;
    for (folder, expected) in
        [("/no/such/folder", "there is no folder /no/such/folder"), (path, "not a valid safetensors")]
    {
        let output = minilm(&["--model", folder, "text"])?;
        let stderr = String::from_utf8(output.stderr)?;
        assert_eq!((output.status.code(), stderr.lines().count()), (Some(1), 1), "{stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains(expected), "{stderr}");
    }
    Ok(())
}
