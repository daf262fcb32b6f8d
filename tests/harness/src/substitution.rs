//! Turns RUN lines into shell commands: `%s`, `%t`, `%if`, definitions, tools.
//!
//! Known are lit's `%s %S %p %t %basename_t %%`, `%{s:basename}`, `%{t:stem}`, `%/s %/S %/t`, `%{pathsep}`,
//! `%{readfile:PATH}`, and those of the file (`DEFINE:`) and of the [`Config`], which may use each other. Anything else
//! that starts with `%` is left to the shell, but for `%T`, which lit refuses since LLVM 22.

use std::path::Path;

use anyhow::{Context as _, ensure};
use regex_lite::Regex;

use crate::config::quoted;
use crate::directive::Step;
use crate::{Config, Test, condition};

/// A RUN line after substitution.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    /// Of the `RUN:` in the test file, from 1.
    pub(crate) line: usize,
    /// For bash.
    pub(crate) text: String,
}

/// How deep definitions may use each other; beyond, they go in circles.
const DEPTH: usize = 10;

/// Substitutes every RUN line of `test`, in order.
pub(crate) fn commands(test: &Test<'_>) -> anyhow::Result<Vec<Command>> {
    let mut table = Table::new(test);
    let tools = test.config.tool_commands()?;
    let mut commands = Vec::new();
    for step in &test.directives.steps {
        match step {
            Step::Define { key, value } => table.define(key, value),
            Step::Run { line, command } => {
                let located = || format!("{}:{line}", test.file.display());
                let text = conditionals(command, test.config).with_context(located)?;
                let text = table.expand(&text, DEPTH).with_context(located)?;
                let text = read_files(&name_tools(&text, &tools));
                commands.push(Command { line: *line, text });
            }
        }
    }
    Ok(commands)
}

struct Table {
    /// Longest key first, so that `%{t:stem}` is not taken for `%t`.
    entries: Vec<Entry>,
}

struct Entry {
    key: String,
    value: String,
    /// Whether the value may contain substitutions.
    is_text: bool,
}

impl Table {
    fn new(test: &Test<'_>) -> Self {
        let file = test.file.as_path();
        let folder = file.parent().unwrap_or(Path::new("/"));
        let name = file.file_name().unwrap_or_default();
        let scratch = test.scratch.join(name).with_added_extension("tmp");
        let builtin = [
            ("%%", "%".to_owned()),
            ("%s", quoted(file)),
            ("%S", quoted(folder)),
            ("%p", quoted(folder)),
            ("%t", quoted(&scratch)),
            ("%basename_t", quoted(Path::new(name))),
            ("%{s:basename}", quoted(Path::new(name))),
            ("%{t:stem}", quoted(Path::new(name))),
            ("%/s", quoted(file)),
            ("%/S", quoted(folder)),
            ("%/t", quoted(&scratch)),
            ("%{pathsep}", ":".to_owned()),
        ];
        let mut table = Self { entries: Vec::new() };
        for (key, value) in builtin {
            table.set(key, &value, false);
        }
        for (key, value) in &test.config.substitutions {
            table.define(key, value);
        }
        table
    }

    fn define(&mut self, key: &str, value: &str) {
        self.set(key, value, true);
    }

    fn set(&mut self, key: &str, value: &str, is_text: bool) {
        self.entries.retain(|entry| entry.key != key);
        self.entries.push(Entry { key: key.to_owned(), value: value.to_owned(), is_text });
        self.entries.sort_by_key(|entry| std::cmp::Reverse(entry.key.len()));
    }

    fn expand(&self, text: &str, depth: usize) -> anyhow::Result<String> {
        ensure!(depth > 0, "substitutions use each other in a circle, at `{text}`");
        let mut expanded = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            expanded.push_str(&rest[..at]);
            rest = &rest[at..];
            let Some(entry) = self.entries.iter().find(|entry| rest.starts_with(&entry.key)) else {
                ensure!(!rest.starts_with("%T"), "lit has no `%T` any more: create a folder named after `%t`");
                expanded.push('%');
                rest = &rest[1..];
                continue;
            };
            match entry.is_text {
                true => expanded.push_str(&self.expand(&entry.value, depth - 1)?),
                false => expanded.push_str(&entry.value),
            }
            rest = &rest[entry.key.len()..];
        }
        expanded.push_str(rest);
        Ok(expanded)
    }
}

/// Resolves `%if CONDITION %{ text %} %else %{ text %}`.
fn conditionals(text: &str, config: &Config) -> anyhow::Result<String> {
    let (resolved, rest) = resolve(text, config, false)?;
    debug_assert!(rest.is_empty(), "only a nested text ends early");
    Ok(resolved)
}

