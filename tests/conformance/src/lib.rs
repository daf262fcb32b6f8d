//! What every op of a dialect must do, as tests generated from its table of ops and their samples.
//!
//! For each op and dtype: its samples print and parse in every form, the reference computes what their types say, shape
//! rules agree with it, and every executor computes the same. For each op: its decomposition has the types that its
//! results declare, its derivatives in both modes, and second ones, are those that differences give; its documentation
//! starts with a sentence, shows an example that is valid, and labels constraints of which each has a test that breaks
//! it. A dialect author's test target, with `harness = false`, is one function:
//!
//! ```no_run
//! # use thunder_ir::{Dialect, op::OpDef};
//! # use thunder_interface::SampleSet;
//! # mod my {
//! #     pub fn dialect() -> &'static super::Dialect { unimplemented!() }
//! #     pub fn all_samples() -> Vec<(&'static super::OpDef, super::SampleSet)> { unimplemented!() }
//! # }
//! fn main() -> std::process::ExitCode {
//!     let subject = thunder_conformance::Subject {
//!         dialect: my::dialect(),
//!         samples: my::all_samples(),
//!         negative_tests: "tests/lit".into(),
//!     };
//!     thunder_conformance::main(subject.trials())
//! }
//! ```

pub mod constraint;
pub mod coverage;
pub mod documentation;
pub mod example;
pub mod executor;
pub mod gradient;
pub mod numeric;
pub mod open;
pub mod rules;
pub mod sample;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use libtest_mimic::{Arguments, Trial};
use thunder_interface::{Control, Dim, Parts, Sample, SampleSet, ShapeInputs, ShapeRule, on_complex};
use thunder_ir::op::OpDef;
use thunder_ir::{Context, Dialect, Module, Operation};
use thunder_tensor::{DType, Tensor, Tolerance, compare};

use executor::{Artifact, Decomposed, Executor, Jit, Reference};

/// Everything that runs programs, beside the reference.
const EXECUTORS: &[&dyn Executor] = &[&Decomposed, &Jit, &Artifact];

