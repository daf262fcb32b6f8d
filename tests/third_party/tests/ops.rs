//! What every op and every rewrite rule must do, generated from the tables and their samples.

use thunder_conformance::{Subject, rules};
use thunder_third_party::{all_samples, dialect};

fn main() -> std::process::ExitCode {
    let subject = Subject { dialect: dialect(), samples: all_samples(), negative_tests: "lit".into() };
    let mut trials = subject.trials();
    trials.extend(rules::trials(dialect()));
    thunder_conformance::main(trials)
}
