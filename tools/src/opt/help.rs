//! A help text that fits its reader: our passes first, then the flags of upstream that people need.

use std::fmt::Write as _;

use thunder_ir::pass::{OptionKind, PassDef};
use thunder_ir::tools;

use super::passes::{kind, summary};

/// Flags of upstream's driver and ours, by purpose; the first word of each is the flag.
const FLAGS: [(&str, &[(&str, &str)]); 5] = [
    (
        "Running passes",
        &[
            ("--PASS, --PASS=\"OPTION=VALUE ...\"", "any pass, ours or upstream's, in the order given"),
            ("--pass-pipeline=TEXT", "a whole pipeline, such as 'builtin.module(cse,func.func(canonicalize))'"),
            ("--verify-each=0", "do not verify after each pass"),
            ("--mlir-disable-threading", "run everything on one thread"),
            ("--run-reproducer", "run the pipeline that a reproducer file holds"),
        ],
    ),
    (
        "Input and output",
        &[
            ("-o FILE", "write there instead of stdout"),
            ("--split-input-file", "treat parts between lines '// -----' as files of their own"),
            ("--verify-diagnostics", "compare diagnostics with 'expected-error' comments"),
            ("--verify-roundtrip", "check that printing and parsing gives the same program"),
            ("--allow-unregistered-dialect", "accept ops of unknown dialects"),
            ("--emit-bytecode", "write bytecode"),
            ("--mlir-print-op-generic", "print the generic form of ops"),
            ("--mlir-print-debuginfo", "print locations"),
            ("--mlir-elide-elementsattrs-if-larger=N", "print '...' for larger constants"),
            ("--mlir-print-value-users", "print the users of each value"),
        ],
    ),
    (
        "Looking inside",
        &[
            ("--mlir-print-ir-before=PASS", "print the program before a pass"),
            ("--mlir-print-ir-after=PASS", "print the program after a pass"),
            ("--mlir-print-ir-after-all", "print the program after each pass"),
            ("--mlir-print-ir-after-change", "print it only where a pass changed it"),
            ("--mlir-print-ir-after-failure", "print it where a pass failed"),
            ("--mlir-print-ir-tree-dir=DIR", "print into files there"),
            ("--mlir-timing", "print the time each pass took"),
            ("--dump-pass-pipeline", "print the pipeline that runs"),
            ("--mlir-pass-pipeline-crash-reproducer=FILE", "write a reproducer there if a pass fails"),
            ("--mlir-print-stacktrace-on-diagnostic", "print where in the compiler a diagnostic came from"),
        ],
    ),
    ("Lists", &[("--list-passes", "all passes and their options"), ("--show-dialects", "all dialects")]),
    ("More", &[("--help-hidden", "every flag, LLVM's own included"), ("--version", "the version of LLVM")]),
];

/// Flags that this tool takes itself, by the purpose that they stand with.
const OURS: [(&str, &str, &str); 6] = [
    (
        "Running passes",
        "--check-equivalence[=FILE]",
        "run functions before and after each pass; write to FILE what shows the first that breaks one",
    ),
    ("Looking inside", "--thunder-statistics[=json]", "print what Thunder's passes counted"),
    ("Lists", "--list-ops[=json|markdown]", "the ops of Thunder's dialects"),
    ("Lists", "--list-passes=json|markdown", "passes and their options; as markdown, Thunder's only"),
    ("More", "--help", "this text"),
    ("More", "--help-all", "every flag of the driver and every pass"),
];

/// The text of `--help`.
pub(super) fn text(tool: &str, passes: &[&'static PassDef]) -> String {
    let known = tools::flags();
    let mut text = format!(
        "Parses, verifies, transforms and prints MLIR: mlir-opt with Thunder's dialects and passes.\n\n\
         Usage: {tool} [FLAG]... [FILE]\n\n\
         Reads stdin where FILE is left out or '-'. Exits with 1 if anything is wrong with input or arguments.\n"
    );
    let mut line = |indent: usize, left: &str, right: &str| {
        let width = 36usize.saturating_sub(indent);
        let gap = if left.len() < width { format!("{left:width$}") } else { format!("{left}\n{:36}", "") };
        writeln!(text, "{:indent$}{gap}  {right}", "").expect("a string takes any text");
    };
    if !passes.is_empty() {
        line(0, "\nThunder's passes", "");
    }
    for pass in passes {
        line(2, &format!("--{}", pass.argument), &summary(pass.doc));
        for option in &pass.options {
            let value = if option.kind == OptionKind::Bool { "true|false" } else { kind(option.kind) };
            let initial = if option.initial.is_empty() { String::new() } else { format!(" [{}]", option.initial) };
            line(6, &format!("{}=<{value}>", option.name), &format!("{}{initial}", summary(option.doc)));
        }
    }
    for (purpose, flags) in FLAGS {
        line(0, &format!("\n{purpose}"), "");
        for (_, flag, help) in OURS.iter().filter(|(with, ..)| *with == purpose) {
            line(2, flag, help);
        }
        for (flag, help) in flags {
            debug_assert!(is_known(flag, &known), "upstream has no flag {flag} any more");
            line(2, flag, help);
        }
    }
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

fn is_known(flag: &str, known: &[tools::Entry]) -> bool {
    let (name, _) = super::arguments::split(flag).expect("the table spells flags with dashes");
    let name = name.split([' ', ',']).next().unwrap_or_default();
    name == "PASS" || known.iter().any(|entry| entry.name == name)
}
