//! Passes keep the meaning of random programs: the reference computes the same before and after.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use thunder_conformance::executor::{Executor, Reference};
use thunder_conformance::{numeric, sample};
use thunder_ir::Module;
use thunder_ir::pass::Pipeline;
use thunder_passes::Plan;
use thunder_tensor::{Tolerance, compare};
use thunder_tests::program::{Program, programs};

const CASES: u32 = 200;
const STEPS: usize = 24;

/// Checks a property of random programs, the same ones in every run.
fn for_programs(property: impl Fn(&Program) -> Result<()>) {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let outcome = runner
        .run(&programs(STEPS), |program| property(&program).map_err(|error| TestCaseError::fail(format!("{error:#}"))));
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// Whether running `pipeline` changes nothing that the reference computes.
fn keeps_meaning(pipeline: &Pipeline, program: &Program) -> Result<()> {
    let context = sample::context(&[]);
    let mut module = Module::parse(&context, "program.mlir", program.text.as_bytes())?;
    let before = Reference.run(&module, "main", &program.inputs)?;
    pipeline.run(&mut module)?;
    let after = Reference.run(&module, "main", &program.inputs).with_context(|| format!("after:\n{module}"))?;
    ensure!(before.len() == after.len(), "{} results instead of {}", after.len(), before.len());
    for (before, after) in before.iter().zip(&after) {
        compare(after, before, Tolerance::EXACT).map_err(|e| anyhow::anyhow!("{e}\nafter:\n{module}"))?;
    }
    Ok(())
}

#[test]
fn programs_are_valid_and_round_trip() {
    for_programs(|program| {
        let context = sample::context(&[]);
        let module = Module::parse(&context, "program.mlir", program.text.as_bytes())?;
        let text = module.to_string();
        for source in [text.clone().into_bytes(), module.operation().to_bytecode()] {
            let again = Module::parse(&context, "again.mlir", &source)?;
            ensure!(again.to_string() == text, "another module:\n{again}");
        }
        Reference.run(&module, "main", &program.inputs).map(drop)
    });
}

/// The properties mean little if programs are short, or made of the same few ops.
#[test]
fn programs_are_long_and_varied() {
    let (names, lines) = (RefCell::new(BTreeSet::new()), Cell::new(0));
    for_programs(|program| {
        let ops = program.text.split_whitespace().filter(|word| word.starts_with("thunder."));
        ops.for_each(|op| {
            names.borrow_mut().insert(op.to_owned());
            lines.set(lines.get() + 1);
        });
        Ok(())
    });
    let (names, average) = (names.into_inner(), lines.get() / CASES as usize);
    assert!(average >= STEPS / 3, "{average} ops in a program");
    let table = thunder_dialect::dialect().ops.len();
    assert!(names.len() >= table / 2, "only {} of {table} ops are used: {names:?}", names.len());
}

#[test]
fn canonicalize_and_cse_keep_meaning() {
    let pipeline = Pipeline::new().then("canonicalize").then("cse").then("canonicalize");
    for_programs(|program| keeps_meaning(&pipeline, program));
}

/// Exact rules change no bit, and what they leave is never estimated to take longer.
#[test]
fn plans_keep_every_bit_and_never_cost_more() {
    let rewritten = Cell::new(0);
    for_programs(|program| {
        let context = sample::context(&[]);
        let mut module = Module::parse(&context, "program.mlir", program.text.as_bytes())?;
        Pipeline::new().then("canonicalize").then("cse").run(&mut module)?;
        let before = Reference.run(&module, "main", &program.inputs)?;
        let (text, was) = (module.to_string(), cost(&module)?);
        let plan = Pipeline::new().pass(&Plan::default());
        plan.run(&mut module)?;
        let after = Reference.run(&module, "main", &program.inputs).with_context(|| format!("after:\n{module}"))?;
        for (after, before) in after.iter().zip(&before) {
            numeric::same_bits(after, before).with_context(|| format!("after:\n{module}"))?;
        }
        let is = cost(&module)?;
        ensure!(is <= was * (1.0 + 1e-9), "costs {is} instead of {was}:\n{module}");
        ensure!((module.to_string() == text) == (is == was), "rewritten for nothing:\n{text}\n{module}");
        let (mut again, planned) = (Module::parse(&context, "program.mlir", text.as_bytes())?, module.to_string());
        plan.run(&mut again)?;
        ensure!(again.to_string() == planned, "another plan for the same program:\n{again}\n{planned}");
        rewritten.set(rewritten.get() + usize::from(planned != text));
        Ok(())
    });
    assert!(rewritten.get() >= CASES as usize / 20, "only {} programs were rewritten", rewritten.get());
}

fn cost(module: &Module<'_>) -> Result<f64> {
    let reports = Plan::default().report(module.operation())?;
    Ok(reports.iter().map(|report| report.cost().0).sum())
}

/// A property that nothing breaks proves nothing: a program that was changed is seen to be.
#[test]
fn a_changed_program_is_noticed() {
    let noticed = Cell::new(0);
    for_programs(|program| {
        let context = sample::context(&[]);
        let run = |text: &str| -> Result<_> {
            let module = Module::parse(&context, "program.mlir", text.as_bytes())?;
            Reference.run(&module, "main", &program.inputs)
        };
        let swaps = [("add", "sub"), ("mul", "add"), ("amax", "amin"), ("sum", "amax"), ("mean", "amin")];
        let swap = |text: String, (from, to)| text.replace(&format!("thunder.{from} "), &format!("thunder.{to} "));
        let changed = swaps.into_iter().fold(program.text.clone(), swap);
        let (before, after) = (run(&program.text)?, run(&changed)?);
        let is_same = before.iter().zip(&after).all(|(x, y)| compare(x, y, Tolerance::EXACT).is_ok());
        noticed.set(noticed.get() + usize::from(!is_same));
        Ok(())
    });
    assert!(noticed.get() >= CASES as usize / 20, "only {} changes were noticed", noticed.get());
}
