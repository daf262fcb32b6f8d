//! Passes keep the meaning of random programs: the reference computes the same before and after.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use thunder_conformance::executor::{Executor, Reference};
use thunder_conformance::{numeric, sample};
use thunder_interface::{UPDATES, agree, interpret_in_place};
use thunder_ir::Module;
use thunder_ir::pass::{Numerics, PassDef, Pipeline};
use thunder_passes::{Autocast, Functionalize, Plan};
use thunder_tensor::{DType, Tensor, Tolerance, compare};
use thunder_tests::program::{CASES, Program, STEPS, for_programs, for_programs_in_place};
use thunder_tests::tame::Tame;

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

/// Passes that have something to do after others only, which run before them here too.
const AFTER: [(&str, &[&str]); 3] = [
    ("thunder-donate", &["thunder-decompose", "thunder-kernels"]),
    ("thunder-to-linalg", &["thunder-decompose", "thunder-kernels"]),
    ("thunder-merge-loops", &["thunder-decompose", "thunder-kernels", "thunder-to-linalg"]),
];

/// Passes whose result the reference does not run, and why.
const BEYOND: [(&str, &str); 3] = [
    ("thunder-to-linalg", "it makes ops of other dialects"),
    ("thunder-merge-loops", "it works on ops of other dialects"),
    ("thunder-cpu-entries", "it leaves the code of kernels alone"),
];

/// What a pass says that it does to values is what it does, of all passes of ours: on any inputs where it is exact, else
/// on inputs on which the program is tame. A pass may refuse a program, but does not break.
#[test]
fn every_pass_keeps_meaning() {
    let (taken, programs, tame) = (RefCell::new(BTreeMap::new()), Cell::new(0), Cell::new(0));
    for_programs(|program| {
        let context = sample::context(&[]);
        let module = Module::parse(&context, "program.mlir", program.text.as_bytes())?;
        let before = Reference.run(&module, "main", &program.inputs)?;
        let moderate = Tame::of(&module, program)?;
        programs.set(programs.get() + 1);
        tame.set(tame.get() + usize::from(moderate.is_some()));
        for pass in thunder_lowering::passes() {
            let mut after = module.duplicate();
            if let Err(error) = with_earlier(pass).run(&mut after) {
                let error = error.to_string();
                ensure!(!is_fault(&error), "{} breaks: {error}", pass.argument);
                continue;
            }
            let outcome = if BEYOND.iter().any(|(name, _)| *name == pass.argument) {
                after.verify().map_err(Into::into)
            } else {
                agrees(pass, &after, program, &before, moderate.as_ref())
            };
            outcome.with_context(|| format!("after {}:\n{after}", pass.argument))?;
            *taken.borrow_mut().entry(pass.argument).or_insert(0) += 1;
        }
        Ok(())
    });
    let (taken, programs, tame) = (taken.into_inner(), programs.get(), tame.get());
    println!("{programs} programs, {tame} of them tame; taken by passes: {taken:?}");
    for pass in thunder_lowering::passes() {
        let taken = taken.get(pass.argument).copied().unwrap_or_default();
        assert!(taken >= programs / 2, "'{}' took only {taken} of {programs} programs", pass.argument);
    }
    assert!(tame >= programs / 4, "only {tame} of {programs} programs are tame");
}

/// The pass, after those that it comes after.
fn with_earlier(pass: &PassDef) -> Pipeline {
    let earlier = AFTER.iter().find(|(name, _)| *name == pass.argument).map_or(&[][..], |(_, earlier)| earlier);
    earlier.iter().chain([&pass.argument]).fold(Pipeline::new(), |pipeline, name| pipeline.then(name))
}

/// Whether an error of a pass is a bug of ours, whatever the program.
fn is_fault(error: &str) -> bool {
    ["rust panic", "internal", "failed to verify", "does not dominate"].iter().any(|sign| error.contains(sign))
}

