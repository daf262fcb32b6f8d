//! Documents that are made or checked by programs: the references of ops and passes, and what README shows.
//!
//! `BLESS=1` writes them; so does `cargo xtask docs`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use thunder_conformance::sample;
use thunder_ir::Module;
use thunder_ir::pass::Statistics;
use thunder_lowering::{Options, Phase, compile_to};
use thunder_tools::opt::reference;
use thunder_tools::registry;

/// Compares a document with what it should be, or writes it where expectations are blessed.
fn check(path: &str, fresh: &str) -> Result<()> {
    let file = repository().join(path);
    let current = std::fs::read_to_string(&file).unwrap_or_default();
    if current == fresh {
        return Ok(());
    }
    if std::env::var_os("BLESS").is_some_and(|value| value != "0") {
        eprintln!("wrote {path}");
        return std::fs::write(&file, fresh).with_context(|| format!("cannot write {path}"));
    }
    let lines = current.lines().map(Some).chain(std::iter::repeat(None)).zip(fresh.lines());
    let (number, (found, wanted)) =
        (1..).zip(lines).find(|(_, (found, wanted))| *found != Some(wanted)).unwrap_or((0, (None, "nothing more")));
    let found = found.unwrap_or("nothing");
    bail!("{path}:{number} is stale: `cargo xtask docs` rewrites it\n  found:    {found}\n  expected: {wanted}")
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn marked(text: &str) -> String {
    format!("<!-- Written by `cargo xtask docs`. -->\n\n{text}")
}

#[test]
fn references_of_ops_are_fresh() -> Result<()> {
    for dialect in registry::thunder().dialects() {
        check(&format!("dialects/{}/OPS.md", dialect.name), &marked(&reference::ops(dialect)))?;
    }
    Ok(())
}

#[test]
fn reference_of_passes_is_fresh() -> Result<()> {
    let passes = registry::thunder().register_passes(&Arc::<Statistics>::default());
    check("passes/PASSES.md", &marked(&reference::passes(&passes)))
}

/// The map of the project has a row for each phase, in order.
#[test]
fn architecture_describes_the_phases() -> Result<()> {
    let text = std::fs::read_to_string(repository().join("ARCHITECTURE.md"))?;
    let table = text.split("\n## Phases\n").nth(1).and_then(|rest| rest.split("\n## ").next());
    let rows =
        table.context("no section 'Phases'")?.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let (rows, phases): (Vec<_>, Vec<_>) = (rows.collect(), Phase::ALL.iter().map(|phase| phase.name()).collect());
    ensure!(rows == phases, "ARCHITECTURE.md describes the phases {rows:?}, there are {phases:?}");
    Ok(())
}

/// A block of README that follows the comment `<!-- program -->` is a program; one that follows
/// `<!-- after PHASE -->` is that program compiled to the phase, up to a last line of three dots if it has one.
#[test]
fn readme_shows_what_the_compiler_does() -> Result<()> {
    let readme = std::fs::read_to_string(repository().join("README.md"))?;
    let blocks = blocks(&readme)?;
    let (_, program) = blocks.iter().find(|(title, _)| *title == "program").context("README has no program")?;
    let mut fresh = readme.clone();
    let mut shown = Vec::new();
    for (title, block) in &blocks {
        let Some(name) = title.strip_prefix("after ") else { continue };
        let phase = Phase::ALL.into_iter().find(|phase| phase.name() == name);
        let phase = phase.with_context(|| format!("README shows a phase '{name}', which there is not"))?;
        let context = sample::context(&[]);
        let mut module = Module::parse(&context, "README.md", program.as_bytes())?;
        compile_to(&mut module, phase, &Options { verify: true, ..Options::default() })?;
        let text = module.to_string();
        let text = match block.strip_suffix("...\n") {
            Some(excerpt) => {
                text.lines().take(excerpt.lines().count()).chain(["..."]).collect::<Vec<_>>().join("\n") + "\n"
            }
            None => text,
        };
        fresh = fresh.replace(
            &format!("<!-- {title} -->\n```mlir\n{block}```"),
            &format!("<!-- {title} -->\n```mlir\n{text}```"),
        );
        shown.push(phase);
    }
    ensure!(shown == Phase::ALL[1..], "README shows the phases {shown:?}, not each one after the first");
    check("README.md", &fresh)
}

/// The blocks of code that follow a comment line, with what it says.
fn blocks(text: &str) -> Result<Vec<(&str, &str)>> {
    let mut blocks = Vec::new();
    for part in text.split("<!-- ").skip(1) {
        let (title, rest) = part.split_once(" -->\n").context("a comment that does not end its line")?;
        let Some(rest) = rest.strip_prefix("```mlir\n") else { continue };
        let (block, _) = rest.split_once("```").with_context(|| format!("the block '{title}' does not end"))?;
        blocks.push((title, block));
    }
    Ok(blocks)
}
