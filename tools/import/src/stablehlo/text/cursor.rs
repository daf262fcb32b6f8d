//! A place in a text, and the smallest parts of MLIR's syntax from there on.

use std::fmt;

/// How deep parts may nest: no program comes near, and a hostile one does not end the process.
const DEPTH: usize = 64;

/// What is wrong with a text, and where.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) message: String,
}

pub(crate) type Parsed<T> = Result<T, Fault>;

#[derive(Clone)]
pub(crate) struct Cursor<'s> {
    text: &'s str,
    at: usize,
    depth: usize,
}

impl<'s> Cursor<'s> {
    pub(crate) fn new(text: &'s str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn fail<T>(&self, message: impl fmt::Display) -> Parsed<T> {
        Err(Fault { at: self.at, message: message.to_string() })
    }

    /// Reads a part that may contain others of its kind.
    pub(crate) fn nested<T>(&mut self, part: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == DEPTH {
            return self.fail(format!("parts nest deeper than {DEPTH}"));
        }
        self.depth += 1;
        let value = part(self);
        self.depth -= 1;
        value
    }

    /// What is left, from the next character on that is neither space nor comment.
    pub(crate) fn rest(&mut self) -> &'s str {
        loop {
            let rest = &self.text[self.at..];
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with("//") {
                return trimmed;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    pub(crate) fn is_done(&mut self) -> bool {
        self.rest().is_empty()
    }

    /// The next character.
    pub(crate) fn peek(&mut self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Whether these characters come next.
    pub(crate) fn sees(&mut self, token: &str) -> bool {
        self.rest().starts_with(token)
    }

    /// Passes these characters, if they come next.
    pub(crate) fn take(&mut self, token: &str) -> bool {
        let sees = self.sees(token);
        self.at += if sees { token.len() } else { 0 };
        sees
    }

    pub(crate) fn expect(&mut self, token: &str) -> Parsed<()> {
        if self.take(token) {
            return Ok(());
        }
        let found: String = self.rest().chars().take(12).take_while(|c| *c != '\n').collect();
        match found.as_str() {
            "" => self.fail(format!("expected '{token}', but the text ends")),
            found => self.fail(format!("expected '{token}', not '{found}'")),
        }
    }

    /// The next word, if one comes next: letters, digits and what names have between.
    pub(crate) fn peek_word(&mut self) -> &'s str {
        let rest = self.rest();
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return "";
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.' | '-');
        let word = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        // `a->b` is an arrow between words.
        word.find("->").map_or(word, |arrow| &word[..arrow])
    }

    /// Passes this word, if it comes next.
    pub(crate) fn keyword(&mut self, word: &str) -> bool {
        let is_next = self.peek_word() == word;
        self.at += if is_next { word.len() } else { 0 };
        is_next
    }

    pub(crate) fn word(&mut self) -> Parsed<&'s str> {
        let word = self.peek_word();
        if word.is_empty() {
            return self.fail("expected a word");
        }
        self.at += word.len();
        Ok(word)
    }

    /// Passes this many bytes of ASCII.
    pub(crate) fn pass(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// What follows `%`, `@`, `^` or `#`: a name or a number.
    pub(crate) fn suffix(&mut self) -> Parsed<String> {
        if self.text[self.at..].starts_with('"') {
            return self.string();
        }
        let rest = &self.text[self.at..];
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.' | '-');
        let name = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        let name = name.find("->").map_or(name, |arrow| &name[..arrow]);
        if name.is_empty() {
            return self.fail("expected a name");
        }
        self.at += name.len();
        Ok(name.to_owned())
    }

    pub(crate) fn string(&mut self) -> Parsed<String> {
        self.expect("\"")?;
        let bytes = self.text.as_bytes();
        let mut value = Vec::new();
        loop {
            match bytes.get(self.at) {
                None | Some(b'\n') => return self.fail("a string does not end"),
                Some(b'"') => break,
                Some(b'\\') => {
                    let escaped = self.escaped(&bytes[self.at + 1..])?;
                    value.push(escaped);
                }
                Some(byte) => {
                    value.push(*byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        Ok(String::from_utf8_lossy(&value).into_owned())
    }

    /// The byte that an escape stands for: `\n`, `\"`, or two hexadecimal digits.
    fn escaped(&mut self, after: &[u8]) -> Parsed<u8> {
        let (byte, length) = match *after {
            [b'n', ..] => (b'\n', 1),
            [b't', ..] => (b'\t', 1),
            [c @ (b'"' | b'\\'), ..] => (c, 1),
            [high, low, ..] => {
                let digit = |c: u8| char::from(c).to_digit(16);
                match digit(high).zip(digit(low)) {
                    Some((high, low)) => ((high * 16 + low) as u8, 2),
                    None => return self.fail("an escape that is none"),
                }
            }
            _ => return self.fail("a string does not end"),
        };
        self.at += 1 + length;
        Ok(byte)
    }

    /// The text of a number, with its sign: digits, and what floats and hexadecimal ones have beside.
    pub(crate) fn peek_number(&mut self) -> &'s str {
        let rest = self.rest();
        let digits = rest.strip_prefix('-').unwrap_or(rest);
        if !digits.starts_with(|c: char| c.is_ascii_digit()) {
            return "";
        }
        let sign = rest.len() - digits.len();
        if let Some(hex) = digits.strip_prefix("0x") {
            let hex = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
            // `0x4xf32` are sizes.
            return if hex > 0 { &rest[..sign + 2 + hex] } else { &rest[..=sign] };
        }
        let mut end = 0;
        let bytes = digits.as_bytes();
        while let Some(byte) = bytes.get(end) {
            let is_exponent = matches!(byte, b'e' | b'E')
                && matches!(bytes.get(end + 1..), Some([b'0'..=b'9', ..] | [b'+' | b'-', b'0'..=b'9', ..]));
            let is_sign = matches!(byte, b'+' | b'-') && matches!(bytes[end - 1], b'e' | b'E');
            if !(byte.is_ascii_digit() || *byte == b'.' || is_exponent || is_sign) {
                break;
            }
            end += 1;
        }
        &rest[..sign + end]
    }

    pub(crate) fn integer(&mut self) -> Parsed<i64> {
        let number = self.peek_number();
        match number
            .parse::<i128>()
            .ok()
            .and_then(|value| i64::try_from(value).ok().or(u64::try_from(value).ok().map(|value| value as i64)))
        {
            Some(value) => {
                self.at += number.len();
                Ok(value)
            }
            None => self.fail(format!("expected an integer, not '{number}'")),
        }
    }

    /// Items between two tokens, with commas between them.
    pub(crate) fn list<T>(
        &mut self,
        [open, close]: [&str; 2],
        mut item: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.expect(open)?;
        let mut items = Vec::new();
        if self.take(close) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.take(close) {
                return Ok(items);
            }
            self.expect(",")?;
        }
    }

    /// Passes brackets of any kind and all between them; the first is next.
    pub(crate) fn balanced(&mut self) -> Parsed<()> {
        let mut open = Vec::new();
        loop {
            if self.sees("\"") {
                self.string()?;
                continue;
            }
            if self.take("->") {
                continue;
            }
            let Some(c) = self.peek() else { return self.fail("brackets do not close") };
            match c {
                '(' | '[' | '{' | '<' => open.push(c),
                ')' | ']' | '}' | '>' => {
                    let matching = match c {
                        ')' => '(',
                        ']' => '[',
                        '}' => '{',
                        _ => '<',
                    };
                    if open.pop() != Some(matching) {
                        return self.fail(format!("'{c}' closes nothing"));
                    }
                }
                _ if open.is_empty() => return self.fail("expected brackets"),
                _ => {}
            }
            self.at += c.len_utf8();
            if open.is_empty() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn numbers_end_where_they_do() {
        for (text, number) in [
            ("12, 3", "12"),
            ("-1.5e-3 : f32", "-1.5e-3"),
            ("0x7F800000>", "0x7F800000"),
            ("0x4xf32", "0x4"),
            ("3x4xf32", "3"),
            ("1e5m2", "1e5"),
            ("e5", ""),
            ("-", ""),
        ] {
            assert_eq!(Cursor::new(text).peek_number(), number, "{text}");
        }
        assert_eq!(Cursor::new("18446744073709551615").integer().unwrap(), -1);
        assert!(Cursor::new("18446744073709551616").integer().is_err());
    }

    #[test]
    fn strings_have_escapes() {
        assert_eq!(Cursor::new(r#""a\22b\\\n\0A""#).string().unwrap(), "a\"b\\\n\n");
        for text in ["\"a", "\"\\", "\"\\x1\"", "\"a\nb\""] {
            assert!(Cursor::new(text).string().is_err(), "{text}");
        }
    }

    #[test]
    fn brackets_are_passed_with_what_is_in_them() {
        let mut cursor = Cursor::new(r#"<@mesh, [{"x>"}, {}], a -> b> rest"#);
        cursor.balanced().unwrap();
        assert_eq!(cursor.rest(), "rest");
        for text in ["<(>)", "<", "a", ">"] {
            assert!(Cursor::new(text).balanced().is_err(), "{text}");
        }
    }
}