/// Whether the program after a pass computes what the pass says.
fn agrees(pass: &PassDef, after: &Module<'_>, program: &Program, before: &[Tensor], tame: Option<&Tame>) -> Result<()> {
    let numerics = numerics(pass)?;
    if matches!(numerics, Numerics::Reassociates | Numerics::Approximates) {
        let Some(tame) = tame else { return Ok(()) };
        return tame.agrees(&Reference.run(after, "main", &tame.inputs)?, numerics);
    }
    let results = Reference.run(after, "main", &program.inputs)?;
    ensure!(results.len() == before.len(), "{} results instead of {}", results.len(), before.len());
    for (result, expected) in results.iter().zip(before) {
        agree(result, expected, numerics).map_err(anyhow::Error::msg)?;
    }
    Ok(())
}

/// The least exact of what a pass and those before it say.
fn numerics(pass: &PassDef) -> Result<Numerics> {
    let earlier = AFTER.iter().filter(|(name, _)| *name == pass.argument).flat_map(|(_, earlier)| *earlier);
    let known = thunder_lowering::passes().iter();
    let earlier = known.filter(|other| earlier.clone().any(|name| *name == other.argument)).copied();
    earlier.chain([pass]).try_fold(Numerics::Exact, |worst, pass| {
        let defaults: Vec<Vec<&str>> = pass.options.iter().map(|option| texts(&option.initial)).collect();
        Ok(worst.max((pass.create)(&defaults).map_err(anyhow::Error::msg)?.numerics()))
    })
}

fn texts(initial: &str) -> Vec<&str> {
    if initial.is_empty() { Vec::new() } else { vec![initial] }
}

/// Exact rules change no bit, and what they leave is never estimated to take longer.
#[test]
fn plans_keep_every_bit_and_never_cost_more() {
    let rewritten = Cell::new(0);
    for_programs(|program| {
        let context = sample::context(&[]);
        let mut module = Module::parse(&context, "program.mlir", program.text.as_bytes())?;
        // Half of the programs as they are: with constants between ops, and equal ops.
        if program.text.len().is_multiple_of(2) {
            Pipeline::new().then("canonicalize").then("cse").run(&mut module)?;
        }
        let before = Reference.run(&module, "main", &program.inputs)?;
        let (text, was, unfused_before) = (module.to_string(), cost(&module)?, unfused(&module)?);
        let plan = Pipeline::new().pass(&Plan::default());
        plan.run(&mut module)?;
        let after = Reference.run(&module, "main", &program.inputs).with_context(|| format!("after:\n{module}"))?;
        for (after, before) in after.iter().zip(&before) {
            numeric::same_bits(after, before).with_context(|| format!("after:\n{module}"))?;
        }
        let is = cost(&module)?;
        ensure!(is <= was * (1.0 + 1e-9), "costs {is} instead of {was}:\n{module}");
        // Of plans that take equal time the one whose ops take least by themselves.
        let is_better = is < was || is == was && unfused(&module)? < unfused_before;
        ensure!((module.to_string() == text) != is_better, "rewritten for nothing:\n{text}\n{module}");
        let (mut again, planned) = (Module::parse(&context, "program.mlir", text.as_bytes())?, module.to_string());
        plan.run(&mut again)?;
        ensure!(again.to_string() == planned, "another plan for the same program:\n{again}\n{planned}");
        rewritten.set(rewritten.get() + usize::from(planned != text));
        Ok(())
    });
    assert!(rewritten.get() >= CASES as usize / 20, "only {} programs were rewritten", rewritten.get());
}

