//! Compiles the C++ half of the shim against the LLVM/MLIR that `mlir-sys` links.
//!
//! One object per file of [`SOURCES`]. The archives of MLIR and LLVM come with `mlir-sys`: it stands
//! after this crate on the link line, so that the shim may use any symbol of theirs.

use std::path::{Path, PathBuf};
use std::{env, process::Command};

/// The C++ files below `src/`, in alphabetical order.
const SOURCES: &[&str] =
    &["asm.cpp", "codegen.cpp", "conversion.cpp", "dialect.cpp", "pass.cpp", "rewrite.cpp", "tools.cpp"];

/// Where `mlir-sys` looks for LLVM as well; without it, `llvm-config` comes from `PATH`.
const PREFIX: &str = "MLIR_SYS_220_PREFIX";

fn main() {
    println!("cargo:rerun-if-env-changed={PREFIX}");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/shim.h");
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .std("c++17")
        // As system headers: their warnings are not ours to mend.
        .flag("-isystem")
        .flag(include_dir())
        // LLVM's own build: no exceptions, no RTTI in what derives from its classes, no assertions.
        .flag("-fno-exceptions")
        .flag("-fno-rtti")
        .define("NDEBUG", None)
        .opt_level(2)
        .debug(false)
        .warnings(true)
        .flag("-Wno-unused-parameter");
    for source in SOURCES {
        let path = Path::new("src").join(source);
        println!("cargo:rerun-if-changed={}", path.display());
        build.file(path);
    }
    build.compile("thunder_mlir_shim");
}

/// The headers of the LLVM in [`PREFIX`]; they hold MLIR's too.
fn include_dir() -> PathBuf {
    let bin = env::var_os(PREFIX).map(|prefix| Path::new(&prefix).join("bin"));
    let config = bin.unwrap_or_default().join("llvm-config");
    let output = Command::new(&config)
        .arg("--includedir")
        .output()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}; set {PREFIX}", config.display()));
    assert!(output.status.success(), "{} failed: {}", config.display(), output.status);
    PathBuf::from(String::from_utf8(output.stdout).expect("llvm-config prints a UTF-8 path").trim())
}
