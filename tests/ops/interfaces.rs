//! Every op answers what passes ask of ops, or there is a reason why not.

use anyhow::{Result, bail};
use libtest_mimic::Trial;
use thunder_interface::type_of;
use thunder_ir::op::OpDef;
use thunder_ir::{Dialect, Type};
use thunder_tensor::DType;

/// What passes ask of an op: interfaces or traits, of which one answers, and the ops that need none, with the reason.
struct Question {
    what: &'static str,
    answers: &'static [&'static str],
    reasons: &'static [(&'static str, &'static [&'static str])],
}

const QUESTIONS: &[Question] = &[
    Question { what: "what it computes", answers: &["Reference", "Scalar", "Decompose", "Memory"], reasons: &[] },
    Question {
        what: "the sizes of its results",
        answers: &["ShapeRule", "same_type", "elementwise"],
        reasons: &[("its type says them", &["constant"]), ("it has no result", &["copy_into"])],
    },
    Question {
        what: "its derivative",
        answers: &["Differentiate", "Scalar", "Decompose"],
        reasons: &[
            ("its results are no floats", &["all", "any", "argmax", "argmin", "argsort", "dim"]),
            ("it has no operands of floats", &["constant", "full", "iota"]),
            ("derivatives are of values, and read no memory", &["copy_into", "read"]),
        ],
    },
    Question {
        what: "its precision under autocast",
        answers: &["Precision"],
        reasons: &[
            ("it has no operands of floats", &["constant", "full", "iota"]),
            ("memory keeps its dtype", &["copy_into", "read"]),
        ],
    },
    Question {
        what: "its cost",
        answers: &["Cost"],
        reasons: &[("it moves what it is given, as a copy", &["copy_into", "read"])],
    },
    Question {
        what: "how it is split over devices",
        answers: &["Shard", "elementwise", "Decompose"],
        reasons: &[("no pass splits programs yet, and its kernels have no rows", WHOLE)],
    },
];

/// Ops that are not split.
const WHOLE: &[&str] = &[
    "argmax",
    "argmin",
    "argsort",
    "avg_pool",
    "constant",
    "convolution",
    "copy_into",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "dim",
    "dynamic_update_slice",
    "index_add",
    "logcumsumexp",
    "matmul",
    "max_pool",
    "read",
    "reshape",
    "scatter_add",
    "scatter_reduce",
    "take_along_axis",
];

/// Ops that take complex numbers and are not made of ops on their parts.
const ON_COMPLEX: &[(&str, &[&str])] = &[
    ("they are the parts", &["imag", "real"]),
    ("memory is not computed with", &["copy_into", "read"]),
    ("sizes are of whole numbers", &["dim"]),
];

pub fn trials(dialect: &'static Dialect) -> Vec<Trial> {
    let trial = |question: &'static Question| {
        let title = format!("every_op_says::{}", question.what.replace(' ', "_"));
        Trial::test(title, move || check(dialect, question).map_err(|error| format!("{error:#}").into()))
    };
    let complex = Trial::test("every_op_says::what_it_is_on_complex_numbers", move || {
        check_complex(dialect).map_err(|error| format!("{error:#}").into())
    });
    QUESTIONS.iter().map(trial).chain([complex]).collect()
}

/// Checks that what takes complex numbers says what it does with their parts.
fn check_complex(dialect: &'static Dialect) -> Result<()> {
    let context = thunder_conformance::sample::context(&[dialect]);
    let element = type_of(context.as_ref(), DType::C64);
    let takes = |op: &OpDef| {
        let ranks = (0..6).map(|rank| Type::tensor(element, &vec![Some(2); rank]));
        ranks.into_iter().any(|ty| op.operands.iter().any(|spec| (spec.constraint.accepts)(ty)))
    };
    let mut wrong = Vec::new();
    for op in dialect.ops.iter().filter(|op| takes(op)) {
        let answers = op.interfaces.iter().any(|(name, _)| ["Parts", "Decompose"].contains(name));
        let name = op.name.split_once('.').map_or(op.name, |(_, name)| name);
        let has_reason = ON_COMPLEX.iter().any(|(_, ops)| ops.contains(&name));
        if answers == has_reason {
            wrong.push(format!(
                "'{}' takes complex numbers, and has {}",
                op.name,
                if answers { "both" } else { "neither" }
            ));
        }
    }
    if !wrong.is_empty() {
        bail!("{} of a rule and a reason", wrong.join("\n"));
    }
    Ok(())
}

fn check(dialect: &Dialect, question: &Question) -> Result<()> {
    let mut wrong = Vec::new();
    for op in &dialect.ops {
        let has = |answer: &&str| op.traits.contains(answer) || op.interfaces.iter().any(|(name, _)| name == answer);
        let name = op.name.split_once('.').map_or(op.name, |(_, name)| name);
        let reason = question.reasons.iter().find(|(_, ops)| ops.contains(&name)).map(|(reason, _)| reason);
        match (question.answers.iter().any(has), reason) {
            (true, None) | (false, Some(_)) => {}
            (false, None) => wrong.push(format!("'{}' has none of {:?}, and no reason", op.name, question.answers)),
            (true, Some(reason)) => wrong.push(format!("'{}' answers, though {reason}", op.name)),
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(())
}
