//! What every op must do, generated from the table of ops and their samples; what structured ops mean, by hand; and how
//! far elementary functions err.

#[path = "ops/accuracy.rs"]
mod accuracy;
#[path = "ops/autocast.rs"]
mod autocast;
#[path = "ops/float8.rs"]
mod float8;
#[path = "ops/interfaces.rs"]
mod interfaces;
#[path = "ops/ptx.rs"]
mod ptx;
#[path = "ops/semantics.rs"]
mod semantics;

use std::process::ExitCode;

use thunder_conformance::Subject;

fn main() -> ExitCode {
    let subject = Subject {
        dialect: thunder_dialect::dialect(),
        samples: thunder_dialect::all_samples(),
        negative_tests: "lit/dialect".into(),
    };
    let decisions = Subject {
        dialect: thunder_exec::dialect(),
        samples: thunder_exec::all_samples(),
        negative_tests: "lit/dialect".into(),
    };
    let mut trials = semantics::trials();
    trials.extend(accuracy::trials());
    trials.extend(float8::trials());
    trials.extend(subject.trials());
    // Names of tests are their own.
    trials.extend(decisions.trials().into_iter().filter(|trial| trial.name() != "every_op_has_samples"));
    trials.extend(interfaces::trials(thunder_dialect::dialect()));
    trials.extend(autocast::trials());
    trials.extend(ptx::trials(thunder_dialect::dialect(), thunder_dialect::all_samples()));
    thunder_conformance::main(trials)
}
