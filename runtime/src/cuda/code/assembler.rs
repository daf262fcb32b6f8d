//! NVIDIA's assembler, for tests.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Where `cargo xtask setup` puts it.
const ASSEMBLER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.cache/ptxas/ptxas");

/// What the assembler tells of PTX.
pub fn assembled(ptx: &str, arch: &str) -> String {
    assert!(Path::new(ASSEMBLER).is_file(), "there is no '{ASSEMBLER}': cargo xtask setup installs it");
    let mut assembler = Command::new(ASSEMBLER)
        .args([&format!("-arch={arch}"), "-v", "-o", "/dev/null", "/dev/stdin"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assembler.stdin.take().unwrap().write_all(ptx.as_bytes()).unwrap();
    let output = assembler.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "ptxas refuses for {arch}: {said}\n{ptx}");
    said
}
