//! The reference of a dialect's ops and of passes, as markdown: all that their tables say, and nothing else.

use std::fmt::Write as _;

use thunder_ir::Dialect;
use thunder_ir::pass::{OptionKind, PassDef};

use super::ops::{self, Attribute, Op, Part, Values};
use super::passes::{kind, summary};

/// A document with every op of a dialect, in the order of its table.
pub fn ops(dialect: &'static Dialect) -> String {
    let mut text = format!("# Dialect `{}`\n\n{}\n\n| op | does |\n|---|---|\n", dialect.name, dialect.doc.trim());
    for op in &dialect.ops {
        let shape = cell(&ops::signature(op));
        line(&mut text, &format!("| [`{}`](#{}) `{shape}` | {} |", op.name, anchor(op.name), cell(&summary(op.doc))));
    }
    for op in Op::all(dialect) {
        section(&mut text, &op);
    }
    for (sigil, what, definitions) in [('!', "type", &dialect.types), ('#', "attribute", &dialect.attributes)] {
        for definition in definitions {
            let name = format!("{sigil}{}.{}", dialect.name, definition.name);
            line(&mut text, &format!("\n## `{name}`, {what}\n\n{}", definition.doc.trim()));
        }
    }
    text
}

/// A document with these passes, in this order.
pub fn passes(passes: &[&'static PassDef]) -> String {
    let mut text = "# Passes\n\n| pass | on | does |\n|---|---|---|\n".to_owned();
    for pass in passes {
        let (flag, on) = (format!("--{}", pass.argument), anchored(pass));
        line(&mut text, &format!("| [`{flag}`](#{}) | {on} | {} |", anchor(&flag), cell(&summary(pass.doc))));
    }
    for pass in passes {
        line(&mut text, &format!("\n## `--{}`\n\n{}\n", pass.argument, pass.doc.trim()));
        line(&mut text, &format!("Runs on: {}.", anchored(pass)));
        if !pass.dependent.is_empty() {
            line(&mut text, &format!("Makes ops of: {}.", list(pass.dependent.iter().copied())));
        }
        if !pass.options.is_empty() {
            line(&mut text, "\n| option | type | default | meaning |\n|---|---|---|---|");
        }
        for option in &pass.options {
            let value = if option.kind == OptionKind::Bool { "true, false" } else { kind(option.kind) };
            let initial = if option.initial.is_empty() { String::new() } else { format!("`{}`", option.initial) };
            let doc = cell(&option.doc.trim().replace('\n', " "));
            line(&mut text, &format!("| `{}` | {value} | {initial} | {doc} |", option.name));
        }
    }
    text
}

fn anchored(pass: &PassDef) -> String {
    if pass.anchor.is_empty() { "any op".to_owned() } else { format!("`{}`", pass.anchor) }
}

fn section(text: &mut String, op: &Op) {
    line(text, &format!("\n## `{}`\n\n{}", op.name, op.doc.trim()));
    let rows: Vec<_> = (op.operands.iter().map(|v| value("operand", v)))
        .chain(op.attributes.iter().map(attribute))
        .chain(op.regions.iter().map(|p| part("region", p)))
        .chain(op.successors.iter().map(|p| part("successor", p)))
        .chain(op.results.iter().map(|v| value("result", v)))
        .collect();
    if !rows.is_empty() {
        line(text, "\n| | name | type | |\n|---|---|---|---|");
        rows.iter().for_each(|row| line(text, row));
    }
    let mut facts = vec![format!("Effects: {}.", op.effects)];
    for (what, names) in [("Traits", &op.traits), ("Hooks", &op.hooks), ("Interfaces", &op.interfaces)] {
        if !names.is_empty() {
            facts.push(format!("{what}: {}.", list(names.iter().copied())));
        }
    }
    line(text, &format!("\n{}", facts.join(" ")));
}

fn value(what: &str, value: &Values) -> String {
    let arity = if value.arity == "one" { String::new() } else { format!("{} ", value.arity) };
    let ty = cell(&value.r#type);
    format!("| {arity}{what} | `{}` | {ty} | {} |", value.name, remarks(value.constraint, None, value.doc))
}

fn attribute(attribute: &Attribute) -> String {
    let what = if attribute.required || attribute.default.is_some() { "attribute" } else { "optional attribute" };
    let remarks = remarks(attribute.constraint, attribute.default.as_deref(), attribute.doc);
    format!("| {what} | `{}` | {} | {remarks} |", attribute.name, cell(&attribute.kind))
}

fn part(what: &str, part: &Part) -> String {
    let arity = if part.variadic { "variadic " } else { "" };
    format!("| {arity}{what} | `{}` | | |", part.name)
}

/// `(C1) The features. Default: 1.0.`
fn remarks(constraint: &str, default: Option<&str>, doc: &str) -> String {
    let default = default.map(|value| format!("Default: `{value}`."));
    let doc = doc.trim().replace('\n', " ");
    let parts = [Some(constraint), Some(doc.as_str()), default.as_deref()];
    cell(&parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "))
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The fragment that readers of markdown give a heading.
fn anchor(heading: &str) -> String {
    heading.chars().filter(|c| c.is_alphanumeric() || "_-".contains(*c)).collect()
}

/// Text that may stand in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a string takes any text");
}
