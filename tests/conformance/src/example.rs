//! Examples in the documentation of ops as programs.
//!
//! The convention: an example is one statement or more. Names that no statement of it defines are
//! arguments, whose types are those in the signature after the statement's last ` : `. One type
//! there means all operands.

use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeSet;

/// The text of the only example in an op's documentation.
pub fn of(doc: &str) -> Result<&str> {
    let mut parts = doc.split("```mlir\n");
    let (_, example) = (parts.next(), parts.next().context("has no example, a block of ```mlir")?);
    ensure!(parts.next().is_none(), "has more than one example");
    let (example, _) = example.split_once("```").context("has an example that does not end")?;
    Ok(example.trim_end())
}

/// A function `@example` around the statements of an example.
pub fn wrap(example: &str) -> Result<String> {
    let mut statements: Vec<String> = Vec::new();
    for line in example.lines() {
        match statements.last_mut() {
            Some(statement) if line.starts_with(' ') => *statement += &format!("\n{line}"),
            _ => statements.push(line.to_owned()),
        }
    }
    let (mut arguments, mut known) = (Vec::new(), BTreeSet::new());
    for statement in &statements {
        let (results, rest) = statement.split_once('=').filter(|(r, _)| r.starts_with('%')).unwrap_or(("", statement));
        let (operands, signature) = rest.rsplit_once(" : ").with_context(|| format!("no types in '{statement}'"))?;
        let names = names(operands);
        let types = types(operand_part(signature));
        for (index, name) in names.iter().enumerate() {
            let ty = if types.len() == 1 { types.first() } else { types.get(index) };
            let ty = ty.with_context(|| format!("'%{name}' has no type in '{statement}'"))?;
            if known.insert(name.clone()) {
                arguments.push(format!("%{name}: {ty}"));
            }
        }
        known.extend(self::names(results));
    }
    let (arguments, body) = (arguments.join(", "), statements.join("\n  "));
    Ok(format!("func.func @example({arguments}) {{\n  {body}\n  return\n}}\n"))
}

fn operand_part(signature: &str) -> &str {
    signature.split_once(" -> ").map_or(signature, |(operands, _)| operands)
}

/// The names after each `%`, without the numbers of results, in order.
pub fn names(text: &str) -> Vec<String> {
    let name = |part: &str| part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    text.split('%').skip(1).map(name).collect()
}

/// The types of a list, in parentheses or not.
pub fn types(list: &str) -> Vec<String> {
    let text = list.trim();
    let text = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')).unwrap_or(text);
    let (mut types, mut depth) = (vec![String::new()], 0);
    for c in text.chars() {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth -= 1,
            _ => {}
        }
        match types.last_mut() {
            Some(last) if c != ',' || depth > 0 => last.push(c),
            _ => types.push(String::new()),
        }
    }
    types.iter().map(|ty| ty.trim().to_owned()).filter(|ty| !ty.is_empty()).collect()
}
