//! Dependencies between crates follow the arrows below, and some outside crates belong to few of ours.

use std::collections::BTreeMap;

use toml::Table;

use super::{Tree, Violation};

/// Who may depend on whom among ours, bottom up.
const ARROWS: [(&str, Above); 18] = [
    ("thunder-tensor", Above::These(&[])),
    ("thunder-mlir-shim", Above::These(&[])),
    ("thunder-ir-macros", Above::These(&[])),
    ("thunder-ir", Above::These(&["thunder-mlir-shim", "thunder-ir-macros"])),
    ("thunder-interface", Above::These(&["thunder-ir", "thunder-tensor"])),
    ("thunder-dialect", Above::These(&["thunder-interface", "thunder-ir", "thunder-tensor"])),
    (
        "thunder-trace",
        Above::These(&["thunder-dialect", "thunder-interface", "thunder-ir", "thunder-ir-macros", "thunder-tensor"]),
    ),
    ("thunder-dist", Above::These(&["thunder-interface", "thunder-ir", "thunder-tensor"])),
    ("thunder-exec", Above::These(&["thunder-interface", "thunder-ir", "thunder-tensor"])),
    ("thunder-check", Above::These(&["thunder-interface", "thunder-ir", "thunder-tensor"])),
    (
        "thunder-passes",
        Above::These(&[
            "thunder-dialect",
            "thunder-dist",
            "thunder-exec",
            "thunder-check",
            "thunder-interface",
            "thunder-ir",
            "thunder-tensor",
        ]),
    ),
    ("thunder-runtime", Above::These(&["thunder-tensor"])),
    (
        "thunder-lowering",
        Above::These(&[
            "thunder-passes",
            "thunder-dialect",
            "thunder-dist",
            "thunder-exec",
            "thunder-check",
            "thunder-interface",
            "thunder-ir",
            "thunder-runtime",
            "thunder-tensor",
        ]),
    ),
    (
        "thunder-models",
        Above::These(&[
            "thunder-trace",
            "thunder-lowering",
            "thunder-passes",
            "thunder-ir",
            "thunder-runtime",
            "thunder-tensor",
        ]),
    ),
    (
        "thunder-import",
        Above::These(&["thunder-trace", "thunder-dialect", "thunder-interface", "thunder-ir", "thunder-tensor"]),
    ),
    ("thunder-tools", Above::All),
    ("thunder-lit", Above::These(&[])),
    ("xtask", Above::These(&[])),
];

/// Crates of ours that nothing may depend on.
const TOPS: [&str; 2] = ["thunder-tests", "xtask"];

/// Outside crates that only these of ours may use, and why.
const RESERVED: [(&str, &[&str], &str); 3] = [
    ("melior", &["thunder-ir"], "an LLVM bump touches dialects/ir and below"),
    ("mlir-sys", &["thunder-ir", "thunder-mlir-shim"], "an LLVM bump touches dialects/ir and below"),
    (
        "anyhow",
        &["thunder-tools", "thunder-tests", "thunder-lit", "xtask"],
        "libraries return an enum that says whose fault it is",
    ),
];