/// Autocast leaves valid programs of the same signature, and nothing for itself to do.
#[test]
fn autocast_keeps_signatures_and_is_done_at_once() {
    let lowered = Cell::new(0);
    for_programs(|program| {
        let context = sample::context(&[]);
        let mut module = Module::parse(&context, "program.mlir", program.text.as_bytes())?;
        let before = Reference.run(&module, "main", &program.inputs)?;
        let autocast = Autocast::to(DType::BF16).lowering(&["thunder.add", "thunder.mul", "thunder.sub"]);
        Pipeline::new().pass(&autocast).run(&mut module)?;
        let (text, after) = (module.to_string(), Reference.run(&module, "main", &program.inputs)?);
        for (before, after) in before.iter().zip(&after) {
            ensure!((before.dtype(), before.shape()) == (after.dtype(), after.shape()), "another type:\n{text}");
        }
        Pipeline::new().pass(&autocast).run(&mut module)?;
        ensure!(module.to_string() == text, "not done at once:\n{text}\n{module}");
        lowered.set(lowered.get() + usize::from(text != program.text && text.contains("xf32> -> tensor")));
        Ok(())
    });
    assert!(lowered.get() >= CASES as usize / 20, "only {} programs were changed", lowered.get());
}

/// Two heads of attention as importers write it, and a gate.
const ATTENTION: &str = r#"
func.func @main(%x: tensor<7x8xf32>, %wq: tensor<8x8xf32>, %wk: tensor<8x8xf32>, %wv: tensor<8x8xf32>,
    %wo: tensor<8x8xf32>) -> tensor<7x8xf32> {
  %c = thunder.constant value = dense<0.5> : tensor<2x7x7xf32> : tensor<2x7x7xf32>
  %wqt = thunder.transpose %wq permutation = [1, 0] : tensor<8x8xf32> -> tensor<8x8xf32>
  %q = thunder.matmul %x, %wqt : (tensor<7x8xf32>, tensor<8x8xf32>) -> tensor<7x8xf32>
  %k = thunder.linear %x, %wk : (tensor<7x8xf32>, tensor<8x8xf32>) -> tensor<7x8xf32>
  %v = thunder.linear %x, %wv : (tensor<7x8xf32>, tensor<8x8xf32>) -> tensor<7x8xf32>
  %qs = thunder.reshape %q, [] : tensor<7x8xf32> -> tensor<7x2x4xf32>
  %ks = thunder.reshape %k, [] : tensor<7x8xf32> -> tensor<7x2x4xf32>
  %vs = thunder.reshape %v, [] : tensor<7x8xf32> -> tensor<7x2x4xf32>
  %qh = thunder.transpose %qs permutation = [1, 0, 2] : tensor<7x2x4xf32> -> tensor<2x7x4xf32>
  %kh = thunder.transpose %ks permutation = [1, 2, 0] : tensor<7x2x4xf32> -> tensor<2x4x7xf32>
  %vh = thunder.transpose %vs permutation = [1, 0, 2] : tensor<7x2x4xf32> -> tensor<2x7x4xf32>
  %s = thunder.matmul %qh, %kh : (tensor<2x7x4xf32>, tensor<2x4x7xf32>) -> tensor<2x7x7xf32>
  %sc = thunder.mul %s, %c : tensor<2x7x7xf32>
  %e = thunder.exp %sc : tensor<2x7x7xf32>
  %t = thunder.sum %e axes = [2] : tensor<2x7x7xf32> -> tensor<2x7xf32>
  %tb = thunder.broadcast_in_dim %t, [] dims = [0, 1] : tensor<2x7xf32> -> tensor<2x7x7xf32>
  %p = thunder.div %e, %tb : tensor<2x7x7xf32>
  %a = thunder.matmul %p, %vh : (tensor<2x7x7xf32>, tensor<2x7x4xf32>) -> tensor<2x7x4xf32>
  %at = thunder.transpose %a permutation = [1, 0, 2] : tensor<2x7x4xf32> -> tensor<7x2x4xf32>
  %ar = thunder.reshape %at, [] : tensor<7x2x4xf32> -> tensor<7x8xf32>
  %o = thunder.linear %ar, %wo : (tensor<7x8xf32>, tensor<8x8xf32>) -> tensor<7x8xf32>
  %g = thunder.sigmoid %o : tensor<7x8xf32>
  %r = thunder.mul %o, %g : tensor<7x8xf32>
  return %r : tensor<7x8xf32>
}
"#;

