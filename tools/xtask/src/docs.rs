//! Documents written by programs: made by `cargo xtask docs`, checked by `cargo xtask docs --check`.

use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::process;

/// A document and what makes it. A document whose `source` is not there yet is left out.
struct Document {
    path: &'static str,
    source: &'static str,
    make: fn() -> anyhow::Result<String>,
}

const DOCUMENTS: [Document; 1] =
    [Document { path: "dialects/OPS.md", source: "tools/src/bin/thunder-opt.rs", make: op_reference }];

/// Writes every document, or with `--check` fails where one is stale.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<()> {
    let checks = match arguments {
        [] => false,
        [flag] if flag == "--check" => true,
        [unexpected, ..] => bail!("`cargo xtask docs` knows only `--check`, found `{unexpected}`"),
    };
    for Document { path, source, make } in DOCUMENTS {
        if !Path::new(source).exists() {
            eprintln!("docs: {path} waits for {source}");
            continue;
        }
        let fresh = make().with_context(|| format!("cannot make {path}"))?;
        let current = std::fs::read_to_string(path).unwrap_or_default();
        if current == fresh {
            continue;
        }
        ensure!(!checks, "{path} is stale: run `cargo xtask docs` and commit what it writes");
        std::fs::write(path, fresh).with_context(|| format!("cannot write {path}"))?;
        eprintln!("docs: wrote {path}");
    }
    Ok(())
}

/// The reference of all ops, from what `thunder-opt` knows about them.
fn op_reference() -> anyhow::Result<String> {
    let arguments = ["run", "--quiet", "--package", "thunder-tools", "--bin", "thunder-opt", "--", "--list-ops=json"];
    let listed = process::answer(&process::cargo(), &arguments).context("`thunder-opt --list-ops=json` failed")?;
    render_ops(&serde_json::from_str(&listed).context("`thunder-opt --list-ops=json` does not print JSON")?)
}

/// A section per op from a list of objects with `name` and `doc` (markdown), sorted by name.
fn render_ops(ops: &Value) -> anyhow::Result<String> {
    let ops = ops.as_array().or_else(|| ops.get("ops")?.as_array()).context("expected a list of ops")?;
    let mut sections = Vec::new();
    for op in ops {
        let text = |field: &str| op.get(field).and_then(Value::as_str).with_context(|| format!("no `{field}` in {op}"));
        sections.push((text("name")?, text("doc")?.trim()));
    }
    sections.sort_unstable();
    let mut rendered = "<!-- Written by `cargo xtask docs`. -->\n\n# Ops\n".to_owned();
    for (name, doc) in sections {
        rendered.push_str(&format!("\n## `{name}`\n\n{doc}\n"));
    }
    Ok(rendered)
}

#[cfg(test)]
mod tests {
    use super::render_ops;

    #[test]
    fn ops_are_rendered_in_order_or_the_field_is_named() {
        let ops = serde_json::json!([{"name": "b.y", "doc": "Y.\n"}, {"name": "a.x", "doc": "X."}]);
        let rendered = render_ops(&ops).unwrap();
        assert!(rendered.ends_with("\n## `a.x`\n\nX.\n\n## `b.y`\n\nY.\n"), "{rendered}");
        let error = render_ops(&serde_json::json!([{"name": "a.x"}])).unwrap_err();
        assert!(error.to_string().starts_with("no `doc` in"), "{error}");
    }
}
