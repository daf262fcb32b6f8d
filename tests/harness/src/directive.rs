//! The lines of a test file that lit reads: `RUN:`, `DEFINE:`, `REDEFINE:`, `REQUIRES:`, `UNSUPPORTED:`, `XFAIL:`,
//! `END.`.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail, ensure};

use crate::condition;

/// What a test file asks for.
#[derive(Debug, Default)]
pub(crate) struct Directives {
    /// In file order: definitions hold from where they stand.
    pub(crate) steps: Vec<Step>,
    requires: Vec<String>,
    unsupported: Vec<String>,
    xfail: Vec<String>,
}

/// A `RUN:`, `DEFINE:` or `REDEFINE:` with its continuation lines joined.
#[derive(Debug)]
pub(crate) enum Step {
    /// A command, not yet substituted.
    Run { line: usize, command: String },
    /// `%{name}` stands for a text from here on.
    Define { key: String, value: String },
}

#[derive(Clone, Copy, PartialEq)]
enum Keyword {
    Run,
    Define,
    Redefine,
    Requires,
    Unsupported,
    Xfail,
    End,
}

const KEYWORDS: [(&str, Keyword); 7] = [
    ("RUN:", Keyword::Run),
    ("DEFINE:", Keyword::Define),
    ("REDEFINE:", Keyword::Redefine),
    ("REQUIRES:", Keyword::Requires),
    ("UNSUPPORTED:", Keyword::Unsupported),
    ("XFAIL:", Keyword::Xfail),
    ("END.", Keyword::End),
];

impl Directives {
    /// Reads the directives of a file; errors name the line.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut directives = Self::default();
        let mut open: Option<(Keyword, usize, String)> = None;
        let mut defined = BTreeSet::new();
        for (index, source) in text.lines().enumerate() {
            let line = index + 1;
            let Some((keyword, rest)) = keyword_of(source) else { continue };
            let rest = substitute_line_numbers(rest.trim(), line);
            let (keyword, first, text) = match open.take() {
                Some((before, first, text)) if before == keyword => (before, first, format!("{text}{rest}")),
                Some((_, first, _)) => bail!("line {first} ends in `\\`, but line {line} does not continue it"),
                None => (keyword, line, rest),
            };
            if let (Some(text), Keyword::Run | Keyword::Define | Keyword::Redefine) = (text.strip_suffix('\\'), keyword)
            {
                open = Some((keyword, first, text.to_owned()));
                continue;
            }
            match keyword {
                Keyword::Run => directives.steps.push(Step::Run { line: first, command: text }),
                Keyword::Define | Keyword::Redefine => {
                    let (key, value) = definition(&text).with_context(|| format!("line {first}"))?;
                    let is_new = defined.insert(key.clone());
                    let expected_new = keyword == Keyword::Define;
                    ensure!(is_new || !expected_new, "line {first}: {key} is defined already: use REDEFINE:");
                    ensure!(!is_new || expected_new, "line {first}: {key} is not defined yet: use DEFINE:");
                    directives.steps.push(Step::Define { key, value });
                }
                Keyword::Requires => directives.requires.extend(conditions(&text)),
                Keyword::Unsupported => directives.unsupported.extend(conditions(&text)),
                Keyword::Xfail => directives.xfail.extend(conditions(&text)),
                Keyword::End => break,
            }
        }
        if let Some((_, first, _)) = open {
            bail!("line {first} ends in `\\`, but nothing continues it");
        }
        let has_run = directives.steps.iter().any(|step| matches!(step, Step::Run { .. }));
        ensure!(has_run, "no `RUN:` line: add one, such as `// RUN: thunder-opt %s | FileCheck %s`");
        for expression in directives.requires.iter().chain(&directives.unsupported).chain(&directives.xfail) {
            condition::holds(expression, &BTreeSet::new())?;
        }
        Ok(directives)
    }

    /// Why the test does not apply here, if it does not.
    pub(crate) fn unsupported(&self, features: &BTreeSet<String>) -> Option<String> {
        let missing = self.requires.iter().find(|expression| !is_true(expression, features));
        let excluded = self.unsupported.iter().find(|expression| is_true(expression, features));
        missing
            .map(|expression| format!("requires {expression}"))
            .or_else(|| excluded.map(|expression| format!("unsupported on {expression}")))
    }

    /// The condition under which the test must fail, if it holds.
    pub(crate) fn expected_to_fail(&self, features: &BTreeSet<String>) -> Option<&str> {
        self.xfail.iter().find(|expression| is_true(expression, features)).map(String::as_str)
    }
}

