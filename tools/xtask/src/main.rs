//! Project automation: sets a machine up, then tests, checks or shows the project.
//!
//! Builds in seconds and before anything else does: it depends on nothing of ours and needs no MLIR.

mod bench;
mod ci;
mod conformance;
mod demo;
mod docs;
mod fmt;
mod fuzz;
mod process;
mod setup;
mod test;
mod tidy;
mod valgrind;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;

const USAGE: &str = "\
usage: cargo xtask COMMAND [ARGUMENTS]

  setup              install what is missing: MLIR, a C++ compiler, Python for the demo
  test [ARGUMENTS]   set up, then run every test; ARGUMENTS go to cargo nextest (or cargo test)
  demo [ARGUMENTS]   set up, embed sentences with MiniLM, train a GPT; ARGUMENTS replace the sentences, and leave the
                     GPT out; `demo gpt [ARGUMENTS]` trains the GPT only
  ci                 everything that a change must pass: format, lints, tidy, docs, test
  fmt [--check]      format every Rust file, also those that cargo fmt does not find; or fail where one is not
  tidy               check the project's invariants; also a test of this crate
  docs [--check]     write the generated documents, or fail where one is stale
  conformance [OPS]  set up, run PyTorch's samples of operations, write tests/CONFORMANCE.md; --live first: all samples
                     that PyTorch has, none of them stored; --gpu FOLDER first: write them for another machine, one with
                     a GPU; --gpu-results FOLDER first: compare what it made
  valgrind [TESTS]   set up, then run the tests of dialects/ir under valgrind: no use of freed memory
  fuzz [ARGUMENTS]   set up, then run the fuzzer under AddressSanitizer; ARGUMENTS, such as --seconds 600, are its own
  bench [ARGUMENTS]  set up, then run the benchmarks; ARGUMENTS go to cargo bench
  bench peers [...]  set up PyTorch, XLA, ONNX Runtime and OpenVINO, then measure ours beside them
  bench gpu FOLDER   write what measures ours beside PyTorch on another machine, one with a GPU
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> anyhow::Result<()> {
    let (command, arguments) = match arguments.split_first() {
        Some((command, arguments)) => (command.as_str(), arguments),
        None => ("help", arguments),
    };
    let takes_none = ["setup", "ci", "tidy"].contains(&command);
    if let (true, [unexpected, ..]) = (takes_none, arguments) {
        bail!("`cargo xtask {command}` takes no arguments, found `{unexpected}`");
    }
    let root = root();
    std::env::set_current_dir(&root)?;
    match command {
        "setup" => setup::everything(),
        "test" => test::run(arguments),
        "demo" => demo::run(arguments),
        "ci" => ci::run(),
        "tidy" => tidy::run(&root),
        "fmt" => fmt::run(&root, arguments),
        "docs" => docs::run(arguments),
        "bench" => bench::run(arguments),
        "fuzz" => fuzz::run(arguments),
        "conformance" => conformance::run(arguments),
        "valgrind" => valgrind::run(arguments),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        unknown => bail!("no command `{unknown}`\n\n{USAGE}"),
    }
}

/// The repository, two folders above this crate.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this crate is in tools/xtask").to_path_buf()
}
