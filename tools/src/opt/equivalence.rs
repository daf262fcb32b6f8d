//! `--check-equivalence`: whether each pass keeps what functions compute, by the reference interpreter.
//!
//! Before the driver runs, the passes of the command line run here one after another. Each function that the interpreter
//! knows is run before and after on the same random inputs, and its results must be equal, or close where the pass says
//! that it changes roundings. The first pass that breaks a function is named with the rewrite that does, as far as the
//! pass counts them, and a program small in steps is written that shows it.

mod functions;
mod stage;

use std::fmt::Write as _;
use std::path::Path;

use thunder_ir::pass::{Numerics, PassDef};
use thunder_ir::{Context, Module};

use crate::registry::Contents;
use functions::cases;
pub(super) use stage::Stage;

/// How many rewrites a pass may count at most when the one that breaks a program is looked for.
const MOST_REWRITES: u64 = 1 << 20;

/// What all passes together did to the functions of a file.
pub(super) struct Agreement {
    /// A line for each pass.
    pub(super) report: String,
}

/// A pass that broke a function.
pub(super) struct Broken {
    /// What is different, in a paragraph.
    pub(super) message: String,
    /// The program before it, with the command that shows the difference.
    pub(super) reproducer: String,
}

/// Runs the stages on each program of a file, and compares before and after each. What cannot be parsed, or is refused
/// by a pass, is left for the driver to report.
pub(super) fn check(
    path: &str,
    programs: &[&str],
    stages: &[Stage],
    contents: &Contents,
    ours: &[&'static PassDef],
) -> Result<Agreement, Broken> {
    let context = Context::new(&contents.registry());
    let mut report = String::new();
    for program in programs {
        let Ok(mut module) = Module::parse(&context, path, program.as_bytes()) else { continue };
        for stage in stages {
            let before = module.duplicate();
            if stage.pipeline().run(&mut module).is_err() {
                break;
            }
            let numerics = stage.numerics(ours);
            let tally = compare(&before, &module, numerics).map_err(|difference| {
                let (message, reproducer) = explain(&before, stage, numerics, &difference);
                Broken { message, reproducer }
            })?;
            writeln!(report, "{}: {tally}", stage.text).expect("a string takes any text");
        }
    }
    Ok(Agreement { report })
}

/// Compares every function of `before` with the one of its name in `after`; says how many agree.
fn compare(before: &Module<'_>, after: &Module<'_>, numerics: Numerics) -> Result<String, String> {
    let (mut agree, mut skipped) = (0, Vec::new());
    for (name, tried) in cases(before, numerics) {
        let cases = match tried {
            Ok(cases) => cases,
            Err(reason) => {
                skipped.push(format!("@{name}: {reason}"));
                continue;
            }
        };
        let results: Vec<_> = cases.iter().map(|case| case.results_in(after)).collect();
        // What runs on no input is beyond the interpreter; what runs on some fails on the others.
        if let (true, Some(Err(reason))) = (results.iter().all(Result::is_err), results.first()) {
            skipped.push(format!("@{name}: after it, {reason}"));
            continue;
        }
        for (case, results) in cases.iter().zip(results) {
            let agrees = results.and_then(|results| case.agrees(&results, numerics));
            agrees.map_err(|difference| format!("'@{name}' {difference}"))?;
        }
        agree += 1;
    }
    let mut words = match agree {
        1 => "1 function agrees".to_owned(),
        _ => format!("{agree} functions agree"),
    };
    for reason in skipped {
        write!(words, "\n  not compared: {reason}").expect("a string takes any text");
    }
    Ok(words)
}

/// The message about a pass that broke a function, and a reproducer.
fn explain(before: &Module<'_>, stage: &Stage, numerics: Numerics, difference: &str) -> (String, String) {
    let class = match numerics {
        Numerics::Exact => "must be exact",
        Numerics::Reassociates => "may only change roundings",
        Numerics::Approximates => "may only change roundings and what is not finite",
        Numerics::Narrows => "must keep types and sizes",
    };
    let mut message = format!("'{}', which {class}, changes what functions compute: {difference}", stage.name);
    let (mut program, mut shown) = (before.duplicate(), stage.clone());
    if let Some((rewrite, limited)) = first_rewrite(before, stage, numerics) {
        write!(message, "\nnote: rewrite {rewrite} is the first that does: '{}'", limited.text)
            .expect("a string takes any text");
        shown = limited;
        if let Some((last, one)) = alone(before, stage, rewrite, numerics) {
            (program, shown) = (last, one);
        }
    }
    let reproducer = format!("// thunder-opt --check-equivalence --pass-pipeline='{}' FILE\n{program}", shown.whole());
    (message, reproducer)
}

/// The number of the first rewrite after which a function is broken, and the stage that stops there; `None` where the
/// pass does not count its rewrites.
fn first_rewrite(before: &Module<'_>, stage: &Stage, numerics: Numerics) -> Option<(u64, Stage)> {
    let breaks = |fuel: u64| {
        let limited = stage.with_fuel(fuel)?;
        Some(broken(before, &limited, numerics))
    };
    let mut most = 1;
    while !breaks(most)? {
        most *= 2;
        if most > MOST_REWRITES {
            return None;
        }
    }
    let mut fine = most / 2;
    while most - fine > 1 {
        let middle = fine + (most - fine) / 2;
        if breaks(middle)? { most = middle } else { fine = middle }
    }
    Some((most, stage.with_fuel(most)?))
}

/// The program before that rewrite and the stage that does it alone, if that breaks it too.
fn alone<'x>(before: &Module<'x>, stage: &Stage, rewrite: u64, numerics: Numerics) -> Option<(Module<'x>, Stage)> {
    let mut program = before.duplicate();
    if rewrite > 1 {
        stage.with_fuel(rewrite - 1)?.pipeline().run(&mut program).ok()?;
    }
    let one = stage.with_fuel(1)?;
    broken(&program, &one, numerics).then_some((program, one))
}

fn broken(before: &Module<'_>, stage: &Stage, numerics: Numerics) -> bool {
    let mut after = before.duplicate();
    stage.pipeline().run(&mut after).is_ok() && compare(before, &after, numerics).is_err()
}

/// The programs of a file: one, or with `--split-input-file` those between the lines that part them.
pub(super) fn programs(source: &str, split: bool) -> Vec<&str> {
    if split { source.split("// -----").collect() } else { vec![source] }
}

/// Checks the file of a command line, and says what goes wrong: nothing, or the words of one error.
pub(super) fn run(
    arguments: &[String],
    reproducer: &Path,
    contents: &Contents,
    ours: &[&'static PassDef],
) -> Result<(), String> {
    let input = stage::input(arguments)
        .ok_or("'--check-equivalence' reads the input before the driver does: name a file, not stdin")?;
    let source = std::fs::read_to_string(input).map_err(|error| format!("cannot read '{input}': {error}"))?;
    let stages = Stage::all(arguments);
    if stages.is_empty() {
        return Err("'--check-equivalence' has no pass to check".to_owned());
    }
    let split = arguments.iter().any(|arg| matches!(super::arguments::split(arg), Some(("split-input-file", _))));
    match check(input, &programs(&source, split), &stages, contents, ours) {
        Ok(agreement) => {
            eprint!("{}", agreement.report);
            Ok(())
        }
        Err(Broken { message, reproducer: program }) => {
            let written = match std::fs::write(reproducer, program) {
                Ok(()) => format!("note: '{}' shows it", reproducer.display()),
                Err(error) => format!("note: cannot write '{}': {error}", reproducer.display()),
            };
            Err(format!("{message}\n{written}"))
        }
    }
}
