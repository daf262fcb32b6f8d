//! Compiled elementary functions err by no more than they state, on a sample of all arguments.

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use thunder_lowering::cpu::{BARE, CPU, FUNCTIONS, WIDE};
use thunder_tensor::DType;
use thunder_tests::accuracy::{Function, Worst, context};

/// Every how many f32 one is tried; the benchmark `accuracy` tries all.
const STEP: usize = 8191;

/// How many random f64 are tried.
const COUNT: usize = 100_000;

/// How far the reference's functions of f64 may be from the exact value, in units in the last place.
const REFERENCE: f64 = 2.0;

/// The error of functions of f32 that are computed in f64 and rounded.
const ROUNDED: f64 = 0.51;

/// One test for each function: of f32, of f64 without libm, and of those of f32 that are made of the latter.
pub fn trials() -> Vec<Trial> {
    let narrow = |(name, stated): &(&'static str, f64)| {
        let (name, stated) = (*name, *stated);
        thunder_conformance::trial(format!("accuracy::{name}"), move || {
            check(&Function::compile(&context(), name, DType::F32, CPU)?.worst(0..1 << 32, STEP)?, stated)
        })
    };
    let wide = |(name, stated): &(&'static str, f64)| {
        let (name, stated) = (*name, *stated);
        thunder_conformance::trial(format!("accuracy::wide::{name}"), move || {
            let context = context();
            let function = Function::compile(&context, name, DType::F64, BARE)?;
            check(&function.worst_of_table()?, stated)?;
            check(&function.worst_of_random(COUNT)?, stated + REFERENCE)?;
            if FUNCTIONS.iter().all(|(narrow, _)| *narrow != name) {
                check(&Function::compile(&context, name, DType::F32, BARE)?.worst(0..1 << 32, STEP)?, ROUNDED)?;
            }
            Ok(())
        })
    };
    FUNCTIONS.iter().map(narrow).chain(WIDE.iter().map(wide)).collect()
}

fn check(worst: &Worst, stated: f64) -> Result<()> {
    ensure!(worst.ulps <= stated, "{:.2} ulp at {:?}, but {stated} are stated", worst.ulps, worst.at);
    Ok(())
}
