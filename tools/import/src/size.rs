//! Sizes as exported programs write them: sympy expressions, as `srepr` or as a formula.
//!
//! `Add(Integer(1), Mul(Integer(2), Symbol('s0', positive=True, integer=True)))` and `2*s0 + 1` are the same size. What a
//! size cannot be, such as a quotient that is not rounded, is an error that says so.

use std::collections::BTreeMap;

use thunder_trace::Dim;

/// How deep an expression may nest: no size of a model comes near, and a hostile one does not end the process.
const DEPTH: usize = 64;

/// The size that an expression states, where `symbols` says what its symbols are.
pub(crate) fn parse(text: &str, symbols: &dyn Fn(&str) -> Option<Dim>) -> Result<Dim, String> {
    let expr = Parser::expression(text)?;
    dim(&expr, symbols).map_err(|reason| format!("the size '{text}': {reason}"))
}

/// An expression that is a symbol and nothing else.
pub(crate) fn symbol(text: &str) -> Option<String> {
    match Parser::expression(text).ok()? {
        Expr::Symbol(name) => Some(name),
        _ => None,
    }
}

/// What the only symbol of an expression is, where the expression's value is known: `s0` is `x / 2` in `2*s0 == x`.
pub(crate) fn solve(text: &str, value: Dim) -> Option<(String, Dim)> {
    unwound(&Parser::expression(text).ok()?, value)
}

