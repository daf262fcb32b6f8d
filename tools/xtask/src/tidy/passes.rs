//! Every `#[pass("thunder-NAME")]` stands in a `passes!` table and has `tests/lit/passes/NAME.mlir`.

use super::source::{code, code_and_strings, has_word, shipped_lines};
use super::{Tree, Violation};

const FOLDERS: [&str; 2] = ["passes/src/", "lowering/src/"];

/// A pass as its declaration names it.
struct Pass<'a> {
    path: &'a str,
    line: usize,
    flag: String,
    structure: String,
}

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let tables: String = tree.rust().filter_map(|(_, text)| Some(table(&code(text))?.to_owned())).collect();
    let mut violations = Vec::new();
    for Pass { path, line, flag, structure } in declared(tree) {
        let name = flag.strip_prefix("thunder-").unwrap_or(&flag);
        let file = |name: &str| format!("tests/lit/passes/{name}.mlir");
        let snake = name.replace('-', "_");
        if !tree.has(&file(name)) && !tree.has(&file(&snake)) {
            let message = format!("`--{flag}` has no test: add {}", file(&snake));
            violations.push(Violation::at(path, line, message));
        }
        if !tables.is_empty() && !has_word(&tables, &structure) {
            violations.push(Violation::at(path, line, format!("`{structure}` is in no `passes!` table: add it")));
        }
    }
    violations
}

fn declared(tree: &Tree) -> Vec<Pass<'_>> {
    let mut passes = Vec::new();
    let is_ours = |path: &str| FOLDERS.iter().any(|folder| path.starts_with(folder));
    for (path, text) in tree.rust().filter(|(path, _)| is_ours(path)) {
        let code = code_and_strings(text);
        for (line, declaration) in shipped_lines(&code) {
            let Some(rest) = declaration.trim_start().strip_prefix("#[pass(\"") else { continue };
            let flag = rest.split('"').next().unwrap_or_default().to_owned();
            let below = code.lines().skip(line).find_map(|line| line.split_once("struct ").map(|(_, rest)| rest));
            let name = below.unwrap_or_default().split(|c: char| !c.is_alphanumeric() && c != '_').next();
            passes.push(Pass { path, line, flag, structure: name.unwrap_or_default().to_owned() });
        }
    }
    passes
}

/// What stands between the braces of a call of `passes!`; not the macro's definition.
fn table(code: &str) -> Option<&str> {
    let calls = code.match_indices("passes!").map(|(at, call)| code[at + call.len()..].trim_start());
    let body = calls.into_iter().find_map(|rest| rest.strip_prefix(['{', '(', '[']))?;
    let mut depth = 1;
    let end = body.find(|c| {
        depth += i32::from("{([".contains(c)) - i32::from("})]".contains(c));
        depth == 0
    });
    Some(&body[..end.unwrap_or(body.len())])
}

#[cfg(test)]
mod tests {
    use super::super::tests::said;

    #[test]
    fn passes_without_test_or_entry_are_found() {
        let pass = "/// A.\n#[pass(\"thunder-fold-all\", anchor = \"any\")]\n#[derive(Debug)]\npub struct FoldAll {}\n";
        let listed = "passes! {\n    cse::Cse,\n    fold_all::FoldAll,\n}\n";
        let all = [("passes/src/lib.rs", listed), ("passes/src/fold_all.rs", pass)];
        assert_eq!(said(super::check, &[all[0], all[1], ("tests/lit/passes/fold_all.mlir", "")]), [] as [&str; 0]);
        let unlisted = [("passes/src/lib.rs", "passes! { cse::Cse }\n"), all[1]];
        assert_eq!(
            said(super::check, &unlisted),
            [
                "passes/src/fold_all.rs:2: `--thunder-fold-all` has no test: add tests/lit/passes/fold_all.mlir",
                "passes/src/fold_all.rs:2: `FoldAll` is in no `passes!` table: add it",
            ]
        );
    }
}