fn is_true(expression: &str, features: &BTreeSet<String>) -> bool {
    condition::holds(expression, features).expect("parse() tried every condition once")
}

/// The first keyword of a line that no word runs into, and what follows it.
fn keyword_of(line: &str) -> Option<(Keyword, &str)> {
    let found = KEYWORDS.iter().filter_map(|(word, keyword)| {
        let at = line.find(word)?;
        let before = line[..at].chars().next_back();
        let stands_alone = !before.is_some_and(|c| c.is_alphanumeric() || c == '-' || c == '_');
        stands_alone.then_some((at, *keyword, &line[at + word.len()..]))
    });
    found.min_by_key(|(at, ..)| *at).map(|(_, keyword, rest)| (keyword, rest))
}

fn conditions(text: &str) -> impl Iterator<Item = String> {
    text.split(',').map(|condition| condition.trim().to_owned()).filter(|condition| !condition.is_empty())
}

/// Splits `%{name} = value`.
fn definition(text: &str) -> anyhow::Result<(String, String)> {
    let (key, value) = text.split_once('=').context("expected `%{name} = value`")?;
    let key = key.trim();
    ensure!(key.starts_with("%{") && key.ends_with('}'), "expected `%{{name}} = value`, found the name `{key}`");
    Ok((key.to_owned(), value.trim().to_owned()))
}

/// Replaces `%(line)`, `%(line+N)` and `%(line-N)`.
fn substitute_line_numbers(text: &str, line: usize) -> String {
    let pattern = regex_lite::Regex::new(r"%\(line *(?:([+-]) *(\d+) *)?\)").expect("the pattern is valid");
    let replaced = pattern.replace_all(text, |found: &regex_lite::Captures<'_>| {
        let offset = found.get(2).map_or(0, |digits| digits.as_str().parse().unwrap_or(0));
        let minus = found.get(1).is_some_and(|sign| sign.as_str() == "-");
        (if minus { line.saturating_sub(offset) } else { line + offset }).to_string()
    });
    replaced.into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Directives, Step};

    fn runs(text: &str) -> Vec<(usize, String)> {
        let steps = Directives::parse(text).unwrap().steps.into_iter();
        let runs = steps.filter_map(|step| match step {
            Step::Run { line, command } => Some((line, command)),
            Step::Define { .. } => None,
        });
        runs.collect()
    }

    #[test]
    fn run_lines_are_joined_over_continuations() {
        let text =
            "// RUN: a %s \\\n// RUN:   | b\nfunc\n// CHECK-RUN: no\n// RUN: c %(line+2) %(line)\n// END.\n// RUN: d";
        assert_eq!(runs(text), [(1, "a %s | b".to_owned()), (5, "c 7 5".to_owned())]);
    }

    #[test]
    fn conditions_decide_whether_a_test_applies() {
        let directives = Directives::parse("// RUN: a\n// REQUIRES: x, y\n// UNSUPPORTED: z\n// XFAIL: *").unwrap();
        let features = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(directives.unsupported(&features(&["x"])).as_deref(), Some("requires y"));
        assert_eq!(directives.unsupported(&features(&["x", "y"])), None);
        assert_eq!(directives.unsupported(&features(&["x", "y", "z"])).as_deref(), Some("unsupported on z"));
        assert_eq!(directives.expected_to_fail(&features(&[])), Some("*"));
    }

    #[test]
    fn mistakes_are_located() {
        let error = |text| format!("{:#}", Directives::parse(text).unwrap_err());
        assert!(error("func").starts_with("no `RUN:` line: add one"));
        assert_eq!(error("// RUN: a \\\nx"), "line 1 ends in `\\`, but nothing continues it");
        assert_eq!(error("// RUN: a \\\n// XFAIL: *"), "line 1 ends in `\\`, but line 2 does not continue it");
        assert_eq!(error("// DEFINE: x = y\n// RUN: a"), "line 1: expected `%{name} = value`, found the name `x`");
        assert_eq!(error("// REDEFINE: %{x} = y\n// RUN: a"), "line 1: %{x} is not defined yet: use DEFINE:");
    }
}