fn unwound(expr: &Expr, value: Dim) -> Option<(String, Dim)> {
    match expr {
        Expr::Symbol(name) => Some((name.clone(), value)),
        Expr::Call(function, arguments) => match (function.as_str(), arguments.as_slice()) {
            ("Mul", [Expr::Integer(factor), inner] | [inner, Expr::Integer(factor)]) if *factor > 0 => {
                unwound(inner, value / *factor)
            }
            ("Add", [Expr::Integer(term), inner] | [inner, Expr::Integer(term)]) => unwound(inner, value - *term),
            _ => None,
        },
        Expr::Integer(_) => None,
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Expr {
    Integer(i64),
    Symbol(String),
    Call(String, Vec<Expr>),
}

fn dim(expr: &Expr, symbols: &dyn Fn(&str) -> Option<Dim>) -> Result<Dim, String> {
    let (function, arguments) = match expr {
        Expr::Integer(value) => return Ok(Dim::from(*value)),
        Expr::Symbol(name) => {
            return symbols(name).ok_or_else(|| format!("'{name}' is not the size of an input"));
        }
        Expr::Call(function, arguments) => (function.as_str(), arguments),
    };
    let parts = arguments.iter().map(|part| dim(part, symbols)).collect::<Result<Vec<_>, _>>()?;
    Ok(match (function, parts.as_slice()) {
        ("Add", [..]) => sum(arguments, symbols)?,
        ("Mul", [first, rest @ ..]) => rest.iter().fold(first.clone(), |product, part| product * part),
        ("Max", [first, rest @ ..]) => rest.iter().fold(first.clone(), |most, part| most.max(part)),
        // min(x, y) == x + y - max(x, y)
        ("Min", [x, y]) => x + y - x.max(y),
        ("FloorDiv" | "CleanDiv", [x, y]) => x / y,
        ("Mod" | "PythonMod", [x, y]) => x - x / y * y,
        ("Pow", [base, _]) => match &arguments[1] {
            Expr::Integer(power @ 1..=8) => (1..*power).fold(base.clone(), |product, _| product * base),
            _ => return Err("only small powers of sizes are sizes".to_owned()),
        },
        _ => return Err(format!("'{function}' of {} sizes is not supported", parts.len())),
    })
}

/// A sum; what is subtracted stands last, so that no part is below zero.
fn sum(terms: &[Expr], symbols: &dyn Fn(&str) -> Option<Dim>) -> Result<Dim, String> {
    let (mut added, mut subtracted) = (Vec::new(), Vec::new());
    for term in terms {
        match term {
            Expr::Integer(value @ ..0) => subtracted.push(Dim::from(value.saturating_neg())),
            Expr::Call(function, factors) if function == "Mul" && matches!(factors[..], [Expr::Integer(..0), ..]) => {
                let Expr::Integer(factor) = factors[0] else { unreachable!("the pattern above") };
                let rest = Expr::Call(function.clone(), factors[1..].to_vec());
                let rest = dim(&rest, symbols)?;
                subtracted.push(if factor == -1 { rest } else { Dim::from(factor.saturating_neg()) * rest });
            }
            _ => added.push(dim(term, symbols)?),
        }
    }
    let mut added = added.into_iter();
    let first = added.next().unwrap_or_else(|| Dim::from(0));
    let sum = added.fold(first, |sum, term| sum + term);
    Ok(subtracted.into_iter().fold(sum, |sum, term| sum - term))
}

struct Parser<'s> {
    text: &'s str,
    at: usize,
    depth: usize,
}

impl<'s> Parser<'s> {
    fn expression(text: &'s str) -> Result<Expr, String> {
        let mut parser = Self { text, at: 0, depth: 0 };
        let expr = parser.sum().ok().filter(|_| parser.rest().is_empty());
        expr.ok_or_else(|| format!("'{text}' is no size: at character {}", parser.at))
    }

    fn rest(&mut self) -> &'s str {
        let rest = self.text[self.at..].trim_start();
        self.at = self.text.len() - rest.len();
        rest
    }

    fn take(&mut self, token: &str) -> bool {
        let is_next = self.rest().starts_with(token);
        self.at += if is_next { token.len() } else { 0 };
        is_next
    }

    fn sum(&mut self) -> Result<Expr, ()> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(());
        }
        let mut terms = vec![self.product()?];
        loop {
            if self.take("+") {
                terms.push(self.product()?);
            } else if self.take("-") {
                terms.push(negated(self.product()?));
            } else {
                break;
            }
        }
        self.depth -= 1;
        Ok(single("Add", terms))
    }

    fn product(&mut self) -> Result<Expr, ()> {
        let mut product = self.power()?;
        loop {
            if self.take("//") {
                product = Expr::Call("FloorDiv".to_owned(), vec![product, self.power()?]);
            } else if self.take("%") {
                product = Expr::Call("Mod".to_owned(), vec![product, self.power()?]);
            } else if self.take("*") {
                product = multiplied(product, self.power()?);
            } else {
                return Ok(product);
            }
        }
    }

    fn power(&mut self) -> Result<Expr, ()> {
        if self.take("-") {
            return Ok(negated(self.power()?));
        }
        let base = self.atom()?;
        let is_power = self.take("**");
        if is_power { Ok(Expr::Call("Pow".to_owned(), vec![base, self.atom()?])) } else { Ok(base) }
    }

    fn atom(&mut self) -> Result<Expr, ()> {
        if self.take("(") {
            let inner = self.sum()?;
            return if self.take(")") { Ok(inner) } else { Err(()) };
        }
        let rest = self.rest();
        let word: &str =
            &rest[..rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.').unwrap_or(rest.len())];
        self.at += word.len();
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return word.parse().map(Expr::Integer).map_err(drop);
        }
        if word.is_empty() {
            return Err(());
        }
        if !self.take("(") {
            return Ok(Expr::Symbol(word.to_owned()));
        }
        // Functions of torch have their module before their name.
        let name = word.rsplit('.').next().unwrap_or(word);
        if name == "Symbol" {
            return self.quoted_symbol();
        }
        let mut arguments = Vec::new();
        while !self.take(")") {
            if !arguments.is_empty() && !self.take(",") {
                return Err(());
            }
            arguments.push(self.sum()?);
        }
        match (name, arguments.as_slice()) {
            ("Integer", [value]) => Ok(value.clone()),
            (_, []) => Err(()),
            _ => Ok(Expr::Call(name.to_owned(), arguments)),
        }
    }

    /// `'s0', positive=True, integer=True)`.
    fn quoted_symbol(&mut self) -> Result<Expr, ()> {
        let rest = self.rest().strip_prefix('\'').ok_or(())?;
        let (name, flags) = rest.split_once('\'').ok_or(())?;
        self.at = self.text.len() - flags.len() + flags.find(')').ok_or(())? + 1;
        Ok(Expr::Symbol(name.to_owned()))
    }
}