/// The sums of a batch normalization's gradient, each over its own products.
const NORMALIZATION: &str = r#"
func.func @main(%a: tensor<8x6x64xf32>, %y: tensor<8x6x64xf32>, %g: tensor<6xf32>, %r: tensor<6xf32>)
    -> (tensor<6xf32>, tensor<6xf32>, tensor<6xf32>, tensor<6xf32>) {
  %bg = thunder.broadcast_in_dim %g, [] dims = [1] : tensor<6xf32> -> tensor<8x6x64xf32>
  %br = thunder.broadcast_in_dim %r, [] dims = [1] : tensor<6xf32> -> tensor<8x6x64xf32>
  %ag = thunder.mul %a, %bg : tensor<8x6x64xf32>
  %agr = thunder.mul %ag, %br : tensor<8x6x64xf32>
  %n = thunder.neg %agr : tensor<8x6x64xf32>
  %yr = thunder.mul %y, %br : tensor<8x6x64xf32>
  %p = thunder.mul %agr, %yr : tensor<8x6x64xf32>
  %q = thunder.mul %a, %y : tensor<8x6x64xf32>
  %s1 = thunder.sum %n axes = [0, 2] : tensor<8x6x64xf32> -> tensor<6xf32>
  %s2 = thunder.sum %p axes = [0, 2] : tensor<8x6x64xf32> -> tensor<6xf32>
  %s3 = thunder.sum %q axes = [0, 2] : tensor<8x6x64xf32> -> tensor<6xf32>
  %s4 = thunder.sum %a axes = [0, 2] : tensor<8x6x64xf32> -> tensor<6xf32>
  return %s1, %s2, %s3, %s4 : tensor<6xf32>, tensor<6xf32>, tensor<6xf32>, tensor<6xf32>
}
"#;

/// What rules do to roundings stays in their size: four sums over products become two, times what is the same for a row.
#[test]
fn fast_plans_stay_close() -> Result<()> {
    let context = sample::context(&[]);
    let mut module = Module::parse(&context, "normalization.mlir", NORMALIZATION.as_bytes())?;
    let mut random = thunder_tensor::Random::new(7);
    let shapes: [&[usize]; 4] = [&[8, 6, 64], &[8, 6, 64], &[6], &[6]];
    let inputs = shapes.map(|shape| random.uniform(thunder_tensor::DType::F32, shape, 0.5..1.0));
    let before = Reference.run(&module, "main", &inputs)?;
    Pipeline::new().pass(&Plan::fast()).run(&mut module)?;
    let text = module.to_string();
    ensure!(text.matches("thunder.sum").count() == 2, "there are other sums:\n{text}");
    for (after, before) in Reference.run(&module, "main", &inputs)?.iter().zip(&before) {
        compare(after, before, Tolerance::new(1e-5, 1e-6)).map_err(|e| anyhow::anyhow!("{e}\nafter:\n{module}"))?;
    }
    Ok(())
}

