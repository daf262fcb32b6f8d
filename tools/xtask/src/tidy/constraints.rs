//! Every constraint `(Cn)` in an op's docs has a negative test: `@NAME_cN` with an `expected-error` that says `(CN)`.

use super::{Tree, Violation};

/// Crates below `dialects` that hold no dialect.
const NO_DIALECTS: [&str; 4] = ["dialects/ir/", "dialects/macros/", "dialects/shim/", "dialects/interface/"];

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let tests: Vec<&str> = tree.below("tests/lit/dialect/").flat_map(|(_, text)| text.split("// -----")).collect();
    let is_dialect = |path: &str| path.contains("/src/") && !NO_DIALECTS.iter().any(|folder| path.starts_with(folder));
    let mut violations = Vec::new();
    for (path, text) in tree.below("dialects/").filter(|(path, _)| path.ends_with(".rs") && is_dialect(path)) {
        for Constraint { line, op, number } in constraints(text) {
            let name = op.split_once('.').map_or(op.as_str(), |(_dialect, name)| name).replace('.', "_");
            let test = format!("{name}_c{number}");
            if !tests.iter().any(|chunk| tests_constraint(chunk, &test, number)) {
                let message = format!(
                    "(C{number}) of {op} has no negative test: add a function @{test} below tests/lit/dialect/ with \
                     an expected-error that contains (C{number})"
                );
                violations.push(Violation::at(path, line, message));
            }
        }
    }
    violations
}

struct Constraint {
    line: usize,
    op: String,
    number: u32,
}

/// The labels in doc comments above each `#[op("...")]`.
fn constraints(text: &str) -> Vec<Constraint> {
    let mut constraints = Vec::new();
    let mut labels: Vec<(usize, u32)> = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim_start();
        if let Some(doc) = line.strip_prefix("///") {
            labels.extend(label(doc).map(|label| (number, label)));
        } else if let Some(rest) = line.strip_prefix("#[op(\"") {
            let op = rest.split('"').next().unwrap_or_default();
            let found = labels.drain(..).map(|(line, number)| Constraint { line, op: op.to_owned(), number });
            constraints.extend(found);
        } else if !line.starts_with("#[") {
            labels.clear();
        }
    }
    constraints
}

/// The number in `- (C1) ...`.
fn label(doc: &str) -> Option<u32> {
    let (number, _) = doc.trim_start().strip_prefix("- (C")?.split_once(')')?;
    number.parse().ok()
}

fn tests_constraint(chunk: &str, test: &str, number: u32) -> bool {
    let is_named = chunk.match_indices(&format!("@{test}")).any(|(at, name)| {
        let after = chunk[at + name.len()..].chars().next();
        !after.is_some_and(|c| c.is_ascii_digit())
    });
    let says = format!("(C{number})");
    is_named && chunk.lines().any(|line| line.contains("expected-error") && line.contains(&says))
}

#[cfg(test)]
mod tests {
    use super::super::tests::said;

    const MATMUL: &str = "\
/// Matrix product.
///
/// - (C1) rank
/// - (C2) inner dimensions
#[op(\"thunder.matmul\", pure)]
pub struct Matmul {}
";

    #[test]
    fn constraints_without_test_are_found() {
        let test = "\
func.func @matmul_c1() {
  // expected-error @+1 {{(C1) rank}}
}
// -----
func.func @matmul_c2() {
  // expected-error @+1 {{(C1) not this one}}
}
// -----
func.func @matmul_c20() {
  // expected-error @+1 {{(C2) no}}
}
";
        let files = [("dialects/thunder/src/ops/matmul.rs", MATMUL), ("tests/lit/dialect/matmul.mlir", test)];
        assert_eq!(
            said(super::check, &files),
            ["dialects/thunder/src/ops/matmul.rs:4: (C2) of thunder.matmul has no negative test: add a function \
             @matmul_c2 below tests/lit/dialect/ with an expected-error that contains (C2)"]
        );
        let tested = test.replace("(C1) not", "(C2) not");
        assert_eq!(said(super::check, &[files[0], ("tests/lit/dialect/matmul.mlir", &tested)]), [] as [&str; 0]);
    }
}