/// A dialect to be tested.
pub struct Subject {
    /// Its operations. Samples may use those of the `thunder` dialect as well.
    pub dialect: &'static Dialect,
    /// The samples of every op, as [`thunder_interface::ops!`] collects them.
    pub samples: Vec<(&'static OpDef, SampleSet)>,
    /// The folder of lit tests that break constraints; a relative path starts at the crate's manifest.
    pub negative_tests: PathBuf,
}

impl Subject {
    /// One test per op and dtype, three per op for its derivatives, one for results of open
    /// sizes, one for its documentation, and one for the table.
    pub fn trials(self) -> Vec<Trial> {
        let Self { dialect, samples, negative_tests } = self;
        let negative_tests: Arc<PathBuf> = Arc::new(negative_tests);
        let listed: Vec<&str> = samples.iter().map(|(def, _)| def.name).collect();
        let registered: Vec<&str> = dialect.ops.iter().map(|def| def.name).collect();
        let mut trials = vec![trial("every_op_has_samples".to_owned(), move || {
            ensure!(listed == registered, "samples are given of {listed:?}, ops are {registered:?}");
            Ok(())
        })];
        for (def, set) in samples {
            let name = def.mnemonic();
            let mut dtypes: Vec<DType> = set.samples.iter().flat_map(|s| s.dtypes.0).copied().collect();
            dtypes.sort();
            dtypes.dedup();
            for dtype in dtypes {
                let samples: Vec<Sample> =
                    set.samples.iter().filter(|s| s.dtypes.0.contains(&dtype)).cloned().collect();
                trials.push(trial(format!("{name}::{dtype}"), move || {
                    samples.iter().try_for_each(|sample| {
                        check_sample(dialect, sample, dtype)
                            .with_context(|| format!("in\n{}", sample::text(sample, dtype)))
                    })
                }));
            }
            // What carries out functions has no gradient.
            if !def.interfaces.iter().any(|(interface, _)| *interface == "Control") {
                for (order, test) in [(1, "gradient"), (2, "second_gradient")] {
                    let set = set.clone();
                    trials
                        .push(trial(format!("{name}::{test}"), move || gradient::check_op(dialect, def, &set, order)));
                }
                let compiled = set.clone();
                trials.push(trial(format!("{name}::compiled_gradient"), move || {
                    gradient::check_compiled(dialect, &compiled)
                }));
            }
            let opened = set.clone();
            trials.push(trial(format!("{name}::open_sizes"), move || open::check_op(dialect, &opened)));
            let folder = Arc::clone(&negative_tests);
            trials.push(trial(format!("{name}::documentation"), move || {
                ensure!(!set.samples.is_empty(), "has no samples");
                coverage::check(dialect, def, &set)?;
                documentation::check(dialect, def, &folder)
            }));
        }
        trials
    }
}

/// Runs tests as the command line of their binary asks.
pub fn main(trials: Vec<Trial>) -> ExitCode {
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A test that fails with its error, causes included.
pub fn trial(name: String, check: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    Trial::test(name, move || check().map_err(|error| format!("{error:#}").into()))
}

fn check_sample(dialect: &'static Dialect, sample: &Sample, dtype: DType) -> Result<()> {
    let context = sample::context(&[dialect]);
    let module = Module::parse(&context, "sample.mlir", sample::text(sample, dtype).as_bytes())?;
    check_round_trip(&context, &module)?;
    let function = sample::function(&module, "sample")?;
    let body = sample::body(function)?;
    let inputs = sample::inputs(sample, body, 0x5eed)?;
    let expected = Reference.run(&module, "sample", &inputs)?;
    check_types(function, &expected)?;
    if !sample.specials {
        let is_finite = |t: &Tensor| !t.dtype().is_float() || t.to_vec::<f64>().iter().all(|x| x.is_finite());
        ensure!(expected.iter().all(is_finite), "results are not finite: {expected:?}\nfrom {inputs:?}");
    }
    for op in body.operations() {
        check_shape_rule(op, &inputs, &module).with_context(|| format!("shape rule of '{}'", op.name()))?;
    }
    for executor in EXECUTORS {
        check_executor(*executor, sample, &module, &inputs, &expected).with_context(|| executor.name())?;
    }
    Ok(())
}

/// Text, generic text and bytecode all give the same module again.
fn check_round_trip(context: &Context, module: &Module<'_>) -> Result<()> {
    let text = module.to_string();
    let generic = module.operation().to_text(true, false);
    for (form, source) in [
        ("text", text.clone().into_bytes()),
        ("generic form", generic.into_bytes()),
        ("bytecode", module.operation().to_bytecode()),
    ] {
        let again =
            Module::parse(context, "again.mlir", &source).with_context(|| format!("its own {form}:\n{text}"))?;
        ensure!(again.to_string() == text, "{form} gives another module:\n{again}\nnot\n{text}");
    }
    Ok(())
}

/// The results are of the types that the function declares.
fn check_types(function: Operation<'_>, results: &[Tensor]) -> Result<()> {
    let ty = function.attribute("function_type").and_then(|a| a.as_type()).and_then(|ty| ty.as_function());
    let (_, declared) = ty.context("the function has no type")?;
    ensure!(declared.len() == results.len(), "{} results instead of {}", results.len(), declared.len());
    for (ty, result) in declared.iter().zip(results) {
        let dims = ty.as_tensor().context("a result is no tensor")?.dims();
        let fits = dims.len() == result.rank()
            && dims.iter().zip(result.shape()).all(|(dim, size)| dim.is_none_or(|dim| dim == *size as i64));
        ensure!(fits && ty.element().to_string() == result.dtype().name(), "'{ty}' declared, {result:?} computed");
    }
    Ok(())
}

/// The shape rule, applied to symbols, gives expressions that say what the sizes of the results really are.
fn check_shape_rule(op: Operation<'_>, inputs: &[Tensor], module: &Module<'_>) -> Result<()> {
    // What carries out functions has the values of these, and what is done to parts those of other ops.
    let is_whole = <dyn Control>::of(op).is_none() && !(on_complex(op) && <dyn Parts>::of(op).is_some());
    let Some(rule) = <dyn ShapeRule>::of(op).filter(|_| is_whole) else { return Ok(()) };
    let arguments: Option<Vec<usize>> = op.operands().map(|v| Some(v.block_argument()?.1)).collect();
    let Some(arguments) = arguments else { return Ok(()) };
    let mut sizes = Vec::new();
    let operands = arguments.iter().zip(op.operands()).map(|(argument, value)| {
        let dims = value.ty().as_tensor().map(|t| t.dims()).unwrap_or_default();
        let symbol = |(dim, size): (Option<i64>, &usize)| match dim {
            Some(size) => Dim::Known(size),
            None => {
                sizes.push(*size as i64);
                Dim::symbol(sizes.len() as u32 - 1)
            }
        };
        dims.into_iter().zip(inputs[*argument].shape()).map(symbol).collect()
    });
    let operands = operands.collect();
    let shapes = rule.shapes(&ShapeInputs { operands, size: &|_| Dim::Unknown })?;
    let values: Vec<Tensor> = arguments.iter().map(|argument| inputs[*argument].clone()).collect();
    let results = thunder_interface::compute(op, &values).context("has no reference")??;
    ensure!(shapes.len() == results.len(), "{} shapes for {} results", shapes.len(), results.len());
    for (shape, result) in shapes.iter().zip(&results) {
        let evaluated: Option<Vec<i64>> =
            shape.iter().map(|dim| dim.evaluate(&|symbol| sizes.get(symbol as usize).copied())).collect();
        let actual: Vec<i64> = result.shape().iter().map(|size| *size as i64).collect();
        ensure!(evaluated.as_ref() == Some(&actual), "says {evaluated:?}, but the sizes are {actual:?} in {module}");
    }
    Ok(())
}

fn check_executor(
    executor: &dyn Executor,
    sample: &Sample,
    module: &Module<'_>,
    inputs: &[Tensor],
    expected: &[Tensor],
) -> Result<()> {
    let actual = executor.run(module, "sample", inputs)?;
    ensure!(actual.len() == expected.len(), "{} results instead of {}", actual.len(), expected.len());
    for (actual, expected) in actual.iter().zip(expected) {
        let bound = expected.dtype().epsilon() * sample.ulps;
        // Nothing is computed in 8 bits.
        let tolerance = if executor.rounds() && !expected.dtype().is_float8() {
            Tolerance::new(bound, bound)
        } else {
            Tolerance::EXACT
        };
        compare(actual, expected, tolerance).map_err(|mismatch| anyhow::anyhow!("{mismatch}"))?;
    }
    Ok(())
}
