//! What a tool printed, as the checks that expect exactly that.

use std::collections::{BTreeMap, BTreeSet};

/// Checks that belong together: those of one top-level symbol, or what stands between two.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Block {
    /// `name` of the `@name` that the block's label defines.
    pub(super) symbol: Option<String>,
    pub(super) checks: Vec<Check>,
}

/// One line of expectation: `CHECK{suffix}: {text}`.
#[derive(Debug, PartialEq)]
pub(super) struct Check {
    pub(super) suffix: &'static str,
    pub(super) text: String,
}

impl Block {
    fn push(&mut self, suffix: &'static str, text: impl Into<String>) {
        self.checks.push(Check { suffix, text: text.into() });
    }
}

/// The checks for `output`, in which each of `hidden` is replaced: IR by its symbols, other text line by line.
pub(super) fn blocks(output: &str, hidden: &[(String, String)]) -> Vec<Block> {
    let is_ir = output.lines().any(|line| is_module(line) || (indentation(line) == 0 && symbol(line).is_some()));
    let blocks = if is_ir { ir(output, hidden) } else { vec![plain(output, hidden)] };
    blocks.into_iter().filter(|block| !block.checks.is_empty()).collect()
}

fn plain(output: &str, hidden: &[(String, String)]) -> Block {
    let mut block = Block::default();
    let mut names = Names::default();
    for line in output.trim_matches('\n').lines() {
        match (line.trim(), block.checks.is_empty()) {
            ("", _) => block.push("-EMPTY", ""),
            (line, true) => block.push("", names.generalize(line, hidden)),
            (line, false) => block.push("-NEXT", names.generalize(line, hidden)),
        }
    }
    block
}

fn ir(output: &str, hidden: &[(String, String)]) -> Vec<Block> {
    let mut blocks = vec![Block::default()];
    let mut names = Names::default();
    // Where the ops of the module start; those of a bare list of ops start at 0.
    let mut top = 0;
    let mut follows_line = false;
    for source in output.lines() {
        let line = source.trim();
        let indent = indentation(source);
        let block = blocks.last_mut().expect("there is always a block");
        let next = if follows_line { "-NEXT" } else { "" };
        match line {
            "" => follows_line = false,
            "// -----" => {
                top = 0;
                names = Names::default();
                blocks.push(Block::default());
                follows_line = false;
            }
            _ if indent == 0 && names.define_alias(line) => {
                if block.symbol.is_some() {
                    blocks.push(Block::default());
                }
                let text = names.generalize(line, hidden);
                blocks.last_mut().expect("there is always a block").push("", text);
                follows_line = false;
            }
            _ if indent == 0 && is_module(line) => {
                top = 2;
                if line != "module {" {
                    blocks.push(Block::default());
                    let text = names.generalize(line, hidden);
                    blocks.last_mut().expect("there is always a block").push("", text);
                }
                follows_line = false;
            }
            "}" if indent < top => {
                top = 0;
                follows_line = false;
            }
            // The label of the next symbol says as much.
            "}" if indent == top && block.symbol.is_some() => follows_line = false,
            _ if indent == top && symbol(line).is_some() => {
                names.forget_values();
                blocks.push(labelled(line, &mut names, hidden));
                follows_line = true;
            }
            _ if indent == top && !line.starts_with(['}', '^']) && block.symbol.is_some() => {
                let mut block = Block::default();
                block.push("", names.generalize(line, hidden));
                blocks.push(block);
                follows_line = true;
            }
            _ => {
                block.push(next, names.generalize(line, hidden));
                follows_line = true;
            }
        }
    }
    blocks
}

/// Starts the block of a symbol. A label cannot capture variables, so that what may hold some comes on a second line.
fn labelled(line: &str, names: &mut Names, hidden: &[(String, String)]) -> Block {
    let (name, end) = symbol(line).expect("the caller saw a symbol");
    let end = if line[end..].starts_with('(') { end + 1 } else { end };
    let line = line.strip_suffix(" {").unwrap_or(line);
    let mut block = Block { symbol: Some(name.to_owned()), checks: Vec::new() };
    let (label, rest) = line.split_at(end.min(line.len()));
    let is_variable = rest.contains('%') || names.mentions_alias(rest) || names.mentions_alias(label);
    match is_variable {
        false => block.push("-LABEL", names.generalize(line, hidden)),
        true => {
            block.push("-LABEL", escaped(label));
            block.push("-SAME", names.generalize(rest.trim_start(), hidden));
        }
    }
    block
}