#[derive(Clone, Copy)]
enum Above {
    These(&'static [&'static str]),
    All,
}

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let manifests: BTreeMap<&str, Table> = tree
        .files()
        .filter(|(path, _)| path.ends_with("Cargo.toml"))
        .filter_map(|(path, text)| Some((path, text.parse().ok()?)))
        .collect();
    let names: Vec<&str> = manifests.values().filter_map(package).collect();
    let mut violations = Vec::new();
    for (path, manifest) in &manifests {
        let Some(name) = package(manifest) else { continue };
        let shipped = [dependencies(manifest, "dependencies"), dependencies(manifest, "build-dependencies")].concat();
        // Crates below `tests` play third parties: they may use everything.
        let above = if path.starts_with("tests/") && name != "thunder-lit" { Some(Above::All) } else { arrows(name) };
        let Some(above) = above else {
            let message = format!("`{name}` has no place yet: give it one in tools/xtask/src/tidy/arrows.rs");
            violations.push(Violation::in_file(path, message));
            continue;
        };
        for dependency in &shipped {
            let is_ours = names.contains(&dependency.as_str());
            let may = match above {
                Above::All => true,
                Above::These(below) => below.contains(&dependency.as_str()),
            };
            if is_ours && !may {
                let message = format!("`{name}` may not depend on `{dependency}`: arrows go down only");
                violations.push(Violation::in_file(path, message));
            }
            for (_, users, reason) in RESERVED.iter().filter(|(reserved, ..)| reserved == dependency) {
                if !users.contains(&name) && !path.starts_with("tests/") {
                    let message = format!("`{name}` may not depend on `{dependency}`: {reason}");
                    violations.push(Violation::in_file(path, message));
                }
            }
        }
        let all = [shipped, dependencies(manifest, "dev-dependencies")].concat();
        for top in TOPS.iter().filter(|top| all.iter().any(|dependency| dependency == *top)) {
            violations.push(Violation::in_file(path, format!("`{name}` may not depend on `{top}`: nothing does")));
        }
    }
    violations
}

fn arrows(name: &str) -> Option<Above> {
    ARROWS.iter().find(|(ours, _)| *ours == name).map(|(_, above)| *above)
}

fn package(manifest: &Table) -> Option<&str> {
    manifest.get("package")?.get("name")?.as_str()
}

/// The packages in a table of dependencies, those for one platform included.
fn dependencies(manifest: &Table, kind: &str) -> Vec<String> {
    let per_platform = manifest.get("target").and_then(toml::Value::as_table).into_iter().flat_map(Table::values);
    let tables = manifest.get(kind).into_iter().chain(per_platform.filter_map(|platform| platform.get(kind)));
    let entries = tables.filter_map(toml::Value::as_table).flatten();
    let renamed = entries.map(|(name, entry)| entry.get("package").and_then(toml::Value::as_str).unwrap_or(name));
    renamed.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::said;

    fn manifest(name: &str, tables: &str) -> String {
        format!("[package]\nname = \"{name}\"\n{tables}")
    }

    #[test]
    fn arrows_that_go_up_are_found() {
        let runtime =
            manifest("thunder-runtime", "[dependencies]\nthunder-tensor = {}\nir = { package = \"thunder-ir\" }\n");
        let ir = manifest(
            "thunder-ir",
            "[dependencies]\nmelior = \"1\"\n[target.'cfg(unix)'.dependencies]\nanyhow = \"1\"\n",
        );
        let tensor = manifest(
            "thunder-tensor",
            "[dev-dependencies]\nthunder-tests = {}\n[build-dependencies]\nmelior = \"1\"\n",
        );
        let new = manifest("thunder-new", "");
        let files = [
            ("dialects/ir/Cargo.toml", ir.as_str()),
            ("new/Cargo.toml", &new),
            ("runtime/Cargo.toml", &runtime),
            ("runtime/tensor/Cargo.toml", &tensor),
        ];
        assert_eq!(
            said(super::check, &files),
            [
                "dialects/ir/Cargo.toml: `thunder-ir` may not depend on `anyhow`: libraries return an enum that says whose \
             fault it is",
                "new/Cargo.toml: `thunder-new` has no place yet: give it one in tools/xtask/src/tidy/arrows.rs",
                "runtime/Cargo.toml: `thunder-runtime` may not depend on `thunder-ir`: arrows go down only",
                "runtime/tensor/Cargo.toml: `thunder-tensor` may not depend on `melior`: an LLVM bump touches dialects/ir \
             and below",
                "runtime/tensor/Cargo.toml: `thunder-tensor` may not depend on `thunder-tests`: nothing does",
            ]
        );
    }
}
