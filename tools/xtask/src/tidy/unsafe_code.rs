//! `unsafe` only in the places below, and each block after a `// SAFETY:` comment.

use super::source::{code, has_word};
use super::{Tree, Violation};

/// Files and folders that may hold `unsafe`.
const ALLOWED: [&str; 8] = [
    "dialects/shim/",
    "dialects/ir/src/raw.rs",
    "dialects/ir/src/raw/",
    "runtime/src/cpu.rs",
    "runtime/src/cpu/",
    "runtime/src/cuda.rs",
    "runtime/src/cuda/",
    // Benchmarks call what they measure by its own entry.
    "runtime/benches/",
];

/// How far above a block its comment may start: what a reader sees at once.
const REACH: usize = 10;

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, text) in tree.rust().filter(|(_, text)| text.contains("unsafe")) {
        let is_allowed = ALLOWED.iter().any(|allowed| path.starts_with(allowed));
        let code = code(text);
        let lines: Vec<&str> = code.lines().collect();
        let original: Vec<&str> = text.lines().collect();
        for index in (0..lines.len()).filter(|index| has_word(lines[*index], "unsafe")) {
            if !is_allowed {
                let message = "`unsafe` outside the shim, the raw layer and the runtime's executors: call those";
                violations.push(Violation::at(path, index + 1, message));
            } else if needs_reason(&lines, index) && !has_reason(&original, &lines, index) {
                violations.push(Violation::at(path, index + 1, "say why this is sound: `// SAFETY: ...` above it"));
            }
        }
    }
    violations
}

/// Whether `unsafe` on this line opens a block or an implementation; a function states its demands in its docs.
fn needs_reason(lines: &[&str], index: usize) -> bool {
    let after = |line: &str| line.split("unsafe").skip(1).map(str::trim_start).map(str::to_owned).collect::<Vec<_>>();
    after(lines[index]).iter().any(|rest| {
        let next = if rest.is_empty() { lines.get(index + 1).map_or("", |line| line.trim_start()) } else { rest };
        next.starts_with('{') || has_word(next.split_whitespace().next().unwrap_or(""), "impl")
    })
}

/// Looks upwards for the comment. Blocks on adjacent lines share one; any other `unsafe` in between has taken it.
fn has_reason(original: &[&str], lines: &[&str], index: usize) -> bool {
    let is_reason = |at: usize| original[at].split_once("//").is_some_and(|(_, comment)| comment.contains("SAFETY:"));
    let first = (0..index).rev().take_while(|at| has_word(lines[*at], "unsafe")).last().unwrap_or(index);
    let above = (first.saturating_sub(REACH)..first).rev();
    (first..=index).any(is_reason) || above.take_while(|at| !has_word(lines[*at], "unsafe")).any(is_reason)
}

#[cfg(test)]
mod tests {
    use super::super::tests::said;

    #[test]
    fn unsafe_elsewhere_and_without_reason_is_found() {
        let raw = "\
// SAFETY: the handle is live.
let a = unsafe { f() };
let b = unsafe { g() };

let c = unsafe { f() };
unsafe extern \"C\" { fn f(); }
/// # Safety
unsafe fn g() {}
unsafe impl Send for A {}
";
        let plan = "// unsafe is a word\nlet s = \"unsafe\";\n#![forbid(unsafe_code)]\nunsafe { f() }\n";
        assert_eq!(
            said(super::check, &[("dialects/ir/src/raw/a.rs", raw), ("passes/src/plan.rs", plan)]),
            [
                "dialects/ir/src/raw/a.rs:5: say why this is sound: `// SAFETY: ...` above it",
                "dialects/ir/src/raw/a.rs:9: say why this is sound: `// SAFETY: ...` above it",
                "passes/src/plan.rs:4: `unsafe` outside the shim, the raw layer and the runtime's executors: call those",
            ]
        );
    }
}
