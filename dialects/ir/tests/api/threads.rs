//! Rust callbacks of every kind on MLIR's thread pool: thousands of functions at once, some of which go wrong.

use crate::toy::*;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};
use thunder_ir::Severity;
use thunder_ir::op::Op;
use thunder_ir::pass::{Statistics, register};
use thunder_ir::prelude::*;
use thunder_ir::rewrite::{GreedyConfig, apply_greedily};

/// So many that every thread of a large machine has work; memcheck, a hundred times slower, sees few.
const MANY: usize = 4000;
const FEW: usize = 200;

/// Turns chains of adds into one, function by function.
#[pass("toy-shorten", on = "func.func")]
pub struct Shorten;

impl Pass for Shorten {
    fn run(&self, op: Operation<'_>, cx: &PassContext<'_>) -> Result {
        let name = op.attribute("sym_name").and_then(Attribute::as_string).unwrap_or_default();
        let number: usize = name.trim_start_matches('f').parse().unwrap_or_default();
        cx.count("functions", 1);
        match number % 100 {
            7 => return Err(op.error("is unlucky")),
            13 => panic!("function {number} panics"),
            _ => {}
        }
        let merge = Pattern::on::<Add<'static>>("merge", move |op, rw| {
            let add = Add::of(op).or_no_match("an add")?;
            require!(add.rhs().as_constant().is_some(), "adds a constant");
            assert!(number % 100 != 26, "a pattern of function {number} panics");
            let inner = add.lhs().defining_op().and_then(Add::of).or_no_match("an add of an add")?;
            require!(inner.rhs().as_constant().is_some(), "both add constants");
            let sum = rw.add(inner.rhs(), add.rhs())?;
            let new = rw.add(inner.lhs(), sum)?;
            rw.replace(op, &[new])?;
            Ok(())
        });
        let (op, converged) = apply_greedily(op, Patterns::new().with(merge), GreedyConfig::default())?;
        assert!(converged);
        op.walk(|op| cx.count("left", u64::from(op.name() == "toy.add")));
        Ok(())
    }
}

/// Counts what it runs on, whatever that is.
#[pass("toy-count")]
pub struct Count;

impl Pass for Count {
    fn run(&self, op: Operation<'_>, cx: &PassContext<'_>) -> Result {
        cx.count(op.name(), 1);
        Ok(())
    }
}

static STATISTICS: LazyLock<Arc<Statistics>> = LazyLock::new(|| {
    let statistics = Arc::default();
    register(Shorten::definition(), &statistics);
    register(Count::definition(), &statistics);
    statistics
});

use thunder_ir::pass::Describe as _;

/// Functions that add 1, 2 and 3 to their argument, on a line of their own each.
fn functions(numbers: impl Iterator<Item = usize>) -> String {
    let mut source = String::new();
    for number in numbers {
        writeln!(
            source,
            "func.func @f{number}(%x: i32) -> i32 {{ \
             %1 = toy.constant value = 1 : i32 : i32 %2 = toy.constant value = 2 : i32 : i32 \
             %3 = toy.constant value = 3 : i32 : i32 %a = toy.add %x, %1 : i32 %b = toy.add %a, %2 : i32 \
             %c = toy.add %b, %3 : i32 %d = toy.everything %c, [%c] mode = down : (i32, i32) -> i32 {{ }} \
             return %d : i32 }}"
        )
        .expect("strings take everything");
    }
    source
}

fn count(pass: &str, name: &str) -> u64 {
    let entries = STATISTICS.entries();
    entries.iter().find(|(p, n, _)| p == pass && n == name).map_or(0, |(_, _, count)| *count)
}

#[test]
fn thousands_of_functions_at_once() {
    are_rewritten_at_once(MANY);
}

#[test]
fn hundreds_of_functions_at_once() {
    are_rewritten_at_once(FEW);
}