fn negated(expr: Expr) -> Expr {
    match expr {
        Expr::Integer(value) => Expr::Integer(value.saturating_neg()),
        other => multiplied(Expr::Integer(-1), other),
    }
}

fn multiplied(x: Expr, y: Expr) -> Expr {
    match x {
        Expr::Call(function, mut factors) if function == "Mul" => {
            factors.push(y);
            Expr::Call(function, factors)
        }
        x => Expr::Call("Mul".to_owned(), vec![x, y]),
    }
}

fn single(function: &str, mut parts: Vec<Expr>) -> Expr {
    if parts.len() == 1 { parts.swap_remove(0) } else { Expr::Call(function.to_owned(), parts) }
}

/// What the symbols of a program are.
#[derive(Default)]
pub(crate) struct Symbols(BTreeMap<String, Dim>);

impl Symbols {
    /// Says what a symbol is, unless that is known.
    pub(crate) fn define(&mut self, name: String, dim: Dim) {
        self.0.entry(name).or_insert(dim);
    }

    pub(crate) fn get(&self, name: &str) -> Option<Dim> {
        self.0.get(name).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::{Dim, parse, solve, symbol};

    fn shown(text: &str) -> String {
        match parse(text, &|name| name.starts_with('s').then(|| Dim::new(name))) {
            Ok(dim) => dim.to_string(),
            Err(reason) => reason,
        }
    }

    #[test]
    fn both_notations_are_read() {
        let s = |name: &str| format!("Symbol('{name}', positive=True, integer=True)");
        let floor = format!("torch.utils._sympy.functions.FloorDiv(Add(Integer(-1), {}), Integer(2))", s("s0"));
        for (text, dim) in [
            ("Integer(7)", "7"),
            ("-3", "-3"),
            ("2*s0 + 1", "2 * s0 + 1"),
            ("s0**2 - s1", "s0 * s0 - s1"),
            ("((s0 - 1)//2) + 1", "(s0 - 1) / 2 + 1"),
            ("Max(s0, 4)", "max(s0, 4)"),
            ("s0 % 4", "s0 - (s0 / 4 * 4)"),
            (&s("s77"), "s77"),
            (&format!("Mul(Integer(2), {}, {})", s("s0"), s("s1")), "2 * s0 * s1"),
            (&format!("Add(Mul(Integer(-1), {}), {}, Integer(-1))", s("s1"), s("s0")), "s0 - s1 - 1"),
            (&format!("Add({floor}, Integer(1))"), "(s0 - 1) / 2 + 1"),
        ] {
            assert_eq!(shown(text), dim, "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for (text, reason) in [
            ("u0", "the size 'u0': 'u0' is not the size of an input"),
            ("Rational(1, 2)", "the size 'Rational(1, 2)': 'Rational' of 2 sizes is not supported"),
            ("2 s0", "'2 s0' is no size: at character 2"),
            ("Symbol('s0", "'Symbol('s0' is no size: at character 7"),
            ("", "'' is no size: at character 0"),
            ("s0**s0", "the size 's0**s0': only small powers of sizes are sizes"),
            ("99999999999999999999", "'99999999999999999999' is no size: at character 20"),
        ] {
            assert_eq!(shown(text), reason);
        }
        let deep = "(".repeat(100_000);
        assert!(shown(&deep).ends_with("is no size: at character 64"), "{}", shown(&deep).len());
    }

    #[test]
    fn sizes_of_inputs_are_solved_for_their_symbol() {
        let solved = |text| solve(text, Dim::new("x")).map(|(name, dim)| format!("{name} = {dim}"));
        assert_eq!(solved("2*s0").as_deref(), Some("s0 = x / 2"));
        assert_eq!(solved("2*s0 + 1").as_deref(), Some("s0 = (x - 1) / 2"));
        assert_eq!(solved("s0*s1"), None);
        assert_eq!(symbol("s0").as_deref(), Some("s0"));
        assert_eq!(symbol("2*s0"), None);
    }
}
