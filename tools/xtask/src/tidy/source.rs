//! Rust source with parts blanked out, so that a search sees only code, or code and strings.
//!
//! Lines keep their number and every character its place.

/// `text` without comments, and without what stands in strings and character literals.
pub(super) fn code(text: &str) -> String {
    blank(text, true)
}

/// `text` without comments.
pub(super) fn code_and_strings(text: &str) -> String {
    blank(text, false)
}

/// The lines of a file before its unit tests, numbered from 1.
pub(super) fn shipped_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().take_while(|line| !line.trim_start().starts_with("#[cfg(test)]")).zip(1..).map(|(line, n)| (n, line))
}

/// Where `word` stands in `line` on its own.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_name) && !after.is_some_and(is_name)
    })
}

fn blank(text: &str, strings: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after_name = out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let (length, is_blank) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), true)
        } else if rest.starts_with("/*") {
            (block_comment(rest), true)
        } else if let Some(length) = raw_string(rest).filter(|_| !after_name) {
            (length, strings)
        } else if c == '"' {
            (quoted(rest, '"'), strings)
        } else if let Some(length) = char_literal(rest).filter(|_| !after_name) {
            (length, strings)
        } else {
            (c.len_utf8(), false)
        };
        let (taken, remaining) = rest.split_at(length);
        if is_blank {
            out.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        } else {
            out.push_str(taken);
        }
        rest = remaining;
    }
    out
}

/// The length of a comment that may hold others.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let step = match rest {
            _ if rest.starts_with("/*") => {
                depth += 1;
                2
            }
            _ if rest.starts_with("*/") => {
                depth -= 1;
                2
            }
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

/// The length of `r"..."`, `r#"..."#`, `br"..."`, `cr"..."`.
fn raw_string(text: &str) -> Option<usize> {
    let letters = ["r", "br", "cr"]
        .into_iter()
        .find(|letters| text.strip_prefix(letters).is_some_and(|rest| rest.trim_start_matches('#').starts_with('"')))?;
    let hashes = text[letters.len()..].chars().take_while(|c| *c == '#').count();
    let open = letters.len() + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    Some(text[open..].find(&close).map_or(text.len(), |at| open + at + close.len()))
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of `'x'` or `'\n'`; a lifetime is none.
fn char_literal(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    let mut chars = inner.chars();
    match chars.next()? {
        '\\' => Some(quoted(text, '\'')),
        c => (chars.next()? == '\'').then_some(2 + c.len_utf8()),
    }
}

#[cfg(test)]
mod tests {
    use super::{code, code_and_strings};

    #[test]
    fn comments_and_strings_are_blanked_in_place() {
        let text = "a /* x /* y */ */ b // c\nlet s = \"// no \\\" end\"; 'x: loop {} '\"' r#\"\"q\"# d";
        let blanked = code(text);
        assert_eq!(blanked.len(), text.len());
        assert_eq!(blanked.split_whitespace().collect::<Vec<_>>().join(" "), "a b let s = ; 'x: loop {} d");
        assert!(code_and_strings(text).contains("\"// no \\\" end\""));
        assert!(!code_and_strings(text).contains("// c"));
    }
}