fn are_rewritten_at_once(number_of_functions: usize) {
    let context = context();
    LazyLock::force(&STATISTICS);
    let sound = |number: &usize| ![7, 13, 26].contains(&(number % 100));
    let source = functions((0..number_of_functions).filter(sound));
    let mut module = parse(&context, &source);
    let before = (count("toy-shorten", "functions"), count("toy-shorten", "left"));
    let pipeline = Pipeline::new().on("func.func", Pipeline::new().then("toy-shorten").then("canonicalize"));
    let diagnostics = pipeline.run(&mut module).expect("nothing goes wrong");
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let many = number_of_functions as u64 / 100 * 97;
    let after = (count("toy-shorten", "functions"), count("toy-shorten", "left"));
    assert!(after.0 - before.0 >= many && after.1 - before.1 >= many);
    let text = module.to_string();
    assert_eq!(text.matches("toy.add").count() as u64, many);
    assert_eq!(text.matches("value = 6").count() as u64, many);

    // With one thread the same comes out.
    context.as_ref().set_threading(false);
    let mut alone = parse(&context, &source);
    pipeline.run(&mut alone).expect("nothing goes wrong");
    assert_eq!(alone.to_string(), text);
}

#[test]
fn thousands_of_functions_report_what_goes_wrong() {
    report_in_order(MANY);
}

#[test]
fn hundreds_of_functions_report_what_goes_wrong() {
    report_in_order(FEW);
}

fn report_in_order(number_of_functions: usize) {
    let context = context();
    LazyLock::force(&STATISTICS);
    let mut module = parse(&context, &functions(0..number_of_functions));
    let pipeline = Pipeline::new().on("func.func", Pipeline::new().then("toy-shorten"));
    let error = pipeline.run(&mut module).expect_err("some functions are unlucky");
    let Error::Diagnostics(all) = error else { panic!("no diagnostics: {error}") };
    let errors: Vec<_> = all.iter().filter(|d| d.severity == Severity::Error).collect();
    let count = |message: &str| errors.iter().filter(|d| d.message.contains(message)).count();
    assert_eq!(count("'func.func' op is unlucky"), number_of_functions / 100);
    assert_eq!(count("pass 'toy-shorten': rust panic: function"), number_of_functions / 100);
    assert!(count("rust panic: a pattern of function") >= number_of_functions / 100);
    assert_eq!(count("a rewrite pattern failed"), number_of_functions / 100);
    let lines: Vec<u32> = errors.iter().filter_map(|d| d.location.split(':').nth(1)?.parse().ok()).collect();
    assert_eq!(lines.len(), errors.len());
    assert!(lines.is_sorted(), "diagnostics come in the order of the program");
    assert_eq!(lines[0], 8, "function 7 is on line 8");
}

#[test]
fn verifiers_run_on_all_threads() {
    let context = context();
    let mut source = String::new();
    for number in 0..MANY {
        let body = if number % 1000 == 5 { "toy.panics" } else { "" };
        writeln!(source, "func.func @f{number}() {{ {body} return }}").expect("strings take everything");
    }
    let error = Module::parse(&context, "test.mlir", source.as_bytes()).err().expect("four functions are invalid");
    let text = error.to_string();
    for number in (5..MANY).step_by(1000) {
        assert!(text.contains(&format!("test.mlir:{}:", number + 1)), "{text}");
    }
    assert!(text.contains("rust panic: out of cheese"), "{text}");
}

#[test]
fn a_pass_without_anchor_runs_on_anything() {
    let context = context();
    LazyLock::force(&STATISTICS);
    let mut module = parse(&context, "module { func.func private @g() } func.func private @f()");
    let nested = Pipeline::new().on("any", Pipeline::new().then("toy-count"));
    let before = (count("toy-count", "func.func"), count("toy-count", "builtin.module"));
    Pipeline::new().then("toy-count").run(&mut module).expect("runs on the module");
    nested.run(&mut module).expect("runs on what is in it");
    let after = (count("toy-count", "func.func"), count("toy-count", "builtin.module"));
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 2));
}