fn is_module(line: &str) -> bool {
    line == "module {" || (line.starts_with("module ") && line.ends_with('{'))
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The symbol that a line defines, `func.func private @name(...)`, and where it ends in the line.
pub(super) fn symbol(line: &str) -> Option<(&str, usize)> {
    let at = line.find('@')?;
    let mut before = line[..at].split_whitespace();
    let op = before.next()?;
    let is_word = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric() || "._".contains(c));
    let defines = op.contains('.') && is_word(op) && before.all(is_word) && !op.ends_with("call");
    if !defines && op != "module" {
        return None;
    }
    let name = &line[at + 1..];
    let (name, end) = match name.strip_prefix('"') {
        Some(quoted) => (&quoted[..quoted.find('"')?], at + quoted.find('"')? + 3),
        None => {
            let length = name.find(|c: char| !is_name(c)).unwrap_or(name.len());
            (&name[..length], at + 1 + length)
        }
    };
    Some((name, end))
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_$.-".contains(c)
}

/// The variables that stand for the names of a chunk of IR.
#[derive(Default)]
struct Names {
    /// `%0` to `V0`.
    values: BTreeMap<String, String>,
    /// `#map` to `$MAP`; outlives labels under `--enable-var-scope`.
    aliases: BTreeMap<String, String>,
    /// Aliases whose definition was written.
    captured: BTreeSet<String>,
}

impl Names {
    fn forget_values(&mut self) {
        self.values.clear();
    }

    /// Notes `#name = ...` or `!name = ...`, and says whether the line is one.
    fn define_alias(&mut self, line: &str) -> bool {
        let Some((name, _)) = line.split_once(" = ") else { return false };
        let is_alias = name.starts_with(['#', '!']) && name[1..].chars().all(is_name);
        if is_alias {
            let sigil = if name.starts_with('!') { "TYPE_" } else { "" };
            self.aliases.insert(name.to_owned(), format!("${sigil}{}", variable(&name[1..])));
        }
        is_alias
    }

    fn mentions_alias(&self, text: &str) -> bool {
        self.aliases.keys().any(|alias| text.contains(alias.as_str()))
    }

    /// A line of output as a pattern: values and aliases as variables, `hidden` replaced, the rest literal.
    fn generalize(&mut self, line: &str, hidden: &[(String, String)]) -> String {
        let line = match line.find("  // ").filter(|_| line.starts_with("^bb")) {
            Some(comment) => &line[..comment],
            None => line,
        };
        // What these define is new even where the name was used before, in a sibling region.
        let defined_until = match line.as_bytes().first() {
            Some(b'%') => line.find(" = ").unwrap_or(0),
            Some(b'^') => line.len(),
            _ => 0,
        };
        let mut pattern = String::new();
        let mut in_string = false;
        let mut at = 0;
        while let Some(c) = line[at..].chars().next() {
            let rest = &line[at..];
            if let Some((path, stand_in)) = hidden.iter().find(|(path, _)| rest.starts_with(path.as_str())) {
                pattern.push_str(stand_in);
                at += path.len();
                continue;
            }
            let name_length = rest[1..].find(|c: char| !is_name(c)).unwrap_or(rest.len() - 1);
            let name = &rest[..1 + if c.is_ascii() { name_length } else { 0 }];
            match c {
                '"' => in_string = !in_string,
                '\\' if in_string => {
                    let escape: String = rest.chars().take(2).collect();
                    pattern.push_str(&escape);
                    at += escape.len();
                    continue;
                }
                '%' if !in_string && name.len() > 1 => {
                    pattern.push_str(&self.value(name, at < defined_until));
                    at += name.len();
                    continue;
                }
                '#' | '!' if !in_string && self.aliases.contains_key(name) => {
                    pattern.push_str(&self.alias(name));
                    at += name.len();
                    continue;
                }
                _ => {}
            }
            let taken = literal(rest, c, &mut pattern);
            at += taken;
        }
        pattern
    }

