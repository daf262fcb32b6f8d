//! Every rewrite rule of the dialect, generated from the rules' samples.

use std::process::ExitCode;

fn main() -> ExitCode {
    thunder_conformance::main(thunder_conformance::rules::trials(thunder_dialect::dialect()))
}
