//! Rematerialization: it changes no value, keeps what it says, and memory is what was estimated.

use std::cell::Cell;
use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use thunder_conformance::executor::{Executor, Reference};
use thunder_conformance::numeric;
use thunder_conformance::sample::{context, function};
use thunder_interface::{PARAMETER, interpret};
use thunder_ir::pass::Pipeline;
use thunder_ir::{Context, Module};
use thunder_lowering::{Options, Phase, compile_jit, compile_to};
use thunder_models::gpt::{self, Gpt, GptConfig};
use thunder_models::llama::{Llama, LlamaConfig, Rotary};
use thunder_passes::autodiff::{Mode, differentiate, value_and_grad};
use thunder_passes::memory::{Assumption, estimate};
use thunder_passes::remat::{Report, rematerialize};
use thunder_passes::{Decompose, Plan, Remat};
use thunder_runtime::MemoryStatistics;
use thunder_runtime::session;
use thunder_tensor::{DType, Random, Tensor, Tolerance, compare};
use thunder_tests::program::{CASES, for_programs};
use thunder_trace::{Spec, Tracer};

use crate::in_double;

fn decomposed() -> Pipeline {
    Pipeline::new().then("canonicalize").pass(&Decompose::default()).then("canonicalize").then("cse")
}

/// Whatever is kept, the joint function computes the same bits, also after equal ops are merged.
#[test]
fn no_value_changes() {
    let (changed, limits) = (Cell::new(0), [0.0, 0.15, 10.0]);
    for_programs(|program| {
        let program = in_double(program);
        let context = context(&[]);
        let mut module = Module::parse(&context, "program.mlir", program.text.as_bytes())?;
        let results = interpret(module.operation(), "main", &program.inputs)?;
        let is_float = |t: &Tensor| t.dtype() == DType::F64;
        if !program.inputs.iter().any(is_float) || !results.iter().any(is_float) {
            return Ok(());
        }
        differentiate(module.operation(), "main", Mode::Vjp, &[])?;
        let mut random = Random::new(5);
        let cotangents =
            results.iter().filter(|t| is_float(t)).map(|t| random.uniform(DType::F64, t.shape(), -1.0..1.0));
        let inputs: Vec<Tensor> = program.inputs.iter().cloned().chain(cotangents).collect();
        decomposed().run(&mut module)?;
        let before = Reference.run(&module, "main_vjp", &inputs)?;
        let remat = match program.text.len() % 4 {
            3 => Remat::within(64),
            other => Remat::recomputing(limits[other]),
        };
        Pipeline::new().pass(&remat).then("cse").then("canonicalize").then("cse").run(&mut module)?;
        changed.set(changed.get() + usize::from(module.to_string().contains("exec.barrier")));
        let after = Reference.run(&module, "main_vjp", &inputs).with_context(|| format!("after:\n{module}"))?;
        for (after, before) in after.iter().zip(&before) {
            numeric::same_bits(after, before).with_context(|| format!("after:\n{module}"))?;
        }
        Ok(())
    });
    assert!(changed.get() >= CASES as usize / 4, "only {} programs were changed", changed.get());
}

/// How far an estimate may be from what the runtime takes.
const MARGIN: f64 = 0.05;

fn check_estimate(
    module: &mut Module<'_>,
    entry: &str,
    inputs: &[Tensor],
    assumption: &Assumption,
) -> Result<MemoryStatistics> {
    let mut functional = module.duplicate();
    compile_to(&mut functional, Phase::Functional, &Options::default())?;
    let estimated = estimate(function(&functional, entry)?, assumption)?.peak_bytes as f64;
    let (memory, _) = run(module, entry, inputs)?;
    let taken = memory.arena_bytes as f64;
    ensure!((estimated - taken).abs() <= MARGIN * taken, "{estimated} bytes are estimated, {memory:?} taken");
    Ok(memory)
}

/// Compiles and runs a function on its arguments in order, parameters or not.
pub fn run(module: &mut Module<'_>, entry: &str, values: &[Tensor]) -> Result<(MemoryStatistics, Vec<Tensor>)> {
    run_with(module, values, &Options { entry: entry.to_owned(), ..Options::default() })
}