    fn value(&mut self, name: &str, is_definition: bool) -> String {
        if let Some(variable) = self.values.get(name) {
            return if is_definition { format!("%[[{variable}:.+]]") } else { format!("%[[{variable}]]") };
        }
        let wanted = variable(&name[1..]);
        let taken = |candidate: &String| self.values.values().any(|used| used == candidate);
        let mut variants = std::iter::once(wanted.clone()).chain((1..).map(|n| format!("{wanted}_{n}")));
        let variable = variants.find(|candidate| !taken(candidate)).expect("numbers do not run out");
        let pattern = format!("%[[{variable}:.+]]");
        self.values.insert(name.to_owned(), variable);
        pattern
    }

    fn alias(&mut self, name: &str) -> String {
        let (sigil, variable) = (&name[..1], &self.aliases[name]);
        let is_definition = self.captured.insert(name.to_owned());
        if is_definition { format!("{sigil}[[{variable}:.+]]") } else { format!("{sigil}[[{variable}]]") }
    }
}

/// `arg0` as `ARG0`, `0` as `V0`.
fn variable(name: &str) -> String {
    let upper: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    if upper.starts_with(|c: char| c.is_ascii_digit()) { format!("V{upper}") } else { upper }
}

/// Appends the character at the start of `rest` so that FileCheck takes it literally; returns how much it took.
fn literal(rest: &str, c: char, pattern: &mut String) -> usize {
    let run = rest.chars().take_while(|next| *next == c).count();
    if (c == '[' || c == '{') && run > 1 {
        pattern.push_str(&format!("{{{{{}}}}}", format!("\\{c}").repeat(run)));
        return run;
    }
    pattern.push(c);
    c.len_utf8()
}

fn escaped(text: &str) -> String {
    Names::default().generalize(text, &[])
}

#[cfg(test)]
mod tests {
    use super::{Block, blocks};

    fn lines(blocks: &[Block]) -> Vec<String> {
        let checks = blocks.iter().flat_map(|block| &block.checks);
        checks.map(|check| format!("{}: {}", check.suffix, check.text).trim().to_owned()).collect()
    }

    #[test]
    fn functions_get_labels_and_captured_values() {
        let output = "\
#map = affine_map<(d0) -> (d0)>
module {
  func.func private @g()
  func.func @f(%arg0: tensor<?xf32>, %arg1: memref<4xf32, #map>) -> tensor<?xf32> {
    %cst = arith.constant dense<[[1, 2]]> : tensor<1x2xi32>
    %0:2 = \"a.b\"(%arg0) {s = \"%x {{\"} : (tensor<?xf32>) -> (i1, i1)
    cf.br ^bb1(%0#1 : i1)
  ^bb1(%1: i1):  // pred: ^bb0
    return %arg0 : tensor<?xf32>
  }
}
";
        let found = blocks(output, &[]);
        assert_eq!(found.iter().map(|block| block.symbol.as_deref()).collect::<Vec<_>>(), [None, Some("g"), Some("f")]);
        assert_eq!(
            lines(&found),
            [
                ": #[[$MAP:.+]] = affine_map<(d0) -> (d0)>",
                "-LABEL: func.func private @g()",
                "-LABEL: func.func @f(",
                "-SAME: %[[ARG0:.+]]: tensor<?xf32>, %[[ARG1:.+]]: memref<4xf32, #[[$MAP]]>) -> tensor<?xf32>",
                r"-NEXT: %[[CST:.+]] = arith.constant dense<{{\[\[}}1, 2]]> : tensor<1x2xi32>",
                r#"-NEXT: %[[V0:.+]]:2 = "a.b"(%[[ARG0]]) {s = "%x {{\{\{}}"} : (tensor<?xf32>) -> (i1, i1)"#,
                "-NEXT: cf.br ^bb1(%[[V0]]#1 : i1)",
                "-NEXT: ^bb1(%[[V1:.+]]: i1):",
                "-NEXT: return %[[ARG0]] : tensor<?xf32>",
            ]
        );
    }

    #[test]
    fn other_text_is_checked_line_by_line_without_this_machines_paths() {
        let found = blocks("\n/a/b/x.mlir:1: error: no\n\nend\n", &[("/a/b/x.mlir".into(), "{{.*}}x.mlir".into())]);
        assert_eq!(lines(&found), [": {{.*}}x.mlir:1: error: no", "-EMPTY:", "-NEXT: end"]);
    }
}
