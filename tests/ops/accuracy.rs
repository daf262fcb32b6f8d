//! Compiled elementary functions err by no more than they state, on a sample of all arguments.

use anyhow::ensure;
use libtest_mimic::Trial;
use thunder_lowering::cpu::FUNCTIONS;
use thunder_tests::accuracy::{Function, context};

/// Every how many f32 one is tried; the benchmark `accuracy` tries all.
const STEP: usize = 8191;

/// One test for each function.
pub fn trials() -> Vec<Trial> {
    let trial = |(name, stated): &(&'static str, f64)| {
        let (name, stated) = (*name, *stated);
        thunder_conformance::trial(format!("accuracy::{name}"), move || {
            let context = context();
            let worst = Function::compile(&context, name)?.worst(0..1 << 32, STEP)?;
            ensure!(worst.ulps <= stated, "{:.2} ulp at {:?}, but {stated} are stated", worst.ulps, worst.at);
            Ok(())
        })
    };
    FUNCTIONS.iter().map(trial).collect()
}