/// Resolves up to the end of `text` or, in a body, past its `%}`; returns what follows too.
fn resolve<'a>(text: &'a str, config: &Config, is_body: bool) -> anyhow::Result<(String, &'a str)> {
    let mut resolved = String::new();
    let mut rest = text;
    loop {
        let close = rest.find("%}").filter(|_| is_body);
        let nested = rest.find("%if ").filter(|at| close.is_none_or(|close| *at < close));
        let Some(at) = nested else {
            ensure!(close.is_some() || !is_body, "`%{{` without `%}}`");
            let end = close.unwrap_or(rest.len());
            resolved.push_str(&rest[..end]);
            return Ok((resolved, rest.get(end + 2..).unwrap_or("")));
        };
        resolved.push_str(&rest[..at]);
        let (condition, body) = rest[at + "%if ".len()..].split_once("%{").context("`%if` without `%{`")?;
        let (then, after) = resolve(body, config, true)?;
        let (otherwise, after) = match after.trim_start().strip_prefix("%else") {
            None => (String::new(), after),
            Some(after) => {
                let body = after.trim_start().strip_prefix("%{").context("`%else` without `%{`")?;
                resolve(body, config, true)?
            }
        };
        let holds = condition::holds(condition, &config.features)?;
        resolved.push_str(if holds { then.trim() } else { otherwise.trim() });
        rest = after;
    }
}

/// Replaces tools' names where they stand as a word of a command, never inside a path or an option.
fn name_tools(text: &str, tools: &[(&str, String)]) -> String {
    let mut named = String::new();
    let mut rest = text;
    let mut before = None;
    while !rest.is_empty() {
        let starts_word = before.is_none_or(|c: char| c.is_whitespace() || "|&;(`!".contains(c));
        let ends_word = |after: &str| after.chars().next().is_none_or(|c| c.is_whitespace() || "|&;)`<>".contains(c));
        let tool = tools.iter().filter(|_| starts_word).find_map(|(name, command)| {
            let after = rest.strip_prefix(name)?;
            ends_word(after).then_some((name, command))
        });
        let taken = match tool {
            Some((name, command)) => {
                named.push_str(command);
                name.len()
            }
            None => {
                let length = rest.chars().next().map_or(0, char::len_utf8);
                named.push_str(&rest[..length]);
                length
            }
        };
        before = rest[..taken].chars().next_back();
        rest = &rest[taken..];
    }
    named
}

/// Replaces `%{readfile:PATH}` by the content of a file that an earlier command wrote.
fn read_files(text: &str) -> String {
    let pattern = Regex::new(r"%\{readfile:([^}]*)\}").expect("the pattern is valid");
    pattern.replace_all(text, "$$(cat $1)").into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Entry, Table, conditionals, name_tools};
    use crate::Config;

    #[test]
    fn definitions_may_use_each_other_but_not_in_circles() {
        let mut table = Table { entries: vec![Entry { key: "%s".into(), value: "a%%.mlir".into(), is_text: false }] };
        table.define("%{run}", "opt %{flags} %s");
        table.define("%{flags}", "--cse");
        assert_eq!(table.expand("%{run} %d 100%", 10).unwrap(), "opt --cse a%%.mlir %d 100%");
        table.define("%{flags}", "%{run}");
        let error = table.expand("%{run}", 10).unwrap_err().to_string();
        assert_eq!(error, "substitutions use each other in a circle, at `%{run}`");
    }

    #[test]
    fn conditionals_choose_by_feature() {
        let config = Config::new("lit").feature("cuda");
        let resolve = |text| conditionals(text, &config);
        assert_eq!(resolve("a %if cuda %{ --gpu %} %else %{ --cpu %} b").unwrap(), "a --gpu b");
        assert_eq!(resolve("a %if !cuda %{ --gpu %} %else %{ --cpu %{x} %} b").unwrap(), "a --cpu %{x} b");
        assert_eq!(resolve("%if cuda %{ %if metal %{ x %} y %}").unwrap(), "y");
        assert_eq!(resolve("%if cuda %{ x").unwrap_err().to_string(), "`%{` without `%}`");
    }

    #[test]
    fn tools_are_named_only_as_whole_words() {
        let tools = [("opt", "/bin/my-opt".to_owned())];
        assert_eq!(name_tools("not opt --opt a/opt opt.mlir;opt|opt", &tools), {
            "not /bin/my-opt --opt a/opt opt.mlir;/bin/my-opt|/bin/my-opt"
        });
    }
}
