//! LLVM's own lit agrees with the harness about every sample.

use std::process::Command;

use thunder_lit::Config;

#[test]
fn lit_runs_the_same_folder() {
    let bin = Config::new("tests/samples").llvm_bin;
    let output = tempfile::tempdir().expect("a temporary folder");
    let lit = Command::new(bin.join("lit"))
        .args(["-v", "tests/samples", "-D"])
        .arg(format!("thunder-opt={}", bin.join("mlir-opt").display()))
        .env("CARGO_TARGET_DIR", output.path())
        .output()
        .expect("lit, of Debian's llvm-22-tools, starts");
    let report = String::from_utf8_lossy(&lit.stdout);
    assert!(lit.status.success(), "{report}{}", String::from_utf8_lossy(&lit.stderr));
    let has = |count: usize, result: &str| report.lines().filter(|line| line.starts_with(result)).count() == count;
    assert!(has(5, "PASS: ") && has(1, "XFAIL: ") && has(2, "UNSUPPORTED: "), "{report}");
}
