//! Every registered pass as JSON: ours with all that their tables say, then upstream's.

use serde_json::{Value, json};
use thunder_ir::pass::{OptionKind, PassDef};
use thunder_ir::tools;

/// A list of objects with `name`, `summary` and `options`; sorted by name within ours and within upstream's.
pub(super) fn json(ours: &[&'static PassDef]) -> String {
    let mut passes: Vec<Value> = ours.iter().map(|pass| described(pass)).collect();
    for flag in tools::flags() {
        let Some(options) = tools::pass_options(&flag.name) else { continue };
        if ours.iter().any(|pass| pass.argument == flag.name) {
            continue;
        }
        let options: Vec<_> = options.iter().map(|o| json!({"name": o.name, "doc": o.help})).collect();
        passes.push(json!({"name": flag.name, "summary": flag.help, "ours": false, "options": options}));
    }
    format!("{:#}\n", Value::from(passes))
}

fn described(pass: &PassDef) -> Value {
    let options = pass.options.iter().map(
        |option| json!({"name": option.name, "doc": option.doc, "kind": kind(option.kind), "default": option.initial}),
    );
    json!({
        "name": pass.argument,
        "summary": summary(pass.doc),
        "ours": true,
        "doc": pass.doc,
        "anchor": if pass.anchor.is_empty() { "any" } else { pass.anchor },
        "dialects": pass.dependent,
        "options": options.collect::<Vec<_>>(),
    })
}

/// The first sentence of a doc comment, without its full stop.
pub(super) fn summary(doc: &str) -> String {
    let paragraph = doc.trim().split("\n\n").next().unwrap_or_default().replace('\n', " ");
    let sentence = paragraph.split_once(". ").map_or(paragraph.as_str(), |(sentence, _)| sentence);
    if sentence.ends_with("..") { sentence.to_owned() } else { sentence.trim_end_matches('.').to_owned() }
}

/// An option's type in one word.
pub(super) fn kind(kind: OptionKind) -> &'static str {
    match kind {
        OptionKind::Bool => "bool",
        OptionKind::Int => "integer",
        OptionKind::Unsigned => "unsigned",
        OptionKind::Float => "float",
        OptionKind::Text => "text",
        OptionKind::List => "list",
    }
}
