//! What every op must do, generated from the table of ops and their samples.

use thunder_conformance::Subject;
use thunder_third_party::{all_samples, dialect};

fn main() -> std::process::ExitCode {
    let subject = Subject { dialect: dialect(), samples: all_samples(), negative_tests: "lit".into() };
    thunder_conformance::main(subject.trials())
}