/// As [`run`], of what is planned already.
fn run_as_it_is(module: &mut Module<'_>, entry: &str, values: &[Tensor]) -> Result<(MemoryStatistics, Vec<Tensor>)> {
    run_with(module, values, &Options { entry: entry.to_owned(), plan: None, ..Options::default() })
}

fn run_with(module: &mut Module<'_>, values: &[Tensor], options: &Options) -> Result<(MemoryStatistics, Vec<Tensor>)> {
    let names: Vec<Option<String>> = {
        let list =
            function(module, &options.entry)?.attribute("arg_attrs").and_then(|a| a.as_array()).unwrap_or_default();
        let name =
            |i| list.get(i).and_then(|a: &thunder_ir::Attribute<'_>| a.entry(PARAMETER)).and_then(|a| a.as_string());
        (0..values.len()).map(|i| name(i).map(str::to_owned)).collect()
    };
    let compiled = compile_jit(module, options)?;
    let (mut parameters, mut inputs) = (BTreeMap::new(), Vec::new());
    for (name, value) in names.into_iter().zip(values) {
        match name {
            Some(name) => _ = parameters.insert(name, value.clone()),
            None => inputs.push(value.clone()),
        }
    }
    let session = compiled.session(&parameters, session::Options::with_threads(2))?;
    Ok((session.memory(&inputs)?, session.run(&inputs)?))
}

/// Random values for the arguments of a function of static sizes.
pub fn arguments(module: &Module<'_>, entry: &str) -> Result<Vec<Tensor>> {
    let mut random = Random::new(3);
    let block = function(module, entry)?.region(0).entry().context("has a body")?;
    let values = block.arguments().map(|v| {
        let tensor = v.ty().as_tensor().context("a tensor")?;
        let shape: Vec<usize> = tensor.static_dims().context("static")?.into_iter().map(|d| d as usize).collect();
        let dtype = thunder_interface::dtype_of(tensor.element()).context("a dtype")?;
        Ok(random.uniform(dtype, shape, if dtype.is_float() { -0.5..0.5 } else { 0.0..10.0 }))
    });
    values.collect()
}

#[test]
fn random_programs_take_what_is_estimated() {
    let compared = Cell::new(0);
    for_programs(|program| {
        let context = context(&[]);
        let mut module = Module::parse(&context, "program.mlir", program.text.as_bytes())?;
        // Dynamic sizes are assumed; compiling takes long, so that half of the others do.
        if program.text.contains('?') || program.text.len() % 2 == 0 {
            return Ok(());
        }
        let memory = check_estimate(&mut module, "main", &program.inputs, &Assumption::default())?;
        compared.set(compared.get() + usize::from(memory.arena_bytes > 0));
        Ok(())
    });
    assert!(compared.get() >= 10, "only {} programs take memory", compared.get());
}

const LLAMA: LlamaConfig = LlamaConfig { layers: 1, width: 256, heads: 4, intermediate: 704, eps: 1e-5 };
const TOKENS: usize = 128;

/// The value of Llama's layers, of which each is a checkpoint region or none is, and the gradients by all weights.
fn llama(context: &Context, layers: i64, is_checkpointed: bool) -> Result<Module<'_>> {
    let config = LlamaConfig { layers, ..LLAMA };
    let tracer = Tracer::new(context);
    let width = config.width;
    let inputs = (Spec::new(DType::F32, [1, TOKENS as i64, width]), Rotary::of(DType::F32, TOKENS as i64, &config));
    tracer.function("main", inputs, |scope, (x, rotary)| {
        let layer = |x, i| {
            let one = LlamaConfig { layers: 1, ..config };
            let model = Llama::new(scope.at(i), &one);
            let forward = || model.forward(x, &rotary);
            if is_checkpointed { scope.checkpoint(forward) } else { forward() }
        };
        let y = (0..layers).fold(x, layer);
        (y * y).mean(..)
    })?;
    let module = tracer.finish();
    value_and_grad(module.operation(), "main", &[])?;
    Ok(module)
}

pub const ENTRY: &str = "main_value_and_grad";

