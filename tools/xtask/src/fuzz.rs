//! The fuzzer under AddressSanitizer: our Rust and the shim are instrumented, so that a use of freed memory in either is
//! a finding even where it does not crash. MLIR's archives are not; what they allocate and free is watched all the same.

use crate::{process, setup};

/// The target is named so that its flags do not reach build scripts.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Sets up, then runs the fuzzer; `arguments`, such as `--seconds 600`, are its own.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    setup::for_builds()?;
    let build = ["build", "--release", "--package", "thunder-tools", "--example", "fuzz_opt"];
    let apart = ["--target", TARGET, "--target-dir", "target/asan"];
    let flags = [
        // A sanitizer is a flag of nightly compilers; stable ones ship its runtime and can be told to take it.
        ("RUSTC_BOOTSTRAP", "1"),
        ("RUSTFLAGS", "-Zsanitizer=address -Cforce-frame-pointers=yes"),
        ("CXX", "clang++-22"),
        ("CXXFLAGS", "-fsanitize=address -fno-omit-frame-pointer"),
    ];
    process::run_with(&process::cargo(), &[build.as_slice(), &apart].concat(), &flags)?;
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // MLIR's containers and arenas are marked by instrumented code alone, and MLIR's archives are not; contexts keep
    // memory to their end and beyond. A limit of memory would count the sanitizer's shadow, which is terabytes.
    let options = [("ASAN_OPTIONS", "detect_container_overflow=0:allow_user_poisoning=0:detect_leaks=0")];
    let fixed = ["--memory", "0"];
    let binary = format!("target/asan/{TARGET}/release/examples/fuzz_opt");
    process::run_with(&binary, &[fixed.as_slice(), &arguments].concat(), &options)
}
