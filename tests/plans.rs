//! Plans are never estimated to take longer than what greedy fusion makes of the code as it is written, and find what that
//! does not.

use std::cell::Cell;

use anyhow::{Context as _, Result, ensure};
use thunder_conformance::executor::{Executor, Reference};
use thunder_conformance::sample;
use thunder_ir::pass::{Numerics, Pipeline};
use thunder_ir::{Context, Module, Operation};
use thunder_models::zoo;
use thunder_passes::memory::Assumption;
use thunder_passes::plan::Report;
use thunder_passes::{Decompose, Functionalize, Inline, Plan, SplitSetup, estimate_time};
use thunder_tests::program::{CASES, for_programs};
use thunder_tests::tame::Tame;

const ALL: [Numerics; 2] = [Numerics::Exact, Numerics::Approximates];

/// What compilation plans: functions of values without composites.
fn functional() -> Pipeline {
    let values = Pipeline::new().pass(&Inline::default()).pass(&Functionalize::default());
    values.then("canonicalize").pass(&Decompose::default()).then("canonicalize").then("cse")
}

/// The nanoseconds that a function is estimated to take, cut into kernels without what is done once.
fn time(module: &Module<'_>, name: &str) -> Result<f64> {
    let mut module = module.duplicate();
    Pipeline::new().pass(&SplitSetup::default()).run(&mut module)?;
    Ok(estimate_time(function(&module, name)?, &Assumption::default())?)
}

fn function<'m>(module: &'m Module<'_>, name: &str) -> Result<Operation<'m>> {
    let functions = module.body().operations();
    let is_it = |op: &Operation<'_>| op.attribute("sym_name").and_then(|a| a.as_string()) == Some(name);
    functions.into_iter().find(is_it).with_context(|| format!("there is no '@{name}'"))
}

/// Plans a function; what it is estimated to take before and after.
fn planned(module: &Module<'_>, name: &str, numerics: Numerics) -> Result<(f64, f64)> {
    let mut after = module.duplicate();
    Pipeline::new().pass(&Plan::allowing(numerics)).then("cse").run(&mut after)?;
    Ok((time(module, name)?, time(&after, name)?))
}

fn model<'x>(context: &'x Context, entry: &zoo::Entry) -> Result<Module<'x>> {
    let mut module = entry.module(context)?;
    functional().run(&mut module)?;
    Ok(module)
}

#[test]
fn plans_of_models_never_cost_more() -> Result<()> {
    let context = sample::context(&[]);
    for entry in zoo::ENTRIES {
        let module = model(&context, entry)?;
        for numerics in ALL {
            let (before, after) = planned(&module, entry.entry(), numerics)?;
            ensure!(after <= before * (1.0 + 1e-9), "{}, {numerics}: {after} ns instead of {before}", entry.name);
        }
    }
    Ok(())
}

#[test]
fn plans_of_random_graphs_never_cost_more() {
    let gains = Cell::new(0);
    for_programs(|program| {
        let context = sample::context(&[]);
        let mut module = Module::parse(&context, "program.mlir", program.text.as_bytes())?;
        functional().run(&mut module)?;
        for numerics in ALL {
            let (before, after) = planned(&module, "main", numerics)?;
            ensure!(after <= before * (1.0 + 1e-9), "{numerics}: {after} ns instead of {before}:\n{module}");
            gains.set(gains.get() + u32::from(after < before));
        }
        Ok(())
    });
    assert!(gains.get() >= CASES / 20, "only {} plans cost less", gains.get());
}

/// What changes roundings changes no more than these, on inputs on which programs are tame.
#[test]
fn fast_plans_of_random_programs_stay_close() {
    let compared = Cell::new(0);
    for_programs(|program| {
        let context = sample::context(&[]);
        let mut module = Module::parse(&context, "program.mlir", program.text.as_bytes())?;
        let Some(tame) = Tame::of(&module, program)? else { return Ok(()) };
        functional().pass(&Plan::fast()).run(&mut module)?;
        let results = Reference.run(&module, "main", &tame.inputs)?;
        tame.agrees(&results, Numerics::Approximates).with_context(|| format!("after:\n{module}"))?;
        compared.set(compared.get() + 1);
        Ok(())
    });
    assert!(compared.get() >= CASES / 2, "only {} programs are tame", compared.get());
}

/// Where algebra gains on real models what fusion alone does not: the model, what rules may do to values, a rule, and the
/// least part of the time that goes.
const FOUND: &[(&str, Numerics, &str, f64)] = &[
    // Query, key and value are products over one weight.
    ("bert-layer", Numerics::Exact, "linears", 0.003),
    ("minilm", Numerics::Exact, "linears", 1e-5),
    // The first positions of a table are a part of it.
    ("bert-layer", Numerics::Exact, "take_of_iota", 0.002),
    // The gradients of a batch normalization's scale and of the values before it are the same two sums.
    ("resnet-step", Numerics::Approximates, "sum_of_rows_scaled", 0.03),
    // Products over one operand, and gradients that are added before they are reshaped; what the merge of the products of
    // the rotation would spoil is left out.
    ("llama-step", Numerics::Exact, "binary_of_reshapes", 0.002),
    // Both halves of a rotation turn by the same factor.
    ("llama-step", Numerics::Approximates, "common_factor", 0.001),
];

#[test]
fn saturation_finds_what_greedy_fusion_does_not() -> Result<()> {
    let context = sample::context(&[]);
    for (name, numerics, rule, part) in FOUND {
        let entry = zoo::find(name).with_context(|| format!("there is no model '{name}'"))?;
        let module = model(&context, entry)?;
        let reports = Plan::allowing(*numerics).report(module.operation())?;
        let report = reports.iter().find(|report| report.function == entry.entry()).context("is not planned")?;
        let uses = |report: &Report| report.chunks.iter().any(|chunk| chunk.rules.iter().any(|(name, _)| name == rule));
        let (before, after) = report.cost();
        ensure!(uses(report), "{name}: {rule} is not used:\n{report}");
        ensure!(after <= before * (1.0 - part), "{name}: {after} ns instead of {before}:\n{report}");
    }
    Ok(())
}

/// The plans of models are the same bytes in every run, with and without threads, beside others.
#[test]
fn plans_of_models_are_the_same_in_every_run() -> Result<()> {
    let plan = |threading: bool| -> Result<String> {
        let context = Context::with_threading(&thunder_lowering::registry(), threading);
        let mut text = String::new();
        for name in ["llama-short", "bert-layer", "resnet-step"] {
            let mut module = model(&context, zoo::find(name).context("there is such a model")?)?;
            text += &Plan::fast().report(module.operation())?.iter().map(Report::to_string).collect::<String>();
            Pipeline::new().pass(&Plan::fast()).run(&mut module)?;
            text += &module.to_string();
        }
        Ok(text)
    };
    let first = plan(false)?;
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..10).map(|run| scope.spawn(move || plan(run % 2 == 0))).collect();
        for run in runs {
            let text = run.join().map_err(|_| anyhow::anyhow!("a run panicked"))??;
            ensure!(text == first, "another plan:\n{text}\nnot\n{first}");
        }
        Ok(())
    })
}
