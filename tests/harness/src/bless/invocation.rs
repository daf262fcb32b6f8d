//! Finds `FileCheck` in a command line, and what it compares with what.

use std::ops::Range;
use std::path::Path;

use crate::config::quoted;

/// One `FileCheck` with its arguments.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Invocation {
    /// In the command line, from `FileCheck` to the end of its arguments.
    pub(super) span: Range<usize>,
    /// The text of the span.
    pub(super) arguments: String,
    /// The file with the checks, if it is given.
    pub(super) checks: Option<String>,
    pub(super) prefixes: Vec<String>,
    /// From `--input-file` or `<`; FileCheck reads its standard input otherwise.
    input: Option<String>,
}

impl Invocation {
    /// A command that stores the input at `path` instead of checking it.
    pub(super) fn recording(&self, path: &Path) -> String {
        match &self.input {
            Some(input) => format!("cat {} > {}", quoted(Path::new(input)), quoted(path)),
            None => format!("cat > {}", quoted(path)),
        }
    }

    /// The same check on a recorded input.
    pub(super) fn on_recorded(&self, path: &Path) -> String {
        match &self.input {
            Some(_) => self.arguments.clone(),
            None => format!("{} < {}", self.arguments, quoted(path)),
        }
    }
}

/// Every command of a command line whose program is `FileCheck`; not those behind `not` or `env`, which mean
/// something else than equality.
pub(super) fn find(command: &str) -> Vec<Invocation> {
    simple_commands(command).into_iter().filter_map(|span| invocation(command, span)).collect()
}

fn invocation(command: &str, span: Range<usize>) -> Option<Invocation> {
    let text = command[span.clone()].trim();
    let words = words(text);
    let (program, arguments) = words.split_first()?;
    if program.rsplit('/').next() != Some("FileCheck") {
        return None;
    }
    let start = span.start + command[span].find(text)?;
    let mut found = Invocation {
        span: start..start + text.len(),
        arguments: text.to_owned(),
        checks: None,
        prefixes: Vec::new(),
        input: None,
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let (option, value) = match argument.split_once('=') {
            Some((option, value)) if option.starts_with('-') => (option, Some(value.to_owned())),
            _ => (argument.as_str(), None),
        };
        let mut value = || value.clone().or_else(|| arguments.next().cloned());
        match option.trim_start_matches('-') {
            "check-prefix" | "check-prefixes" if option.starts_with('-') => {
                found.prefixes.extend(value()?.split(',').map(str::to_owned));
            }
            "input-file" if option.starts_with('-') => found.input = value(),
            "<" => found.input = value(),
            redirection if redirection.starts_with('<') => found.input = Some(redirection[1..].to_owned()),
            _ if option.starts_with('-') || option.contains('>') => {}
            _ => found.checks = found.checks.or_else(|| Some(argument.clone())),
        }
    }
    if found.prefixes.is_empty() {
        found.prefixes.push("CHECK".to_owned());
    }
    Some(found)
}

/// The spans between the operators `|`, `||`, `&&`, `&`, `;` and parentheses, none of them in quotes.
fn simple_commands(command: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut start = 0;
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in command.char_indices() {
        let after = command[at + c.len_utf8()..].chars().next();
        // `2>&1` and `&>` redirect.
        let is_redirection = c == '&' && (before == '>' || after == Some('>'));
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, '|' | '&' | ';' | '(' | ')' | '\n') if !is_redirection => {
                spans.push(start..at);
                start = at + 1;
            }
            _ => {}
        }
        before = c;
    }
    spans.push(start..command.len());
    spans
}

/// Splits at spaces outside quotes, and takes the quotes off.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), _) if open == c => quote = None,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn finds_what_is_compared_with_what() {
        let command = "a 2>&1 | FileCheck x.mlir --check-prefix=FOO --dump-input always && not FileCheck y; \
                       /bin/FileCheck 'a b' --input-file t";
        let found = find(command);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].checks.as_deref(), Some("x.mlir"));
        assert_eq!(found[0].prefixes, ["FOO"]);
        assert_eq!(&command[found[0].span.clone()], "FileCheck x.mlir --check-prefix=FOO --dump-input always");
        assert_eq!(found[1].checks.as_deref(), Some("a b"));
        assert_eq!(found[1].prefixes, ["CHECK"]);
        assert_eq!(found[1].recording("o".as_ref()), "cat t > o");
        assert_eq!(find("a '| FileCheck x' && b"), []);
    }
}
