//! The documentation of an op: a sentence, labelled constraints that tests break, and an example that is valid.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use thunder_ir::op::OpDef;
use thunder_ir::{Dialect, Module};

use crate::{constraint, example, sample};

/// Checks the sentence, the example, and that each constraint has a test in `folder` that breaks it.
pub fn check(dialect: &'static Dialect, def: &'static OpDef, folder: &Path) -> Result<()> {
    let sentence = def.doc.lines().next().unwrap_or_default();
    ensure!(sentence.chars().next().is_some_and(|c| !c.is_lowercase()), "starts with no sentence: '{sentence}'");

    let function = example::wrap(example::of(def.doc)?)?;
    ensure!(function.contains(def.name), "the example does not show the op:\n{function}");
    let context = sample::context(&[dialect]);
    Module::parse(&context, "example.mlir", function.as_bytes()).with_context(|| format!("example\n{function}"))?;

    let documented = constraint::documented(def.doc);
    ensure!(documented.iter().copied().eq(1..=documented.len() as u32), "constraints are numbered {documented:?}");
    let values = def.operands.iter().chain(&def.results).map(|spec| spec.label);
    for label in values.chain(def.attributes.iter().map(|spec| spec.label)).filter(|label| !label.is_empty()) {
        ensure!(def.doc.contains(&format!("- {label} ")), "{label} is not documented");
    }
    if documented.is_empty() {
        return Ok(());
    }
    let tests = constraint::NegativeTests::read(folder)?;
    let missing: Vec<u32> = documented.into_iter().filter(|number| !tests.has(def.name, *number)).collect();
    ensure!(
        missing.is_empty(),
        "constraints {missing:?} have no test: a function '@{}_cN' in {} that expects an error with '(CN)'",
        def.mnemonic(),
        folder.display()
    );
    Ok(())
}