/// The same program has the same plan in every run, with and without threads, beside others.
#[test]
fn plans_are_the_same_in_every_run() -> Result<()> {
    let plan = |threading: bool| -> Result<String> {
        let context = thunder_ir::Context::with_threading(&thunder_lowering::registry(), threading);
        let mut module = Module::parse(&context, "attention.mlir", ATTENTION.as_bytes())?;
        Pipeline::new().pass(&Plan::fast()).run(&mut module)?;
        Ok(module.operation().to_text(false, true))
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

/// An op whose only rule is a mistake.
mod mistaken {
    use std::sync::LazyLock;
    use thunder_interface::{Numerics, Rule, Rules};
    use thunder_ir::prelude::*;

    /// Anything.
    ///
    /// ```mlir
    /// %y = mistaken.f %x : tensor<4xf32>
    /// ```
    #[op("mistaken.f", pure, same_type)]
    pub struct F {
        operand: Operand<Tensor>,
        out: Produces<Tensor>,
    }

    pub static DIALECT: LazyLock<Dialect> = LazyLock::new(|| {
        let rules = Rules::new(|| {
            let rule = Rule::new("mistaken", "narrows", Numerics::Exact, "f(x)", "thunder.convert(x) : t");
            vec![rule.when(|m| m.set_type("t", m.ty("x").as_tensor()?.with_element(Type::f64(m.context))))]
        });
        Dialect::new("mistaken", "An op whose only rule is a mistake.").extend(rules).op::<F>()
    });
}

/// A rule that equates values of different types is told by its name, at an op that it matched.
#[test]
fn mistaken_rules_are_told() -> Result<()> {
    let context = sample::context(&[&mistaken::DIALECT]);
    let text = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
      %y = thunder.neg %x : tensor<4xf32>
      %z = mistaken.f %y : tensor<4xf32>
      return %z : tensor<4xf32>
    }";
    let mut module = Module::parse(&context, "program.mlir", text.as_bytes())?;
    let error = Pipeline::new().pass(&Plan::default()).run(&mut module).expect_err("the rule is wrong");
    let message = error.to_string();
    let expected = "internal: rule 'narrows' says that 'tensor<4xf32>' is 'tensor<4xf64>'";
    ensure!(message.contains(expected) && message.contains("program.mlir:3"), "{message}");
    module.verify()?;
    Ok(())
}

fn cost(module: &Module<'_>) -> Result<f64> {
    let reports = Plan::default().report(module.operation())?;
    Ok(reports.iter().map(|report| report.cost().0).sum())
}

/// What the ops of a module are estimated to take by themselves.
fn unfused(module: &Module<'_>) -> Result<f64> {
    let reports = Plan::default().report(module.operation())?;
    Ok(reports.iter().flat_map(|report| &report.chunks).map(|chunk| chunk.unfused).sum())
}

/// What is returned, and what is left in the memory of the arguments, is the same when MLIR's passes have seen the
/// effects, and when memory has become values.
#[test]
fn functions_of_values_leave_what_is_written() {
    let written = Cell::new(0);
    for_programs_in_place(|program| {
        let context = sample::context(&[]);
        let run = |module: &Module<'_>| -> Result<_> {
            let mut memory = program.inputs.clone();
            let results = interpret_in_place(module.operation(), "main", &mut memory)?;
            Ok((results, memory))
        };
        let mut module = Module::parse(&context, "program.mlir", program.text.as_bytes())?;
        let (results, memory) = run(&module)?;
        Pipeline::new().then("canonicalize").then("cse").run(&mut module)?;
        let (cleaned, left) = run(&module)?;
        for (after, before) in cleaned.iter().chain(&left).zip(results.iter().chain(&memory)) {
            numeric::same_bits(after, before).with_context(|| format!("after:\n{module}"))?;
        }
        Pipeline::new().pass(&Functionalize::default()).run(&mut module)?;
        let (mut values, _) = run(&module)?;
        let updates = values.split_off(results.len());
        let attributes = sample::function(&module, "main")?.attribute("res_attrs").and_then(|a| a.as_array());
        let numbers = attributes.into_iter().flatten().filter_map(|a| a.entry(UPDATES)?.as_integer());
        let mut expected = program.inputs.clone();
        for (number, update) in numbers.zip(updates) {
            expected[number as usize] = update;
            written.set(written.get() + 1);
        }
        for (after, before) in values.iter().chain(&expected).zip(results.iter().chain(&memory)) {
            numeric::same_bits(after, before).with_context(|| format!("after:\n{module}"))?;
        }
        Ok(())
    });
    assert!(written.get() >= CASES as usize / 2, "only {} arguments were updated", written.get());
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
