//! The samples pass under cargo; the same folder runs under LLVM's lit with `tests/lit.cfg.py`.

use std::process::ExitCode;

use thunder_lit::Config;

fn main() -> ExitCode {
    let config = Config::new("tests/samples");
    let mlir_opt = config.llvm_bin.join("mlir-opt");
    let config = config.tool("thunder-opt", mlir_opt).tool_fn("shout", shout).substitution("%{twice}", "--cse --cse");
    let config = config.feature("tool-functions");
    thunder_lit::main(config)
}

/// Prints its arguments in capitals, to show a tool that lives in the test binary.
fn shout(arguments: Vec<String>) -> ExitCode {
    println!("{}", arguments.join(" ").to_uppercase());
    ExitCode::SUCCESS
}
