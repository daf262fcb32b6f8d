//! Boolean expressions over features, as `REQUIRES:`, `UNSUPPORTED:`, `XFAIL:` and `%if` use them.
//!
//! Grammar, lit's: `a`, `{{regex}}`, `*` and `true`, `false`, `!x`, `x && y`, `x || y`, `(x)`. A regex must match a
//! whole feature.

use std::collections::BTreeSet;

use anyhow::{Context as _, bail, ensure};
use regex_lite::Regex;

/// Whether `expression` holds for `features`.
pub(crate) fn holds(expression: &str, features: &BTreeSet<String>) -> anyhow::Result<bool> {
    let mut parser = Parser { rest: expression.trim(), features };
    let value = parser.disjunction().with_context(|| format!("in the condition `{}`", expression.trim()))?;
    ensure!(parser.rest.is_empty(), "unexpected `{}` in the condition `{}`", parser.rest, expression.trim());
    Ok(value)
}

struct Parser<'a> {
    rest: &'a str,
    features: &'a BTreeSet<String>,
}

impl<'a> Parser<'a> {
    fn disjunction(&mut self) -> anyhow::Result<bool> {
        let mut value = self.conjunction()?;
        while self.accept("||") {
            value |= self.conjunction()?;
        }
        Ok(value)
    }

    fn conjunction(&mut self) -> anyhow::Result<bool> {
        let mut value = self.atom()?;
        while self.accept("&&") {
            value &= self.atom()?;
        }
        Ok(value)
    }

    fn atom(&mut self) -> anyhow::Result<bool> {
        if self.accept("!") {
            return Ok(!self.atom()?);
        }
        if self.accept("(") {
            let value = self.disjunction()?;
            ensure!(self.accept(")"), "expected `)` before `{}`", self.rest);
            return Ok(value);
        }
        if self.accept("*") {
            return Ok(true);
        }
        let pattern = self.pattern()?;
        match pattern.as_str() {
            "true" => return Ok(true),
            "false" => return Ok(false),
            _ => {}
        }
        let regex = Regex::new(&format!("^(?:{pattern})$")).with_context(|| format!("bad regex `{pattern}`"))?;
        Ok(self.features.iter().any(|feature| regex.is_match(feature)))
    }

    /// A feature's name, parts of which may be `{{regex}}`, as a regex.
    fn pattern(&mut self) -> anyhow::Result<String> {
        let mut pattern = String::new();
        loop {
            if let Some(after) = self.rest.strip_prefix("{{") {
                let (regex, rest) = after.split_once("}}").context("`{{` without `}}`")?;
                pattern.push_str(&format!("(?:{regex})"));
                self.rest = rest;
                continue;
            }
            let end = self.rest.find(|c: char| !(c.is_alphanumeric() || "-+=._".contains(c)));
            let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
            if word.is_empty() {
                break;
            }
            pattern.push_str(&regex_lite::escape(word));
            self.rest = rest;
        }
        self.rest = self.rest.trim_start();
        match (pattern.is_empty(), self.rest) {
            (true, "") => bail!("expected a feature at the end"),
            (true, rest) => bail!("expected a feature before `{rest}`"),
            (false, _) => Ok(pattern),
        }
    }

    fn accept(&mut self, token: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(token) else { return false };
        self.rest = rest.trim_start();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn conditions_follow_lits_grammar() {
        let features = ["x86_64", "system-linux", "cuda"].map(str::to_owned).into();
        let holds = |expression| holds(expression, &features).unwrap();
        assert!(holds("x86_64"));
        assert!(holds("*"));
        assert!(!holds("metal"));
        assert!(holds("!metal && cuda"));
        assert!(holds("metal || (cuda && system-linux)"));
        assert!(!holds("metal || cuda && !x86_64"));
        assert!(holds("system-{{lin.*}}"));
        assert!(!holds("{{lin.*}}"), "a regex matches the whole feature");
    }

    #[test]
    fn errors_name_the_condition() {
        let error = |expression| format!("{:#}", holds(expression, &Default::default()).unwrap_err());
        assert_eq!(error("a b"), "unexpected `b` in the condition `a b`");
        assert_eq!(error("a &&"), "in the condition `a &&`: expected a feature at the end");
        assert_eq!(error("(a"), "in the condition `(a`: expected `)` before ``");
    }
}