fn rematerialized(module: &mut Module<'_>, remat: &Remat) -> Result<Report> {
    decomposed().pass(&Plan::default()).then("cse").run(module)?;
    let reports = rematerialize(module.operation(), remat)?;
    ensure!(reports.len() == 1, "{} functions are joint", reports.len());
    Ok(reports[0])
}

/// Half of the bytes that a Llama block saves need not be, for 15% of its arithmetic; memory is what was estimated.
#[test]
fn a_llama_block_saves_less_than_half() -> Result<()> {
    let context = context(&[]);
    let mut plain = llama(&context, 1, false)?;
    let values = arguments(&plain, ENTRY)?;
    let mut module = plain.duplicate();
    let report = rematerialized(&mut module, &Remat::recomputing(0.15))?;
    println!("{report}");
    ensure!(report.bytes[1] * 2 <= report.bytes[0], "{report}");
    ensure!(report.recomputed as f64 <= 0.15 * report.flops, "{report}");
    let (before, expected) = run(&mut plain, ENTRY, &values)?;
    let (after, actual) = run_as_it_is(&mut module, ENTRY, &values)?;
    println!("{before:?} -> {after:?}");
    for (estimated, taken) in report.peak.iter().zip([before.arena_bytes, after.arena_bytes]) {
        let off = (*estimated as f64 - taken as f64).abs() / taken as f64;
        ensure!(off <= MARGIN, "{estimated} bytes are estimated, {taken} taken");
    }
    ensure!(after.arena_bytes < before.arena_bytes, "{before:?} -> {after:?}");
    for (actual, expected) in actual.iter().zip(&expected) {
        compare(actual, expected, Tolerance::new(1e-5, 1e-6)).map_err(|e| anyhow::anyhow!("{e}"))?;
    }
    Ok(())
}

/// Layers that are checkpoint regions keep what goes between them, and memory no longer grows with all that is inside.
#[test]
fn checkpointed_layers_keep_their_inputs() -> Result<()> {
    const LAYERS: i64 = 6;
    let context = context(&[]);
    let mut plain = llama(&context, LAYERS, false)?;
    let values = arguments(&plain, ENTRY)?;
    let mut module = llama(&context, LAYERS, true)?;
    let report = rematerialized(&mut module, &Remat::recomputing(0.0))?;
    println!("{report}");
    // The first layer's input is an argument; the last one's result is what the loss squares.
    let state = (TOKENS as i64 * LLAMA.width * 4) as u64;
    ensure!(report.bytes[1] == LAYERS as u64 * state, "{report}");
    let (before, expected) = run(&mut plain, ENTRY, &values)?;
    let (after, actual) = run_as_it_is(&mut module, ENTRY, &values)?;
    println!("{before:?} -> {after:?}");
    ensure!(after.arena_bytes * 2 < before.arena_bytes, "{before:?} -> {after:?}");
    let off = (report.peak[1] as f64 - after.arena_bytes as f64).abs() / after.arena_bytes as f64;
    ensure!(off <= MARGIN, "{report} -> {after:?}");
    for (actual, expected) in actual.iter().zip(&expected) {
        compare(actual, expected, Tolerance::new(1e-5, 1e-6)).map_err(|e| anyhow::anyhow!("{e}"))?;
    }
    Ok(())
}

#[test]
fn a_gpt_takes_what_is_estimated() -> Result<()> {
    let config = GptConfig { vocabulary: 65, positions: 64, width: 64, layers: 2, heads: 4, tied: true };
    let context = context(&[]);
    let tracer = Tracer::new(&context);
    tracer.function("main", gpt::Batch::of(4, 64), |scope, batch| Gpt::new(scope, &config).loss(batch))?;
    let mut module = tracer.finish();
    let values = arguments(&module, "main")?;
    check_estimate(&mut module.duplicate(), "main", &values, &Assumption::default())?;
    value_and_grad(module.operation(), "main", &[])?;
    check_estimate(&mut module.duplicate(), ENTRY, &values, &Assumption::default())?;
    let report = rematerialized(&mut module, &Remat::recomputing(0.15))?;
    println!("{report}");
    check_estimate(&mut module, ENTRY, &values, &Assumption::default()).map(drop)
}
